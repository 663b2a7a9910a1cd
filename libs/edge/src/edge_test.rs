//! The layer as clients see it: statuses, shapes, request ids, and what handlers get.

#[path = "edge_audit_test.rs"]
mod audit;
#[path = "authorize_test.rs"]
mod authorize;
#[path = "edge_doors_test.rs"]
mod doors;
#[path = "edge_private_test.rs"]
mod private;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::{
    Extension,
    body::{Body, to_bytes},
    routing::{any, get, post},
};
use bytes::Bytes;
use http::HeaderValue;
use narthex_cluster::{CatchUp, Credential, Identity, NotCurrent, Snapshot, WorkspaceStatus};
use narthex_model::TimestampMs;
use narthex_policy::{Kind, Permissions, Policy, Principal};
use narthex_ring::Replication;
use serde_json::Value;

use super::*;
use crate::{
    Auth,
    test_support::{ACCESS_KEY, REGION, SECRET, Signer, StoppedClock, WORKSPACE, sign},
};

const DELETING: &str = "ws-00000000-0000-4000-8000-000000000001";
const FOREIGN: &str = "ws-00000000-0000-4000-8000-000000000002";
const LATE: &str = "ws-00000000-0000-4000-8000-000000000003";
const NOWHERE: &str = "ws-00000000-0000-4000-8000-000000000004";

fn workspace(id: &str, account: &str, status: WorkspaceStatus) -> (WorkspaceId, Arc<Workspace>) {
    let id = id.parse().expect("an id");
    let account = account.parse().expect("an account");
    let found = Workspace { status, ..Workspace::new(id, account) };
    (id, Arc::new(found))
}

fn credential(id: &str, secret: &str) -> (String, Arc<Credential>) {
    let found = Credential {
        access_key_id: id.into(),
        secret_access_key: secret.into(),
        account: "111111111111".parse().expect("an account"),
        principal: "arn:aws:iam::111111111111:user/tester".into(),
    };
    (id.into(), Arc::new(found))
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::empty(Replication::One);
    snapshot.revision = 1;
    snapshot.workspaces.extend([
        workspace(WORKSPACE, "111111111111", WorkspaceStatus::Active),
        workspace(DELETING, "111111111111", WorkspaceStatus::Deleting),
        workspace(FOREIGN, "222222222222", WorkspaceStatus::Active),
    ]);
    snapshot.credentials.extend([credential(ACCESS_KEY, SECRET)]);
    snapshot.principals.extend([user("tester", &[ALL])]);
    snapshot
}

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*"}}"#;

/// A user of the account of the credentials.
fn user(name: &str, policies: &[&str]) -> (String, Identity) {
    let arn = format!("arn:aws:iam::111111111111:user/{name}");
    let policy = |text: &&str| Arc::new(Policy::parse(text, Kind::InlineUser).expect("a policy"));
    let permissions =
        Permissions { identity: policies.iter().map(policy).collect(), ..Permissions::default() };
    let principal = Principal::from_arn(&arn).expect("an ARN");
    (arn, Identity::Caller(Arc::new(Caller { principal, permissions })))
}

/// A control plane that is away, or that knows one workspace and one key more.
struct ControlPlane {
    away: bool,
    asked: AtomicUsize,
}

#[async_trait]
impl CatchUp for ControlPlane {
    async fn catch_up(&self, cluster: &Cluster) -> Result<(), NotCurrent> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.away {
            return Err(NotCurrent("no leader".into()));
        }
        let mut newer = snapshot();
        newer.revision = 2;
        newer.workspaces.extend([workspace(LATE, "111111111111", WorkspaceStatus::Active)]);
        newer.credentials.extend([credential("AKIDLATE", SECRET)]);
        cluster.install(newer);
        Ok(())
    }
}

struct Setup {
    app: Router,
    components: Components,
    control_plane: Arc<ControlPlane>,
}

