//! Resource policies.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changes_only_from_the_revision_that_was_seen() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let path = format!("{workspace}/policy");
    let document = |action: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
                "Action": [action],
                "Resource": format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}"),
            }],
        })
        .to_string()
    };
    server.bad(MISSING, "GET", &path, Value::Null).await;
    server.bad(MISSING, "DELETE", &path, Value::Null).await;
    let refused = server.bad(INVALID, "PUT", &path, json!({ "policyDocument": "{}" })).await;
    assert_eq!(refused["fieldList"][0]["name"], "policyDocument");
    let first = document("aps:RemoteWrite");
    server.bad(CONFLICT, "PUT", &path, json!({ "policyDocument": first, "revisionId": "1" })).await;
    let body = json!({ "policyDocument": first, "revisionId": "NO_POLICY", "clientToken": "t" });
    let put = server.good(202, "PUT", &path, body.clone()).await;
    assert_eq!(put["policyStatus"], "CREATING");
    assert_eq!(server.good(202, "PUT", &path, body).await, put, "repeated");
    let shown = server.until(&path, "/policyStatus", "ACTIVE").await;
    let expected =
        json!({ "policyDocument": first, "policyStatus": "ACTIVE", "revisionId": put["revisionId"] });
    assert_eq!(shown, expected);

    let second = document("aps:QueryMetrics");
    let conflict = server
        .bad(CONFLICT, "PUT", &path, json!({ "policyDocument": second, "revisionId": "NO_POLICY" }))
        .await;
    assert_eq!(conflict["resourceType"], "RESOURCE_POLICY");
    let body = json!({ "policyDocument": second, "revisionId": put["revisionId"] });
    let newer = server.good(202, "PUT", &path, body).await;
    assert_eq!(newer["policyStatus"], "UPDATING");
    assert_ne!(newer["revisionId"], put["revisionId"]);
    server.until(&path, "/policyStatus", "ACTIVE").await;
    let stale = put["revisionId"].as_str().expect("a revision");
    server.bad(CONFLICT, "DELETE", &format!("{path}?revisionId={stale}"), Value::Null).await;
    let unconditional = server.good(202, "PUT", &path, json!({ "policyDocument": first })).await;
    server.until(&path, "/policyStatus", "ACTIVE").await;
    let current = unconditional["revisionId"].as_str().expect("a revision");
    server.good(202, "DELETE", &format!("{path}?revisionId={current}"), Value::Null).await;
    server.until_gone(&path).await;
    server.plane.stop().await;
}
