//! The comparison of queries on a small world: every question of the corpus is one that Narthex and Prometheus answer, with
//! something, and the same.

use std::time::Duration;

use anyhow::ensure;
use narthex_integration_tests::sandbox::scenario;

use super::{Comparison, Kind, Options, Rounds, Scale};

#[test]
fn every_question_of_the_corpus_is_answered_alike() {
    scenario(async |sandbox| {
        let options = Options {
            scale: Scale::Tiny,
            servers: vec![Kind::Narthex, Kind::Prometheus],
            only: String::new(),
            rounds: Rounds { runs: 2, patience: Duration::from_secs(5) },
            keep: None,
        };
        let report = Comparison::prepare(sandbox, &options).await?.run().await?;
        let wrong: Vec<_> = report.wrong().map(|row| (&row.question, &row.query, &row.differences)).collect();
        ensure!(wrong.is_empty(), "{} answers differ: {wrong:#?}", wrong.len());
        ensure!(report.rows.len() >= 40, "only {} questions", report.rows.len());
        for row in &report.rows {
            for figures in &row.figures {
                let server = &figures.server;
                ensure!(
                    figures.series > Some(0),
                    "{server} finds nothing for {}: {}",
                    row.question,
                    row.query
                );
                ensure!(figures.cpu_ms.len() == 2, "{server} was asked {} times", figures.cpu_ms.len());
            }
        }
        Ok(())
    });
}
