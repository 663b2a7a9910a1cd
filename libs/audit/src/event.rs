//! One event, in the shape of CloudTrail (security.md 11.3).

use std::{fmt::Write, net::IpAddr};

use narthex_model::{AccountId, TimestampMs};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::{
    UserIdentity, hidden,
    hide::{hidden_message, hidden_parameters},
};

/// Longest text that a client's header adds to an event, in characters.
const MAX_HEADER: usize = 1024;

/// Largest parameters or elements that a record holds, in bytes of JSON. Definitions may have a million bytes and more in base64.
const MAX_MEMBERS: usize = 4 << 20;

/// One call, finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Management or data.
    pub kind: Kind,
    /// Who called.
    pub who: UserIdentity,
    /// When the request came.
    pub at: TimestampMs,
    /// Such as `CreateWorkspace`.
    pub operation: String,
    /// Region of the deployment.
    pub region: String,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// Id of the private endpoint that it came through.
    pub endpoint: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// Members of the request, those of its path included.
    pub request_parameters: Map<String, Value>,
    /// How it ended.
    pub outcome: Outcome,
    /// As the reply carries it.
    pub request_id: String,
    /// Unique to the event.
    pub event_id: String,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// Account that owns the resource. That of the caller where there is none.
    pub recipient: Option<AccountId>,
}

/// What sort of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A call of the management API.
    Management,
    /// A call of the Prometheus-compatible API, on the workspace of this ARN.
    Data {
        /// The workspace.
        workspace: String,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It did what was asked. Members of the response, with the headers of note; `None` where nothing is recorded (reads).
    Done(Option<Map<String, Value>>),
    /// It was refused or failed.
    Failed {
        /// Name of the error, such as `AccessDenied`.
        code: String,
        /// Its text.
        message: String,
    },
}

impl Event {
    /// Whose log the event goes to.
    pub fn account(&self) -> Option<&AccountId> {
        self.recipient.as_ref().or_else(|| self.who.account())
    }

    /// The record, without secrets.
    pub fn to_json(&self) -> Value {
        let management = self.kind == Kind::Management;
        let mut record = json!({
            "eventVersion": "1.08",
            "userIdentity": self.who.to_json(),
            "eventTime": seconds(self.at),
            "eventSource": "aps.amazonaws.com",
            "eventName": self.operation,
            "awsRegion": self.region,
            // A call without a connection is one of the deployment's own.
            "sourceIPAddress": self.source.map_or_else(|| "aps.amazonaws.com".to_owned(), |ip| ip.to_string()),
            "userAgent": self.user_agent.as_deref().map(header_text).unwrap_or_default(),
        });
        let elements = match &self.outcome {
            Outcome::Done(elements) => elements.as_ref(),
            Outcome::Failed { code, message } => {
                // CloudTrail's one name that is not the error's.
                let code = if code == "AccessDeniedException" { "AccessDenied" } else { code };
                record["errorCode"] = code.into();
                let message = hidden_message(&self.operation, code, message);
                record["errorMessage"] = header_text(message).into();
                None
            }
        };
        let parameters = Some(&self.request_parameters).filter(|parameters| !parameters.is_empty());
        record["requestParameters"] =
            recorded(parameters.map(|parameters| hidden_parameters(&self.operation, parameters)));
        record["responseElements"] = recorded(elements.map(|elements| hidden(elements.clone().into())));
        record["requestID"] = self.request_id.as_str().into();
        record["eventID"] = self.event_id.as_str().into();
        record["readOnly"] = self.read_only.into();
        if let Kind::Data { workspace } = &self.kind {
            let owner = self.account().map_or("", AccountId::as_str);
            record["resources"] =
                json!([{ "accountId": owner, "type": "AWS::APS::Workspace", "ARN": workspace }]);
        }
        record["eventType"] = "AwsApiCall".into();
        record["managementEvent"] = management.into();
        if let Some(endpoint) = &self.endpoint {
            record["vpcEndpointId"] = endpoint.as_str().into();
        }
        record["eventCategory"] = if management { "Management" } else { "Data" }.into();
        if let Some(account) = self.account() {
            record["recipientAccountId"] = account.as_str().into();
        }
        record
    }
}

/// What is recorded of a request or response: nothing as null, and too much as a note of its size.
fn recorded(members: Option<Value>) -> Value {
    let Some(members) = members else { return Value::Null };
    let size = members.to_string().len();
    if size <= MAX_MEMBERS { members } else { json!({ "omitted": true, "originalSize": size }) }
}

fn header_text(text: &str) -> String {
    text.chars().take(MAX_HEADER).collect()
}

/// `2020-11-30T23:43:21Z`
pub(crate) fn seconds(at: TimestampMs) -> String {
    let moment =
        OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second)) = (moment.date(), moment.to_hms());
    let mut text = String::new();
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day()
    );
    text
}

#[cfg(test)]
#[path = "event_test.rs"]
mod tests;
