//! What requests are read as, from wherever their members are, and what is said of those that cannot be read.

use serde_json::json;

use super::*;
use crate::{DeleteWorkspaceRequest, Operation, Problem, UpdateWorkspaceAliasRequest, route};

pub(super) const WORKSPACE: &str = "/workspaces/ws-1";
const TAG: &str = "/tags/arn%3Aaws%3Aaps%3Aeu-west-1%3A123456789012%3Aworkspace%2Fws-1";

fn ask(line: &str, body: &str) -> Result<Request, Invalid> {
    let (method, target) = line.split_once(' ').expect("method and target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&route(method, path)?, query, body.as_bytes())
}

pub(super) fn refused(line: &str, body: &str) -> (Reason, Vec<String>) {
    match ask(line, body) {
        Ok(request) => panic!("accepted {line} {body}: {request:?}"),
        Err(invalid) => (invalid.reason, invalid.fields.into_iter().map(|field| field.name).collect()),
    }
}

pub(super) fn accepted(line: &str, body: &str) -> Request {
    ask(line, body).unwrap_or_else(|invalid| panic!("{line} {body}: {invalid}"))
}

#[test]
fn wrong_types_cannot_be_parsed() {
    let configuration = format!("PATCH {WORKSPACE}/configuration");
    for (line, body, name) in [
        ("POST /workspaces", r#"{"alias": 5}"#, "alias"),
        ("POST /workspaces", r#"{"tags": []}"#, "tags"),
        ("POST /workspaces", r#"{"tags": {"a": null}}"#, r#"tags["a"]"#),
        (&configuration, r#"{"retentionPeriodInDays": "7"}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"retentionPeriodInDays": 1.5}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"retentionPeriodInDays": true}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"limitsPerLabelSet": {}}"#, "limitsPerLabelSet"),
        (&configuration, r#"{"limitsPerLabelSet": [1]}"#, "limitsPerLabelSet[0]"),
        ("PUT /workspaces/w/alertmanager/definition", r#"{"data": "a: b"}"#, "data"),
        ("PUT /workspaces/w/alertmanager/definition", r#"{"data": "YQ"}"#, "data"),
        ("PUT /scrapers/s", r#"{"destination": "x"}"#, "destination"),
        ("GET /workspaces?alias=%FF", "", "alias"),
        ("GET /workspaces/%FF", "", "workspaceId"),
    ] {
        assert_eq!(refused(line, body), (Reason::CannotParse, vec![name.to_owned()]), "{line} {body}");
    }
    let deep = format!(r#"{{"unknown": {}}}"#, "[".repeat(1000) + &"]".repeat(1000));
    for body in ["{", "[]", "null", "\"\"", "{} {}", "{\"alias\": \"\u{1}\"}", "{'a': 1}", &deep] {
        assert_eq!(refused("POST /workspaces", body), (Reason::CannotParse, vec![]), "{body}");
    }
    assert!(parse(&route("POST", "/workspaces").expect("routed"), "", b"{\"alias\": \"\xFF\"}").is_err());
}

#[test]
fn what_is_missing_is_named() {
    for (line, names) in [
        ("POST /scrapers", "scrapeConfiguration source destination"),
        ("POST /workspaces/w/rulegroupsnamespaces", "name data"),
        ("POST /workspaces/w/anomalydetectors", "alias configuration"),
        ("PUT /workspaces/w/policy", "policyDocument"),
        ("PUT /scrapers/s/logging-configuration", "loggingDestination"),
        (&format!("POST {TAG}"), "tags"),
        (&format!("DELETE {TAG}"), "tagKeys"),
    ] {
        let names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        assert_eq!(refused(line, r#"{"name": null}"#), (Reason::FieldValidationFailed, names), "{line}");
    }
}

#[test]
fn members_are_read_from_where_they_belong() {
    let request =
        accepted("DELETE /workspaces/ws-1?clientToken=q", r#"{"clientToken": "b", "workspaceId": "x"}"#);
    let expected = DeleteWorkspaceRequest { workspace_id: "ws-1".into(), client_token: Some("q".into()) };
    assert_eq!(request, Request::DeleteWorkspace(expected));
    let request = accepted("POST /workspaces/ws-1/alias?clientToken=q&alias=q", r#"{"workspaceId": "x"}"#);
    let expected =
        UpdateWorkspaceAliasRequest { workspace_id: "ws-1".into(), alias: None, client_token: None };
    assert_eq!(request, Request::UpdateWorkspaceAlias(expected));
    assert_eq!(
        accepted("GET /workspaces?alias=+a%2Bb+&maxResults=7&nextToken=&other", "not json"),
        accepted("GET /workspaces?nextToken=&maxResults=7&alias=a%2Bb", "")
    );
}

#[test]
fn aliases_lose_their_blanks_and_unknown_members_go() {
    let Request::CreateWorkspace(request) =
        accepted("POST /workspaces", r#"{"alias": " a b\n", "unknown": {"x": [null]}, "alias2": 1}"#)
    else {
        panic!("another operation");
    };
    assert_eq!(request.alias.as_deref(), Some("a b"));
    let Request::UpdateWorkspaceConfiguration(request) = accepted(
        "PATCH /workspaces/w/configuration",
        r#"{"retentionPeriodInDays": 1, "retentionPeriodInDays": 2e1, "limitsPerLabelSet": null}"#,
    ) else {
        panic!("another operation");
    };
    assert_eq!((request.retention_period_in_days, request.limits_per_label_set), (Some(20), None));
}

#[test]
fn queries_hold_lists_maps_and_pages() {
    let Request::UntagResource(request) =
        accepted(&format!("DELETE {TAG}?tagKeys=Status&tagKeys=a%20b&tagKeys=Status"), "")
    else {
        panic!("another operation");
    };
    assert_eq!(request.tag_keys, ["Status", "a b", "Status"]);
    assert_eq!(request.resource_arn.resource.workspace(), Some("ws-1"));
    let Request::ListScrapers(request) =
        accepted("GET /scrapers?status=ACTIVE&status=CREATING&alias=T&maxResults=5&X-Amz-Date=1", "")
    else {
        panic!("another operation");
    };
    assert_eq!(request.filters.len(), 2);
    assert_eq!(request.filters["status"], ["ACTIVE", "CREATING"]);
    assert_eq!((request.page.size(), request.page.token()), (5, None));
    let many = "status=x&".repeat(21);
    for (line, name) in [
        ("GET /scrapers?colour=red", r#"filters["colour"]"#),
        ("GET /scrapers?status=", r#"filters["status"][0]"#),
        (&format!("GET /scrapers?{many}"), r#"filters["status"]"#),
        ("GET /scrapers?maxResults=0", "maxResults"),
        ("GET /workspaces?maxResults=1001", "maxResults"),
        ("GET /workspaces?maxResults=", "maxResults"),
        ("GET /workspaces?maxResults=%2B5", "maxResults"),
        ("GET /workspaces?maxResults=x", "maxResults"),
        ("GET /workspaces?maxResults=5&maxResults=5", "maxResults"),
        ("GET /workspaces?alias=", "alias"),
        (&format!("GET /workspaces?nextToken={}", "x".repeat(1001)), "nextToken"),
        (&format!("DELETE {TAG}?tagKeys=aws:x"), "tagKeys[0]"),
        ("DELETE /scrapers/-", "scraperId"),
        ("GET /workspaces/%2E%2F", "workspaceId"),
        ("GET /workspaces/w/anomalydetectors/x", "anomalyDetectorId"),
        ("GET /tags/arn:aws:s3:::x", "resourceArn"),
    ] {
        assert_eq!(refused(line, ""), (Reason::FieldValidationFailed, vec![name.to_owned()]), "{line}");
    }
    accepted(&format!("GET /workspaces?nextToken={}", "x".repeat(1000)), "");
}

#[test]
fn all_problems_are_told_in_bounded_space() {
    let body = json!({ "alias": "", "clientToken": " ", "kmsKeyArn": 1, "tags": { "#": "ok" } });
    let invalid = ask("POST /workspaces", &body.to_string()).expect_err("all wrong");
    let names: Vec<_> = invalid.fields.iter().map(|Problem { name, .. }| name.as_str()).collect();
    assert_eq!(names, ["alias", "clientToken", r##"tags["#"]"##, "kmsKeyArn"]);
    assert_eq!(invalid.reason, Reason::CannotParse);

    let huge = "\u{10FFFF}".repeat(2_000);
    let sets = vec![json!({ "limits": {}, "labelSet": { huge.as_str(): huge.as_str() } }); 200];
    let invalid = ask("PATCH /workspaces/w/configuration", &json!({ "limitsPerLabelSet": sets }).to_string())
        .expect_err("all wrong");
    let size: usize = invalid.fields.iter().map(|field| field.name.len() + field.message.len()).sum();
    assert_eq!(invalid.fields.len(), 50);
    assert!(size < 100_000 && invalid.message.len() < 10_000, "{size} {}", invalid.message.len());
    assert!(invalid.message.ends_with("and 395 more"), "{}", invalid.message);
}

#[test]
fn repetitions_with_other_tokens_or_spellings_have_the_same_parameters() {
    let parameters = |body| accepted("POST /workspaces", body).parameters();
    let one = parameters(r#"{"alias": " a", "clientToken": "1", "tags": {"x": "1", "y": "2"}}"#);
    assert_eq!(one, parameters(r#"{"tags": {"y": "2", "x": "1"}, "alias": "a", "kmsKeyArn": null}"#));
    assert_ne!(one, parameters(r#"{"alias": "a"}"#));
}

#[test]
fn the_idempotency_token_is_where_section_3_has_it() {
    for operation in Operation::ALL {
        let expected = match operation {
            Operation::TagResource
            | Operation::UntagResource
            | Operation::UpdateScraperLoggingConfiguration => None,
            _ if operation.is_read_only() => None,
            _ if operation.method() == "DELETE" => Some(Location::Query),
            _ => Some(Location::Body),
        };
        assert_eq!(operation.token(), expected, "{operation:?}");
    }
}
