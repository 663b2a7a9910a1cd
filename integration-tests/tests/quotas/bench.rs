//! Calls of the management API that must succeed, or be refused for a quota.

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    http::Reply,
    sandbox::{ControlPlane, DEADLINE, Sandbox, until},
};
use serde_json::{Value, json};

/// A control plane and its administrator.
pub(crate) struct Bench<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) plane: &'a ControlPlane,
}

/// What a refusal names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over<'a> {
    pub(crate) code: &'a str,
    pub(crate) kind: &'a str,
    /// What the quota is counted for.
    pub(crate) resource: &'a str,
}

impl Bench<'_> {
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Reply> {
        let body = (!body.is_null()).then_some(body);
        self.plane.api.control(method, &self.plane.base, path, body).await
    }

    /// A call that succeeds.
    pub(crate) async fn good(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let reply = self.call(method.clone(), path, &body).await?;
        ensure!(reply.status.is_success(), "{method} {path}: {reply}");
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    }

    /// A call that is over a quota: the documented error, with all that it names.
    pub(crate) async fn over(&self, method: Method, path: &str, body: Value, over: Over<'_>) -> Result<()> {
        let reply = self.call(method, path, &body).await?;
        let error = reply.header("x-amzn-errortype");
        ensure!(reply.status == 402 && error == "ServiceQuotaExceededException", "{over:?}: {reply}");
        let body = reply.json()?;
        let named = json!([body["serviceCode"], body["quotaCode"], body["resourceType"], body["resourceId"]]);
        ensure!(named == json!(["aps", over.code, over.kind, over.resource]), "{over:?}: {reply}");
        let message = body["message"].as_str().unwrap_or_default();
        ensure!(message.starts_with("Limit exceeded. Maximum "), "{over:?}: {reply}");
        Ok(())
    }

    /// A call with a member beyond a bound that is no quota of its own.
    pub(crate) async fn invalid(&self, method: Method, path: &str, body: Value, member: &str) -> Result<()> {
        let reply = self.call(method, path, &body).await?;
        let error = reply.header("x-amzn-errortype");
        ensure!(reply.status == 400 && error == "ValidationException", "{member}: {reply}");
        let body = reply.json()?;
        let names: Vec<_> =
            body["fieldList"].as_array().into_iter().flatten().map(|it| &it["name"]).collect();
        ensure!(body["reason"] == "FIELD_VALIDATION_FAILED" && names == [member], "{member}: {reply}");
        Ok(())
    }

    /// An active workspace: its id, and its path.
    pub(crate) async fn workspace(&self) -> Result<(String, String)> {
        let created = self.good(Method::POST, "/workspaces", json!({})).await?;
        let id = created["workspaceId"].as_str().context("an id")?.to_owned();
        let path = format!("/workspaces/{id}");
        self.until(&path, "/workspace/status/statusCode", "ACTIVE").await?;
        Ok((id, path))
    }

    /// Asks until a status is reached.
    pub(crate) async fn until(&self, path: &str, pointer: &str, wanted: &str) -> Result<()> {
        until(&self.sandbox.clock, &format!("{path} is {wanted}"), DEADLINE, async || {
            let reply = self.call(Method::GET, path, &Value::Null).await?;
            let status = reply.json()?.pointer(pointer).cloned();
            Ok(if status == Some(wanted.into()) { Ok(()) } else { Err(reply.to_string()) })
        })
        .await
    }
}
