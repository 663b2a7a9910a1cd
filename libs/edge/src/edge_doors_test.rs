//! What stands before the handlers besides authentication: rates, presigned URLs, pages of other origins, proxies, and what
//! every reply carries.

use http::HeaderName;
use narthex_limits::Rate;

use super::*;
use crate::test_support::{Presign, presign};

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// API-C-17, TPS-1. The clock stands, so a bucket gives its burst and no more.
#[tokio::test]
async fn more_management_calls_than_the_rate_allows_are_not_carried_out() {
    let setup = setup(false, |_| {});
    for _ in 0..10 {
        assert_eq!(setup.signed("GET", "/workspaces", b"").await.status, 200);
    }
    for request in [signed("GET", "/workspaces", b""), signed("GET", "/tags/arn%3Aaws", b"")] {
        let reply = setup.send(request).await;
        assert_eq!((reply.status, reply.error.as_deref()), (429, Some("ThrottlingException")));
        assert_eq!(header(&reply, "retry-after"), "1");
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        let expected = serde_json::json!({"message": "Rate exceeded", "serviceCode": "aps", "quotaCode": "ManagementCallsPerSecond"});
        assert_eq!(body, expected);
    }
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 200, "the data plane has its own");
    let metrics = setup.metrics();
    assert!(metrics.contains(r#"edge_throttled_total{operation="ListWorkspaces"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"edge_refusals_total{reason="rate"} 2"#), "{metrics}");
}

/// ERR-3: the body to the byte.
#[tokio::test]
async fn more_data_calls_than_the_rate_allows_are_answered_as_the_managed_service_does() {
    let setup = setup(false, |options| options.rates.remote_write = Rate::new(3.0, 3.0));
    let write = format!("/workspaces/{WORKSPACE}/api/v1/remote_write");
    for _ in 0..3 {
        assert_eq!(setup.signed("POST", &write, b"x").await.status, 204);
    }
    let reply = setup.signed("POST", &write, b"x").await;
    assert_eq!((reply.status, &*reply.body), (429, r#"{"message":"Rate exceeded"}"#));
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 200);
}

#[tokio::test]
async fn calls_that_are_refused_take_nothing_of_the_rate() {
    let setup = setup(false, |options| options.rates.query = Rate::new(1.0, 1.0));
    let wrong = Signer { secret: "wrong", ..Signer::default() };
    for _ in 0..5 {
        assert_eq!(setup.send(sign(plain("GET", &query(WORKSPACE), b""), &wrong)).await.status, 403);
    }
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 200);
    assert_eq!(setup.signed("GET", &query(WORKSPACE), b"").await.status, 429);
    assert_eq!(setup.signed("GET", &query(NOWHERE), b"").await.status, 404);
}

#[tokio::test]
async fn presigned_urls_pass_and_bad_ones_have_their_errors() {
    let setup = setup(false, |_| {});
    let url = |how: Presign, signer: &Signer| presign(plain("GET", &query(WORKSPACE), b""), signer, how);
    assert_eq!(setup.send(url(Presign::default(), &Signer::default())).await.status, 200);
    let late =
        Signer { at: narthex_model::TimestampMs(Signer::default().at.0 - 61_000), ..Signer::default() };
    for (request, error) in [
        (url(Presign::default(), &late), "InvalidSignatureException"),
        (
            url(Presign::default(), &Signer { secret: "wrong", ..Signer::default() }),
            "InvalidSignatureException",
        ),
        (
            url(Presign::default(), &Signer { region: "eu-west-1", ..Signer::default() }),
            "InvalidSignatureException",
        ),
        (
            url(Presign { expires: 604_801, ..Presign::default() }, &Signer::default()),
            "IncompleteSignatureException",
        ),
        (
            url(Presign::default(), &Signer { access_key: "AKIDUNKNOWN", ..Signer::default() }),
            "UnrecognizedClientException",
        ),
        (
            plain("GET", &format!("{}?X-Amz-Signature=00", query(WORKSPACE)), b""),
            "IncompleteSignatureException",
        ),
    ] {
        let uri = request.uri().clone();
        let reply = setup.send(request).await;
        assert_eq!((reply.status, reply.error.as_deref()), (403, Some(error)), "{uri}");
    }
}

#[tokio::test]
async fn preflights_are_answered_unsigned_on_both_planes() {
    let setup = setup(true, |_| {});
    for target in [query(WORKSPACE), "/workspaces".into(), "/nowhere".into()] {
        let mut request = plain("OPTIONS", &target, b"");
        request.headers_mut().insert("origin", HeaderValue::from_static("https://pages.example"));
        request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("PATCH"));
        let reply = setup.send(request).await;
        assert_eq!((reply.status, header(&reply, "access-control-allow-origin")), (204, "*"), "{target}");
        assert!(header(&reply, "access-control-allow-headers").contains("X-Amz-Date"));
        assert!(header(&reply, "access-control-allow-methods").contains("PATCH"));
    }
    assert!(!setup.metrics().contains("reason=\"unsigned\""), "{}", setup.metrics());
}

