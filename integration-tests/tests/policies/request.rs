//! A row's request: what has to be there before it, who signs it, and what is to be said to it.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use narthex_amp::{
    Operation,
    example::{Things, minimal},
};
use narthex_integration_tests::{
    aws::Api,
    http::Reply,
    sandbox::{DEADLINE, Sandbox, Standalone, until},
    wire::WriteRequest,
};
use serde_json::{Value, json};

use super::{
    document::{policy_name, signer_of},
    row::{Caller, Row, operation, tags},
    rows::OWNER,
};

/// Requests of the Prometheus-compatible API: action, method, path behind the workspace.
pub(crate) const DATA: [(&str, &str, &str); 13] = [
    ("RemoteWrite", "POST", "api/v1/remote_write"),
    ("QueryMetrics", "GET", "api/v1/query?query=up"),
    ("GetSeries", "GET", "api/v1/series?match%5B%5D=up"),
    ("GetLabels", "GET", "api/v1/labels"),
    ("GetMetricMetadata", "GET", "api/v1/metadata"),
    ("ListRules", "GET", "api/v1/rules"),
    ("ListAlerts", "GET", "api/v1/alerts"),
    ("ListAlertManagerAlerts", "GET", "alertmanager/api/v2/alerts"),
    ("ListAlertManagerAlertGroups", "GET", "alertmanager/api/v2/alerts/groups"),
    ("ListAlertManagerReceivers", "GET", "alertmanager/api/v2/receivers"),
    ("ListAlertManagerSilences", "GET", "alertmanager/api/v2/silences"),
    ("GetAlertManagerSilence", "GET", "alertmanager/api/v2/silence/00000000-0000-4000-8000-000000000000"),
    ("GetAlertManagerStatus", "GET", "alertmanager/api/v2/status"),
];

/// The first of them, which a Narthex without ruler and alert manager answers too.
const ANSWERED: usize = 5;

fn arn(workspace: &str) -> String {
    format!("arn:aws:aps:us-east-1:{OWNER}:workspace/{workspace}")
}

fn tags_path(workspace: &str) -> String {
    let arn = arn(workspace);
    format!("/tags/{}", percent_encoding::utf8_percent_encode(&arn, percent_encoding::NON_ALPHANUMERIC))
}

/// Gives the row's workspace its tags and its policy, as the administrator of its account.
pub(crate) async fn prepare(narthex: &Standalone, row: &Row) -> Result<()> {
    let Some(workspace) = &row.workspace else { return Ok(()) };
    if !row.resource_tags.is_empty() {
        let body = json!({ "tags": row.resource_tags });
        let path = tags_path(workspace);
        let reply = narthex.api.control(Method::POST, &narthex.base, &path, Some(&body)).await?;
        ensure!(reply.status == 200, "TagResource: {reply}");
    }
    if let Some(policy) = &row.resource_policy {
        put_policy(narthex, workspace, policy).await?;
    }
    Ok(())
}

async fn put_policy(narthex: &Standalone, workspace: &str, policy: &Value) -> Result<()> {
    let body = json!({ "policyDocument": policy.to_string() });
    let path = format!("/workspaces/{workspace}/policy");
    let reply = narthex.api.control(Method::PUT, &narthex.base, &path, Some(&body)).await?;
    ensure!(reply.status == 202, "PutResourcePolicy: {reply}");
    Ok(())
}

/// Waits until all that was prepared is in force: changes come into force in their order, so a last one tells of the others.
pub(crate) async fn settle(sandbox: &Sandbox, narthex: &Standalone) -> Result<()> {
    let workspace = narthex.env.get("NARTHEX_WORKSPACE_ID")?;
    let nobody = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "aps:GetLabels", "Resource": "*",
    } });
    put_policy(narthex, workspace, &nobody).await?;
    until(&sandbox.clock, "the last policy is in force", DEADLINE, async || {
        let reply = narthex.api.get(&narthex.base, "labels", &[]).await?;
        Ok(if reply.status == 403 { Ok(()) } else { Err(reply.to_string()) })
    })
    .await
}

/// Asks, and holds the answer against the row's verdict.
pub(crate) async fn check(narthex: &Standalone, row: &Row) -> Result<()> {
    let api = Api { signer: Some(signer_of(row)), ..narthex.api.clone() };
    let api = match &row.caller {
        Caller::Session { .. } => session(narthex, &api, row).await?,
        _ => api,
    };
    let reply = api.send(request(narthex, row)?).await?;
    judge(row, &reply)
}

