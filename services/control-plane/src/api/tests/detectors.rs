//! Anomaly detectors.

use super::*;

fn forest(query: &str) -> Value {
    json!({ "randomCutForest": { "query": query } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detector_from_its_creation_to_its_end() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let list = format!("{workspace}/anomalydetectors");
    let body = json!({
        "alias": "http-rate",
        "missingDataAction": { "skip": true },
        "configuration": { "randomCutForest": {
            "query": "avg(rate(http_requests_total[5m]))",
            "ignoreNearExpectedFromAbove": { "ratio": 0.05 },
            "ignoreNearExpectedFromBelow": { "amount": 1.0 },
        } },
        "labels": { "severity": "high" },
        "tags": { "team": "a" },
        "clientToken": "t",
    });
    let created = server.good(202, "POST", &list, body.clone()).await;
    let detector = created["anomalyDetectorId"].as_str().expect("an id");
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:anomalydetector/{id}/{detector}");
    let expected = json!({
        "anomalyDetectorId": detector, "arn": arn, "status": { "statusCode": "CREATING" }, "tags": { "team": "a" },
    });
    assert_eq!(created, expected);
    assert_eq!(server.good(202, "POST", &list, body).await, expected, "the same token, the same detector");
    let path = format!("{list}/{detector}");
    let shown = server.until(&path, "/anomalyDetector/status/statusCode", "ACTIVE").await;
    let described = &shown["anomalyDetector"];
    let configuration = json!({ "randomCutForest": {
        "query": "avg(rate(http_requests_total[5m]))",
        "shingleSize": 8,
        "sampleSize": 256,
        "ignoreNearExpectedFromAbove": { "ratio": 0.05 },
        "ignoreNearExpectedFromBelow": { "amount": 1.0 },
    } });
    assert_eq!(described["configuration"], configuration);
    assert_eq!(
        (&described["evaluationIntervalInSeconds"], &described["alias"]),
        (&json!(60), &json!("http-rate"))
    );
    assert_eq!(
        (&described["missingDataAction"], &described["labels"]),
        (&json!({ "skip": true }), &json!({ "severity": "high" }))
    );

    let put = server.good(202, "PUT", &path, json!({ "configuration": forest("sum(up)") })).await;
    assert_eq!(
        (&put["status"], &put["tags"]),
        (&json!({ "statusCode": "UPDATING" }), &json!({ "team": "a" }))
    );
    server.bad(CONFLICT, "PUT", &path, json!({ "configuration": forest("sum(up)") })).await;
    let shown = server.until(&path, "/anomalyDetector/status/statusCode", "ACTIVE").await;
    assert_eq!(shown["anomalyDetector"]["alias"], "http-rate", "an update has no alias");
    assert!(shown["anomalyDetector"].get("labels").is_none());

    let made = server
        .good(202, "PUT", &format!("{list}/ad-mine"), json!({ "configuration": forest("max(up)") }))
        .await;
    assert_eq!(
        (&made["anomalyDetectorId"], &made["status"]["statusCode"]),
        (&json!("ad-mine"), &json!("CREATING"))
    );
    let found = |page: Value| page["anomalyDetectors"].as_array().map(Vec::len);
    assert_eq!(found(server.good(200, "GET", &list, Value::Null).await), Some(2));
    assert_eq!(found(server.good(200, "GET", &format!("{list}?alias=ad-mine"), Value::Null).await), Some(1));
    assert_eq!(found(server.good(200, "GET", &format!("{list}?alias=http"), Value::Null).await), Some(0));

    server.good(202, "DELETE", &path, Value::Null).await;
    server.good(202, "DELETE", &path, Value::Null).await;
    server.until_gone(&path).await;
    server.bad(MISSING, "DELETE", &path, Value::Null).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_aggregations() {
    let server = Server::start(25).await;
    let list = format!("{}/anomalydetectors", server.workspace().await);
    for query in ["up", "rate(up[5m])", "topk(3, up)", "avg(up) + 1", "avg(up", "-avg(up)"] {
        let body = json!({ "alias": "a", "configuration": forest(query) });
        let refused = server.bad(INVALID, "POST", &list, body).await;
        assert_eq!(refused["fieldList"][0]["name"], "configuration.randomCutForest.query", "{query}");
    }
    for aggregation in ["avg", "count", "group", "max", "min", "stddev", "stdvar", "sum"] {
        let body = json!({ "alias": "a", "configuration": forest(&format!("{aggregation} by (job) (up)")) });
        server.good(202, "POST", &list, body).await;
    }
    server
        .good(202, "POST", &list, json!({ "alias": "a", "configuration": forest("(quantile(0.9, up))") }))
        .await;
    // The operation lists no error for what does not exist.
    let body = json!({ "alias": "a", "configuration": forest("avg(up)") });
    let unknown = server.bad(INVALID, "POST", "/workspaces/ws-1/anomalydetectors", body).await;
    assert_eq!((&unknown["reason"], &unknown["message"]), (&json!("OTHER"), &json!("Workspace not found")));
    server.plane.stop().await;
}
