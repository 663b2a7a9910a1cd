//! Many small workspaces: a window of all of them becomes one block each, whatever else happens, and the memory that takes
//! does not grow with their number.
//!
//! 100 workspaces, or 1,000 with `NARTHEX_LONG=1`, of 100 series each. `cargo test -p narthex-ingester --test memory` counts
//! what a workspace costs in the head after that.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use narthex_integration_tests::{
    aws::Api,
    metrics::metric,
    s3::S3Server,
    s3_proxy::{Does, Kind, S3Proxy},
    samples,
    sandbox::{DEADLINE, Process, Sandbox, Standalone, long, scenario, until},
    wire::WriteRequest,
};
use narthex_model::WorkspaceId;
use narthex_service::Random;

use crate::many::{BUCKET, URL, borrowed, prepare};

const SERIES: usize = 100;
const SAMPLES: i64 = 4;
const WINDOW_MS: i64 = 5_000;
/// Workspaces that are written to at the same time.
const WRITERS: usize = 4;
/// What flushing may add to the resident memory at its peak, in mebibytes, however many workspaces there are. A block's writer
/// and what it sends are alive once; the rest is what allocators of threads keep.
const GROWTH: f64 = 64.0;

struct World {
    proxy: S3Proxy,
    narthex: Standalone,
    workspaces: Vec<WorkspaceId>,
    _server: S3Server,
}

