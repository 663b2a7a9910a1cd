//! A zone, a disk, a leader, everything: killed under load. No request fails that tries a second zone, and afterwards
//! every acknowledged sample is there exactly once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    metrics::metric,
    recorder::{Recorder, Tally, Writing},
    sandbox::{Cluster, DEADLINE, Sandbox, Standalone, ZONES, scenario, until},
};
use narthex_service::Random;

const WRITERS: u64 = 3;
/// Samples that make a phase: some thirty requests.
const PHASE: usize = 1200;

fn recorder(cluster: &Cluster) -> Recorder {
    Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system())
}

/// Every acknowledged sample is there, whichever of the queriers is asked.
async fn verify(recorder: &Recorder, queriers: &[String]) -> Result<()> {
    for querier in queriers {
        let count = recorder.verify(querier, DEADLINE).await?;
        eprintln!("{querier} has all {count} acknowledged samples");
    }
    Ok(())
}

fn ensure_none_failed(tally: &Tally) -> Result<()> {
    eprintln!("{} requests, {} needed the second zone", tally.requests, tally.retried);
    let first = tally.failed.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
    ensure!(tally.failed.is_empty(), "{} requests failed twice:\n  {first}", tally.failed.len());
    Ok(())
}

/// Stops the writing, and judges requests and samples.
async fn finish(writing: Writing, recorder: &Recorder, cluster: &Cluster) -> Result<()> {
    ensure_none_failed(&writing.stop().await?)?;
    verify(recorder, &cluster.queriers).await
}

/// The sum of a metric over instances.
async fn total(sandbox: &Sandbox, cluster: &Cluster, instances: &[String], name: &str) -> Result<f64> {
    let mut sum = 0.0;
    for instance in instances {
        let value = metric(&sandbox.http, &cluster.instance(instance)?.base, name).await?;
        sum += value.with_context(|| format!("{instance} has no metric {name}"))?;
    }
    Ok(sum)
}

#[test]
fn a_zone_is_killed_and_returns() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;

        let zone = cluster.zone("b");
        cluster.kill(&zone)?;
        writing.acknowledged(2 * PHASE).await?;
        verify(&recorder, &[cluster.queriers[0].clone(), cluster.queriers[2].clone()]).await?;

        cluster.launch(sandbox, &zone)?;
        cluster.ready(sandbox, &zone).await?;
        // Its disks are as they were, so it copies nothing.
        let returned = cluster.names(|instance| instance.zone == "b" && instance.service == "ingester");
        for name in ["narthex_ingester_recovering", "narthex_ingester_recovery_samples_total"] {
            let value = total(sandbox, &cluster, &returned, name).await?;
            ensure!(value == 0.0, "zone b has {name} {value} after it returned with its disks");
        }
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers).await?;

        // What the returned zone has counts: another zone may go now.
        let other = cluster.zone("a");
        cluster.kill(&other)?;
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers[1..]).await?;
        cluster.launch(sandbox, &other)?;
        cluster.ready(sandbox, &other).await?;
        finish(writing, &recorder, &cluster).await
    });
}

#[test]
fn each_zone_in_turn_is_paused() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;
        for zone in ZONES {
            // Ingesters that hang without closing their connections: the worst kind of gone.
            let hung = cluster.names(|instance| instance.zone == zone && instance.service == "ingester");
            for name in &hung {
                cluster.process(name)?.pause()?;
            }
            writing.acknowledged(PHASE).await?;
            for name in &hung {
                cluster.process(name)?.resume()?;
            }
            writing.acknowledged(PHASE).await?;
        }
        finish(writing, &recorder, &cluster).await
    });
}

#[test]
fn an_ingester_returns_with_an_empty_disk() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(2 * PHASE).await?;

        let emptied = vec!["ingester-zone-c-0".to_owned(), "ingester-zone-c-1".to_owned()];
        cluster.kill(&emptied)?;
        for name in &emptied {
            cluster.empty_disk(name)?;
        }
        writing.acknowledged(PHASE).await?;
        cluster.launch(sandbox, &emptied)?;
        // While it recovers it counts in no read quorum: answers stay whole.
        verify(&recorder, &cluster.queriers).await?;
        cluster.ready(sandbox, &emptied).await?;
        until(&sandbox.clock, "the end of the recovery", DEADLINE, async || {
            let remaining = total(sandbox, &cluster, &emptied, "narthex_ingester_recovering").await?;
            Ok(if remaining == 0.0 { Ok(()) } else { Err(format!("{remaining} are RECOVERING")) })
        })
        .await?;
        let copied = total(sandbox, &cluster, &emptied, "narthex_ingester_recovery_samples_total").await?;
        ensure!(copied >= 2.0 * PHASE as f64, "only {copied} samples were copied");

        // Complete: now it and one more zone are enough, at once.
        let gone = cluster.zone("a");
        cluster.kill(&gone)?;
        verify(&recorder, &cluster.queriers[1..]).await?;
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers[1..]).await?;
        cluster.launch(sandbox, &gone)?;
        cluster.ready(sandbox, &gone).await?;
        finish(writing, &recorder, &cluster).await
    });
}

