//! Parts of a plan that can be answered where the series are, so that results move instead of samples.
//!
//! A fragment is an aggregation right over a leaf. Whoever holds the series runs it ([`FragmentRun`]) and answers with states
//! ([`FragmentAnswer`]) that the engine merges with those of others: what it then shows is, to the bit, what it would have shown
//! had it read the samples. That holds only while each series lives in one place; a source that is not sure refuses, and the
//! engine reads the samples.

mod answer;
mod codec;
mod run;

use narthex_model::{Matcher, TimeRange, TimestampMs};

use super::{EngineConfig, aggregate::Fold, column::Steps, selector::View};
use crate::{
    ast::{Aggregate, AggregateOp, Expr, ExprKind, ValueType, VectorSelector},
    error::PositionRange,
};

pub use answer::FragmentAnswer;
pub use codec::CodecError;
pub(super) use codec::{get_bytes, get_length, put_bytes};
pub use run::FragmentRun;

/// An aggregation of one selector's series, with a range function between the two or without. All times are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// First evaluation time.
    pub start_ms: i64,
    /// Distance of evaluation times, above zero.
    pub step_ms: i64,
    /// How many evaluation times there are.
    pub steps: usize,
    /// How far before the evaluation time the selector looks; negative for later times.
    pub offset_ms: i64,
    /// The time that the selector looks at instead of the evaluation time.
    pub at_ms: Option<i64>,
    /// How far back an instant selector looks for a sample.
    pub lookback_ms: i64,
    /// The range function; none for an instant selector.
    pub function: Option<RangeCall>,
    /// The aggregation: one that adds up states, or one that chooses series.
    pub op: AggregateOp,
    /// `k` or ratio of an aggregation that chooses series.
    pub param: Option<f64>,
    /// Labels to group by, or to leave out.
    pub grouping: Vec<String>,
    /// `grouping` is left out.
    pub without: bool,
    /// Of histograms only count and sum are looked at.
    pub totals_only: bool,
    /// Whether samples are counted for each step.
    pub per_step_stats: bool,
    /// Where in the query, for annotations.
    pub places: Places,
}

/// A range function of one selector.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeCall {
    /// Name of the function.
    pub name: &'static str,
    /// Length of the windows.
    pub range_ms: i64,
    /// Its scalar arguments, the same at all steps.
    pub scalars: Vec<f64>,
}

/// Lines and columns in the query text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Places {
    /// Of the aggregation.
    pub aggregation: PositionRange,
    /// Of what is aggregated.
    pub aggregated: PositionRange,
    /// Of the range function's first argument.
    pub argument: PositionRange,
}

const NO_LEAF: &str = "it is not right over a selector or a function of one";

impl Fragment {
    /// The fragment that an aggregation of a prepared tree is, or why it is none.
    pub(super) fn of(
        node: &Aggregate,
        position: PositionRange,
        steps: Steps,
        config: &EngineConfig,
        totals_only: bool,
    ) -> Result<Self, &'static str> {
        if !config.push_down {
            return Err("aggregations are not pushed down here");
        }
        if !(Fold::adds_up(node.op) || node.op.selects_series()) {
            return Err("what comes of some of its series cannot be put together with what comes of others");
        }
        let param = match &node.param {
            None => None,
            Some(param) => Some(constant(param).ok_or("its parameter is not a constant")?),
        };
        let (selector, function, argument) = leaf(&node.expr)?;
        let at_ms = match View::new(selector.at, 0) {
            view if selector.at.is_some() => Some(view.reference(0)),
            _ => None,
        };
        Ok(Self {
            matchers: selector.matchers.clone(),
            start_ms: steps.start,
            step_ms: steps.step,
            steps: steps.count,
            offset_ms: selector.offset.millis(),
            at_ms,
            lookback_ms: config.lookback_delta_ms,
            function,
            op: node.op,
            param,
            grouping: node.grouping.clone(),
            without: node.without,
            totals_only,
            per_step_stats: config.per_step_stats,
            places: Places { aggregation: position, aggregated: node.expr.position, argument },
        })
    }

    /// Whether both ask for the same, wherever they stand in the query.
    pub(super) fn same_but_places(&self, other: &Self) -> bool {
        *self == Self { places: self.places, ..other.clone() }
    }

    /// The samples that the fragment looks at.
    pub fn range(&self) -> TimeRange {
        let (first, last) = self.view().span(self.step_times());
        let back = self.function.as_ref().map_or(self.lookback_ms, |function| function.range_ms);
        // Windows are open at the left.
        let min = first.saturating_sub(back).saturating_add(1);
        TimeRange { min: TimestampMs(min), max: TimestampMs(last) }
    }

    pub(super) fn step_times(&self) -> Steps {
        Steps { start: self.start_ms, step: self.step_ms.max(1), count: self.steps }
    }

    fn view(&self) -> View {
        View::at(self.at_ms, self.offset_ms)
    }
}

/// The selector of a leaf, its function, and where the function's first argument stands; or why it is no leaf.
fn leaf(expr: &Expr) -> Result<(&VectorSelector, Option<RangeCall>, PositionRange), &'static str> {
    let plain = |selector: &VectorSelector| {
        let refused = selector.smoothed || selector.anchored;
        if refused { Err("its selector is anchored or smoothed") } else { Ok(()) }
    };
    match &expr.kind {
        ExprKind::Paren(inner) => leaf(inner),
        ExprKind::Vector(selector) => plain(selector).map(|()| (selector, None, expr.position)),
        // Which series are absent shows only in all places together; the other fails for what its arguments are.
        ExprKind::Call(call)
            if matches!(call.function, "absent_over_time" | "double_exponential_smoothing") =>
        {
            Err("its function looks at all series together")
        }
        ExprKind::Call(call) => {
            let (matrices, others): (Vec<_>, Vec<_>) =
                call.args.iter().partition(|arg| arg.value_type() == ValueType::Matrix);
            let [Expr { kind: ExprKind::Matrix(matrix), .. }] = matrices[..] else { return Err(NO_LEAF) };
            plain(&matrix.selector)?;
            let scalars: Option<Vec<f64>> = others.into_iter().map(constant).collect();
            let scalars = scalars.ok_or("an argument of its function is not a constant")?;
            let call_of = RangeCall { name: call.function, range_ms: matrix.range.millis(), scalars };
            Ok((&matrix.selector, Some(call_of), call.args[0].position))
        }
        _ => Err(NO_LEAF),
    }
}

fn constant(expr: &Expr) -> Option<f64> {
    match &expr.unwrapped().kind {
        ExprKind::Number { value, .. } => Some(*value),
        ExprKind::Unary(negative, inner) => {
            constant(inner).map(|value| if *negative { -value } else { value })
        }
        _ => None,
    }
}
