//! The service as clients meet it, on a one-node control plane: who gets a session, with what, and what others are told.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::Request,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use narthex_cluster::SessionKey;
use narthex_edge::{Authenticated, Circumstances, RequestId, session::Session};
use narthex_policy::{Caller, Kind, Permissions, Policy, Principal};
use narthex_service::Components;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{Bootstrap, Config, ControlPlane, identity::Document};

const ACCOUNT: &str = "123456789012";
const ISSUER: &str = "https://oidc.example.com/cluster";

/// An issuer's key pair.
struct Issuer(Vec<u8>);

impl Issuer {
    fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        Self(pair.as_ref().to_vec())
    }

    fn keys(&self) -> Value {
        let random = ring::rand::SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0, &random).expect("ours");
        let point = pair.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
        let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "one", "x": part(1..33), "y": part(33..65)});
        json!({ "keys": [key] })
    }

    fn token(&self, claims: &Value) -> String {
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.0)).expect("signed")
    }
}

struct Server {
    router: Router,
    plane: ControlPlane,
    components: Components,
    issuer: Issuer,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let issuer = Issuer::new();
        let document = format!(
            r#"
accounts:
  - account_id: "{ACCOUNT}"
    oidc_providers:
      - url: {ISSUER}
        client_ids: [sts.amazonaws.com]
        keys: {keys}
    roles:
      - name: ingest
        path: /pods/
        tags: {{team: a}}
        policies: [AmazonPrometheusRemoteWriteAccess]
        trust_policy:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: "arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com/cluster"}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals:
                "oidc.example.com/cluster:sub": ["system:serviceaccount:prom:other", "system:serviceaccount:prom:writer"]
                "oidc.example.com/cluster:aud": sts.amazonaws.com
      - name: target
        max_session_seconds: 7200
        trust_policy:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "arn:aws:iam::111122223333:role/Source"}}
            Action: [sts:AssumeRole, sts:TagSession]
            Condition: {{StringEquals: {{"sts:ExternalId": "scraper"}}}}
"#,
            keys = issuer.keys(),
        );
        let folder = TempDir::new().expect("a folder");
        let mut config = Config::embedded(folder.path().to_owned());
        config.bootstrap = Some(Bootstrap {
            account_id: ACCOUNT.parse().expect("digits"),
            access_keys: Vec::new(),
            workspaces: Vec::new(),
            accounts: Document::parse(&document).expect("a document").accounts,
        });
        let components = Components::from_system(None);
        let plane = ControlPlane::start(&config, None, &components).await.expect("started");
        while plane.not_ready().is_some() || plane.read(|state| state.session_keys.is_empty()) {
            components.clock.sleep(Duration::from_millis(10)).await;
        }
        let router = plane.api(&config, "http://here:9009/", &components.random);
        Self { router, plane, components, issuer, _folder: folder }
    }

    fn seconds(&self) -> i64 {
        self.components.clock.now().0 / 1_000
    }

    fn claims(&self) -> Value {
        let now = self.seconds();
        json!({
            "iss": ISSUER, "sub": "system:serviceaccount:prom:writer", "aud": ["sts.amazonaws.com"],
            "exp": now + 600, "iat": now, "nbf": now,
        })
    }

    async fn call(&self, who: Option<Authenticated>, form: &[(&str, &str)]) -> (u16, String) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post("/").body(Body::from(body)).expect("valid");
        request.extensions_mut().insert(RequestId("an id".into()));
        let router = match who {
            Some(who) => self.router.clone().layer(Extension(who)),
            None => self.router.clone(),
        };
        let response = router.oneshot(request).await.expect("infallible");
        assert_eq!(response.headers()["content-type"], "text/xml");
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("short");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        assert!(text.contains("<RequestId>an id</RequestId>"), "{text}");
        (status, text)
    }

    async fn with_token(&self, claims: &Value) -> (u16, String) {
        self.with_signed(&self.issuer.token(claims)).await
    }

    async fn with_signed(&self, token: &str) -> (u16, String) {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/pods/ingest");
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.as_str()),
            ("RoleSessionName", "pod-1"),
            ("WebIdentityToken", token),
        ];
        self.call(None, &form).await
    }

    fn opened(&self, reply: &str) -> Session {
        let keys: Vec<_> = self.plane.read(|state| {
            let key = |record: &crate::identity::SessionKeyRecord| SessionKey {
                id: record.id,
                secret: hex::decode(&record.secret).expect("hexadecimal").try_into().expect("32 bytes"),
            };
            state.session_keys.iter().map(key).collect()
        });
        Session::open(element(reply, "SessionToken"), &keys).expect("sealed by us").0
    }

    /// A session of a role of another account that may assume what trusts it.
    fn source(&self, policy: &str) -> Authenticated {
        let arn = "arn:aws:sts::111122223333:assumed-role/Source/scraper";
        let mut principal = Principal::from_arn(arn).expect("an ARN");
        principal.token_issued = Some(self.components.clock.now().0);
        let policy = Arc::new(Policy::parse(policy, Kind::InlineRole).expect("a policy"));
        let permissions = Permissions { identity: vec![policy], ..Permissions::default() };
        Authenticated {
            account: "111122223333".parse().expect("digits"),
            caller: Arc::new(Caller { principal, permissions }),
            access_key_id: Some("ASIASOURCE".into()),
            circumstances: Circumstances {
                now: self.components.clock.now(),
                region: "us-east-1".into(),
                secure: false,
                user_agent: None,
                source: Ipv4Addr::LOCALHOST.into(),
                passage: None,
            },
            workspace: None,
            request_id: "an id".into(),
        }
    }
}

