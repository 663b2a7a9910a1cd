//! Signature Version 4 over the wire (SEC-5 to SEC-7): AWS's own test suite, proxies that cut bodies into chunks, presigned
//! URLs, times, scopes and sessions, each with the verdict and the name of the error that clients act on. See `access` for
//! who may see what.

mod chunks;
mod raw;
mod sessions;
mod suite;
mod times;

use std::fs;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use narthex_integration_tests::{
    aws::{Api, Signer, element},
    http::Reply,
    issuer::Issuer,
    sandbox::{Sandbox, Standalone, scenario},
    wire::WriteRequest,
};
use serde_json::json;

use self::raw::{Scope, amz_date};

const ACCOUNT: &str = "123456789012";
const ROLE: &str = "arn:aws:iam::123456789012:role/everything";
/// As far as a signature's time may be off.
const SKEW_MS: i64 = 300_000;

/// The all-in-one with an administrator, a user who may do nothing, and a role for whoever holds a token of the issuer.
async fn start(sandbox: &Sandbox, issuer: &Issuer, folder: &str) -> Result<Standalone> {
    let (provider, _) = issuer.arn(ACCOUNT);
    let folder = sandbox.path().join(folder);
    fs::create_dir_all(&folder)?;
    let bootstrap = json!({
        "account_id": ACCOUNT,
        "access_keys": [
            {"user_name": "admin", "access_key_id": "AKIANARTHEXTESTS0003", "secret_access_key": "one secret"},
            {"user_name": "nobody", "access_key_id": "AKIANARTHEXTESTS0004", "secret_access_key": "another secret"},
        ],
        "workspaces": [{"id": "ws-5b1f2c2e-8f0e-4c54-9b39-3f6d7b1f0c02", "alias": "default"}],
        "accounts": [{
            "account_id": ACCOUNT, "users": [{"name": "nobody"}],
            "oidc_providers": [{"url": issuer.url, "client_ids": ["sts.amazonaws.com"]}],
            "roles": [{
                "name": "everything", "policies": ["AmazonPrometheusFullAccess"],
                "trust_policy": {"Version": "2012-10-17", "Statement": {
                    "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                }},
            }],
        }],
    });
    fs::write(folder.join("bootstrap.yaml"), bootstrap.to_string())?;
    Standalone::start_in(sandbox, folder, &[], &[]).await
}

/// A client with a session of the role.
async fn session(sandbox: &Sandbox, narthex: &Standalone, issuer: &Issuer) -> Result<Api> {
    let token = issuer.sign(&issuer.claims("default", "tester", sandbox.clock.now().0 / 1_000))?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "tester"),
        ("WebIdentityToken", &token),
        ("DurationSeconds", "900"),
    ];
    let unsigned = Api { signer: None, ..narthex.api.clone() };
    unsigned.with_session(&unsigned.sts(&narthex.base, &form).await?)
}

fn signer(api: &Api) -> Result<&Signer> {
    api.signer.as_ref().context("the client signs")
}

/// Names of errors that mean that a signature was not accepted, in either protocol.
const REFUSED: [&str; 8] = [
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
];

