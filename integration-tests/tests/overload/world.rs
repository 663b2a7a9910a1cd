//! The process under attack, what lies in it, and what can be seen of it from outside.

use std::fs;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use narthex_integration_tests::{
    aws::Api,
    http::Reply,
    metrics::metric,
    sandbox::{DEADLINE, Sandbox, Standalone, until},
    wire::WriteRequest,
};

/// Metrics of the attacker, `m_0` and so on.
pub(crate) const METRICS: usize = 4;
/// Series of each.
pub(crate) const SERIES: usize = 250;
/// Samples of each series, four seconds apart up to the present.
pub(crate) const SAMPLES: i64 = 825;
const SPACING_MS: i64 = 4_000;

/// `--query.memory`.
pub(crate) const MEMORY: u64 = 128 << 20;
/// `--query.max-waiting-per-workspace`.
pub(crate) const WAITING: usize = 32;
/// `--query.max-concurrent-per-workspace`.
pub(crate) const RUNNING: usize = 4;

const ARGUMENTS: [&str; 8] = [
    "--query.memory=128MiB",
    "--query.memory-per-workspace=64MiB",
    "--query.memory-per-query=32MiB",
    "--query.max-concurrent=8",
    "--query.max-concurrent-per-workspace=4",
    "--query.max-waiting-per-workspace=32",
    "--query.send-timeout=3s",
    "--query.timeout=50s",
];

/// A process, the workspace that attacks and the one that probes.
pub(crate) struct World<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) narthex: Standalone,
    pub(crate) attacker: Api,
    pub(crate) prober: Api,
    /// The time of the newest samples in milliseconds.
    pub(crate) now: i64,
}

impl<'a> World<'a> {
    pub(crate) async fn start(sandbox: &'a Sandbox) -> Result<Self> {
        let narthex = Standalone::start_with(sandbox, &ARGUMENTS, &[]).await?;
        let attacker = narthex.api.clone();
        let prober = attacker.create_workspace(&narthex.base, "probe").await?;
        let world = Self { sandbox, narthex, attacker, prober, now: sandbox.clock.now().0 };
        world.fill().await?;
        Ok(world)
    }

    async fn fill(&self) -> Result<()> {
        const BATCH: usize = 25;
        let write = async |api: &Api, body: WriteRequest| {
            let reply = api.write(&self.narthex.base, body.compressed()).await?;
            ensure!(reply.status.is_success(), "{reply}");
            Ok(())
        };
        let probe = WriteRequest::one(&[("__name__", "probe")], &[(self.now, 42.0)]);
        until(&self.sandbox.clock, "the probe's workspace", DEADLINE, async || {
            let written = write(&self.prober, probe.clone()).await;
            Ok(written.map_err(|error| error.to_string()))
        })
        .await?;
        let batches = (0..METRICS * SERIES).step_by(BATCH).map(|first| {
            let mut body = WriteRequest::default();
            (first..first + BATCH).for_each(|number| self.series(&mut body, number));
            write(&self.attacker, body)
        });
        futures::stream::iter(batches).buffer_unordered(2).try_collect().await
    }

    fn series(&self, body: &mut WriteRequest, number: usize) {
        let labels = [
            ("__name__", format!("m_{}", number / SERIES)),
            ("instance", format!("{}-{number}", "a".repeat(30))),
            ("job", "overload".to_owned()),
        ];
        let at = |sample: i64| self.now - (SAMPLES - 1 - sample) * SPACING_MS;
        let samples: Vec<_> =
            (0..SAMPLES).map(|sample| (at(sample), (sample * 7 + number as i64) as f64)).collect();
        body.series(&labels.map(|(name, value)| (name.to_owned(), value)), &samples);
    }

    /// The attacker asks at the time of the newest samples.
    pub(crate) async fn query(&self, query: &str) -> Result<Reply> {
        let time = self.seconds(0);
        self.attacker.post_form(&self.narthex.base, "query", &[("query", query), ("time", &time)]).await
    }

    /// The attacker asks for so many steps of a second up to the newest samples.
    pub(crate) async fn range(&self, query: &str, steps: i64) -> Result<Reply> {
        let (start, end) = (self.seconds((steps - 1) * 1_000), self.seconds(0));
        let fields = [("query", query), ("start", &start), ("end", &end), ("step", "1")];
        self.attacker.post_form(&self.narthex.base, "query_range", &fields).await
    }

    /// The time so many milliseconds before the newest samples, in seconds.
    pub(crate) fn seconds(&self, before: i64) -> String {
        let at = self.now - before;
        format!("{}.{:03}", at / 1000, at % 1000)
    }

    /// A metric of the querier.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let name = format!("narthex_querier_{name}");
        let value = metric(&self.sandbox.http, &self.narthex.base, &name).await?;
        value.with_context(|| format!("no metric {name}"))
    }

    /// Waits until no query runs or waits, and no memory is taken.
    pub(crate) async fn at_rest(&self) -> Result<()> {
        until(&self.sandbox.clock, "the querier to be at rest", DEADLINE, async || {
            let (running, waiting) =
                (self.metric("queries_running").await?, self.metric("queries_waiting").await?);
            let bytes = self.metric("query_memory_bytes").await?;
            let found = format!("{running} queries run, {waiting} wait, {bytes} bytes are taken");
            Ok(if running + waiting + bytes == 0.0 { Ok(()) } else { Err(found) })
        })
        .await
    }

    /// From here on [`Self::peak_bytes`] tells the peak.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.narthex.process.id()), "5")?)
    }

    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.status("VmHWM")
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.status("VmRSS")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.narthex.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kibibytes.with_context(|| format!("no {name} in /proc/PID/status"))? * 1024)
    }
}
