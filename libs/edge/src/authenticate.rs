//! From a request's head to the caller: parse, look the key up, and later verify the signature over the body.

use std::{sync::Arc, time::Duration};

use narthex_cluster::{Credential, Snapshot};
use narthex_model::{AccountId, TimestampMs};

use crate::{
    AwsError,
    catch_up::CatchUps,
    sigv4::{Claim, Mismatch, PayloadHash, SERVICE, SignedRequest, SigningKeys, check_claim, verify},
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
    pub(crate) credential: Arc<Credential>,
}

/// Checks signatures of one region.
#[derive(Debug)]
pub(crate) struct Authenticator {
    keys: SigningKeys,
    max_skew: Duration,
}

impl Authenticator {
    pub(crate) fn new(region: &str, max_skew: Duration) -> Self {
        Self { keys: SigningKeys::new(region, SERVICE), max_skew }
    }

    /// What can be told before the body is read.
    pub(crate) async fn claim<'a>(
        &self,
        request: &SignedRequest<'a>,
        now: TimestampMs,
        snapshot: &Snapshot,
        catch_ups: &CatchUps,
    ) -> Result<Caller<'a>, Refusal> {
        let claim = check_claim(request, self.keys.region(), SERVICE, now, self.max_skew)?;
        if claim.session_token.is_some() {
            let text = "temporary credentials (x-amz-security-token) are not accepted; sign with a long-term access key";
            return Err(Refusal::new("unsupported_signature", AwsError::UnrecognizedClient(text.into())));
        }
        let id = &*claim.authorization.access_key_id;
        let credential = match snapshot.credentials.get(id) {
            Some(known) => Arc::clone(known),
            None => {
                let fresh = catch_ups.fresh().await.map_err(|error| {
                    Refusal::new(
                        "not_current",
                        AwsError::unavailable(format!("the access key is not known here yet: {error}")),
                    )
                })?;
                let unknown = || {
                    let text = "The security token included in the request is invalid: unknown access key.";
                    Refusal::new("unknown_key", AwsError::UnrecognizedClient(text.into()))
                };
                fresh.credentials.get(id).cloned().ok_or_else(unknown)?
            }
        };
        Ok(Caller { claim, credential })
    }

    /// The verdict, once the body is read.
    pub(crate) fn verify(
        &self,
        caller: &Caller<'_>,
        request: &SignedRequest<'_>,
        payload: &PayloadHash,
    ) -> Result<(), Refusal> {
        let Credential { access_key_id, secret_access_key, .. } = caller.credential.as_ref();
        let key = self.keys.get(access_key_id, secret_access_key, &caller.claim.authorization.date);
        Ok(verify(&caller.claim, request, payload, &key)?)
    }
}

/// The account that stands for unsigned callers on the control plane: the one with the smallest number that has a key.
pub(crate) fn local_account(snapshot: &Snapshot) -> Option<AccountId> {
    snapshot.credentials.values().map(|credential| &credential.account).min().cloned()
}
