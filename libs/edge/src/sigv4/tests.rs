//! Signatures of real clients (botocore, the aws-sigv4 crate), of the AWS documentation, and refusals.

use http::{HeaderName, HeaderValue};
use narthex_model::TimestampMs;
use sha2::{Digest, Sha256};

use super::*;
use crate::test_support::{self, ACCESS_KEY, NOW, SECRET, WORKSPACE, sign};

const SKEW: std::time::Duration = std::time::Duration::from_secs(300);

struct Case<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    service: &'a str,
    now: TimestampMs,
}

impl Case<'_> {
    fn verdict(&self) -> Result<(), Mismatch> {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let mut headers = http::HeaderMap::new();
        for (name, value) in self.headers {
            headers.append(
                name.parse::<HeaderName>().expect("a name"),
                value.parse::<HeaderValue>().expect("a value"),
            );
        }
        let request = SignedRequest {
            method: self.method,
            path,
            prefix: "",
            query,
            authority: None,
            headers: &headers,
        };
        let claim = check_claim(&request, "us-east-1", self.service, self.now, SKEW)?;
        let key = SigningKey::derive(SECRET, &claim.authorization.date, "us-east-1", self.service);
        verify(&claim, &request, &Sha256::digest(self.body).into(), self.body.len(), &key)
    }
}

fn authorization(date: &str, service: &str, names: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{date}/us-east-1/{service}/aws4_request, SignedHeaders={names}, \
         Signature={signature}"
    )
}

#[test]
fn the_documented_key_derivation() {
    let key = SigningKey::derive(SECRET, "20150830", "us-east-1", "iam");
    let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    assert_eq!(hex::encode(key.sign(text.as_bytes())), signature);
}

/// From AWS's published test suite and documentation (20150830T123600Z).
#[test]
fn the_documented_requests() {
    let now = parse_amz_date("20150830T123600Z").expect("valid");
    let base = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
    let trim = [("my-header1", "    value1"), ("my-header2", "  \"a   b   c\"  ")];
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: &[Row<'_>] = &[
        ("GET", "/", &[], "host;x-amz-date", vanilla),
        ("GET", "/example/..", &[], "host;x-amz-date", vanilla),
        ("GET", "/./", &[], "host;x-amz-date", vanilla),
        ("GET", "//", &[], "host;x-amz-date", vanilla),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            &[],
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "/",
            &trim,
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "GET",
            "/",
            &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
            "host;my-header1;x-amz-date",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
    ];
    for (method, target, extra, names, signature) in cases {
        let header = authorization("20150830", "service", names, signature);
        let headers = [&base[..], extra, &[("authorization", &*header)]].concat();
        let case = Case { method, target, headers: &headers, body: b"", service: "service", now };
        assert_eq!(case.verdict(), Ok(()), "{method} {target} {extra:?}");
    }
}

