//! An unmodified Prometheus scrapes itself and a node exporter and writes with the configuration that Narthex wrote for
//! it; then every raw sample it holds, floats and native histograms, is answered identically by Narthex. The same with
//! vmagent as the sender, beside a Prometheus that receives the same samples.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    aws::Api,
    samples::{self, Matrix, Point},
    sandbox::{Cluster, Peer, PrometheusOptions, Sandbox, Standalone, scenario, until},
    scrapes,
};

const EVERYTHING: &str = r#"{__name__!=""}"#;

/// Samples of the last seconds may still be on their way.
const MARGIN_MS: i64 = 15_000;

/// All raw samples that Narthex holds in `(end - range, end]`.
async fn raw_samples(api: &Api, querier: &str, end: i64, range: Duration) -> Result<Matrix> {
    let query = format!("{EVERYTHING}[{}ms]", range.as_millis());
    let time = format!("{}.{:03}", end / 1000, end % 1000);
    let reply = api.post_form(querier, "query", &[("query", &query), ("time", &time)]).await?;
    samples::matrix(&reply).context(format!("Narthex at {querier}"))
}

/// Lets the reference scrape or receive for the run's time, then compares it with every given querier.
/// `senders_histograms` is whether the sender speaks native histograms; vmagent does not.
async fn compare(
    sandbox: &Sandbox,
    reference: &Peer,
    senders_histograms: bool,
    api: &Api,
    queriers: &[String],
) -> Result<()> {
    let started = sandbox.clock.now().0;
    sandbox.clock.sleep(scrapes::duration()).await;
    let end = sandbox.clock.now().0 - MARGIN_MS;
    // From well before the first scrape.
    let range = Duration::from_millis((end - started + 300_000).cast_unsigned());
    let expected = reference.raw_samples(sandbox, EVERYTHING, end, range).await?;
    let histograms = expected.values().flat_map(|points| points.values());
    let histograms = histograms.filter(|point| matches!(point, Point::Histogram(_))).count();
    eprintln!("{} series, {} samples, {histograms} histograms", expected.len(), samples::count(&expected));
    ensure!(expected.len() > 500, "only {} series were scraped", expected.len());
    ensure!(
        samples::count(&expected) > 10 * expected.len(),
        "too few samples: {}",
        samples::count(&expected)
    );
    ensure!(!senders_histograms || histograms > 10, "the reference holds no native histograms");
    for querier in queriers {
        let found = raw_samples(api, querier, end, range).await?;
        samples::ensure_same("the reference", &expected, querier, &found)?;
    }
    Ok(())
}

/// A Prometheus with the configuration that Narthex wrote, and the node exporter that it scrapes.
async fn prometheus(sandbox: &Sandbox, written: &str) -> Result<(Peer, Peer)> {
    let exporter = Peer::node_exporter(sandbox).await?;
    let config = scrapes::with_jobs(written, &exporter)?;
    let reference =
        Peer::prometheus(sandbox, "prometheus", &PrometheusOptions { config, flags: Vec::new() }).await?;
    until(&sandbox.clock, "the node exporter's samples", Duration::from_secs(60), async || {
        let held = reference.raw_samples(
            sandbox,
            "node_cpu_seconds_total",
            sandbox.clock.now().0,
            Duration::from_secs(60),
        );
        Ok(if held.await?.is_empty() { Err("none".to_owned()) } else { Ok(()) })
    })
    .await?;
    Ok((reference, exporter))
}

#[test]
fn all_in_one_answers_like_the_prometheus_that_writes_to_it() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let written = fs::read_to_string(narthex.data_dir.join("prometheus.yml"))?;
        let (reference, _exporter) = prometheus(sandbox, &written).await?;
        compare(sandbox, &reference, true, &narthex.api, std::slice::from_ref(&narthex.base)).await
    });
}

#[test]
fn cluster_answers_like_the_prometheus_that_writes_to_it() {
    scenario(async |sandbox| {
        let cluster = Cluster::start(sandbox).await?;
        let written = fs::read_to_string(cluster.dir.join("prometheus.yml"))?;
        let (reference, _exporter) = prometheus(sandbox, &written).await?;
        compare(sandbox, &reference, true, &cluster.api, &cluster.queriers).await
    });
}

/// A Prometheus that receives what vmagent sends, out of order as vmagent's queues may, and a vmagent that sends to it
/// and to `url`.
async fn vmagent(sandbox: &Sandbox, url: &str, api: &Api) -> Result<(Peer, Peer, Peer)> {
    let options = PrometheusOptions {
        config: "storage:\n  tsdb:\n    out_of_order_time_window: 10m\n".to_owned(),
        flags: vec!["--web.enable-remote-write-receiver".to_owned()],
    };
    let reference = Peer::prometheus(sandbox, "reference", &options).await?;
    let exporter = Peer::node_exporter(sandbox).await?;
    let interval = scrapes::INTERVAL.as_secs();
    let config = format!(
        "global:\n  scrape_interval: {interval}s\n  scrape_timeout: {interval}s\nscrape_configs:\n{}",
        scrapes::jobs(&exporter)
    );
    let signer = api.signer.as_ref().context("the client signs")?;
    let flags = [
        format!("-remoteWrite.url={}/api/v1/write", reference.base),
        "-remoteWrite.forcePromProto=true,false".to_owned(),
        format!("-remoteWrite.url={url}"),
        "-remoteWrite.aws.useSigv4=false,true".to_owned(),
        format!("-remoteWrite.aws.region=,{}", signer.region),
        format!("-remoteWrite.aws.accessKey=,{}", signer.access_key_id),
        format!("-remoteWrite.aws.secretKey=,{}", signer.secret_access_key),
        "-remoteWrite.aws.service=,aps".to_owned(),
    ];
    let sender = Peer::vmagent(sandbox, &config, &flags).await?;
    Ok((reference, exporter, sender))
}

#[test]
fn all_in_one_answers_like_a_prometheus_that_vmagent_writes_to_too() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let url = narthex.api.url(&narthex.base, "api/v1/remote_write");
        let (reference, _exporter, _sender) = vmagent(sandbox, &url, &narthex.api).await?;
        compare(sandbox, &reference, false, &narthex.api, std::slice::from_ref(&narthex.base)).await
    });
}

#[test]
fn cluster_answers_like_a_prometheus_that_vmagent_writes_to_too() {
    scenario(async |sandbox| {
        let cluster = Cluster::start(sandbox).await?;
        let url = cluster.api.url(&cluster.distributors[1], "api/v1/remote_write");
        let (reference, _exporter, _sender) = vmagent(sandbox, &url, &cluster.api).await?;
        compare(sandbox, &reference, false, &cluster.api, &cluster.queriers).await
    });
}
