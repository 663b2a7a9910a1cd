//! Merging copies of one series, sample by sample.
//!
//! Copies are usually equal, or differ only at the newest end where one owner is a push ahead, so equal columns and equal
//! beginnings are compared, not merged. Where values compete, [`Rule`] decides; without a majority the greatest by
//! [`resolve`] wins, which does not depend on the order of the copies.

use narthex_model::{EncodedHistogram, Value, resolve};
use narthex_promql::SeriesData;

use super::merge::Rule;

/// A sample of one copy.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Float(f64),
    Histogram(&'a EncodedHistogram),
}

impl Candidate<'_> {
    fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            _ => false,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Float(value) => Value::Float(value),
            Self::Histogram(histogram) => Value::Histogram(histogram.decode().into()),
        }
    }
}

/// Merges tidy copies of one series: every timestamp of any of them once, ascending. The labels are the first copy's.
pub fn merge_samples(copies: &[&SeriesData], rule: Rule) -> SeriesData {
    let Some((first, others)) = copies.split_first() else {
        return SeriesData::default();
    };
    if others.iter().all(|other| same_samples(first, other)) {
        return (*first).clone();
    }
    let start = common_prefix(copies);
    let mut merged = SeriesData { labels: first.labels.clone(), ..SeriesData::default() };
    merged.timestamps.extend_from_slice(&first.timestamps[..start]);
    merged.values.extend_from_slice(&first.values[..start]);
    walk(copies, start, |timestamp, candidates| {
        match choose(candidates, rule) {
            Candidate::Float(value) => {
                merged.timestamps.push(timestamp);
                merged.values.push(value);
            }
            Candidate::Histogram(histogram) => merged.histograms.push((timestamp, histogram.clone())),
        }
        true
    });
    merged
}

/// Whether two copies hold different values for one timestamp.
pub(crate) fn differ(copies: &[&SeriesData]) -> bool {
    let Some((first, others)) = copies.split_first() else {
        return false;
    };
    if others.iter().all(|other| same_samples(first, other)) {
        return false;
    }
    let mut found = false;
    walk(copies, common_prefix(copies), |_, candidates| {
        found = candidates.iter().any(|candidate| !candidate.equals(candidates[0]));
        !found
    });
    found
}

pub(crate) fn same_samples(a: &SeriesData, b: &SeriesData) -> bool {
    a.timestamps == b.timestamps
        && a.values.len() == b.values.len()
        && a.values.iter().zip(&b.values).all(|(a, b)| a.to_bits() == b.to_bits())
        && a.histograms == b.histograms
}

/// Number of float samples at the beginning that all copies share; 0 where there are histograms, which may lie between.
fn common_prefix(copies: &[&SeriesData]) -> usize {
    let Some((first, others)) = copies.split_first() else {
        return 0;
    };
    if copies.iter().any(|copy| !copy.histograms.is_empty()) {
        return 0;
    }
    let shared = |other: &&SeriesData| {
        let times = first.timestamps.iter().zip(&other.timestamps);
        let values = first.values.iter().zip(&other.values);
        times.zip(values).take_while(|((a, b), (v, w))| a == b && v.to_bits() == w.to_bits()).count()
    };
    others.iter().map(shared).min().unwrap_or(first.timestamps.len())
}

struct Cursor<'a> {
    copy: &'a SeriesData,
    float: usize,
    histogram: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<i64> {
        let float = self.copy.timestamps.get(self.float).copied();
        let histogram = self.copy.histograms.get(self.histogram).map(|(at, _)| *at);
        float.into_iter().chain(histogram).min()
    }

    fn take(&mut self, at: i64) -> Option<Candidate<'a>> {
        if self.copy.timestamps.get(self.float) == Some(&at) {
            self.float += 1;
            return self.copy.values.get(self.float - 1).map(|value| Candidate::Float(*value));
        }
        let (found, histogram) = self.copy.histograms.get(self.histogram)?;
        if *found != at {
            return None;
        }
        self.histogram += 1;
        Some(Candidate::Histogram(histogram))
    }
}

/// Visits every timestamp from the given float on, with all its candidates, while `visit` says true.
fn walk<'a>(copies: &[&'a SeriesData], start: usize, mut visit: impl FnMut(i64, &[Candidate<'a>]) -> bool) {
    let cursor = |copy: &&'a SeriesData| Cursor { copy, float: start, histogram: 0 };
    let mut cursors: Vec<_> = copies.iter().map(cursor).collect();
    let mut candidates = Vec::with_capacity(cursors.len());
    while let Some(at) = cursors.iter().filter_map(Cursor::peek).min() {
        candidates.clear();
        candidates.extend(cursors.iter_mut().filter_map(|cursor| cursor.take(at)));
        if !visit(at, &candidates) {
            return;
        }
    }
}

fn choose<'a>(candidates: &[Candidate<'a>], rule: Rule) -> Candidate<'a> {
    let first = candidates[0];
    if candidates.iter().all(|candidate| candidate.equals(first)) {
        return first;
    }
    if rule == Rule::Majority {
        let holds_two =
            |one: &&Candidate<'_>| candidates.iter().filter(|other| other.equals(**one)).count() >= 2;
        if let Some(winner) = candidates.iter().find(holds_two) {
            return *winner;
        }
    }
    let greatest = candidates.iter().max_by(|a, b| resolve(&a.value(), &b.value()));
    *greatest.expect("a timestamp was seen, so there is a candidate")
}
