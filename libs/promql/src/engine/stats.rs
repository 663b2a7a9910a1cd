//! Statistics under way, counted as Prometheus counts: every sample once for every step that reads it.
//!
//! Parts of an evaluation that run beside each other count into a [`Stats::fork`] each and are added up afterwards.

use super::column::Steps;

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
        if let (Some(all), Some(part)) = (&mut self.per_step, &other.per_step) {
            all.counts.iter_mut().zip(&part.counts).for_each(|(sum, count)| *sum += count);
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

    /// Every step with its count.
    pub(super) fn per_step(&self) -> Vec<(i64, u64)> {
        let step = |all: &PerStep| {
            let counts = all.counts.iter().enumerate();
            counts.map(|(at, count)| (all.steps.time(at), *count)).collect()
        };
        self.per_step.as_ref().map(step).unwrap_or_default()
    }
}
