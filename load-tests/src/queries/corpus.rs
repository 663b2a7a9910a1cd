//! The questions: a file of queries as dashboards have them, and what they become over a data set.
//!
//! In a query `$__rate_interval`, `$__range` and `$__offset` stand for what Grafana would put there (the first two) and for
//! the data set's step into the past.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::data::{DataSet, END_MS, Span};

const DASHBOARDS: &str = include_str!("../../queries/dashboards.yml");

/// An entry of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// PromQL, or a selector where an endpoint is given.
    query: String,
    /// An endpoint other than those of queries; `label/NAME/values`, `labels`, `series`.
    endpoint: Option<String>,
    over: Vec<Form>,
    /// The first version of Prometheus that means by it what the newest means: major and minor.
    since: Option<(u32, u32)>,
}

/// At which times an entry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Instant,
    Recent,
    Day,
    Week,
}

/// A request of the query API.
#[derive(Debug, Clone)]
pub struct Question {
    /// The entry's name and the stretch of time.
    pub name: String,
    /// The query as it is sent.
    pub query: String,
    /// Endpoint below `api/v1/`.
    pub endpoint: String,
    /// Parameters.
    pub fields: Vec<(&'static str, String)>,
    /// Answers of an older Prometheus are not compared.
    pub since: (u32, u32),
}

/// All questions about a data set, in the order of the file.
pub fn questions(data: &DataSet) -> Result<Vec<Question>> {
    let entries: Vec<Entry> = serde_saphyr::from_str(DASHBOARDS).context("queries/dashboards.yml")?;
    let mut questions: Vec<Question> = Vec::new();
    for entry in &entries {
        for form in &entry.over {
            questions.extend(entry.over(*form, data));
        }
    }
    for (at, question) in questions.iter().enumerate() {
        let twice = questions[..at].iter().any(|other| other.name == question.name);
        ensure!(!twice, "two entries are called {:?}", question.name);
    }
    Ok(questions)
}

impl Entry {
    /// `None` where the data set is too short.
    fn over(&self, form: Form, data: &DataSet) -> Option<Question> {
        let span = match form {
            Form::Instant => Span { step_ms: 0, ..data.recent },
            Form::Recent => data.recent,
            Form::Day => data.longer[0]?,
            Form::Week => data.longer[1]?,
        };
        let rate_interval = (span.step_ms + data.interval_ms).max(4 * data.interval_ms);
        let query = self
            .query
            .trim()
            .replace("$__rate_interval", &format!("{}s", rate_interval / 1_000))
            .replace("$__range", &format!("{}s", span.length_ms / 1_000))
            .replace("$__offset", data.offset);
        let (start, end) = (seconds(END_MS - span.length_ms), seconds(END_MS));
        let (endpoint, fields) = match (&self.endpoint, form) {
            (Some(endpoint), _) => {
                (endpoint.as_str(), vec![("match[]", query.clone()), ("start", start), ("end", end)])
            }
            (None, Form::Instant) => ("query", vec![("query", query.clone()), ("time", end)]),
            (None, _) => {
                let step = seconds(span.step_ms);
                let fields = [("query", query.clone()), ("start", start), ("end", end), ("step", step)];
                ("query_range", fields.into())
            }
        };
        let form = match (&self.endpoint, form) {
            (None, Form::Instant) => "instant".to_owned(),
            (Some(_), _) => short(span.length_ms),
            _ => format!("{} / {}", short(span.length_ms), short(span.step_ms)),
        };
        Some(Question {
            name: format!("{} ({form})", self.name),
            query,
            endpoint: endpoint.to_owned(),
            fields,
            since: self.since.unwrap_or_default(),
        })
    }
}

fn seconds(millis: i64) -> String {
    (millis / 1_000).to_string()
}

/// A duration as dashboards write it.
fn short(millis: i64) -> String {
    match millis / 1_000 {
        seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queries::Scale;

    #[test]
    fn every_data_set_has_at_least_forty_questions_without_placeholders() {
        for scale in [Scale::Tiny, Scale::Heads100k, Scale::Heads1m, Scale::Blocks10k] {
            let questions = questions(&scale.data()).unwrap();
            assert!(questions.len() >= 40, "{scale:?} has {}", questions.len());
            assert!(questions.iter().all(|question| !question.query.contains("$__")));
        }
    }

    #[test]
    fn a_day_is_asked_in_steps_of_a_dashboard() {
        let questions = questions(&Scale::Blocks10k.data()).unwrap();
        let question = questions.iter().find(|question| question.name.ends_with("(1d / 5m)")).unwrap();
        assert_eq!(question.endpoint, "query_range");
        assert_eq!(
            question.fields[1..],
            [
                ("start", "1767186000".to_owned()),
                ("end", "1767272400".to_owned()),
                ("step", "300".to_owned())
            ]
        );
    }
}
