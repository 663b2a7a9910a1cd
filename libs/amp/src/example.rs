//! Requests made from the tables, for tests: of each operation a small one, a full one, and every way to be at or beyond a bound.
//! [`check_reply`] holds the answers against the tables.
//!
//! What is expected of a [`Case`] follows from the tables alone. A server that knows more (that an id names nothing, that a document
//! is no rules file) may refuse an accepted one, but not as a member that breaks a constraint of the model.

mod assemble;
mod mutate;
mod reply;
mod sample;

use serde_json::{Value, json};

pub use reply::check_reply;

use crate::{Operation, Reason};

/// A request as it goes out, but for host, signature and content type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRequest {
    /// What it asks for.
    pub operation: Operation,
    /// HTTP's.
    pub method: &'static str,
    /// Percent-encoded.
    pub path: String,
    /// Without the question mark; may be empty.
    pub query: String,
    /// JSON, or empty for operations that take no body.
    pub body: String,
}

/// A request with one thing about it, and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Such as `clientToken: one character too many`.
    pub what: String,
    /// The request.
    pub request: RawRequest,
    /// What it must get.
    pub expected: Expected,
}

/// What a request must get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It keeps to every constraint.
    Accepted,
    /// It is refused for one reason, with this member among those named.
    Refused {
        /// Kind of mistake.
        reason: Reason,
        /// Path of the member.
        name: String,
    },
}

/// The things that requests are about. By default they keep to every constraint and exist nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Things {
    /// Id of a workspace.
    pub workspace: String,
    /// Name of a rule groups namespace in it.
    pub namespace: String,
    /// Id of an anomaly detector in it.
    pub detector: String,
    /// Id of a scraper.
    pub scraper: String,
    /// ARN of the workspace, to be tagged and scraped for.
    pub workspace_arn: String,
}

impl Default for Things {
    fn default() -> Self {
        let id = "00000000-0000-4000-8000-000000000001";
        Self {
            workspace: format!("ws-{id}"),
            namespace: "namespace".to_owned(),
            detector: format!("ad-{id}"),
            scraper: format!("s-{id}"),
            workspace_arn: format!("arn:aws:aps:eu-west-1:123456789012:workspace/ws-{id}"),
        }
    }
}

/// With nothing but what must be there.
pub fn minimal(operation: Operation, things: &Things) -> RawRequest {
    assemble::raw(operation, &members(operation, things, false))
}

/// With every member, of unions the first; but a scraper's source is one that every exporter can be with.
pub fn full(operation: Operation, things: &Things) -> RawRequest {
    assemble::raw(operation, &members(operation, things, true))
}

/// The full request, changed in one place: each member missing, null, of the wrong type, at and beyond each bound.
pub fn cases(operation: Operation, things: &Things) -> Vec<Case> {
    let members = members(operation, things, true);
    mutate::changes(operation.input(), &members)
        .into_iter()
        .map(|change| Case {
            request: assemble::raw(operation, &change.members),
            what: change.what,
            expected: change.expected,
        })
        .collect()
}

/// All members of a request, as its input's shape has them.
fn members(operation: Operation, things: &Things, full: bool) -> Value {
    let mut members = sample::value(operation.input(), "", full);
    if operation == Operation::UpdateWorkspaceConfiguration && !full {
        members["retentionPeriodInDays"] = json!(30);
    }
    if operation == Operation::CreateScraper && full {
        members["source"] = sample::vpc_source();
    }
    for (pointer, thing) in [
        ("/workspaceId", &things.workspace),
        ("/name", &things.namespace),
        ("/anomalyDetectorId", &things.detector),
        ("/scraperId", &things.scraper),
        ("/resourceArn", &things.workspace_arn),
        ("/destination/ampConfiguration/workspaceArn", &things.workspace_arn),
    ] {
        if let Some(member) = members.pointer_mut(pointer) {
            *member = thing.as_str().into();
        }
    }
    members
}

#[cfg(test)]
mod example_test;
#[cfg(test)]
mod sound_test;
