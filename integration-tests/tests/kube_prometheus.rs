//! The rules and dashboards of kube-prometheus over made-up metrics of a cluster: each expression must parse, and a cluster of
//! ours must answer as a real Prometheus does. A part of the samples is in blocks, the rest in heads.
//!
//! The metrics are made from the expressions themselves, so that other dashboards can be put in their place.

mod curve;
mod demand;
mod regex_text;
mod series;
mod variables;
mod world;

use std::fs;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    compare_answers::Answer,
    reference::Question,
    same_samples::{HOUR, MINUTE, START, SameSamples, Server},
    sandbox::{long, number, scenario},
    shared,
    tally::Tally,
};
use narthex_promql::Expr;
use serde_json::Value;

use demand::Demand;

/// Between samples.
const INTERVAL: i64 = 30_000;
/// The share of expressions, in per cent, that must return something.
const ANSWERED: usize = 90;

/// An expression and its syntax tree.
struct Expression {
    of: String,
    text: String,
    tree: Expr,
}

/// Reads the expressions, variables filled in. What our parser refuses is an error.
fn read(path: &std::path::Path) -> Result<Vec<Expression>> {
    let list: Value = serde_json::from_slice(&fs::read(path)?)?;
    let mut expressions = Vec::new();
    for (of, texts) in list.as_object().context("groups of expressions")? {
        for (turn, text) in texts.as_array().context("a list of expressions")?.iter().enumerate() {
            let text = variables::fill(text.as_str().context("an expression is a text")?, turn);
            let tree = narthex_promql::parse(&text).map_err(|error| anyhow::anyhow!("{text}: {error}"))?;
            expressions.push(Expression { of: of.clone(), text, tree });
        }
    }
    Ok(expressions)
}

/// When an expression is evaluated, and by whom, beside Prometheus.
fn questions(query: &str, border: i64, end: i64) -> Vec<(Question<'_>, Vec<Server>)> {
    use Server::{AllInOne, Cluster, ClusterAsAsked};
    let range = |start, end, step| Question::Range { query, start, end, step };
    let mut questions = vec![
        // Over the border of blocks and heads, on multiples of the step.
        (range(border - 10 * MINUTE, border + 10 * MINUTE, 2 * MINUTE), vec![Cluster]),
        (range(border - 29 * MINUTE + 7_123, end, 7 * MINUTE + 17), vec![ClusterAsAsked]),
        (Question::Instant { query, at: end - MINUTE }, vec![AllInOne]),
    ];
    if long() {
        questions.push((range(START, end + 5 * MINUTE, MINUTE), vec![Cluster, AllInOne]));
        questions.push((Question::Instant { query, at: border + 1 }, vec![Cluster, AllInOne]));
    }
    questions
}

#[test]
fn a_cluster_answers_the_rules_and_dashboards_of_kubernetes_as_prometheus_does() {
    let Some(list) = shared::file("compliance/kube-prometheus-expressions.json") else { return };
    scenario(async |sandbox| {
        let seed = number("NARTHEX_SEED")?.unwrap_or(2);
        let expressions = read(&list)?;
        let demand = Demand::of(expressions.iter().map(|expression| &expression.tree));
        let (start, end) =
            if long() { (START, START + 3 * HOUR) } else { (START + HOUR, START + 150 * MINUTE) };
        let times: Vec<i64> = (start..end).step_by(INTERVAL as usize).collect();
        let series = series::series(seed, &demand, &times);
        let (count, metrics) = (expressions.len(), demand.0.len());
        eprintln!("NARTHEX_SEED={seed}: {count} expressions on {metrics} metrics");
        let servers = SameSamples::start(sandbox, &series, start..end).await?;
        let queries = expressions.iter().map(|expression| expression.text.as_str());
        let answers =
            servers.compare(sandbox, queries, |query| questions(query, servers.border, end)).await?;
        let mut tally = Tally::new(servers.prometheus.version()?);
        let mut empty = Vec::new();
        for (expression, asked) in expressions.iter().zip(&answers) {
            for (what, expected, found) in asked {
                tally.judge(&expression.text, what, expected, found);
            }
            if asked.iter().all(|(_, expected, _)| expected.points() == 0) {
                empty.push((expression, reason(&asked[0].1)));
            }
        }
        let answered = expressions.len() - empty.len();
        eprintln!("{answered} of {} expressions return something; nothing comes from:", expressions.len());
        for (expression, reason) in &empty {
            let text = expression.text.split_whitespace().collect::<Vec<_>>().join(" ");
            eprintln!("  {} ({reason}): {text}", expression.of);
        }
        ensure!(answered * 100 >= expressions.len() * ANSWERED, "only {answered} return something");
        tally.finish("answers to kube-prometheus")
    });
}

/// Why an answer has nothing in it.
fn reason(answer: &Answer) -> String {
    match &answer.outcome {
        Err(failure) => failure.message.clone(),
        Ok(_) => "nothing matches".to_owned(),
    }
}
