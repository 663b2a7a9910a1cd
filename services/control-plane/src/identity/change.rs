//! Changes of identities: all of a command's or none, and never one that leaves a reference open.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use narthex_model::{AccountId, TimestampMs};
use serde::{Deserialize, Serialize};

use super::records::{
    AccountRecord, Attached, GroupRecord, Identities, PolicyRecord, ProviderRecord, RoleRecord, UserRecord,
};
use crate::state::CredentialRecord;

/// What users of a bootstrap file without policies may do.
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AmazonPrometheusFullAccess";

/// One change. Stored in the log: never rename or reorder fields of a released variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum IdentityChange {
    /// The account exists.
    PutAccount(AccountId),
    /// A user is like this.
    PutUser(AccountId, String, UserRecord),
    /// A group is like this.
    PutGroup(AccountId, String, GroupRecord),
    /// A role is like this.
    PutRole(AccountId, String, RoleRecord),
    /// A managed policy is like this.
    PutPolicy(AccountId, String, PolicyRecord),
    /// A provider is like this.
    PutProvider(AccountId, String, ProviderRecord),
    /// It is gone; a user's keys go with it.
    Delete(AccountId, EntityKind, String),
    /// An access key is like this.
    PutKey(String, CredentialRecord),
    /// An access key works, or does not.
    SetKey(String, bool),
    /// An access key is gone.
    DeleteKey(String),
    /// Sessions of a role that were issued before are refused.
    RevokeSessions(AccountId, String, TimestampMs),
}

/// What has a name in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
    /// A managed policy.
    Policy,
    /// An OpenID Connect provider.
    Provider,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::Provider => "OIDC provider",
        })
    }
}

/// Why a change is refused: what it would leave behind makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// Nothing of that name.
    #[error("account {0} has no {1} {2:?}")]
    Missing(AccountId, EntityKind, String),
    /// No such key.
    #[error("there is no access key {0}")]
    NoKey(String),
    /// A key that stands for nobody.
    #[error("the access key {0} belongs to {1}, which does not exist")]
    KeyOfNobody(String, String),
    /// A policy that is not there.
    #[error("{0} refers to the policy {1}, which does not exist; detach it first if it is to be deleted")]
    NoPolicy(String, String),
    /// A group that is not there.
    #[error(
        "the user {0} is in the group {1}, which does not exist; take it out first if it is to be deleted"
    )]
    NoGroup(String, String),
}

impl Identities {
    /// Applies all changes, or none.
    ///
    /// # Errors
    /// Names the first reference that would be open.
    pub fn change(
        &mut self,
        credentials: &mut BTreeMap<String, CredentialRecord>,
        changes: Vec<IdentityChange>,
    ) -> Result<(), Inconsistent> {
        let (mut identities, mut keys) = (self.clone(), credentials.clone());
        for change in changes {
            identities.apply(&mut keys, change)?;
        }
        identities.check(&keys)?;
        (*self, *credentials) = (identities, keys);
        Ok(())
    }

    /// Makes an administrator of each user that a key names and that does not exist: states of version 1 and short bootstrap files
    /// know keys alone, and let each do everything.
    pub(crate) fn adopt(&mut self, keys: &BTreeMap<String, CredentialRecord>) {
        for (id, key) in keys {
            let account = self.accounts.entry(key.account.clone()).or_default();
            let prefix = format!("arn:aws:iam::{}:user/", key.account);
            let Some(name) = key.principal.strip_prefix(&prefix).and_then(|name| name.rsplit('/').next())
            else {
                continue;
            };
            account.users.entry(name.to_owned()).or_insert_with(|| UserRecord {
                id: format!("AIDA{}", id.trim_start_matches("AKIA")),
                path: key.principal[prefix.len() - 1..key.principal.len() - name.len()].to_owned(),
                created_at: key.created_at,
                tags: BTreeMap::new(),
                groups: BTreeSet::new(),
                attached: Attached { managed: [ADMINISTRATOR.to_owned()].into(), inline: BTreeMap::new() },
                boundary: None,
            });
        }
    }

