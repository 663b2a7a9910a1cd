//! Merged blocks answer what the small ones did, and what heads did before those.

use anyhow::ensure;
use narthex_integration_tests::{
    metrics::metric,
    sandbox::{DEADLINE, Standalone, scenario, until},
    wire::WriteRequest,
};

use super::{
    AT_ONCE, SETTLE, WINDOW, WINDOW_MS,
    answers::{answers, ensure_same},
    settled,
};

/// More than a span of twelve windows, wherever spans begin, less what is not over yet.
const WINDOWS: i64 = 20;
const SERIES: i64 = 30;

#[test]
fn merged_blocks_answer_what_small_ones_did() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start_with(sandbox, &[], &[WINDOW]).await?;
        let start = (sandbox.clock.now().0.div_euclid(WINDOW_MS) - WINDOWS - 1) * WINDOW_MS;
        let end = start + WINDOWS * WINDOW_MS;
        let times: Vec<i64> = (start..end).step_by(1_000).collect();
        let mut request = WriteRequest::default();
        for series in 0..SERIES {
            let (name, mode) =
                if series % 3 == 0 { ("up", "idle") } else { ("node_cpu_seconds_total", "user") };
            let instance = format!("host-{series}:9100");
            let labels = [("__name__", name), ("instance", &instance), ("job", "node"), ("mode", mode)];
            let samples: Vec<_> = times.iter().map(|at| (*at, (at - start + series) as f64 / 8.0)).collect();
            request.series(&labels, &samples);
        }
        let reply = narthex.api.write(&narthex.base, request.compressed()).await?;
        ensure!(reply.status.is_success(), "{reply}");
        let samples = times.len() as f64 * SERIES as f64;
        let of = async |base: &str, name: &str| metric(&sandbox.http, base, name).await;
        until(&sandbox.clock, "every sample", DEADLINE, async || {
            let stored = of(&narthex.base, "narthex_ingester_stored_samples_total").await?;
            Ok(if stored == Some(samples) { Ok(()) } else { Err(format!("{stored:?} are stored")) })
        })
        .await?;
        let from_heads = answers(&narthex.api, &narthex.base, start, end).await?;

        narthex.restart_in(sandbox, &[&AT_ONCE[..], &[("NARTHEX_COMPACT_INTERVAL", "1s")]].concat()).await?;
        settled(sandbox, std::slice::from_ref(&narthex.base)).await?;
        let compactor = async |name: &str| {
            let value = of(&narthex.base, &format!("narthex_compactor_{name}_total")).await?;
            Ok::<_, anyhow::Error>(value.unwrap_or_default())
        };
        let rounds = compactor("merge_rounds").await?;
        until(&sandbox.clock, "all that can be merged to be merged", SETTLE, async || {
            // The round that is under way may have begun before the last cut.
            let (now, merged) = (compactor("merge_rounds").await?, compactor("merged_blocks").await?);
            Ok(if now >= rounds + 2.0 {
                Ok(())
            } else {
                Err(format!("{now} rounds, {merged} blocks merged"))
            })
        })
        .await?;
        let (merges, merged) = (compactor("merges").await?, compactor("merged_blocks").await?);
        eprintln!("{merged} of {WINDOWS} blocks were merged {merges} times");
        // Blocks may be merged by six first, and those again; of the last span at most six windows and one more are not over.
        ensure!(merged >= (WINDOWS - 7) as f64, "only {merged} blocks were merged");
        ensure!(compactor("merge_failures").await? == 0.0, "{}", narthex.process.log());
        let from_merged = answers(&narthex.api, &narthex.base, start, end).await?;
        ensure_same(&from_heads, &from_merged)?;
        Ok(())
    });
}
