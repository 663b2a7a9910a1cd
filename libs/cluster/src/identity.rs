//! Principals and policies as the control plane tells them, compiled for decisions.
//!
//! Danger: a policy that this version cannot read must not be left out, because it might have held a Deny. In its place stands one that
//! denies everything, and the log says so. The control plane checked the document when it was stored, so this happens only between
//! versions.

use std::{collections::HashMap, sync::Arc};

use narthex_model::TimestampMs;
use narthex_policy::{Caller, Kind, Permissions, Policy, PolicyError, Principal, Tags};
use narthex_rpc::v1::PrincipalState;

use crate::{AssumableRole, EventError, Identity};

const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
const DENY_EVERYONE: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;

/// A principal with its policies, by its ARN.
pub(crate) fn identity(state: PrincipalState) -> Result<(String, Identity), EventError> {
    // Of the sorts that are attached to principals, an inline policy of a role may be the longest.
    let compile = |text: &String| {
        Arc::new(or_deny(&state.arn, Policy::parse(text, Kind::InlineRole), DENY_ALL, Kind::InlineRole))
    };
    let permissions = Permissions {
        identity: state.policies.iter().map(compile).collect(),
        boundary: Some(&state.boundary).filter(|text| !text.is_empty()).map(compile),
        ..Permissions::default()
    };
    let tags = tags(state.tags);
    let identity = if state.arn.split(':').nth(5).is_some_and(|name| name.starts_with("role/")) {
        let sessions_revoked_before = TimestampMs(state.sessions_revoked_before_ms);
        let (arn, id) = (state.arn.clone(), state.id);
        Identity::Role(Arc::new(AssumableRole { arn, id, tags, permissions, sessions_revoked_before }))
    } else {
        let mut principal = Principal::from_arn(&state.arn)?;
        if !state.id.is_empty() {
            principal.user_id = Some(state.id.into());
        }
        principal.tags = tags;
        Identity::Caller(Arc::new(Caller { principal, permissions }))
    };
    Ok((state.arn, identity))
}

/// The policy on a workspace, if there is one.
pub(crate) fn workspace_policy(text: &str) -> Option<Arc<Policy>> {
    let compile =
        |text| or_deny("a workspace", Policy::parse(text, Kind::Workspace), DENY_EVERYONE, Kind::Workspace);
    Some(text).filter(|text| !text.is_empty()).map(|text| Arc::new(compile(text)))
}

fn or_deny(of: &str, parsed: Result<Policy, PolicyError>, denial: &str, kind: Kind) -> Policy {
    parsed.unwrap_or_else(|error| {
        tracing::error!(of, %error, "a policy cannot be read by this version and denies everything");
        Policy::parse(denial, kind).expect("a constant policy")
    })
}

/// In the order of their keys.
pub(crate) fn tags(tags: HashMap<String, String>) -> Tags {
    let mut tags: Vec<_> = tags.into_iter().collect();
    tags.sort_unstable();
    tags.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use narthex_policy::{Action, Environment, Origin, Request, RequestTags, Resource, decide};

    use super::*;

    fn allowed(caller: &Caller, policy: Option<&Policy>) -> bool {
        let arn = "arn:aws:aps:us-east-1:123456789012:workspace/ws-1";
        let request = Request {
            action: Action::new("aps:RemoteWrite"),
            resource: Resource { policy, ..Resource::new(arn, "123456789012") },
            tags: RequestTags::None,
            environment: Environment {
                now: 0,
                region: "us-east-1",
                secure: false,
                user_agent: None,
                origin: Origin::Public([127, 0, 0, 1].into()),
                more: &[],
            },
        };
        decide(caller, &request).is_allowed()
    }

    fn user(policies: &[&str]) -> Arc<Caller> {
        let state = PrincipalState {
            arn: "arn:aws:iam::123456789012:user/a".into(),
            policies: policies.iter().map(|text| (*text).to_owned()).collect(),
            ..PrincipalState::default()
        };
        match identity(state).expect("an ARN").1 {
            Identity::Caller(caller) => caller,
            role @ Identity::Role(_) => panic!("{role:?}"),
        }
    }

    #[test]
    fn a_policy_that_cannot_be_read_denies_everything() {
        const ALL: &str =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*"}}"#;
        assert!(allowed(&user(&[ALL]), None));
        assert!(!allowed(&user(&[]), None));
        assert!(!allowed(&user(&[ALL, r#"{"Version":"2030-01-01"}"#]), None));
        let unread = workspace_policy("{}").expect("one is there");
        assert!(!allowed(&user(&[ALL]), Some(&unread)));
        assert_eq!(workspace_policy(""), None);
    }

    #[test]
    fn roles_and_callers_are_told_apart() {
        let role = PrincipalState {
            arn: "arn:aws:iam::123456789012:role/team/writer".into(),
            sessions_revoked_before_ms: 7,
            ..PrincipalState::default()
        };
        let (arn, identity) = super::identity(role).expect("an ARN");
        let Identity::Role(role) = identity else { panic!("{identity:?}") };
        assert_eq!((role.arn.as_str(), role.sessions_revoked_before), (arn.as_str(), TimestampMs(7)));
        assert!(
            super::identity(PrincipalState { arn: "nobody".into(), ..PrincipalState::default() }).is_err()
        );
    }
}
