//! A write-ahead log that changed while its process was down: a torn end is cut off, damage in the middle is never passed over in
//! silence.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    faults::{count_records, damage_in_the_middle, tear_the_end},
    sandbox::{Cluster, DEADLINE, Standalone, scenario},
};

use crate::disk_faults::{
    FAULTY, PHASE, WRITERS, counts_without_another_zone, ensure_none_failed, line, recorder_of,
    recorder_of_all, value, verify,
};

const TRUNCATED: &str = "narthex_ingester_wal_truncated_bytes_total";
const QUARANTINED: &str = "narthex_ingester_quarantined_files_total";

#[test]
fn a_torn_end_is_cut_off() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start(sandbox).await?;
        let zones = [narthex.base.clone()];
        let recorder = recorder_of(&narthex);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;
        narthex.process.kill()?;
        writing.stop().await?;
        let torn = tear_the_end(&narthex.data_dir.join("ingester"))?;
        narthex.restart(sandbox).await?;
        let said = line(&narthex.process.log(), "cut off the torn end of the write-ahead log")?;
        ensure!(said.contains(&torn.segment.display().to_string()), "no segment in {said}");
        ensure!(value(sandbox, &narthex.base, TRUNCATED).await? > 0.0);
        verify(&recorder, &zones).await?;
        narthex.restart(sandbox).await?;
        ensure!(value(sandbox, &narthex.base, TRUNCATED).await? == 0.0, "once is enough");
        verify(&recorder, &zones).await
    });
}

#[test]
fn the_all_in_one_refuses_a_damaged_log_until_the_loss_is_accepted() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start(sandbox).await?;
        let zones = [narthex.base.clone()];
        let recorder = recorder_of(&narthex);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;
        narthex.process.kill()?;
        writing.stop().await?;
        let all = recorder.tally().acknowledged;
        let folder = narthex.data_dir.join("ingester");
        let damaged = damage_in_the_middle(&folder, 10)?;

        for _ in 0..2 {
            let said = narthex.refuses_to_start(sandbox).await?;
            let segment = damaged.segment.display().to_string();
            let offset = format!("offset {}", damaged.offset);
            for needle in [segment.as_str(), &offset, "--recovery.accept-loss"] {
                ensure!(said.contains(needle), "the refusal does not say {needle:?}: {said}");
            }
        }
        // Refusing has changed nothing: with the file restored all is there.
        damaged.flip()?;
        narthex.restart(sandbox).await?;
        verify(&recorder, &zones).await?;
        narthex.process.kill()?;
        damaged.flip()?;
        narthex.refuses_to_start(sandbox).await?;

        narthex.restart_with(sandbox, &["--recovery.accept-loss"]).await?;
        line(&narthex.process.log(), "write-ahead log is damaged")?;
        line(&narthex.process.log(), "acknowledged samples may be missing")?;
        ensure!(value(sandbox, &narthex.base, QUARANTINED).await? == 1.0);
        let kept: Vec<_> = fs::read_dir(folder.join("wal/quarantine"))?.collect::<Result<_, _>>()?;
        ensure!(kept.len() == 1, "the damaged segment is kept: {kept:?}");
        let (there, missing) = recorder.verify_rest(&narthex.base, DEADLINE).await?;
        eprintln!("{there} of {all} samples are left");
        // A writer's request is a record of 40 samples; a lost record may be the one that names the series of later ones.
        ensure!(0 < missing && missing <= damaged.records_from_here * 40, "{missing} samples are missing");

        // The flag was for once.
        narthex.restart(sandbox).await?;
        ensure!(recorder.verify_rest(&narthex.base, DEADLINE).await? == (there, missing));
        let writing = recorder.start(WRITERS);
        let failed = recorder.tally().failed.len();
        writing.acknowledged(PHASE / 4).await?;
        ensure!(writing.stop().await?.failed.len() == failed, "writes fail after the loss was accepted");
        Ok(())
    });
}

#[test]
fn an_ingester_sets_a_damaged_log_aside_and_recovers_from_the_others() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let recorder = recorder_of_all(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(4 * PHASE).await?;
        let faulty = vec![FAULTY.to_owned()];
        // What was written by now is synced within a second, and what follows says so.
        let folder = cluster.instance(FAULTY)?.data_dir.clone().context("an ingester has a disk")?;
        let synced = count_records(&folder)?;
        sandbox.clock.sleep(Duration::from_secs(2)).await;
        writing.acknowledged(PHASE).await?;
        cluster.kill(&faulty)?;
        writing.acknowledged(PHASE).await?;
        let all = count_records(&folder)?;
        damage_in_the_middle(&folder, all - synced / 2)?;
        cluster.launch(sandbox, &faulty)?;
        cluster.ready(sandbox, &faulty).await?;
        let log = cluster.process(FAULTY)?.log();
        line(&log, "write-ahead log is damaged")?;
        ensure!(line(&log, "RECOVERING: writes are taken")?.contains("quarantined wal"));
        let base = cluster.instance(FAULTY)?.base.clone();
        ensure!(value(sandbox, &base, QUARANTINED).await? == 1.0);
        let metrics = sandbox.http.get(&format!("{base}/metrics")).await?.text();
        let families =
            metrics.lines().filter(|line| *line == "# TYPE narthex_ingester_quarantined_files counter");
        ensure!(families.count() == 1, "a metric family is there more than once");
        ensure_none_failed(&writing.stop().await?)?;
        counts_without_another_zone(sandbox, &mut cluster, &recorder).await
    });
}
