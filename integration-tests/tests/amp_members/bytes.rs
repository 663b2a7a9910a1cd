//! Bytes that are no request: bodies that are no JSON, too large or too deep, paths and queries that say one thing and mean
//! another, lengths that lie. Each is refused in bounded time, and the next request is answered as if nothing had been.

mod framing;
mod paths;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_amp::{
    Operation,
    example::{Things, full},
    shape::Location,
};
use narthex_integration_tests::{
    http::Reply,
    sandbox::{ControlPlane, scenario},
};
use serde_json::Value;

use super::stock::Target;

/// Longest that any of these may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// The limit of the edge for bodies.
const LARGEST: usize = 8 << 20;

impl Target<'_> {
    /// Signs and sends bytes; the answer has to be there soon.
    async fn bytes(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Reply> {
        let clock = &self.sandbox.clock;
        let begun = clock.monotonic();
        let request =
            Request::builder().method(method).uri(format!("{}{path}", self.plane.base)).body(body.into())?;
        let reply = self.plane.api.send(request).await?;
        let taken = clock.monotonic().saturating_sub(begun);
        ensure!(taken < LIMIT, "{method} {path} took {taken:?}");
        ensure!(reply.status.as_u16() < 500, "{method} {path}: {reply}");
        Ok(reply)
    }
}

/// A refusal as invalid, for a reason and, if that is told, for a member.
fn invalid(reply: &Reply, reason: &str, member: Option<&str>) -> Result<()> {
    ensure!(reply.status == 400 && reply.header("x-amzn-errortype") == "ValidationException", "{reply}");
    let body = reply.json()?;
    ensure!(body["reason"] == reason, "not {reason}: {reply}");
    let fields: Vec<&str> = body["fieldList"].as_array().into_iter().flatten().filter_map(name).collect();
    ensure!(fields.len() <= 50, "{} fields", fields.len());
    if let Some(member) = member {
        ensure!(fields.contains(&member), "{member} is not named: {reply}");
    }
    Ok(())
}

fn name(field: &Value) -> Option<&str> {
    field["name"].as_str()
}

/// Bodies that are no JSON object.
fn no_objects() -> Vec<Vec<u8>> {
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    let mut bodies = vec![deep("["), deep("{\"a\":"), deep("[{\"tags\":")];
    let texts: [&[u8]; 13] = [
        b"nonsense",
        b"[1]",
        b"null",
        b"\"a\"",
        b"{",
        b"{}{}",
        b"{'alias': 'a'}",
        b"{\"alias\": NaN}",
        b"{\"alias\": 1e999}",
        b"{\"alias\": \"\\ud800\"}",
        b"{\"alias\": \"\xFF\"}",
        b"\xFE\xFF\x00{",
        b"\xEF\xBB\xBF{}",
    ];
    bodies.extend(texts.map(<[u8]>::to_vec));
    bodies
}

async fn refuses_what_is_no_json(target: &Target<'_>) -> Result<()> {
    let has_body = |operation: &Operation| {
        operation.input().members().iter().any(|member| member.location == Location::Body)
    };
    for operation in Operation::ALL.into_iter().filter(has_body) {
        let raw = full(operation, &Things::default());
        for body in no_objects() {
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            let reply = target.bytes(raw.method, &raw.path, body).await?;
            invalid(&reply, "CANNOT_PARSE", None)
                .with_context(|| format!("{} with {shown:?}", operation.name()))?;
        }
    }
    Ok(())
}

/// Of a key that comes twice the later one counts, and what is unknown may be nested as it likes, up to a bound.
async fn reads_the_last_of_two_keys(target: &Target<'_>) -> Result<()> {
    let reply = target.bytes("POST", "/workspaces", r#"{"alias": "first", "alias": "second"}"#).await?;
    ensure!(reply.status == 202, "{reply}");
    let id = reply.json()?["workspaceId"].as_str().context("an id")?.to_owned();
    let shown = target.bytes("GET", &format!("/workspaces/{id}"), "").await?.json()?;
    ensure!(shown["workspace"]["alias"] == "second", "{shown}");
    let nested = |depth: usize| format!("{{\"unknown\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    let reply = target.bytes("POST", "/workspaces", nested(100)).await?;
    ensure!(reply.status == 202, "{reply}");
    invalid(&target.bytes("POST", "/workspaces", nested(1_000)).await?, "CANNOT_PARSE", None)
}

async fn bounds_the_size(target: &Target<'_>) -> Result<()> {
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    let reply = target.bytes("POST", "/workspaces", padded(LARGEST)).await?;
    ensure!(reply.status == 202, "the largest body: {reply}");
    let reply = target.bytes("POST", "/workspaces", padded(LARGEST + 1)).await?;
    let error = reply.header("x-amzn-errortype");
    ensure!(reply.status == 413 && error == "RequestEntityTooLargeException", "one byte more: {reply}");
    // Of very many mistakes the first are told.
    let tags: String = (0..100_000).map(|number| format!("\"aws:{number}\":5,")).collect();
    let reply = target.bytes("POST", "/workspaces", format!("{{\"tags\":{{{tags}\"a\":\"b\"}}}}")).await?;
    invalid(&reply, "CANNOT_PARSE", Some("tags"))?;
    ensure!(reply.body.len() < 64 << 10, "an answer of {} bytes", reply.body.len());
    let reply =
        target.bytes("POST", "/workspaces", format!("{{\"alias\":\"{}\"}}", "é".repeat(1 << 20))).await?;
    invalid(&reply, "FIELD_VALIDATION_FAILED", Some("alias"))?;
    ensure!(reply.body.len() < 4 << 10, "an answer of {} bytes", reply.body.len());
    Ok(())
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    scenario(async |sandbox| {
        let plane = ControlPlane::start(sandbox, &["--limits.workspaces=1000"]).await?;
        let target = Target { sandbox, plane: &plane };
        refuses_what_is_no_json(&target).await?;
        reads_the_last_of_two_keys(&target).await?;
        bounds_the_size(&target).await?;
        let workspace = target.stock(Operation::DescribeWorkspace, 1).await?.remove(0);
        paths::check(&target, &workspace).await?;
        framing::check(&target).await?;
        target.is_well().await
    });
}
