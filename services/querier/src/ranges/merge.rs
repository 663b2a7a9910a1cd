//! One answer of the answers of stretches, in their order: what one evaluation of all steps answers, to the bit.
//!
//! Series are joined by their labels and put into the engine's order, samples are counted over all stretches. The most samples in
//! memory is that of the stretch with the most, for they are evaluated one after the other; a kept one counts as it was evaluated.

use std::{collections::HashMap, ops::Range, sync::Arc};

use narthex_model::Labels;
use narthex_promql::{
    Annotations, EvalError, MatrixSeries, Notes, QueryResult, QueryStats, QueryValue, Reservation,
    compare_by_name,
};

use super::extent::Extent;

/// The answer of a stretch.
#[derive(Debug)]
pub(super) enum Piece {
    /// Evaluated for this query.
    Fresh(QueryResult, Notes),
    /// Steps of an extent.
    Kept(Arc<Extent>, Range<usize>),
}

impl Piece {
    /// Samples that its steps read.
    pub(super) fn samples(&self) -> u64 {
        match self {
            Self::Fresh(result, _) => result.stats.total_queryable_samples,
            Self::Kept(extent, steps) => extent.counts[steps.clone()].iter().sum(),
        }
    }

    /// Points of the answer.
    pub(super) fn points(&self) -> usize {
        match self {
            Self::Fresh(result, _) => {
                matrix(result).iter().map(|series| series.floats.len() + series.histograms.len()).sum()
            }
            Self::Kept(extent, steps) => {
                let points = |series: &super::extent::Kept| {
                    series.floats.count(steps) + series.histograms(steps).len()
                };
                extent.series.iter().map(points).sum()
            }
        }
    }

    /// What was noted.
    pub(super) fn notes(&self) -> &Notes {
        match self {
            Self::Fresh(_, notes) => notes,
            Self::Kept(extent, _) => &extent.notes,
        }
    }

    fn sizes(&self, mut tell: impl FnMut(&Labels, usize, usize)) {
        match self {
            Self::Fresh(result, _) => {
                matrix(result)
                    .iter()
                    .for_each(|one| tell(&one.labels, one.floats.len(), one.histograms.len()));
            }
            Self::Kept(extent, steps) => extent.series.iter().for_each(|one| {
                let (floats, histograms) = (one.floats.count(steps), one.histograms(steps).len());
                if floats + histograms > 0 {
                    tell(&one.labels, floats, histograms);
                }
            }),
        }
    }

    fn fill(self, places: &HashMap<Labels, usize>, all: &mut [MatrixSeries]) {
        match self {
            Self::Fresh(result, _) => {
                let QueryValue::Matrix(matrix) = result.value else { return };
                for one in matrix {
                    let Some(into) = places.get(&one.labels).and_then(|place| all.get_mut(*place)) else {
                        continue;
                    };
                    into.floats.extend(one.floats);
                    into.histograms.extend(one.histograms);
                }
            }
            Self::Kept(extent, steps) => {
                let time = |step: usize| extent.steps.at(step);
                for one in &extent.series {
                    let Some(into) = places.get(&one.labels).and_then(|place| all.get_mut(*place)) else {
                        continue;
                    };
                    into.floats.extend(one.floats.of(&steps).map(|(step, value)| (time(step), value)));
                    let histograms = one.histograms(&steps).iter();
                    into.histograms
                        .extend(histograms.map(|(step, found)| (time(*step as usize), Arc::clone(found))));
                }
            }
        }
    }

    fn count(&self, stats: &mut QueryStats, per_step: bool) {
        stats.total_queryable_samples += self.samples();
        let peak = match self {
            Self::Fresh(result, _) => result.stats.peak_samples,
            Self::Kept(extent, _) => extent.peak,
        };
        stats.peak_samples = stats.peak_samples.max(peak);
        match self {
            _ if !per_step => {}
            Self::Fresh(result, _) => stats.per_step.extend_from_slice(&result.stats.per_step),
            Self::Kept(extent, steps) => {
                let counts = steps.clone().map(|step| (extent.steps.at(step), extent.counts[step]));
                stats.per_step.extend(counts);
            }
        }
    }
}

fn matrix(result: &QueryResult) -> &[MatrixSeries] {
    match &result.value {
        QueryValue::Matrix(matrix) => matrix,
        _ => &[],
    }
}

/// Joins the answers of stretches. What the answer occupies is taken from `memory`.
pub(super) fn merge(
    mut pieces: Vec<Piece>,
    annotations: Annotations,
    per_step: bool,
    memory: Reservation,
) -> Result<QueryResult, EvalError> {
    let mut stats = QueryStats::default();
    pieces.iter().for_each(|piece| piece.count(&mut stats, per_step));
    if pieces.len() == 1
        && let Some(Piece::Fresh(..)) = pieces.first()
        && let Some(Piece::Fresh(result, _)) = pieces.pop()
    {
        return Ok(QueryResult { annotations, stats, ..result });
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for piece in &pieces {
        piece.sizes(|labels, floats, histograms| {
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                sizes.push((0, 0));
                sizes.len() - 1
            });
            sizes[place].0 += floats;
            sizes[place].1 += histograms;
        });
    }
    let points: usize = sizes.iter().map(|(floats, histograms)| floats + histograms).sum();
    memory.grow(sizes.len() * size_of::<MatrixSeries>() + points * size_of::<(i64, f64)>())?;
    let mut all: Vec<MatrixSeries> = sizes
        .iter()
        .map(|(floats, histograms)| MatrixSeries {
            floats: Vec::with_capacity(*floats),
            histograms: Vec::with_capacity(*histograms),
            ..MatrixSeries::default()
        })
        .collect();
    // Each piece goes with its memory once it is taken over.
    pieces.into_iter().for_each(|piece| piece.fill(&places, &mut all));
    for (labels, place) in places {
        all[place].labels = labels;
    }
    all.sort_by(|a, b| compare_by_name(&a.labels, &b.labels));
    Ok(QueryResult { value: QueryValue::Matrix(all), annotations, stats, memory })
}
