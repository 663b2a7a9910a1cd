//! Disks that are full, that fail to sync, and that changed behind a stopped process, under the real binaries: what was
//! acknowledged stays, and where it cannot, nobody is told that it did. Each fault leaves a log line and a metric.

mod damage;
mod full;
mod sync;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    metrics::metric,
    recorder::{Recorder, Tally},
    sandbox::{Cluster, DEADLINE, Sandbox, Standalone, until},
};
use narthex_service::Random;

const WRITERS: u64 = 3;
/// Samples that make a phase: some thirty requests.
const PHASE: usize = 1200;
/// The ingester that has the fault in a cluster.
const FAULTY: &str = "ingester-zone-b-0";

/// A recorder that writes to the all-in-one only.
fn recorder_of(narthex: &Standalone) -> Recorder {
    Recorder::new(narthex.api.clone(), vec![narthex.base.clone()], Random::from_system())
}

/// A recorder that writes to all zones.
fn recorder_of_all(cluster: &Cluster) -> Recorder {
    Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system())
}

/// Every failed request was told to come again, with a reason that contains all of `needles`.
fn ensure_retriable(tally: &Tally, needles: &[&str]) -> Result<()> {
    for failed in &tally.failed {
        let answers = failed.split("; then ").filter(|answer| !answer.contains("503 Service Unavailable"));
        ensure!(answers.count() == 0, "not every answer is 503: {failed}");
        ensure!(needles.iter().all(|needle| failed.contains(needle)), "expected {needles:?} in {failed}");
    }
    Ok(())
}

fn ensure_none_failed(tally: &Tally) -> Result<()> {
    ensure!(tally.failed.is_empty(), "{} requests failed: {:?}", tally.failed.len(), tally.failed.first());
    Ok(())
}

/// Every acknowledged sample is there, whichever of the queriers is asked.
async fn verify(recorder: &Recorder, queriers: &[String]) -> Result<()> {
    for querier in queriers {
        let count = recorder.verify(querier, DEADLINE).await?;
        eprintln!("{querier} has all {count} acknowledged samples");
    }
    Ok(())
}

/// The value of a metric of the process at `base`.
async fn value(sandbox: &Sandbox, base: &str, name: &str) -> Result<f64> {
    metric(&sandbox.http, base, name).await?.with_context(|| format!("{base} has no metric {name}"))
}

/// Waits until a metric is above a bound.
async fn rises(sandbox: &Sandbox, base: &str, name: &str, above: f64) -> Result<f64> {
    until(&sandbox.clock, &format!("{name} above {above}"), DEADLINE, async || {
        // A metric with labels is not there before it counts.
        let now = metric(&sandbox.http, base, name).await?.unwrap_or_default();
        Ok(if now > above { Ok(now) } else { Err(format!("{name} is {now}")) })
    })
    .await
}

/// The log line that holds `text`.
fn line(log: &str, text: &str) -> Result<String> {
    let found = log.lines().find(|line| line.contains(text));
    found.map(str::to_owned).with_context(|| format!("no log line says {text:?}"))
}

/// The recovered ingester counts again: with one more zone gone nothing is missing.
async fn counts_without_another_zone(
    sandbox: &Sandbox,
    cluster: &mut Cluster,
    recorder: &Recorder,
) -> Result<()> {
    let base = cluster.instance(FAULTY)?.base.clone();
    until(&sandbox.clock, "the end of the recovery", Duration::from_secs(90), async || {
        let recovering = value(sandbox, &base, "narthex_ingester_recovering").await?;
        Ok(if recovering == 0.0 { Ok(()) } else { Err("RECOVERING".to_owned()) })
    })
    .await?;
    let gone = cluster.zone("a");
    cluster.kill(&gone)?;
    verify(recorder, &cluster.queriers[1..]).await
}
