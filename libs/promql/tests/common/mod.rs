//! Random expressions, all of which must parse.

use proptest::{prelude::*, sample::select};

const RANGE_FUNCTIONS: [&str; 17] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "stddev_over_time",
    "present_over_time",
    "absent_over_time",
];
const AGGREGATIONS: [&str; 8] = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"];
const GROUPINGS: [&str; 4] = ["", "by (job) ", "without (job) ", "by (job, zone) "];
const CHOICES: [&str; 4] = ["topk", "bottomk", "quantile", "limitk"];
const OPERATORS: [&str; 15] = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!= bool",
    ">",
    "and",
    "or",
    "unless",
    "+ on (job, zone)",
    "/ ignoring (zone)",
    "and on (job)",
    "* on (job) group_left ()",
];
const FUNCTIONS: [&str; 7] = ["abs", "ceil", "-", "sgn", "timestamp", "absent", "minute"];

fn leaf() -> impl Strategy<Value = String> {
    let selector = "(up|errors_total|latency)(\\{job(=|!=|=~|!~)\"(a|b|a\\.\\*)\"\\})?( offset -?[1-9]m)?";
    let range =
        (select(&RANGE_FUNCTIONS[..]), "(up|errors_total|latency)", 1..9u8, proptest::option::of(1..4u8));
    let range = range.prop_map(|(function, metric, range, step)| match step {
        Some(step) => format!("{function}({metric}[{range}m:{step}m])"),
        None => format!("{function}({metric}[{range}m])"),
    });
    prop_oneof![selector.prop_map(String::from), range]
}

/// Instant vector expressions over the metrics `up`, `errors_total` and `latency`.
pub(crate) fn vector() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        let aggregation = (select(&AGGREGATIONS[..]), select(&GROUPINGS[..]), inner.clone())
            .prop_map(|(op, grouping, inner)| format!("{op} {grouping}({inner})"));
        let choice = (select(&CHOICES[..]), 0..3u8, inner.clone())
            .prop_map(|(op, k, inner)| format!("{op}({k}, {inner})"));
        let binary = (inner.clone(), select(&OPERATORS[..]), inner.clone())
            .prop_map(|(left, op, right)| format!("({left}) {op} ({right})"));
        let scalar = (inner.clone(), "(\\+|-|\\*|>|== bool|\\^|%)", -3..4i8)
            .prop_map(|(left, op, number)| format!("{left} {op} {number}"));
        let call =
            (select(&FUNCTIONS[..]), inner).prop_map(|(function, inner)| format!("{function}({inner})"));
        prop_oneof![3 => aggregation, 1 => choice, 2 => binary, 2 => scalar, 2 => call]
    })
}
