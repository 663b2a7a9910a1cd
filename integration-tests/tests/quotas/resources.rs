//! Quotas on how many there are, and bounds of settings.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::sandbox::{ControlPlane, DEADLINE, until};
use serde_json::{Value, json};

use super::{
    bench::{Bench, Over},
    documents::{scrape_file, scraper},
};

/// Up to the quota, one more, and again when one is gone.
pub(crate) async fn workspaces(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let over = Over { code: "WorkspacesPerAccount", kind: "WORKSPACE", resource: ControlPlane::ACCOUNT };
    let listed = bench.good(Method::GET, "/workspaces?maxResults=1000", Value::Null).await?;
    let there = listed["workspaces"].as_array().context("a list")?.len();
    let mut last = String::new();
    for _ in there..limit {
        last = bench.workspace().await?.1;
    }
    ensure!(!last.is_empty(), "{there} workspaces were there already");
    bench.over(Method::POST, "/workspaces", json!({}), over).await?;
    let reply = bench.call(Method::POST, "/workspaces", &json!({})).await?;
    ensure!(
        reply.json()?["message"] == "Limit exceeded. Maximum workspaces per account.",
        "ERR-9 has another text: {reply}"
    );
    // Those of another account do not count.
    let (stranger, base) = (&bench.plane.stranger, &bench.plane.base);
    let reply = stranger.control(Method::POST, base, "/workspaces", Some(&json!({}))).await?;
    ensure!(reply.status == 202, "another account: {reply}");
    bench.good(Method::DELETE, &last, Value::Null).await?;
    until(&bench.sandbox.clock, "a workspace in place of a deleted one", DEADLINE, async || {
        let reply = bench.call(Method::POST, "/workspaces", &json!({})).await?;
        Ok(if reply.status == 202 { Ok(()) } else { Err(reply.to_string()) })
    })
    .await
}

pub(crate) async fn namespaces(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let list = format!("{path}/rulegroupsnamespaces");
    let kind = "RULE_GROUPS_NAMESPACE";
    let over = Over { code: "RuleGroupsNamespacesPerWorkspace", kind, resource: &id };
    // "groups: []"
    let body = |name: usize| json!({ "name": format!("n{name}"), "data": "Z3JvdXBzOiBbXQ==" });
    for name in 0..limit {
        bench.good(Method::POST, &list, body(name)).await?;
    }
    bench.over(Method::POST, &list, body(limit), over).await
}

pub(crate) async fn label_sets(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let path = format!("{path}/configuration");
    let kind = "WORKSPACE_CONFIGURATION";
    let over = Over { code: "LabelSetLimitsPerWorkspace", kind, resource: &id };
    let sets = |count: usize| {
        let set = |n| json!({ "limits": { "maxSeries": 1 }, "labelSet": { "team": format!("t{n}") } });
        json!({ "limitsPerLabelSet": (0..count).map(set).collect::<Vec<_>>() })
    };
    bench.over(Method::PATCH, &path, sets(limit + 1), over).await?;
    bench.good(Method::PATCH, &path, sets(limit)).await?;
    Ok(())
}

pub(crate) async fn out_of_order_window(bench: &Bench<'_>, seconds: u64) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let path = format!("{path}/configuration");
    let over = Over { code: "OutOfOrderWindow", kind: "WORKSPACE_CONFIGURATION", resource: &id };
    let window = |seconds: u64| json!({ "outOfOrderTimeWindowInSeconds": seconds });
    bench.over(Method::PATCH, &path, window(seconds + 1), over).await?;
    bench.good(Method::PATCH, &path, window(seconds)).await?;
    Ok(())
}

pub(crate) async fn scrapers(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, _) = bench.workspace().await?;
    let over = Over { code: "ScrapersPerAccount", kind: "SCRAPER", resource: ControlPlane::ACCOUNT };
    let body = || scraper(&id, &scrape_file(60));
    let mut first = None;
    for _ in 0..limit {
        let made = bench.good(Method::POST, "/scrapers", body()).await?;
        first.get_or_insert(made["scraperId"].as_str().context("an id")?.to_owned());
    }
    bench.over(Method::POST, "/scrapers", body(), over).await?;
    let path = format!("/scrapers/{}", first.context("one at least")?);
    bench.until(&path, "/scraper/status/statusCode", "ACTIVE").await?;
    bench.good(Method::DELETE, &path, Value::Null).await?;
    bench.good(Method::POST, "/scrapers", body()).await?;
    Ok(())
}

pub(crate) async fn detectors(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let list = format!("{path}/anomalydetectors");
    let over = Over { code: "AnomalyDetectorsPerWorkspace", kind: "ANOMALY_DETECTOR", resource: &id };
    let body = || json!({ "alias": "a", "configuration": { "randomCutForest": { "query": "avg(up)" } } });
    for _ in 0..limit {
        bench.good(Method::POST, &list, body()).await?;
    }
    // The one too many has an id of its own, which nobody knows before.
    let reply = bench.call(Method::POST, &list, &body()).await?;
    ensure!(reply.status == 402, "{reply}");
    bench.over(Method::POST, &list, body(), over).await
}

/// Tags at once, and tags that come to others.
pub(crate) async fn tags(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let tags = |from: usize, to: usize| {
        let pairs = (from..to).map(|n| (format!("k{n}"), "v".to_owned()));
        json!({ "tags": pairs.collect::<BTreeMap<_, _>>() })
    };
    bench.invalid(Method::POST, "/workspaces", tags(0, limit + 1), "tags").await?;
    let made = bench.good(Method::POST, "/workspaces", tags(0, limit)).await?;
    let path = format!("/tags/{}", escaped(made["arn"].as_str().context("an ARN")?));
    bench.invalid(Method::POST, &path, tags(limit, limit + 1), "tags").await?;
    // Another value of a tag that is there is no other tag.
    bench.good(Method::POST, &path, tags(0, 1)).await?;
    bench.good(Method::DELETE, &format!("{path}?tagKeys=k0"), Value::Null).await?;
    bench.good(Method::POST, &path, tags(limit, limit + 1)).await?;
    Ok(())
}

fn escaped(arn: &str) -> String {
    percent_encoding::utf8_percent_encode(arn, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(crate) async fn retention(bench: &Bench<'_>, days: u64) -> Result<()> {
    let (_, path) = bench.workspace().await?;
    let path = format!("{path}/configuration");
    let shown = bench.good(Method::GET, &path, Value::Null).await?;
    ensure!(shown["workspaceConfiguration"]["retentionPeriodInDays"] == days, "{shown}");
    let body = |days: i64| json!({ "retentionPeriodInDays": days });
    for wrong in [-1, 0, 1096] {
        bench.invalid(Method::PATCH, &path, body(wrong), "retentionPeriodInDays").await?;
    }
    for right in [1, 1095] {
        bench.until(&path, "/workspaceConfiguration/status/statusCode", "ACTIVE").await?;
        bench.good(Method::PATCH, &path, body(right)).await?;
    }
    Ok(())
}
