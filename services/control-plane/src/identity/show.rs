//! Identities as the document that would make them, without secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    document::{
        AccountDocument, Document, GroupDocument, KeyDocument, PolicyDocument, ProviderDocument,
        RoleDocument, UserDocument,
    },
    records::{Identities, root_arn},
};
use crate::state::CredentialRecord;

/// All accounts.
pub(crate) fn show(identities: &Identities, keys: &BTreeMap<String, CredentialRecord>) -> Document {
    let keys_of = |arn: &str| -> Vec<_> {
        let owned = keys.iter().filter(|(_, key)| key.principal == arn);
        let shown = |(id, key): (&String, &CredentialRecord)| KeyDocument {
            access_key_id: id.clone(),
            secret_access_key: None,
            active: key.active,
        };
        owned.map(shown).collect()
    };
    let accounts = identities.accounts.iter().map(|(id, account)| AccountDocument {
        account_id: id.clone(),
        root_access_keys: keys_of(&root_arn(id)),
        policies: account
            .policies
            .iter()
            .map(|(name, policy)| PolicyDocument {
                name: name.clone(),
                path: policy.path.clone(),
                document: document(&policy.document),
            })
            .collect(),
        groups: account
            .groups
            .iter()
            .map(|(name, group)| GroupDocument {
                name: name.clone(),
                path: group.path.clone(),
                policies: group.attached.managed.iter().cloned().collect(),
                inline_policies: documents(&group.attached.inline),
            })
            .collect(),
        users: account
            .users
            .iter()
            .map(|(name, user)| UserDocument {
                name: name.clone(),
                path: user.path.clone(),
                tags: user.tags.clone(),
                groups: user.groups.iter().cloned().collect(),
                policies: user.attached.managed.iter().cloned().collect(),
                inline_policies: documents(&user.attached.inline),
                permissions_boundary: user.boundary.clone(),
                access_keys: keys_of(&user.arn(id, name)),
            })
            .collect(),
        roles: account
            .roles
            .iter()
            .map(|(name, role)| RoleDocument {
                name: name.clone(),
                path: role.path.clone(),
                tags: role.tags.clone(),
                trust_policy: document(&role.trust),
                max_session_seconds: role.max_session_seconds,
                policies: role.attached.managed.iter().cloned().collect(),
                inline_policies: documents(&role.attached.inline),
                permissions_boundary: role.boundary.clone(),
            })
            .collect(),
        oidc_providers: account
            .providers
            .values()
            .map(|provider| ProviderDocument {
                url: provider.url.clone(),
                client_ids: provider.client_ids.iter().cloned().collect(),
                keys: provider.keys.as_deref().map(document),
                certificates: provider.certificates.clone(),
            })
            .collect(),
    });
    Document { accounts: accounts.collect() }
}

fn documents(inline: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    inline.iter().map(|(name, text)| (name.clone(), document(text))).collect()
}

/// As its parts where it can be read, which reads better in YAML.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
