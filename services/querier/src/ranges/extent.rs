//! The answer of a stretch of steps as it is kept: columns of floats by step, counts of samples by step, and what it stands on.
//!
//! Immutable. A part of it can be taken, unless something was noted: which of the steps made a note is not known, so an extent with
//! notes answers for all of its steps or for none.

use std::{collections::HashMap, ops::Range, sync::Arc};

use narthex_model::{Histogram, Labels, TimestampMs};
use narthex_promql::{Notes, QueryResult, QueryValue};

use super::stretch::Stretch;
use crate::{read::histogram_bytes, reads::History};

/// Bytes of what a series or note takes beside its contents.
const OVERHEAD: usize = 64;

/// A kept answer.
#[derive(Debug)]
pub(crate) struct Extent {
    pub(super) steps: Stretch,
    /// Samples that each step read.
    pub(super) counts: Box<[u64]>,
    /// Most samples in memory while it was evaluated.
    pub(super) peak: u64,
    pub(super) notes: Notes,
    pub(super) series: Vec<Kept>,
    pub(super) ground: Ground,
    bytes: usize,
}

/// One series.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) labels: Labels,
    pub(super) floats: Floats,
    pub(super) histograms: Vec<(u32, Arc<Histogram>)>,
}

/// Floats and their steps: without gaps from the first, or each with its own.
#[derive(Debug, Default)]
pub(super) struct Floats {
    first: u32,
    steps: Option<Vec<u32>>,
    values: Vec<f64>,
}

impl Floats {
    /// Adds the float of a step after all others.
    pub(super) fn push(&mut self, step: u32, value: f64) {
        let next = self.first.saturating_add(self.values.len() as u32);
        match &mut self.steps {
            Some(steps) => steps.push(step),
            None if self.values.is_empty() => self.first = step,
            None if step == next => {}
            None => self.steps = Some((self.first..next).chain([step]).collect()),
        }
        self.values.push(value);
    }

    fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.steps.iter_mut().for_each(Vec::shrink_to_fit);
    }

    fn step(&self, place: usize) -> u32 {
        self.steps.as_ref().map_or(self.first.saturating_add(place as u32), |steps| steps[place])
    }

    /// The places of floats of some steps.
    fn places(&self, steps: &Range<usize>) -> Range<usize> {
        let place = |bound: usize| match &self.steps {
            Some(steps) => steps.partition_point(|step| (*step as usize) < bound),
            None => bound.saturating_sub(self.first as usize).min(self.values.len()),
        };
        place(steps.start)..place(steps.end)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, f64)> {
        self.values.iter().enumerate().map(|(place, value)| (self.step(place) as usize, *value))
    }

    /// How many there are in some steps.
    pub(super) fn count(&self, steps: &Range<usize>) -> usize {
        self.places(steps).len()
    }

    /// Those of some steps.
    pub(super) fn of(&self, steps: &Range<usize>) -> impl Iterator<Item = (usize, f64)> {
        self.places(steps).map(|place| (self.step(place) as usize, self.values[place]))
    }
}

impl Kept {
    fn new(labels: &Labels) -> Self {
        // The bytes of an answer's labels may be part of a message, which is not to be kept for them.
        let labels = labels.filtered(|_| true);
        Self { labels, floats: Floats::default(), histograms: Vec::new() }
    }

    /// The histograms of some steps.
    pub(super) fn histograms(&self, steps: &Range<usize>) -> &[(u32, Arc<Histogram>)] {
        let place = |bound: usize| self.histograms.partition_point(|(step, _)| (*step as usize) < bound);
        &self.histograms[place(steps.start)..place(steps.end)]
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + OVERHEAD
            + self.labels.as_bytes().len()
            + self.floats.values.capacity() * size_of::<f64>()
            + self.floats.steps.as_ref().map_or(0, Vec::capacity) * size_of::<u32>()
            + self.histograms.iter().map(|(_, histogram)| histogram_bytes(histogram)).sum::<usize>()
    }
}

/// What an extent stands on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// No sample before was looked at.
    pub(super) reads_from: TimestampMs,
    pub(super) history: History,
}

impl Extent {
    /// The first steps of an answer, and notes where it is all of them. None if the answer does not say what each step read.
    pub(super) fn of(result: &QueryResult, notes: &Notes, steps: Stretch, ground: Ground) -> Option<Self> {
        let QueryValue::Matrix(matrix) = &result.value else { return None };
        let per_step = &result.stats.per_step;
        let total: u64 = per_step.iter().map(|(_, samples)| samples).sum();
        if per_step.len() < steps.count || total != result.stats.total_queryable_samples {
            return None;
        }
        let end = steps.end();
        let step = |time: i64| u32::try_from(steps.place(time)).unwrap_or(u32::MAX);
        let mut series = Vec::with_capacity(matrix.len());
        for one in matrix {
            let mut kept = Kept::new(&one.labels);
            let floats = one.floats.iter().take_while(|(time, _)| *time <= end);
            floats.for_each(|(time, value)| kept.floats.push(step(*time), *value));
            let histograms = one.histograms.iter().take_while(|(time, _)| *time <= end);
            kept.histograms =
                histograms.map(|(time, histogram)| (step(*time), Arc::clone(histogram))).collect();
            series.push(kept);
        }
        let counts = per_step[..steps.count].iter().map(|(_, samples)| *samples).collect();
        Some(Self::whole(steps, counts, result.stats.peak_samples, notes.clone(), series, ground))
    }

