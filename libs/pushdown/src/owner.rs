//! What an owner does with its series: aggregates them, or those that were agreed on, or makes digests of them.

use std::collections::BTreeSet;

use narthex_model::SeriesHash;
use narthex_promql::{Control, EvalError, Fragment, FragmentAnswer, FragmentRun, SeriesData};

use crate::{Digests, bucket_of, digest};

/// What came of some of the series; of different series it adds up.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The states of groups, or chosen series.
    pub answer: FragmentAnswer,
    /// What is held, where no aggregation was asked for.
    pub digests: Digests,
    /// Agreed buckets that are the same here.
    pub counted: BTreeSet<u32>,
    /// Samples that were looked at.
    pub samples: u64,
}

impl Outcome {
    /// Adds what came of other series.
    pub fn merge(&mut self, other: Self, fragment: Option<&Fragment>) {
        if let Some(fragment) = fragment {
            self.answer.merge(other.answer, fragment);
        }
        self.digests.merge(other.digests);
        self.counted.extend(other.counted);
        self.samples += other.samples;
    }

    /// Agreed buckets that are not the same here.
    pub fn differing(&self, agreed: &Digests) -> Vec<u32> {
        agreed.buckets().filter(|bucket| !self.counted.contains(bucket)).collect()
    }
}

/// A walk over an owner's series. With agreed digests series must come bucket by bucket, whole buckets at a time.
#[derive(Debug)]
pub struct OwnerRun<'a> {
    run: Option<FragmentRun<'a>>,
    agreed: Option<&'a Digests>,
    /// The series of the bucket that is under way.
    bucket: Vec<(SeriesHash, usize, SeriesData)>,
    outcome: Outcome,
}

impl<'a> OwnerRun<'a> {
    /// Without a fragment only digests are made. Fails for a fragment that cannot be run.
    pub fn new(
        fragment: Option<&'a Fragment>,
        agreed: Option<&'a Digests>,
        control: &Control,
    ) -> Result<Self, EvalError> {
        let run = fragment.map(|fragment| FragmentRun::new(fragment, control)).transpose()?;
        Ok(Self { run, agreed, bucket: Vec::new(), outcome: Outcome::default() })
    }

    /// Takes a series with its samples of the range; `place` is its place among all series that are here.
    pub fn add(&mut self, hash: SeriesHash, place: usize, data: SeriesData) -> Result<(), EvalError> {
        self.outcome.samples += (data.timestamps.len() + data.histograms.len()) as u64;
        let bucket = bucket_of(hash);
        match (&mut self.run, self.agreed) {
            (None, _) => self.outcome.digests.add(bucket, digest(hash, &data)),
            (Some(run), None) => run.add(place, data)?,
            (Some(_), Some(agreed)) => {
                if self.bucket.first().is_some_and(|first| bucket_of(first.0) != bucket) {
                    self.settle(agreed)?;
                }
                self.bucket.push((hash, place, data));
            }
        }
        Ok(())
    }

    /// Samples that were looked at so far.
    pub fn samples(&self) -> u64 {
        self.outcome.samples
    }

    /// What came of all series.
    pub fn finish(mut self) -> Result<Outcome, EvalError> {
        if let Some(agreed) = self.agreed {
            self.settle(agreed)?;
        }
        if let Some(run) = self.run {
            self.outcome.answer = run.finish()?;
        }
        Ok(self.outcome)
    }

    /// Counts the series of the bucket that is under way if they are those that were agreed on.
    fn settle(&mut self, agreed: &Digests) -> Result<(), EvalError> {
        let bucket = std::mem::take(&mut self.bucket);
        let (Some(run), Some((first, ..))) = (&mut self.run, bucket.first()) else { return Ok(()) };
        let number = bucket_of(*first);
        let mut found = Digests::default();
        bucket.iter().for_each(|(hash, _, data)| found.add(number, digest(*hash, data)));
        if agreed.get(number).is_some() && agreed.get(number) == found.get(number) {
            for (_, place, data) in bucket {
                run.add(place, data)?;
            }
            self.outcome.counted.insert(number);
        }
        Ok(())
    }
}
