//! Functions of histograms, classic (series with `le`) and native.
//!
//! Both kinds go through the same call. Where a native histogram and classic buckets of the same series meet at a step,
//! neither counts, with a warning.

use std::{collections::BTreeMap, sync::Arc};

use narthex_model::{Labels, LabelsBuilder};

use super::labels::text;
use crate::{
    ast::{Call, format_number},
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        finish::merge_same,
    },
    error::PositionRange,
    histogram::{
        ClassicBucket, FloatHistogram, QuantileNote, classic_fraction, classic_quantile, kahan,
        native_fraction, native_quantile,
    },
};

/// The label that holds the upper bound of a classic bucket.
const BUCKET: &str = "le";

/// Functions of one native histogram; floats are left out.
pub(super) async fn statistics(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let function: fn(&FloatHistogram) -> f64 = match call.function {
        "histogram_count" => |histogram| histogram.count,
        "histogram_sum" => |histogram| histogram.sum,
        "histogram_avg" => |histogram| histogram.sum / histogram.count,
        "histogram_stdvar" => variance,
        _ => |histogram| variance(histogram).sqrt(),
    };
    let columns = evaluator.vector(&call.args[0], steps).await?;
    let mut out = Vec::new();
    for column in columns.iter().filter(|column| column.has_histograms()) {
        evaluator.tick(steps.count).await?;
        let mut result = Column::new(column.labels.clone(), true, steps.count);
        for (at, sample) in column.samples() {
            if let SampleRef::Histogram(histogram) = sample {
                result.set_float(at, function(histogram));
            }
        }
        if !result.is_empty() {
            out.push(result);
        }
    }
    Ok(out)
}

/// The estimated variance: every observation sits at its bucket's mean.
fn variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut variance, mut lost) = (0.0, 0.0);
    for bucket in histogram.all_buckets().iter().filter(|bucket| bucket.count != 0.0) {
        let value = if histogram.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let root = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -root } else { root }
        };
        let delta = value - mean;
        kahan(bucket.count * delta * delta, &mut variance, &mut lost);
    }
    (variance + lost) / histogram.count
}

/// Series that belong to one histogram.
#[derive(Debug, Default)]
struct Family {
    /// Column of the native histogram.
    native: Option<usize>,
    /// Columns of classic buckets, with their upper bounds.
    classic: Vec<(usize, f64)>,
}

/// A quantile per step, and the label (name and value) that tells its result apart.
type Asked = (Vec<f64>, Option<(String, String)>);

/// What is asked of each histogram.
enum Question {
    Fraction(Vec<f64>, Vec<f64>),
    Quantiles(Vec<Asked>),
}

/// `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`.
pub(super) async fn quantiles(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let (vector, question) = match call.function {
        "histogram_fraction" => {
            let lower = evaluator.scalar(&call.args[0], steps).await?;
            let upper = evaluator.scalar(&call.args[1], steps).await?;
            (&call.args[2], Question::Fraction(lower, upper))
        }
        "histogram_quantile" => {
            let values = evaluator.scalar(&call.args[0], steps).await?;
            note_quantiles(evaluator, &values, call.args[0].position);
            (&call.args[1], Question::Quantiles(vec![(values, None)]))
        }
        _ => {
            let label = text(&call.args[1]).to_owned();
            let mut asked = Vec::new();
            for arg in &call.args[2..] {
                let values = evaluator.scalar(arg, steps).await?;
                note_quantiles(evaluator, &values, arg.position);
                let name = values.first().map_or(String::new(), |q| open_metrics_float(*q));
                asked.push((values, Some((label.clone(), name))));
            }
            (&call.args[0], Question::Quantiles(asked))
        }
    };
    let columns = evaluator.vector(vector, steps).await?;
    let families = families(evaluator, &columns, vector.position);
    let mut out = Vec::new();
    for (labels, family) in &families {
        evaluator.tick(steps.count * (family.classic.len() + 1)).await?;
        answer(evaluator, &columns, labels, family, &question, vector.position, steps, &mut out);
    }
    merge_same(out)
}

fn note_quantiles(evaluator: &mut Evaluator<'_>, values: &[f64], position: PositionRange) {
    for q in values.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        evaluator.notes.quantile(*q, position);
    }
}

/// A quantile as a label value: whole numbers keep a decimal.
fn open_metrics_float(value: f64) -> String {
    let text = format_number(value);
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}

