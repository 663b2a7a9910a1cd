//! Rule groups namespaces and alert manager definitions.

use super::*;

const RULES: &str = "groups:\n  - name: g\n    rules:\n      - record: r\n        expr: sum(up)\n";
const OTHER: &str =
    "groups:\n  - name: g\n    interval: 30s\n    rules:\n      - alert: A\n        expr: up == 0\n";
const DEFINITION: &str =
    "alertmanager_config: |\n  route:\n    receiver: default\n  receivers:\n    - name: default\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_from_its_creation_to_its_end() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let id = workspace.trim_start_matches("/workspaces/");
    let list = format!("{workspace}/rulegroupsnamespaces");
    let name = "rules file/1: Ü";
    let path = format!("{list}/rules%20file%2F1%3A%20%C3%9C");
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:rulegroupsnamespace/{id}/{name}");

    server.bad(MISSING, "GET", &path, Value::Null).await;
    server.bad(MISSING, "PUT", &path, json!({ "data": base64(RULES) })).await;
    let body = json!({ "name": name, "data": base64(RULES), "tags": { "Team": "a" }, "clientToken": "t" });
    let created = server.good(202, "POST", &list, body.clone()).await;
    let expected = json!({
        "name": name, "arn": arn, "status": { "statusCode": "CREATING" }, "tags": { "Team": "a" },
    });
    assert_eq!(created, expected);
    assert_eq!(server.good(202, "POST", &list, body).await, expected, "the same token, the same answer");
    let again = server.bad(CONFLICT, "POST", &list, json!({ "name": name, "data": base64(RULES) })).await;
    let (named, kind) = (&again["resourceId"], &again["resourceType"]);
    assert_eq!((named, kind), (&json!(name), &json!("RULE_GROUPS_NAMESPACE")));

    let shown = server.until(&path, "/ruleGroupsNamespace/status/statusCode", "ACTIVE").await;
    let namespace = &shown["ruleGroupsNamespace"];
    assert_eq!((&namespace["data"], &namespace["tags"]), (&json!(base64(RULES)), &json!({ "Team": "a" })));
    assert_eq!((&namespace["name"], &namespace["arn"]), (&json!(name), &json!(arn)));
    assert!(namespace["createdAt"].is_f64() && namespace["modifiedAt"].is_f64());

    let put = server.good(202, "PUT", &path, json!({ "data": base64(OTHER) })).await;
    assert_eq!(put["status"], json!({ "statusCode": "UPDATING" }));
    server.bad(CONFLICT, "PUT", &path, json!({ "data": base64(RULES) })).await;
    server.bad(CONFLICT, "DELETE", &path, Value::Null).await;
    let shown = server.until(&path, "/ruleGroupsNamespace/status/statusCode", "ACTIVE").await;
    assert_eq!(shown["ruleGroupsNamespace"]["data"], base64(OTHER));
    assert_eq!(shown["ruleGroupsNamespace"]["tags"], json!({ "Team": "a" }), "a put leaves tags alone");

    assert_eq!(server.good(202, "DELETE", &path, Value::Null).await, Value::Null);
    let shown = server.good(200, "GET", &path, Value::Null).await;
    assert_eq!(shown["ruleGroupsNamespace"]["status"]["statusCode"], "DELETING");
    let gone = server.until_gone(&path).await;
    assert_eq!(gone.body["resourceType"], "RULE_GROUPS_NAMESPACE");
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_listed_by_name_in_pages() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let list = format!("{workspace}/rulegroupsnamespaces");
    for name in ["b", "a1", "c", "a2"] {
        server.good(202, "POST", &list, json!({ "name": name, "data": base64(RULES) })).await;
    }
    let names = |page: &Value| {
        let items = page["ruleGroupsNamespaces"].as_array().expect("a list").iter();
        items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let first = server.good(200, "GET", &format!("{list}?maxResults=3"), Value::Null).await;
    assert_eq!(names(&first), ["a1", "a2", "b"]);
    assert!(first["ruleGroupsNamespaces"][0].get("data").is_none(), "without the files");
    let token = first["nextToken"].as_str().expect("there is more");
    let second =
        server.good(200, "GET", &format!("{list}?maxResults=3&nextToken={token}"), Value::Null).await;
    assert_eq!((names(&second), second.get("nextToken")), (vec!["c".to_owned()], None));
    let some = server.good(200, "GET", &format!("{list}?name=a"), Value::Null).await;
    assert_eq!(names(&some), ["a1", "a2"]);
    server.bad(INVALID, "GET", &format!("{list}?name=a&nextToken={token}"), Value::Null).await;
    server.bad(MISSING, "GET", "/workspaces/ws-1/rulegroupsnamespaces", Value::Null).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_refused_with_the_place_of_what_is_wrong() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let list = format!("{workspace}/rulegroupsnamespaces");
    let wrong = "groups:\n  - name: g\n    rules:\n      - record: r\n        expr: sum(up\n";
    let refused = server.bad(INVALID, "POST", &list, json!({ "name": "n", "data": base64(wrong) })).await;
    assert_eq!(refused["fieldList"][0]["name"], "data");
    let message = refused["fieldList"][0]["message"].as_str().expect("a text");
    assert!(message.contains("line 5"), "{message}");
    let fast = OTHER.replace("30s", "29s");
    let refused = server.bad(INVALID, "POST", &list, json!({ "name": "n", "data": base64(&fast) })).await;
    assert!(refused["message"].as_str().is_some_and(|text| text.contains('g')), "{refused}");
    let long = RULES.replace("name: g", &format!("name: {}", "g".repeat(720)));
    server.bad(INVALID, "POST", &list, json!({ "name": "nn", "data": base64(&long) })).await;
    server.good(202, "POST", &list, json!({ "name": "n", "data": base64(&long) })).await;

    // Recipes for the first version of the command line encode twice.
    server.good(202, "POST", &list, json!({ "name": "twice", "data": base64(&base64(RULES)) })).await;
    let shown = server.good(200, "GET", &format!("{list}/twice"), Value::Null).await;
    assert_eq!(shown["ruleGroupsNamespace"]["data"], base64(RULES));

    let definition = format!("{workspace}/alertmanager/definition");
    let wrong = DEFINITION.replace("receiver: default", "receiver: other");
    let refused = server.bad(INVALID, "POST", &definition, json!({ "data": base64(&wrong) })).await;
    assert_eq!(refused["fieldList"][0]["name"], "data");
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_from_its_creation_to_its_end() {
    let server = Server::start(25).await;
    let path = format!("{}/alertmanager/definition", server.workspace().await);
    let body = json!({ "data": base64(DEFINITION) });
    server.bad(MISSING, "GET", &path, Value::Null).await;
    server.bad(MISSING, "PUT", &path, body.clone()).await;
    server.bad(MISSING, "DELETE", &path, Value::Null).await;
    server.bad(MISSING, "POST", "/workspaces/ws-1/alertmanager/definition", body.clone()).await;
    let created = server.good(202, "POST", &path, body.clone()).await;
    assert_eq!(created, json!({ "status": { "statusCode": "CREATING" } }));
    let again = server.bad(CONFLICT, "POST", &path, body.clone()).await;
    assert_eq!(again["resourceType"], "ALERT_MANAGER_DEFINITION");
    let shown = server.until(&path, "/alertManagerDefinition/status/statusCode", "ACTIVE").await;
    assert_eq!(shown["alertManagerDefinition"]["data"], base64(DEFINITION));
    let put = server.good(202, "PUT", &path, body).await;
    assert_eq!(put, json!({ "status": { "statusCode": "UPDATING" } }));
    server.until(&path, "/alertManagerDefinition/status/statusCode", "ACTIVE").await;
    server.good(202, "DELETE", &path, Value::Null).await;
    server.until_gone(&path).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_workspace_takes_its_definitions_along() {
    let server = Server::start(25).await;
    let workspace = server.workspace().await;
    let list = format!("{workspace}/rulegroupsnamespaces");
    server.good(202, "POST", &list, json!({ "name": "n", "data": base64(RULES) })).await;
    server.good(202, "DELETE", &workspace, Value::Null).await;
    let refused = server.bad(CONFLICT, "POST", &list, json!({ "name": "m", "data": base64(RULES) })).await;
    assert_eq!(refused["resourceType"], "WORKSPACE");
    server.until_gone(&workspace).await;
    server.bad(MISSING, "GET", &format!("{list}/n"), Value::Null).await;
    assert!(server.plane.read(|state| state.resources.is_empty()));
    server.plane.stop().await;
}
