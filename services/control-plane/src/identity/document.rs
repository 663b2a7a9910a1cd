//! Identities as people write them: YAML, one entry an account.
//!
//! ```yaml
//! accounts:
//!   - account_id: "123456789012"
//!     policies:
//!       - name: team-rules
//!         document: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "aps:*", Resource: "*"}]}
//!     groups:
//!       - name: readers
//!         policies: [AmazonPrometheusQueryAccess]
//!     users:
//!       - name: alice
//!         groups: [readers]
//!         access_keys:
//!           - access_key_id: AKIAEXAMPLE
//!             secret_access_key: ...
//!     oidc_providers:
//!       - url: https://oidc.example.com/cluster
//!         client_ids: [sts.amazonaws.com]
//!     roles:
//!       - name: ingest
//!         policies: [AmazonPrometheusRemoteWriteAccess]
//!         trust_policy:
//!           Version: "2012-10-17"
//!           Statement:
//!             - Effect: Allow
//!               Principal: {Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/cluster"}
//!               Action: sts:AssumeRoleWithWebIdentity
//! ```
//!
//! Policies are documents in YAML or their JSON text, and names of managed policies are their names or ARNs. What is left out is
//! empty. A secret access key may be left out for a key that exists already, so that what `admin identity show` prints can be
//! changed and applied.

use std::{collections::BTreeMap, fmt};

use narthex_model::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Accounts.
    pub accounts: Vec<AccountDocument>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountDocument {
    /// 12 digits.
    pub account_id: AccountId,
    /// Access keys of the account itself, which may do everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_access_keys: Vec<KeyDocument>,
    /// Managed policies of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyDocument>,
    /// Groups of users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupDocument>,
    /// Users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserDocument>,
    /// Roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleDocument>,
    /// OpenID Connect providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oidc_providers: Vec<ProviderDocument>,
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Its name.
    pub name: String,
    /// Begins and ends with a slash.
    #[serde(default = "slash", skip_serializing_if = "is_slash")]
    pub path: String,
    /// The document, or its text.
    pub document: Value,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDocument {
    /// Its name.
    pub name: String,
    /// Begins and ends with a slash.
    #[serde(default = "slash", skip_serializing_if = "is_slash")]
    pub path: String,
    /// Managed policies by name or ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Inline policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline_policies: BTreeMap<String, Value>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserDocument {
    /// Its name.
    pub name: String,
    /// Begins and ends with a slash.
    #[serde(default = "slash", skip_serializing_if = "is_slash")]
    pub path: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Groups that it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Managed policies by name or ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Inline policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline_policies: BTreeMap<String, Value>,
    /// Managed policy by name or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// Its keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<KeyDocument>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDocument {
    /// Its name.
    pub name: String,
    /// Begins and ends with a slash.
    #[serde(default = "slash", skip_serializing_if = "is_slash")]
    pub path: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Who may assume it.
    pub trust_policy: Value,
    /// Longest session in seconds, 3600 to 43200.
    #[serde(default = "hour")]
    pub max_session_seconds: u32,
    /// Managed policies by name or ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Inline policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline_policies: BTreeMap<String, Value>,
    /// Managed policy by name or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderDocument {
    /// The issuer.
    pub url: String,
    /// Audiences that tokens may have.
    pub client_ids: Vec<String>,
    /// Its keys as a JSON Web Key Set, where the issuer cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Value>,
    /// Certificates (PEM) that vouch for the issuer's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<String>,
}

/// An access key. The secret never shows in debug output, and is not written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDocument {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    #[serde(default, skip_serializing)]
    pub secret_access_key: Option<String>,
    /// Whether it works.
    #[serde(default = "yes")]
    pub active: bool,
}

impl fmt::Debug for KeyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDocument").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {text}")]
pub struct DocumentError {
    at: String,
    text: String,
}

impl DocumentError {
    pub(super) fn new(at: &str, text: impl Into<String>) -> Self {
        Self { at: at.to_owned(), text: text.into() }
    }
}

impl Document {
    /// Reads YAML.
    ///
    /// # Errors
    /// Names line and column.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        serde_saphyr::from_str(text).map_err(|error| DocumentError::new("the document", error.to_string()))
    }
}

fn slash() -> String {
    "/".to_owned()
}

fn is_slash(path: &str) -> bool {
    path == "/"
}

const fn hour() -> u32 {
    3_600
}

const fn yes() -> bool {
    true
}
