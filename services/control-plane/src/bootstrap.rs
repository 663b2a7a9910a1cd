//! The first accounts, their access keys and all other identities, from a file that is read at first start only.
//!
//! A user of `access_keys` that `accounts` does not describe is an administrator. Entries of `accounts` are as
//! [`Document`] describes them.
//!
//! ```yaml
//! account_id: "123456789012"
//! access_keys:
//!   - access_key_id: AKIAEXAMPLE
//!     secret_access_key: ...
//!     user_name: admin
//! accounts:
//!   - account_id: "123456789012"
//!     roles: [...]
//! workspaces:
//!   - id: ws-00000000-0000-4000-8000-000000000000
//!     alias: default
//! ```

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use narthex_cluster::WorkspaceStatus;
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use serde::Deserialize;

use crate::{
    Limits,
    identity::{AccountDocument, Document, Fresh, Identities, IdentityChange, plan},
    state::{CredentialRecord, WorkspaceRecord},
};

/// First account and keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// 12 digits.
    pub account_id: AccountId,
    /// Its access keys.
    pub access_keys: Vec<AccessKey>,
    /// Workspaces to begin with.
    #[serde(default)]
    pub workspaces: Vec<FirstWorkspace>,
    /// All other identities.
    #[serde(default)]
    pub accounts: Vec<AccountDocument>,
}

/// A workspace that exists from the first start on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstWorkspace {
    /// Its id, chosen by whoever writes the file so that clients can be configured before the first start.
    pub id: WorkspaceId,
    /// Its alias.
    pub alias: Option<String>,
}

/// An access key of a user.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    pub secret_access_key: String,
    /// Whose key it is; part of the principal's ARN.
    pub user_name: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It cannot be read.
    #[error("cannot read the bootstrap file {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not as described.
    #[error("the bootstrap file {path} is malformed: {reason}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What it says of identities makes no sense.
    #[error("the bootstrap's identities cannot be: {0}")]
    Identities(String),
}

impl Bootstrap {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, BootstrapError> {
        let text = fs::read_to_string(path)
            .map_err(|source| BootstrapError::Read { path: path.to_owned(), source })?;
        let malformed = |reason: String| BootstrapError::Malformed { path: path.to_owned(), reason };
        let bootstrap: Self = serde_saphyr::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        for key in &bootstrap.access_keys {
            if key.access_key_id.is_empty() || key.secret_access_key.is_empty() || key.user_name.is_empty() {
                return Err(malformed("every access key needs an id, a secret and a user name".to_owned()));
            }
        }
        Ok(bootstrap)
    }

    pub(crate) fn workspaces(
        &self,
        limits: &Limits,
        now: TimestampMs,
    ) -> BTreeMap<WorkspaceId, WorkspaceRecord> {
        let record = |first: &FirstWorkspace| {
            let record = WorkspaceRecord {
                account: self.account_id.clone(),
                alias: first.alias.clone(),
                status: WorkspaceStatus::Active,
                kms_key_arn: None,
                tags: BTreeMap::new(),
                created_at: now,
                changed_at: now,
                out_of_order_window_ms: limits.out_of_order_window_ms(),
                max_active_series: limits.max_active_series(),
            };
            (first.id, record)
        };
        self.workspaces.iter().map(record).collect()
    }

    /// Everyone there is to begin with, and their keys.
    pub(crate) fn identities(
        &self,
        fresh: Fresh<'_>,
    ) -> Result<(Identities, BTreeMap<String, CredentialRecord>), BootstrapError> {
        let refused = |error: &dyn fmt::Display| BootstrapError::Identities(error.to_string());
        let document = Document { accounts: self.accounts.clone() };
        let described = |name: &str| {
            let mut users =
                self.accounts.iter().filter(|it| it.account_id == self.account_id).flat_map(|it| &it.users);
            users.any(|user| user.name == name)
        };
        let keys: BTreeMap<_, _> =
            self.access_keys.iter().map(|key| self.credential(key, fresh.now)).collect();
        let (mut identities, mut credentials) = (Identities::default(), BTreeMap::new());
        let administrators: BTreeMap<_, _> = self
            .access_keys
            .iter()
            .filter(|key| !described(&key.user_name))
            .filter_map(|key| keys.get_key_value(&key.access_key_id))
            .map(|(id, key)| (id.clone(), key.clone()))
            .collect();
        identities.adopt(&administrators);
        let changes =
            plan(&document, &identities, &credentials, false, fresh).map_err(|error| refused(&error))?;
        let keys = keys.into_iter().map(|(id, key)| IdentityChange::PutKey(id, key));
        let changes = changes.into_iter().chain(keys).collect();
        identities.change(&mut credentials, changes).map_err(|error| refused(&error))?;
        Ok((identities, credentials))
    }

    fn credential(&self, key: &AccessKey, now: TimestampMs) -> (String, CredentialRecord) {
        let record = CredentialRecord {
            secret_access_key: key.secret_access_key.clone(),
            account: self.account_id.clone(),
            principal: format!("arn:aws:iam::{}:user/{}", self.account_id, key.user_name),
            active: true,
            created_at: now,
        };
        (key.access_key_id.clone(), record)
    }
}