/// Method, target, body, further headers, signed headers, signature.
type Row = (
    &'static str,
    &'static str,
    &'static [u8],
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

const PLAIN: &str = "host;x-amz-date";
const WRITE: &str = "/workspaces/ws-b226cc2a-a446-46a9-933a-ac50479a5568/api/v1/remote_write";
const WRITE_BODY: &[u8] = b"\x1f\xf0compressed";
const WRITE_HEADERS: &[(&str, &str)] = &[
    ("content-encoding", "snappy"),
    ("content-length", "12"),
    ("content-type", "application/x-protobuf"),
    ("x-prometheus-remote-write-version", "0.1.0"),
    ("user-agent", "Prometheus/3.5.0"),
    ("accept-encoding", "gzip"),
];

/// Signed by botocore 1.43 (AWS CLI, boto3), and by hand as Prometheus and vmagent do, at 20261123T120000Z.
const REAL_CLIENTS: &[Row] = &[
    (
        "GET",
        "/workspaces",
        b"",
        &[],
        PLAIN,
        "678ad45e9cac80ccf0b34da8ae893b2cd95fd7ee1ea652328feb37893c34c0f6",
    ),
    (
        "GET",
        "/workspaces?alias=a%20b%2Bc&maxResults=10&nextToken=x%3D%3D",
        b"",
        &[],
        PLAIN,
        "457bd8e80dfa7a0ead953d5995232a279bafdb7d92c2a1a9388dcc9c032c8e64",
    ),
    (
        "POST",
        "/workspaces",
        b"{\"alias\":\"default\"}",
        &[("content-type", "application/json")],
        "content-type;host;x-amz-date",
        "947b8c446d78c2241bedb9d4f681110fe78bf528777903371fc92a018a53dbd6",
    ),
    (
        "DELETE",
        "/tags/arn%3Aaws%3Aaps%3Aus-east-1%3A123456789012%3Aworkspace%2Fws-b226cc2a-a446-46a9-933a-ac50479a5568\
         ?tagKeys=Team&tagKeys=Status",
        b"",
        &[],
        PLAIN,
        "21371a747117364daa2326bd41145c1ccb5bdde09e4ba96cef82f9099d139f15",
    ),
    (
        "GET",
        "/workspaces/ws-b226cc2a-a446-46a9-933a-ac50479a5568//api/v1/query?query=up",
        b"",
        &[],
        PLAIN,
        "5ddb8001f0e023ec54109efc3202f514624db93020885c589103b40c90c82c7d",
    ),
    // Prometheus signs what its HTTP client adds, and no body hash header.
    (
        "POST",
        WRITE,
        WRITE_BODY,
        WRITE_HEADERS,
        "content-encoding;content-length;content-type;host;x-amz-date;x-prometheus-remote-write-version",
        "8475c279981a2fb3b4ce252cbc92aedad0d79500a37dde6ccf8878756f1ec2f8",
    ),
    // vmagent signs two headers; it sends `+` and signs `%20`.
    (
        "POST",
        WRITE,
        WRITE_BODY,
        WRITE_HEADERS,
        PLAIN,
        "e89816030c42c7b1b4776c8bb4194f3d195020a10a924598e59d2b1112dec347",
    ),
    (
        "GET",
        "/workspaces/ws-b226cc2a-a446-46a9-933a-ac50479a5568/api/v1/query?query=a+%2B+b&time=1",
        b"",
        &[],
        PLAIN,
        "b99d6ff23e1c6abe460331e4a9c7ad429b6de223dd3c3cf7d0df0e2211bd265c",
    ),
    // Signed as sent, unescaped but sorted.
    (
        "GET",
        "/workspaces/ws-b226cc2a-a446-46a9-933a-ac50479a5568/api/v1/series?match[]=up&match[]=down",
        b"",
        &[],
        PLAIN,
        "23aa7cfb5f37118de013b55b036b1ab754806bed36330cd646763c7550411795",
    ),
    // Not encoded once more.
    (
        "GET",
        "/tags/arn%3Aaws",
        b"",
        &[],
        PLAIN,
        "479ebe916c9268cb8d55135b2d10205406527f6ca3d18a99fcc7676ae0329e80",
    ),
];

#[test]
fn signatures_of_real_clients() {
    for (method, target, body, extra, names, signature) in REAL_CLIENTS {
        let header = authorization("20261123", "aps", names, signature);
        let base =
            [("host", "127.0.0.1:9009"), ("x-amz-date", "20261123T120000Z"), ("authorization", &*header)];
        let headers = [&base[..], extra].concat();
        let case = Case { method, target, headers: &headers, body, service: "aps", now: NOW };
        assert_eq!(case.verdict(), Ok(()), "{method} {target}");
        let other_body = Case { body: b"something else", ..case };
        assert_eq!(other_body.verdict(), Err(Mismatch::Signature), "{method} {target} with another body");
        // As a proxy sends it on that cuts bodies into chunks.
        let chunked: Vec<_> = headers.iter().copied().filter(|(name, _)| *name != "content-length").collect();
        let case = Case { headers: &chunked, ..case };
        assert_eq!(case.verdict(), Ok(()), "{method} {target} in chunks");
        let longer = Case { body: &[body, &b"x"[..]].concat(), ..case };
        assert_eq!(longer.verdict(), Err(Mismatch::Signature), "{method} {target} in chunks, and longer");
    }
}

#[test]
fn signatures_of_the_aws_sigv4_crate() {
    let endings = [
        "/api/v1/query?query=sum%28rate%28x%5B5m%5D%29%29&time=1.5",
        "/api/v1/series?match%5B%5D=up&match%5B%5D=down&match%5B%5D=%7Ba%3D%22b%22%7D",
        "/api/v1/query?query=a+%2B+b&empty=&flag",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/a%25b/values?x=%25",
        "//api/v1/query?query=up",
        "/api/v1/../v1/./query?query=up",
        "/api/v1/status/buildinfo",
    ];
    for ending in endings {
        for (checksum, body) in [(false, &b""[..]), (true, b""), (false, b"payload"), (true, b"payload")] {
            let uri = format!("http://localhost:9009/workspaces/{WORKSPACE}{ending}");
            let mut request = http::Request::post(uri).body(body.to_vec()).expect("valid");
            request.headers_mut().insert("content-type", HeaderValue::from_static(" application/x;  a=b "));
            let signed = sign(request, &test_support::Signer { checksum, ..Default::default() });
            let verdict = test_support::verdict(&signed);
            assert_eq!(verdict, Ok(()), "{ending}, checksum {checksum}, {} bytes", body.len());
        }
    }
}

#[test]
fn what_is_changed_after_signing_is_refused() {
    let uri = format!("http://localhost:9009/workspaces/{WORKSPACE}/api/v1/query?query=up");
    let fresh = || {
        let request =
            http::Request::post(&uri).header("content-type", "text/plain").body(b"payload".to_vec());
        sign(request.expect("valid"), &test_support::Signer { checksum: true, ..Default::default() })
    };
    let with = |change: &dyn Fn(&mut http::Request<Vec<u8>>)| {
        let mut request = fresh();
        change(&mut request);
        test_support::verdict(&request)
    };
    let set = |name: &'static str, value: &'static str| {
        with(&move |request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|request| *request.body_mut() = b"Payload".to_vec()), Err(Mismatch::Payload));
    assert_eq!(with(&|request| *request.method_mut() = http::Method::PUT), Err(Mismatch::Signature));
    let moved = |to: &str| {
        let to: http::Uri = to.parse().expect("valid");
        with(&move |request| *request.uri_mut() = to.clone())
    };
    assert_eq!(moved(&uri.replace("query=up", "query=down")), Err(Mismatch::Signature));
    assert_eq!(moved(&uri.replace("v1/query", "v1/series")), Err(Mismatch::Signature));
    assert_eq!(set("content-type", "text/html"), Err(Mismatch::Signature));
    assert_eq!(set("host", "localhost:9010"), Err(Mismatch::Signature));
    assert!(matches!(set("x-amz-date", "20261123T120001Z"), Err(Mismatch::Signature)));
    assert_eq!(set("user-agent", "anything"), Ok(()), "not signed");
    let removed = with(&|request| drop(request.headers_mut().remove("content-type")));
    assert_eq!(removed, Err(Mismatch::Absent("content-type".into())));
    for value in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        assert!(matches!(set("x-amz-content-sha256", value), Err(Mismatch::Unsupported(_))), "{value}");
    }
    assert_eq!(set("x-amz-content-sha256", "not hex"), Err(Mismatch::Payload));
    assert_eq!(set("x-amz-security-token", "token"), Err(Mismatch::NotSigned("x-amz-security-token")));
    let presigned = moved(&format!("{uri}&X-Amz-Signature=00"));
    assert!(matches!(presigned, Err(Mismatch::Query(_))), "{presigned:?}");
    let twice = with(&|request| {
        let header = request.headers()["authorization"].clone();
        request.headers_mut().append("authorization", header);
    });
    assert!(matches!(twice, Err(Mismatch::Unsupported(_))), "{twice:?}");
    assert_eq!(with(&|request| drop(request.headers_mut().remove("authorization"))), Err(Mismatch::Unsigned));
}

