//! The API as a table of requests and replies, on a one-node control plane.

mod definitions;
mod detectors;
mod policies;
mod quotas;
mod scrapers;
mod settings;
mod tagging;

use std::time::Duration;

use axum::{
    Extension,
    body::{Body, to_bytes},
    http::Request,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use narthex_edge::{Authenticated, Circumstances};
use narthex_model::TimestampMs;
use narthex_policy::{Caller, Permissions, Policy, Principal};
use narthex_service::Components;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{Bootstrap, Config, ControlPlane};

const ACCOUNT: &str = "123456789012";

struct Server {
    router: Router,
    plane: ControlPlane,
    components: Components,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    error: String,
    body: Value,
}

impl Server {
    async fn start(quota: u32) -> Self {
        Self::with(|limits| limits.workspaces = quota).await
    }

    async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = Config::embedded(folder.path().to_owned());
        change(&mut config.limits);
        config.bootstrap = Some(Bootstrap {
            account_id: ACCOUNT.parse().expect("digits"),
            access_keys: Vec::new(),
            workspaces: Vec::new(),
            accounts: Vec::new(),
        });
        let components = Components::from_system(None);
        let plane = ControlPlane::start(&config, None, &components).await.expect("started");
        while plane.not_ready().is_some() {
            components.clock.sleep(Duration::from_millis(10)).await;
        }
        let router = plane.api(&config, "http://here:9009/", &components.random);
        Self { router, plane, components, _folder: folder }
    }

    async fn call_as(&self, account: &str, method: &str, path: &str, body: &str) -> Answer {
        self.call_by(caller(account, &[]), method, path, body).await
    }

    async fn call_by(&self, caller: Caller, method: &str, path: &str, body: &str) -> Answer {
        let who = Authenticated {
            account: caller.principal.account().expect("one of an account").parse().expect("digits"),
            caller: caller.into(),
            access_key_id: None,
            circumstances: Circumstances {
                now: TimestampMs(1_795_435_200_000),
                region: "us-east-1".into(),
                secure: true,
                user_agent: None,
                source: [127, 0, 0, 1].into(),
                passage: None,
            },
            workspace: None,
            request_id: "id".into(),
        };
        let request =
            Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).expect("valid");
        let response = self.router.clone().layer(Extension(who)).oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let error =
            response.headers().get("x-amzn-errortype").map(|name| name.to_str().expect("text").to_owned());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("short");
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        Answer { status, error: error.unwrap_or_default(), body }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call_as(ACCOUNT, method, path, body).await
    }

    /// A call that succeeds with that status.
    async fn good(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(method, path, &text).await;
        assert_eq!(answer.status, status, "{method} {path}: {} {}", answer.error, answer.body);
        answer.body
    }

    /// A call that is refused with that status and error.
    async fn bad(&self, refusal: (u16, &str), method: &str, path: &str, body: Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(method, path, &text).await;
        assert_eq!(
            (answer.status, answer.error.as_str()),
            refusal,
            "{method} {path} {body}: {}",
            answer.body
        );
        answer.body
    }

    /// Polls until a status is reached, as clients do.
    async fn until(&self, path: &str, pointer: &str, wanted: &str) -> Value {
        for _ in 0..600 {
            let answer = self.call("GET", path, "").await;
            if answer.body.pointer(pointer).is_some_and(|status| status == wanted) {
                return answer.body;
            }
            self.components.clock.sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never became {wanted}");
    }

    async fn until_gone(&self, path: &str) -> Answer {
        for _ in 0..600 {
            let answer = self.call("GET", path, "").await;
            if answer.status == 404 {
                return answer;
            }
            self.components.clock.sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never went");
    }

    /// A workspace that is ACTIVE: its path.
    async fn workspace(&self) -> String {
        let path = format!("/workspaces/{}", self.create("").await);
        self.until(&path, "/workspace/status/statusCode", "ACTIVE").await;
        path
    }

    async fn create(&self, body: &str) -> String {
        let answer = self.call("POST", "/workspaces", body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["workspaceId"].as_str().expect("an id").to_owned()
    }

    async fn describe_until(&self, id: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        for _ in 0..600 {
            let answer = self.call("GET", &format!("/workspaces/{id}"), "").await;
            if wanted(&answer) {
                return answer;
            }
            self.components.clock.sleep(Duration::from_millis(20)).await;
        }
        panic!("the workspace never came into the wanted state");
    }
}

const INVALID: (u16, &str) = (400, "ValidationException");
const OVER: (u16, &str) = (402, "ServiceQuotaExceededException");
const DENIED: (u16, &str) = (403, "AccessDeniedException");
const MISSING: (u16, &str) = (404, "ResourceNotFoundException");
const CONFLICT: (u16, &str) = (409, "ConflictException");

/// The root of an account, or with policies a user of it.
fn caller(account: &str, policies: &[Value]) -> Caller {
    let name = if policies.is_empty() { "root" } else { "user/someone" };
    let principal = Principal::from_arn(&format!("arn:aws:iam::{account}:{name}")).expect("an ARN");
    let policy = |text: &Value| {
        Policy::parse(&text.to_string(), narthex_policy::Kind::Managed).expect("a policy").into()
    };
    let identity = policies.iter().map(policy).collect();
    Caller { principal, permissions: Permissions { identity, ..Permissions::default() } }
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_permission_is_refused_before_anything_is_looked_up() {
    let server = Server::start(25).await;
    let path = server.workspace().await;
    let allow = |action: &str, resource: &str| json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }] });
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/*");
    let reader = || caller(ACCOUNT, &[allow("aps:DescribeWorkspace", &arn)]);
    assert_eq!(server.call_by(reader(), "GET", &path, "").await.status, 200);
    for (method, path) in [
        ("DELETE", path.clone()),
        ("GET", "/workspaces".to_owned()),
        ("GET", "/workspaces/ws-1/configuration".to_owned()),
    ] {
        let answer = server.call_by(reader(), method, &path, "").await;
        assert_eq!((answer.status, answer.error.as_str()), DENIED, "{method} {path}");
    }
    let creator = || caller(ACCOUNT, &[allow("aps:CreateWorkspace", "*")]);
    assert_eq!(server.call_by(creator(), "POST", "/workspaces", "{}").await.status, 202);
    let tagged = server.call_by(creator(), "POST", "/workspaces", r#"{"tags": {"k": "v"}}"#).await;
    assert_eq!(tagged.status, 403);
    let message = tagged.body["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("aps:TagResource"), "{message}");
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_from_its_creation_to_its_end() {
    let server = Server::start(25).await;
    let body = r#"{"alias": "  mine ", "tags": {"Team": "a b", "Empty": ""}, "unknown": 1}"#;
    let created = server.call("POST", "/workspaces", body).await;
    assert_eq!(created.status, 202);
    let id = created.body["workspaceId"].as_str().expect("an id");
    let arn = format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}");
    let expected = json!({
        "workspaceId": id, "arn": arn, "status": {"statusCode": "CREATING"}, "tags": {"Empty": "", "Team": "a b"},
    });
    assert_eq!(created.body, expected);

    let active = server
        .describe_until(id, |answer| answer.body["workspace"]["status"]["statusCode"] == "ACTIVE")
        .await;
    let workspace = &active.body["workspace"];
    assert_eq!(workspace["alias"], "mine");
    assert_eq!(workspace["prometheusEndpoint"], format!("http://here:9009/workspaces/{id}/"));
    assert!(workspace["createdAt"].as_f64().is_some_and(|at| at > 1.6e9 && at < 1e11), "seconds");
    assert!(workspace.get("kmsKeyArn").is_none());

    let alias = format!("/workspaces/{id}/alias");
    assert_eq!(server.call("POST", &alias, r#"{"alias": "other"}"#).await.status, 204);
    let renamed = server.call("GET", &format!("/workspaces/{id}"), "").await;
    assert_eq!(renamed.body["workspace"]["alias"], "other", "a read after a write sees it");
    assert_eq!(server.call("POST", &alias, "{}").await.status, 204);
    assert!(
        server.call("GET", &format!("/workspaces/{id}"), "").await.body["workspace"].get("alias").is_none()
    );

    let foreign = server.call_as("210987654321", "GET", &format!("/workspaces/{id}"), "").await;
    assert_eq!((foreign.status, foreign.error.as_str()), (404, "ResourceNotFoundException"));
    let foreign = server.call_as("210987654321", "DELETE", &format!("/workspaces/{id}"), "").await;
    assert_eq!(foreign.status, 404);

    assert_eq!(server.call("DELETE", &format!("/workspaces/{id}?clientToken=d"), "").await.status, 202);
    let deleting = server.call("GET", &format!("/workspaces/{id}"), "").await;
    assert_eq!(deleting.body["workspace"]["status"]["statusCode"], "DELETING");
    assert_eq!(
        server.call("DELETE", &format!("/workspaces/{id}?clientToken=d"), "").await.status,
        202,
        "repeated"
    );
    let again = server.call("DELETE", &format!("/workspaces/{id}?clientToken=e"), "").await;
    assert_eq!((again.status, again.error.as_str()), (409, "ConflictException"));
    let gone = server.describe_until(id, |answer| answer.status == 404).await;
    assert_eq!(gone.error, "ResourceNotFoundException");
    assert_eq!((&gone.body["resourceId"], &gone.body["resourceType"]), (&json!(id), &json!("WORKSPACE")));
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_name_what_is_wrong() {
    let server = Server::start(25).await;
    let long = |count: usize| "x".repeat(count);
    let tags = |count: usize| (0..count).map(|n| format!(r#""k{n}":"""#)).collect::<Vec<_>>().join(",");
    let cases = [
        (r#"{"alias": "  "}"#.to_owned(), "FIELD_VALIDATION_FAILED", "alias"),
        (format!(r#"{{"alias": "{}"}}"#, long(101)), "FIELD_VALIDATION_FAILED", "alias"),
        (r#"{"clientToken": "a b"}"#.to_owned(), "FIELD_VALIDATION_FAILED", "clientToken"),
        (format!(r#"{{"clientToken": "{}"}}"#, long(65)), "FIELD_VALIDATION_FAILED", "clientToken"),
        (format!(r#"{{"tags": {{{}}}}}"#, tags(51)), "FIELD_VALIDATION_FAILED", "tags"),
        (r#"{"tags": {"AWS:x": "1"}}"#.to_owned(), "FIELD_VALIDATION_FAILED", "tags"),
        (r#"{"tags": {"": "1"}}"#.to_owned(), "FIELD_VALIDATION_FAILED", "tags"),
        (r#"{"tags": {"a#b": "1"}}"#.to_owned(), "FIELD_VALIDATION_FAILED", "tags"),
        (format!(r#"{{"tags": {{"k": "{}"}}}}"#, long(257)), "FIELD_VALIDATION_FAILED", "tags"),
        (
            r#"{"kmsKeyArn": "arn:aws:aps:us-west-2:111122223333:workspace/x"}"#.to_owned(),
            "FIELD_VALIDATION_FAILED",
            "kmsKeyArn",
        ),
        (r#"{"alias": 5}"#.to_owned(), "CANNOT_PARSE", ""),
        (r#"{"tags": {"a": 1}}"#.to_owned(), "CANNOT_PARSE", ""),
        ("[]".to_owned(), "CANNOT_PARSE", ""),
        ("{".to_owned(), "CANNOT_PARSE", ""),
    ];
    for (body, reason, field) in cases {
        let answer = server.call("POST", "/workspaces", &body).await;
        assert_eq!((answer.status, answer.error.as_str()), (400, "ValidationException"), "{body}");
        assert_eq!(answer.body["reason"], reason, "{body}");
        if !field.is_empty() {
            let named = answer.body["fieldList"][0]["name"].as_str().unwrap_or_default();
            assert!(named.starts_with(field), "{body}: {named}");
        }
    }
    let paths = [
        ("GET", "/workspaces?maxResults=0", "FIELD_VALIDATION_FAILED"),
        ("GET", "/workspaces?maxResults=1001", "FIELD_VALIDATION_FAILED"),
        ("GET", "/workspaces?maxResults=x", "FIELD_VALIDATION_FAILED"),
        ("GET", "/workspaces?nextToken=forged", "FIELD_VALIDATION_FAILED"),
        ("GET", "/workspaces/%2E%2F", "FIELD_VALIDATION_FAILED"),
        ("PUT", "/workspaces", "UNKNOWN_OPERATION"),
        ("GET", "/nothing", "UNKNOWN_OPERATION"),
        ("GET", "/workspaces/ws-1/nothing", "UNKNOWN_OPERATION"),
    ];
    for (method, path, reason) in paths {
        let answer = server.call(method, path, "").await;
        assert_eq!((answer.status, &answer.body["reason"]), (400, &json!(reason)), "{method} {path}");
    }
    for path in
        ["/workspaces/ws-1", "/workspaces/a%2Fb", "/workspaces/ws-00000000-0000-4000-8000-000000000000"]
    {
        let answer = server.call("GET", path, "").await;
        assert_eq!((answer.status, answer.error.as_str()), (404, "ResourceNotFoundException"), "{path}");
    }
    assert_eq!(server.call("GET", "/workspaces", "").await.body, json!({"workspaces": []}));
    let good = r#"{"alias": null, "tags": {"é ü": "Ω:/=+-@_."}, "kmsKeyArn": "arn:aws:kms:us-west-2:111122223333:key/12ab"}"#;
    let answer = server.call("POST", "/workspaces", good).await;
    assert_eq!(
        (answer.status, &answer.body["kmsKeyArn"]),
        (202, &json!("arn:aws:kms:us-west-2:111122223333:key/12ab"))
    );
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_pages_tokens_and_the_quota() {
    let server = Server::start(12).await;
    let mut made = Vec::new();
    for number in 0..12 {
        made.push(
            server.create(&format!(r#"{{"alias": "{}-{number}"}}"#, ["even", "odd"][number % 2])).await,
        );
    }
    let over = server.call("POST", "/workspaces", "").await;
    assert_eq!((over.status, over.error.as_str()), (402, "ServiceQuotaExceededException"));
    assert_eq!(over.body["message"], "Limit exceeded. Maximum workspaces per account.");
    assert_eq!((&over.body["resourceId"], &over.body["serviceCode"]), (&json!(ACCOUNT), &json!("aps")));

    let mut seen = Vec::new();
    let mut path = "/workspaces?maxResults=5".to_owned();
    let mut pages = 0;
    loop {
        let page = server.call("GET", &path, "").await;
        pages += 1;
        let ids = page.body["workspaces"].as_array().expect("a list").iter();
        seen.extend(ids.map(|summary| summary["workspaceId"].as_str().expect("an id").to_owned()));
        let Some(token) = page.body["nextToken"].as_str() else { break };
        path = format!("/workspaces?maxResults=5&nextToken={token}");
        let changed = server.call("GET", &format!("{path}&alias=even"), "").await;
        assert_eq!(changed.status, 400, "a token of another listing");
    }
    assert_eq!(pages, 3);
    assert_eq!(seen.len(), 12);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(seen), sorted(made.clone()), "each once");
    let odd = server.call("GET", "/workspaces?alias=%20odd", "").await;
    assert_eq!(odd.body["workspaces"].as_array().map(Vec::len), Some(6));
    assert!(odd.body.get("nextToken").is_none());
    assert_eq!(
        server.call_as("210987654321", "GET", "/workspaces", "").await.body,
        json!({"workspaces": []})
    );

    server.call("DELETE", &format!("/workspaces/{}", made[0]), "").await;
    let body = r#"{"alias": "a", "clientToken": "t"}"#;
    let first = server.create(body).await;
    assert_eq!(server.create(body).await, first);
    let other = server.call("POST", "/workspaces", r#"{"alias": "b", "clientToken": "t"}"#).await;
    assert_eq!((other.status, other.error.as_str()), (409, "ConflictException"));
    server.plane.stop().await;
}
