//! `count_values`: how many series of a group have each value.

use std::collections::HashMap;

use narthex_model::{Labels, LabelsBuilder};

use super::groups::Grouping;
use crate::{
    ast::Aggregate,
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
    },
    error::EvalError,
};

/// The value of `count_values(label, v)`.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    label: &str,
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    if label.is_empty() {
        return Err(EvalError::Execution(format!("invalid label name {label:?}")));
    }
    let mut grouping = Grouping::of(node);
    if !node.without {
        grouping.names.push(label.to_owned());
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut out: Vec<Column> = Vec::new();
    for column in columns {
        evaluator.tick(steps.count).await?;
        let mut last: Option<(String, usize)> = None;
        for (at, sample) in column.samples() {
            let value = match sample {
                SampleRef::Float(value) => plain(value),
                SampleRef::Histogram(histogram) => histogram.to_string(),
            };
            let place = match &last {
                Some((known, place)) if *known == value => *place,
                _ => {
                    let mut labels = LabelsBuilder::from_labels(&column.labels);
                    labels.set(label, &value);
                    let labels = grouping.labels(&labels.build());
                    match places.get(&labels) {
                        Some(place) => *place,
                        None => {
                            // As many columns as there are values, perhaps a new one at every step.
                            evaluator.check_rows(out.len() + 1, steps)?;
                            evaluator.reserve(1, steps)?;
                            out.push(Column::new(labels.clone(), false, steps.count));
                            places.insert(labels, out.len() - 1);
                            out.len() - 1
                        }
                    }
                }
            };
            let count = out[place].float(at).unwrap_or_default();
            out[place].set_float(at, count + 1.0);
            last = Some((value, place));
        }
    }
    Ok(out)
}

/// A float without exponent, in as many digits as it needs.
fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}
