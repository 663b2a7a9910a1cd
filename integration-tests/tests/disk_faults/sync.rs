//! A sync that fails: nothing is acknowledged after it, it is not tried again, and the process ends for its supervisor to start
//! it anew.

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    faults::FsyncFault,
    sandbox::{Cluster, DEADLINE, Sandbox, Standalone, ended, scenario, until},
    wire::WriteRequest,
};

use crate::disk_faults::{
    FAULTY, PHASE, WRITERS, counts_without_another_zone, ensure_none_failed, line, recorder_of,
    recorder_of_all, rises, value, verify,
};

const LOG: &str = "/wal/";
const FAILED: &str = "narthex_ingester_storage_failed";
/// How often a failed disk is tried: the process ends soon after it says so, which the look at its metrics may miss.
const ROUNDS: usize = 4;

/// Writes with every sync failing; whether the metric could be seen before the process was gone.
async fn fails_and_ends(sandbox: &Sandbox, narthex: &mut Standalone) -> Result<bool> {
    let before = narthex.process.log().len();
    let body = WriteRequest::one(&[("__name__", "doubtful")], &[(sandbox.clock.now().0, 1.0)]).compressed();
    let reply = narthex.api.write(&narthex.base, body.clone()).await?;
    ensure!(reply.status == 503 && reply.text().contains("syncing the write-ahead log"), "{reply}");
    let seen = value(sandbox, &narthex.base, FAILED).await.is_ok_and(|failed| failed == 1.0);
    // The same again is no success either, though it is in the log's file by now.
    if let Ok(reply) = narthex.api.write(&narthex.base, body).await {
        ensure!(reply.status == 503, "{reply}");
    }
    let status = ended(sandbox, &mut narthex.process).await?;
    ensure!(!status.success(), "it ended with {status}");
    let log = narthex.process.log().split_off(before);
    let said = line(&log, "storage failed and acknowledges nothing any more")?;
    ensure!(said.contains("check the disk and restart the process") && said.contains("os error 5"), "{said}");
    line(&log, "stopped by an error")?;
    Ok(seen)
}

#[test]
fn the_all_in_one_ends_and_comes_back_with_what_it_acknowledged() {
    scenario(async |sandbox| {
        let fault = FsyncFault::build(sandbox)?;
        let environment = fault.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut narthex = Standalone::start_with(sandbox, &[], &environment).await?;
        let zones = [narthex.base.clone()];
        let recorder = recorder_of(&narthex);
        let mut seen = false;
        for _ in 0..ROUNDS {
            let writing = recorder.start(WRITERS);
            writing.acknowledged(PHASE / 2).await?;
            writing.stop().await?;
            fault.arm(LOG)?;
            seen |= fails_and_ends(sandbox, &mut narthex).await?;
            fault.disarm()?;
            narthex.restart(sandbox).await?;
            verify(&recorder, &zones).await?;
            if seen {
                break;
            }
        }
        ensure!(seen, "{FAILED} was never 1");
        ensure!(value(sandbox, &narthex.base, FAILED).await? == 0.0, "the restart begins anew");
        Ok(())
    });
}

#[test]
fn a_failed_sync_under_load_loses_nothing() {
    scenario(async |sandbox| {
        let fault = FsyncFault::build(sandbox)?;
        let environment = fault.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut narthex = Standalone::start_with(sandbox, &[], &environment).await?;
        let zones = [narthex.base.clone()];
        let recorder = recorder_of(&narthex);
        for _ in 0..2 {
            let writing = recorder.start(WRITERS);
            writing.acknowledged(PHASE).await?;
            fault.arm(LOG)?;
            let status = ended(sandbox, &mut narthex.process).await?;
            ensure!(!status.success(), "it ended with {status}");
            writing.stop().await?;
            fault.disarm()?;
            narthex.restart(sandbox).await?;
            verify(&recorder, &zones).await?;
        }
        Ok(())
    });
}

#[test]
fn an_ingester_that_acknowledged_before_the_sync_recovers_from_the_others() {
    scenario(async |sandbox| {
        let fault = FsyncFault::build(sandbox)?;
        let faulty = vec![FAULTY.to_owned()];
        let mut cluster = Cluster::init(sandbox)?;
        let others = cluster.names(|instance| instance.name != FAULTY);
        cluster.launch(sandbox, &others)?;
        cluster.launch_with(sandbox, &faulty, &fault.environment())?;
        let all = cluster.names(|_| true);
        cluster.ready(sandbox, &all).await?;
        let recorder = recorder_of_all(&cluster);
        let writing = recorder.start(WRITERS);
        writing.acknowledged(PHASE).await?;

        fault.arm(LOG)?;
        let status = ended(sandbox, cluster.process(FAULTY)?).await?;
        ensure!(!status.success(), "it ended with {status}");
        line(&cluster.process(FAULTY)?.log(), "storage failed and acknowledges nothing any more")?;
        writing.acknowledged(PHASE).await?;
        verify(&recorder, &cluster.queriers).await?;

        // Its disk may lack what it acknowledged: it must not count before it copied from the others.
        fault.disarm()?;
        cluster.kill(&faulty)?;
        cluster.launch_with(sandbox, &faulty, &fault.environment())?;
        let said = until(&sandbox.clock, "RECOVERING", DEADLINE, async || {
            let log = cluster.process(FAULTY)?.log();
            Ok(line(&log, "RECOVERING: writes are taken").map_err(|error| error.to_string()))
        })
        .await?;
        ensure!(said.contains("writes that were not synced"), "{said}");
        cluster.ready(sandbox, &faulty).await?;
        let base = cluster.instance(FAULTY)?.base.clone();
        rises(sandbox, &base, "narthex_ingester_recovery_series_total", 0.0).await?;
        ensure_none_failed(&writing.stop().await?)?;
        counts_without_another_zone(sandbox, &mut cluster, &recorder).await
    });
}
