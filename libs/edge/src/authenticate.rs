//! From a request's head to the caller: parse, look the key up, and later verify the signature over the body.
//!
//! A key is a user's or root's, which the snapshot holds, or a session's, which its token holds (SEC-7). A session whose role is gone is
//! refused as unknown, and one that was revoked as expired, so that an SDK asks for another at once; AWS refuses revoked ones by a
//! Deny, which SDKs take for final.

use std::{sync::Arc, time::Duration};

use narthex_cluster::{Identity, Snapshot};
use narthex_model::{AccountId, TimestampMs};
use narthex_policy::Caller as Principal;

use crate::{
    AwsError,
    catch_up::CatchUps,
    sessions::{Opened, Sessions},
    sigv4::{Claim, Mismatch, PayloadHash, SERVICE, STS, SignedRequest, SigningKeys, check_claim, verify},
};

/// A refusal and the reason that it is counted under.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) error: AwsError,
}

impl Refusal {
    pub(crate) const fn new(reason: &'static str, error: AwsError) -> Self {
        Self { reason, error }
    }
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        let text = mismatch.to_string();
        match mismatch {
            Mismatch::Unsigned => Self::new("unsigned", AwsError::MissingAuthenticationToken),
            Mismatch::Authorization(_) => {
                Self::new("authorization_header", AwsError::IncompleteSignature(text))
            }
            Mismatch::Query(_) => Self::new("presigned_query", AwsError::IncompleteSignature(text)),
            Mismatch::Unsupported(_) => {
                Self::new("unsupported_signature", AwsError::UnrecognizedClient(text))
            }
            Mismatch::NotSigned(_) | Mismatch::Absent(_) | Mismatch::NoDate => {
                Self::new("signed_headers", AwsError::IncompleteSignature(text))
            }
            Mismatch::Scope(_) => Self::new("credential_scope", AwsError::InvalidSignature(text)),
            Mismatch::Skew(_) => Self::new("clock_skew", AwsError::InvalidSignature(text)),
            Mismatch::Payload => Self::new("body_hash", AwsError::InvalidSignature(text)),
            Mismatch::Signature => Self::new("signature", AwsError::InvalidSignature(text)),
        }
    }
}

/// A claim whose key is known.
#[derive(Debug)]
pub(crate) struct Caller<'a> {
    claim: Claim<'a>,
    pub(crate) access_key_id: String,
    secret_access_key: String,
    pub(crate) account: AccountId,
    pub(crate) principal: Arc<Principal>,
}

/// A key that is known, with what it stands for.
struct Known {
    secret_access_key: String,
    account: AccountId,
    principal: Arc<Principal>,
}

/// Why a key is of no use.
enum Unknown {
    /// Nobody knows it, or what it stood for.
    Key,
    /// It is over.
    Expired(String),
}

/// Checks signatures of one region.
#[derive(Debug)]
pub(crate) struct Authenticator {
    keys: SigningKeys,
    sts_keys: SigningKeys,
    sessions: Sessions,
    max_skew: Duration,
}

impl Authenticator {
    pub(crate) fn new(region: &str, max_skew: Duration) -> Self {
        Self {
            keys: SigningKeys::new(region, SERVICE),
            sts_keys: SigningKeys::new(region, STS),
            sessions: Sessions::new(),
            max_skew,
        }
    }

    const fn keys(&self, sts: bool) -> &SigningKeys {
        if sts { &self.sts_keys } else { &self.keys }
    }

    /// What can be told before the body is read. `sts`: the request is one of the security token service.
    pub(crate) async fn claim<'a>(
        &self,
        request: &SignedRequest<'a>,
        sts: bool,
        now: TimestampMs,
        snapshot: &Snapshot,
        catch_ups: &CatchUps,
    ) -> Result<Caller<'a>, Refusal> {
        let keys = self.keys(sts);
        let claim = check_claim(request, keys.region(), keys.service(), now, self.max_skew)?;
        let id = claim.authorization.access_key_id.to_string();
        let token = claim.session_token.as_deref();
        let known = match self.look_up(snapshot, &id, token, now) {
            Ok(known) => known,
            Err(Unknown::Expired(text)) => return Err(expired(text)),
            Err(Unknown::Key) => {
                let fresh = catch_ups.fresh().await.map_err(|error| {
                    Refusal::new(
                        "not_current",
                        AwsError::unavailable(format!("the access key is not known here yet: {error}")),
                    )
                })?;
                match self.look_up(&fresh, &id, token, now) {
                    Ok(known) => known,
                    Err(Unknown::Expired(text)) => return Err(expired(text)),
                    Err(Unknown::Key) => {
                        let text = "The security token included in the request is invalid: unknown access key or session.";
                        return Err(Refusal::new("unknown_key", AwsError::UnrecognizedClient(text.into())));
                    }
                }
            }
        };
        let Known { secret_access_key, account, principal } = known;
        Ok(Caller { claim, access_key_id: id, secret_access_key, account, principal })
    }

    fn look_up(
        &self,
        snapshot: &Snapshot,
        id: &str,
        token: Option<&str>,
        now: TimestampMs,
    ) -> Result<Known, Unknown> {
        if let Some(token) = token {
            let opened = self.sessions.open(token, &snapshot.session_keys).ok_or(Unknown::Key)?;
            return session(snapshot, id, &opened, now);
        }
        let credential = snapshot.credentials.get(id).ok_or(Unknown::Key)?;
        match snapshot.principals.get(&credential.principal) {
            Some(Identity::Caller(principal)) => Ok(Known {
                secret_access_key: credential.secret_access_key.clone(),
                account: credential.account.clone(),
                principal: Arc::clone(principal),
            }),
            Some(Identity::Role(_)) | None => Err(Unknown::Key),
        }
    }

    /// The verdict, once the body is read.
    pub(crate) fn verify(
        &self,
        caller: &Caller<'_>,
        request: &SignedRequest<'_>,
        sts: bool,
        payload: &PayloadHash,
        length: usize,
    ) -> Result<(), Refusal> {
        let date = &caller.claim.authorization.date;
        let key = self.keys(sts).get(&caller.access_key_id, &caller.secret_access_key, date);
        Ok(verify(&caller.claim, request, payload, length, &key)?)
    }
}

fn session(snapshot: &Snapshot, id: &str, opened: &Opened, now: TimestampMs) -> Result<Known, Unknown> {
    let session = &opened.session;
    if session.access_key_id != id {
        return Err(Unknown::Key);
    }
    if session.expires_at <= now {
        return Err(Unknown::Expired("The security token included in the request is expired".to_owned()));
    }
    let Some(Identity::Role(role)) = snapshot.principals.get(&session.role) else {
        return Err(Unknown::Key);
    };
    if session.issued_at < role.sessions_revoked_before {
        let text = "The security token included in the request is expired: sessions of its role were revoked";
        return Err(Unknown::Expired(text.to_owned()));
    }
    Ok(Known {
        secret_access_key: session.secret_access_key.clone(),
        account: session.account.clone(),
        principal: opened.caller(role).ok_or(Unknown::Key)?,
    })
}

fn expired(text: String) -> Refusal {
    Refusal::new("expired_token", AwsError::ExpiredToken(text))
}

/// The account that stands for unsigned callers on the control plane: the one with the smallest number that has a key.
pub(crate) fn local_account(snapshot: &Snapshot) -> Option<AccountId> {
    snapshot.credentials.values().map(|credential| &credential.account).min().cloned()
}
