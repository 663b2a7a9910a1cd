//! The layer itself: what happens to a public request, in order.
//!
//! Request id; limit of requests; head of the signature and the key; declared size and limit of bytes; the body, hashed; the
//! signature; the workspace, which must belong to the caller; then the handler. Nothing of a workspace shows before the
//! signature is verified. Every refusal is counted by its reason and carries the request id.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::FutureExt;
use narthex_cluster::{Cluster, Snapshot, Workspace, WorkspaceStatus};
use narthex_model::{AccountId, WorkspaceId};
use narthex_service::{Components, Random, SharedClock, server::label_routes, timeout};
use tower::ServiceExt;

use crate::{
    AwsError, ValidationReason,
    authenticate::{Authenticator, Refusal, local_account},
    body::{self, BodyError},
    catch_up::CatchUps,
    error::ERROR_TYPE,
    limits::{Budget, Taken},
    metrics::Metrics,
    options::{Auth, EdgeOptions},
    path,
    sigv4::SignedRequest,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// How long, and up to which length, the body of a refused request is read so that its sender sees the reply.
const DISCARD_TIME: Duration = Duration::from_secs(5);
const DISCARD_BYTES: u64 = 32 << 20;

/// Who sent a request; in the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The account that acts.
    pub account: AccountId,
    /// ARN of the user that signed, or a fixed local one where nothing is signed.
    pub principal: Arc<str>,
    /// The workspace of a data-plane path: the caller's own, and usable. `None` on the control plane.
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
    authenticator: Authenticator,
    cluster: Cluster,
    catch_ups: CatchUps,
    clock: SharedClock,
    random: Random,
    metrics: Metrics,
    requests: Budget,
    bytes: Budget,
}

/// A request that passed.
struct Admitted {
    request: Request,
    _share: (Taken, Taken),
}

impl Edge {
    /// An edge for `service` (the name in its metrics).
    pub fn new(options: EdgeOptions, cluster: Cluster, components: &Components, service: &str) -> Self {
        let metrics = Metrics::new(&components.registry, service);
        Self(Arc::new(Inner {
            authenticator: Authenticator::new(&options.region, options.max_clock_skew),
            catch_ups: CatchUps::new(cluster.clone(), components.clock.clone()),
            cluster,
            clock: components.clock.clone(),
            random: components.random.clone(),
            requests: Budget::new(options.max_requests_in_flight, metrics.requests_in_flight.clone()),
            bytes: Budget::new(options.max_bytes_in_flight, metrics.bytes_in_flight.clone()),
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
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut response = match inner.admit(request, &request_id).await {
            Ok(admitted) => {
                let Admitted { request, _share } = admitted;
                let answered = AssertUnwindSafe(api.oneshot(request)).catch_unwind().await;
                match answered {
                    Ok(Ok(response)) => unrouted(response, method.as_str(), &path),
                    Err(_) => {
                        inner.metrics.refuse("panic");
                        tracing::error!(%method, path, request_id = &*request_id, "a handler panicked; please report it");
                        AwsError::InternalServer("internal error".into()).into_response()
                    }
                }
            }
            Err(refusal) => {
                inner.metrics.refuse(refusal.reason);
                tracing::debug!(reason = refusal.reason, error = %refusal.error, "request refused");
                refusal.error.into_response()
            }
        };
        let headers = response.headers_mut();
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }
}

impl Inner {
    /// Lets a request in, its body read; a refused body is read to its end within reason.
    async fn admit(&self, request: Request, request_id: &Arc<str>) -> Result<Admitted, Refusal> {
        let (mut parts, body) = request.into_parts();
        let routed = path::routed(parts.uri.path()).into_owned();
        let workspace = path::data_plane_workspace(&routed).map(std::borrow::Cow::into_owned);
        let mut body = Some(body);
        let outcome = self.check(&parts, &mut body, workspace.as_deref(), request_id).await;
        let (who, bytes, share) = match outcome {
            Ok(passed) => passed,
            Err(refusal) => {
                self.discard(&parts, body).await;
                return Err(refusal);
            }
        };
        tracing::Span::current()
            .record("workspace", who.workspace.as_ref().map(|found| tracing::field::display(found.id)));
        parts.extensions.insert(who);
        if routed != parts.uri.path() {
            parts.uri = with_path(&parts.uri, &routed);
        }
        Ok(Admitted { request: Request::from_parts(parts, Body::from(bytes)), _share: share })
    }

    async fn check(
        &self,
        parts: &Parts,
        body: &mut Option<Body>,
        workspace: Option<&str>,
        request_id: &Arc<str>,
    ) -> Result<(Authenticated, Bytes, (Taken, Taken)), Refusal> {
        let request_share = self.requests.take(1).ok_or_else(|| {
            let text =
                format!("this instance handles {} requests already; retry later", self.requests.limit());
            Refusal::new("requests_in_flight", AwsError::unavailable(text))
        })?;
        let snapshot = self.cluster.snapshot();
        let signed = SignedRequest {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or(""),
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            headers: &parts.headers,
        };
        let caller = match self.options.auth {
            Auth::Off => None,
            Auth::SigV4 => {
                Some(self.authenticator.claim(&signed, self.clock.now(), &snapshot, &self.catch_ups).await?)
            }
        };
        let limit = match workspace {
            Some(_) => self.options.max_body_bytes,
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
            self.authenticator.verify(caller, &signed, &payload)?;
        }
        let account = caller.as_ref().map(|caller| caller.credential.account.clone());
        let workspace = match workspace {
            None => None,
            Some(text) => Some(self.workspace(text, account.as_ref(), snapshot.as_ref()).await?),
        };
        let who = Authenticated {
            account: match (account, &workspace) {
                (Some(account), _) => account,
                (None, Some(workspace)) => workspace.account.clone(),
                (None, None) => self.local_account(&snapshot)?,
            },
            principal: caller
                .map_or_else(|| "local".into(), |caller| caller.credential.principal.as_str().into()),
            workspace,
            request_id: Arc::clone(request_id),
        };
        Ok((who, bytes, (request_share, bytes_share)))
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

    /// The workspace that the path names, if `account` owns it (anyone where nothing is signed) and it can be used.
    async fn workspace(
        &self,
        text: &str,
        account: Option<&AccountId>,
        snapshot: &Snapshot,
    ) -> Result<Arc<Workspace>, Refusal> {
        let not_found = || Refusal::new("unknown_workspace", AwsError::workspace_not_found(text));
        let id: WorkspaceId = text.parse().map_err(|_| not_found())?;
        let own = |snapshot: &Snapshot| {
            let found = snapshot.workspaces.get(&id)?;
            let usable = !matches!(found.status, WorkspaceStatus::Creating);
            (usable && account.is_none_or(|account| *account == found.account)).then(|| Arc::clone(found))
        };
        let found = match own(snapshot) {
            Some(found) => found,
            None => {
                let fresh = self.catch_ups.fresh().await.map_err(|error| {
                    let text = format!("the workspace is not known here yet: {error}");
                    Refusal::new("not_current", AwsError::unavailable(text))
                })?;
                own(&fresh).ok_or_else(not_found)?
            }
        };
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
    if path::data_plane_workspace(&path::routed(path)).is_some() {
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
