//! What is asked: an action on a resource, with all that conditions may look at. Everything is borrowed, so that asking costs no
//! allocation.

use std::net::IpAddr;

use crate::{Action, Policy, RequestTags, Tags, Value};

/// One request to be decided.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is to be done.
    pub action: Action<'a>,
    /// On what.
    pub resource: Resource<'a>,
    /// Tags that it sets or removes.
    pub tags: RequestTags<'a>,
    /// How and when it came.
    pub environment: Environment<'a>,
}

/// What an action is to be done on.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// Canonical ARN (security.md 4.5), or `*` for an action without resource.
    pub arn: &'a str,
    /// Path form `arn:aws:aps:<region>:<account>:<request path>`, which endpoint policies may name instead (SEC-33).
    pub path_arn: Option<&'a str>,
    /// Account that owns it; for an action without resource the caller's own.
    pub account: &'a str,
    /// Its tags.
    pub tags: Option<&'a Tags>,
    /// The policy attached to it.
    pub policy: Option<&'a Policy>,
    /// Whether its policy has to allow even callers of its own account, as those of roles and keys have to.
    pub requires_policy: bool,
}

impl<'a> Resource<'a> {
    /// A resource without tags and policy.
    pub fn new(arn: &'a str, account: &'a str) -> Self {
        Self { arn, path_arn: None, account, tags: None, policy: None, requires_policy: false }
    }
}

/// Circumstances of a request.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// Now, in milliseconds since 1970.
    pub now: i64,
    /// Region of the endpoint that was called.
    pub region: &'a str,
    /// Whether it came over TLS.
    pub secure: bool,
    /// `User-Agent`, if sent.
    pub user_agent: Option<&'a str>,
    /// Where it came from.
    pub origin: Origin<'a>,
    /// Further keys, such as `aws:SourceArn`, `sts:ExternalId` or `aws:CalledVia`. A key that stands here twice has two values.
    pub more: &'a [(&'a str, Value<'a>)],
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A public listener: `aws:SourceIp`.
    Public(IpAddr),
    /// A private endpoint: `aws:VpcSourceIp`, `aws:SourceVpc`, `aws:SourceVpce`, and no `aws:SourceIp`.
    Endpoint(Endpoint<'a>),
}

/// A private endpoint (security.md 6).
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// Its id.
    pub id: &'a str,
    /// The network it stands in.
    pub network: &'a str,
    /// Address of the client in that network.
    pub address: IpAddr,
    /// Its policy; without one it lets everything pass.
    pub policy: Option<&'a Policy>,
}
