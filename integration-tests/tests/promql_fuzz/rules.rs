//! Differences that changes in Prometheus after the reference's version explain, and the few that are none of meaning.
//!
//! A rule on operations explains an operation that answers differently though its operands are the same, and says which form the
//! difference must have, or from which time on it must be evaluated; a rule on notes takes out of both answers' notes what its change
//! explains. Nothing else is forgiven. What we answer instead is pinned by scenario files of `libs/promql`.

mod forms;
mod notes;

use narthex_integration_tests::compare_answers::Answer;
use narthex_promql::{
    Expr,
    ast::{AggregateOp, At, BinaryOp, ExprKind},
};

pub(crate) use self::forms::same_but_names;
use self::forms::{Form, is_histogram, reads};
use crate::promql_fuzz::culprits::Culprit;

/// Forgives what one change explains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// What reports call it.
    pub(crate) name: &'static str,
    /// The change in Prometheus.
    pub(crate) change: &'static str,
    /// The first version (major, minor) that has it.
    pub(crate) since: (u32, u32),
    explains: Explains,
}

#[derive(Debug, Clone, Copy)]
enum Explains {
    /// Takes notes out of both answers.
    Notes(fn(query: &str, expected: &mut Answer, found: &mut Answer)),
    /// An operation, and the difference that it may have.
    Operation(fn(&Expr) -> bool, Form),
    /// An operation that is evaluated from a time on, whatever it answers.
    From(fn(&Expr, i64) -> bool),
    /// An operation, and a difference that the greatest of the operands bounds.
    Rounding(fn(&Expr) -> bool, fn(&Answer, &Answer, f64) -> bool),
}

/// No version has what this rule is about.
const NEVER: (u32, u32) = (u32::MAX, 0);

impl Rule {
    /// Whether it explains all that differs of an operation.
    pub(crate) fn explains(&self, culprit: &Culprit) -> bool {
        match self.explains {
            Explains::Notes(_) => false,
            Explains::From(is) => is(&culprit.expr, culprit.start),
            Explains::Operation(is, form) => {
                let has_form = |found| form(&culprit.expected, found) && is(&culprit.expr);
                culprit.found.iter().any(has_form)
            }
            Explains::Rounding(is, form) => {
                let has_form = |found| form(&culprit.expected, found, culprit.largest) && is(&culprit.expr);
                culprit.found.iter().any(has_form)
            }
        }
    }

    /// Takes out of both answers' notes what it explains.
    pub(crate) fn forgive(&self, query: &str, expected: &mut Answer, found: &mut Answer) {
        if let Explains::Notes(forgive) = self.explains {
            forgive(query, expected, found);
        }
    }
}

const fn notes(
    name: &'static str,
    change: &'static str,
    since: (u32, u32),
    forgive: fn(&str, &mut Answer, &mut Answer),
) -> Rule {
    Rule { name, change, since, explains: Explains::Notes(forgive) }
}

const fn operation(
    name: &'static str,
    change: &'static str,
    since: (u32, u32),
    is: fn(&Expr) -> bool,
    form: Form,
) -> Rule {
    Rule { name, change, since, explains: Explains::Operation(is, form) }
}

const fn rounding(
    name: &'static str,
    change: &'static str,
    is: fn(&Expr) -> bool,
    form: fn(&Answer, &Answer, f64) -> bool,
) -> Rule {
    Rule { name, change, since: NEVER, explains: Explains::Rounding(is, form) }
}

/// Whether a subquery at a fixed time begins with this very time, and asks for another fixed time.
fn begins_now(expr: &Expr, start: i64) -> bool {
    expr.children().into_iter().any(|child| match &child.unwrapped().kind {
        ExprKind::Subquery(subquery) => {
            let (Some(At::Time(at)), Some(step)) = (subquery.at, &subquery.step) else { return false };
            let (step, open) = (step.millis(), at - subquery.offset.millis() - subquery.range.millis());
            step > 0
                && (open.div_euclid(step) + 1) * step == start
                && subquery.expr.to_string().contains(" @ ")
        }
        _ => false,
    })
}

/// The name of a function that is called.
fn function(expr: &Expr) -> &str {
    match &expr.kind {
        ExprKind::Call(call) => call.function,
        _ => "",
    }
}

/// The aggregation.
fn aggregation(expr: &Expr) -> Option<AggregateOp> {
    match &expr.kind {
        ExprKind::Aggregate(node) => Some(node.op),
        _ => None,
    }
}

fn operator(expr: &Expr) -> Option<BinaryOp> {
    match &expr.kind {
        ExprKind::Binary(node) => Some(node.op),
        _ => None,
    }
}

/// Whether a parameter is no plain number.
fn is_computed(expr: &Expr) -> bool {
    match &expr.unwrapped().kind {
        ExprKind::Number { .. } => false,
        ExprKind::Unary(_, inner) => is_computed(inner),
        _ => true,
    }
}

/// Whether only counts and sums of histograms are asked for, here or below.
fn totals(expr: &Expr) -> bool {
    matches!(function(expr), "histogram_avg" | "histogram_count" | "histogram_sum")
        || expr.children().into_iter().any(totals)
}

