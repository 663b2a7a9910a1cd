//! Questions about a stretch of time, and the answers of a querier in a form that can be compared.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use narthex_integration_tests::{aws::Api, samples};
use serde_json::Value;

use super::WINDOW_MS;

/// A question: its endpoint below `api/v1/`, and its parameters.
#[derive(Debug, Clone)]
struct Question {
    endpoint: String,
    fields: Vec<(&'static str, String)>,
}

/// Answers by what was asked.
pub(super) type Answers = BTreeMap<String, Value>;

/// Seconds as the API takes them.
pub(super) fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1_000, millis.rem_euclid(1_000))
}

/// Raw samples, rates over borders of windows, sums, native histograms and the label interfaces, over `start..=end`.
fn questions(start: i64, end: i64) -> Vec<Question> {
    let range = format!("{}ms", end - start);
    let ask = |endpoint: &str, fields: &[(&'static str, &str)]| Question {
        endpoint: endpoint.to_owned(),
        fields: fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let mut questions = Vec::new();
    let at_end = seconds(end);
    for selector in [
        r#"{__name__!=""}"#,
        r#"{job="node", __name__=~"node_(cpu|disk)_.+"}"#,
        r#"prometheus_http_requests_total{handler!~"/api.*"}"#,
        r#"{__name__=~"prometheus_.+_duration_seconds", job="itself"}"#,
        "no_such_metric",
    ] {
        questions.push(ask("query", &[("query", &format!("{selector}[{range}]")), ("time", &at_end)]));
    }
    let ranges = [
        "up",
        "rate(node_cpu_seconds_total[15s])",
        "sum by (mode) (rate(node_cpu_seconds_total[15s]))",
        "increase(prometheus_http_requests_total[45s])",
        "histogram_count(prometheus_http_request_duration_seconds)",
        "avg_over_time(node_load1[30s]) - node_load1",
        "count({__name__=~\".+\"})",
    ];
    for query in ranges {
        let fields = [("query", query), ("start", &seconds(start)), ("end", &at_end), ("step", "5")];
        questions.push(ask("query_range", &fields));
    }
    // Just before, at and just after a border, where a window ends and the lookback reaches into the one before.
    let border = (start + 2 * WINDOW_MS).div_euclid(WINDOW_MS) * WINDOW_MS;
    for time in [border - 1, border, border + 1] {
        let time = seconds(time);
        questions.push(ask("query", &[("query", "rate(node_cpu_seconds_total[15s])"), ("time", &time)]));
        questions.push(ask("query", &[("query", "up"), ("time", &time)]));
    }
    let within = [("start", seconds(start)), ("end", at_end)];
    let within: Vec<(&'static str, &str)> =
        within.iter().map(|(name, value)| (*name, value.as_str())).collect();
    questions.push(ask("labels", &within));
    for label in ["__name__", "job", "mode", "le", "no_such_label"] {
        questions.push(ask(&format!("label/{label}/values"), &within));
    }
    for selector in ["up", r#"{job="node", mode="idle"}"#] {
        questions.push(ask("series", &[&within[..], &[("match[]", selector)]].concat()));
        questions.push(ask("labels", &[&within[..], &[("match[]", selector)]].concat()));
    }
    questions
}

/// What a querier answers about `start..=end`, milliseconds.
pub(super) async fn answers(api: &Api, querier: &str, start: i64, end: i64) -> Result<Answers> {
    let mut answers = Answers::new();
    for question in questions(start, end) {
        let name = format!("{} {:?}", question.endpoint, question.fields);
        let fields: Vec<(&str, &str)> =
            question.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = api.get(querier, &question.endpoint, &fields).await.with_context(|| name.clone())?;
        ensure!(reply.status == 200, "{name}: {reply}");
        let mut json = reply.json()?;
        answers.insert(name, json["data"].take());
    }
    Ok(answers)
}

/// Fails with the first answers that are not the same.
pub(super) fn ensure_same(before: &Answers, after: &Answers) -> Result<()> {
    let mut differences = Vec::new();
    for (question, expected) in before {
        let found = &after[question];
        if found != expected {
            differences.push(format!(
                "{question}\n    from heads  {}\n    from blocks {}",
                short(expected),
                short(found)
            ));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(5);
    bail!("{count} of {} answers differ:\n  {}", before.len(), differences.join("\n  "))
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(600).collect()
}

/// All raw samples in `(start, end]`.
pub(super) async fn raw(api: &Api, querier: &str, start: i64, end: i64) -> Result<samples::Matrix> {
    let query = format!(r#"{{__name__!=""}}[{}ms]"#, end - start);
    let reply = api.post_form(querier, "query", &[("query", &query), ("time", &seconds(end))]).await?;
    samples::matrix(&reply).with_context(|| format!("Narthex at {querier}"))
}
