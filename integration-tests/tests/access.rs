//! Who may see what: workspaces are apart, an unknown one is 404, an unsigned or wrongly signed request is 403. Each in
//! the shape that AWS clients read: `{"message"}`, `x-amzn-ErrorType`, `x-amzn-RequestId`.

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use narthex_integration_tests::{
    aws::{Api, Signer},
    http::Reply,
    samples,
    sandbox::{Cluster, DEADLINE, Sandbox, Standalone, scenario, until},
    wire::WriteRequest,
};

/// A refusal in AWS shape, with a request id and the given error name.
fn ensure_refused(reply: &Reply, status: u16, error_types: &[&str]) -> Result<()> {
    ensure!(reply.status.as_u16() == status, "expected {status}, found {reply}");
    let message = reply.json()?["message"].as_str().unwrap_or_default().to_owned();
    ensure!(!message.is_empty(), "no message: {reply}");
    let error_type = reply.header("x-amzn-errortype");
    ensure!(error_types.contains(&error_type), "error type {error_type:?}: {reply}");
    let id = reply.header("x-amzn-requestid");
    let is_uuid = id.len() == 36 && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    ensure!(is_uuid, "the request id is {id:?}");
    Ok(())
}

/// Everything that a client may ask of a workspace.
fn requests(api: &Api, distributor: &str, querier: &str, now: i64) -> Result<Vec<Request<Bytes>>> {
    let get =
        |endpoint: &str| Request::get(api.url(querier, &format!("api/v1/{endpoint}"))).body(Bytes::new());
    let body = WriteRequest::one(&[("__name__", "secret")], &[(now, 1.0)]).compressed();
    Ok(vec![
        get("query?query=up")?,
        get("query_range?query=up&start=1&end=2&step=1")?,
        get("labels")?,
        get("label/job/values")?,
        get("series?match%5B%5D=up")?,
        get("metadata")?,
        api.write_request(distributor, body)?,
    ])
}

const SIGNATURE_ERRORS: [&str; 5] = [
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
];

/// The ways to sign wrongly, by name.
fn wrong_signers(right: &Signer) -> Vec<(&'static str, Option<Signer>)> {
    let wrong = |change: fn(&mut Signer)| {
        let mut signer = right.clone();
        change(&mut signer);
        Some(signer)
    };
    vec![
        ("unsigned", None),
        ("another secret", wrong(|signer| signer.secret_access_key.push('x'))),
        ("an unknown key", wrong(|signer| signer.access_key_id = "AKIAIOSFODNN7EXAMPLE".to_owned())),
        ("another region", wrong(|signer| signer.region = "eu-north-1".to_owned())),
        ("another service", wrong(|signer| signer.service = "s3".to_owned())),
        ("an hour ago", wrong(|signer| signer.skew_ms = -3_600_000)),
        ("in an hour", wrong(|signer| signer.skew_ms = 3_600_000)),
    ]
}

async fn refuses_wrong_signatures(
    sandbox: &Sandbox,
    api: &Api,
    distributor: &str,
    querier: &str,
) -> Result<()> {
    let signer = api.signer.as_ref().expect("the client signs");
    for (name, wrong) in wrong_signers(signer) {
        let stranger = Api { signer: wrong, ..api.clone() };
        for request in requests(api, distributor, querier, sandbox.clock.now().0)? {
            let what = format!("{name}: {} {}", request.method(), request.uri().path());
            let reply = stranger.send(request).await?;
            ensure_refused(&reply, 403, &SIGNATURE_ERRORS).map_err(|error| error.context(what))?;
        }
        // Unsigned is refused before the workspace is looked up.
        let nowhere = Api { workspace: "ws-00000000-0000-4000-8000-000000000000".to_owned(), ..stranger };
        let reply = nowhere.get(querier, "query", &[("query", "up")]).await?;
        ensure_refused(&reply, 403, &SIGNATURE_ERRORS)?;
    }
    Ok(())
}

/// A right signature, and a body that another one was made for.
async fn refuses_another_body(sandbox: &Sandbox, api: &Api, distributor: &str) -> Result<()> {
    let now = sandbox.clock.now().0;
    let signed = WriteRequest::one(&[("__name__", "signed")], &[(now, 1.0)]).compressed();
    let sent = WriteRequest::one(&[("__name__", "forged")], &[(now, 1.0)]).compressed();
    let mut request = api.write_request(distributor, signed)?;
    let signer = api.signer.as_ref().expect("the client signs");
    signer.sign(&mut request, &**api.http.clock())?;
    *request.body_mut() = sent;
    ensure_refused(&api.http.send(request).await?, 403, &SIGNATURE_ERRORS)
}