fn setup(away: bool, change: impl FnOnce(&mut EdgeOptions)) -> Setup {
    let control_plane = Arc::new(ControlPlane { away, asked: AtomicUsize::new(0) });
    let cluster = Cluster::new(snapshot(), Some(control_plane.clone()));
    build(cluster, control_plane, change)
}

/// An edge that knows this, and whose control plane knows no more.
fn setup_with(snapshot: Snapshot) -> Setup {
    let control_plane = Arc::new(ControlPlane { away: false, asked: AtomicUsize::new(0) });
    build(Cluster::new(snapshot, None), control_plane, |_| {})
}

fn build(cluster: Cluster, control_plane: Arc<ControlPlane>, change: impl FnOnce(&mut EdgeOptions)) -> Setup {
    let components = Components::new(Arc::new(StoppedClock), Random::from_seed(1), None);
    let mut options = EdgeOptions::new(REGION);
    change(&mut options);
    let who = |Extension(who): Extension<Authenticated>, body: Bytes| async move {
        let workspace = who.workspace.map_or("none".into(), |workspace| workspace.id.to_string());
        format!("{} {} {workspace} {} bytes", who.account, who.caller.principal.name(), body.len())
    };
    let api = Router::new()
        .route("/workspaces/{id}/api/v1/query", any(who))
        .route("/workspaces/{id}/api/v1/remote_write", post(async || StatusCode::NO_CONTENT))
        .route("/workspaces/{id}/api/v1/panic", get(async || -> StatusCode { panic!("on purpose") }))
        .route("/workspaces", any(who))
        .route("/tags/{arn}", get(async |axum::extract::Path(arn): axum::extract::Path<String>| arn));
    let app = Edge::new(options, cluster, &components, "test").wrap(api);
    Setup { app, components, control_plane }
}

struct Reply {
    status: u16,
    error: Option<String>,
    content_type: String,
    headers: http::HeaderMap,
    body: String,
}

impl Reply {
    fn message(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        body["message"].as_str().expect("a message").to_owned()
    }
}

impl Setup {
    async fn send(&self, request: http::Request<impl Into<Body>>) -> Reply {
        let response = self.app.clone().oneshot(request.map(Into::into)).await.expect("infallible");
        let header = |name: &str| Some(response.headers().get(name)?.to_str().expect("text").to_owned());
        let id = header("x-amzn-requestid").expect("every reply has a request id");
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "a version 4 UUID: {id}");
        let (status, error) = (response.status().as_u16(), header("x-amzn-errortype"));
        let content_type = header("content-type").expect("every reply has a content type");
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a short body");
        Reply { status, error, content_type, headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    async fn signed(&self, method: &str, target: &str, body: &[u8]) -> Reply {
        self.send(signed(method, target, body)).await
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.components.registry.lock())
            .expect("encodes");
        text
    }
}

fn plain(method: &str, target: &str, body: &[u8]) -> http::Request<Vec<u8>> {
    let request = http::Request::builder().method(method).uri(format!("http://127.0.0.1:9009{target}"));
    request.body(body.to_vec()).expect("a valid request")
}

fn signed(method: &str, target: &str, body: &[u8]) -> http::Request<Vec<u8>> {
    sign(plain(method, target, body), &Signer::default())
}

fn query(workspace: &str) -> String {
    format!("/workspaces/{workspace}/api/v1/query")
}

#[tokio::test]
async fn a_signed_request_reaches_its_handler_with_caller_workspace_and_body() {
    let setup = setup(true, |_| {});
    let who = format!("111111111111 arn:aws:iam::111111111111:user/tester {WORKSPACE} 5 bytes");
    for target in [query(WORKSPACE), format!("/workspaces/{WORKSPACE}//api/v1/query?query=up")] {
        let reply = setup.signed("POST", &target, b"query").await;
        assert_eq!((reply.status, reply.body), (200, who.clone()), "{target}");
        assert!(reply.content_type.starts_with("text/plain"));
    }
    let reply = setup.signed("GET", "/workspaces", b"").await;
    assert_eq!(reply.body, "111111111111 arn:aws:iam::111111111111:user/tester none 0 bytes");
    let reply = setup.signed("GET", "/tags/arn%3Aaws%2Fx", b"").await;
    assert_eq!((reply.status, &*reply.body), (200, "arn:aws/x"));
    let reply = setup.signed("POST", &format!("/workspaces/{WORKSPACE}/api/v1/remote_write"), b"x").await;
    assert_eq!((reply.status, &*reply.content_type, &*reply.body), (204, "application/json", ""));
    assert_eq!(setup.control_plane.asked.load(Ordering::Relaxed), 0, "nothing unknown, nobody asked");
}

