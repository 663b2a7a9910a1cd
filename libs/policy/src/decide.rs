//! The evaluation order (IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny access" and
//! "Cross-account policy evaluation logic").
//!
//! 1. A Deny anywhere denies.
//! 2. Every level of service control policies has to allow.
//! 3. Within an account the resource's policy or the identity policies have to allow. What the resource's policy grants to the
//!    caller itself is not limited further; what it grants to the caller's role is, and what it grants to the account is for
//!    identity policies to pass on. Across accounts, for services and for tokens there is no other way than the resource's policy;
//!    across accounts the caller's own side has to allow as well.
//! 4. Boundary and session policies have to allow, if there are any.
//! 5. The policy of a private endpoint has to allow, if the request came through one.
//!
//! An account's root has no identity policies and needs none. Nothing is cached: deciding is cheaper than looking a decision up
//! (`benches/decide.rs`), and a condition on time, address or tags can then never be answered from an older request.

use std::sync::Arc;

use crate::{
    Caller, Denial, Kind, Layer, Origin, Permissions, Policy, Request, Verdict, facts::Facts,
    policy::Finding, principals::Grant,
};

/// Decides a request. Allocates nothing, unless a condition looks at a time, number or address as text.
pub fn decide(caller: &Caller, request: &Request<'_>) -> Verdict {
    let findings = Findings::of(caller, request);
    if let Some(layer) = findings.explicit_deny() {
        return Verdict::Denied(Denial { layer, explicit: true });
    }
    match findings.missing_allow(caller, request) {
        Some(layer) => Verdict::Denied(Denial { layer, explicit: false }),
        None => Verdict::Allowed,
    }
}

/// What each layer says; `None` for a layer that is not there.
struct Findings {
    control: Option<Finding>,
    resource: Finding,
    resource_layer: Layer,
    identity: Finding,
    boundary: Option<Finding>,
    session: Option<Finding>,
    endpoint: Option<Finding>,
}

impl Findings {
    fn of(caller: &Caller, request: &Request<'_>) -> Self {
        let facts = Facts { principal: &caller.principal, request };
        let Permissions { identity, boundary, session, control } = &caller.permissions;
        let bounded = boundary.is_some();
        let one = |policy: &Policy| policy.finding(&facts, bounded);
        let several = |policies: &[Arc<Policy>]| strongest(policies.iter().map(|policy| one(policy)));
        let endpoint = match request.environment.origin {
            Origin::Endpoint(endpoint) => endpoint.policy,
            Origin::Public(_) => None,
        };
        let trust = request.resource.policy.is_some_and(|policy| policy.kind() == Kind::Trust);
        Self {
            control: weakest(control.iter().map(|level| several(level))),
            resource: request.resource.policy.map_or(Finding::Silent, one),
            resource_layer: if trust { Layer::Trust } else { Layer::Resource },
            identity: several(identity),
            boundary: boundary.as_deref().map(one),
            session: session.as_deref().map(several),
            endpoint: endpoint.map(one),
        }
    }

    fn explicit_deny(&self) -> Option<Layer> {
        let layers = [
            (self.control, Layer::ServiceControl),
            (Some(self.resource), self.resource_layer),
            (Some(self.identity), Layer::Identity),
            (self.boundary, Layer::Boundary),
            (self.session, Layer::Session),
            (self.endpoint, Layer::Endpoint),
        ];
        layers.into_iter().find(|(finding, _)| *finding == Some(Finding::Denies)).map(|(_, layer)| layer)
    }

    /// The first layer that would have to allow and does not.
    fn missing_allow(&self, caller: &Caller, request: &Request<'_>) -> Option<Layer> {
        let principal = &caller.principal;
        let silent = |finding| finding == Some(Finding::Silent);
        let granted = if let Finding::Allows(grant) = self.resource { Some(grant) } else { None };
        let home = principal.account() == Some(request.resource.account);
        // A role's trust and a key's policy always have to allow, within an account too.
        let required = !home || request.resource.requires_policy;
        if silent(self.control) {
            return Some(Layer::ServiceControl);
        }
        if required && granted.is_none() {
            return Some(self.resource_layer);
        }
        let outsider = principal.account().is_none();
        let settled = outsider || home && granted == Some(Grant::Direct);
        if !settled && !principal.is_root() {
            let by_role = home && granted == Some(Grant::Entity);
            if !by_role && self.identity == Finding::Silent {
                return Some(Layer::Identity);
            }
            if silent(self.boundary) {
                return Some(Layer::Boundary);
            }
            let unlimited = self.session.is_none() && !principal.is_federated_user();
            if !unlimited && self.session.is_none_or(|session| session == Finding::Silent) {
                return Some(Layer::Session);
            }
        }
        silent(self.endpoint).then_some(Layer::Endpoint)
    }
}

/// Of policies of which one has to allow.
fn strongest(findings: impl Iterator<Item = Finding>) -> Finding {
    let mut strongest = Finding::Silent;
    for finding in findings {
        strongest = strongest.max(finding);
        if strongest == Finding::Denies {
            break;
        }
    }
    strongest
}

/// Of levels that all have to allow: a Deny, otherwise the weakest. `None` without levels.
fn weakest(findings: impl Iterator<Item = Finding>) -> Option<Finding> {
    findings.reduce(|weakest, finding| match (weakest, finding) {
        (Finding::Denies, _) | (_, Finding::Denies) => Finding::Denies,
        _ => weakest.min(finding),
    })
}
