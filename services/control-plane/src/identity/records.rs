//! What is stored of an identity. Everything is text as it was given, policies included: compiled ones live at the edges.

use std::collections::{BTreeMap, BTreeSet};

use narthex_model::{AccountId, TimestampMs};
use serde::{Deserialize, Serialize};

/// All accounts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identities {
    /// By their numbers.
    pub accounts: BTreeMap<AccountId, AccountRecord>,
}

/// One account. Names are unique in it whatever the path (IAM User Guide, "IAM identifiers").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Users by name.
    pub users: BTreeMap<String, UserRecord>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupRecord>,
    /// Roles by name.
    pub roles: BTreeMap<String, RoleRecord>,
    /// Its own managed policies by name.
    pub policies: BTreeMap<String, PolicyRecord>,
    /// OpenID Connect providers by their URL without `https://`.
    pub providers: BTreeMap<String, ProviderRecord>,
}

/// Policies of a user, group or role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// ARNs of managed policies.
    pub managed: BTreeSet<String>,
    /// Inline documents by name.
    pub inline: BTreeMap<String, String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Its unique id, `AIDA...`.
    pub id: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// When it was made.
    pub created_at: TimestampMs,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Groups that it is in.
    pub groups: BTreeSet<String>,
    /// Its policies.
    pub attached: Attached,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
}

/// A group of users; it is no principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Its unique id, `AGPA...`.
    pub id: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// Its policies.
    pub attached: Attached,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// Its unique id, `AROA...`.
    pub id: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// When it was made.
    pub created_at: TimestampMs,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Who may assume it: its trust policy.
    pub trust: String,
    /// Longest session, in seconds.
    pub max_session_seconds: u32,
    /// Its policies.
    pub attached: Attached,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Sessions issued before this are refused.
    pub sessions_revoked_before: TimestampMs,
}

/// A managed policy of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Begins and ends with a slash.
    pub path: String,
    /// The document.
    pub document: String,
}

/// An OpenID Connect provider whose tokens roles may trust.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderRecord {
    /// Issuer, as it stands in tokens, `https://...`; `http://` for loopback addresses alone.
    pub url: String,
    /// Audiences of which a token has to name one.
    pub client_ids: BTreeSet<String>,
    /// Its keys as a JSON Web Key Set, where the issuer cannot be reached. `None`: they are fetched from the issuer.
    pub keys: Option<String>,
    /// Certificates (PEM) that vouch for the issuer's server, besides the public ones.
    pub certificates: Option<String>,
}

impl UserRecord {
    /// `arn:aws:iam::<account>:user<path><name>`
    pub fn arn(&self, account: &AccountId, name: &str) -> String {
        format!("arn:aws:iam::{account}:user{}{name}", self.path)
    }
}

impl RoleRecord {
    /// `arn:aws:iam::<account>:role<path><name>`
    pub fn arn(&self, account: &AccountId, name: &str) -> String {
        format!("arn:aws:iam::{account}:role{}{name}", self.path)
    }
}

impl PolicyRecord {
    /// `arn:aws:iam::<account>:policy<path><name>`
    pub fn arn(&self, account: &AccountId, name: &str) -> String {
        format!("arn:aws:iam::{account}:policy{}{name}", self.path)
    }
}

/// `arn:aws:iam::<account>:root`
pub(crate) fn root_arn(account: &AccountId) -> String {
    format!("arn:aws:iam::{account}:root")
}
