//! The layer itself: what happens to a public request, in order.
//!
//! Preflights of browsers; request id; limit of requests; head of the signature and the key; declared size and limit of bytes;
//! the body, hashed; the signature; the workspace, where policies must allow what is asked for; the rate of calls; then the handler. Nothing
//! of a workspace shows before the signature is verified. Every refusal is counted by its reason and carries the request id.
//!
//! The signature is over host and path as the client sent them. A proxy in front has to leave the Host header as it is; it may
//! strip the path of `--public-url`, which is put back for the signature.

use std::{net::Ipv4Addr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{
        Method, StatusCode, Uri,
        header::{CONTENT_TYPE, ORIGIN, USER_AGENT},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::FutureExt;
use narthex_audit::Audit;
use narthex_cluster::{Cluster, Snapshot, Workspace, WorkspaceStatus};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use narthex_policy::{Caller, Permissions, Principal};
use narthex_service::{Components, Random, SharedClock, server::label_routes, timeout};
use tower::ServiceExt;

use crate::{
    AwsError, Circumstances, ValidationReason,
    authenticate::{Authenticator, Refusal, local_account},
    body::{self, BodyError},
    catch_up::CatchUps,
    cors::Cors,
    error::ERROR_TYPE,
    limits::{Budget, Taken},
    metrics::Metrics,
    operation::Operation,
    options::{Auth, EdgeOptions},
    path,
    query_error::QueryError,
    rates::{Class, Rates},
    reply,
    sigv4::SignedRequest,
    source::Source,
    witness::Witness,
};

/// How long, and up to which length, the body of a refused request is read so that its sender sees the reply.
const DISCARD_TIME: Duration = Duration::from_secs(5);
const DISCARD_BYTES: u64 = 32 << 20;

/// Largest request of the security token service; some of them are unsigned.
const MAX_STS_BODY_BYTES: usize = 64 << 10;

/// The id of a request, as the reply will carry it; in the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// Who sent a request; in the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The account that acts.
    pub account: AccountId,
    /// Who acts, with its policies; where nothing is signed, the account's root.
    pub caller: Arc<Caller>,
    /// Access key that signed; `None` where nothing is signed.
    pub access_key_id: Option<Arc<str>>,
    /// How and when the request came.
    pub circumstances: Circumstances,
    /// The workspace of a data-plane path: usable, and the caller may do there what it asks for. `None` on the control plane.
    pub workspace: Option<Arc<Workspace>>,
    /// The request's id, as the reply will carry it.
    pub request_id: Arc<str>,
}

/// The edge of one service. Cloning shares its limits and metrics.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: EdgeOptions,
    region: Arc<str>,
    authenticator: Authenticator,
    cluster: Cluster,
    catch_ups: CatchUps,
    clock: SharedClock,
    random: Random,
    metrics: Metrics,
    requests: Budget,
    bytes: Budget,
    rates: Rates,
    cors: Cors,
    audit: Audit,
}

/// What a request asks for, read from method and path.
struct Asked {
    routed: String,
    workspace: Option<String>,
    operation: Operation,
    /// One of the security token service, which has its own name in signatures and its own form of errors.
    sts: bool,
}

/// The account that acts, who does, and the access key.
type Acting = (AccountId, Arc<Caller>, Option<Arc<str>>);

/// A request that passed.
struct Admitted {
    request: Request,
    _share: (Taken, Taken),
}

impl Edge {
    /// An edge for `service` (the name in its metrics), whose calls nobody records.
    pub fn new(options: EdgeOptions, cluster: Cluster, components: &Components, service: &str) -> Self {
        Self::audited(options, cluster, components, service, Audit::off(components))
    }

    /// An edge for `service` (the name in its metrics), whose calls are told to `audit`.
    pub fn audited(
        options: EdgeOptions,
        cluster: Cluster,
        components: &Components,
        service: &str,
        audit: Audit,
    ) -> Self {
        let metrics = Metrics::new(&components.registry, service);
        Self(Arc::new(Inner {
            region: options.region.as_str().into(),
            authenticator: Authenticator::new(&options.region, options.max_clock_skew),
            catch_ups: CatchUps::new(cluster.clone(), components.clock.clone()),
            cluster,
            clock: components.clock.clone(),
            random: components.random.clone(),
            requests: Budget::new(options.max_requests_in_flight, metrics.requests_in_flight.clone()),
            bytes: Budget::new(options.max_bytes_in_flight, metrics.bytes_in_flight.clone()),
            rates: Rates::new(options.rates, options.sharing),
            cors: Cors::new(&options.cors_origins),
            audit,
            metrics,
            options,
        }))
    }

