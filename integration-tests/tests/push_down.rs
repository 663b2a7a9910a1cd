//! Aggregations move states of groups between the processes of a cluster, not samples, and answer the same.

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    compare_answers::Answer,
    generated::{self, GeneratedSeries},
    metrics::metric,
    sandbox::{Cluster, Sandbox, long, scenario},
};

/// Samples of a series, one each quarter of a minute, up to now.
const SAMPLES: i64 = 40;
const STEP: i64 = 15_000;

const QUERIES: [&str; 5] = [
    "sum by (job) (rate(requests_total[5m]))",
    "count(requests_total)",
    "max by (job) (requests_total)",
    "avg(increase(requests_total[5m]))",
    "topk(3, rate(requests_total[5m]))",
];

fn series(count: usize, now: i64) -> Vec<GeneratedSeries> {
    let one = |number: usize| {
        let label = |name: &str, value: String| (name.to_owned(), value);
        let labels = vec![
            label("__name__", "requests_total".into()),
            label("cluster", "production-eu-west-1".into()),
            label("container", format!("service-{}", number % 40)),
            label("instance", format!("10.{}.{}.{}:9100", number / 60_000, number / 250 % 240, number % 250)),
            label("job", format!("job-{}", number % 10)),
            label("namespace", format!("team-{}", number % 25)),
            label("pod", format!("service-{}-{number:08x}", number % 40)),
        ];
        let value = |at: i64| at as f64 * (1.0 + number as f64 / 7.0);
        let floats = (0..SAMPLES).map(|at| (now - (SAMPLES - 1 - at) * STEP, value(at))).collect();
        GeneratedSeries { labels, floats, histograms: Vec::new() }
    };
    (0..count).map(one).collect()
}

/// An answer of a querier, and the bytes that it received for it.
async fn ask(
    sandbox: &Sandbox,
    cluster: &Cluster,
    base: &str,
    query: &str,
    now: i64,
) -> Result<(Answer, f64)> {
    let name = "narthex_querier_received_bytes_total";
    let before = metric(&sandbox.http, base, name).await?.unwrap_or_default();
    let time = format!("{}.{:03}", now / 1000, now % 1000);
    let reply = cluster.api.get(base, "query", &[("query", query), ("time", &time)]).await?;
    ensure!(reply.status.is_success(), "{query}: {reply}");
    let after = metric(&sandbox.http, base, name).await?.unwrap_or_default();
    Ok((Answer::of(&reply.json()?)?, after - before))
}

#[test]
fn an_aggregation_moves_a_hundredth_of_what_reading_its_series_moves() {
    scenario(async |sandbox| {
        let count = if long() { 100_000 } else { 10_000 };
        let mut cluster = Cluster::start(sandbox).await?;
        let reader = cluster.names(|instance| instance.name == "querier-zone-b-0");
        ensure!(reader.len() == 1, "the querier of zone b is not found");
        cluster.kill(&reader)?;
        cluster.launch_with(sandbox, &reader, &[("NARTHEX_QUERY_PUSH_DOWN", "false".to_owned())])?;
        cluster.ready(sandbox, &reader).await?;
        let now = sandbox.clock.now().0;
        for request in generated::requests(&series(count, now), 0, i64::MAX) {
            let reply = cluster.api.write(&cluster.distributors[0], request).await?;
            ensure!(reply.status.is_success(), "{reply}");
        }
        let bases = cluster.bases("querier");
        for query in QUERIES {
            let (pushed, moved) = ask(sandbox, &cluster, &bases[0], query, now).await?;
            let (read, whole) = ask(sandbox, &cluster, &bases[1], query, now).await?;
            ensure!(pushed == read, "{query}: {pushed:?} where the series are, {read:?} if they are read");
            eprintln!("{query}: {moved} of {whole} bytes, {:.2} %", moved / whole * 100.0);
            // Digests of all buckets weigh the more, the fewer series there are.
            let most = if long() { 0.01 } else { 0.1 };
            ensure!(moved > 0.0 && moved < whole * most, "{query}: {moved} of {whole} bytes moved");
        }
        Ok(())
    });
}
