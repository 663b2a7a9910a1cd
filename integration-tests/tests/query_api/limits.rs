//! Limits of operators and thresholds of requests: what is over them is refused with the limit's name and value, and counted.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::sandbox::scenario;

use crate::query_api::world::{World, data, seconds};

/// A query that processes 10 samples for each of two series, and 10 for a third that starts late.
const QUERY: &str = "count_over_time(requests_total[5m])";

/// How many queries were refused for a reason.
async fn refused(world: &World<'_>, reason: &str) -> Result<f64> {
    let reply = world.narthex.api.http.get(&format!("{}/metrics", world.narthex.base)).await?;
    let name = format!("narthex_querier_queries_refused_total{{reason=\"{reason}\"}} ");
    let text = reply.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
    Ok(line.map_or(Ok(0.0), str::parse)?)
}

async fn ensure_refused(
    world: &World<'_>,
    (endpoint, fields): (&str, &[(&str, &str)]),
    (status, kind, reason): (u16, &str, &str),
    words: &[&str],
) -> Result<()> {
    let before = refused(world, reason).await?;
    let reply = world.narthex(endpoint, fields).await?;
    let json = reply.json()?;
    ensure!(reply.status.as_u16() == status && json["errorType"] == kind, "{fields:?}: {reply}");
    ensure!(json.get("data").is_none(), "{reply}");
    let text = json["error"].as_str().unwrap_or_default();
    ensure!(words.iter().all(|word| text.contains(word)), "expected {words:?} in {text:?}");
    let after = refused(world, reason).await?;
    ensure!(after == before + 1.0, "{reason}: {before} became {after}");
    Ok(())
}

#[test]
fn thresholds_warn_and_refuse() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let time = seconds(world.end);
        let plain = [("query", QUERY), ("time", time.as_str())];
        let with = |more: &[(&'static str, &'static str)]| [&plain[..], more].concat();
        let (warning, error) =
            ("max_samples_processed_warning_threshold", "max_samples_processed_error_threshold");
        let counted = data(&world.narthex("query", &with(&[("stats", "all")])).await?)?;
        ensure!(counted["stats"]["samples"]["totalQueryableSamples"] == 30, "{counted}");

        for (fields, warns) in [
            (with(&[(warning, "31")]), false),
            (with(&[(warning, "30")]), true),
            (with(&[(warning, "1"), (error, "30")]), true),
            (with(&[(error, "30")]), false),
            (with(&[]), false),
        ] {
            let reply = world.narthex("query", &fields).await?;
            ensure!(data(&reply)?["result"].as_array().is_some_and(|result| result.len() == 3), "{reply}");
            let warnings = reply.json()?["warnings"].to_string();
            let found = warnings.contains(warning) && warnings.contains("30 samples");
            ensure!(found == warns, "{fields:?}: {reply}");
        }
        let metered = async || {
            let name = "narthex_querier_query_samples_sum";
            narthex_integration_tests::metrics::metric(&sandbox.http, &world.narthex.base, name).await
        };
        let billed = metered().await?;
        let over = (422, "execution", "samples_processed");
        for fields in [with(&[(error, "29")]), with(&[(error, "0")]), with(&[(warning, "1"), (error, "29")])]
        {
            ensure_refused(&world, ("query", &fields), over, &[error, "more than"]).await?;
        }
        let range = [("start", time.as_str()), ("end", time.as_str()), ("step", "60"), (error, "29")];
        ensure_refused(&world, ("query_range", &[&plain[..], &range].concat()), over, &[error]).await?;
        ensure!(metered().await? == billed, "a refused query was metered");
        // What a subquery reads inside does not count, only its values that are looked at.
        let subquery =
            [("query", "sum_over_time(sum(requests_total)[5m:1m])"), ("time", &time), (error, "5")];
        ensure!(world.narthex("query", &subquery).await?.status == 200);

        for value in ["x", "-1", "1.5"] {
            for name in [warning, error] {
                let reply = world.narthex("query", &[&plain[..], &[(name, value)]].concat()).await?;
                let text = reply.json()?["error"].as_str().context("no error")?.to_owned();
                ensure!(reply.status == 400 && text.contains(name), "{name}={value}: {reply}");
            }
        }
        Ok(())
    });
}

#[test]
fn limits_are_told_by_name_and_counted() {
    scenario(async |sandbox| {
        let arguments = ["--query.max-samples=200", "--query.max-series=5", "--query.max-range=2d"];
        let world = World::start(sandbox, &arguments).await?;
        let (now, end) = (world.end, seconds(world.end));
        let all = ("query", "{job!=\"\"}");
        let of = |query| [query, ("time", end.as_str())];
        let over = |reason| (422, "execution", reason);
        ensure_refused(&world, ("query", &of(all)), over("series"), &["more than 5 series", "select fewer"])
            .await?;
        // Two selectors share the limit.
        let two = ("query", "requests_total + temperature");
        ensure_refused(&world, ("query", &of(two)), over("series"), &["more than 5 series"]).await?;
        ensure!(world.narthex("query", &of(("query", "requests_total"))).await?.status == 200);

        // 81 samples of the one and 142 of the other: each is within 200, both are not.
        let both = (
            "query",
            "sum(count_over_time(requests_total{job=\"db\"}[1h])) + sum(count_over_time(temperature[1h]))",
        );
        ensure_refused(&world, ("query", &of(both)), over("samples"), &["more than 200 samples"]).await?;
        // Over two days each day has them anew.
        let day = 24 * 3_600_000;
        let times = [seconds(now - day), seconds(now + day)];
        let range = [("start", times[0].as_str()), ("end", times[1].as_str()), ("step", "3600")];
        let two_days = [&[("query", "requests_total")], &range[..]].concat();
        ensure!(world.narthex("query_range", &two_days).await?.status == 200);

        let too_long = [seconds(now - 2 * day - 1_000), end.clone()];
        let range = [("start", too_long[0].as_str()), ("end", too_long[1].as_str()), ("step", "3600")];
        let words = ["the query time range exceeds the limit (query length: 48h0m1s, limit: 48h0m0s)"];
        let refusal = (400, "bad_data", "time_range");
        ensure_refused(&world, ("query_range", &[&[("query", "up")], &range[..]].concat()), refusal, &words)
            .await?;
        ensure_refused(&world, ("labels", &range[..2]), refusal, &words).await?;
        ensure_refused(&world, ("series", &[&[("match[]", "up")], &range[..2]].concat()), refusal, &words)
            .await?;
        for fields in [&[][..], &range[1..2]] {
            ensure!(world.narthex("labels", fields).await?.status == 200, "{fields:?}");
        }
        let points = [("query", "up"), ("start", "0"), ("end", "11001"), ("step", "1")];
        ensure_refused(&world, ("query_range", &points), (400, "bad_data", "points"), &["11,000 points"])
            .await
    });
}
