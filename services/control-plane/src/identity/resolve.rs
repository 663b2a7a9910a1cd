//! What a principal may do, as documents: its own policies, those of its groups, and its boundary.

use std::collections::BTreeMap;

use narthex_model::{AccountId, TimestampMs};
use narthex_policy::ManagedPolicy;

use super::records::{AccountRecord, Attached, Identities, root_arn};

/// Prefix of the service's own managed policies.
const AWS_POLICY: &str = "arn:aws:iam::aws:policy/";

/// A principal as edges need it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedPrincipal<'a> {
    /// Its unique id; of a root the account's number.
    pub id: &'a str,
    /// Its tags.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// Documents of its policies.
    pub policies: Vec<&'a str>,
    /// Document of its permissions boundary.
    pub boundary: Option<&'a str>,
    /// For roles: sessions issued before this are refused.
    pub sessions_revoked_before: TimestampMs,
}

/// The ARN of a managed policy that is named by its name or ARN: of the account's own if it has one of that name, otherwise of the
/// service's. `None` if there is no such policy, or if nobody may attach it.
pub fn managed_policy_arn(account: &AccountId, record: &AccountRecord, named: &str) -> Option<String> {
    if let Some(policy) = record.policies.get(named) {
        return Some(policy.arn(account, named));
    }
    let of_service = |name| ManagedPolicy::named(name).filter(|policy| policy.attachable);
    if let Some(policy) = of_service(named.strip_prefix(AWS_POLICY).unwrap_or(named)) {
        return Some(format!("{AWS_POLICY}{}", policy.name));
    }
    document(account, record, named).map(|_| named.to_owned())
}

/// The document of a managed policy.
fn document<'a>(account: &AccountId, record: &'a AccountRecord, arn: &str) -> Option<&'a str> {
    if let Some(name) = arn.strip_prefix(AWS_POLICY) {
        return ManagedPolicy::named(name).map(|policy| policy.document);
    }
    let name = arn.rsplit('/').next()?;
    let policy = record.policies.get(name)?;
    (policy.arn(account, name) == arn).then_some(&policy.document)
}

/// Every document of what is attached. One that is missing would have been refused by [`Identities::change`].
fn documents<'a>(
    account: &'a AccountId,
    record: &'a AccountRecord,
    attached: &'a Attached,
) -> impl Iterator<Item = &'a str> {
    let managed = attached.managed.iter().filter_map(|arn| document(account, record, arn));
    managed.chain(attached.inline.values().map(String::as_str))
}

impl Identities {
    /// The principal of an ARN, if there is one.
    pub fn principal(&self, arn: &str) -> Option<ResolvedPrincipal<'_>> {
        let mut parts = arn.splitn(6, ':');
        let account = parts.nth(4)?;
        let (account, record) = self.accounts.iter().find(|(id, _)| id.as_str() == account)?;
        let rest = parts.next()?;
        if rest == "root" {
            return Some(root(account));
        }
        let name = rest.rsplit('/').next()?;
        let found = match rest.split('/').next()? {
            "user" => user(account, record, name),
            "role" => role(account, record, name),
            _ => None,
        };
        found.filter(|(known, _)| known == arn).map(|(_, principal)| principal)
    }

    /// All principals by their ARNs.
    pub fn principals(&self) -> impl Iterator<Item = (String, ResolvedPrincipal<'_>)> {
        self.accounts.iter().flat_map(|(account, record)| {
            let users = record.users.keys().filter_map(|name| user(account, record, name));
            let roles = record.roles.keys().filter_map(|name| role(account, record, name));
            std::iter::once((root_arn(account), root(account))).chain(users).chain(roles)
        })
    }

    /// Whether the account has a managed policy of that ARN, its own or the service's.
    pub(super) fn has_policy(account: &AccountId, record: &AccountRecord, arn: &str) -> bool {
        document(account, record, arn).is_some()
    }
}

fn root(account: &AccountId) -> ResolvedPrincipal<'_> {
    ResolvedPrincipal {
        id: account.as_str(),
        tags: None,
        policies: Vec::new(),
        boundary: None,
        sessions_revoked_before: TimestampMs(0),
    }
}

fn user<'a>(
    account: &'a AccountId,
    record: &'a AccountRecord,
    name: &str,
) -> Option<(String, ResolvedPrincipal<'a>)> {
    let user = record.users.get(name)?;
    let groups = user.groups.iter().filter_map(|group| record.groups.get(group));
    let attached = std::iter::once(&user.attached).chain(groups.map(|group| &group.attached));
    let principal = ResolvedPrincipal {
        id: &user.id,
        tags: Some(&user.tags),
        policies: attached.flat_map(|attached| documents(account, record, attached)).collect(),
        boundary: user.boundary.as_deref().and_then(|arn| document(account, record, arn)),
        sessions_revoked_before: TimestampMs(0),
    };
    Some((user.arn(account, name), principal))
}

fn role<'a>(
    account: &'a AccountId,
    record: &'a AccountRecord,
    name: &str,
) -> Option<(String, ResolvedPrincipal<'a>)> {
    let role = record.roles.get(name)?;
    let principal = ResolvedPrincipal {
        id: &role.id,
        tags: Some(&role.tags),
        policies: documents(account, record, &role.attached).collect(),
        boundary: role.boundary.as_deref().and_then(|arn| document(account, record, arn)),
        sessions_revoked_before: role.sessions_revoked_before,
    };
    Some((role.arn(account, name), principal))
}