#[tokio::test]
async fn unsigned_is_403_before_the_workspace_is_looked_up() {
    let setup = setup(true, |_| {});
    for target in [query(WORKSPACE), query(NOWHERE), "/workspaces".into(), "/nowhere".into()] {
        let reply = setup.send(plain("GET", &target, b"")).await;
        assert_eq!(
            (reply.status, reply.error.as_deref()),
            (403, Some("MissingAuthenticationTokenException")),
            "{target}"
        );
        assert_eq!(reply.message(), "Missing Authentication Token");
        assert_eq!(reply.content_type, "application/json");
    }
    assert_eq!(setup.control_plane.asked.load(Ordering::Relaxed), 0);
    assert!(
        setup.metrics().contains(r#"narthex_test_edge_refusals_total{reason="unsigned"} 4"#),
        "{}",
        setup.metrics()
    );
}

#[tokio::test]
async fn wrong_signatures_are_403_for_any_workspace() {
    let setup = setup(false, |_| {});
    let signers = [
        (Signer { secret: "wrong", ..Signer::default() }, "InvalidSignatureException"),
        (Signer { region: "eu-west-1", ..Signer::default() }, "InvalidSignatureException"),
        (Signer { access_key: "AKIDUNKNOWN", ..Signer::default() }, "UnrecognizedClientException"),
        (
            Signer { access_key: "AKIDLATE", secret: "wrong", ..Signer::default() },
            "InvalidSignatureException",
        ),
    ];
    for (signer, error) in signers {
        for id in [WORKSPACE, NOWHERE, FOREIGN] {
            let reply = setup.send(sign(plain("GET", &query(id), b""), &signer)).await;
            assert_eq!((reply.status, reply.error.as_deref()), (403, Some(error)), "{signer:?} {id}");
        }
    }
    let mut changed = signed("POST", &query(WORKSPACE), b"query");
    *changed.body_mut() = b"other".to_vec();
    assert_eq!(setup.send(changed).await.error.as_deref(), Some("InvalidSignatureException"));
    let mut basic = plain("GET", &query(WORKSPACE), b"");
    basic.headers_mut().insert("authorization", HeaderValue::from_static("Basic eDp5"));
    assert_eq!(setup.send(basic).await.error.as_deref(), Some("IncompleteSignatureException"));
}

#[tokio::test]
async fn unknown_and_deleted_workspaces_are_not_found_and_foreign_ones_are_denied() {
    let setup = setup(false, |_| {});
    let reply = setup.signed("GET", &query(FOREIGN), b"").await;
    assert_eq!((reply.status, reply.error.as_deref()), (403, Some("AccessDeniedException")));
    let text = "User: arn:aws:iam::111111111111:user/tester is not authorized to perform: aps:QueryMetrics on resource: \
                arn:aws:aps:us-east-1:222222222222:workspace/ws-00000000-0000-4000-8000-000000000002 because no \
                resource-based policy allows the aps:QueryMetrics action";
    assert_eq!(reply.message(), text);
    for id in [NOWHERE, DELETING, "nonsense", "ws-1"] {
        let reply = setup.signed("GET", &query(id), b"").await;
        assert_eq!((reply.status, reply.error.as_deref()), (404, Some("ResourceNotFoundException")), "{id}");
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        assert_eq!((&body["resourceId"], &body["resourceType"]), (&id.into(), &"WORKSPACE".into()));
    }
    assert_eq!(setup.signed("GET", &query(LATE), b"").await.status, 200, "a catch-up brings it");
    let late = Signer { access_key: "AKIDLATE", ..Signer::default() };
    assert_eq!(setup.send(sign(plain("GET", &query(WORKSPACE), b""), &late)).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_proven_unknown_is_503() {
    let setup = setup(true, |_| {});
    let unknown_key =
        sign(plain("GET", &query(WORKSPACE), b""), &Signer { access_key: "AKIDLATE", ..Signer::default() });
    for request in [signed("GET", &query(LATE), b""), signed("GET", &query(NOWHERE), b""), unknown_key] {
        let reply = setup.send(request).await;
        assert_eq!((reply.status, reply.error.as_deref()), (503, Some("ServiceUnavailableException")));
        assert!(reply.message().contains("no leader"), "{}", reply.message());
    }
    assert_eq!(setup.signed("GET", &query(DELETING), b"").await.status, 404, "deletion is final");
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 200, "the known keep working");
}

#[tokio::test]
async fn bodies_over_the_limit_are_413_naming_limit_and_size() {
    let setup = setup(false, |options| options.max_body_bytes = 10);
    assert_eq!(setup.signed("POST", &query(WORKSPACE), &[0; 10]).await.status, 200);
    let known = signed("POST", &query(WORKSPACE), &[0; 11]).map(Body::from);
    let (parts, _) = signed("POST", &query(WORKSPACE), &[0; 11]).into_parts();
    let pieces = [Ok::<_, std::io::Error>(Bytes::from_static(&[0; 6])), Ok(Bytes::from_static(&[0; 6]))];
    let chunked = Request::from_parts(parts, Body::from_stream(futures::stream::iter(pieces)));
    for (request, size) in [(known, "of 11 bytes"), (chunked, "of more than 10")] {
        let reply = setup.send(request).await;
        assert_eq!((reply.status, reply.error.as_deref()), (413, Some("RequestEntityTooLargeException")));
        assert!(
            reply.message().contains(size) && reply.message().contains("limit of 10 bytes"),
            "{}",
            reply.message()
        );
    }
    assert_eq!(
        setup.signed("POST", "/workspaces", &[0; 11]).await.status,
        200,
        "the control plane has its own limit"
    );
    assert!(
        setup.metrics().contains(r#"edge_refusals_total{reason="body_too_large"} 2"#),
        "{}",
        setup.metrics()
    );
    assert!(setup.metrics().contains("edge_bytes_in_flight 0\n"), "{}", setup.metrics());
}

#[tokio::test]
async fn a_body_that_does_not_come_times_out_and_a_broken_one_is_400() {
    let setup = setup(false, |_| {});
    let (parts, _) = signed("POST", &query(WORKSPACE), b"").into_parts();
    let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let reply = setup.send(Request::from_parts(parts.clone(), silent)).await;
    assert_eq!((reply.status, reply.error.as_deref()), (408, Some("RequestTimeoutException")));
    let error = Err::<Bytes, _>(std::io::Error::other("gone"));
    let broken = Body::from_stream(futures::stream::iter([error]));
    assert_eq!(setup.send(Request::from_parts(parts, broken)).await.status, 400);
}

#[tokio::test]
async fn a_loaded_instance_answers_503_before_it_reads() {
    for (reason, change) in [
        ("requests_in_flight", (|options| options.max_requests_in_flight = 1) as fn(&mut EdgeOptions)),
        ("bytes_in_flight", |options| options.max_bytes_in_flight = 5),
    ] {
        let mut setup = setup(false, change);
        let (waiting, proceed) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
        let (seen, go) = (waiting.clone(), proceed.clone());
        let hold = Router::new().route(
            "/workspaces/{id}/api/v1/query",
            post(async move || {
                seen.notify_one();
                go.notified().await;
            }),
        );
        let mut options = EdgeOptions::new(REGION);
        change(&mut options);
        let cluster = Cluster::new(snapshot(), None);
        setup.components = Components::new(Arc::new(StoppedClock), Random::from_seed(1), None);
        setup.app = Edge::new(options, cluster, &setup.components, "test").wrap(hold);
        let first = tokio::spawn(
            setup.app.clone().oneshot(signed("POST", &query(WORKSPACE), b"four").map(Body::from)),
        );
        waiting.notified().await;
        let reply = setup.signed("POST", &query(WORKSPACE), b"four").await;
        assert_eq!(
            (reply.status, reply.error.as_deref()),
            (503, Some("ServiceUnavailableException")),
            "{reason}"
        );
        assert!(
            setup.metrics().contains(&format!(r#"edge_refusals_total{{reason="{reason}"}} 1"#)),
            "{}",
            setup.metrics()
        );
        proceed.notify_one();
        assert_eq!(first.await.expect("no panic").expect("infallible").status(), 200);
        assert!(setup.metrics().contains("edge_requests_in_flight 0\n"), "{}", setup.metrics());
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_shape_of_their_plane() {
    let setup = setup(false, |_| {});
    let reply = setup.signed("GET", "/nowhere", b"").await;
    assert_eq!((reply.status, reply.error.as_deref()), (400, Some("ValidationException")));
    assert!(reply.body.contains("UNKNOWN_OPERATION"), "{}", reply.body);
    let reply = setup.signed("GET", &format!("/workspaces/{WORKSPACE}/api/v1/nowhere"), b"").await;
    assert_eq!((reply.status, reply.error.as_deref()), (404, Some("UnknownOperationException")));
    let reply = setup.signed("GET", &format!("/workspaces/{WORKSPACE}/api/v1/remote_write"), b"").await;
    assert_eq!((reply.status, reply.error.as_deref()), (404, Some("UnknownOperationException")));
}

#[tokio::test]
async fn a_panic_is_one_request_s_500() {
    let setup = setup(false, |_| {});
    let reply = setup.signed("GET", &format!("/workspaces/{WORKSPACE}/api/v1/panic"), b"").await;
    assert_eq!((reply.status, reply.error.as_deref()), (500, Some("InternalServerException")));
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 200);
}

#[tokio::test]
async fn without_authentication_the_workspace_s_owner_acts() {
    let setup = setup(false, |options| options.auth = Auth::Off);
    let reply = setup.send(plain("GET", &query(FOREIGN), b"")).await;
    assert_eq!(
        (reply.status, reply.body),
        (200, format!("222222222222 arn:aws:iam::222222222222:root {FOREIGN} 0 bytes"))
    );
    let reply = setup.send(plain("GET", "/workspaces", b"")).await;
    assert_eq!(
        (reply.status, &*reply.body),
        (200, "111111111111 arn:aws:iam::111111111111:root none 0 bytes")
    );
    assert_eq!(setup.send(plain("GET", &query(NOWHERE), b"")).await.status, 404);
}

#[tokio::test]
async fn unknown_ids_share_catch_ups() {
    struct Slow(AtomicUsize, tokio::sync::Notify);
    #[async_trait]
    impl CatchUp for Slow {
        async fn catch_up(&self, _: &Cluster) -> Result<(), NotCurrent> {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1.notified().await;
            Ok(())
        }
    }
    let slow = Arc::new(Slow(AtomicUsize::new(0), tokio::sync::Notify::new()));
    let cluster = Cluster::new(snapshot(), Some(slow.clone()));
    let catch_ups = Arc::new(CatchUps::new(cluster, narthex_service::SystemClock::shared()));
    let ask = || {
        let catch_ups = catch_ups.clone();
        tokio::spawn(async move { catch_ups.fresh().await.map(|found| found.revision) })
    };
    let mut waiting = vec![ask()];
    while slow.0.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    waiting.extend((0..100).map(|_| ask()));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    slow.1.notify_one();
    while slow.0.load(Ordering::Relaxed) == 1 {
        tokio::task::yield_now().await;
    }
    slow.1.notify_one();
    for request in waiting {
        assert_eq!(request.await.expect("no panic"), Ok(1));
    }
    assert_eq!(slow.0.load(Ordering::Relaxed), 2, "one ran, one followed for all that came meanwhile");
}
