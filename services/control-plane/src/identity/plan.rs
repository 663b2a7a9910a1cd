//! From a document to the changes that make it true: what is new gets its id and time, what is there keeps them, and what is the same
//! is left alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use narthex_model::{AccountId, TimestampMs};
use narthex_policy::{Kind, Policy};
use narthex_service::Random;
use serde_json::Value;

use super::{
    change::{EntityKind, IdentityChange},
    document::{
        AccountDocument, Document, DocumentError, GroupDocument, KeyDocument, PolicyDocument,
        ProviderDocument, RoleDocument, UserDocument,
    },
    names,
    records::{
        AccountRecord, Attached, GroupRecord, Identities, PolicyRecord, ProviderRecord, RoleRecord,
        UserRecord, root_arn,
    },
    resolve::managed_policy_arn,
};
use crate::state::CredentialRecord;

/// Longest names (IAM User Guide, "IAM and AWS STS quotas").
const LONGEST_USER: usize = 64;
const LONGEST_ROLE: usize = 64;
const LONGEST_GROUP: usize = 128;
const LONGEST_POLICY: usize = 128;

/// Where ids and times of new things come from.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// For ids.
    pub random: &'a Random,
    /// The time of creation.
    pub now: TimestampMs,
}

impl Fresh<'_> {
    /// A unique id with one of IAM's prefixes.
    pub fn id(&self, prefix: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letter = |_| char::from(LETTERS[(self.random.bits64() % LETTERS.len() as u64) as usize]);
        prefix.chars().chain((0..17).map(letter)).collect()
    }

    /// A secret access key of 40 letters and digits.
    pub fn secret(&self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..40).map(|_| char::from(LETTERS[self.random.below(LETTERS.len() as u64) as usize])).collect()
    }
}

/// The changes after which `identities` and `keys` are as the document says. With `prune`, what an account of the document has and the
/// document does not name goes.
///
/// # Errors
/// Names the entry that cannot be.
pub fn plan(
    document: &Document,
    identities: &Identities,
    keys: &BTreeMap<String, CredentialRecord>,
    prune: bool,
    fresh: Fresh<'_>,
) -> Result<Vec<IdentityChange>, DocumentError> {
    let mut changes = Vec::new();
    let nothing = AccountRecord::default();
    let mut accounts = BTreeSet::new();
    for document in &document.accounts {
        let id = &document.account_id;
        if !accounts.insert(id) {
            return Err(DocumentError::new(&format!("account {id}"), "is named twice"));
        }
        let present = identities.accounts.get(id);
        if present.is_none() {
            changes.push(IdentityChange::PutAccount(id.clone()));
        }
        let present = present.unwrap_or(&nothing);
        Planner { id, document, present, keys, fresh, changes: &mut changes }.plan(prune)?;
    }
    Ok(changes)
}

struct Planner<'a> {
    id: &'a AccountId,
    document: &'a AccountDocument,
    present: &'a AccountRecord,
    keys: &'a BTreeMap<String, CredentialRecord>,
    fresh: Fresh<'a>,
    changes: &'a mut Vec<IdentityChange>,
}

