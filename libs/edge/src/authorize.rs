//! Whether a caller may do what it asks for: the policies of [`narthex_policy`] over the facts of a request.
//!
//! The edge itself asks for data-plane requests, where path and workspace say everything (SEC-17). On the control plane the resource
//! and its tags are the handler's to know, so that handlers ask through [`Authenticated::authorize`] (SEC-18).

use std::{net::IpAddr, sync::Arc};

use narthex_cluster::Workspace;
use narthex_model::TimestampMs;
use narthex_policy::{
    Action, Endpoint, Environment, Origin, Policy, Request, RequestTags, Resource, Tags, Value, Verdict,
    decide,
};

use crate::{Authenticated, AwsError, PrivateEndpoint};

/// How and when a request came.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// When it was let in.
    pub now: TimestampMs,
    /// Region of the edge.
    pub region: Arc<str>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// `User-Agent`, if sent.
    pub user_agent: Option<Arc<str>>,
    /// Address of the client.
    pub source: IpAddr,
    /// The private endpoint that it came through.
    pub passage: Option<Passage>,
}

/// A request's way through a private endpoint.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Which.
    pub endpoint: Arc<PrivateEndpoint>,
    /// The path that was asked for; the endpoint's policy may name things by it (SEC-33).
    pub path: Arc<str>,
}

/// One thing that a caller has to be allowed to do.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// Such as `aps:CreateWorkspace` or `iam:PassRole`.
    pub action: &'a str,
    /// ARN, or `*` for an action without resource.
    pub resource: &'a str,
    /// Account that owns it; for an action without resource the caller's own.
    pub account: &'a str,
    /// Its tags.
    pub tags: Option<&'a Tags>,
    /// The policy on it.
    pub policy: Option<&'a Policy>,
    /// Whether its policy has to allow even callers of its own account, as those of roles have to.
    pub requires_policy: bool,
    /// Tags that the request sets or removes.
    pub request_tags: RequestTags<'a>,
    /// Further keys, such as `iam:PassedToService`.
    pub more: &'a [(&'a str, Value<'a>)],
}

impl<'a> Check<'a> {
    /// An action on a resource without tags and policy.
    pub fn new(action: &'a str, resource: &'a str, account: &'a str) -> Self {
        Self {
            action,
            resource,
            account,
            tags: None,
            policy: None,
            requires_policy: false,
            request_tags: RequestTags::None,
            more: &[],
        }
    }
}

impl Authenticated {
    /// Whether the caller may.
    ///
    /// # Errors
    /// AccessDenied in AWS's words (SEC-21).
    pub fn authorize(&self, check: &Check<'_>) -> Result<(), AwsError> {
        let Circumstances { now, region, secure, user_agent, source, passage } = &self.circumstances;
        let path_arn = passage
            .as_ref()
            .map(|Passage { path, .. }| format!("arn:aws:aps:{region}:{}:{path}", check.account));
        let origin = match passage {
            None => Origin::Public(*source),
            Some(Passage { endpoint, .. }) => Origin::Endpoint(Endpoint {
                id: &endpoint.id,
                network: &endpoint.network,
                address: *source,
                policy: endpoint.policy.as_ref(),
            }),
        };
        let request = Request {
            action: Action::new(check.action),
            resource: Resource {
                path_arn: path_arn.as_deref(),
                tags: check.tags,
                policy: check.policy,
                requires_policy: check.requires_policy,
                ..Resource::new(check.resource, check.account)
            },
            tags: check.request_tags,
            environment: Environment {
                now: now.0,
                region,
                secure: *secure,
                user_agent: user_agent.as_deref(),
                origin,
                more: check.more,
            },
        };
        match decide(&self.caller, &request) {
            Verdict::Allowed => Ok(()),
            Verdict::Denied(denial) => {
                Err(AwsError::AccessDenied(denial.message(&self.caller.principal, &request).to_string()))
            }
        }
    }

    /// Whether the caller may do an operation of the Prometheus-compatible API on a workspace. What AMP's API does not have, such as
    /// `status/buildinfo`, is allowed to those who may query.
    ///
    /// # Errors
    /// AccessDenied in AWS's words (SEC-21).
    pub fn authorize_data(
        &self,
        operation: Option<&'static str>,
        workspace: &Workspace,
    ) -> Result<(), AwsError> {
        let arn = workspace_arn(&self.circumstances.region, workspace.account.as_str(), &workspace.id);
        let action = data_action(operation);
        self.authorize(&Check {
            tags: Some(&workspace.tags),
            policy: workspace.policy.as_deref(),
            ..Check::new(&action, &arn, workspace.account.as_str())
        })
    }

    /// Whether the caller might do it on a workspace of its own that had this name: who may not does not learn what exists.
    pub(crate) fn authorize_unknown(
        &self,
        operation: Option<&'static str>,
        named: &str,
    ) -> Result<(), AwsError> {
        let account = self.account.as_str();
        let arn = workspace_arn(&self.circumstances.region, account, &named);
        self.authorize(&Check::new(&data_action(operation), &arn, account))
    }
}

fn workspace_arn(region: &str, account: &str, id: &dyn std::fmt::Display) -> String {
    format!("arn:aws:aps:{region}:{account}:workspace/{id}")
}

fn data_action(operation: Option<&'static str>) -> String {
    format!("aps:{}", operation.unwrap_or("QueryMetrics"))
}
