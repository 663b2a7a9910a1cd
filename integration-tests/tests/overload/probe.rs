//! The probe: a small query of another workspace, asked all the time.

use std::{fmt, pin::pin, time::Duration};

use crate::overload::world::World;
use anyhow::{Result, ensure};

/// Probes of an idle process.
pub(crate) const IDLE_PROBES: usize = 200;
/// Pause between two probes.
const PAUSE: Duration = Duration::from_millis(10);

/// How long probes took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// The 99th percentile; zero without probes.
    pub(crate) fn p99(&self) -> Duration {
        self.quantile(99)
    }

    fn quantile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted
            .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(all) = self;
        write!(f, "{} of p50 {:.1?}, p99 {:.1?}", all.len(), self.quantile(50), self.p99())
    }
}

/// So many probes, one after the other.
pub(crate) async fn some(world: &World<'_>, count: usize) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    for _ in 0..count {
        latencies.0.push(one(world).await?);
        world.sandbox.clock.sleep(PAUSE).await;
    }
    Ok(latencies)
}

/// Does work while probes go on; each of them must be answered right.
pub(crate) async fn attend<T>(world: &World<'_>, work: impl Future<Output = T>) -> Result<(T, Latencies)> {
    let mut work = pin!(work);
    let mut latencies = Latencies::default();
    loop {
        let probe = async {
            let took = one(world).await?;
            world.sandbox.clock.sleep(PAUSE).await;
            Ok::<_, anyhow::Error>(took)
        };
        let mut probe = pin!(probe);
        let done = tokio::select! {
            biased;
            took = &mut probe => {
                latencies.0.push(took?);
                continue;
            }
            done = &mut work => done,
        };
        latencies.0.push(probe.await?);
        return Ok((done, latencies));
    }
}

async fn one(world: &World<'_>) -> Result<Duration> {
    let (clock, time) = (&world.sandbox.clock, world.seconds(0));
    let began = clock.monotonic();
    let fields = [("query", "sum(probe) + 1"), ("time", time.as_str())];
    let reply = world.prober.post_form(&world.narthex.base, "query", &fields).await?;
    let took = clock.monotonic() - began;
    ensure!(reply.status == 200, "a probe was answered {reply}");
    let json = reply.json()?;
    ensure!(json["data"]["result"][0]["value"][1] == "43", "a probe was answered {reply}");
    Ok(took)
}