impl Planner<'_> {
    fn plan(mut self, prune: bool) -> Result<(), DocumentError> {
        let document = self.document;
        self.distinct("policy", document.policies.iter().map(|entry| &entry.name))?;
        self.distinct("group", document.groups.iter().map(|entry| &entry.name))?;
        self.distinct("user", document.users.iter().map(|entry| &entry.name))?;
        self.distinct("role", document.roles.iter().map(|entry| &entry.name))?;
        document.policies.iter().try_for_each(|entry| self.policy(entry))?;
        // Policies that the document brings can be attached by it.
        let mut known = self.present.clone();
        for entry in &document.policies {
            known.policies.insert(
                entry.name.clone(),
                PolicyRecord { path: entry.path.clone(), document: String::new() },
            );
        }
        document.groups.iter().try_for_each(|entry| self.group(entry, &known))?;
        document.users.iter().try_for_each(|entry| self.user(entry, &known))?;
        document.roles.iter().try_for_each(|entry| self.role(entry, &known))?;
        document.oidc_providers.iter().try_for_each(|entry| self.provider(entry))?;
        self.keys(&root_arn(self.id), &document.root_access_keys, "root")?;
        if prune {
            self.prune();
        }
        Ok(())
    }

    fn at(&self, kind: &str, name: &str) -> String {
        format!("account {}, {kind} {name}", self.id)
    }

    fn distinct<'n>(
        &self,
        kind: &str,
        mut names: impl Iterator<Item = &'n String>,
    ) -> Result<(), DocumentError> {
        let mut seen = BTreeSet::new();
        match names.find(|name| !seen.insert(*name)) {
            None => Ok(()),
            Some(name) => Err(DocumentError::new(&self.at(kind, name), "is named twice")),
        }
    }

    fn policy(&mut self, entry: &PolicyDocument) -> Result<(), DocumentError> {
        let at = self.at("policy", &entry.name);
        names::name(&at, &entry.name, LONGEST_POLICY)?;
        names::path(&at, &entry.path)?;
        let document = checked(&at, &entry.document, Kind::Managed)?;
        let record = PolicyRecord { path: entry.path.clone(), document };
        if self.present.policies.get(&entry.name) != Some(&record) {
            self.changes.push(IdentityChange::PutPolicy(self.id.clone(), entry.name.clone(), record));
        }
        Ok(())
    }

    fn attached(
        &self,
        at: &str,
        known: &AccountRecord,
        managed: &[String],
        inline: &BTreeMap<String, Value>,
        kind: Kind,
    ) -> Result<Attached, DocumentError> {
        let managed = managed.iter().map(|name| self.managed(at, known, name)).collect::<Result<_, _>>()?;
        let mut documents = BTreeMap::new();
        for (name, document) in inline {
            let at = format!("{at}, inline policy {name}");
            names::name(&at, name, LONGEST_POLICY)?;
            documents.insert(name.clone(), checked(&at, document, kind)?);
        }
        let total: usize = documents.values().map(|text| narthex_policy::counted(text)).sum();
        if total > kind.quota() {
            let text = format!("inline policies have {total} characters, {} are allowed", kind.quota());
            return Err(DocumentError::new(at, text));
        }
        Ok(Attached { managed, inline: documents })
    }

    fn managed(&self, at: &str, known: &AccountRecord, name: &str) -> Result<String, DocumentError> {
        managed_policy_arn(self.id, known, name)
            .ok_or_else(|| DocumentError::new(at, format!("there is no managed policy {name:?} to attach")))
    }

    fn group(&mut self, entry: &GroupDocument, known: &AccountRecord) -> Result<(), DocumentError> {
        let at = self.at("group", &entry.name);
        names::name(&at, &entry.name, LONGEST_GROUP)?;
        names::path(&at, &entry.path)?;
        let present = self.present.groups.get(&entry.name);
        let attached =
            self.attached(&at, known, &entry.policies, &entry.inline_policies, Kind::InlineGroup)?;
        let id = present.map_or_else(|| self.fresh.id("AGPA"), |group| group.id.clone());
        let record = GroupRecord { id, path: entry.path.clone(), attached };
        if present != Some(&record) {
            self.changes.push(IdentityChange::PutGroup(self.id.clone(), entry.name.clone(), record));
        }
        Ok(())
    }

    fn user(&mut self, entry: &UserDocument, known: &AccountRecord) -> Result<(), DocumentError> {
        let at = self.at("user", &entry.name);
        names::name(&at, &entry.name, LONGEST_USER)?;
        names::path(&at, &entry.path)?;
        names::tags(&at, entry.tags.iter())?;
        let present = self.present.users.get(&entry.name);
        let attached =
            self.attached(&at, known, &entry.policies, &entry.inline_policies, Kind::InlineUser)?;
        let boundary = entry.permissions_boundary.as_deref();
        let record = UserRecord {
            id: present.map_or_else(|| self.fresh.id("AIDA"), |user| user.id.clone()),
            path: entry.path.clone(),
            created_at: present.map_or(self.fresh.now, |user| user.created_at),
            tags: entry.tags.clone(),
            groups: entry.groups.iter().cloned().collect(),
            attached,
            boundary: boundary.map(|name| self.managed(&at, known, name)).transpose()?,
        };
        let arn = record.arn(self.id, &entry.name);
        if let Some(present) = present
            && present.path != record.path
        {
            return Err(DocumentError::new(
                &at,
                "the path of a user cannot change; delete it and make it anew",
            ));
        }
        if present != Some(&record) {
            self.changes.push(IdentityChange::PutUser(self.id.clone(), entry.name.clone(), record));
        }
        self.keys(&arn, &entry.access_keys, &at)
    }

    fn role(&mut self, entry: &RoleDocument, known: &AccountRecord) -> Result<(), DocumentError> {
        let at = self.at("role", &entry.name);
        names::name(&at, &entry.name, LONGEST_ROLE)?;
        names::path(&at, &entry.path)?;
        names::tags(&at, entry.tags.iter())?;
        if !(3_600..=43_200).contains(&entry.max_session_seconds) {
            return Err(DocumentError::new(&at, "max_session_seconds must be from 3600 to 43200"));
        }
        let present = self.present.roles.get(&entry.name);
        let attached =
            self.attached(&at, known, &entry.policies, &entry.inline_policies, Kind::InlineRole)?;
        let boundary = entry.permissions_boundary.as_deref();
        let record = RoleRecord {
            id: present.map_or_else(|| self.fresh.id("AROA"), |role| role.id.clone()),
            path: entry.path.clone(),
            created_at: present.map_or(self.fresh.now, |role| role.created_at),
            tags: entry.tags.clone(),
            trust: checked(&format!("{at}, trust_policy"), &entry.trust_policy, Kind::Trust)?,
            max_session_seconds: entry.max_session_seconds,
            attached,
            boundary: boundary.map(|name| self.managed(&at, known, name)).transpose()?,
            sessions_revoked_before: present.map_or(TimestampMs(0), |role| role.sessions_revoked_before),
        };
        if present != Some(&record) {
            self.changes.push(IdentityChange::PutRole(self.id.clone(), entry.name.clone(), record));
        }
        Ok(())
    }

    fn provider(&mut self, entry: &ProviderDocument) -> Result<(), DocumentError> {
        let at = self.at("OIDC provider", &entry.url);
        let name = provider_name(&at, &entry.url)?;
        if entry.client_ids.is_empty() || entry.client_ids.len() > 100 {
            return Err(DocumentError::new(&at, "must have 1 to 100 client_ids, such as sts.amazonaws.com"));
        }
        let keys = entry.keys.as_ref().map(text);
        if let Some(keys) = &keys {
            crate::sts::key_set(keys).map_err(|error| DocumentError::new(&format!("{at}, keys"), error))?;
        }
        if let Some(certificates) = &entry.certificates {
            crate::sts::certificates(certificates)
                .map_err(|error| DocumentError::new(&format!("{at}, certificates"), error))?;
        }
        let client_ids = entry.client_ids.iter().cloned().collect();
        let certificates = entry.certificates.clone();
        let record = ProviderRecord { url: entry.url.clone(), client_ids, keys, certificates };
        if self.present.providers.get(&name) != Some(&record) {
            self.changes.push(IdentityChange::PutProvider(self.id.clone(), name, record));
        }
        Ok(())
    }

    fn keys(&mut self, principal: &str, entries: &[KeyDocument], at: &str) -> Result<(), DocumentError> {
        for entry in entries {
            let id = &entry.access_key_id;
            let at = format!("{at}, access key {id}");
            names::access_key_id(&at, id)?;
            let present = self.keys.get(id);
            if present.is_some_and(|present| present.principal != principal) {
                return Err(DocumentError::new(&at, "belongs to somebody else"));
            }
            let secret = match (&entry.secret_access_key, present) {
                (Some(secret), _) if secret.is_empty() || secret.len() > 128 => {
                    return Err(DocumentError::new(&at, "the secret must have 1 to 128 characters"));
                }
                (Some(secret), _) => secret.clone(),
                (None, Some(present)) => present.secret_access_key.clone(),
                (None, None) => return Err(DocumentError::new(&at, "a new key needs its secret_access_key")),
            };
            let record = CredentialRecord {
                secret_access_key: secret,
                account: self.id.clone(),
                principal: principal.to_owned(),
                active: entry.active,
                created_at: present.map_or(self.fresh.now, |present| present.created_at),
            };
            if present != Some(&record) {
                self.changes.push(IdentityChange::PutKey(id.clone(), record));
            }
        }
        Ok(())
    }

    /// Users first, then what they may refer to.
    fn prune(&mut self) {
        let document = self.document;
        let named = |names: Vec<&String>, name: &String| names.contains(&name);
        let users: Vec<_> = document.users.iter().map(|entry| &entry.name).collect();
        let roles: Vec<_> = document.roles.iter().map(|entry| &entry.name).collect();
        let groups: Vec<_> = document.groups.iter().map(|entry| &entry.name).collect();
        let policies: Vec<_> = document.policies.iter().map(|entry| &entry.name).collect();
        let entries = document.users.iter().flat_map(|user| &user.access_keys);
        let keys: Vec<_> =
            entries.chain(&document.root_access_keys).map(|entry| &entry.access_key_id).collect();
        let gone = self.keys.iter().filter(|(id, key)| key.account == *self.id && !keys.contains(id));
        self.changes.extend(gone.map(|(id, _)| IdentityChange::DeleteKey(id.clone())));
        let providers: Vec<_> = document
            .oidc_providers
            .iter()
            .map(|entry| entry.url.split_once("://").map_or(entry.url.as_str(), |(_, name)| name).to_owned())
            .collect();
        let present = self.present;
        let mut delete = |kind, name: &String| {
            self.changes.push(IdentityChange::Delete(self.id.clone(), kind, name.clone()));
        };
        present
            .users
            .keys()
            .filter(|name| !named(users.clone(), name))
            .for_each(|n| delete(EntityKind::User, n));
        present
            .roles
            .keys()
            .filter(|name| !named(roles.clone(), name))
            .for_each(|n| delete(EntityKind::Role, n));
        present
            .groups
            .keys()
            .filter(|n| !named(groups.clone(), n))
            .for_each(|n| delete(EntityKind::Group, n));
        present
            .policies
            .keys()
            .filter(|n| !named(policies.clone(), n))
            .for_each(|n| delete(EntityKind::Policy, n));
        present
            .providers
            .keys()
            .filter(|n| !providers.contains(n))
            .for_each(|n| delete(EntityKind::Provider, n));
    }
}

/// The text of a policy that is valid for its sort.
fn checked(at: &str, document: &Value, kind: Kind) -> Result<String, DocumentError> {
    let text = text(document);
    Policy::parse(&text, kind).map_err(|error| DocumentError::new(at, error.to_string()))?;
    Ok(text)
}

/// JSON text, given as such or as its parts.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A provider's URL without its scheme, which is how ARNs and condition keys name it.
fn provider_name(at: &str, url: &str) -> Result<String, DocumentError> {
    let refused = |text: &str| Err(DocumentError::new(at, text));
    let parsed = match http::Uri::try_from(url) {
        Ok(parsed) if parsed.query().is_none() && parsed.host().is_some() && url.len() <= 255 => parsed,
        _ => return refused("the URL must be https://HOST or https://HOST/PATH, at most 255 characters"),
    };
    let host = parsed.host().unwrap_or_default();
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match (parsed.scheme_str(), url.split_once("://")) {
        (Some("https"), Some((_, name))) => Ok(name.to_owned()),
        (Some("http"), Some((_, name))) if loopback => Ok(name.to_owned()),
        (Some("http"), _) => {
            refused("http:// is for loopback addresses alone: tokens are trusted by this server's word")
        }
        _ => refused("the URL must begin with https://"),
    }
}
