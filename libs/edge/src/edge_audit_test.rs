//! Calls as the audit log tells them: allowed, refused, throttled, and those of the data plane that are chosen.

use clap::Parser;
use narthex_audit::Audit;
use narthex_service::SystemClock;
use tempfile::TempDir;

use super::*;
use crate::{AuditDetail, EdgeSettings};

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    edge: EdgeSettings,
}

fn json(value: &Value) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json")], value.to_string())
}

struct Audited {
    app: Router,
    audit: Audit,
    folder: TempDir,
}

fn audited(flags: &[&str], change: impl FnOnce(&mut EdgeOptions)) -> Audited {
    let folder = TempDir::new().expect("a folder");
    let log = format!("--audit.log={}", folder.path().join("audit.log").display());
    let flags = ["test", &log].into_iter().chain(flags.iter().copied());
    let Flags { edge } = narthex_service::config::parse_from(flags).expect("valid");
    let components = Components::new(Arc::new(StoppedClock), Random::from_seed(1), None);
    // The log waits on its own clock.
    let writing = Components::new(SystemClock::shared(), Random::from_seed(2), None);
    let audit = Audit::start(&edge.audit, REGION, &writing).expect("opened");
    let mut options = EdgeOptions::new(REGION);
    change(&mut options);
    let create = async |body: Bytes| {
        let asked: Value = serde_json::from_slice(&body).expect("JSON");
        let made =
            serde_json::json!({"workspaceId": WORKSPACE, "tags": asked["tags"], "secretAccessKey": "hush"});
        (StatusCode::ACCEPTED, json(&made))
    };
    let list = async || json(&serde_json::json!({"workspaces": []}));
    let conflict = async || AwsError::conflict("exists already", WORKSPACE, "ALERT_MANAGER");
    let policy = async || {
        let mut response = StatusCode::ACCEPTED.into_response();
        let named = |name: &str| Some(serde_json::Map::from_iter([(name.to_owned(), true.into())]));
        let detail = AuditDetail { request_parameters: named("asked"), response_elements: named("made") };
        response.extensions_mut().insert(detail);
        response
    };
    let api = Router::new()
        .route("/workspaces", get(list).post(create))
        .route("/workspaces/{id}/alertmanager/definition", post(conflict))
        .route("/workspaces/{id}/policy", axum::routing::put(policy))
        .route("/workspaces/{id}/api/v1/query", any(async || "queried"));
    let edge = Edge::audited(options, Cluster::new(snapshot(), None), &components, "test", audit.clone());
    Audited { app: edge.wrap(api), audit, folder }
}

impl Audited {
    async fn send(&self, request: http::Request<Vec<u8>>) -> (http::HeaderMap, String) {
        let response = self.app.clone().oneshot(request.map(Body::from)).await.expect("infallible");
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        (headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// All records, once everything is written.
    async fn records(self) -> (Vec<Value>, String) {
        self.audit.close().await;
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).expect("written");
        (text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), text)
    }
}

