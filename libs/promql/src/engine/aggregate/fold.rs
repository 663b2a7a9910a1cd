//! Aggregations that make one value of many: `sum`, `avg`, `count`, `group`, `min`, `max`, `stddev`, `stdvar`, `quantile`.

use std::sync::Arc;

use narthex_model::CounterResetHint;

use super::groups;
use crate::{
    ast::{Aggregate, AggregateOp},
    engine::{
        column::{Column, Sample, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        functions::HistogramMean,
        notes::Notes,
    },
    error::PositionRange,
    histogram::{FloatHistogram, Incompatible, kahan},
};

/// What an accumulator may note.
struct Context<'a> {
    notes: &'a mut Notes,
    position: PositionRange,
    name: &'a str,
    op: AggregateOp,
}

impl Context<'_> {
    fn ignore_histogram(&mut self) {
        self.notes.ignored_in_aggregation(self.op.as_str(), self.position);
    }

    fn merged(&mut self, merged: Result<bool, Incompatible>) -> bool {
        match merged {
            Ok(true) => self.notes.bounds_reconciled("aggregation", self.position),
            Ok(false) => {}
            Err(Incompatible) => self.notes.mixed_schemas(self.name, self.position),
        }
        merged.is_ok()
    }
}

/// The state of one group at one step.
trait Accumulator: Default + Clone {
    fn add(&mut self, sample: SampleRef<'_>, context: &mut Context<'_>);
    fn finish(self, context: &mut Context<'_>) -> Option<Sample>;
}

/// All but `quantile`.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    match node.op {
        AggregateOp::Sum => fold::<Sum>(evaluator, node, columns, steps).await,
        AggregateOp::Avg => fold::<Avg>(evaluator, node, columns, steps).await,
        AggregateOp::Count => fold::<Count>(evaluator, node, columns, steps).await,
        AggregateOp::Min | AggregateOp::Max => fold::<Extreme>(evaluator, node, columns, steps).await,
        AggregateOp::Stddev | AggregateOp::Stdvar => fold::<Variance>(evaluator, node, columns, steps).await,
        _ => fold::<Present>(evaluator, node, columns, steps).await,
    }
}

async fn fold<A: Accumulator + Send>(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let mut out = Vec::new();
    for group in groups(columns, node) {
        let mut state = vec![A::default(); steps.count];
        let mut drop_name = false;
        for member in &group.members {
            let column = &columns[*member];
            evaluator.tick(steps.count).await?;
            drop_name |= column.drop_name;
            let name = column.labels.metric_name();
            let mut context =
                Context { notes: &mut evaluator.notes, position: node.expr.position, name, op: node.op };
            for (at, sample) in column.samples() {
                state[at].add(sample, &mut context);
            }
        }
        let mut result = Column::new(group.labels, drop_name, steps.count);
        let mut context =
            Context { notes: &mut evaluator.notes, position: node.expr.position, name: "", op: node.op };
        for (at, state) in state.into_iter().enumerate() {
            if let Some(sample) = state.finish(&mut context) {
                result.set(at, sample);
            }
        }
        if !result.is_empty() {
            out.push(result);
        }
    }
    Ok(out)
}

#[derive(Clone, Default)]
struct Present(bool);

impl Accumulator for Present {
    fn add(&mut self, _: SampleRef<'_>, _: &mut Context<'_>) {
        self.0 = true;
    }

    fn finish(self, _: &mut Context<'_>) -> Option<Sample> {
        self.0.then_some(Sample::Float(1.0))
    }
}

#[derive(Clone, Default)]
struct Count(u64);

impl Accumulator for Count {
    fn add(&mut self, _: SampleRef<'_>, _: &mut Context<'_>) {
        self.0 += 1;
    }

    fn finish(self, _: &mut Context<'_>) -> Option<Sample> {
        (self.0 > 0).then_some(Sample::Float(self.0 as f64))
    }
}

#[derive(Clone, Default)]
struct Extreme(Option<f64>);

impl Accumulator for Extreme {
    fn add(&mut self, sample: SampleRef<'_>, context: &mut Context<'_>) {
        let SampleRef::Float(value) = sample else { return context.ignore_histogram() };
        let better = |old: f64| if context.op == AggregateOp::Max { old < value } else { old > value };
        if self.0.is_none_or(|old| better(old) || old.is_nan()) {
            self.0 = Some(value);
        }
    }

    fn finish(self, _: &mut Context<'_>) -> Option<Sample> {
        self.0.map(Sample::Float)
    }
}

#[derive(Clone, Default)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Accumulator for Variance {
    fn add(&mut self, sample: SampleRef<'_>, context: &mut Context<'_>) {
        let SampleRef::Float(value) = sample else { return context.ignore_histogram() };
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn finish(self, context: &mut Context<'_>) -> Option<Sample> {
        let variance = self.squares / self.count;
        let value = if context.op == AggregateOp::Stddev { variance.sqrt() } else { variance };
        (self.count > 0.0).then_some(Sample::Float(value))
    }
}

/// What histograms of a group have said about resets, and whether they fit together.
#[derive(Clone, Copy, Default)]
struct Seen {
    float: bool,
    histogram: bool,
    reset: bool,
    not_reset: bool,
    incompatible: bool,
}

impl Seen {
    fn note(&mut self, histogram: &FloatHistogram) {
        self.histogram = true;
        self.reset |= histogram.hint == CounterResetHint::Reset;
        self.not_reset |= histogram.hint == CounterResetHint::NotReset;
    }

