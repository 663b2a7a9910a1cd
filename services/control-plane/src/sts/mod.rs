//! The security token service: `AssumeRole`, `AssumeRoleWithWebIdentity` and `GetCallerIdentity` (AWS STS API, version 2011-06-15), as a
//! form posted to `/` of the management API, so that pods with `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and
//! `AWS_ENDPOINT_URL_STS` work with unmodified software (INT-26 to INT-30, SEC-34, SEC-44).
//!
//! Sessions are sealed into their tokens and kept nowhere. Every reply is well-formed XML.
//!
//! Where the specification is silent: roles may be assumed by name across accounts as their trust policies say; an account's root may
//! assume none, as in AWS; second factors are not known here and a call that brings one is refused.

mod assume;
mod keys;
mod parameters;
mod reply;
mod token;
mod web_identity;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{Extension, Router, response::Response, routing::post};
use bytes::Bytes;
use narthex_cluster::SessionKey;
use narthex_edge::{Authenticated, QueryError, RequestId, session::Session};
use narthex_model::{AccountId, TimestampMs};
use narthex_policy::{ManagedPolicy, Tags};
use narthex_service::Random;

use crate::{
    desk::Desk,
    identity::{Fresh, RoleRecord},
    state::State,
};

use keys::Keys;
pub(crate) use keys::{certificates, key_set};
use parameters::{Parameters, invalid};
use reply::{Element, reply, session_elements};

/// The version of the API that clients name.
const VERSION: &str = "2011-06-15";

/// Everything that the service needs.
pub(crate) struct Sts {
    desk: Arc<Desk>,
    random: Random,
    region: String,
    keys: Keys,
}

/// A role that somebody wants to assume.
struct Wanted {
    account: AccountId,
    arn: String,
    role: RoleRecord,
}

impl Sts {
    pub(crate) fn new(desk: Arc<Desk>, random: Random, region: &str) -> Self {
        Self { desk, random, region: region.to_owned(), keys: Keys::default() }
    }

    /// The route, to be wrapped by the edge together with the others.
    pub(crate) fn router(self) -> Router {
        let sts = Arc::new(self);
        let handler = move |who: Option<Extension<Authenticated>>,
                            id: Option<Extension<RequestId>>,
                            body: Bytes| async move {
            let id = id.map_or_else(String::new, |Extension(id)| id.0.to_string());
            let who = who.map(|Extension(who)| who);
            sts.answer(who.as_ref(), &body, &id).await.unwrap_or_else(|error| error.reply(&id))
        };
        Router::new().route("/", post(handler))
    }

    async fn answer(
        &self,
        who: Option<&Authenticated>,
        body: &[u8],
        request_id: &str,
    ) -> Result<Response, QueryError> {
        let parameters = Parameters::parse(body);
        let action = parameters.get("Action").ok_or_else(|| {
            QueryError::sender("MissingAction", "The request must contain the parameter Action")
        })?;
        if parameters.get("Version").is_some_and(|version| version != VERSION) {
            return Err(QueryError::sender("NoSuchVersion", format!("only version {VERSION} is served")));
        }
        let unsigned =
            || QueryError::denied("MissingAuthenticationToken", "Request is missing Authentication Token");
        let (action, elements) = match action {
            "AssumeRoleWithWebIdentity" => (action, self.assume_with_web_identity(&parameters).await?),
            "AssumeRole" => (action, self.assume(who.ok_or_else(unsigned)?, &parameters).await?),
            "GetCallerIdentity" => (action, caller_identity(who.ok_or_else(unsigned)?)),
            other => {
                let text = format!("Could not find operation {} for version {VERSION}", clip(other));
                return Err(QueryError::sender("InvalidAction", text));
            }
        };
        Ok(reply(action, &elements, request_id))
    }

    /// The newest state: a role that was made a moment ago can be assumed at every node.
    async fn catch_up(&self) -> Result<(), QueryError> {
        let caught_up = self.desk.catch_up().await;
        caught_up.map(drop).map_err(|error| {
            tracing::warn!(%error, "a call of the security token service could not be carried out");
            QueryError::unavailable(
                "No majority of the control plane's nodes follows a leader at the moment, try again",
            )
        })
    }