/// Whether a subquery has another one in it.
fn has_nested_subqueries(expr: &Expr) -> bool {
    fn has_any(expr: &Expr) -> bool {
        matches!(expr.kind, ExprKind::Subquery(_)) || expr.children().into_iter().any(has_any)
    }
    let children = expr.children();
    let nests = matches!(expr.kind, ExprKind::Subquery(_)) && children.iter().any(|child| has_any(child));
    nests || children.into_iter().any(has_nested_subqueries)
}

/// Whether the first parameter of an aggregation, here or below, stands for those of all steps, where that matters to its notes.
fn takes_first_parameter(expr: &Expr) -> bool {
    let does = match &expr.kind {
        ExprKind::Aggregate(node) => {
            matches!(node.op, AggregateOp::TopK | AggregateOp::BottomK)
                && node.param.as_ref().is_some_and(is_computed)
                && node.expr.to_string().contains(" @ ")
        }
        _ => false,
    };
    does || expr.children().into_iter().any(takes_first_parameter)
}

/// Whether only totals of histograms are asked for, here or below, whose resets are looked for in a subquery.
fn totals_of_subqueries(expr: &Expr) -> bool {
    fn counts_resets(expr: &Expr) -> bool {
        let is_counting = matches!(function(expr), "rate" | "increase" | "resets" | "irate");
        is_counting && has_subquery(expr) && is_histogram(expr)
            || expr.children().into_iter().any(counts_resets)
    }
    let is_total = matches!(function(expr), "histogram_avg" | "histogram_count" | "histogram_sum");
    is_total && counts_resets(expr) || expr.children().into_iter().any(totals_of_subqueries)
}

fn has_subquery(expr: &Expr) -> bool {
    expr.children().iter().any(|child| matches!(child.unwrapped().kind, ExprKind::Subquery(_)))
}