#[test]
fn every_request_of_aws_s_test_suite_is_accepted_and_none_with_another_signature() {
    scenario(async |sandbox| {
        let issuer = Issuer::start().await?;
        let narthex = start(sandbox, &issuer, "data").await?;
        let session = session(sandbox, &narthex, &issuer).await?;
        let cases = suite::cases()?;
        ensure!(cases.len() >= 40, "only {} cases", cases.len());
        let (mut accepted, mut refused) = (0, 0);
        for case in &cases {
            case.ensure_signer()?;
            let token = case.token()?;
            let with = signer(if token.is_some() { &session } else { &narthex.api })?;
            let scope = Scope {
                access_key_id: with.access_key_id.clone(),
                secret: with.secret_access_key.clone(),
                at: amz_date(sandbox.clock.now().0),
                region: with.region.clone(),
                service: if case.is_sts()? { "sts" } else { "aps" }.to_owned(),
            };
            let text = with.session_token.clone().unwrap_or_default();
            let made = [Some(case.by_header(&scope, &text)?), case.by_query(&scope, &text)?];
            for made in made.into_iter().flatten() {
                let said = String::from_utf8_lossy(&made.bytes).into_owned();
                let (right, forged) = (
                    raw::send(&narthex.base, &made.bytes).await?,
                    raw::send(&narthex.base, &made.forged).await?,
                );
                // A token that is no part of what is signed could be put into another's request.
                let covered = token != Some(false);
                let verdict = !REFUSED.contains(&right.error.as_str());
                ensure!(verdict == covered, "{}:\n{said}\nis answered\n{}", case.name, right.text);
                ensure!(
                    right.status != 400 || verdict && !right.error.is_empty(),
                    "{}: {}",
                    case.name,
                    right.text
                );
                let wrong = ["InvalidSignatureException", "SignatureDoesNotMatch"];
                ensure!(
                    forged.status == 403 && (!covered || wrong.contains(&forged.error.as_str())),
                    "{} with another signature is answered {}",
                    case.name,
                    forged.text
                );
                accepted += usize::from(covered);
                refused += 1 + usize::from(!covered);
            }
        }
        eprintln!("{} cases: {accepted} requests accepted, {refused} refused", cases.len());
        Ok(())
    });
}

fn ensure_error(reply: &Reply, status: u16, name: &str, words: &str) -> Result<()> {
    let found = element(reply, "Code").unwrap_or_else(|| reply.header("x-amzn-errortype").to_owned());
    ensure!(reply.status == status && found == name, "expected {status} {name}, found {found}: {reply}");
    ensure!(reply.text().contains(words), "{words:?} is missing in {reply}");
    Ok(())
}

/// The name of an error at the token service, where it has another than in the APIs.
fn in_sts(name: &str) -> String {
    match name {
        "InvalidSignatureException" => "SignatureDoesNotMatch".to_owned(),
        "UnrecognizedClientException" => "InvalidClientTokenId".to_owned(),
        name => name.trim_end_matches("Exception").to_owned(),
    }
}

/// Ensures that both APIs and the token service refuse a client for the same reason.
async fn is_refused(narthex: &Standalone, stranger: &Api, name: &str, words: &str) -> Result<()> {
    let base = &narthex.base;
    let replies = [
        stranger.get(base, "query", &[("query", "up")]).await?,
        stranger
            .write(base, WriteRequest::one(&[("__name__", "stranger")], &[(1, 1.0)]).compressed())
            .await?,
        stranger.control(Method::GET, base, "/workspaces", None).await?,
    ];
    for reply in &replies {
        ensure_error(reply, 403, name, words)?;
    }
    let reply = stranger.sts(base, &[("Action", "GetCallerIdentity")]).await?;
    ensure_error(&reply, 403, &in_sts(name), words)
}

#[test]
fn what_is_wrong_with_a_signature_has_the_name_that_clients_act_on() {
    scenario(async |sandbox| {
        let issuer = Issuer::start().await?;
        let narthex = start(sandbox, &issuer, "data").await?;
        let right = signer(&narthex.api)?;
        let with = |change: &dyn Fn(&mut Signer)| {
            let mut signer = right.clone();
            change(&mut signer);
            Api { signer: Some(signer), ..narthex.api.clone() }
        };
        let unsigned = Api { signer: None, ..narthex.api.clone() };
        is_refused(&narthex, &unsigned, "MissingAuthenticationTokenException", "Authentication Token")
            .await?;
        let invalid = "InvalidSignatureException";
        let cases = [
            (with(&|signer| signer.secret_access_key.push('x')), invalid, "does not match"),
            (with(&|signer| signer.region = "eu-north-1".to_owned()), invalid, "valid region: 'us-east-1'"),
            (with(&|signer| signer.skew_ms = -SKEW_MS - 2_000), invalid, "Signature expired"),
            (with(&|signer| signer.skew_ms = SKEW_MS + 5_000), invalid, "Signature not yet current"),
            (
                with(&|signer| signer.access_key_id = "AKIANARTHEXTESTS9999".to_owned()),
                "UnrecognizedClientException",
                "security token included in the request is invalid",
            ),
        ];
        for (stranger, name, words) in cases {
            is_refused(&narthex, &stranger, name, words).await.context(words)?;
        }
        // The token service has a scope of its own, which `Api::sts` sets.
        let other_service = with(&|signer| signer.service = "s3".to_owned());
        let reply = other_service.get(&narthex.base, "query", &[("query", "up")]).await?;
        ensure_error(&reply, 403, invalid, "correct service: 'aps'")?;

        let almost = with(&|signer| signer.skew_ms = SKEW_MS - 5_000);
        let reply = almost.get(&narthex.base, "query", &[("query", "up")]).await?;
        ensure!(reply.status == 200, "five minutes are allowed: {reply}");

        let nobody = with(&|signer| {
            signer.access_key_id = "AKIANARTHEXTESTS0004".to_owned();
            signer.secret_access_key = "another secret".to_owned();
        });
        let reply = nobody.get(&narthex.base, "query", &[("query", "up")]).await?;
        let words = "user/nobody is not authorized to perform: aps:QueryMetrics";
        ensure_error(&reply, 403, "AccessDeniedException", words)?;
        incomplete(&narthex).await
    });
}

