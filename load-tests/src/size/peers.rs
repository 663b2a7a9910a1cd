//! A recording in Prometheus and in VictoriaMetrics, sent by remote write in the order of time.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{
    http::{Http, Reply},
    sandbox::{Peer, PrometheusOptions, Sandbox, until},
    wire::WriteRequest,
};

use super::{Recording, Size, folder_bytes};

/// Time in one round of requests: a receiver takes nothing that is much older than the newest sample it has.
const ROUND_MS: i64 = 300_000;

/// Series in a request.
const REQUEST_SERIES: usize = 500;

/// How long a store may take to come to its last form.
const SETTLING: Duration = Duration::from_secs(300);

/// The recording as a block of Prometheus: its head, written by a snapshot.
pub async fn prometheus(sandbox: &Sandbox, recording: &Recording) -> Result<Size> {
    let name = "prometheus";
    let options = PrometheusOptions {
        config: "global: {}\n".to_owned(),
        flags: ["--web.enable-remote-write-receiver", "--web.enable-admin-api"].map(str::to_owned).into(),
    };
    let peer = Peer::prometheus(sandbox, name, &options).await?;
    send(&sandbox.http, &peer, recording).await?;
    let reply =
        post(&sandbox.http, &format!("{}/api/v1/admin/tsdb/snapshot", peer.base), Bytes::new()).await?;
    let json = reply.json()?;
    let snapshot = json["data"]["name"].as_str().with_context(|| format!("no snapshot: {reply}"))?;
    let snapshot = sandbox.path().join(name).join("tsdb/snapshots").join(snapshot);
    let (mut samples, mut rest, mut held) = (0, 0, 0);
    for block in fs::read_dir(snapshot)? {
        let block = block?.path();
        let chunks = folder_bytes(&block.join("chunks"))?;
        samples += chunks;
        rest += folder_bytes(&block)? - chunks;
        let meta: serde_json::Value = serde_json::from_slice(&fs::read(block.join("meta.json"))?)?;
        held += meta["stats"]["numSamples"].as_u64().unwrap_or_default();
    }
    ensure!(held == recording.samples(), "Prometheus holds {held} of {} samples", recording.samples());
    Ok(Size { name: format!("prometheus {}", peer.tool.version), samples, rest, held })
}

/// The recording in VictoriaMetrics after a forced merge. It keeps no NaN, so it holds fewer samples where a summary has some.
pub async fn victoria_metrics(sandbox: &Sandbox, recording: &Recording) -> Result<Size> {
    let peer = Peer::victoria_metrics(sandbox).await?;
    send(&sandbox.http, &peer, recording).await?;
    let folder = sandbox.path().join("victoria-metrics");
    let values = recording.series.iter().flat_map(|(_, samples)| samples).map(|(_, value)| value);
    let expected = values.filter(|value| !value.is_nan()).count() as f64;
    let http = &sandbox.http;
    http.get(&format!("{}/internal/force_flush", peer.base)).await?;
    until(&sandbox.clock, "VictoriaMetrics to write everything to its disk", SETTLING, async || {
        let metrics = Metrics::of(http, &peer).await?;
        let on_disk = metrics.sum("vm_rows", &["storage/small", "storage/big"]);
        let in_memory = metrics.sum("vm_rows", &["storage/inmemory", "indexdb/inmemory"]);
        let settled = on_disk == expected && in_memory == 0.0;
        Ok(if settled {
            Ok(())
        } else {
            Err(format!("{on_disk} of {expected} samples, {in_memory} in memory"))
        })
    })
    .await?;
    http.get(&format!("{}/internal/force_merge", peer.base)).await?;
    let mut last = 0;
    until(&sandbox.clock, "VictoriaMetrics to merge", SETTLING, async || {
        let metrics = Metrics::of(http, &peer).await?;
        let parts = metrics.sum("vm_parts", &["storage/small", "storage/big"]);
        let merges = metrics.sum("vm_active_force_merges", &[""]) + metrics.sum("vm_active_merges", &[""]);
        let bytes = folder_bytes(&folder.join("data")).unwrap_or_default();
        // Old parts are removed a moment after their merge, so the size has to be that of the parts that are left.
        let counted = metrics.sum("vm_data_size_bytes", &["storage/small", "storage/big"]);
        let steady = std::mem::replace(&mut last, bytes) == bytes;
        let merged = parts == 1.0 && merges == 0.0 && steady;
        Ok(if merged {
            Ok(())
        } else {
            Err(format!("{parts} parts, {merges} merges, {bytes} bytes, {counted} counted"))
        })
    })
    .await?;
    let metrics = Metrics::of(http, &peer).await?;
    let samples = metrics.sum("vm_data_size_bytes", &["storage/small", "storage/big"]) as u64;
    let all = folder_bytes(&folder.join("data"))? + folder_bytes(&folder.join("indexdb")).unwrap_or_default();
    Ok(Size {
        name: format!("victoria-metrics {}", peer.tool.version),
        samples,
        rest: all - samples,
        held: expected as u64,
    })
}

async fn send(http: &Http, peer: &Peer, recording: &Recording) -> Result<()> {
    let times = || recording.series.iter().flat_map(|(_, samples)| samples).map(|(at, _)| *at);
    let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    for start in (first..=last).step_by(ROUND_MS as usize) {
        for series in recording.series.chunks(REQUEST_SERIES) {
            let mut request = WriteRequest::default();
            for (labels, samples) in series {
                let from = samples.partition_point(|(at, _)| *at < start);
                let to = samples.partition_point(|(at, _)| *at < start + ROUND_MS);
                if from < to {
                    request.series(&labels.iter().collect::<Vec<_>>(), &samples[from..to]);
                }
            }
            post(http, &format!("{}/api/v1/write", peer.base), request.compressed()).await?;
        }
    }
    Ok(())
}

async fn post(http: &Http, url: &str, body: Bytes) -> Result<Reply> {
    let request = Request::post(url)
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0");
    let reply = http.send(request.body(body)?).await?;
    ensure!(reply.status.is_success(), "{url} answers {reply}");
    Ok(reply)
}

/// What VictoriaMetrics tells about itself.
struct Metrics(String);

impl Metrics {
    async fn of(http: &Http, peer: &Peer) -> Result<Self> {
        Ok(Self(http.get(&format!("{}/metrics", peer.base)).await?.text()))
    }

    /// The sum of a metric over some of its types; the empty type stands for all.
    fn sum(&self, name: &str, types: &[&str]) -> f64 {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let wanted = lines.filter(|(series, _)| {
            let of_type = |wanted: &&str| wanted.is_empty() || series.contains(&format!("type=\"{wanted}\""));
            series.split('{').next() == Some(name) && types.iter().any(of_type)
        });
        wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }
}