async fn refuses_unknown_workspaces(
    sandbox: &Sandbox,
    api: &Api,
    distributor: &str,
    querier: &str,
) -> Result<()> {
    for unknown in ["ws-00000000-0000-4000-8000-000000000000", "ws-1", "nonsense"] {
        let nowhere = Api { workspace: unknown.to_owned(), ..api.clone() };
        for request in requests(&nowhere, distributor, querier, sandbox.clock.now().0)? {
            let what = format!("{} {}", request.method(), request.uri().path());
            let reply = nowhere.send(request).await?;
            ensure_refused(&reply, 404, &["ResourceNotFoundException"])
                .map_err(|error| error.context(what))?;
        }
    }
    Ok(())
}

/// Writes to two workspaces the same series with different values and reads both back.
async fn keeps_workspaces_apart(
    sandbox: &Sandbox,
    one: &Api,
    control: &str,
    distributor: &str,
    querier: &str,
) -> Result<()> {
    let other = one.create_workspace(control, "other").await?;
    until(&sandbox.clock, "the second workspace is active", DEADLINE, async || {
        let reply =
            other.control(Method::GET, control, &format!("/workspaces/{}", other.workspace), None).await?;
        let status = reply.json()?["workspace"]["status"]["statusCode"].clone();
        Ok(if status == "ACTIVE" { Ok(()) } else { Err(reply.to_string()) })
    })
    .await?;
    let now = sandbox.clock.now().0;
    for (api, tenant, value) in [(one, "one", 1.0), (&other, "other", 2.0)] {
        let mut request = WriteRequest::one(&[("__name__", "shared")], &[(now, value)]);
        request.series(&[("__name__", format!("only_{tenant}")), (tenant, "x".to_owned())], &[(now, value)]);
        let reply = api.write(distributor, request.compressed()).await?;
        ensure!(reply.status.is_success(), "{tenant}: {reply}");
    }
    let time = format!("{}", (now + 1000) as f64 / 1000.0);
    for (api, tenant, foreign, value) in [(one, "one", "other", 1.0_f64), (&other, "other", "one", 2.0)] {
        let query = [("query", "{__name__!=\"\"}[5m]"), ("time", time.as_str())];
        let held = samples::matrix(&api.post_form(querier, "query", &query).await?)?;
        ensure!(held.len() == 2 && samples::count(&held) == 2, "{tenant} sees {held:?}");
        let bits = samples::Point::Float(value.to_bits());
        ensure!(held.values().all(|points| points.get(&now) == Some(&bits)), "{tenant} sees {held:?}");
        for endpoint in ["labels", "label/__name__/values", "series", "metadata"] {
            let fields: &[(&str, &str)] =
                if endpoint == "series" { &[("match[]", "{__name__!=\"\"}")] } else { &[] };
            let reply = api.get(querier, endpoint, fields).await?;
            ensure!(reply.status == 200, "{endpoint}: {reply}");
            ensure!(
                !reply.text().contains(&format!("only_{foreign}")),
                "{tenant} sees in {endpoint}: {reply}"
            );
            ensure!(
                !reply.text().contains(&format!("\"{foreign}\"")),
                "{tenant} sees in {endpoint}: {reply}"
            );
        }
    }
    Ok(())
}

#[test]
fn all_in_one_refuses_wrong_signatures() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        refuses_wrong_signatures(sandbox, &narthex.api, &narthex.base, &narthex.base).await?;
        refuses_another_body(sandbox, &narthex.api, &narthex.base).await
    });
}

#[test]
fn all_in_one_refuses_unknown_workspaces() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        refuses_unknown_workspaces(sandbox, &narthex.api, &narthex.base, &narthex.base).await
    });
}

#[test]
fn all_in_one_keeps_workspaces_apart() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        keeps_workspaces_apart(sandbox, &narthex.api, &narthex.base, &narthex.base, &narthex.base).await
    });
}

#[test]
fn cluster_keeps_workspaces_apart_and_strangers_out() {
    scenario(async |sandbox| {
        let cluster = Cluster::start(sandbox).await?;
        let (distributor, querier) = (&cluster.distributors[0], &cluster.queriers[2]);
        let control = cluster.env.get("AWS_ENDPOINT_URL_AMP")?;
        refuses_wrong_signatures(sandbox, &cluster.api, distributor, querier).await?;
        refuses_unknown_workspaces(sandbox, &cluster.api, distributor, querier).await?;
        keeps_workspaces_apart(sandbox, &cluster.api, control, distributor, querier).await
    });
}
