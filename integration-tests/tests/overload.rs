//! Queries that would take a process down: each ends with the right answer or a clear error, in bounded memory, while queries of
//! another workspace go on.
//!
//! One all-in-one with small bounds. A workspace with a thousand series attacks, another one asks a small query all the time (the
//! probe). After each attack the peak of the resident memory must lie within 10 % of what the process had at rest and the memory
//! bound of queries together, and every probe must have been answered right. How long probes took is printed; `NARTHEX_LONG=1`
//! holds their 99th percentile against that of an idle process.

mod clients;
mod probe;
mod queries;
mod world;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::sandbox::{long, scenario};

use probe::{IDLE_PROBES, Latencies, attend};
use world::{MEMORY, World};

/// How much slower probes may get: so many times idle, and this much.
const SLOWER: u32 = 3;
const SLOWER_BY: Duration = Duration::from_millis(100);

/// What an attack has to stand on.
struct Watched<'a> {
    world: &'a World<'a>,
    idle: Latencies,
    idle_bytes: u64,
}

impl Watched<'_> {
    /// Runs an attack beside probes, and judges what it did to the process.
    async fn attack(&self, name: &str, attack: impl AsyncFnOnce(&World<'_>) -> Result<()>) -> Result<()> {
        let world = self.world;
        world.forget_peak()?;
        let began = world.sandbox.clock.monotonic();
        let (outcome, probes) = attend(world, attack(world)).await?;
        outcome.with_context(|| name.to_owned())?;
        world.at_rest().await.with_context(|| format!("after {name}"))?;
        let peak = world.peak_bytes()?;
        let allowed = (self.idle_bytes + MEMORY) / 10 * 11;
        let took = world.sandbox.clock.monotonic() - began;
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        eprintln!(
            "{name}: {took:.1?}; resident at most {:.0} MiB (allowed {:.0}); probes {probes}",
            mebibytes(peak),
            mebibytes(allowed)
        );
        ensure!(peak <= allowed, "{name}: {peak} bytes were resident, allowed are {allowed}");
        let slowest = self.idle.p99() * SLOWER + SLOWER_BY;
        ensure!(!long() || probes.p99() <= slowest, "{name}: probes took {probes}, idle {}", self.idle);
        Ok(())
    }
}

#[test]
fn one_workspace_takes_neither_the_process_down_nor_another_workspace_away() {
    scenario(async |sandbox| {
        let world = World::start(sandbox).await?;
        let idle = probe::some(&world, IDLE_PROBES).await?;
        world.at_rest().await?;
        let watched = Watched { world: &world, idle, idle_bytes: world.resident_bytes()? };
        eprintln!("idle: {} MiB resident; probes {}", watched.idle_bytes >> 20, watched.idle);

        watched.attack("a query beyond its memory", queries::beyond_its_memory).await?;
        watched.attack("queries over every series", queries::over_every_series).await?;
        watched.attack("a column for every value", queries::a_column_for_every_value).await?;
        watched.attack("expressions that backtrack elsewhere", queries::hard_expressions).await?;
        watched.attack("as many steps as there may be", queries::most_steps).await?;
        watched.attack("200 slow queries of a workspace", clients::many_slow_queries).await?;
        watched.attack("200 clients", clients::many_clients).await?;
        watched.attack("a client that does not read", clients::one_that_does_not_read).await?;
        watched.attack("a client that goes away", clients::one_that_goes_away).await
    });
}