const MAY_ASSUME: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;

/// Text of the first element of that name.
fn element<'a>(reply: &'a str, name: &str) -> &'a str {
    let found = reply.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    found.map(|(text, _)| text).unwrap_or_else(|| panic!("no {name} in {reply}"))
}

fn refusal((status, reply): (u16, String)) -> (u16, String) {
    (status, element(&reply, "Code").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_s_token_becomes_a_session_of_the_role_that_trusts_it() {
    let server = Server::start().await;
    let (status, reply) = server.with_token(&server.claims()).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(element(&reply, "Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/ingest/pod-1"));
    assert_eq!(element(&reply, "SubjectFromWebIdentityToken"), "system:serviceaccount:prom:writer");
    let session = server.opened(&reply);
    assert_eq!(session.role, format!("arn:aws:iam::{ACCOUNT}:role/pods/ingest"));
    assert_eq!(session.access_key_id, element(&reply, "AccessKeyId"));
    assert_eq!(session.secret_access_key, element(&reply, "SecretAccessKey"));
    assert_eq!(session.expires_at.0 - session.issued_at.0, 3_600_000);
    assert!(session.access_key_id.starts_with("ASIA") && session.access_key_id.len() == 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_prove_nothing_are_refused() {
    let server = Server::start().await;
    let with = |member: &str, value: Value| {
        let mut claims = server.claims();
        claims[member] = value;
        claims
    };
    let now = server.seconds();
    let cases = [
        (with("sub", json!("system:serviceaccount:prom:stranger")), 403, "AccessDenied"),
        (with("aud", json!("another")), 400, "InvalidIdentityToken"),
        (with("iss", json!("https://elsewhere.example.com")), 400, "InvalidIdentityToken"),
        (with("exp", json!(now - 1)), 400, "ExpiredTokenException"),
        (with("nbf", json!(now + 3_600)), 400, "InvalidIdentityToken"),
    ];
    for (claims, status, code) in cases {
        assert_eq!(refusal(server.with_token(&claims).await), (status, code.to_owned()), "{claims}");
    }
    let forged = Issuer::new().token(&server.claims());
    assert_eq!(
        refusal(server.with_signed(&forged).await),
        (400, "InvalidIdentityToken".into()),
        "another key"
    );
    let genuine = server.issuer.token(&server.claims());
    let (head, signature) = genuine.rsplit_once('.').expect("three parts");
    let changed = format!("{head}.A{}", &signature[1..]);
    if changed != genuine {
        assert_eq!(refusal(server.with_signed(&changed).await), (400, "InvalidIdentityToken".into()));
    }
    let unsigned = format!(
        "{}.{}.",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        head.rsplit_once('.').expect("claims").1
    );
    assert_eq!(refusal(server.with_signed(&unsigned).await), (400, "InvalidIdentityToken".into()));
    let shared = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &server.claims(),
        &EncodingKey::from_secret(b"x"),
    );
    assert_eq!(
        refusal(server.with_signed(&shared.expect("signed")).await),
        (400, "InvalidIdentityToken".into())
    );
    for junk in ["", "a.b.c", "nonsense", "..", "\u{1f600}"] {
        let (status, reply) = server.with_signed(junk).await;
        assert_eq!(status, 400, "{junk:?}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_role_of_another_account_assumes_with_the_external_id_alone() {
    let server = Server::start().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/target");
    let form = |more: &[(&'static str, &'static str)]| {
        let mut form = vec![("Action", "AssumeRole"), ("RoleSessionName", "scraper")];
        form.extend_from_slice(more);
        form
    };
    let call = async |who: Authenticated, form: Vec<(&'static str, &'static str)>, role: &str| {
        let mut form: Vec<(&str, &str)> = form;
        form.push(("RoleArn", role));
        server.call(Some(who), &form).await
    };
    let who = || server.source(MAY_ASSUME);
    let (status, reply) = call(who(), form(&[("ExternalId", "scraper")]), &role).await;
    assert_eq!(status, 200, "{reply}");
    let tags = [("ExternalId", "scraper"), ("Tags.member.1.Key", "unit"), ("Tags.member.1.Value", "x")];
    let (status, reply) = call(who(), form(&tags), &role).await;
    assert_eq!((status, server.opened(&reply).tags["unit"].as_str()), (200, "x"));

    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(refusal(call(who(), form(&[]), &role).await), denied, "no external id");
    assert_eq!(refusal(call(who(), form(&[("ExternalId", "other")]), &role).await), denied);
    let missing = format!("arn:aws:iam::{ACCOUNT}:role/nobody");
    assert_eq!(refusal(call(who(), form(&[("ExternalId", "scraper")]), &missing).await), denied);
    const NOTHING: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*"}}"#;
    let powerless = server.source(NOTHING);
    assert_eq!(
        refusal(call(powerless, form(&[("ExternalId", "scraper")]), &role).await),
        denied,
        "both sides allow"
    );

    let invalid = (400, "ValidationError".to_owned());
    let long = [("ExternalId", "scraper"), ("DurationSeconds", "7200")];
    assert_eq!(
        refusal(call(who(), form(&long), &role).await),
        invalid,
        "a session of a session lasts an hour"
    );
    let policy = [("ExternalId", "scraper"), ("Policy", "{}")];
    assert_eq!(refusal(call(who(), form(&policy), &role).await), (400, "MalformedPolicyDocument".into()));
    assert_eq!(refusal(server.call(None, &form(&[])).await), (403, "MissingAuthenticationToken".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_who_they_are_and_everything_else_is_refused_in_xml() {
    let server = Server::start().await;
    let (status, reply) =
        server.call(Some(server.source(MAY_ASSUME)), &[("Action", "GetCallerIdentity")]).await;
    assert_eq!((status, element(&reply, "Account")), (200, "111122223333"));
    assert_eq!(element(&reply, "Arn"), "arn:aws:sts::111122223333:assumed-role/Source/scraper");
    let refused = async |form: &[(&str, &str)]| refusal(server.call(None, form).await);
    assert_eq!(refused(&[]).await, (400, "MissingAction".into()));
    assert_eq!(refused(&[("Action", "<Decode>")]).await, (400, "InvalidAction".into()));
    assert_eq!(refused(&[("Action", "GetCallerIdentity")]).await, (403, "MissingAuthenticationToken".into()));
    assert_eq!(
        refused(&[("Action", "AssumeRole"), ("Version", "2000-01-01")]).await,
        (400, "NoSuchVersion".into())
    );
}
