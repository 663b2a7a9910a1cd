//! Tags of all four kinds of resources.

use super::*;

fn path(arn: &str) -> String {
    let encoded: String = arn.replace(':', "%3A").replace('/', "%2F").replace(' ', "%20");
    format!("/tags/{encoded}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_carries_tags() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let rules = base64("groups: []");
    server
        .good(
            202,
            "POST",
            &format!("{workspace}/rulegroupsnamespaces"),
            json!({ "name": "a b/c", "data": rules }),
        )
        .await;
    let detector = json!({ "configuration": { "randomCutForest": { "query": "avg(up)" } } });
    server.good(202, "PUT", &format!("{workspace}/anomalydetectors/ad-1"), detector).await;
    let configuration =
        "scrape_configs:\n  - job_name: pods\n    kubernetes_sd_configs:\n      - role: pod\n";
    let scraper = json!({
        "scrapeConfiguration": { "configurationBlob": base64(configuration) },
        "source": { "eksConfiguration": {
            "clusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/c", "subnetIds": ["subnet-1"],
        } },
        "destination": { "ampConfiguration": {
            "workspaceArn": format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}"),
        } },
    });
    let scraper = server.good(202, "POST", "/scrapers", scraper).await;
    let prefix = format!("arn:aws:aps:us-east-1:{ACCOUNT}");
    let arns = [
        format!("{prefix}:workspace/{id}"),
        format!("{prefix}:rulegroupsnamespace/{id}/a b/c"),
        format!("{prefix}:anomalydetector/{id}/ad-1"),
        scraper["arn"].as_str().expect("an ARN").to_owned(),
    ];
    for arn in &arns {
        let path = path(arn);
        assert_eq!(server.good(200, "GET", &path, Value::Null).await, json!({ "tags": {} }), "{arn}");
        let set = json!({ "tags": { "Status": "Secret", "Team": "", "team": "b" } });
        assert_eq!(server.good(200, "POST", &path, set.clone()).await, json!({}));
        assert_eq!(server.good(200, "GET", &path, Value::Null).await, set);
        server.good(200, "POST", &path, json!({ "tags": { "Team": "new" } })).await;
        server.good(200, "DELETE", &format!("{path}?tagKeys=Status&tagKeys=missing"), Value::Null).await;
        let left = json!({ "tags": { "Team": "new", "team": "b" } });
        assert_eq!(server.good(200, "GET", &path, Value::Null).await, left);
    }
    let tags = json!({ "Team": "new", "team": "b" });
    let shown = server.good(200, "GET", &workspace, Value::Null).await;
    assert_eq!(shown["workspace"]["tags"], tags);
    let shown = server.good(200, "GET", "/scrapers", Value::Null).await;
    assert_eq!(shown["scrapers"][0]["tags"], tags);
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_have_limits_and_unknown_things_none() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}");
    let tags = |range: std::ops::Range<usize>| {
        let tags: std::collections::BTreeMap<_, _> = range.map(|n| (format!("k{n}"), "v")).collect();
        json!({ "tags": tags })
    };
    server.good(200, "POST", &path(&arn), tags(0..50)).await;
    let refused = server.bad(INVALID, "POST", &path(&arn), tags(49..51)).await;
    assert_eq!(refused["fieldList"][0]["name"], "tags");
    assert_eq!(server.good(200, "GET", &path(&arn), Value::Null).await, tags(0..50), "none of them");
    server.bad(INVALID, "POST", &path(&arn), json!({ "tags": { "aWs:x": "v" } })).await;

    let prefix = format!("arn:aws:aps:us-east-1:{ACCOUNT}");
    for unknown in [
        format!("{prefix}:workspace/ws-1"),
        format!("{prefix}:rulegroupsnamespace/{id}/none"),
        format!("{prefix}:rulegroupsnamespace/ws-1/none"),
        format!("{prefix}:anomalydetector/{id}/ad-none"),
        format!("{prefix}:scraper/s-none"),
        arn.replace("us-east-1", "eu-west-1"),
    ] {
        server.bad(MISSING, "GET", &path(&unknown), Value::Null).await;
        server.bad(MISSING, "POST", &path(&unknown), tags(0..1)).await;
        server.bad(MISSING, "DELETE", &format!("{}?tagKeys=k", path(&unknown)), Value::Null).await;
    }
    server.bad(DENIED, "GET", &path(&arn.replace(ACCOUNT, "210987654321")), Value::Null).await;
    server.bad(INVALID, "GET", &path(&arn.replace("workspace/", "workspaces/")), Value::Null).await;
    server.bad(INVALID, "GET", &path(&arn[1..]), Value::Null).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_things_keep_to_an_operators_limit() {
    let server = Server::with(|limits| limits.tags = 2).await;
    let tags =
        |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let refused = server.bad(INVALID, "POST", "/workspaces", json!({ "tags": tags(3) })).await;
    assert_eq!(refused["fieldList"][0]["name"], "tags");
    server.good(202, "POST", "/workspaces", json!({ "tags": tags(2) })).await;
    let list = format!("{}/anomalydetectors", server.workspace().await);
    let detector = |count| {
        let configuration = json!({ "randomCutForest": { "query": "avg(up)" } });
        json!({ "alias": "a", "configuration": configuration, "tags": tags(count) })
    };
    server.bad(INVALID, "POST", &list, detector(3)).await;
    server.good(202, "POST", &list, detector(2)).await;
    server.plane.stop().await;
}
