//! More partitions and fewer, by the README's procedure, while samples are written: no request fails twice, and every
//! acknowledged sample is there once before, during and after, also when a removal is called off half-way.

use std::{fs, process::Command as Program};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    metrics::metric,
    recorder::{Recorder, Writing},
    sandbox::{Cluster, Command, DEADLINE, Process, Sandbox, ZONES, binary, scenario, until},
};
use narthex_service::Random;
use serde_json::Value;

/// Samples that make a phase: some thirty requests.
const PHASE: usize = 1_200;
/// The partition that comes and goes: each zone has two ingesters, 0 and 1.
const NEW: u64 = 2;

/// Windows of seconds, so that a drained partition is soon in blocks.
const SHORT: [(&str, &str); 6] = [
    ("NARTHEX_CUT_WINDOW", "5s"),
    ("NARTHEX_CUT_MAX_AGE", "2s"),
    ("NARTHEX_CUT_SLACK", "1s"),
    ("NARTHEX_CUT_JITTER", "0s"),
    ("NARTHEX_CUT_KEEP", "2s"),
    ("NARTHEX_CUT_TAKE_OVER", "3s"),
];

/// One more ingester of a zone.
struct Added {
    process: Process,
    base: String,
}

/// Starts an ingester whose configuration is that of the zone's second with another number, folder and addresses.
fn add(sandbox: &Sandbox, cluster: &Cluster, zone: &str) -> Result<Added> {
    let name = format!("ingester-zone-{zone}-{NEW}");
    let text = fs::read_to_string(&cluster.instance(&format!("ingester-zone-{zone}-1"))?.config)?;
    let (http, grpc) =
        (format!("127.0.0.1:{}", sandbox.ports.one()?), format!("127.0.0.1:{}", sandbox.ports.one()?));
    let replaced = |line: &str| match line.split_once(':').map(|(key, _)| key.trim_end()) {
        Some("listen") => format!("listen: {http}"),
        Some("grpc-listen") => format!("grpc-listen: {grpc}"),
        Some("data-dir") => format!("data-dir: {}", sandbox.path().join(&name).display()),
        Some("instance") => format!("instance: {name}"),
        Some("ordinal") => format!("ordinal: {NEW}"),
        _ => line.to_owned(),
    };
    let config = sandbox.path().join(format!("{name}.yaml"));
    fs::write(&config, text.lines().map(replaced).collect::<Vec<_>>().join("\n"))?;
    let mut command = Command::new(binary("narthex-ingester")?).arg("--config").arg(config);
    for (name, value) in SHORT {
        command = command.env(name, value);
    }
    Ok(Added { process: sandbox.start(&name, command)?, base: format!("http://{http}") })
}

fn admin(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let mut admin = Program::new(binary("narthex-control-plane")?);
    let output = admin.args(["admin", "--addresses", &cluster.control_planes()]).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "admin {arguments:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The state of the new partition as `admin describe` tells; `None` when there is none.
fn state(cluster: &Cluster) -> Result<Option<String>> {
    let described: Value = serde_json::from_str(&admin(cluster, &["describe"])?)?;
    let partitions = described["partitions"].as_array().context("partitions")?;
    let found = partitions.iter().find(|partition| partition["partition"] == NEW);
    Ok(found.map(|partition| partition["state"].as_str().unwrap_or_default().to_uppercase()))
}

async fn becomes(sandbox: &Sandbox, cluster: &Cluster, wanted: Option<&str>) -> Result<()> {
    let what = format!("partition {NEW} to become {wanted:?}");
    until(&sandbox.clock, &what, DEADLINE, async || {
        let found = state(cluster)?;
        Ok(if found.as_deref() == wanted { Ok(()) } else { Err(admin(cluster, &["describe"])?) })
    })
    .await
}

async fn held(sandbox: &Sandbox, added: &[Added]) -> Result<f64> {
    let mut windows = 0.0;
    for added in added {
        windows += metric(&sandbox.http, &added.base, "narthex_ingester_cuts_windows").await?.unwrap_or(0.0);
    }
    Ok(windows)
}

async fn verify(recorder: &Recorder, cluster: &Cluster) -> Result<()> {
    for querier in &cluster.queriers {
        recorder.verify(querier, DEADLINE).await?;
    }
    Ok(())
}

async fn phase(writing: &Writing, recorder: &Recorder, cluster: &Cluster) -> Result<()> {
    writing.acknowledged(PHASE).await?;
    verify(recorder, cluster).await
}

#[test]
fn a_partition_comes_and_goes_under_load() {
    scenario(async |sandbox| {
        let cluster = Cluster::start_with(sandbox, &SHORT).await?;
        let recorder =
            Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system());
        let writing = recorder.start(3);
        phase(&writing, &recorder, &cluster).await?;

        // Out: an ingester in every zone, and the partition takes writes once every reader knows of it.
        let mut added = Vec::new();
        for zone in ZONES {
            added.push(add(sandbox, &cluster, zone)?);
        }
        for one in &mut added {
            sandbox.ready(&mut one.process, &format!("{}/ready", one.base)).await?;
        }
        becomes(sandbox, &cluster, Some("ACTIVE")).await?;
        phase(&writing, &recorder, &cluster).await?;
        until(&sandbox.clock, "samples to reach the new partition", DEADLINE, async || {
            Ok(if held(sandbox, &added).await? > 0.0 { Ok(()) } else { Err("none yet".to_owned()) })
        })
        .await?;

        // In, called off in the middle of a window.
        let number = NEW.to_string();
        admin(&cluster, &["drain-partition", &number])?;
        becomes(sandbox, &cluster, Some("INACTIVE")).await?;
        phase(&writing, &recorder, &cluster).await?;
        admin(&cluster, &["activate-partition", &number])?;
        becomes(sandbox, &cluster, Some("ACTIVE")).await?;
        phase(&writing, &recorder, &cluster).await?;

        // In, to the end: it goes only after its samples are in blocks.
        admin(&cluster, &["drain-partition", &number])?;
        becomes(sandbox, &cluster, Some("INACTIVE")).await?;
        admin(&cluster, &["remove-partition", &number])?;
        becomes(sandbox, &cluster, None).await?;
        ensure!(held(sandbox, &added).await? == 0.0, "the partition went with samples that are only its own");
        for one in &mut added {
            one.process.terminate()?;
        }
        for zone in ZONES {
            admin(&cluster, &["forget-instance", &format!("ingester-zone-{zone}-{NEW}")])?;
        }
        phase(&writing, &recorder, &cluster).await?;
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "requests failed twice: {:?}", tally.failed);
        verify(&recorder, &cluster).await
    });
}