/// SEC-41, API-C-9, and what pages need to read refusals.
#[tokio::test]
async fn every_reply_carries_ids_and_says_what_pages_may_read() {
    let setup = setup(false, |options| options.cors_origins = vec!["https://pages.example".into()]);
    let from = |origin: &'static str, mut request: http::Request<Vec<u8>>| {
        request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        request
    };
    let reply = setup.send(from("https://pages.example", signed("GET", "/workspaces", b""))).await;
    assert_eq!((reply.status, header(&reply, "access-control-allow-origin")), (200, "https://pages.example"));
    assert_eq!(header(&reply, "vary"), "Origin");
    let exposed = "x-amzn-errortype,x-amzn-requestid,x-amzn-trace-id,x-amzn-errormessage,x-amz-apigw-id,date";
    assert_eq!(header(&reply, "access-control-expose-headers"), exposed);
    let trace = header(&reply, "x-amzn-trace-id");
    assert!(trace.len() == 40 && trace.starts_with("Root=1-"), "{trace}");
    assert_eq!(trace.matches('-').count(), 2, "{trace}");
    let reply = setup.send(from("https://evil.example", plain("GET", "/workspaces", b""))).await;
    assert_eq!((reply.status, header(&reply, "access-control-allow-origin")), (403, ""));
    assert_eq!(header(&reply, "x-amzn-errormessage"), "Missing Authentication Token");
    let mut traced = signed("GET", &query(WORKSPACE), b"");
    traced.headers_mut().insert("x-amzn-trace-id", HeaderValue::from_static("Root=1-abc;Sampled=1"));
    assert_eq!(header(&setup.send(traced).await, "x-amzn-trace-id"), "Root=1-abc;Sampled=1");
}

/// WS-1, WS-2, WS-13: the same APIs under every name.
#[tokio::test]
async fn both_planes_answer_under_every_name_of_the_host() {
    let setup = setup(false, |_| {});
    for host in [
        "aps.us-east-1.amazonaws.com",
        "aps-workspaces.us-east-1.amazonaws.com",
        "aps-fips.us-east-1.api.aws",
        "aps-workspaces-fips.us-east-1.amazonaws.com",
        "aps-workspaces.us-east-1.api.aws",
        "aps-workspaces.eu-west-1.example.internal:8443",
        "10.1.2.3",
        "10.1.2.3:9009",
        "[2001:db8::1]:9009",
        "narthex",
    ] {
        for target in ["/workspaces".to_owned(), query(WORKSPACE)] {
            let request =
                http::Request::get(format!("http://{host}{target}")).body(Vec::new()).expect("valid");
            // A server sees the target without the host.
            let mut request = sign(request, &Signer { access_key: ACCESS_KEY, ..Signer::default() });
            *request.uri_mut() = target.parse().expect("valid");
            let reply = setup.send(request).await;
            // Ten management calls are all that the rate allows.
            assert_eq!(reply.status, 200, "{host} {target}: {}", reply.body);
        }
    }
}

/// Clients sign what they send; a proxy may strip the path of the public URL, or not.
#[tokio::test]
async fn behind_a_proxy_with_a_path_both_what_it_strips_and_what_it_leaves_works() {
    let setup = setup(false, |options| options.path_prefix = "/team/narthex".into());
    let sent = |target: &str, received: &str| {
        let mut request = signed("GET", target, b"");
        *request.uri_mut() = received.parse().expect("valid");
        request
    };
    let (plain, under) = (query(WORKSPACE), format!("/team/narthex{}", query(WORKSPACE)));
    let slashes = format!("/team/narthex/workspaces/{WORKSPACE}//api/v1/query");
    for (target, received, status) in [
        (&*under, &*plain, 200),
        (&*under, &*under, 200),
        (&*plain, &*plain, 200),
        (&*slashes, &*slashes, 200),
        (&*slashes, slashes.trim_start_matches("/team/narthex"), 200),
        ("/team/narthex/workspaces", "/workspaces", 200),
        // Signed for something else than what came.
        (&*plain, &*under, 403),
        ("/team/narthex/workspaces", "/tags/x", 403),
        ("/team/narthex/team/narthex/workspaces", "/team/narthex/workspaces", 403),
    ] {
        let reply = setup.send(sent(target, received)).await;
        assert_eq!(reply.status, status, "{target} as {received}: {}", reply.body);
    }
    let mut renamed = sent(&under, &plain);
    renamed.headers_mut().insert("host", HeaderValue::from_static("inside:9009"));
    assert_eq!(setup.send(renamed).await.status, 403, "the Host header has to stay");
    let presigned = presign(super::plain("GET", &under, b""), &Signer::default(), Presign::default());
    let received = presigned.uri().to_string().replace("http://127.0.0.1:9009/team/narthex", "");
    let mut stripped = presigned;
    *stripped.uri_mut() = received.parse().expect("valid");
    assert_eq!(setup.send(stripped).await.status, 200);
}

#[tokio::test]
async fn handlers_learn_where_a_request_comes_from() {
    let cluster = Cluster::new(snapshot(), None);
    let components = Components::new(Arc::new(StoppedClock), Random::from_seed(1), None);
    let mut options = EdgeOptions::new(REGION);
    options.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a net")];
    let where_from =
        async |Extension(source): Extension<Source>| format!("{:?} {}", source.address, source.secure);
    let api = Router::new().route("/workspaces", get(where_from));
    let app = Edge::new(options, cluster, &components, "test").wrap(api);
    let mut request = signed("GET", "/workspaces", b"").map(Body::from);
    request
        .headers_mut()
        .insert(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("192.0.2.7"));
    request
        .headers_mut()
        .insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
    let peer =
        narthex_service::server::Peer { address: "10.0.0.9:5".parse().expect("an address"), tls: false };
    request.extensions_mut().insert(peer);
    let response = app.oneshot(request).await.expect("infallible");
    let body = to_bytes(response.into_body(), 1000).await.expect("short");
    assert_eq!(&body[..], b"Some(192.0.2.7) true");
}