    /// Whether the group has a result.
    fn settle(self, context: &mut Context<'_>) -> bool {
        if self.float && self.histogram {
            context.notes.mixed_aggregation(context.position);
            return false;
        }
        if self.incompatible {
            return false;
        }
        if self.reset && self.not_reset {
            context.notes.reset_collision("aggregation", context.position);
        }
        true
    }
}

#[derive(Clone, Default)]
struct HistogramSum {
    value: FloatHistogram,
    lost: Option<Box<FloatHistogram>>,
}

#[derive(Clone, Default)]
struct Sum {
    seen: Seen,
    sum: f64,
    lost: f64,
    histogram: Option<Box<HistogramSum>>,
}

impl Accumulator for Sum {
    fn add(&mut self, sample: SampleRef<'_>, context: &mut Context<'_>) {
        if self.seen.incompatible {
            return;
        }
        match sample {
            SampleRef::Float(value) if !self.seen.float => {
                (self.seen.float, self.sum) = (true, value);
            }
            SampleRef::Float(value) => kahan(value, &mut self.sum, &mut self.lost),
            SampleRef::Histogram(histogram) => {
                self.seen.note(histogram);
                match &mut self.histogram {
                    None => {
                        let value = FloatHistogram::clone(histogram);
                        self.histogram = Some(Box::new(HistogramSum { value, lost: None }));
                    }
                    Some(sum) => {
                        let merged = sum.value.kahan_add(histogram, &mut sum.lost);
                        self.seen.incompatible =
                            !context.merged(merged.map(|merged| merged.bounds_reconciled));
                    }
                }
            }
        }
    }

    fn finish(self, context: &mut Context<'_>) -> Option<Sample> {
        if !self.seen.settle(context) {
            return None;
        }
        if let Some(sum) = self.histogram {
            let HistogramSum { mut value, lost } = *sum;
            if let Some(lost) = lost {
                // Both have the same layout, so this cannot fail.
                let _ = value.add(&lost);
            }
            return Some(Sample::Histogram(Arc::new(value.compact())));
        }
        self.seen.float.then_some(Sample::Float(self.sum + self.lost))
    }
}

#[derive(Clone, Default)]
struct Avg {
    seen: Seen,
    incremental: bool,
    count: f64,
    /// Sum, or mean once that is incremental.
    value: f64,
    lost: f64,
    histogram: Option<Box<HistogramMean>>,
}

impl Avg {
    fn add_float(&mut self, value: f64) {
        self.count += 1.0;
        if !self.seen.float {
            (self.seen.float, self.value) = (true, value);
            return;
        }
        if !self.incremental {
            let (mut sum, mut lost) = (self.value, self.lost);
            kahan(value, &mut sum, &mut lost);
            if !sum.is_infinite() {
                (self.value, self.lost) = (sum, lost);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.lost /= self.count - 1.0;
        }
        let keep = (self.count - 1.0) / self.count;
        self.value *= keep;
        self.lost *= keep;
        kahan(value / self.count, &mut self.value, &mut self.lost);
    }
}

impl Accumulator for Avg {
    fn add(&mut self, sample: SampleRef<'_>, context: &mut Context<'_>) {
        if self.seen.incompatible {
            return;
        }
        match sample {
            SampleRef::Float(value) => self.add_float(value),
            SampleRef::Histogram(histogram) => {
                self.seen.note(histogram);
                match &mut self.histogram {
                    None => self.histogram = Some(Box::new(HistogramMean::new(histogram))),
                    Some(mean) => {
                        let before = std::mem::take(&mut mean.reconciled);
                        let merged = mean.add(histogram);
                        let reconciled = std::mem::replace(&mut mean.reconciled, before);
                        self.seen.incompatible = !context.merged(merged.map(|()| reconciled));
                    }
                }
            }
        }
    }

    fn finish(self, context: &mut Context<'_>) -> Option<Sample> {
        if !self.seen.settle(context) {
            return None;
        }
        if let Some(mean) = self.histogram {
            return Some(Sample::Histogram(Arc::new(mean.finish().compact())));
        }
        if !self.seen.float {
            return None;
        }
        Some(Sample::Float(if self.incremental {
            self.value + self.lost
        } else {
            self.value / self.count + self.lost / self.count
        }))
    }
}

/// `quantile`, which needs all values of a step at once.
pub(super) async fn quantile(
    evaluator: &mut Evaluator<'_>,
    node: &Aggregate,
    q: &[f64],
    columns: &[Column],
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let position = node.param.as_ref().map_or(node.expr.position, |param| param.position);
    for q in q.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        evaluator.notes.quantile(*q, position);
    }
    let mut out = Vec::new();
    let mut values = Vec::new();
    for group in groups(columns, node) {
        let drop_name = group.members.iter().any(|member| columns[*member].drop_name);
        let mut result = Column::new(group.labels, drop_name, steps.count);
        for (at, q) in q.iter().enumerate() {
            evaluator.tick(group.members.len()).await?;
            values.clear();
            for member in &group.members {
                match columns[*member].get(at) {
                    Some(SampleRef::Float(value)) => values.push(value),
                    Some(SampleRef::Histogram(_)) => {
                        evaluator.notes.ignored_in_aggregation("quantile", node.expr.position);
                    }
                    None => {}
                }
            }
            if !values.is_empty() {
                result.set_float(at, crate::engine::functions::quantile(*q, &mut values));
            }
        }
        if !result.is_empty() {
            out.push(result);
        }
    }
    Ok(out)
}
