//! Input that no well-behaved client sends: each gets the clear error of its API, the valid rest of a request is stored,
//! memory stays bounded, and the process neither panics nor stops serving.

mod encoding;
mod labels;
mod queries;
mod sample;

use std::fs;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use narthex_integration_tests::{
    http::Reply,
    samples::{self, Matrix, Point},
    sandbox::{Sandbox, Standalone, scenario},
    wire::WriteRequest,
};

pub(crate) const MINUTE: i64 = 60_000;
/// What a process may hold after a hostile request; a fresh one holds far less.
const MEMORY_LIMIT_KIB: u64 = 400 * 1024;

/// A running all-in-one and the present.
struct Target<'a> {
    sandbox: &'a Sandbox,
    narthex: Standalone,
    now: i64,
}

impl Target<'_> {
    async fn write(&self, body: Bytes) -> Result<Reply> {
        self.narthex.api.write(&self.narthex.base, body).await
    }

    /// Writes and expects a refusal that says all of `needles`.
    async fn refuses(&self, body: Bytes, status: u16, needles: &[&str]) -> Result<Reply> {
        let reply = self.write(body).await?;
        ensure!(reply.status.as_u16() == status, "expected {status}, found {reply}");
        for needle in needles {
            ensure!(reply.text().contains(needle), "expected {needle:?} in {reply}");
        }
        Ok(reply)
    }

    /// Raw samples of a selector in the last two hours and the next quarter of an hour.
    async fn held(&self, selector: &str) -> Result<Matrix> {
        let time = format!("{}", (self.now + 15 * MINUTE) as f64 / 1000.0);
        let query = format!("{selector}[3h]");
        let fields = [("query", query.as_str()), ("time", &time)];
        samples::matrix(&self.narthex.api.post_form(&self.narthex.base, "query", &fields).await?)
    }

    /// The one sample of the series `valid{}`, which stands beside the bad ones in a request.
    async fn holds_the_valid_rest(&self) -> Result<()> {
        let held = self.held("valid").await?;
        let bits = Point::Float(1.5_f64.to_bits());
        ensure!(samples::count(&held) == 1, "the valid rest is not stored once: {held:?}");
        ensure!(
            held.values().all(|points| points.get(&self.now) == Some(&bits)),
            "the valid rest is {held:?}"
        );
        Ok(())
    }

    /// A request with a valid series between two copies of what `bad` adds.
    fn around_valid(&self, bad: impl Fn(&mut WriteRequest)) -> Bytes {
        let mut request = WriteRequest::default();
        bad(&mut request);
        request.series(&[("__name__", "valid")], &[(self.now, 1.5)]);
        bad(&mut request);
        request.compressed()
    }

    /// Still serves, did not panic, and holds a bounded amount of memory.
    async fn is_well(&mut self) -> Result<()> {
        let ok = WriteRequest::one(&[("__name__", "after")], &[(self.now, 2.0)]).compressed();
        let reply = self.write(ok).await?;
        ensure!(reply.status.is_success(), "a good request after the bad one answered {reply}");
        ensure!(samples::count(&self.held("after").await?) == 1);
        ensure!(self.narthex.process.ended()?.is_none(), "the process ended");
        ensure!(!self.sandbox.log("narthex").contains("panicked"), "the log tells of a panic");
        let status = fs::read_to_string(format!("/proc/{}/status", self.narthex.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let peak: u64 = line.split_whitespace().next().context("no number")?.parse()?;
        ensure!(peak < MEMORY_LIMIT_KIB, "the process reached {peak} KiB");
        Ok(())
    }
}

fn on_target(test: impl AsyncFnOnce(&Target<'_>) -> Result<()>) {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let mut target = Target { sandbox, narthex, now: sandbox.clock.now().0 };
        test(&target).await?;
        target.is_well().await
    });
}
