//! Range queries over the past are read once: asked again they read nothing, asked up to now they read what is new, and nothing that
//! happens to the samples meanwhile makes an answer wrong.
//!
//! Data clocks stand still and are set further by restarts, so that it is known which samples can still be late.

use std::process::Command;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{
    aws::Api,
    folder_bucket,
    http::Reply,
    metrics::metric,
    sandbox::{Cluster, DEADLINE, Sandbox, Standalone, binary, scenario, until},
    wire::WriteRequest,
};

/// A midnight, in milliseconds, so that queries around it are cut.
const MIDNIGHT: i64 = 1_700_006_400_000;
const MINUTE: i64 = 60_000;
const RATES: &str = "sum by (job) (rate(requests_total[5m]))";

fn clock(minute: i64) -> String {
    format!("{},0.001", MIDNIGHT + minute * MINUTE)
}

/// Writes a sample a minute of some series, from one minute after midnight to another.
async fn write(api: &Api, base: &str, minutes: std::ops::RangeInclusive<i64>) -> Result<()> {
    let mut request = WriteRequest::default();
    for number in 0..8 {
        let (job, instance) = (format!("job-{}", number % 3), format!("host-{number}"));
        let at =
            |minute: i64| (MIDNIGHT + minute * MINUTE, (minute + 500) as f64 * (1.0 + number as f64 / 7.0));
        let samples: Vec<(i64, f64)> = minutes.clone().map(at).collect();
        let labels = [("__name__", "requests_total"), ("instance", &instance), ("job", &job)];
        request.series(&labels, &samples);
    }
    let reply = api.write(base, request.compressed()).await?;
    ensure!(reply.status.is_success(), "{reply}");
    Ok(())
}

/// A range query by the minute, between two minutes after midnight.
#[derive(Clone, Copy)]
struct Ask<'a> {
    api: &'a Api,
    base: &'a str,
    query: &'a str,
    minutes: (i64, i64),
}

impl Ask<'_> {
    async fn with(self, more: &[(&str, &str)]) -> Result<String> {
        let seconds = |minute: i64| ((MIDNIGHT + minute * MINUTE) / 1_000).to_string();
        let (start, end) = (seconds(self.minutes.0), seconds(self.minutes.1));
        let fields = [("query", self.query), ("start", &start), ("end", &end), ("step", "60")];
        Self::text_of(self.api.get(self.base, "query_range", &[&fields, more].concat()).await?)
    }

    async fn text(self) -> Result<String> {
        self.with(&[]).await
    }

    /// The same as a client of Mimir asks for no kept answer.
    async fn no_store(self) -> Result<String> {
        let seconds = |minute: i64| (MIDNIGHT + minute * MINUTE) / 1_000;
        let (start, end) = (seconds(self.minutes.0), seconds(self.minutes.1));
        let fields =
            [("query", self.query.to_owned()), ("start", start.to_string()), ("end", end.to_string())];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let path = format!("api/v1/query_range?{}&step=60", query.replace('+', "%20"));
        let request = Request::get(self.api.url(self.base, &path)).header("cache-control", "no-store");
        Self::text_of(self.api.send(request.body(Bytes::new())?).await?)
    }

    fn text_of(reply: Reply) -> Result<String> {
        ensure!(reply.status == 200, "{reply}");
        Ok(reply.text())
    }
}

/// What processes have read so far, as their counters of reads tell.
async fn reads(sandbox: &Sandbox, bases: &[String]) -> Result<f64> {
    let mut sum = 0.0;
    for base in bases {
        for name in [
            "narthex_querier_received_bytes_total",
            "narthex_querier_gateway_received_bytes_total",
            "narthex_querier_blocks_asked_total",
            "narthex_querier_aggregations_total",
            "narthex_ingester_requests_total",
            "narthex_store_gateway_requests_total",
        ] {
            sum += metric(&sandbox.http, base, name).await?.unwrap_or_default();
        }
    }
    Ok(sum)
}

/// Asks, and tells how much was read for it.
async fn read_for(sandbox: &Sandbox, bases: &[String], ask: Ask<'_>) -> Result<(String, f64)> {
    let before = reads(sandbox, bases).await?;
    let text = ask.text().await?;
    Ok((text, reads(sandbox, bases).await? - before))
}