/// A client with a session of the row's role, under the row's session policies.
async fn session(narthex: &Standalone, api: &Api, row: &Row) -> Result<Api> {
    let Caller::Session { account, path, role, session } = &row.caller else { return Ok(api.clone()) };
    let arn = format!("arn:aws:iam::{account}:role{path}{role}");
    let mut form = vec![
        ("Action".to_owned(), "AssumeRole".to_owned()),
        ("RoleArn".to_owned(), arn),
        ("RoleSessionName".to_owned(), session.clone()),
    ];
    for (number, policy) in row.session.iter().flatten().enumerate() {
        // The first inline, all others as policies of the account.
        form.push(match number {
            0 => ("Policy".to_owned(), policy.to_string()),
            number => {
                let name = policy_name(row, &format!("session-{number}"));
                let value = format!("arn:aws:iam::{account}:policy/{name}");
                (format!("PolicyArns.member.{number}.arn"), value)
            }
        });
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    api.with_session(&api.sts(&narthex.base, &form).await?)
}

fn request(narthex: &Standalone, row: &Row) -> Result<Request<Bytes>> {
    let (method, path, body) = match operation(&row.action) {
        Some(operation) => managing(row, operation),
        None => data(narthex, row)?,
    };
    let scheme = if row.secure { "https" } else { "http" };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", narthex.base))
        .header("x-forwarded-for", &row.source_ip)
        .header("x-forwarded-proto", scheme);
    if let Some(agent) = &row.user_agent {
        request = request.header("user-agent", agent);
    }
    if row.action == "RemoteWrite" {
        request = request
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0");
    }
    Ok(request.body(body)?)
}

fn managing(row: &Row, operation: Operation) -> (&'static str, String, Bytes) {
    let workspace = row.workspace.clone().unwrap_or_default();
    let things = Things { workspace_arn: arn(&workspace), workspace, ..Things::default() };
    let mut raw = minimal(operation, &things);
    if let Some(given) = &row.request_tags {
        raw.body = json!({ "tags": tags(given) }).to_string();
    }
    if let Some(keys) = &row.tag_keys {
        let keys = keys.iter().map(|key| {
            let escaped = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
            format!("tagKeys={escaped}")
        });
        raw.query = keys.collect::<Vec<_>>().join("&");
    }
    let mark = if raw.query.is_empty() { "" } else { "?" };
    (raw.method, format!("{}{mark}{}", raw.path, raw.query), raw.body.into())
}

fn data(narthex: &Standalone, row: &Row) -> Result<(&'static str, String, Bytes)> {
    let known = DATA.iter().find(|(name, ..)| *name == row.action);
    let (_, method, path) = known.with_context(|| format!("no request for {}", row.action))?;
    let workspace = row.workspace.as_deref().context("a workspace")?;
    let now = narthex.api.http.clock().now().0;
    let body = match row.action.as_str() {
        "RemoteWrite" => WriteRequest::one(&[("__name__", "up")], &[(now, 1.0)]).compressed(),
        _ => Bytes::new(),
    };
    Ok((method, format!("/workspaces/{workspace}/{path}"), body))
}

fn judge(row: &Row, reply: &Reply) -> Result<()> {
    let error = reply.header("x-amzn-errortype");
    let Some(denial) = &row.denial else {
        let answered = DATA[..ANSWERED].iter().any(|(name, ..)| *name == row.action);
        let fits = match (row.is_data(), reply.status.as_u16()) {
            (_, 200..300) => true,
            (true, _) => !answered && reply.status != 403,
            // Allowed, and the state is in the way.
            (false, 402 | 404 | 409) => {
                let errors =
                    ["ServiceQuotaExceededException", "ResourceNotFoundException", "ConflictException"];
                errors.contains(&error)
            }
            _ => false,
        };
        ensure!(fits, "allowed, and answered with {reply}");
        return Ok(());
    };
    ensure!(reply.status == 403 && error == "AccessDeniedException", "denied, and answered with {reply}");
    let said = reply.json()?["message"].as_str().unwrap_or_default().to_owned();
    ensure!(said == *denial, "the words are {said:?}, not {denial:?}");
    Ok(())
}
