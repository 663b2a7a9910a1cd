//! `stats=all` counts samples as Prometheus does, in all and for every step (STAT-1 to STAT-9), and so does the meter.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    metrics::metric,
    sandbox::{Standalone, scenario},
};
use serde_json::Value;

use crate::query_api::world::{World, data, seconds};

const MINUTE: i64 = 60_000;

/// Queries whose samples are counted in different ways.
const QUERIES: [&str; 36] = [
    "1",
    "time()",
    "requests_total",
    "nothing",
    "{job=\"db\"}",
    "requests_total offset 5m",
    "requests_total @ {end}",
    "requests_total @ start()",
    "timestamp(requests_total)",
    "rate(requests_total[5m])",
    "rate(requests_total[5m] offset 3m)",
    "rate(requests_total[5m] @ {end})",
    "sum by (job) (rate(requests_total[5m]))",
    "topk(1, requests_total)",
    "sum(requests_total) / scalar(sum(temperature))",
    "requests_total + on (instance, job) temperature",
    "requests_total > 10 and temperature < 0",
    "absent(nothing)",
    "absent_over_time(requests_total[2m])",
    "max_over_time(temperature[10m])",
    "quantile_over_time(0.9, temperature[7m])",
    "max_over_time(rate(requests_total[2m])[10m:1m])",
    "max_over_time(sum(requests_total)[10m:1m])",
    "sum_over_time(temperature[10m:])",
    "avg_over_time(sum_over_time(temperature[3m:30s])[10m:1m] offset 1m)",
    "last_over_time(requests_total[10m:1m] @ {end})",
    "sum(requests_total @ {end}) + sum(temperature)",
    "vector(scalar(requests_total{instance=\"a:1\"}))",
    "label_replace(requests_total, \"x\", \"$1\", \"job\", \"(.*)\")",
    "duration",
    "rate(duration[5m])",
    "sum(duration)",
    "histogram_quantile(0.9, sum(rate(duration[5m])))",
    // Of these only count and sum are read. (The reference's release notices it below another operator only.)
    "sum(histogram_count(duration))",
    "max(histogram_sum(rate(duration[5m])))",
    "info(requests_total)",
];

/// Range vectors, which only an instant query may answer.
const WHOLE: [&str; 4] =
    ["requests_total[5m]", "duration[3m]", "sum(requests_total)[10m:1m]", "rate(requests_total[2m])[5m:30s]"];

fn counts(data: &Value) -> Result<(Value, Value)> {
    let samples = data["stats"]["samples"].as_object().with_context(|| format!("no samples in {data}"))?;
    Ok((samples["totalQueryableSamples"].clone(), samples["totalQueryableSamplesPerStep"].clone()))
}

async fn compare(world: &World<'_>, endpoint: &str, fields: &[(&str, &str)]) -> Result<Option<String>> {
    let (expected, found) = world.ask(endpoint, fields).await?;
    let found = data(&found).with_context(|| format!("{fields:?}"))?;
    let (expected, counted) = (counts(&data(&expected)?)?, counts(&found)?);
    let timings = found["stats"]["timings"].as_object().context("no timings")?;
    for name in [
        "evalTotalTime",
        "resultSortTime",
        "queryPreparationTime",
        "innerEvalTime",
        "execQueueTime",
        "execTotalTime",
    ] {
        ensure!(timings.get(name).is_some_and(Value::is_number), "no {name} in {found}");
    }
    Ok((expected != counted)
        .then(|| format!("{endpoint} {fields:?}\n    expected {expected:?}\n    found    {counted:?}")))
}

#[test]
fn samples_are_counted_as_prometheus_counts_them() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let end = seconds(world.end);
        let (start, late) = (seconds(world.end - 40 * MINUTE), seconds(world.end - 2 * MINUTE + 1_500));
        let mut differences = Vec::new();
        for query in QUERIES.into_iter().chain(WHOLE) {
            let text = query.replace("{end}", &end);
            let fields = [("query", text.as_str()), ("time", late.as_str()), ("stats", "all")];
            differences.extend(compare(&world, "query", &fields).await?);
            if !WHOLE.contains(&query) {
                // Multiples of the step, which both take as they are.
                let range = [("start", start.as_str()), ("end", end.as_str()), ("step", "60")];
                let fields = [&[("query", text.as_str()), ("stats", "all")], &range[..]].concat();
                differences.extend(compare(&world, "query_range", &fields).await?);
            }
        }
        ensure!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
        Ok(())
    });
}

#[test]
fn statistics_are_given_where_asked_for_and_metered() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let metered =
            async || metric(&sandbox.http, &world.narthex.base, "narthex_querier_query_samples_sum").await;
        let before = metered().await?.unwrap_or_default();
        let time = seconds(world.end);
        let query = [("query", "rate(requests_total[5m])"), ("time", time.as_str())];
        let plain = data(&world.narthex("query", &query).await?)?;
        ensure!(plain.get("stats").is_none(), "{plain}");
        let with = |value| [&query[..], &[("stats", value)]].concat();
        let all = data(&world.narthex("query", &with("all")).await?)?;
        let total = all["stats"]["samples"]["totalQueryableSamples"].as_f64().context("no total")?;
        ensure!(total > 0.0, "{all}");
        let short = data(&world.narthex("query", &with("true")).await?)?;
        ensure!(short["stats"]["samples"]["totalQueryableSamples"] == total, "{short}");
        ensure!(short["stats"]["samples"].get("totalQueryableSamplesPerStep").is_none(), "{short}");
        let after = metered().await?.context("nothing is metered")?;
        ensure!(after - before == 3.0 * total, "{after} - {before} are not three times {total}");
        Ok(())
    });
}

#[test]
fn a_range_is_rounded_down_to_its_step_where_that_is_set() {
    scenario(async |sandbox| {
        let aligned = ("aligned", &[][..], 1_652_382_000);
        let as_asked = ("as-asked", &["--query.align-range=false"][..], 1_652_382_537);
        for (name, arguments, first) in [aligned, as_asked] {
            let folder = sandbox.path().join(name);
            let narthex = Standalone::start_in(sandbox, folder, arguments, &[]).await?;
            let fields = [
                ("query", "vector(1)"),
                ("start", "1652382537"),
                ("end", "1652384705"),
                ("step", "1000"),
                ("stats", "all"),
            ];
            let found = data(&narthex.api.post_form(&narthex.base, "query_range", &fields).await?)?;
            let expected = [first, first + 1_000, first + 2_000];
            let per_step = &found["stats"]["samples"]["totalQueryableSamplesPerStep"];
            for pairs in [&found["result"][0]["values"], per_step] {
                let pairs = pairs.as_array().with_context(|| format!("{name}: {found}"))?;
                let times: Vec<i64> = pairs.iter().filter_map(|pair| pair[0].as_i64()).collect();
                ensure!(times == expected, "{name}: {found}");
            }
        }
        Ok(())
    });
}