#[test]
fn time_region_service_and_required_headers_are_checked() {
    let signer = test_support::Signer::default();
    let verdict = |signer: &test_support::Signer| {
        let request = http::Request::get("http://localhost/workspaces").body(Vec::new()).expect("valid");
        test_support::verdict(&sign(request, signer))
    };
    for (offset, accepted) in
        [(0, true), (299_000, true), (-299_000, true), (301_000, false), (-301_000, false)]
    {
        let outcome = verdict(&test_support::Signer { at: TimestampMs(NOW.0 + offset), ..signer });
        assert_eq!(outcome.is_ok(), accepted, "{offset}: {outcome:?}");
        assert!(accepted || matches!(outcome, Err(Mismatch::Skew(_))), "{offset}: {outcome:?}");
    }
    assert!(matches!(
        verdict(&test_support::Signer { region: "eu-west-1", ..signer }),
        Err(Mismatch::Scope(_))
    ));
    assert!(matches!(verdict(&test_support::Signer { service: "s3", ..signer }), Err(Mismatch::Scope(_))));
    assert_eq!(verdict(&test_support::Signer { secret: "another", ..signer }), Err(Mismatch::Signature));

    let zeros = "0".repeat(64);
    let head = |date: &str, names: &str, headers: &[(&str, &str)]| {
        let header = authorization(date, "aps", names, &zeros);
        let headers = [&[("authorization", &*header), ("host", "h")], headers].concat();
        Case { method: "GET", target: "/", headers: &headers, body: b"", service: "aps", now: NOW }.verdict()
    };
    let amz = [("x-amz-date", "20261123T120000Z")];
    let date = [("date", "Mon, 23 Nov 2026 12:00:00 GMT")];
    assert_eq!(head("20261123", "x-amz-date", &amz), Err(Mismatch::NotSigned("host")));
    assert_eq!(head("20261123", "host", &amz), Err(Mismatch::NotSigned("x-amz-date")));
    assert_eq!(head("20261123", "host", &date), Err(Mismatch::NotSigned("date")));
    assert_eq!(head("20261123", "host", &[]), Err(Mismatch::NoDate));
    assert_eq!(head("20261123", "host;x-amz-date", &[("x-amz-date", "yesterday")]), Err(Mismatch::NoDate));
    assert!(matches!(head("20261122", "host;x-amz-date", &amz), Err(Mismatch::Scope(_))));
    assert_eq!(head("20261123", "date;host", &date), Err(Mismatch::Signature), "the date header will do");
}
