//! Documents that the parser has to read, or to refuse with a given error.

use narthex_policy::{Kind, Policy};
use serde::Deserialize;
use serde_json::Value;

use super::policies;

/// Documents about one thing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentFile {
    pub(crate) documents: Vec<Document>,
}

/// A document and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) row: String,
    source: String,
    kind: String,
    /// Text, a whole document, or the statements of one.
    document: Value,
    /// The error; without one it is read.
    error: Option<String>,
}

const WORKSPACE: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-1";

impl Document {
    pub(crate) fn check(&self) -> Result<(), String> {
        let text = match &self.document {
            Value::String(text) => text.clone(),
            document => policies::text(document, &policies::Named::new()),
        };
        let kind = match self.kind.as_str() {
            "managed" => Kind::Managed,
            "user" => Kind::InlineUser,
            "session" => Kind::Session,
            "control" => Kind::ServiceControl,
            "workspace" => Kind::Workspace,
            "resource" => Kind::Resource,
            "trust" => Kind::Trust,
            "endpoint" => Kind::Endpoint,
            other => panic!("there is no kind {other}"),
        };
        let parsed = match kind {
            Kind::Workspace => Policy::for_workspace(&text, WORKSPACE),
            _ => Policy::parse(&text, kind),
        };
        let found = parsed.err().map(|error| error.to_string());
        if found == self.error {
            return Ok(());
        }
        Err(format!("    expected {:?}, since {}\n    found    {found:?}\n", self.error, self.source))
    }
}
