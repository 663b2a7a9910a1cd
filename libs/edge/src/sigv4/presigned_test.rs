//! Presigned URLs: made by the aws-sigv4 crate, of the AWS documentation, and changed ones.

use http::{HeaderMap, HeaderValue};
use narthex_model::TimestampMs;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::test_support::{NOW, Presign, REGION, SECRET, Signer, WORKSPACE, presign, verdict};

const MINUTES: std::time::Duration = std::time::Duration::from_secs(300);

fn url(ending: &str) -> String {
    format!("http://localhost:9009/workspaces/{WORKSPACE}{ending}")
}

fn signed(method: &str, uri: &str, body: &[u8], how: Presign) -> http::Request<Vec<u8>> {
    let request = http::Request::builder().method(method).uri(uri).body(body.to_vec()).expect("valid");
    presign(request, &Signer::default(), how)
}

#[test]
fn urls_of_the_aws_sigv4_crate() {
    let endings = [
        "/api/v1/query?query=sum%28rate%28x%5B5m%5D%29%29&time=1.5",
        "/api/v1/series?match%5B%5D=up&match%5B%5D=%7Ba%3D%22b%22%7D",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/a%25b/values?x=%25",
        "//api/v1/query?query=up",
        "/api/v1/status/buildinfo",
    ];
    for ending in endings {
        for how in [Presign::default(), Presign { open: true, ..Presign::default() }] {
            let request = signed("GET", &url(ending), b"", how);
            assert_eq!(verdict(&request), Ok(()), "{ending} {how:?}");
        }
    }
}

