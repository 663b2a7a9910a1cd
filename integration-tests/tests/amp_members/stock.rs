//! Real things for an operation's requests to be about: workspaces, and in them what the operation needs to find.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Method, Request};
use narthex_amp::{
    Operation,
    example::{RawRequest, Things, full, minimal},
};
use narthex_integration_tests::{
    http::Reply,
    sandbox::{ControlPlane, DEADLINE, Sandbox, until},
};
use serde_json::{Value, json};

/// A control plane with a client.
pub(crate) struct Target<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) plane: &'a ControlPlane,
}

impl Target<'_> {
    /// Signs and sends.
    pub(crate) async fn send(&self, raw: &RawRequest) -> Result<Reply> {
        let mark = if raw.query.is_empty() { "" } else { "?" };
        let uri = format!("{}{}{mark}{}", self.plane.base, raw.path, raw.query);
        let mut request = Request::builder().method(raw.method).uri(uri);
        if !raw.body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.plane.api.send(request.body(Bytes::from(raw.body.clone()))?).await
    }

    /// Sends until nothing is busy with an earlier change any more.
    pub(crate) async fn when_free(&self, raw: &RawRequest) -> Result<Reply> {
        let clock = &self.sandbox.clock;
        let deadline = clock.monotonic() + Duration::from_secs(10);
        loop {
            let reply = self.send(raw).await?;
            let busy = reply.status == 409 && !reply.text().contains("already exists");
            if !busy || clock.monotonic() > deadline {
                return Ok(reply);
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// A request that has to succeed; its reply's body.
    async fn done(&self, raw: &RawRequest) -> Result<Value> {
        let reply = self.when_free(raw).await?;
        ensure!(reply.status.is_success(), "{} answered {reply}", raw.operation.name());
        reply.json()
    }

    /// As many things as wanted, each by itself, with what the operation needs.
    pub(crate) async fn stock(&self, operation: Operation, count: usize) -> Result<Vec<Things>> {
        let mut stock = Vec::new();
        for number in 0..count {
            let created = self.done(&minimal(Operation::CreateWorkspace, &Things::default())).await?;
            let text = |member: &str| created[member].as_str().context("a text").map(str::to_owned);
            stock.push(Things {
                workspace: text("workspaceId")?,
                workspace_arn: text("arn")?,
                namespace: format!("namespace-{number}"),
                ..Things::default()
            });
        }
        for things in &mut stock {
            self.active(&things.workspace).await?;
            for need in needs(operation) {
                let created = self.done(&first(*need, things)?).await?;
                let id = |member: &str| created[member].as_str().map(str::to_owned);
                things.detector = id("anomalyDetectorId").unwrap_or(std::mem::take(&mut things.detector));
                things.scraper = id("scraperId").unwrap_or(std::mem::take(&mut things.scraper));
            }
        }
        Ok(stock)
    }

    /// Waits for a new workspace.
    async fn active(&self, workspace: &str) -> Result<()> {
        let (api, base) = (&self.plane.api, &self.plane.base);
        until(&self.sandbox.clock, "a workspace is active", DEADLINE, async || {
            let reply = api.control(Method::GET, base, &format!("/workspaces/{workspace}"), None).await?;
            let status = reply.json()?["workspace"]["status"]["statusCode"].clone();
            Ok(if status == json!("ACTIVE") { Ok(()) } else { Err(reply.to_string()) })
        })
        .await
    }

    /// Still answers, has not ended, and neither panicked nor logged an error.
    pub(crate) async fn is_well(&self) -> Result<()> {
        self.done(&minimal(Operation::ListWorkspaces, &Things::default())).await?;
        let log = self.sandbox.log("control-plane");
        let bad = log.lines().find(|line| line.contains("panicked") || line.contains(" ERROR "));
        if let Some(line) = bad {
            bail!("the log says {line}");
        }
        Ok(())
    }
}

/// A request for something to begin with: a scraper is one that can have every exporter.
fn first(operation: Operation, things: &Things) -> Result<RawRequest> {
    let mut raw = minimal(operation, things);
    if operation == Operation::CreateScraper {
        let mut body: Value = serde_json::from_str(&raw.body)?;
        body["source"] = serde_json::from_str::<Value>(&full(operation, things).body)?["source"].take();
        raw.body = body.to_string();
    }
    Ok(raw)
}

/// What has to be there for the operation to find it, in the order in which it is made.
fn needs(operation: Operation) -> &'static [Operation] {
    use Operation::*;
    match operation {
        PutAlertManagerDefinition | DescribeAlertManagerDefinition | DeleteAlertManagerDefinition => {
            &[CreateAlertManagerDefinition]
        }
        PutRuleGroupsNamespace | DescribeRuleGroupsNamespace | DeleteRuleGroupsNamespace => {
            &[CreateRuleGroupsNamespace]
        }
        UpdateLoggingConfiguration | DescribeLoggingConfiguration | DeleteLoggingConfiguration => {
            &[CreateLoggingConfiguration]
        }
        UpdateQueryLoggingConfiguration
        | DescribeQueryLoggingConfiguration
        | DeleteQueryLoggingConfiguration => &[CreateQueryLoggingConfiguration],
        DescribeResourcePolicy | DeleteResourcePolicy => &[PutResourcePolicy],
        PutAnomalyDetector | DescribeAnomalyDetector | DeleteAnomalyDetector => &[CreateAnomalyDetector],
        UpdateScraper | DescribeScraper | DeleteScraper | UpdateScraperLoggingConfiguration => {
            &[CreateScraper]
        }
        DescribeScraperLoggingConfiguration | DeleteScraperLoggingConfiguration => {
            &[CreateScraper, UpdateScraperLoggingConfiguration]
        }
        _ => &[],
    }
}
