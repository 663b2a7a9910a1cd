//! Many blocks of one workspace on an S3 server that is far away: a process that knows none of them is ready without a request
//! for any, and a query of one series over a day reads what it needs side by side.
//!
//! 336 blocks, or 5,040 with `NARTHEX_LONG=1`: those of 14 partitions in windows of two hours.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use narthex_block::{
    BlockMeta, BlockSchema, BlockWriter, LabelCount, SchemaSettings, SeriesSamples, WriterSettings,
};
use narthex_bucket::{Bucket, BucketArgs, layout, open};
use narthex_integration_tests::{
    aws::Api,
    s3::S3Server,
    s3_proxy::{Does, Kind, S3Proxy},
    sandbox::{Cluster, Sandbox, Standalone, long, scenario},
};
use narthex_manifest::{Attempt, BucketTime, Edit, Entry, Limits, Manifest, Nonce};
use narthex_model::{
    BlockId, Cut, Epoch, Labels, PartitionId, TimestampMs, Window, WindowLength, WorkspaceId,
};
use narthex_service::{Components, Random};
use object_store::ObjectStoreExt;

use crate::many::{BUCKET, URL, borrowed, prepare};

const PARTITIONS: u32 = 14;
const WINDOWS_PER_DAY: i64 = 12;
const LENGTH: WindowLength = WindowLength::DEFAULT;
const STEP_MS: i64 = 60_000;
const LATENCY: Duration = Duration::from_millis(30);
/// Blocks that are written to the bucket at the same time.
const UPLOADS: usize = 16;

/// A series and its number, which its values tell.
type Numbered = (Labels, usize);