    /// Makes the session and its token.
    fn issue(&self, wanted: &Wanted, asked: Asked<'_>, now: TimestampMs) -> Result<Vec<Element>, QueryError> {
        let fresh = Fresh { random: &self.random, now };
        let (key, policies) = {
            let view = self.desk.machine().view();
            let key = view.state.session_keys.last().and_then(session_key);
            let key =
                key.ok_or_else(|| QueryError::unavailable("no session can be sealed yet, try again"))?;
            (key, session_policies(&view.state, &wanted.account, &asked)?)
        };
        let session = Session {
            access_key_id: fresh.id("ASIA").chars().take(20).collect(),
            secret_access_key: fresh.secret(),
            account: wanted.account.clone(),
            role: wanted.arn.clone(),
            role_id: wanted.role.id.clone(),
            name: asked.name.to_owned(),
            issued_at: now,
            expires_at: TimestampMs(now.0 + i64::from(asked.seconds) * 1_000),
            policies,
            tags: asked.tags,
            source_identity: asked.source_identity.map(str::to_owned),
            provider: asked.provider,
        };
        let mut nonce = [0; 12];
        self.random.fill(&mut nonce);
        let token = session.seal(&key, nonce).map_err(|length| {
            let text = format!(
                "Packed size of session policies and tags makes a token of {length} characters, too many"
            );
            QueryError::sender("PackedPolicyTooLarge", text)
        })?;
        tracing::info!(role = session.role, session = session.name, "a session was issued");
        Ok(session_elements(&session, token))
    }
}

/// What a caller wants of a session, checked.
struct Asked<'a> {
    name: &'a str,
    seconds: u32,
    policy: Option<&'a str>,
    policy_arns: Vec<&'a str>,
    tags: std::collections::BTreeMap<String, String>,
    source_identity: Option<&'a str>,
    provider: Option<String>,
}

/// Documents of the policies that limit a session; `None` if none was passed.
fn session_policies(
    state: &State,
    account: &AccountId,
    asked: &Asked<'_>,
) -> Result<Option<Vec<String>>, QueryError> {
    if asked.policy.is_none() && asked.policy_arns.is_empty() {
        return Ok(None);
    }
    let mut documents: Vec<String> = asked.policy.map(str::to_owned).into_iter().collect();
    for arn in &asked.policy_arns {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let of_service = arn.strip_prefix("arn:aws:iam::aws:policy/").and_then(ManagedPolicy::named);
        let own = state.identities.accounts.get(account).and_then(|record| record.policies.get(name));
        let own =
            own.filter(|policy| policy.arn(account, name) == *arn).map(|policy| policy.document.as_str());
        let found = of_service.map(|policy| policy.document).or(own);
        documents.push(
            found
                .ok_or_else(|| invalid("PolicyArns", format_args!("names {arn}, which does not exist")))?
                .to_owned(),
        );
    }
    Ok(Some(documents))
}

fn session_key(record: &crate::identity::SessionKeyRecord) -> Option<SessionKey> {
    let mut secret = [0; 32];
    hex::decode_to_slice(&record.secret, &mut secret).ok()?;
    Some(SessionKey { id: record.id, secret })
}

/// The role of an ARN.
fn role(state: &State, arn: &str) -> Option<Wanted> {
    let account: AccountId = arn.strip_prefix("arn:aws:iam::")?.split(':').next()?.parse().ok()?;
    let name = arn.rsplit('/').next()?;
    let role = state.identities.accounts.get(&account)?.roles.get(name)?;
    (role.arn(&account, name) == arn).then(|| Wanted { account, arn: arn.to_owned(), role: role.clone() })
}

impl Wanted {
    fn tags(&self) -> Tags {
        self.role.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

fn caller_identity(who: &Authenticated) -> Vec<Element> {
    let principal = &who.caller.principal;
    let id = principal.user_id.as_deref().unwrap_or(who.account.as_str());
    vec![
        Element::Text("Arn", principal.name().to_owned()),
        Element::Text("UserId", id.to_owned()),
        Element::Text("Account", who.account.to_string()),
    ]
}

/// What an error repeats of a client's text.
fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}
