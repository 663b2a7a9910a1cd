//! Statistics under way, counted as Prometheus counts: every sample once for every step that reads it.
//!
//! Parts of an evaluation that run beside each other count into a [`Stats::fork`] each and are added up afterwards.

use bytes::{Buf, BufMut};

use super::{
    column::Steps,
    fragment::{CodecError, get_length},
};

/// Counts of an evaluation, or of a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stats {
    pub(super) total: u64,
    pub(super) peak: usize,
    per_step: Option<PerStep>,
}

#[derive(Debug, Clone)]
struct PerStep {
    steps: Steps,
    counts: Vec<u64>,
}

impl Stats {
    /// Nothing counted yet; `per_step` keeps counts of every step as well.
    pub(super) fn new(steps: Steps, per_step: bool) -> Self {
        let per_step = per_step.then(|| PerStep { steps, counts: vec![0; steps.count] });
        Self { per_step, ..Self::default() }
    }

    /// Nothing counted, in the same detail.
    pub(super) fn fork(&self) -> Self {
        let per_step =
            self.per_step.as_ref().map(|all| PerStep { counts: vec![0; all.counts.len()], ..*all });
        Self { per_step, ..Self::default() }
    }

    /// Adds what a fork counted.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.total += other.total;
        self.peak = self.peak.max(other.peak);
        match (&mut self.per_step, &other.per_step) {
            (Some(all), Some(part)) if all.steps == part.steps => {
                all.counts.iter_mut().zip(&part.counts).for_each(|(sum, count)| *sum += count);
            }
            // Of one step that stands for all.
            (Some(all), Some(part)) => {
                for (at, count) in part.counts.iter().enumerate() {
                    let time = part.steps.time(at).saturating_sub(all.steps.start) / all.steps.step;
                    if let Some(sum) = usize::try_from(time).ok().and_then(|at| all.counts.get_mut(at)) {
                        *sum += count;
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts samples that a selector read for the step at `time`.
    pub(super) fn count(&mut self, time: i64, samples: usize) {
        self.total += samples as u64;
        if let Some(PerStep { steps, counts }) = &mut self.per_step {
            let at = time.saturating_sub(steps.start) / steps.step;
            if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
                *count += samples as u64;
            }
        }
    }

    /// The counts as bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.total);
        let counts = self.per_step.as_ref().map_or(&[][..], |all| &all.counts);
        out.put_u32_le(counts.len() as u32);
        counts.iter().for_each(|count| out.put_u64_le(*count));
    }

    /// Takes counts of these steps from bytes.
    pub(super) fn decode(input: &mut &[u8], steps: Steps) -> Result<Self, CodecError> {
        let total = input.try_get_u64_le()?;
        let length = get_length(input, 8)?;
        let counts: Vec<u64> = (0..length).map(|_| input.try_get_u64_le()).collect::<Result<_, _>>()?;
        let per_step = (length == steps.count && length > 0).then_some(PerStep { steps, counts });
        if length > 0 && per_step.is_none() {
            return Err(CodecError::Bounds("step"));
        }
        Ok(Self { total, peak: 0, per_step })
    }

    /// Every step with its count.
    pub(super) fn per_step(&self) -> Vec<(i64, u64)> {
        let step = |all: &PerStep| {
            let counts = all.counts.iter().enumerate();
            counts.map(|(at, count)| (all.steps.time(at), *count)).collect()
        };
        self.per_step.as_ref().map(step).unwrap_or_default()
    }
}