/// The base URL of a control-plane node that says it leads.
async fn leader(sandbox: &Sandbox, cluster: &Cluster) -> Result<String> {
    let nodes = cluster.names(|instance| instance.service == "control-plane");
    until(&sandbox.clock, "a leader", DEADLINE, async || {
        for name in &nodes {
            let base = &cluster.instance(name)?.base;
            let Ok(metrics) = sandbox.http.get(&format!("{base}/metrics")).await else { continue };
            let leads =
                |line: &&str| line.starts_with("narthex_control_plane_leader") && line.ends_with(" 1");
            if metrics.text().lines().any(|line| leads(&line)) {
                return Ok(Ok(name.clone()));
            }
        }
        Ok(Err("no node's metrics say that it leads".to_owned()))
    })
    .await
}

#[test]
fn the_control_plane_leader_is_killed() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;

        let leading = leader(sandbox, &cluster).await?;
        cluster.kill(std::slice::from_ref(&leading))?;
        let killed = sandbox.clock.monotonic();
        let survivors =
            cluster.names(|instance| instance.service == "control-plane" && instance.name != leading);
        let bases = survivors.iter().map(|name| Ok(cluster.instance(name)?.base.clone()));
        let bases = bases.collect::<Result<Vec<_>>>()?;
        let limit = Duration::from_secs(10);
        let (created, base) = until(&sandbox.clock, "a workspace created within 10 s", limit, async || {
            let mut last = String::new();
            for base in &bases {
                match cluster.api.create_workspace(base, "after the leader").await {
                    Ok(created) => return Ok(Ok((created, base.clone()))),
                    Err(error) => last = format!("{error:#}"),
                }
            }
            Ok(Err(last))
        })
        .await?;
        eprintln!("created {:?} after the kill", sandbox.clock.monotonic() - killed);
        until(&sandbox.clock, "the new workspace is active", DEADLINE, async || {
            let path = format!("/workspaces/{}", created.workspace);
            let reply = created.control(Method::GET, &base, &path, None).await?;
            let status = reply.json()?["workspace"]["status"]["statusCode"].clone();
            Ok(if status == "ACTIVE" { Ok(()) } else { Err(reply.to_string()) })
        })
        .await?;
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers).await?;
        cluster.launch(sandbox, std::slice::from_ref(&leading))?;
        cluster.ready(sandbox, std::slice::from_ref(&leading)).await?;
        let tally = writing.stop().await?;
        // Data requests did not even notice.
        ensure!(tally.retried == 0, "{} requests needed a second zone: {:?}", tally.retried, tally.failed);
        verify(&recorder, &cluster.queriers).await
    });
}

#[test]
fn everything_is_killed_and_started() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder(&cluster);
        for _ in 0..2 {
            let writing = recorder.start(WRITERS);
            writing.acknowledged(PHASE).await?;
            let all = cluster.names(|_| true);
            // Under load, in the middle of whatever they do.
            cluster.kill(&all)?;
            writing.stop().await?;
            cluster.launch(sandbox, &all)?;
            cluster.ready(sandbox, &all).await?;
            verify(&recorder, &cluster.queriers).await?;
        }
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;
        let failed_before = recorder.tally().failed.len();
        let tally = writing.stop().await?;
        ensure!(
            tally.failed.len() == failed_before,
            "writes fail after the return: {:?}",
            tally.failed.last()
        );
        verify(&recorder, &cluster.queriers).await
    });
}

#[test]
fn the_all_in_one_is_killed_and_started() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start(sandbox).await?;
        let zones = vec![narthex.base.clone()];
        let recorder = Recorder::new(narthex.api.clone(), zones.clone(), Random::from_system());
        for _ in 0..3 {
            let writing = recorder.start(WRITERS);
            writing.acknowledged(PHASE).await?;
            narthex.process.kill()?;
            writing.stop().await?;
            narthex.restart(sandbox).await?;
            verify(&recorder, &zones).await?;
        }
        Ok(())
    });
}

#[test]
fn the_cluster_command_starts_and_stops_everything() {
    scenario(async |sandbox| {
        let cluster = Cluster::init(sandbox)?;
        let mut process = cluster.start_by_command(sandbox).await?;
        let recorder = recorder(&cluster);
        let writing = recorder.start(1);
        writing.acknowledged(PHASE / 4).await?;
        finish(writing, &recorder, &cluster).await?;
        process.terminate()?;
        let status = until(&sandbox.clock, "the end after SIGTERM", DEADLINE, async || {
            Ok(process.ended()?.ok_or_else(|| "still running".to_owned()))
        })
        .await
        .context(process.log())?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    });
}