#[test]
fn all_in_one_reads_only_what_can_have_changed() {
    scenario(async |sandbox| {
        let now = clock(30);
        let environment = [("NARTHEX_DATA_CLOCK", now.as_str()), ("NARTHEX_QUERY_CACHE_SLACK", "0s")];
        let mut narthex = Standalone::start_with(sandbox, &[], &environment).await?;
        write(&narthex.api, &narthex.base, -29..=30).await?;
        for minute in [90, 120] {
            narthex.restart_in(sandbox, &[("NARTHEX_DATA_CLOCK", &clock(minute))]).await?;
            write(&narthex.api, &narthex.base, minute - 59..=minute).await?;
        }
        let (api, base) = (&narthex.api, narthex.base.as_str());
        let bases = [narthex.base.clone()];
        let ask = |query, minutes| Ask { api, base, query, minutes };

        // Before the last hour nothing can come any more.
        let past = ask(RATES, (-25, 55));
        let (first, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read > 0.0 && first.contains("job-2"), "{first}");
        let (again, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read == 0.0, "{read} were read again");
        ensure!(again == first, "{again}\ninstead of\n{first}");
        ensure!(past.with(&[("nocache", "1")]).await? == first, "the cache tells what storage does not");
        ensure!(reads(sandbox, &bases).await? > 0.0);
        let by_header = past.no_store().await?;
        ensure!(by_header == first, "{by_header}");

        // Up to now only what can still change is read.
        let evaluated = async || {
            let name = "narthex_querier_range_cache_steps_evaluated_total";
            Ok::<_, anyhow::Error>(metric(&sandbox.http, base, name).await?.unwrap_or_default())
        };
        let current = ask("sum by (job) (requests_total)", (-25, 120));
        let (first, before) = (current.text().await?, evaluated().await?);
        let (again, read) = read_for(sandbox, &bases, current).await?;
        let steps = evaluated().await? - before;
        ensure!(
            again == first && read > 0.0 && (1.0..=62.0).contains(&steps),
            "{steps} steps were evaluated"
        );

        // A late sample changes the next answer.
        let mut late = WriteRequest::default();
        late.series(&[("__name__", "requests_total"), ("job", "late")], &[(MIDNIGHT + 70 * MINUTE, 5.0)]);
        let reply = api.write(base, late.compressed()).await?;
        ensure!(reply.status.is_success(), "{reply}");
        let changed = current.text().await?;
        ensure!(changed.contains("late") && changed != first, "{changed}");
        ensure!(changed == current.with(&[("nocache", "1")]).await?, "{changed}");
        let (same, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read == 0.0 && same == by_header, "{read} were read of what no late sample can change");

        // Nobody else sees any of it.
        let other = api.create_workspace(base, "other").await?;
        let elsewhere = Ask { api: &other, ..past };
        until(&sandbox.clock, "an answer of the other workspace", DEADLINE, async || {
            Ok(match elsewhere.text().await {
                Ok(text) if text.contains("\"result\":[]") => Ok(()),
                Ok(text) => anyhow::bail!("the other workspace sees {text}"),
                Err(error) => Err(format!("{error:#}")),
            })
        })
        .await
    });
}

#[test]
fn in_a_cluster_nothing_is_read_again_until_samples_are_given_up() {
    scenario(async |sandbox| {
        let now = clock(30);
        // Cuts are made when they are told to.
        let environment = [
            ("NARTHEX_DATA_CLOCK", now.as_str()),
            ("NARTHEX_QUERY_CACHE_SLACK", "0s"),
            ("NARTHEX_CUT_SLACK", "6h"),
            ("NARTHEX_CUT_KEEP", "1s"),
        ];
        let mut cluster = Cluster::start_with(sandbox, &environment).await?;
        write(&cluster.api, &cluster.distributors[0], -29..=30).await?;
        cluster.restart_in(sandbox, &[("NARTHEX_DATA_CLOCK", &clock(185))]).await?;
        let bases: Vec<String> = ["querier", "ingester", "store-gateway"]
            .iter()
            .flat_map(|service| cluster.bases(service))
            .collect();
        let past = Ask { api: &cluster.api, base: &cluster.queriers[0], query: RATES, minutes: (-20, 25) };

        let (first, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read > 0.0 && first.contains("job-2"), "{first}");
        let (again, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read == 0.0 && again == first, "{read} were read again for {again}");

        // From heads to blocks.
        admin(&cluster, &["flush"])?;
        let bucket = cluster.dir.join("bucket");
        let blocks = folder_bucket::blocks(&bucket, &cluster.api.workspace)?;
        ensure!(blocks.len() >= 2, "{} blocks", blocks.len());
        until(&sandbox.clock, "heads to forget what is in blocks", DEADLINE, async || {
            let mut windows = 0.0;
            for base in &cluster.bases("ingester") {
                let held = metric(&sandbox.http, base, "narthex_ingester_cuts_windows").await?;
                windows += held.unwrap_or_default();
            }
            Ok(if windows == 0.0 { Ok(()) } else { Err(format!("{windows} windows are held")) })
        })
        .await?;
        let (again, read) = read_for(sandbox, &bases, past).await?;
        ensure!(read == 0.0 && again == first, "{read} were read again for {again}");
        for base in &cluster.queriers {
            let stored = Ask { base, ..past }.with(&[("nocache", "1")]).await?;
            ensure!(stored == first, "{stored} at {base}\ninstead of\n{first}");
        }

        // An operator gives a block up.
        blocks[0].remove()?;
        admin(&cluster, &["remove-block", "--workspace", &cluster.api.workspace, "--block", &blocks[0].id])?;
        until(&sandbox.clock, "an answer without the block", DEADLINE, async || {
            let (kept, stored) = (past.text().await?, past.with(&[("nocache", "1")]).await?);
            Ok(if kept == stored && kept != first {
                Ok(())
            } else {
                Err(format!("{kept}\nand stored\n{stored}"))
            })
        })
        .await
    });
}

fn admin(cluster: &Cluster, words: &[&str]) -> Result<()> {
    let mut command = Command::new(binary("narthex")?);
    let bucket = format!("--bucket.url=file://{}", cluster.dir.join("bucket").display());
    let over_bucket: &[&str] = if words[0] == "remove-block" { &[&bucket] } else { &[] };
    let output = command
        .args(["admin", "--addresses", &cluster.control_planes()])
        .args(words)
        .args(over_bucket)
        .output()?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    Ok(())
}
