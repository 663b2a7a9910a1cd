//! Who made a request, in the words of CloudTrail's `userIdentity` (AUD-3). Of a key its id shows and nothing else.

use narthex_model::{AccountId, TimestampMs};
use serde_json::{Map, Value, json};

use crate::event::seconds;

/// Who made a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserIdentity {
    /// An account's root.
    Root {
        /// The account.
        account: AccountId,
        /// Key that signed.
        access_key_id: Option<String>,
    },
    /// A user.
    User {
        /// Its account.
        account: AccountId,
        /// `arn:aws:iam::<account>:user/<path and name>`
        arn: String,
        /// Its unique id, `AIDA...`, if it has one.
        id: Option<String>,
        /// Key that signed.
        access_key_id: Option<String>,
    },
    /// A session of a role.
    AssumedRole {
        /// The role's account.
        account: AccountId,
        /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`
        arn: String,
        /// Unique id of the role and name of the session, `AROA...:<session>`.
        id: String,
        /// Key that signed.
        access_key_id: Option<String>,
        /// The role.
        issuer: Issuer,
        /// When the session began.
        created: TimestampMs,
        /// Whether it began with a second factor.
        multi_factor: bool,
        /// Identity provider that vouched for the caller.
        provider: Option<String>,
    },
    /// A federated user.
    FederatedUser {
        /// Account of the user who asked for the token.
        account: AccountId,
        /// `arn:aws:sts::<account>:federated-user/<name>`
        arn: String,
        /// Key that signed.
        access_key_id: Option<String>,
    },
    /// A service of AWS, or of ours that stands for one.
    Service {
        /// Such as `scraper.aps.amazonaws.com`.
        name: String,
    },
    /// Nobody that is known: unsigned, or signed with a key that is not known.
    Unknown {
        /// The account, where nothing need be signed.
        account: Option<AccountId>,
        /// What the caller is called, if anything.
        principal: Option<String>,
        /// The key that the request named.
        access_key_id: Option<String>,
    },
}

/// A role that a session is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its ARN.
    pub arn: String,
    /// Its unique id.
    pub id: String,
}

impl UserIdentity {
    /// A root or a user by its ARN and unique id; anything else is told by its ARN alone.
    pub fn from_arn(
        account: AccountId,
        arn: &str,
        id: Option<String>,
        access_key_id: Option<String>,
    ) -> Self {
        let kind = arn.splitn(6, ':').nth(5).unwrap_or_default();
        if kind == "root" {
            Self::Root { account, access_key_id }
        } else if kind.starts_with("user/") {
            Self::User { account, arn: arn.to_owned(), id, access_key_id }
        } else if kind.starts_with("federated-user/") {
            Self::FederatedUser { account, arn: arn.to_owned(), access_key_id }
        } else {
            Self::Unknown { account: Some(account), principal: Some(arn.to_owned()), access_key_id }
        }
    }

    /// Whose log the event goes to, if the caller has an account.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Root { account, .. }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
            Self::Unknown { account, .. } => account.as_ref(),
            Self::Service { .. } => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Root { account, access_key_id } => {
                let arn = format!("arn:aws:iam::{account}:root");
                with_key(named("Root", account, account.as_str(), &arn), access_key_id.as_deref())
            }
            Self::User { account, arn, id, access_key_id } => {
                let user = named("IAMUser", account, id.as_deref().unwrap_or_default(), arn);
                let mut user = with_key(user, access_key_id.as_deref());
                user["userName"] = name_of(arn).into();
                user
            }
            Self::AssumedRole {
                account,
                arn,
                id,
                access_key_id,
                issuer,
                created,
                multi_factor,
                provider,
            } => {
                let role = named("AssumedRole", account, id, arn);
                let mut role = with_key(role, access_key_id.as_deref());
                let federation = provider
                    .as_ref()
                    .map(|provider| ("federatedProvider".to_owned(), provider.as_str().into()));
                role["sessionContext"] = json!({
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": issuer.id,
                        "arn": issuer.arn,
                        "accountId": account.as_str(),
                        "userName": name_of(&issuer.arn),
                    },
                    "webIdFederationData": federation.into_iter().collect::<Map<String, Value>>(),
                    "attributes": {
                        "mfaAuthenticated": multi_factor.to_string(),
                        "creationDate": seconds(*created),
                    },
                });
                role
            }
            Self::FederatedUser { account, arn, access_key_id } => {
                let id = format!("{account}:{}", name_of(arn));
                with_key(named("FederatedUser", account, &id, arn), access_key_id.as_deref())
            }
            Self::Service { name } => json!({ "type": "AWSService", "invokedBy": name }),
            Self::Unknown { account, principal, access_key_id } => {
                let mut unknown = json!({ "type": "Unknown" });
                if let Some(principal) = principal {
                    unknown["principalId"] = principal.as_str().into();
                }
                if let Some(account) = account {
                    unknown["accountId"] = account.as_str().into();
                }
                with_key(unknown, access_key_id.as_deref())
            }
        }
    }
}

fn named(kind: &str, account: &AccountId, id: &str, arn: &str) -> Value {
    json!({ "type": kind, "principalId": id, "arn": arn, "accountId": account.as_str() })
}

fn with_key(mut identity: Value, access_key_id: Option<&str>) -> Value {
    if let Some(id) = access_key_id {
        identity["accessKeyId"] = id.into();
    }
    identity
}

/// The last part of an ARN's path.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
