//! Configuration and logging of workspaces.

use super::*;

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/prom:*";

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_one_by_one() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let path = format!("{workspace}/configuration");
    let shown = server.good(200, "GET", &path, Value::Null).await;
    let defaults = json!({
        "limitsPerLabelSet": [],
        "retentionPeriodInDays": 150,
        "outOfOrderTimeWindowInSeconds": 600,
        "ruleQueryOffsetInSeconds": 0,
        "status": { "statusCode": "ACTIVE" },
    });
    assert_eq!(shown["workspaceConfiguration"], defaults);
    server.bad(INVALID, "PATCH", &path, json!({})).await;
    server.bad(INVALID, "PATCH", &path, json!({ "retentionPeriodInDays": 1096 })).await;
    server
        .bad(MISSING, "PATCH", "/workspaces/ws-1/configuration", json!({ "retentionPeriodInDays": 1 }))
        .await;

    let sets = json!([
        { "limits": { "maxSeries": 1_000_000 }, "labelSet": { "team": "A", "env": "prod" } },
        { "limits": { "maxSeries": 0 }, "labelSet": {} },
    ]);
    let answer = server.good(202, "PATCH", &path, json!({ "limitsPerLabelSet": sets })).await;
    assert_eq!(answer, json!({ "status": { "statusCode": "UPDATING" } }));
    server.bad(CONFLICT, "PATCH", &path, json!({ "retentionPeriodInDays": 1 })).await;
    server.until(&path, "/workspaceConfiguration/status/statusCode", "ACTIVE").await;
    let change = json!({ "retentionPeriodInDays": 1095, "outOfOrderTimeWindowInSeconds": 60, "ruleQueryOffsetInSeconds": 5 });
    server.good(202, "PATCH", &path, change).await;
    let shown = server.until(&path, "/workspaceConfiguration/status/statusCode", "ACTIVE").await;
    let settings = &shown["workspaceConfiguration"];
    assert_eq!(settings["limitsPerLabelSet"], sets, "what is left out stays");
    assert_eq!(settings["retentionPeriodInDays"], 1095);
    assert_eq!(settings["outOfOrderTimeWindowInSeconds"], 60);
    assert_eq!(settings["ruleQueryOffsetInSeconds"], 5);
    let windows: Vec<_> = server
        .plane
        .read(|state| state.workspaces.values().map(|record| record.out_of_order_window_ms).collect());
    assert_eq!(windows, [60_000], "the window in force is the workspace's");
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_rules_and_of_queries_are_directed() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let destinations =
        json!([{ "cloudWatchLogs": { "logGroupArn": GROUP }, "filters": { "qspThreshold": 1_000_000 } }]);
    let cases = [
        ("logging", "loggingConfiguration", json!({ "logGroupArn": GROUP }), "logGroupArn", json!(GROUP)),
        (
            "logging/query",
            "queryLoggingConfiguration",
            json!({ "destinations": destinations }),
            "destinations",
            destinations.clone(),
        ),
    ];
    for (path, wrapper, body, member, value) in cases {
        let path = format!("{workspace}/{path}");
        let status = format!("/{wrapper}/status/statusCode");
        server.bad(MISSING, "GET", &path, Value::Null).await;
        server.bad(MISSING, "PUT", &path, body.clone()).await;
        server.bad(INVALID, "POST", &path, json!({})).await;
        let created = server.good(202, "POST", &path, body.clone()).await;
        assert_eq!(created, json!({ "status": { "statusCode": "CREATING" } }));
        // A conflict is not among the errors of the operation.
        let again = server.bad(INVALID, "POST", &path, body.clone()).await;
        assert_eq!(again["reason"], "OTHER");
        let shown = server.until(&path, &status, "ACTIVE").await;
        assert_eq!((&shown[wrapper]["workspace"], &shown[wrapper][member]), (&json!(id), &value));
        assert!(shown[wrapper]["createdAt"].is_f64() && shown[wrapper]["modifiedAt"].is_f64());
        let updated = server.good(202, "PUT", &path, body.clone()).await;
        assert_eq!(updated, json!({ "status": { "statusCode": "UPDATING" } }));
        server.bad(CONFLICT, "PUT", &path, body).await;
        server.until(&path, &status, "ACTIVE").await;
        assert_eq!(server.good(202, "DELETE", &path, Value::Null).await, Value::Null);
        server.until_gone(&path).await;
    }
    server.plane.stop().await;
}
