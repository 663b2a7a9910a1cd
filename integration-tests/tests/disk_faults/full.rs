//! A full disk: pushes are refused so that senders come again, what is stored stays readable, and writing goes on by itself once
//! there is space.

use anyhow::ensure;
use narthex_integration_tests::{
    faults::SmallDisk,
    sandbox::{Cluster, DEADLINE, Standalone, scenario, until},
};

use crate::disk_faults::{
    FAULTY, PHASE, WRITERS, ensure_none_failed, ensure_retriable, line, recorder_of, recorder_of_all, rises,
    value, verify,
};

/// Holds some segments, checkpoints and the control plane's state.
const DISK_MIB: u32 = 192;
/// Small segments, so that the space reserved ahead is used up soon.
const SEGMENT: &str = "256KiB";
const REFUSED: &str = "narthex_ingester_refused_pushes_total";
const NO_SPACE: &str = "no space for the write-ahead log";

#[test]
fn the_all_in_one_refuses_writes_until_there_is_space() {
    scenario(async |sandbox| {
        let Some(disk) = SmallDisk::mount(sandbox, DISK_MIB).await? else { return Ok(()) };
        let data_dir = disk.path().join("data");
        // Other processes see the disk under a name that is a link, and a bucket's directory is resolved.
        let bucket = format!("--bucket.url=file://{}", sandbox.path().join("bucket").display());
        let arguments = ["--wal.segment-size", SEGMENT, &bucket];
        let mut narthex = Standalone::start_in(sandbox, data_dir, &arguments, &[]).await?;
        let zones = [narthex.base.clone()];
        let recorder = recorder_of(&narthex);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;
        ensure_none_failed(&recorder.tally())?;

        disk.fill()?;
        until(&sandbox.clock, "a refused write", DEADLINE, async || {
            let tally = recorder.tally();
            Ok(if tally.failed.len() > 20 { Ok(()) } else { Err(format!("{} refused", tally.failed.len())) })
        })
        .await?;
        ensure_retriable(&recorder.tally(), &["the disk is full", "free space under the data directory"])?;
        ensure!(value(sandbox, &narthex.base, REFUSED).await? > 0.0);
        let metrics = sandbox.http.get(&format!("{}/metrics", narthex.base)).await?.text();
        ensure!(metrics.contains(&format!("{REFUSED}{{reason=\"disk_full\"}}")), "no reason in {REFUSED}");
        line(&narthex.process.log(), NO_SPACE)?;
        let said = narthex.process.log().matches(NO_SPACE).count();
        ensure!(said < 5, "the log says {said} times that there is no space");
        // Stored is stored, and readable.
        verify(&recorder, &zones).await?;

        disk.free()?;
        writing.acknowledged(PHASE).await?;
        line(&narthex.process.log(), "there is space for the write-ahead log again")?;
        ensure!(narthex.process.ended()?.is_none(), "it goes on without a restart");

        // A process that ends on a full disk cannot begin a new log, and says why; with space it has everything.
        disk.fill()?;
        narthex.process.kill()?;
        writing.stop().await?;
        let said = narthex.refuses_to_start(sandbox).await?;
        ensure!(said.contains("No space left on device") && said.contains("free space"), "{said}");
        disk.free()?;
        narthex.restart(sandbox).await?;
        verify(&recorder, &zones).await
    });
}

#[test]
fn a_cluster_writes_on_while_one_disk_is_full() {
    scenario(async |sandbox| {
        let Some(disk) = SmallDisk::mount(sandbox, DISK_MIB).await? else { return Ok(()) };
        let mut cluster = Cluster::init(sandbox)?;
        let faulty = vec![FAULTY.to_owned()];
        let data_dir = disk.path().join("data").display().to_string();
        let environment = [("NARTHEX_DATA_DIR", data_dir), ("NARTHEX_WAL_SEGMENT_SIZE", SEGMENT.to_owned())];
        let others = cluster.names(|instance| instance.name != FAULTY);
        cluster.launch(sandbox, &others)?;
        cluster.launch_with(sandbox, &faulty, &environment)?;
        let all = cluster.names(|_| true);
        cluster.ready(sandbox, &all).await?;
        let base = cluster.instance(FAULTY)?.base.clone();
        let recorder = recorder_of_all(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;

        disk.fill()?;
        let refused = rises(sandbox, &base, REFUSED, 20.0).await?;
        line(&cluster.process(FAULTY)?.log(), NO_SPACE)?;
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers).await?;

        disk.free()?;
        let stored = value(sandbox, &base, "narthex_ingester_stored_samples_total").await?;
        rises(sandbox, &base, "narthex_ingester_stored_samples_total", stored + 100.0).await?;
        eprintln!("{FAULTY} refused {refused} pushes at least");
        ensure_none_failed(&writing.stop().await?)?;
        verify(&recorder, &cluster.queriers).await?;
        // What it refused two others have.
        let gone = cluster.zone("a");
        cluster.kill(&gone)?;
        verify(&recorder, &cluster.queriers[1..]).await
    });
}