#[test]
fn a_body_is_covered_unless_the_signer_left_it_open() {
    let ending = "/api/v1/query";
    let covered = signed("POST", &url(ending), b"query=up", Presign::default());
    assert_eq!(verdict(&covered), Ok(()));
    let with_body = |mut request: http::Request<Vec<u8>>| {
        *request.body_mut() = b"query=down".to_vec();
        request
    };
    assert_eq!(verdict(&with_body(covered)), Err(Mismatch::Signature));
    let empty = signed("POST", &url(ending), b"", Presign::default());
    assert_eq!(verdict(&empty), Ok(()));
    assert_eq!(
        verdict(&with_body(empty)),
        Err(Mismatch::Signature),
        "the hash of nothing is that of no body"
    );
    let open = signed("POST", &url(ending), b"", Presign { open: true, ..Presign::default() });
    assert_eq!(verdict(&with_body(open)), Ok(()));
    let declared = |value: &'static str| {
        let mut request = signed("POST", &url(ending), b"", Presign { open: true, ..Presign::default() });
        request.headers_mut().insert("x-amz-content-sha256", HeaderValue::from_static(value));
        verdict(&request)
    };
    assert_eq!(declared("UNSIGNED-PAYLOAD"), Ok(()));
    assert_eq!(declared("00"), Err(Mismatch::Payload));
    assert_eq!(declared("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), Err(Mismatch::Payload));
    let empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(declared(empty_hash), Err(Mismatch::Signature), "declared, but not what was signed");
}

#[test]
fn a_url_is_good_from_its_time_until_its_expiry() {
    let verdict_at = |at: i64, expires: u64| {
        let signer = Signer { at: TimestampMs(NOW.0 + at), ..Signer::default() };
        let request = http::Request::get(url("/api/v1/query?query=up")).body(Vec::new()).expect("valid");
        verdict(&presign(request, &signer, Presign { expires, ..Presign::default() }))
    };
    for (at, expires, good) in [
        (0, 1, true),
        (-60_000, 60, true),
        (-61_000, 60, false),
        (-3_600_000, 7200, true),
        (-604_800_000, 604_800, true),
        (-604_801_000, 604_800, false),
        (299_000, 60, true),
        (301_000, 60, false),
        (0, 0, true),
        (-1000, 0, false),
    ] {
        let outcome = verdict_at(at, expires);
        assert_eq!(outcome.is_ok(), good, "{at} {expires}: {outcome:?}");
        assert!(good || matches!(outcome, Err(Mismatch::Skew(_))), "{at} {expires}: {outcome:?}");
    }
    let Err(Mismatch::Query(text)) = verdict_at(0, 604_801) else { panic!("accepted") };
    assert!(text.contains("less than a week"), "{text}");
}

/// Without `X-Amz-Expires` a URL is as good as a header. No presigner makes one, so that its head alone is judged here.
#[test]
fn a_url_without_expiry_lasts_as_long_as_a_header() {
    let query = fresh_query().replace("&X-Amz-Expires=60", "");
    assert!(!query.contains("Expires"), "{query}");
    for (age, good) in [(0, true), (299_000, true), (301_000, false), (-301_000, false)] {
        let outcome = claim_at(&query, TimestampMs(NOW.0 + age));
        assert_eq!(outcome.is_ok(), good, "{age}: {outcome:?}");
    }
}

#[test]
fn what_is_changed_after_signing_is_refused() {
    let fresh = || signed("GET", &url("/api/v1/query?query=up"), b"", Presign::default());
    assert_eq!(verdict(&fresh()), Ok(()));
    let moved = |from: &str, to: &str| {
        let mut request = fresh();
        let uri = request.uri().to_string();
        assert!(uri.contains(from), "{uri}");
        *request.uri_mut() = uri.replace(from, to).parse().expect("valid");
        verdict(&request)
    };
    assert_eq!(moved("query=up", "query=down"), Err(Mismatch::Signature));
    assert_eq!(moved("v1/query", "v1/series"), Err(Mismatch::Signature));
    assert_eq!(moved("X-Amz-Expires=60", "X-Amz-Expires=61"), Err(Mismatch::Signature));
    assert_eq!(moved("query=up", "query=up&query=up"), Err(Mismatch::Signature));
    assert!(matches!(moved("%2Faps%2F", "%2Fs3%2F"), Err(Mismatch::Scope(_))));
    assert!(matches!(
        moved("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=X"),
        Err(Mismatch::Query(_))
    ));
    let mut other_host = fresh();
    other_host.headers_mut().insert("host", HeaderValue::from_static("elsewhere"));
    assert_eq!(verdict(&other_host), Err(Mismatch::Signature));
    let mut both = fresh();
    both.headers_mut().insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=x"));
    assert!(matches!(verdict(&both), Err(Mismatch::Query(_))));
}

#[test]
fn bad_parameters_are_named() {
    let query = fresh_query();
    let changed = |from: &str, to: &str| {
        assert!(query.contains(from), "{query}");
        claim_of(&query.replace(from, to))
    };
    for (from, to, text) in [
        ("X-Amz-Algorithm", "X-Other", "must include 'X-Amz-Algorithm'"),
        ("X-Amz-Credential", "X-Other", "must include 'X-Amz-Credential'"),
        ("X-Amz-Date", "X-Other", "must include 'X-Amz-Date'"),
        ("X-Amz-SignedHeaders", "X-Other", "must include 'X-Amz-SignedHeaders'"),
        ("X-Amz-Signature", "X-Other", "must include 'X-Amz-Signature'"),
        ("X-Amz-Expires=60", "X-Amz-Expires=", "should be a number"),
        ("X-Amz-Expires=60", "X-Amz-Expires=1.5", "should be a number"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-5", "must be non-negative"),
        ("X-Amz-Expires=60", "X-Amz-Expires=99999999999999999999", "less than a week"),
        ("X-Amz-Date=20261123T120000Z", "X-Amz-Date=yesterday", "yyyymmddThhmmssZ"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", "more than once"),
        ("X-Amz-Expires=60", "X-Amz-Expires=%FF", "percent-encoded"),
        ("aws4_request", "aws5_request", "Credential must be"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=Host", "SignedHeaders must be"),
        ("X-Amz-Signature=", "X-Amz-Signature=0", "Signature must be"),
    ] {
        let Err(Mismatch::Query(found)) = changed(from, to) else { panic!("{to} is accepted") };
        assert!(found.contains(text), "{to}: {found}");
    }
    assert_eq!(
        changed("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=x"),
        Err(Mismatch::NotSigned("host"))
    );
    assert_eq!(claim_of("query=up"), Err(Mismatch::Unsigned));
    assert_eq!(claim_of("x-amz-signature=00&x-amz-algorithm=x"), Err(Mismatch::Unsigned), "another name");
    assert!(matches!(claim_of("X%2DAmz-Signature=00"), Err(Mismatch::Query(_))), "the same name");
}

#[test]
fn session_tokens_are_found_in_query_and_header_and_must_be_signed() {
    let how = Presign { token: Some("AB+/=="), ..Presign::default() };
    let request = signed("GET", &url("/api/v1/query?query=up"), b"", how);
    assert_eq!(verdict(&request), Ok(()));
    assert_eq!(
        claim_of(request.uri().query().expect("a query")).map(|token| token.unwrap_or_default()),
        Ok("AB+/==".to_owned())
    );
    let mut twice = request;
    twice.headers_mut().insert("x-amz-security-token", HeaderValue::from_static("other"));
    assert!(matches!(verdict(&twice), Err(Mismatch::Query(_))));
    let mut unsigned = signed("GET", &url("/api/v1/query?query=up"), b"", Presign::default());
    unsigned.headers_mut().insert("x-amz-security-token", HeaderValue::from_static("token"));
    assert_eq!(verdict(&unsigned), Err(Mismatch::NotSigned("x-amz-security-token")));
}

/// From AWS's published test suite (20150830T123600Z), in the query.
#[test]
fn the_documented_requests() {
    let now = parse_amz_date("20150830T123600Z").expect("valid");
    let shared = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
        &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600";
    for (method, path, query, signature) in DOCUMENTED {
        let extra = if query.is_empty() { String::new() } else { format!("&{query}") };
        let query = format!("{shared}{extra}&X-Amz-Signature={signature}");
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("example.amazonaws.com"));
        let request =
            SignedRequest { method, path, prefix: "", query: &query, authority: None, headers: &headers };
        let claim = check_claim(&request, "us-east-1", "service", now, MINUTES).expect("a claim");
        let key = SigningKey::derive(SECRET, "20150830", "us-east-1", "service");
        assert_eq!(
            verify(&claim, &request, &Sha256::digest(b"").into(), 0, &key),
            Ok(()),
            "{method} {path} {query}"
        );
    }
}

/// Method, path, query, signature.
const DOCUMENTED: &[(&str, &str, &str, &str)] = &[
    ("GET", "/", "", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    ("GET", "/example/..", "", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    ("GET", "//", "", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    (
        "GET",
        "/",
        "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
    ),
    (
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
    ),
    (
        "GET",
        "/",
        "X-Amz-Security-Token=6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
        "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
    ),
    (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "",
        "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005",
    ),
    ("POST", "/", "", "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b"),
    ("POST", "/", "Param1=value1", "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682"),
];

fn fresh_query() -> String {
    let request = signed("GET", &url("/api/v1/query?query=up"), b"", Presign::default());
    request.uri().query().expect("a query").to_owned()
}

/// The session token of a claim made by this query.
fn claim_of(query: &str) -> Result<Option<String>, Mismatch> {
    claim_at(query, NOW)
}

fn claim_at(query: &str, now: TimestampMs) -> Result<Option<String>, Mismatch> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost:9009"));
    let request =
        SignedRequest { method: "GET", path: "/", prefix: "", query, authority: None, headers: &headers };
    let claim = check_claim(&request, REGION, SERVICE, now, MINUTES)?;
    Ok(claim.session_token.map(|token| token.into_owned()))
}

proptest! {
    #[test]
    fn queries_never_panic_and_lose_nothing_but_the_signature(
        parts in prop::collection::vec(
            prop::sample::select(vec!["X-Amz-", "Signature", "Algorithm", "Credential", "Expires", "Date", "=", "&", "%2D", "%", "é",
                "AWS4-HMAC-SHA256", "a/20261123/r/aps/aws4_request", "host", "00", "query=up"]),
            0..24,
        )
    ) {
        let query = parts.concat();
        let _ = claim_of(&query);
        let rest = presigned::without_signature(&query);
        let gone = |pair: &&str| !percent_encoding::percent_decode_str(pair.split('=').next().unwrap_or_default())
            .decode_utf8_lossy().eq("X-Amz-Signature");
        let kept: Vec<_> = query.split('&').filter(gone).collect();
        prop_assert_eq!(rest.into_owned(), kept.join("&"));
    }
}
