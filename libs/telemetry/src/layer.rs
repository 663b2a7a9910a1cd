//! The layer that every server puts outermost: a span and metrics for each request, HTTP and gRPC alike.
//!
//! The span joins the caller's trace. Routes are the router's patterns, so that spans and metrics stay few; the layer must
//! therefore be added with `Router::layer`, where the matched path is known.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::MatchedPath;
use http::{Request, Response};
use narthex_service::SharedClock;
use tower::{Layer, Service};
use tracing::{Instrument, Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    RequestMetrics,
    context::extract,
    metrics::{Outcome, Route},
};

/// Adds a span and metrics to each request.
#[derive(Debug, Clone)]
pub struct RequestLayer {
    metrics: RequestMetrics,
    clock: SharedClock,
}

impl RequestLayer {
    /// Measures by `clock` into `metrics`.
    pub fn new(metrics: RequestMetrics, clock: SharedClock) -> Self {
        Self { metrics, clock }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService { inner, layer: self.clone() }
    }
}

/// See [`RequestLayer`].
#[derive(Debug, Clone)]
pub struct RequestService<S> {
    inner: S,
    layer: RequestLayer,
}

impl<S, B, R> Service<Request<B>> for RequestService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequestFuture<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let matched = request.extensions().get::<MatchedPath>();
        let route = matched.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
        let method = request.method().as_str().to_owned();
        let span = info_span!(
            "request",
            otel.name = format!("{method} {route}"),
            otel.kind = "server",
            http.request.method = method,
            http.route = route,
            http.response.status_code = field::Empty,
        );
        // Fails only where no OpenTelemetry layer is installed, and then there is no trace to join.
        let _ = span.set_parent(extract(request.headers()));
        let observed = Observed::begin(self.layer.clone(), method, route);
        let response = self.inner.call(request);
        let work = async move {
            let response = response.await;
            if let Ok(response) = &response {
                let status = response.status().as_u16();
                Span::current().record("http.response.status_code", status);
                observed.end(status);
            }
            response
        };
        RequestFuture(Box::pin(work.instrument(span)))
    }
}

/// The future of an observed request.
pub struct RequestFuture<R, E>(Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>);

impl<R, E> fmt::Debug for RequestFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestFuture")
    }
}

impl<R, E> Future for RequestFuture<R, E> {
    type Output = Result<Response<R>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

/// A request in flight. Dropped without an answer it counts with status 499, as a client that went away.
struct Observed {
    layer: RequestLayer,
    method: String,
    route: String,
    began: Duration,
    status: u16,
}

const CLIENT_WENT_AWAY: u16 = 499;

impl Observed {
    fn begin(layer: RequestLayer, method: String, route: String) -> Self {
        layer.metrics.in_flight.inc();
        let began = layer.clock.monotonic();
        Self { layer, method, route, began, status: CLIENT_WENT_AWAY }
    }

    fn end(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let RequestMetrics { requests, seconds, in_flight } = &self.layer.metrics;
        let (method, route) = (std::mem::take(&mut self.method), std::mem::take(&mut self.route));
        in_flight.dec();
        let elapsed = self.layer.clock.monotonic().saturating_sub(self.began).as_secs_f64();
        seconds.get_or_create(&Route { route: route.clone() }).observe(elapsed);
        requests.get_or_create(&Outcome { method, route, status: self.status }).inc();
    }
}
