//! The answer, and its words.

use std::fmt;

use crate::{Layer, Principal, Request};

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not.
    Denied(Denial),
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Which sort of policy.
    pub layer: Layer,
    /// Whether a policy says Deny; otherwise none says Allow.
    pub explicit: bool,
}

impl Verdict {
    /// Whether it may go on.
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

impl Denial {
    /// The message for the caller: `User: <arn> is not authorized to perform: <action> on resource: <arn>` (SEC-21), and why.
    pub fn message<'a>(self, caller: &'a Principal, request: &'a Request<'a>) -> impl fmt::Display + 'a {
        Message { denial: self, caller, request }
    }
}

struct Message<'a> {
    denial: Denial,
    caller: &'a Principal,
    request: &'a Request<'a>,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, resource) = (self.request.action.name(), self.request.resource.arn);
        write!(f, "User: {} is not authorized to perform: {action}", self.caller.name())?;
        if resource != "*" {
            write!(f, " on resource: {resource}")?;
        }
        let Denial { layer, explicit } = self.denial;
        if explicit {
            write!(f, " with an explicit deny in {} {}", layer.article(), layer.name())
        } else {
            write!(f, " because no {} allows the {action} action", layer.name())
        }
    }
}
