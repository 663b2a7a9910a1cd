//! Queries that cannot be answered, in the shape of Prometheus's API.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::http::Reply;

use crate::bad_input::on_target;

/// An error in the shape of Prometheus's query API.
fn ensure_bad_data(reply: &Reply, needles: &[&str]) -> Result<()> {
    ensure!(reply.status == 400, "expected 400, found {reply}");
    let json = reply.json()?;
    ensure!(json["status"] == "error" && json["errorType"] == "bad_data", "{reply}");
    let error = json["error"].as_str().context("no error text")?;
    ensure!(needles.iter().all(|needle| error.contains(needle)), "expected {needles:?} in {error:?}");
    Ok(())
}

#[test]
fn queries_that_do_not_parse() {
    on_target(async |target| {
        let narthex = &target.narthex;
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        for query in ["", "sum(", "up{", "up{a=b}", "rate(up)", "up[5m", "1 +", "\u{0}", &deep] {
            let shown: String = query.chars().take(20).collect();
            for endpoint in ["query", "query_range"] {
                let fields = [("query", query), ("start", "1"), ("end", "2"), ("step", "1")];
                let reply = narthex.api.post_form(&narthex.base, endpoint, &fields).await?;
                ensure_bad_data(&reply, &[]).context(format!("{endpoint} {shown}"))?;
                ensure!(reply.body.len() < 10_000, "{shown}: the error has {} bytes", reply.body.len());
            }
        }
        for fields in [
            &[("query", "up"), ("start", "2"), ("end", "1"), ("step", "1")][..],
            &[("query", "up"), ("start", "1"), ("end", "2"), ("step", "0")],
            &[("query", "up"), ("start", "x"), ("end", "2"), ("step", "1")],
            &[("query", "up"), ("start", "0"), ("end", "1000000"), ("step", "1")],
        ] {
            let reply = narthex.api.post_form(&narthex.base, "query_range", fields).await?;
            ensure_bad_data(&reply, &[]).context(format!("{fields:?}"))?;
        }
        Ok(())
    });
}

#[test]
fn a_matcher_that_matches_everything() {
    on_target(async |target| {
        let narthex = &target.narthex;
        for query in ["{}", "{job=~\".*\"}", "{__name__=~\".*\"}", "{job=\"\"}", "sum({job!=\"x\"})"] {
            let reply = narthex.api.post_form(&narthex.base, "query", &[("query", query)]).await?;
            ensure_bad_data(&reply, &["must contain at least one non-empty matcher"]).context(query)?;
        }
        let reply = narthex.api.get(&narthex.base, "series", &[("match[]", "{}")]).await?;
        ensure_bad_data(&reply, &["must contain at least one non-empty matcher"])?;
        let uri = narthex.api.url(&narthex.base, "api/v1/series");
        let reply = narthex.api.send(Request::get(uri).body(Bytes::new())?).await?;
        ensure_bad_data(&reply, &["match[]"])
    });
}
