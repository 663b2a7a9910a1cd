//! The layer itself: what happens to a public request, in order.
//!
//! Preflights of browsers; request id; the API that a private endpoint is for; limit of requests; head of the signature and the key; declared size and limit of bytes;
//! the body, hashed; the signature; the workspace, where policies must allow what is asked for; the rate of calls; then the handler. Nothing
//! of a workspace shows before the signature is verified. Every refusal is counted by its reason and carries the request id.
//!
//! The signature is over host and path as the client sent them. A proxy in front has to leave the Host header as it is; it may
//! strip the path of `--public-url`, which is put back for the signature.

mod admit;

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ORIGIN},
    },
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use narthex_audit::Audit;
use narthex_cluster::{Cluster, Workspace};
use narthex_model::{AccountId, WorkspaceId};
use narthex_policy::Caller;
use narthex_service::{Components, Random, SharedClock, server::label_routes};
use tower::ServiceExt;

use self::admit::{Admitted, Asked};
use crate::{
    AwsError, Circumstances, PrivateEndpoint, authenticate::Authenticator, catch_up::CatchUps, cors::Cors,
    error::ERROR_TYPE, limits::Budget, metrics::Metrics, options::EdgeOptions, path, query_error::QueryError,
    rates::Rates, reply, source::Source, witness::Witness,
};

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
        let endpoint = parts.extensions.get::<Arc<PrivateEndpoint>>().cloned();
        let asked = Asked::of(&self.options, &parts, endpoint.as_deref());
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

/// A version 4 UUID.
fn request_id(random: &Random) -> Arc<str> {
    let id = WorkspaceId::from_random(random.bits128()).to_string();
    id.trim_start_matches("ws-").into()
}

#[cfg(test)]
#[path = "edge_test.rs"]
mod tests;
