//! The queries of the conformance list, its templates expanded, and some on native histograms that the list is too old to have.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

/// What a template's arguments stand for, as the list's own tester expands them.
const VARIANTS: [(&str, &[&str]); 13] = [
    ("range", &["1s", "15s", "1m", "5m", "15m", "1h"]),
    ("offset", &["1m", "5m", "10m"]),
    ("simpleAggrOp", &["sum", "avg", "max", "min", "count", "stddev", "stdvar"]),
    ("simpleTimeAggrOp", &["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last"]),
    ("topBottomOp", &["topk", "bottomk"]),
    ("quantile", &["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"]),
    ("arithBinOp", &["+", "-", "*", "/", "%", "^"]),
    ("compBinOp", &["==", "!=", "<", ">", "<=", ">="]),
    ("binOp", &["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="]),
    ("simpleMathFunc", &["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"]),
    ("extrapolatedRateFunc", &["delta", "rate", "increase"]),
    ("clampFunc", &["clamp_min", "clamp_max"]),
    ("instantRateFunc", &["idelta", "irate"]),
];
const DATES: &[&str] = &["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"];

const HISTOGRAM: &str = "demo_api_request_duration_seconds";

/// Queries on the native histograms of the durations; `H` is their name. `changes` is not among them: Prometheus fills up the
/// histograms of a chunk with empty buckets, and takes those for changes where chunks meet.
const NATIVE: [&str; 17] = [
    "H",
    "rate(H[1m])",
    "increase(H[5m])",
    "sum(rate(H[5m]))",
    "sum by (path) (rate(H[1m]))",
    "avg by (method, path) (rate(H[1m]))",
    "histogram_quantile(0.9, rate(H[1m]))",
    "histogram_quantile(0.99, sum by (path) (rate(H[5m])))",
    "histogram_count(rate(H[1m]))",
    "histogram_sum(H)",
    "histogram_avg(rate(H[5m]))",
    "histogram_fraction(0, 0.02, rate(H[5m]))",
    "histogram_stddev(H)",
    "H * 2 - H",
    "sum_over_time(H[2m])",
    "resets(H[1h])",
    "count_over_time(H[5m]) + last_over_time(demo_num_cpus[5m])",
];

/// Any text is a label's name since Prometheus 3.0 (#14705), but the list is older: these are no errors any more.
const NAMES_OF_ANY_TEXT: &str = "\"~invalid\"";

/// A query and whether it must fail.
#[derive(Debug, Clone)]
pub(crate) struct TestCase {
    pub(crate) query: String,
    pub(crate) should_fail: bool,
}

/// Reads the list and expands it.
pub(crate) fn read(path: &Path) -> Result<Vec<TestCase>> {
    let list: Value = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let mut cases = Vec::new();
    for item in list["test_cases"].as_array().context("no test_cases")? {
        let template = item["query"].as_str().with_context(|| format!("no query in {item}"))?;
        let should_fail = item["should_fail"].as_bool().unwrap_or_default();
        let arguments = item["variant_args"].as_array().into_iter().flatten();
        let mut queries = vec![template.to_owned()];
        for argument in arguments {
            let name = argument.as_str().context("a variant is a name")?;
            queries = expand(&queries, name)?;
        }
        cases.extend(queries.into_iter().map(|query| {
            let should_fail = should_fail && !query.contains(NAMES_OF_ANY_TEXT);
            TestCase { query, should_fail }
        }));
    }
    let native = NATIVE.iter().map(|query| query.replace('H', HISTOGRAM));
    cases.extend(native.map(|query| TestCase { query, should_fail: false }));
    Ok(cases)
}

fn expand(templates: &[String], name: &str) -> Result<Vec<String>> {
    let variants: BTreeMap<&str, &[&str]> = VARIANTS.into_iter().chain([("dateFunc", DATES)]).collect();
    let variants = variants.get(name).with_context(|| format!("unknown variant {name}"))?;
    let place = format!("{{{{.{name}}}}}");
    Ok(templates
        .iter()
        .flat_map(|template| variants.iter().map(|variant| template.replace(&place, variant)))
        .collect())
}
