//! Who may do what: IAM policies, parsed and compiled once, decided per request in AWS's evaluation order.
//!
//! [`Policy::parse`] checks a document and compiles it. A [`Caller`] holds a principal with its policies; [`decide()`] takes it and a
//! [`Request`] and answers with a [`Verdict`], whose message is AWS's. Pure: no clock, no I/O, and no allocation (exception in
//! [`decide()`]). `tests/table` holds what it has to answer, each row with the rule that says so.
//!
//! Danger: what is not known (a key that is not in the request, a variable without value, a policy that cannot be read) must keep
//! doors shut. Whoever loads policies must not leave one out because it does not parse: it might have held a Deny.
//!
//! # Why not a library
//! `iam-rs` 0.8 was measured against the table and the budget of 2 microseconds. A decision over ten policies of two statements
//! took it 70 microseconds: it compiles each pattern, boxes each comparison and clones the request each time. Of the language it
//! lacks policy variables in conditions, the `Version` that may be left out, several sorts of principals in one element,
//! `ForAllValues:...IfExists`, stars that reach over the parts of an ARN, `ArnEquals` with wildcards, roles named for their sessions
//! and accounts for their users. Worse, it allows what must not be: a tag value of `*` acts as a wildcard in
//! `workspace/${aws:PrincipalTag/x}`, a variable without value as empty text, a star of `ArnLike` over all parts, and base64 without
//! regard to case. It has no boundary, session or resource layers; those would be this crate in any case.

#![forbid(unsafe_code)]

mod actions;
mod caller;
mod condition;
mod decide;
mod error;
mod facts;
mod key;
mod kind;
mod layer;
mod managed;
mod parse;
mod pattern;
mod policy;
mod principal;
mod principals;
mod request;
mod tags;
mod value;
mod variable;
mod verdict;

pub use actions::{ACTIONS, Access, Action, ActionInfo, Plane, ResourceType};
pub use caller::{Caller, Permissions};
pub use decide::decide;
pub use error::{PolicyError, Problem};
pub use kind::{Kind, counted};
pub use layer::Layer;
pub use managed::{MANAGED_POLICIES, ManagedPolicy};
pub use policy::{Policy, Version};
pub use principal::{MultiFactor, NotAPrincipal, Principal};
pub use request::{Endpoint, Environment, Origin, Request, Resource};
pub use tags::{RequestTags, Tags};
pub use value::Value;
pub use verdict::{Denial, Verdict};