/// The series of all partitions: some metrics of a node exporter on twelve machines.
fn series() -> Vec<Vec<Numbered>> {
    let mut all = Vec::new();
    for host in 0..12 {
        let base = [
            ("instance", format!("host-{host}.example.org:9100")),
            ("job", "node".to_owned()),
            ("region", format!("region-{}", host % 3)),
        ];
        let with = |name: &str, more: &[(&'static str, String)]| {
            let pairs = base.iter().chain(more).map(|(name, value)| (*name, value.as_str()));
            Labels::from_pairs(pairs.chain([("__name__", name)]))
        };
        for cpu in 0..3 {
            for mode in ["idle", "iowait", "system", "user"] {
                all.push(with(
                    "node_cpu_seconds_total",
                    &[("cpu", cpu.to_string()), ("mode", mode.to_owned())],
                ));
            }
        }
        for device in ["eth0", "lo"] {
            for name in ["node_network_receive_bytes_total", "node_network_transmit_bytes_total"] {
                all.push(with(name, &[("device", device.to_owned())]));
            }
        }
        for name in [
            "node_load1",
            "node_load5",
            "node_load15",
            "node_memory_MemFree_bytes",
            "node_memory_Cached_bytes",
            "up",
        ] {
            all.push(with(name, &[]));
        }
        for (device, mount) in [("sda1", "/"), ("sdb1", "/data")] {
            for name in
                ["node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_filesystem_files_free"]
            {
                all.push(with(name, &[("device", device.to_owned()), ("mountpoint", mount.to_owned())]));
            }
        }
    }
    let mut partitions = vec![Vec::new(); PARTITIONS as usize];
    for (number, labels) in all.into_iter().enumerate() {
        let at = labels.series_hash().0 % u64::from(PARTITIONS);
        partitions[at as usize].push((labels, number));
    }
    partitions.iter_mut().for_each(|of| of.sort());
    partitions
}

fn value(series: usize, at: i64) -> f64 {
    series as f64 * 1_000.0 + (at / STEP_MS % 1_000) as f64 / 4.0
}

/// The block of some series in a window.
fn block(series: &[Numbered], window: Window) -> Result<(Vec<u8>, BlockMeta)> {
    let mut values: BTreeMap<&str, (u64, HashSet<&str>)> = BTreeMap::new();
    for (name, text) in series.iter().flat_map(|(labels, _)| labels.iter()) {
        let (count, texts) = values.entry(name).or_default();
        *count += 1;
        texts.insert(text);
    }
    let counts: Vec<_> = values
        .iter()
        .map(|(name, (series, texts))| LabelCount { name, series: *series, values: texts.len() as u64 })
        .collect();
    let schema = BlockSchema::choose(series.len() as u64, &counts, false, &SchemaSettings::default());
    let mut writer = BlockWriter::new(schema, LENGTH, WriterSettings::default())?;
    let timestamps: Vec<i64> =
        (LENGTH.start(window).0..LENGTH.end(window).0).step_by(STEP_MS as usize).collect();
    for (labels, number) in series {
        let values: Vec<f64> = timestamps.iter().map(|at| value(*number, *at)).collect();
        let samples = SeriesSamples { timestamps: &timestamps, values: &values, histograms: &[] };
        writer.push(labels, labels.series_hash(), samples)?;
    }
    Ok(writer.finish()?)
}

/// Writes the blocks of all partitions in some windows, and the manifest that as many commits would have led to.
async fn fill(bucket: &Bucket, workspace: WorkspaceId, windows: std::ops::Range<i64>) -> Result<usize> {
    let (series, random, store) = (series(), Random::from_system(), bucket.store());
    let cuts = windows.flat_map(|window| {
        (0..PARTITIONS).map(move |partition| Cut {
            partition: PartitionId(partition),
            epoch: Epoch(1),
            window: Window(window),
        })
    });
    let writes = cuts.map(|cut| {
        let (series, store) = (&series[cut.partition.0 as usize], &store);
        let id = BlockId::new(LENGTH.end(cut.window).0.cast_unsigned(), random.bits128());
        async move {
            let (bytes, meta) = block(series, cut.window)?;
            store.put(&layout::block_data(workspace, id), bytes.into()).await?;
            Ok::<_, anyhow::Error>(Entry::of_block(id, cut.into(), &meta))
        }
    });
    let entries: Vec<Entry> = futures::stream::iter(writes).buffered(UPLOADS).try_collect().await?;
    let mut manifest = Manifest::empty(workspace, LENGTH);
    let (mut root, mut segments) = (Bytes::new(), BTreeMap::new());
    for entry in &entries {
        let attempt = Attempt {
            writer: Nonce(random.bits128()),
            window_length: LENGTH,
            limits: Limits::DEFAULT,
            put: Some(BucketTime(LENGTH.end(Window(0)).0)),
            segments_named: 0,
        };
        let next = manifest.apply(&Edit::Commit(entry.clone()), &attempt)?;
        segments.extend(next.segments.into_iter().map(|new| (new.segment.id(), new.file)));
        (manifest, root) = ((*next.manifest).clone(), next.file);
    }
    for named in manifest.segments() {
        let id = named.segment().id();
        let file = segments.remove(&id).context("a segment that no commit wrote")?;
        store.put(&layout::segment(workspace, id), file.into()).await?;
    }
    store.put(&layout::manifest_root(workspace, manifest.revision()), root.into()).await?;
    Ok(entries.len())
}

fn direct(server: &S3Server) -> Result<Bucket> {
    let mut args = BucketArgs::new(URL.parse()?);
    args.endpoint = Some(server.endpoint.clone());
    args.allow_http = true;
    args.access_key_id = Some(server.signer.access_key_id.clone());
    args.secret_access_key = Some(server.signer.secret_access_key.as_str().into());
    Ok(open(&args, &Components::from_system(None))?)
}

/// One series over the day before `end`, every sample of it; how long that took.
async fn query(api: &Api, base: &str, end: TimestampMs) -> Result<Duration> {
    let clock = api.http.clock();
    let series = series();
    let selector = r#"node_cpu_seconds_total{instance="host-7.example.org:9100",cpu="1",mode="system"}"#;
    let is_it = |(labels, _): &&Numbered| {
        [
            ("__name__", "node_cpu_seconds_total"),
            ("instance", "host-7.example.org:9100"),
            ("cpu", "1"),
            ("mode", "system"),
        ]
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
    };
    let (_, number) = series.iter().flatten().find(is_it).context("the series")?;
    let start = end.0 - WINDOWS_PER_DAY * LENGTH.as_millis();
    let text = |millis: i64| (millis as f64 / 1000.0).to_string();
    let (from, to) = (text(start), text(end.0 - STEP_MS));
    let fields = [("query", selector), ("start", &from), ("end", &to), ("step", "60")];
    let began = clock.monotonic();
    let reply = api.post_form(base, "query_range", &fields).await?;
    let took = clock.monotonic() - began;
    ensure!(reply.status == 200, "{reply}");
    let json = reply.json()?;
    let result = json["data"]["result"].as_array().context("no result")?;
    ensure!(result.len() == 1, "{} series", result.len());
    let points = result[0]["values"].as_array().context("no values")?;
    ensure!(points.len() as i64 == WINDOWS_PER_DAY * LENGTH.as_millis() / STEP_MS, "{} points", points.len());
    for (point, at) in points.iter().zip((start..).step_by(STEP_MS as usize)) {
        let expected = value(*number, at).to_string();
        ensure!(point[0].as_f64() == Some(at as f64 / 1000.0) && point[1] == expected, "{point} at {at}");
    }
    Ok(took)
}

/// Requests for blocks that were answered, whatever with.
fn block_requests(proxy: &S3Proxy) -> u64 {
    proxy.counts().iter().filter(|((_, kind, _), _)| *kind == Kind::Block).map(|(_, count)| count).sum()
}

/// Reads the day before `end` cold and warm, tells what that took, and bounds what it asks for.
async fn read_a_day(proxy: &S3Proxy, gateways: u64, api: &Api, base: &str, end: TimestampMs) -> Result<()> {
    for state in ["cold", "warm"] {
        proxy.reset();
        let took = query(api, base, end).await?;
        eprintln!(
            "one series over a day, {state}: {took:.3?}; requests {:?}, {} bytes of blocks",
            proxy.counts(),
            proxy.bytes(Does::Get, Kind::Block)
        );
        // A small block is one page of the cache, which one request brings. Where the first gateway is slow, others are asked.
        let in_time = (WINDOWS_PER_DAY as u64 + 1) * u64::from(PARTITIONS);
        let most = in_time * if state == "cold" { gateways } else { gateways - 1 };
        ensure!(block_requests(proxy) <= most, "more than {most} requests for blocks");
    }
    Ok(())
}

/// Writes the blocks of the days before now; where they end.
async fn fill_days(sandbox: &Sandbox, server: &S3Server, workspace: WorkspaceId) -> Result<TimestampMs> {
    let days = if long() { 30 } else { 2 };
    let last = LENGTH.window(sandbox.clock.now()).0;
    let began = sandbox.clock.monotonic();
    let count = fill(&direct(server)?, workspace, last - days * WINDOWS_PER_DAY..last).await?;
    eprintln!("wrote {count} blocks in {:.1?}", sandbox.clock.monotonic() - began);
    Ok(LENGTH.start(Window(last)))
}

#[test]
fn a_cold_process_is_ready_without_a_block_and_reads_a_day_side_by_side() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, BUCKET).await?;
        let workspace = WorkspaceId::from_random(Random::from_system().bits128());
        let end = fill_days(sandbox, &server, workspace).await?;

        let proxy = S3Proxy::start(sandbox, &server).await?;
        proxy.delay(LATENCY);
        let data_dir = sandbox.path().join("data");
        prepare(&data_dir, &[workspace])?;
        let environment = proxy.environment(&server, URL);
        let began = sandbox.clock.monotonic();
        let narthex = Standalone::start_in(sandbox, data_dir, &[], &borrowed(&environment)).await?;
        eprintln!("ready after {:.2?}; requests {:?}", sandbox.clock.monotonic() - began, proxy.counts());
        ensure!(block_requests(&proxy) == 0, "blocks were asked for before anybody asked for their samples");
        read_a_day(&proxy, 1, &narthex.api, &narthex.base, end).await
    });
}

#[test]
fn cold_gateways_of_a_cluster_are_ready_without_a_block_and_read_a_day_side_by_side() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, BUCKET).await?;
        let proxy = S3Proxy::start(sandbox, &server).await?;
        let mut cluster = Cluster::start_with(sandbox, &borrowed(&proxy.environment(&server, URL))).await?;
        let end = fill_days(sandbox, &server, cluster.api.workspace.parse()?).await?;

        let gateways = cluster.names(|instance| instance.service == "store-gateway");
        cluster.kill(&gateways)?;
        proxy.delay(LATENCY);
        proxy.reset();
        let began = sandbox.clock.monotonic();
        cluster.launch(sandbox, &gateways)?;
        cluster.ready(sandbox, &gateways).await?;
        eprintln!(
            "{} gateways ready after {:.2?}; requests of all processes {:?}",
            gateways.len(),
            sandbox.clock.monotonic() - began,
            proxy.counts()
        );
        ensure!(block_requests(&proxy) == 0, "blocks were asked for before anybody asked for their samples");
        for querier in &cluster.queriers {
            read_a_day(&proxy, gateways.len() as u64, &cluster.api, querier, end).await?;
        }
        Ok(())
    });
}
