//! Asking: each question to all servers in turn, again and again, and what each answer took.

use std::time::Duration;

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    compare_answers::{Answer, differences},
    http::{Http, Reply},
    samples::series_key,
};
use serde_json::Value;

use super::{
    corpus::Question,
    report::{Figures, Row},
    servers::{Kind, Server},
};
use crate::ThreadTimes;

/// How far values of Narthex and Prometheus may be apart, relative to the larger.
const TOLERANCE: f64 = 1e-9;
/// Differences that a report shows of one question.
const SHOWN: usize = 3;
/// After a reply, for work that a server does behind it.
const BEHIND: Duration = Duration::from_millis(3);
/// A question is asked at least so often, however long it takes.
const LEAST_RUNS: usize = 3;

/// How often to ask.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Runs of each question.
    pub runs: usize,
    /// A question is given up after this long, if it was asked three times.
    pub patience: Duration,
}

/// Asks one question of all servers: once for the answers, which are compared, and then for the figures.
pub(super) async fn measure(
    question: &Question,
    servers: &[Server],
    rounds: Rounds,
    http: &Http,
) -> Result<Row> {
    let mut row = Row { question: question.name.clone(), query: question.query.clone(), ..Row::default() };
    let mut answers = Vec::new();
    for server in servers {
        let reply = server.ask(http, question).await?;
        let mut figures = Figures::new(server.kind.name(), reply.body.len());
        match Content::of(&reply) {
            Ok(answer) => {
                figures.series = Some(answer.series());
                answers.push((server.kind, answer));
            }
            // Not all of our language is VictoriaMetrics's.
            Err(error) if server.kind == Kind::VictoriaMetrics => row.notes.push(format!("{error:#}")),
            Err(error) => row.differences.push(format!("{}: {error:#}", server.kind.name())),
        }
        row.figures.push(figures);
    }
    let of = |kind| answers.iter().find(|(of, _)| *of == kind).map(|(_, answer)| answer);
    let mut comparable = true;
    for server in servers {
        comparable &= server.is_since(question.since)?;
    }
    if let (Some(ours), Some(theirs), true) = (of(Kind::Narthex), of(Kind::Prometheus), comparable) {
        let found = ours.differences_from(theirs);
        row.differences.extend(found.iter().take(SHOWN).cloned());
        row.differing = found.len();
    }
    drop(answers);
    let began = http.clock().monotonic();
    for run in 0..rounds.runs {
        if run >= LEAST_RUNS && http.clock().monotonic() - began > rounds.patience {
            break;
        }
        let answering = servers.iter().zip(&mut row.figures).filter(|(_, figures)| figures.series.is_some());
        for (server, figures) in answering {
            let process = [server.process_id()];
            let before = ThreadTimes::read(&process)?;
            let start = http.clock().monotonic();
            server.ask(http, question).await?;
            let latency = http.clock().monotonic() - start;
            http.clock().sleep(BEHIND).await;
            figures.record(ThreadTimes::read(&process)?.since(&before), latency);
        }
    }
    Ok(row)
}

/// What a server answered.
#[derive(Debug)]
enum Content {
    Query(Answer),
    /// Names, values or label sets, in order.
    List(Vec<String>),
}

impl Content {
    fn of(reply: &Reply) -> Result<Self> {
        ensure!(reply.status == 200, "it answers {reply}");
        let json = reply.json()?;
        let Some(list) = json["data"].as_array() else { return Ok(Self::Query(Answer::of(&json)?)) };
        let text = |item: &Value| item.as_str().map_or_else(|| series_key(item), |text| Ok(text.to_owned()));
        let mut items = list.iter().map(text).collect::<Result<Vec<_>>>()?;
        items.sort_unstable();
        Ok(Self::List(items))
    }

    fn series(&self) -> usize {
        match self {
            Self::Query(answer) => answer.outcome.as_ref().map_or(0, |data| data.series.len()),
            Self::List(items) => items.len(),
        }
    }

    fn differences_from(&self, expected: &Self) -> Vec<String> {
        match (expected, self) {
            (Self::Query(expected), Self::Query(found)) => differences(expected, found, TOLERANCE),
            (Self::List(expected), Self::List(found)) => {
                let lacks = expected.iter().filter(|item| found.binary_search(item).is_err());
                let more = found.iter().filter(|item| expected.binary_search(item).is_err());
                let lines = lacks.map(|item| format!("lacks {item}"));
                lines.chain(more.map(|item| format!("has also {item}"))).collect()
            }
            _ => vec!["answers of two kinds".to_owned()],
        }
    }
}
