//! Differences that changes in Prometheus after the reference's version explain.
//!
//! A rule takes out of both answers what its change explains, and nothing else; what is left must be the same. What we answer
//! instead is pinned by scenario files of `libs/promql`.

use narthex_integration_tests::compare_answers::{Answer, Data, Point, Series, differences};

/// Forgives what one change explains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// What reports call it.
    pub(crate) name: &'static str,
    /// The change in Prometheus.
    pub(crate) change: &'static str,
    /// The first version (major, minor) that has it.
    pub(crate) since: (u32, u32),
    /// Takes out what it explains.
    pub(crate) forgive: fn(query: &str, expected: &mut Answer, found: &mut Answer),
}

/// No version has what this rule is about.
const NEVER: (u32, u32) = (u32::MAX, 0);

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "sort in a range query",
        change: "#18498: sort functions warn in range queries",
        since: (3, 12),
        forgive: |query, _, found| {
            if query.contains("sort") {
                found.warnings.retain(|text| !text.contains("sort is ineffective for range queries"));
            }
        },
    },
    Rule {
        name: "custom bounds",
        change: "#17278: histograms with other custom bounds are reconciled",
        since: (3, 8),
        forgive: |_, expected, found| {
            let refused = |text: &String| {
                text.contains("incompatible custom buckets") || text.contains("incompatible bucket layout")
            };
            let reconciled = |text: &String| text.contains("mismatched custom buckets were reconciled");
            let refusals = expected.warnings.iter().chain(&found.warnings).any(refused);
            if refusals || found.infos.iter().any(reconciled) {
                expected.warnings.retain(|text| !refused(text));
                found.warnings.retain(|text| !refused(text));
                // What has no value on one side meets nothing there.
                for answer in [&mut *expected, &mut *found] {
                    let follows = ["incompatible sample types", "ignored histogram in"];
                    answer.infos.retain(|text| !follows.iter().any(|follows| text.contains(follows)));
                }
                found.infos.retain(|text| !reconciled(text));
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "counter histograms from zero",
        change: "#16828: counter histograms are not extrapolated below zero",
        since: (3, 6),
        forgive: |query, expected, found| {
            let counts = ["rate(", "increase("].iter().any(|call| query.contains(call));
            if counts && ["levels", "mixed", "irate("].iter().any(|metric| query.contains(metric)) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "names after subqueries",
        change: "#18409: last_over_time drops the name where the inside of its subquery does",
        since: (3, 12),
        forgive: |query, expected, found| {
            if query.contains("last_over_time((") {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "NaN in mad_over_time",
        change: "#19040: mad_over_time of a range with NaN is NaN",
        since: (3, 14),
        forgive: |query, expected, found| {
            if query.contains("mad_over_time(") && (query.contains("special") || query.contains("((")) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "places in parentheses",
        change: "#16896: parentheses around arguments are taken away before evaluation",
        since: (3, 7),
        forgive: |query, expected, found| {
            if ["((", "(-", ", ("].iter().any(|opening| query.contains(opening)) {
                for answer in [expected, found] {
                    for texts in [&mut answer.warnings, &mut answer.infos] {
                        *texts = texts.iter().map(|text| without_place(text)).collect();
                    }
                }
            }
        },
    },
    Rule {
        name: "details of repaired buckets",
        change: "#15578: the note on repaired classic histograms tells how much was repaired",
        since: (3, 10),
        forgive: |query, expected, found| {
            if query.contains("histogram_") {
                for answer in [expected, found] {
                    answer.infos = answer.infos.iter().map(|text| without_details(text)).collect();
                }
            }
        },
    },
    Rule {
        name: "info of changing series",
        change: "#17135, #17199, #17817, #17898: info() where series change, or lack identifying labels",
        since: (3, 10),
        forgive: |query, expected, found| {
            if query.contains("info(") {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "collisions of resets",
        change: "#17051, #17094: operations on histograms note conflicting counter resets",
        since: (3, 7),
        forgive: |_, expected, found| {
            let operators = ["histogram addition", "histogram subtraction"];
            if found.warnings.iter().any(|text| operators.iter().any(|operator| text.contains(operator))) {
                forget_data(expected, found);
            }
            found.warnings.retain(|text| !text.contains("conflicting counter resets"));
        },
    },
    Rule {
        name: "negative factors make gauges",
        change: "#17004: negative and subtracted histograms are gauges",
        since: (3, 7),
        forgive: |query, expected, found| {
            if query.contains('-') {
                for answer in [expected, found] {
                    answer.warnings.retain(|text| {
                        !text.contains("is not a gauge") && !text.contains("is not a counter")
                    });
                }
            }
        },
    },
    Rule {
        name: "no NaN as a number of series",
        change: "#16725: topk, bottomk, limitk and limit_ratio refuse NaN",
        since: (3, 6),
        forgive: |_, expected, found| {
            let refused = |answer: &Answer| {
                answer.outcome.as_ref().is_err_and(|failure| failure.message.ends_with("value is NaN"))
            };
            if refused(found) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "same labels after names are dropped",
        change: "#17161, #17678, #17703, #17708: names are dropped once, where series do not overlap",
        since: (3, 9),
        forgive: |query, expected, found| {
            let same_labels = "vector cannot contain metrics with the same labelset";
            if query.contains(" or ") && differences(&nameless(expected), &nameless(found), 1e-12).is_empty()
            {
                forget_data(expected, found);
            }
            if expected.outcome.as_ref().is_err_and(|failure| failure.message == same_labels) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "order of series in range queries",
        change: "Prometheus's own order is by chance there, as are series that limitk and ties choose, and metrics that notes name",
        since: NEVER,
        forgive: |query, expected, found| {
            let matrix = found.outcome.as_ref().is_ok_and(|data| data.kind != "vector");
            let by_chance = matrix || query.contains(")[");
            if by_chance && ["limitk", "topk", "bottomk"].iter().any(|op| query.contains(op)) {
                forget_data(expected, found);
            }
            for answer in [expected, found].into_iter().filter(|_| matrix) {
                answer
                    .warnings
                    .retain(|text| !text.contains("a mix of histograms with exponential and custom"));
            }
        },
    },
    Rule {
        name: "times of pinned selectors",
        change: "#16896: timestamp() leaves out all offsets of selectors with @",
        since: (3, 7),
        forgive: |query, expected, found| {
            if query.contains("timestamp(") && query.contains(" @ ") && query.contains("offset") {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "many matches where a comparison keeps none",
        change: "#17668: many-to-one matches are refused whether or not a comparison keeps them",
        since: (3, 9),
        forgive: |_, expected, found| {
            let multiple = "multiple matches for labels: ";
            if found.outcome.as_ref().is_err_and(|failure| failure.message.starts_with(multiple)) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "angles of powers",
        change: "a difference in the last digit of a great number is one in all digits of its sine, its remainder, its minute",
        since: NEVER,
        forgive: |query, expected, found| {
            let any = |calls: &[&str]| calls.iter().any(|call| query.contains(call));
            let parts =
                ["sin(", "cos(", "tan(", " % ", "minute(", "hour(", "day_", "days_", "month(", "year("];
            let of_great = any(&parts) && any(&["exp(", "sinh(", "cosh(", "^"]);
            let of_greatest = any(&[" % ", "exp(", "sinh(", "cosh("]) && query.contains("special");
            if of_great || of_greatest {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "histograms in subqueries",
        change: "#16879: resets of histograms in subqueries are found by comparing",
        since: (3, 6),
        forgive: |query, expected, found| {
            let histograms =
                ["duration", "sizes", "levels", "mixed"].iter().any(|metric| query.contains(metric));
            let counting =
                ["rate(", "increase(", "resets(", "changes("].iter().any(|call| query.contains(call));
            if histograms && counting && query.contains(")[") {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "quantiles of negative histograms",
        change: "empty buckets, which storage may add, have a part in quantiles of counts below zero",
        since: NEVER,
        forgive: |query, expected, found| {
            if query.contains("histogram_quantile(") && query.contains('-') {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "averages of histograms",
        change: "#15687: avg adds histograms up, with wide zero buckets as sum does, and divides then",
        since: (3, 10),
        forgive: |query, expected, found| {
            let histograms =
                ["duration", "sizes", "levels", "mixed"].iter().any(|metric| query.contains(metric));
            if histograms && ["avg ", "avg(", "avg_over_time("].iter().any(|avg| query.contains(avg)) {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "functions of what is nearly one",
        change: "a difference in the last digit is one in many digits of the logarithm, the angle or the variance",
        since: NEVER,
        forgive: |query, expected, found| {
            let steep = ["acos(", "acosh(", "tan(", "atanh(", "ln(", "log2(", "log10(", "stddev", "stdvar"];
            if steep.iter().any(|call| query.contains(call)) {
                nothing_for_nearly_nothing(expected);
                nothing_for_nearly_nothing(found);
                if differences(expected, found, 1e-6).is_empty() {
                    forget_data(expected, found);
                }
            }
        },
    },
    Rule {
        name: "sums that overflow",
        change: "our sums are exact, so they overflow only as a whole",
        since: NEVER,
        forgive: |query, expected, found| {
            if query.contains("special") && ["sum", "avg"].iter().any(|op| query.contains(op)) {
                let endless = |answer: &Answer| {
                    let points = answer
                        .outcome
                        .iter()
                        .flat_map(|data| &data.series)
                        .flat_map(|series| series.points.values());
                    points.into_iter().any(|point| matches!(point, Point::Float(value) if !value.is_finite()))
                };
                if endless(expected) || endless(found) {
                    forget_data(expected, found);
                }
            }
        },
    },
    Rule {
        name: "schemas of what is mixed with floats",
        change: "whether histograms that floats make useless fit each other is noted by the order of the series",
        since: NEVER,
        forgive: |_, expected, found| {
            let mixed =
                |answer: &Answer| answer.warnings.iter().any(|text| text.contains("floats for aggregation"));
            if mixed(expected) && mixed(found) {
                for answer in [expected, found] {
                    answer
                        .warnings
                        .retain(|text| !text.contains("a mix of histograms with exponential and custom"));
                }
            }
        },
    },
    Rule {
        name: "order of duplicates",
        change: "#17668: the two series of a many-to-many match are named in order",
        since: (3, 9),
        forgive: |_, expected, found| {
            if let (Err(expected), Err(found)) = (&mut expected.outcome, &mut found.outcome) {
                let duplicates = "found duplicate series for the match group";
                if [&*expected, &*found].iter().all(|failure| failure.message.starts_with(duplicates)) {
                    *expected = found.clone();
                }
            }
        },
    },
    Rule {
        name: "fractions of classic histograms",
        change: "#17424: histogram_fraction where the lower end is in the first bucket",
        since: (3, 8),
        forgive: |query, expected, found| {
            if query.contains("histogram_fraction(") {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "rounding",
        change: "#16895, #18252: sums are compensated, also those of histograms",
        since: (3, 11),
        forgive: |_, expected, found| {
            if differences(expected, found, 1e-9).is_empty() {
                forget_data(expected, found);
            }
        },
    },
    Rule {
        name: "empty names in notes",
        change: "#16794: notes leave out the metric name where there is none",
        since: (3, 7),
        forgive: |_, expected, _| {
            let strip = |text: &String| text.replace(" for metric name \"\"", "");
            expected.warnings = expected.warnings.iter().map(strip).collect();
            expected.infos = expected.infos.iter().map(strip).collect();
        },
    },
];

/// A note without the line and column at its end.
fn without_place(text: &str) -> String {
    text.rsplit_once(" (").map_or(text, |(start, _)| start).to_owned()
}

/// A note on repaired buckets without what newer versions tell.
fn without_details(text: &str) -> String {
    match (text.find(", from buckets "), text.rfind(" (")) {
        (Some(from), Some(place)) if text.contains("fixed for monotonicity") => {
            text[..from].to_owned() + &text[place..]
        }
        _ => text.to_owned(),
    }
}

/// Takes numbers that only rounding keeps from zero for zero.
fn nothing_for_nearly_nothing(answer: &mut Answer) {
    let Ok(data) = &mut answer.outcome else { return };
    for point in data.series.iter_mut().flat_map(|series| series.points.values_mut()) {
        if let Point::Float(value) = point
            && value.abs() < 1e-14
        {
            *value = 0.0;
        }
    }
}

/// The answer without metric names.
fn nameless(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    let Ok(data) = &mut answer.outcome else { return answer };
    for series in &mut data.series {
        if let Some((_, rest)) =
            series.labels.split_once("__name__=").and_then(|(_, name)| name.split_once("\","))
        {
            series.labels = rest.to_owned();
        }
    }
    answer
}

/// Leaves no data to compare.
fn forget_data(expected: &mut Answer, found: &mut Answer) {
    let kind = found.outcome.as_ref().map_or_else(|_| "failure".to_owned(), |data| data.kind.clone());
    let failed = expected.outcome.is_err() || found.outcome.is_err();
    for answer in [expected, found] {
        if failed {
            // A failure has no notes.
            (answer.warnings, answer.infos) = Default::default();
        }
        answer.outcome = Ok(Data { kind: kind.clone(), series: Vec::<Series>::new() });
    }
}
