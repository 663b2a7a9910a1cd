//! Letting a request in: what is checked before a handler sees it, in the order in which refusing it costs least.

use std::{borrow::Cow, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{Method, Uri, header::USER_AGENT, request::Parts};
use narthex_cluster::{Snapshot, Workspace, WorkspaceStatus};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use narthex_policy::{Caller, Permissions, Principal};
use narthex_service::timeout;

use super::{Authenticated, Inner, RequestId};
use crate::{
    AwsError, Circumstances, Passage, PrivateEndpoint, ValidationReason,
    authenticate::{Refusal, local_account},
    body::{self, BodyError},
    limits::Taken,
    operation::Operation,
    options::{Auth, EdgeOptions},
    path,
    rates::Class,
    sigv4::SignedRequest,
    source::Source,
    witness::Witness,
};

/// How long, and up to which length, the body of a refused request is read so that its sender sees the reply.
const DISCARD_TIME: Duration = Duration::from_secs(5);
const DISCARD_BYTES: u64 = 32 << 20;

/// Largest request of the security token service; some of them are unsigned.
const MAX_STS_BODY_BYTES: usize = 64 << 10;

/// The account that acts, who does, and the access key.
type Acting = (AccountId, Arc<Caller>, Option<Arc<str>>);

/// What a request asks for, read from method and path.
pub(super) struct Asked {
    pub(super) routed: String,
    pub(super) workspace: Option<String>,
    pub(super) operation: Operation,
    /// One of the security token service, which has its own name in signatures and its own form of errors.
    pub(super) sts: bool,
}

impl Asked {
    /// Private endpoints have no security token service.
    pub(super) fn of(options: &EdgeOptions, parts: &Parts, endpoint: Option<&PrivateEndpoint>) -> Self {
        let routed = path::routed(parts.uri.path(), &options.path_prefix).into_owned();
        Self {
            workspace: path::data_plane_workspace(&routed).map(Cow::into_owned),
            operation: Operation::of(parts.method.as_str(), &routed),
            sts: options.sts && endpoint.is_none() && routed == "/" && parts.method == Method::POST,
            routed,
        }
    }

    /// Refuses what is not of the API that a private endpoint is for.
    fn is_served_at(&self, endpoint: &PrivateEndpoint) -> Result<(), Refusal> {
        if self.operation.plane == endpoint.plane {
            return Ok(());
        }
        let text = format!("endpoint {} serves the API of {} alone", endpoint.id, endpoint.service());
        Err(Refusal::new("private_endpoint", AwsError::UnknownOperation(text)))
    }
}

/// A request that passed.
pub(super) struct Admitted {
    pub(super) request: Request,
    pub(super) _share: (Taken, Taken),
}

impl Inner {
    /// Lets a request in, its body read; a refused body is read to its end within reason.
    pub(super) async fn admit(
        &self,
        mut parts: Parts,
        body: Body,
        asked: &Asked,
        witness: &mut Option<Witness>,
        request_id: &Arc<str>,
    ) -> Result<Admitted, Refusal> {
        let mut body = Some(body);
        let outcome = self.check(&parts, &mut body, asked, witness, request_id).await;
        let (who, bytes, share) = match outcome {
            Ok(passed) => passed,
            Err(refusal) => {
                self.discard(&parts, body).await;
                return Err(refusal);
            }
        };
        parts.extensions.insert(RequestId(Arc::clone(request_id)));
        if let Some(who) = who {
            tracing::Span::current()
                .record("workspace", who.workspace.as_ref().map(|found| tracing::field::display(found.id)));
            parts.extensions.insert(who);
        }
        if asked.routed != parts.uri.path() {
            parts.uri = with_path(&parts.uri, &asked.routed);
        }
        Ok(Admitted { request: Request::from_parts(parts, Body::from(bytes)), _share: share })
    }

    async fn check(
        &self,
        parts: &Parts,
        body: &mut Option<Body>,
        asked: &Asked,
        witness: &mut Option<Witness>,
        request_id: &Arc<str>,
    ) -> Result<(Option<Authenticated>, Bytes, (Taken, Taken)), Refusal> {
        if let Some(endpoint) = parts.extensions.get::<Arc<PrivateEndpoint>>() {
            asked.is_served_at(endpoint)?;
        }
        let request_share = self.requests.take(1).ok_or_else(|| {
            let text =
                format!("this instance handles {} requests already; retry later", self.requests.limit());
            Refusal::new("requests_in_flight", AwsError::unavailable(text))
        })?;
        let snapshot = self.cluster.snapshot();
        let sts = asked.sts;
        let signed = SignedRequest {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            prefix: &self.options.path_prefix,
            query: parts.uri.query().unwrap_or(""),
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            headers: &parts.headers,
        };
        let now = self.clock.now();
        let caller = match self.options.auth {
            Auth::Off => None,
            // The service itself says which of its actions need no signature.
            Auth::SigV4 if sts && !signed.is_signed() => None,
            Auth::SigV4 => {
                Some(self.authenticator.claim(&signed, sts, now, &snapshot, &self.catch_ups).await?)
            }
        };
        if let (Some(witness), Some(caller)) = (witness.as_mut(), &caller) {
            witness.claimed(&caller.account, &caller.access_key_id);
        }
        let limit = match asked.workspace {
            Some(_) => self.options.max_body_bytes,
            None if sts => MAX_STS_BODY_BYTES,
            None => self.options.max_control_body_bytes,
        };
        let bytes_share = self.reserve(body::length(&parts.headers, body.as_ref()), limit)?;
        let reading = body::read(body.take().unwrap_or_default(), limit);
        let read =
            timeout(self.clock.as_ref(), self.options.body_timeout, reading).await.map_err(|elapsed| {
                Refusal::new(
                    "body_timeout",
                    AwsError::RequestTimeout(format!("reading the request body {elapsed}")),
                )
            })?;
        let (bytes, payload) = read.map_err(|error| unreadable(error, limit))?;
        if let Some(caller) = &caller {
            self.authenticator.verify(caller, &signed, sts, &payload, bytes.len())?;
        }
        let share = (request_share, bytes_share);
        if caller.is_none() && self.options.auth == Auth::SigV4 {
            return Ok((None, bytes, share));
        }
        let circumstances = self.circumstances(parts, &asked.routed, now);
        let (account, principal, access_key_id) = match caller {
            Some(caller) => (caller.account, caller.principal, Some(caller.access_key_id.into())),
            None => self.local(asked, &snapshot)?,
        };
        let request_id = Arc::clone(request_id);
        let mut who = Authenticated {
            account,
            caller: principal,
            access_key_id,
            circumstances,
            workspace: None,
            request_id,
        };
        if let Some(witness) = witness.as_mut() {
            witness.verified(&who.account, &who.caller, who.access_key_id.as_deref(), &bytes);
        }
        if let Some(named) = &asked.workspace {
            who.workspace = Some(self.workspace(named, asked.operation.name, &who, &snapshot).await?);
        }
        if let (Some(witness), Some(workspace)) = (witness.as_mut(), &who.workspace) {
            witness.owned_by(&workspace.account);
        }
        self.pace(&asked.operation, &who, &snapshot)?;
        Ok((Some(who), bytes, share))
    }

    fn circumstances(&self, parts: &Parts, routed: &str, now: TimestampMs) -> Circumstances {
        let source = parts.extensions.get::<Source>();
        let endpoint = parts.extensions.get::<Arc<PrivateEndpoint>>();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Circumstances {
            now,
            region: Arc::clone(&self.region),
            secure: source.is_some_and(|source| source.secure),
            user_agent: agent.map(Into::into),
            source: source.and_then(|source| source.address).unwrap_or(Ipv4Addr::LOCALHOST.into()),
            passage: endpoint.map(|endpoint| Passage { endpoint: Arc::clone(endpoint), path: routed.into() }),
        }
    }

    /// Who acts where nothing is signed: root of the workspace's account, or else of the first.
    fn local(&self, asked: &Asked, snapshot: &Snapshot) -> Result<Acting, Refusal> {
        let named = asked.workspace.as_deref().and_then(|named| named.parse::<WorkspaceId>().ok());
        let account = match named.and_then(|id| snapshot.workspaces.get(&id)) {
            Some(workspace) => workspace.account.clone(),
            None => self.local_account(snapshot)?,
        };
        let unusable = |_| Refusal::new("not_current", AwsError::InternalServer("no local account".into()));
        let principal = Principal::from_arn(&format!("arn:aws:iam::{account}:root")).map_err(unusable)?;
        Ok((account, Arc::new(Caller { principal, permissions: Permissions::default() }), None))
    }

    /// Takes a call's share of its rate; the last thing before the handler.
    fn pace(&self, operation: &Operation, who: &Authenticated, snapshot: &Snapshot) -> Result<(), Refusal> {
        let workspace = who.workspace.as_ref().map(|workspace| workspace.id);
        let now = self.clock.monotonic();
        self.rates.take(Class::of(operation), &who.account, workspace, snapshot, now).map_err(|error| {
            self.metrics.throttle(operation.name.unwrap_or("other"));
            Refusal::new("rate", error)
        })
    }

    fn local_account(&self, snapshot: &Snapshot) -> Result<AccountId, Refusal> {
        let unknown = || AwsError::unavailable("no account is known here yet; is the control plane up?");
        local_account(snapshot).ok_or_else(|| Refusal::new("not_current", unknown()))
    }

    /// Refuses a body by its length, and reserves what it may take: the limit where the length is not known.
    fn reserve(&self, length: Option<u64>, limit: usize) -> Result<Taken, Refusal> {
        if let Some(size) = length.filter(|size| *size > limit as u64) {
            return Err(unreadable(BodyError::TooLarge(Some(size)), limit));
        }
        let amount = length.unwrap_or(limit as u64);
        self.bytes.take(amount).ok_or_else(|| {
            let text =
                format!("this instance holds {} bytes of requests already; retry later", self.bytes.limit());
            Refusal::new("bytes_in_flight", AwsError::unavailable(text))
        })
    }

    /// The workspace that the path names, if the caller may do there what it asks for and it can be used. Who may not learns nothing
    /// of what exists under a name.
    async fn workspace(
        &self,
        named: &str,
        operation: Option<&'static str>,
        who: &Authenticated,
        snapshot: &Snapshot,
    ) -> Result<Arc<Workspace>, Refusal> {
        let denied = |error| Refusal::new("access_denied", error);
        let not_found = || {
            let error = who.authorize_unknown(operation, named).map_err(denied).err();
            error.unwrap_or_else(|| Refusal::new("unknown_workspace", AwsError::workspace_not_found(named)))
        };
        let id: WorkspaceId = named.parse().map_err(|_| not_found())?;
        let usable = |snapshot: &Snapshot| {
            let found = snapshot.workspaces.get(&id)?;
            (found.status != WorkspaceStatus::Creating).then(|| Arc::clone(found))
        };
        let found = match usable(snapshot) {
            Some(found) => found,
            None => {
                let fresh = self.catch_ups.fresh().await.map_err(|error| {
                    let text = format!("the workspace is not known here yet: {error}");
                    Refusal::new("not_current", AwsError::unavailable(text))
                })?;
                usable(&fresh).ok_or_else(not_found)?
            }
        };
        who.authorize_data(operation, &found).map_err(denied)?;
        match found.status {
            WorkspaceStatus::Active | WorkspaceStatus::Updating => Ok(found),
            WorkspaceStatus::Creating | WorkspaceStatus::Deleting => Err(not_found()),
        }
    }

    async fn discard(&self, parts: &Parts, body: Option<Body>) {
        let short = body::length(&parts.headers, body.as_ref()).is_some_and(|length| length <= DISCARD_BYTES);
        let waits = parts.headers.contains_key(http::header::EXPECT);
        if let Some(body) = body.filter(|_| short && !waits) {
            // Whether it ends or time is up, the reply goes out.
            let _ = timeout(self.clock.as_ref(), DISCARD_TIME, body::discard(body)).await;
        }
    }
}

fn unreadable(error: BodyError, limit: usize) -> Refusal {
    match error {
        BodyError::TooLarge(size) => {
            let size = size.map_or_else(|| format!("more than {limit}"), |size| size.to_string());
            let text = format!("the request body of {size} bytes exceeds the limit of {limit} bytes");
            Refusal::new("body_too_large", AwsError::RequestTooLarge(text))
        }
        BodyError::Broken => {
            let text = "the request body ended early or broke the protocol";
            Refusal::new("body_broken", AwsError::validation(ValidationReason::CannotParse, text))
        }
    }
}

fn with_path(uri: &Uri, path: &str) -> Uri {
    let mut parts = uri.clone().into_parts();
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = target.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