    /// Of its parts.
    pub(super) fn whole(
        steps: Stretch,
        counts: Box<[u64]>,
        peak: u64,
        notes: Notes,
        mut series: Vec<Kept>,
        ground: Ground,
    ) -> Self {
        series.retain(|one| !(one.floats.values.is_empty() && one.histograms.is_empty()));
        series.shrink_to_fit();
        series.iter_mut().for_each(|one| one.floats.shrink());
        let bytes = size_of::<Self>()
            + counts.len() * size_of::<u64>()
            + notes.len() * 4 * OVERHEAD
            + series.iter().map(Kept::bytes).sum::<usize>();
        Self { steps, counts, peak, notes, series, ground, bytes }
    }

    /// Bytes of memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether what it stands on is still so.
    pub(super) fn holds(&self, now: &History) -> bool {
        self.ground.history.holds(now, self.ground.reads_from)
    }

    /// Which of its steps it can answer for, of those that are asked for.
    pub(super) fn usable(&self, asked: Stretch) -> Option<Range<usize>> {
        let bound = |time: i64| usize::try_from(self.steps.place(time)).unwrap_or(0).min(self.steps.count);
        let range = bound(asked.start)..bound(asked.next());
        let all = range.len() == self.steps.count;
        (!range.is_empty() && (all || self.notes.is_empty())).then_some(range)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.steps.start <= other.steps.end() && other.steps.start <= self.steps.end()
    }

    /// One extent of two where nothing was noted, if the other follows right after.
    fn join(&self, after: &Self) -> Option<Self> {
        let joins = self.steps.next() == after.steps.start && self.ground.history == after.ground.history;
        if !joins || !self.notes.is_empty() || !after.notes.is_empty() {
            return None;
        }
        let mut places: HashMap<&Labels, usize> = HashMap::with_capacity(self.series.len());
        let mut series: Vec<Kept> = Vec::with_capacity(self.series.len());
        for (extent, shift) in [(self, 0), (after, self.steps.count as u32)] {
            for one in &extent.series {
                let place = *places.entry(&one.labels).or_insert_with(|| {
                    series.push(Kept { labels: one.labels.clone(), ..Kept::new(&Labels::EMPTY) });
                    series.len() - 1
                });
                let into = &mut series[place];
                one.floats.all().for_each(|(step, value)| into.floats.push(step as u32 + shift, value));
                let histograms = one.histograms.iter();
                into.histograms.extend(histograms.map(|(step, found)| (step + shift, Arc::clone(found))));
            }
        }
        let steps = Stretch { count: self.steps.count + after.steps.count, ..self.steps };
        let counts = self.counts.iter().chain(&after.counts).copied().collect();
        let reads_from = self.ground.reads_from.min(after.ground.reads_from);
        let ground = Ground { reads_from, ..self.ground };
        Some(Self::whole(steps, counts, self.peak.max(after.peak), Notes::default(), series, ground))
    }
}

/// A part of a stretch, and where its answer is.
#[derive(Debug, Clone)]
pub(super) enum Cover {
    /// Some steps of an extent.
    Kept(Arc<Extent>, Range<usize>),
    /// Steps to evaluate.
    Missing(Stretch),
}

/// The steps of a stretch by where their answers are. Extents are in order and do not overlap.
pub(super) fn cover(asked: Stretch, extents: &[Arc<Extent>], now: &History) -> Vec<Cover> {
    let (mut found, mut from) = (Vec::new(), 0);
    for extent in extents.iter().filter(|extent| extent.holds(now)) {
        let Some(range) = extent.usable(asked) else { continue };
        let start = usize::try_from(asked.place(extent.steps.at(range.start))).unwrap_or(0);
        if from < start {
            found.push(Cover::Missing(asked.part(from, start)));
        }
        from = start + range.len();
        found.push(Cover::Kept(Arc::clone(extent), range));
    }
    if from < asked.count {
        found.push(Cover::Missing(asked.part(from, asked.count)));
    }
    found
}

/// Extents with another one. Neighbours become one unless that would copy a long one for the sake of a short one.
pub(super) fn with(extents: &[Arc<Extent>], new: Extent, now: &History) -> Vec<Arc<Extent>> {
    /// How much longer a neighbour may be.
    const LONGER: usize = 8;
    let mut all: Vec<Arc<Extent>> = extents.iter().filter(|extent| extent.holds(now)).cloned().collect();
    // One with notes was no use for a part of its steps, but is for all of them.
    if all.iter().any(|extent| extent.overlaps(&new) && extent.steps.count >= new.steps.count) {
        return all;
    }
    all.retain(|extent| !extent.overlaps(&new));
    all.push(Arc::new(new));
    all.sort_by_key(|extent| extent.steps.start);
    let mut at = 0;
    while at + 1 < all.len() {
        let (one, next) = (&all[at], &all[at + 1]);
        let lengths = [one.steps.count, next.steps.count];
        let alike = lengths[0] / LONGER <= lengths[1] && lengths[1] / LONGER <= lengths[0];
        match alike.then(|| one.join(next)).flatten() {
            Some(joined) => {
                all.splice(at..at + 2, [Arc::new(joined)]);
                // It may now be as long as the one before.
                at = at.saturating_sub(1);
            }
            None => at += 1,
        }
    }
    all
}