    /// Puts the edge around `api`. Routes that must answer unsigned (`/ready`) are merged into the result.
    pub fn wrap(&self, api: Router) -> Router {
        let api = label_routes(api).layer(DefaultBodyLimit::disable());
        let edge = self.clone();
        Router::new().fallback(move |request: Request| async move { edge.handle(request, api).await })
    }

    async fn handle(self, request: Request, api: Router) -> Response {
        let inner = &self.0;
        let request_id = request_id(&inner.random);
        tracing::Span::current().record("request_id", &*request_id);
        let trace_id = reply::trace_id(request.headers(), inner.clock.now(), &inner.random);
        let origin = request.headers().get(ORIGIN).cloned();
        let mut response = match inner.cors.preflight(request.method(), request.headers()) {
            Some(answer) => answer,
            None => inner.answer(request, &request_id, api).await,
        };
        reply::finish(&mut response, &request_id, trace_id, &inner.cors, origin.as_ref());
        response
    }
}

impl Inner {
    /// The handler's answer, or why there is none.
    async fn answer(&self, request: Request, request_id: &Arc<str>, api: Router) -> Response {
        let (mut parts, body) = request.into_parts();
        let routed = path::routed(parts.uri.path(), &self.options.path_prefix).into_owned();
        let asked = Asked {
            workspace: path::data_plane_workspace(&routed).map(std::borrow::Cow::into_owned),
            operation: Operation::of(parts.method.as_str(), &routed),
            sts: self.is_sts(&parts.method, &routed),
            routed,
        };
        let source = Source::of(&parts, &self.options.trusted_proxies);
        parts.extensions.insert(source);
        let workspace = asked.workspace.as_deref();
        let mut witness =
            Witness::of(&self.audit, &asked.operation, &parts, &asked.routed, workspace, self.clock.now());
        let mut response = match self.admit(parts, body, &asked, &mut witness, request_id).await {
            Ok(admitted) => self.carry_out(admitted, request_id, api).await,
            Err(refusal) => {
                self.metrics.refuse(refusal.reason);
                tracing::debug!(reason = refusal.reason, error = %refusal.error, "request refused");
                if asked.sts {
                    QueryError::from(refusal.error).reply(request_id)
                } else {
                    refusal.error.into_response()
                }
            }
        };
        if let Some(witness) = witness {
            witness.tell(&self.audit, &self.region, request_id, &mut response).await;
        }
        response
    }

    async fn carry_out(&self, admitted: Admitted, request_id: &Arc<str>, api: Router) -> Response {
        let Admitted { request, _share } = admitted;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match AssertUnwindSafe(api.oneshot(request)).catch_unwind().await {
            Ok(Ok(response)) => unrouted(response, method.as_str(), &path),
            Err(_) => {
                self.metrics.refuse("panic");
                tracing::error!(%method, path, request_id = &**request_id, "a handler panicked; please report it");
                AwsError::InternalServer("internal error".into()).into_response()
            }
        }
    }

    /// Lets a request in, its body read; a refused body is read to its end within reason.
    async fn admit(
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
        let circumstances = self.circumstances(parts, now);
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

    fn is_sts(&self, method: &Method, routed: &str) -> bool {
        self.options.sts && routed == "/" && method == Method::POST
    }

    fn circumstances(&self, parts: &Parts, now: TimestampMs) -> Circumstances {
        let source = parts.extensions.get::<Source>();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Circumstances {
            now,
            region: Arc::clone(&self.region),
            secure: source.is_some_and(|source| source.secure),
            user_agent: agent.map(Into::into),
            source: source.and_then(|source| source.address).unwrap_or(Ipv4Addr::LOCALHOST.into()),
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

/// The router's own bare 404 and 405 in AWS shape.
fn unrouted(response: Response, method: &str, path: &str) -> Response {
    let bare = !response.headers().contains_key(CONTENT_TYPE) && !response.headers().contains_key(ERROR_TYPE);
    let nowhere =
        response.status() == StatusCode::NOT_FOUND && response.extensions().get::<MatchedPath>().is_none();
    if !bare || !(nowhere || response.status() == StatusCode::METHOD_NOT_ALLOWED) {
        return response;
    }
    if path::data_plane_workspace(path).is_some() {
        let path: String = path.chars().take(200).collect();
        AwsError::UnknownOperation(format!("no operation answers {method} {path}")).into_response()
    } else {
        AwsError::unknown_operation(method, path).into_response()
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

/// A version 4 UUID.
fn request_id(random: &Random) -> Arc<str> {
    let id = WorkspaceId::from_random(random.bits128()).to_string();
    id.trim_start_matches("ws-").into()
}

#[cfg(test)]
#[path = "edge_test.rs"]
mod tests;