    fn apply(
        &mut self,
        keys: &mut BTreeMap<String, CredentialRecord>,
        change: IdentityChange,
    ) -> Result<(), Inconsistent> {
        use IdentityChange::*;
        match change {
            PutAccount(id) => drop(self.accounts.entry(id).or_default()),
            PutUser(id, name, user) => drop(self.accounts.entry(id).or_default().users.insert(name, user)),
            PutGroup(id, name, group) => {
                drop(self.accounts.entry(id).or_default().groups.insert(name, group))
            }
            PutRole(id, name, role) => drop(self.accounts.entry(id).or_default().roles.insert(name, role)),
            PutPolicy(id, name, policy) => {
                drop(self.accounts.entry(id).or_default().policies.insert(name, policy))
            }
            PutProvider(id, name, provider) => {
                drop(self.accounts.entry(id).or_default().providers.insert(name, provider))
            }
            Delete(id, kind, name) => self.delete(keys, id, kind, name)?,
            PutKey(id, key) => drop(keys.insert(id, key)),
            SetKey(id, active) => match keys.get_mut(&id) {
                Some(key) => key.active = active,
                None => return Err(Inconsistent::NoKey(id)),
            },
            DeleteKey(id) => {
                keys.remove(&id).ok_or(Inconsistent::NoKey(id))?;
            }
            RevokeSessions(id, name, before) => {
                let role = self.accounts.get_mut(&id).and_then(|account| account.roles.get_mut(&name));
                let role = role.ok_or(Inconsistent::Missing(id, EntityKind::Role, name))?;
                role.sessions_revoked_before = role.sessions_revoked_before.max(before);
            }
        }
        Ok(())
    }

    fn delete(
        &mut self,
        keys: &mut BTreeMap<String, CredentialRecord>,
        id: AccountId,
        kind: EntityKind,
        name: String,
    ) -> Result<(), Inconsistent> {
        let account = self.accounts.entry(id.clone()).or_default();
        let was_there = match kind {
            EntityKind::User => account.users.remove(&name).is_some_and(|user| {
                let arn = user.arn(&id, &name);
                keys.retain(|_, key| key.principal != arn);
                true
            }),
            EntityKind::Group => account.groups.remove(&name).is_some(),
            EntityKind::Role => account.roles.remove(&name).is_some(),
            EntityKind::Policy => account.policies.remove(&name).is_some(),
            EntityKind::Provider => account.providers.remove(&name).is_some(),
        };
        if was_there { Ok(()) } else { Err(Inconsistent::Missing(id, kind, name)) }
    }

    fn check(&self, keys: &BTreeMap<String, CredentialRecord>) -> Result<(), Inconsistent> {
        for (id, account) in &self.accounts {
            check_account(id, account)?;
        }
        match keys.iter().find(|(_, key)| self.principal(&key.principal).is_none()) {
            None => Ok(()),
            Some((id, key)) => Err(Inconsistent::KeyOfNobody(id.clone(), key.principal.clone())),
        }
    }
}

fn check_account(id: &AccountId, account: &AccountRecord) -> Result<(), Inconsistent> {
    let check = |of: String, attached: &Attached, boundary: Option<&String>| {
        let mut named = attached.managed.iter().chain(boundary);
        match named.find(|arn| !Identities::has_policy(id, account, arn)) {
            None => Ok(()),
            Some(arn) => Err(Inconsistent::NoPolicy(of, arn.clone())),
        }
    };
    for (name, user) in &account.users {
        if let Some(group) = user.groups.iter().find(|group| !account.groups.contains_key(*group)) {
            return Err(Inconsistent::NoGroup(user.arn(id, name), group.clone()));
        }
        check(user.arn(id, name), &user.attached, user.boundary.as_ref())?;
    }
    for (name, group) in &account.groups {
        check(format!("the group {name} of account {id}"), &group.attached, None)?;
    }
    for (name, role) in &account.roles {
        check(role.arn(id, name), &role.attached, role.boundary.as_ref())?;
    }
    Ok(())
}