#[tokio::test]
async fn a_change_is_told_with_its_members_and_its_reply() {
    let audited = audited(&[], |_| {});
    let body = br#"{"alias":"mine","clientToken":"t-1","tags":{"a":"b"}}"#;
    let mut request = signed("POST", "/workspaces", body);
    request.headers_mut().insert("user-agent", HeaderValue::from_static("aws-cli/2"));
    let (headers, reply) = audited.send(request).await;
    assert!(reply.contains("hush"), "the reply itself is left alone: {reply}");
    let (records, text) = audited.records().await;
    assert_eq!(records.len(), 1, "{text}");
    let record = &records[0];
    for (name, value) in [
        ("eventName", "CreateWorkspace"),
        ("eventTime", "2026-11-23T12:00:00Z"),
        ("awsRegion", "us-east-1"),
        ("userAgent", "aws-cli/2"),
        ("recipientAccountId", "111111111111"),
        ("eventCategory", "Management"),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(record["requestID"], headers["x-amzn-requestid"].to_str().expect("text"));
    assert_eq!(record["userIdentity"]["type"], "IAMUser");
    assert_eq!(record["userIdentity"]["userName"], "tester");
    assert_eq!(record["userIdentity"]["accessKeyId"], ACCESS_KEY);
    let parameters = serde_json::json!({"alias": "mine", "clientToken": "t-1", "tags": {"a": "b"}});
    assert_eq!(record["requestParameters"], parameters);
    assert_eq!(record["responseElements"]["workspaceId"], WORKSPACE);
    assert_eq!(record["responseElements"]["Access-Control-Expose-Headers"], crate::EXPOSED);
    assert_eq!((&record["readOnly"], &record["managementEvent"]), (&false.into(), &true.into()));
    assert!(record.get("errorCode").is_none());
    for secret in [SECRET, "hush", "Signature="] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn reads_refusals_and_failures_are_told_too_and_what_names_no_operation_is_not() {
    let audited = audited(&[], |_| {});
    let definition = format!("/workspaces/{WORKSPACE}/alertmanager/definition");
    let wrong = Signer { secret: "wrong", ..Signer::default() };
    let unknown = Signer { access_key: "AKIDUNKNOWN", ..Signer::default() };
    for request in [
        signed("GET", "/workspaces?maxResults=5&nextToken=n", b""),
        plain("GET", "/workspaces", b""),
        sign(plain("POST", "/workspaces", br#"{"alias":"forged"}"#), &wrong),
        sign(plain("GET", "/workspaces", b""), &unknown),
        signed("POST", &definition, br#"{"data":"Z3JvdXBz"}"#),
        signed("PUT", &format!("/workspaces/{WORKSPACE}/policy"), b"{}"),
        plain("GET", "/wp-login.php", b""),
        plain("OPTIONS", "/workspaces", b""),
        signed("GET", &query(WORKSPACE), b""),
    ] {
        audited.send(request).await;
    }
    let (records, text) = audited.records().await;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (record["eventName"].as_str().unwrap_or(""), record["errorCode"].as_str().unwrap_or(""))
        })
        .collect();
    let expected = [
        ("ListWorkspaces", ""),
        ("ListWorkspaces", "MissingAuthenticationTokenException"),
        ("CreateWorkspace", "InvalidSignatureException"),
        ("ListWorkspaces", "UnrecognizedClientException"),
        ("CreateAlertManagerDefinition", "ConflictException"),
        ("PutResourcePolicy", ""),
    ];
    assert_eq!(told, expected, "{text}");
    assert_eq!(records[0]["requestParameters"], serde_json::json!({"maxResults": "5", "nextToken": "n"}));
    assert_eq!((&records[0]["responseElements"], &records[0]["readOnly"]), (&Value::Null, &true.into()));
    assert_eq!(records[1]["userIdentity"], serde_json::json!({"type": "Unknown"}));
    let forged = &records[2]["userIdentity"];
    assert_eq!(
        (&forged["type"], &forged["accessKeyId"]),
        (&"Unknown".into(), &ACCESS_KEY.into()),
        "not verified"
    );
    assert!(!records[2].to_string().contains("tester") && records[2]["requestParameters"].is_null());
    let parameters = serde_json::json!({"data": "HIDDEN_DUE_TO_SECURITY_REASONS", "workspaceId": WORKSPACE});
    assert_eq!(records[4]["requestParameters"], parameters);
    assert_eq!(records[4]["errorMessage"], "exists already");
    let policy = serde_json::json!({"asked": true, "workspaceId": WORKSPACE});
    assert_eq!(records[5]["requestParameters"], policy, "what the handler says, and the path");
    assert_eq!(records[5]["responseElements"], serde_json::json!({"made": true}));
}

#[tokio::test]
async fn a_throttled_call_is_told_as_refused() {
    let audited = audited(&[], |options| options.rates.management = narthex_limits::Rate::new(1.0, 1.0));
    for _ in 0..2 {
        audited.send(signed("GET", "/workspaces", b"")).await;
    }
    let (records, text) = audited.records().await;
    assert_eq!(records.len(), 2, "{text}");
    assert_eq!(records[1]["errorCode"], "ThrottlingException");
    assert_eq!(records[1]["userIdentity"]["userName"], "tester");
}

/// AUD-11.
#[tokio::test]
async fn data_calls_are_told_where_that_is_turned_on() {
    let audited = audited(&[&format!("--audit.data-events={WORKSPACE}")], |_| {});
    audited.send(signed("GET", &format!("{}?query=secret_metric", query(WORKSPACE)), b"")).await;
    audited.send(plain("GET", &query(WORKSPACE), b"")).await;
    audited.send(signed("GET", &query(DELETING), b"")).await;
    let (records, text) = audited.records().await;
    assert_eq!(records.len(), 2, "{text}");
    let record = &records[0];
    assert_eq!((&record["eventName"], &record["eventCategory"]), (&"QueryMetrics".into(), &"Data".into()));
    assert_eq!(record["managementEvent"], false);
    let arn = format!("arn:aws:aps:us-east-1:111111111111:workspace/{WORKSPACE}");
    assert_eq!(record["resources"][0]["ARN"], arn);
    assert_eq!(record["requestParameters"], serde_json::json!({"workspaceId": WORKSPACE}));
    assert_eq!(records[1]["errorCode"], "MissingAuthenticationTokenException");
}