fn families(
    evaluator: &mut Evaluator<'_>,
    columns: &[Column],
    position: PositionRange,
) -> Vec<(Labels, Family)> {
    let mut found: BTreeMap<Labels, Family> = BTreeMap::new();
    let mut order: Vec<Labels> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let has_floats = (0..column.len()).any(|step| column.float(step).is_some());
        if column.has_histograms()
            && column.samples().any(|(_, sample)| matches!(sample, SampleRef::Histogram(_)))
        {
            if !found.contains_key(&column.labels) {
                order.push(column.labels.clone());
            }
            found.entry(column.labels.clone()).or_default().native = Some(at);
        }
        if !has_floats {
            continue;
        }
        let bound = column.labels.get(BUCKET).unwrap_or_default();
        let Some(upper) = parse_bound(bound) else {
            evaluator.notes.bad_bucket(column.labels.metric_name(), bound, position);
            continue;
        };
        let labels = column.labels.filtered(|name| name != BUCKET);
        if !found.contains_key(&labels) {
            order.push(labels.clone());
        }
        found.entry(labels).or_default().classic.push((at, upper));
    }
    order.into_iter().filter_map(|labels| found.remove(&labels).map(|family| (labels, family))).collect()
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[allow(clippy::too_many_arguments, reason = "one step of one loop, named for its reader")]
fn answer(
    evaluator: &mut Evaluator<'_>,
    columns: &[Column],
    labels: &Labels,
    family: &Family,
    question: &Question,
    position: PositionRange,
    steps: Steps,
    out: &mut Vec<Column>,
) {
    let results = match question {
        Question::Fraction(..) => 1,
        Question::Quantiles(asked) => asked.len(),
    };
    let mut answers: Vec<Column> = (0..results)
        .map(|at| {
            let mut labels = LabelsBuilder::from_labels(labels);
            if let Question::Quantiles(asked) = question
                && let Some((name, value)) = &asked[at].1
            {
                labels.set(name, value);
            }
            Column::new(labels.build(), true, steps.count)
        })
        .collect();
    let name = labels.metric_name();
    let mut buckets = Vec::with_capacity(family.classic.len());
    for step in 0..steps.count {
        buckets.clear();
        let classic = family.classic.iter();
        buckets.extend(classic.filter_map(|(at, upper)| {
            columns[*at].float(step).map(|count| ClassicBucket { upper: *upper, count })
        }));
        let native: Option<Arc<FloatHistogram>> = match family.native.and_then(|at| columns[at].get(step)) {
            Some(SampleRef::Histogram(histogram)) => Some(Arc::clone(histogram)),
            _ => None,
        };
        match (native, buckets.is_empty()) {
            (Some(_), false) => evaluator.notes.mixed_classic_native(name, position),
            (Some(native), true) => {
                for (at, column) in answers.iter_mut().enumerate() {
                    let (value, note) = match question {
                        Question::Fraction(lower, upper) => {
                            native_fraction(lower[step], upper[step], &native)
                        }
                        Question::Quantiles(asked) => native_quantile(asked[at].0[step], &native),
                    };
                    column.set_float(step, value);
                    note.iter().for_each(|note| {
                        evaluator.notes.nan_observations(describe(*note), name, position);
                    });
                }
            }
            (None, false) => {
                for (at, column) in answers.iter_mut().enumerate() {
                    let value = match question {
                        Question::Fraction(lower, upper) => {
                            classic_fraction(lower[step], upper[step], &mut buckets)
                        }
                        Question::Quantiles(asked) => {
                            let quantile = classic_quantile(asked[at].0[step], &mut buckets);
                            if let Some(forced) = quantile.forced {
                                evaluator.notes.forced_monotonic(name, position, steps.time(step), forced);
                            }
                            quantile.value
                        }
                    };
                    column.set_float(step, value);
                }
            }
            (None, true) => {}
        }
    }
    out.extend(answers.into_iter().filter(|column| !column.is_empty()));
}

fn describe(note: QuantileNote) -> &'static str {
    match note {
        QuantileNote::Undefined => "histogram_quantile has NaN observations, result is NaN",
        QuantileNote::Skewed => "histogram_quantile has NaN observations, result is skewed higher",
        QuantileNote::Excluded => {
            "histogram_fraction has NaN observations, which are excluded from all fractions"
        }
    }
}