/// Headers that are no signature.
async fn incomplete(narthex: &Standalone) -> Result<()> {
    let url = format!("{}/workspaces", narthex.base);
    let mut signed = Request::get(&url).body(Bytes::new())?;
    signer(&narthex.api)?.sign(&mut signed, &**narthex.api.http.clock())?;
    let good = signed.headers()["authorization"].to_str()?.to_owned();
    let cases = [
        ("Bearer token".to_owned(), "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=x".to_owned(), "IncompleteSignatureException"),
        (good.replace("SignedHeaders=host;", "SignedHeaders="), "IncompleteSignatureException"),
        (good.replace("/aws4_request", ""), "IncompleteSignatureException"),
        (good.replace("host;x-amz-date", "host;x-amz-date;x-gone"), "IncompleteSignatureException"),
        (good.replace("AWS4-HMAC", "AWS4-ECDSA-P256"), "IncompleteSignatureException"),
    ];
    for (text, name) in cases {
        ensure!(text != good, "{good} is not as expected");
        let mut request = signed.clone();
        request.headers_mut().insert("authorization", text.parse()?);
        let reply = narthex.api.http.send(request).await?;
        ensure_error(&reply, 403, name, "").context(text)?;
    }
    Ok(())
}

#[test]
fn arns_in_paths_are_read_whichever_way_they_are_encoded_for_the_signature() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let listed = narthex.api.control(Method::GET, &narthex.base, "/workspaces", None).await?.json()?;
        let arn = listed["workspaces"][0]["arn"].as_str().context("an ARN")?.to_owned();
        let with = signer(&narthex.api)?;
        let scope = Scope {
            access_key_id: with.access_key_id.clone(),
            secret: with.secret_access_key.clone(),
            at: amz_date(sandbox.clock.now().0),
            region: with.region.clone(),
            service: "aps".to_owned(),
        };
        let once = arn.replace(':', "%3A").replace('/', "%2F");
        let twice = once.replace('%', "%25");
        let plain = arn.replace(':', "%3A");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let host = narthex.base.trim_start_matches("http://");
        // As sent, and as signed: SDKs encode again what they send, and some signers do not. A slash that is not encoded
        // ends the name.
        for (sent, signed, status) in [
            (&once, &twice, 200),
            (&once, &once, 200),
            (&plain, &plain, 400),
            (&twice, &twice, 403),
            (&once, &arn, 403),
        ] {
            let canonical = format!(
                "GET\n/tags/{signed}\n\nhost:{host}\nx-amz-date:{}\n\nhost;x-amz-date\n{empty}",
                scope.at
            );
            let request = format!(
                "GET /tags/{sent} HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {}\r\nConnection: close\r\nAuthorization: \
                 AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host;x-amz-date, Signature={}\r\n\r\n",
                scope.at,
                scope.credential(),
                scope.sign(&canonical)
            );
            let answer = raw::send(&narthex.base, request.as_bytes()).await?;
            ensure!(answer.status == status, "{sent} signed as {signed} is answered {}", answer.text);
        }
        Ok(())
    });
}
