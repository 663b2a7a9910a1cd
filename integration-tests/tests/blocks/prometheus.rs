//! A real Prometheus writes for several windows; then everything is asked from heads, and again from blocks alone.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    aws::Api,
    folder_bucket, open_format,
    samples::{self, Matrix, Point},
    sandbox::{Cluster, Peer, PrometheusOptions, Sandbox, Standalone, scenario, until},
    scrapes,
    wire::WriteRequest,
};

use super::{
    AT_ONCE, WINDOW, WINDOW_MS,
    answers::{answers, ensure_same, raw},
    disk_usage, settled, total,
};

/// Samples of the last seconds may still be on their way.
const MARGIN_MS: i64 = 15_000;

/// What was written, by the word of the Prometheus that wrote it and scrapes no more.
struct Written {
    start: i64,
    end: i64,
    samples: Matrix,
}

/// Lets a Prometheus scrape itself and a node exporter with the configuration that Narthex wrote, and stops it.
async fn write(sandbox: &Sandbox, config: &str) -> Result<Written> {
    let exporter = Peer::node_exporter(sandbox).await?;
    let config = scrapes::with_jobs(config, &exporter)?;
    let options = PrometheusOptions { config, flags: Vec::new() };
    let mut reference = Peer::prometheus(sandbox, "prometheus", &options).await?;
    let start = sandbox.clock.now().0 - 1_000;
    sandbox.clock.sleep(scrapes::duration() + Duration::from_millis(MARGIN_MS.cast_unsigned())).await;
    let end = sandbox.clock.now().0 - MARGIN_MS;
    let range = Duration::from_millis((end - start).cast_unsigned());
    let samples = reference.raw_samples(sandbox, r#"{__name__!=""}"#, end, range).await?;
    reference.process.kill()?;
    let histograms = samples.values().flat_map(|points| points.values());
    let histograms = histograms.filter(|point| matches!(point, Point::Histogram(_))).count();
    eprintln!("{} series, {} samples, {histograms} histograms", samples.len(), samples::count(&samples));
    ensure!(samples.len() > 500 && histograms > 10, "too little was scraped");
    ensure!((end - start) / WINDOW_MS >= 3, "too few windows");
    Ok(Written { start, end, samples })
}

/// What the Prometheus holds is what a querier answers.
async fn same_as_written(written: &Written, api: &Api, querier: &str) -> Result<()> {
    let found = raw(api, querier, written.start, written.end).await?;
    samples::ensure_same("Prometheus", &written.samples, querier, &found)
}

#[test]
fn all_in_one_answers_from_blocks_as_from_heads() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start_with(sandbox, &[], &[WINDOW]).await?;
        let bases = [narthex.base.clone()];
        let config = fs::read_to_string(narthex.data_dir.join("prometheus.yml"))?;
        let written = write(sandbox, &config).await?;
        same_as_written(&written, &narthex.api, &narthex.base).await?;
        let before = answers(&narthex.api, &narthex.base, written.start, written.end).await?;
        let bucket = narthex.data_dir.join("bucket");
        ensure!(folder_bucket::blocks(&bucket, &narthex.api.workspace)?.is_empty(), "it was cut too early");

        narthex.restart_in(sandbox, &AT_ONCE).await?;
        settled(sandbox, &bases).await?;
        let blocks = folder_bucket::blocks(&bucket, &narthex.api.workspace)?;
        let roots = folder_bucket::roots(&bucket, &narthex.api.workspace)?;
        ensure!(blocks.len() >= 3 && roots == blocks.len(), "{} blocks and {roots} roots", blocks.len());
        let bytes = disk_usage(&bucket)?;
        eprintln!("{} blocks, {bytes} bytes in the bucket with the manifests", blocks.len());

        same_as_written(&written, &narthex.api, &narthex.base).await?;
        let after = answers(&narthex.api, &narthex.base, written.start, written.end).await?;
        ensure_same(&before, &after)?;
        let sent = total(sandbox, &bases, "narthex_store_gateway_samples_sent_total").await?;
        ensure!(sent as usize >= samples::count(&written.samples), "only {sent} samples came from blocks");

        for reader in open_format::READERS {
            let (floats, histograms) = open_format::ensure_same(&bucket, reader, &written.samples)?;
            eprintln!("{reader} reads the same {floats} floats, and {histograms} histograms");
        }
        wiped(sandbox, &narthex).await?;
        // Nothing of it is replayed into a head again, and the gateway needs nothing but the bucket.
        narthex.restart(sandbox).await?;
        same_as_written(&written, &narthex.api, &narthex.base).await?;
        ensure_same(&before, &answers(&narthex.api, &narthex.base, written.start, written.end).await?)
    });
}

/// Waits until the ingester's disk holds nothing of the past: no chunk files, and no log that is older than the samples that
/// came since. The log is cut short when samples arrive.
async fn wiped(sandbox: &Sandbox, narthex: &Standalone) -> Result<()> {
    let folder = narthex.data_dir.join("ingester");
    let mut turn = 0.0;
    until(&sandbox.clock, "the disk to be wiped", Duration::from_secs(60), async || {
        turn += 1.0;
        let now = sandbox.clock.now().0;
        let body = WriteRequest::one(&[("__name__", "later")], &[(now, turn)]).compressed();
        let reply = narthex.api.write(&narthex.base, body).await?;
        ensure!(reply.status.is_success(), "{reply}");
        let names = |folder: &Path| -> Result<Vec<String>> {
            let names =
                fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect()
        };
        let (kept, log) = (names(&folder)?, names(&folder.join("wal"))?);
        let held = log.iter().any(|segment| segment.starts_with("0000000001"));
        Ok(if held { Err(format!("{kept:?}, {log:?}")) } else { Ok(()) })
    })
    .await
}

#[test]
fn cluster_answers_from_blocks_as_from_heads() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start_with(sandbox, &[WINDOW]).await?;
        let config = fs::read_to_string(cluster.dir.join("prometheus.yml"))?;
        let written = write(sandbox, &config).await?;
        same_as_written(&written, &cluster.api, &cluster.queriers[0]).await?;
        let before = answers(&cluster.api, &cluster.queriers[0], written.start, written.end).await?;

        cluster.restart_in(sandbox, &AT_ONCE).await?;
        settled(sandbox, &cluster.bases("ingester")).await?;
        let bucket = cluster.dir.join("bucket");
        let blocks = folder_bucket::blocks(&bucket, &cluster.api.workspace)?.len();
        let roots = folder_bucket::roots(&bucket, &cluster.api.workspace)?;
        let ingesters = cluster.bases("ingester");
        let committed = total(sandbox, &ingesters, "narthex_ingester_cuts_committed_total").await?;
        eprintln!("{blocks} blocks, {roots} roots, {committed} cuts, {} bytes", disk_usage(&bucket)?);
        ensure!(blocks >= 6, "only {blocks} blocks of two partitions and three windows");
        ensure!(roots == blocks && committed as usize == blocks, "one block and one root for each cut");
        for querier in &cluster.queriers {
            same_as_written(&written, &cluster.api, querier).await?;
            let after = answers(&cluster.api, querier, written.start, written.end).await?;
            ensure_same(&before, &after).with_context(|| querier.clone())?;
        }

        // Any gateway serves any block: with one of three left nothing is missing.
        let gone = cluster.names(|instance| instance.service == "store-gateway" && instance.zone != "b");
        cluster.kill(&gone)?;
        for querier in &cluster.queriers {
            same_as_written(&written, &cluster.api, querier).await?;
        }
        Ok(())
    });
}