impl World {
    async fn start(sandbox: &Sandbox, count: usize, max_age: &str) -> Result<Self> {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, BUCKET).await?;
        let proxy = S3Proxy::start(sandbox, &server).await?;
        let random = Random::from_system();
        let workspaces: Vec<_> = (0..count).map(|_| WorkspaceId::from_random(random.bits128())).collect();
        let data_dir = sandbox.path().join("data");
        prepare(&data_dir, &workspaces)?;
        let mut environment = proxy.environment(&server, URL).to_vec();
        environment.extend([
            ("NARTHEX_CUT_WINDOW", format!("{}s", WINDOW_MS / 1_000)),
            ("NARTHEX_CUT_MAX_AGE", max_age.to_owned()),
            ("NARTHEX_CUT_SLACK", "1s".to_owned()),
            ("NARTHEX_CUT_JITTER", "0s".to_owned()),
            ("NARTHEX_CUT_KEEP", "0s".to_owned()),
        ]);
        let narthex = Standalone::start_in(sandbox, data_dir, &[], &borrowed(&environment)).await?;
        Ok(Self { proxy, narthex, workspaces, _server: server })
    }

    fn api(&self, workspace: WorkspaceId) -> Api {
        Api { workspace: workspace.to_string(), ..self.narthex.api.clone() }
    }

    /// Writes a few samples of each series of all workspaces, all of one window.
    async fn write(&self, first_ms: i64) -> Result<()> {
        let writes = self.workspaces.iter().enumerate().map(|(number, workspace)| {
            let api = self.api(*workspace);
            async move {
                let reply = api.write(&self.narthex.base, body(number, first_ms).compressed()).await?;
                ensure!(reply.status.is_success(), "workspace {number}: {reply}");
                Ok(())
            }
        });
        futures::stream::iter(writes).buffer_unordered(WRITERS).try_collect().await
    }

    /// A metric of the process.
    async fn metric(&self, sandbox: &Sandbox, name: &str) -> Result<f64> {
        let value = metric(&sandbox.http, &self.narthex.base, name).await?;
        value.with_context(|| format!("no metric {name}"))
    }

    /// Every sample of a workspace is in the answer to a query.
    async fn verify(&self, number: usize, first_ms: i64) -> Result<()> {
        let time = format!("{}", (first_ms + WINDOW_MS) as f64 / 1000.0);
        let fields = [("query", r#"{job="node"}[1m]"#), ("time", time.as_str())];
        let reply = self.api(self.workspaces[number]).post_form(&self.narthex.base, "query", &fields).await?;
        let found = samples::matrix(&reply)?;
        let count = samples::count(&found);
        ensure!(
            found.len() == SERIES && count == SERIES * SAMPLES as usize,
            "workspace {number} has {count} samples of {} series",
            found.len()
        );
        Ok(())
    }
}

/// A figure in kibibytes of `/proc/PID/status`, such as `VmRSS` or `VmHWM`, in mebibytes.
pub(crate) fn mebibytes(process: &Process, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(figure.with_context(|| format!("no {name} in /proc/PID/status"))? / 1024.0)
}

fn body(workspace: usize, first_ms: i64) -> WriteRequest {
    let mut request = WriteRequest::default();
    for series in 0..SERIES {
        let labels = [
            ("__name__", format!("metric_{}", series % 20)),
            ("instance", format!("host-{workspace}-{}:9100", series / 20)),
            ("job", "node".to_owned()),
        ];
        let at =
            |sample: i64| (first_ms + sample * 1_000, (workspace * SERIES + series) as f64 + sample as f64);
        request.series(
            &labels.map(|(name, value)| (name.to_owned(), value)),
            &(0..SAMPLES).map(at).collect::<Vec<_>>(),
        );
    }
    request
}

#[test]
fn a_window_of_many_workspaces_is_one_block_each_in_bounded_memory() {
    scenario(async |sandbox| {
        let (count, max_age) = if long() { (1_000, "60s") } else { (100, "5s") };
        let world = World::start(sandbox, count, max_age).await?;
        let process = &world.narthex.process;
        let started = mebibytes(process, "VmRSS")?;

        // In the next window, so that all is written before it may be cut.
        let first_ms = (sandbox.clock.now().0 / WINDOW_MS + 1) * WINDOW_MS + 1_000;
        let began = sandbox.clock.monotonic();
        world.write(first_ms).await?;
        eprintln!("wrote to {count} workspaces in {:.1?}", sandbox.clock.monotonic() - began);
        until(&sandbox.clock, "every window to be seen", DEADLINE, async || {
            let windows = world.metric(sandbox, "narthex_ingester_cuts_windows").await?;
            Ok(if windows == count as f64 { Ok(()) } else { Err(format!("{windows} windows are held")) })
        })
        .await?;
        ensure!(world.proxy.succeeded(Does::Put, Kind::Block) == 0, "a cut was made before all was written");

        let before = mebibytes(process, "VmRSS")?;
        // From here on VmHWM tells the peak of the flush alone.
        fs::write(format!("/proc/{}/clear_refs", process.id()), "5")?;
        let limit = Duration::from_secs(if long() { 600 } else { 120 });
        let mut first_cut = None;
        until(&sandbox.clock, "every window to be in blocks and forgotten", limit, async || {
            let committed = world.metric(sandbox, "narthex_ingester_cuts_committed_total").await?;
            if committed > 0.0 && first_cut.is_none() {
                first_cut = Some(sandbox.clock.monotonic());
            }
            let windows = world.metric(sandbox, "narthex_ingester_cuts_windows").await?;
            let held = format!("{windows} windows are held, {committed} cuts are committed");
            Ok(if windows == 0.0 { Ok(()) } else { Err(held) })
        })
        .await?;
        let took = first_cut.map(|at| sandbox.clock.monotonic() - at).unwrap_or_default();
        let (peak, after) = (mebibytes(process, "VmHWM")?, mebibytes(process, "VmRSS")?);
        eprintln!("flushed within {took:.1?} of the first cut; requests {:?}", world.proxy.counts());
        eprintln!(
            "resident MiB: {started:.1} after the start, {before:.1} before the flush, {peak:.1} at its peak, {after:.1} after it"
        );

        let (blocks, roots) =
            (world.proxy.succeeded(Does::Put, Kind::Block), world.proxy.succeeded(Does::Put, Kind::Root));
        ensure!(
            blocks == count as u64 && roots == count as u64,
            "{blocks} blocks and {roots} roots of {count} workspaces"
        );
        ensure!(peak - before <= GROWTH, "flushing took {:.1} MiB", peak - before);
        // From blocks alone.
        for number in (0..count).step_by(10) {
            world.verify(number, first_ms).await?;
        }
        Ok(())
    });
}
