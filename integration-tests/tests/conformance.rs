//! Every query of the Prometheus conformance list, asked of a real Prometheus, of a cluster and of an all-in-one that hold the
//! same samples: each must answer as Prometheus does. A part of the samples is in blocks, the rest in heads.
//!
//! `NARTHEX_SEED` chooses the samples; `NARTHEX_LONG=1` asks at more times over more hours.

mod demo;
mod durations;
mod queries;

use anyhow::ensure;
use narthex_integration_tests::{
    reference::Question,
    same_samples::{HOUR, MINUTE, START, SameSamples, Server},
    sandbox::{long, number, scenario},
    shared,
    tally::Tally,
};

/// When a query is evaluated, and by whom, beside Prometheus.
fn questions(query: &str, border: i64, end: i64) -> Vec<(Question<'_>, Vec<Server>)> {
    use Server::{AllInOne, Cluster, ClusterAsAsked};
    let range = |start, end, step| Question::Range { query, start, end, step };
    let mut questions = vec![
        // Over the border of blocks and heads, on multiples of the step.
        (range(border - 10 * MINUTE, border + 10 * MINUTE, MINUTE), vec![Cluster, AllInOne]),
        // Over almost everything, and on no multiple of the step.
        (range(START + 37 * MINUTE + 7_123, end + 3 * MINUTE + 901, 13 * MINUTE + 17), vec![ClusterAsAsked]),
        (Question::Instant { query, at: border + 61_234 }, vec![Cluster]),
    ];
    if long() {
        questions.push((range(border - 30 * MINUTE, border + 30 * MINUTE, 10_000), vec![Cluster, AllInOne]));
        questions.push((range(START - 7 * MINUTE + 1, end + 7 * MINUTE, 47_003), vec![ClusterAsAsked]));
        questions.push((range(START + HOUR, end, 5 * MINUTE), vec![Cluster, AllInOne]));
        for minutes in [-61, -3, 0, 7, 29] {
            questions
                .push((Question::Instant { query, at: border + minutes * MINUTE }, vec![Cluster, AllInOne]));
        }
    }
    questions
}

#[test]
fn a_cluster_answers_the_conformance_list_as_prometheus_does() {
    let Some(list) = shared::file("compliance/promql-test-queries.yml") else { return };
    scenario(async |sandbox| {
        let seed = number("NARTHEX_SEED")?.unwrap_or(20_231_115);
        let cases = queries::read(&list)?;
        // Hours from the half of the first window to within the last, which stays in the heads.
        let (start, end) = (START + HOUR, START + if long() { 8 * HOUR } else { 4 * HOUR } + 30 * MINUTE);
        let series = demo::series(seed, start, end);
        eprintln!("NARTHEX_SEED={seed}: {} queries", cases.len());
        let servers = SameSamples::start(sandbox, &series, start..end).await?;
        let mut tally = Tally::new(servers.prometheus.version()?);
        let queries = cases.iter().map(|case| case.query.as_str());
        let answers =
            servers.compare(sandbox, queries, |query| questions(query, servers.border, end)).await?;
        let mut points = 0;
        for (case, asked) in cases.iter().zip(&answers) {
            for (what, expected, found) in asked {
                points += found.points();
                if case.should_fail && expected.outcome.is_ok() {
                    tally.fail(&case.query, what, &["Prometheus should refuse it".to_owned()]);
                } else {
                    tally.judge(&case.query, what, expected, found);
                }
            }
        }
        eprintln!("{points} points compared");
        ensure!(points > 100 * cases.len(), "only {points} points came");
        tally.finish("answers to the conformance list")
    });
}