/// All rules.
#[rustfmt::skip]
pub(crate) const RULES: &[Rule] = &[
    notes("sort in a range query", "#18498: sort functions warn in range queries", (3, 12), notes::sorting),
    notes("notes on custom bounds", "#17278: histograms with other custom bounds are reconciled", (3, 8), notes::custom_bounds),
    notes("places in parentheses", "#16896: parentheses around arguments are taken away before evaluation", (3, 7), notes::places),
    notes("details of repaired buckets", "#15578: the note on repaired classic histograms tells how much was repaired", (3, 10), notes::details),
    notes("collisions of resets", "#17051, #17094: operations on histograms note conflicting counter resets", (3, 7), notes::collisions),
    notes("negative factors make gauges", "#17004: negative and subtracted histograms are gauges", (3, 7), notes::gauges),
    notes("schemas by chance", "in a matrix, and of what floats make useless, whether schemas mix is noted by the order of the series", NEVER, notes::schemas),
    notes("later steps", "#18081: subqueries end with the last step of what is around them", (3, 13), notes::later_steps),
    notes("histograms that the first parameter leaves out", "Prometheus takes the first parameter for all steps where what is aggregated is the same at all steps", NEVER, notes::first_parameter),
    notes("empty names in notes", "#16794: notes leave out the metric name where there is none", (3, 7), notes::empty_names),
    operation("custom bounds", "#17278: histograms with other custom bounds are reconciled", (3, 8),
        is_histogram, forms::more),
    operation("counter histograms from zero", "#16828: counter histograms are not extrapolated below zero", (3, 6),
        |expr| matches!(function(expr), "rate" | "increase") && is_histogram(expr), forms::smaller_histograms),
    operation("names after subqueries", "#18409: last_over_time drops the name where the inside of its subquery does", (3, 12),
        |expr| function(expr) == "last_over_time" && has_subquery(expr), forms::same_but_names),
    operation("NaN in mad_over_time", "#19040: mad_over_time of a range with NaN is NaN", (3, 14),
        |expr| function(expr) == "mad_over_time", forms::nan),
    operation("info of changing series", "#17135, #17199, #17817, #17898: info() where series change, or lack identifying labels", (3, 10),
        |expr| function(expr) == "info", forms::same_but_info),
    operation("no NaN as a number of series", "#16725: topk, bottomk, limitk and limit_ratio refuse NaN", (3, 6),
        |expr| aggregation(expr).is_some_and(AggregateOp::selects_series), |_, found| forms::fails(found, "value is NaN")),
    operation("same labels after names are dropped", "#17161, #17678, #17703, #17708: names are dropped once, where series do not overlap", (3, 9),
        |_| true, forms::no_more_same_labels),
    operation("names of alternatives", "#17161, #17678, #17703, #17708: names are dropped once, where series do not overlap", (3, 9),
        |expr| operator(expr) == Some(BinaryOp::Or), forms::same_but_names),
    operation("parameters of what does not change", "Prometheus takes the first parameter for all steps where what is aggregated is the same at all steps", NEVER,
        |expr| matches!(&expr.kind, ExprKind::Aggregate(node) if node.op.selects_series() && node.param.as_ref().is_some_and(is_computed)),
        forms::same_where_both),
    operation("ties", "which of equal series is chosen, and which series limitk, is by chance in a range query", NEVER,
        |expr| matches!(aggregation(expr), Some(AggregateOp::TopK | AggregateOp::BottomK)), forms::same_values),
    operation("limits", "which series limitk takes is by chance in a range query", NEVER,
        |expr| aggregation(expr) == Some(AggregateOp::LimitK), forms::as_many),
    operation("times of pinned selectors", "#16896: timestamp() leaves out all offsets of selectors with @", (3, 7),
        |expr| function(expr) == "timestamp" && expr.to_string().contains(" @ ") && expr.to_string().contains("offset"), forms::succeed),
    operation("many matches where a comparison keeps none", "#17668: many-to-one matches are refused whether or not a comparison keeps them", (3, 9),
        |expr| operator(expr).is_some(), |_, found| forms::starts_failing(found, "multiple matches for labels: ")),
    operation("order of duplicates", "#17668: the two series of a many-to-many match are named in order", (3, 9),
        |expr| operator(expr).is_some(), |expected, found| {
            [expected, found].iter().all(|answer| forms::starts_failing(answer, "found duplicate series for the match group"))
        }),
    operation("histograms in subqueries", "#16879: resets of histograms in subqueries are found by comparing", (3, 6),
        |expr| matches!(function(expr), "rate" | "increase" | "resets" | "irate") && has_subquery(expr) && is_histogram(expr), forms::same_keys),
    operation("totals of gauges", "#17127, #17141: where only counts and sums of histograms matter, buckets do not tell of resets of gauges", (3, 7),
        |expr| totals(expr) && reads(expr, &["levels", "mixed"]), forms::same_keys),
    operation("totals of subqueries", "#16879: where only totals matter resets have hints, which were taken out of subqueries that leave samples out", (3, 6),
        totals_of_subqueries, forms::same_keys),
    operation("quantiles of less than nothing", "of counts below zero the last bucket that is looked at is taken, empty or not", NEVER,
        |expr| function(expr) == "histogram_quantile" && expr.to_string().contains('-'), forms::same_keys),
    operation("averages of histograms", "#15687: avg adds histograms up, with wide zero buckets as sum does, and divides then", (3, 10),
        |expr| (function(expr) == "avg_over_time" || aggregation(expr) == Some(AggregateOp::Avg)) && is_histogram(expr), forms::same_totals),
    operation("sums that overflow", "our sums are exact, so they overflow only as a whole", NEVER,
        |expr| matches!(aggregation(expr), Some(AggregateOp::Sum | AggregateOp::Avg)) || matches!(function(expr), "sum_over_time" | "avg_over_time"),
        forms::not_finite),
    operation("mixed layouts", "#18660: exponential and custom histograms do not add up where only totals matter either", (3, 12),
        totals, forms::less),
    operation("subqueries at a fixed time", "#19187: subqueries are never taken for the same at all steps", (3, 14),
        |expr| has_subquery(expr) && expr.to_string().contains(" @ "), forms::more),
    Rule {
        name: "fixed times in subqueries at one",
        change: "a selector with @ is looked for at another time where the subquery around it has one too and begins with the time of the query",
        since: NEVER,
        explains: Explains::From(begins_now),
    },
    rounding("logarithms of nearly one", "Go adds the exponent to the logarithm of a half and more, with its rounding",
        |expr| function(expr) == "log2", |expected, found, _| forms::within(expected, found, |_, _| 4e-16)),
    operation("doubled overflow", "Go's sinh and cosh take half of an exponential, which overflows first", NEVER,
        |expr| matches!(function(expr), "sinh" | "cosh"), forms::overflow),
    operation("logarithms of next to nothing", "Go's logarithm does not know numbers below the least normal one", NEVER,
        |expr| function(expr) == "ln", forms::subnormal),
    rounding("angles of nearly one", "Go takes the square of the sine for what is left of one, with its rounding",
        |expr| function(expr) == "acos", |expected, found, _| forms::within(expected, found, |expected, found| 1e-15 + 4.0 * f64::EPSILON / expected.max(found))),
    rounding("variances", "the variance of numbers that are rounded to so many digits",
        |expr| aggregation(expr) == Some(AggregateOp::Stdvar), |expected, found, largest| {
            forms::within(expected, found, |expected, found| {
                let most = 8.0 * f64::EPSILON * largest;
                most * (expected.sqrt() + found.sqrt()) + most * most
            })
        }),
    rounding("deviations", "the deviation of numbers that are rounded to so many digits",
        |expr| aggregation(expr) == Some(AggregateOp::Stddev), |expected, found, largest| {
            forms::within(expected, found, |_, _| 8.0 * f64::EPSILON * largest)
        }),
    operation("fractions of classic histograms", "#17424: histogram_fraction where the lower end is in the first bucket", (3, 8),
        |expr| function(expr) == "histogram_fraction" && reads(expr, &["latency_bucket"]), forms::same_keys),
];
