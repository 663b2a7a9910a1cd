//! Functions: who computes what. One module per family.

mod absent;
mod counters;
mod date;
pub(super) mod extended;
mod floats;
mod histograms;
mod info;
mod labels;
mod math;
mod over_time;
mod range;
mod rate;
mod sort;
mod starts;
mod statistics;
mod trend;

pub(super) use date::Date;
pub(super) use info::InfoRequest;
pub(super) use math::{go_max, go_min};
pub(super) use over_time::HistogramMean;
pub(super) use range::RangeLeaf;
pub(super) use sort::compare_values;
pub(super) use statistics::quantile;

use narthex_model::Labels;

use super::{
    column::{Column, Steps},
    eval::{Evaluated, Evaluator, Value},
    selector,
};
use crate::{
    ast::{Call, ExprKind, ValueType},
    error::{EvalError, PositionRange},
};

/// The value of a call.
pub(super) async fn call(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    position: PositionRange,
    steps: Steps,
) -> Evaluated<Value> {
    if let Some(arg) = call.args.iter().find(|arg| matches!(arg.kind, ExprKind::Bytes(_))) {
        // Labels have names and values of UTF-8 only.
        return Err(EvalError::Execution(format!("invalid text {arg} in {}()", call.function)));
    }
    if call.args.iter().any(|arg| arg.value_type() == ValueType::Matrix) {
        return Ok(Value::Vector(range::call(evaluator, call, steps).await?));
    }
    let times = || (0..steps.count).map(|at| steps.time(at));
    Ok(Value::Vector(match call.function {
        "time" => return Ok(Value::Scalar(times().map(|time| time as f64 / 1000.0).collect())),
        "pi" => return Ok(Value::Scalar(vec![std::f64::consts::PI; steps.count])),
        "scalar" => return scalar(evaluator, call, steps).await,
        "max_of" | "min_of" => {
            let left = evaluator.scalar(&call.args[0], steps).await?;
            let right = evaluator.scalar(&call.args[1], steps).await?;
            let pick = if call.function == "max_of" { go_max } else { go_min };
            return Ok(Value::Scalar(left.into_iter().zip(right).map(|(l, r)| pick(l, r)).collect()));
        }
        "vector" => vec![Column::dense(Labels::EMPTY, false, evaluator.scalar(&call.args[0], steps).await?)],
        "timestamp" => timestamp(evaluator, call, steps).await?,
        "start_timestamp" => start_timestamp(evaluator, call, steps).await?,
        "absent" => absent::absent(evaluator, &call.args[0], steps).await?,
        "clamp" | "clamp_min" | "clamp_max" | "round" => {
            math::with_parameters(evaluator, call, steps).await?
        }
        "label_replace" => labels::replace(evaluator, call, steps).await?,
        "label_join" => labels::join(evaluator, call, steps).await?,
        "info" => info::info(evaluator, call, steps).await?,
        "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
            sort::sort(evaluator, call, position, steps).await?
        }
        "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => {
            histograms::quantiles(evaluator, call, steps).await?
        }
        "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_stddev" | "histogram_stdvar" => {
            histograms::statistics(evaluator, call, steps).await?
        }
        name if date::part(name).is_some() => date::call(evaluator, call, steps).await?,
        name => match math::simple(name) {
            Some(function) => {
                let mut columns = evaluator.vector(&call.args[0], steps).await?;
                map(evaluator, &mut columns, function).await?;
                columns
            }
            None => return Err(EvalError::Execution(format!("function {name:?} is not supported"))),
        },
    }))
}

/// Changes every float; histograms, names and what is then empty go.
pub(super) async fn map(
    evaluator: &mut Evaluator<'_>,
    columns: &mut Vec<Column>,
    function: impl Fn(f64) -> f64,
) -> Evaluated<()> {
    for column in columns.iter_mut() {
        evaluator.tick(column.len()).await?;
        column.map_floats(&function);
        column.drop_name = true;
    }
    columns.retain(|column| !column.is_empty());
    Ok(())
}

async fn scalar(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Value> {
    let columns = evaluator.vector(&call.args[0], steps).await?;
    let value = |at: usize| {
        let mut floats = columns.iter().filter_map(|column| column.float(at));
        match (floats.next(), floats.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    Ok(Value::Scalar((0..steps.count).map(value).collect()))
}

/// Computed values have no start; those of storage do.
async fn start_timestamp(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let mut columns = match &call.args[0].kind {
        ExprKind::Vector(vector) => selector::start_timestamps(evaluator, vector, steps).await?,
        ExprKind::StepInvariant(inner) if matches!(inner.kind, ExprKind::Vector(_)) => {
            let ExprKind::Vector(vector) = &inner.kind else { return Ok(Vec::new()) };
            let columns = selector::start_timestamps(evaluator, vector, steps.single()).await?;
            columns.into_iter().map(|column| column.broadcast(steps.count)).collect()
        }
        _ => {
            evaluator.vector(&call.args[0], steps).await?;
            Vec::new()
        }
    };
    columns.iter_mut().for_each(|column| column.drop_name = true);
    Ok(columns)
}

async fn timestamp(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let mut columns = match &call.args[0].kind {
        ExprKind::Vector(vector) => selector::timestamps(evaluator, vector, steps).await?,
        ExprKind::StepInvariant(inner) if matches!(inner.kind, ExprKind::Vector(_)) => {
            let ExprKind::Vector(vector) = &inner.kind else { return Ok(Vec::new()) };
            let columns = selector::timestamps(evaluator, vector, steps.single()).await?;
            evaluator.reserve(columns.len(), steps)?;
            columns.into_iter().map(|column| column.broadcast(steps.count)).collect()
        }
        _ => {
            let mut columns = evaluator.vector(&call.args[0], steps).await?;
            for column in &mut columns {
                for at in 0..steps.count {
                    if column.has(at) {
                        column.set_float(at, steps.time(at) as f64 / 1000.0);
                    }
                }
            }
            columns
        }
    };
    columns.iter_mut().for_each(|column| column.drop_name = true);
    Ok(columns)
}
