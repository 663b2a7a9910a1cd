//! The layer around every server: one span and one set of metrics per request, within the caller's trace.
//!
//! The route is known only after routing; the router leaves its pattern in the reply
//! ([`narthex_service::server::label_routes`]). A gRPC status that comes in trailers after a stream counts as 0: what a
//! stream failed with is its consumer's to count.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use axum::extract::MatchedPath;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use narthex_service::SharedClock;
use opentelemetry::trace::{Status, TraceContextExt};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Protocol, RequestMetrics, extract_parent};

/// Makes [`RequestService`].
#[derive(Debug, Clone)]
pub struct RequestLayer {
    protocol: Protocol,
    metrics: RequestMetrics,
    clock: SharedClock,
}

impl RequestLayer {
    /// For a server of `protocol` that counts in `metrics`. Put it outside of every other layer.
    pub const fn new(protocol: Protocol, metrics: RequestMetrics, clock: SharedClock) -> Self {
        Self { protocol, metrics, clock }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService { inner, layer: self.clone() }
    }
}

/// A server that opens a span for each request and counts it.
#[derive(Debug, Clone)]
pub struct RequestService<S> {
    inner: S,
    layer: RequestLayer,
}

impl<S, B, R> Service<Request<B>> for RequestService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let RequestLayer { protocol, metrics, clock } = self.layer.clone();
        let (began, in_flight) = (clock.monotonic(), metrics.begin());
        let method = method_name(request.method());
        let path: Arc<str> = match protocol {
            Protocol::Grpc => request.uri().path().into(),
            Protocol::Http => "".into(),
        };
        let span = server_span(protocol, method, request.headers());
        let reply = span.in_scope(|| self.inner.call(request));
        let recorded = span.clone();
        Box::pin(
            async move {
                let response = reply.await?;
                let (route, status) = outcome(protocol, path, &response);
                record(&recorded, protocol, method, &route, status);
                metrics.end(route, method, status, clock.monotonic().saturating_sub(began).as_secs_f64());
                drop(in_flight);
                Ok(response)
            }
            .instrument(span),
        )
    }
}

fn server_span(protocol: Protocol, method: &'static str, headers: &HeaderMap) -> Span {
    let span = info_span!(
        "request",
        otel.name = method,
        otel.kind = "server",
        protocol = protocol.name(),
        method,
        route = Empty,
        status = Empty,
        request_id = Empty,
        workspace = Empty,
    );
    // Fails only when no exporter is set up; then there is no trace to join.
    let _ = span.set_parent(extract_parent(headers));
    span
}

fn outcome<R>(protocol: Protocol, path: Arc<str>, response: &Response<R>) -> (Arc<str>, u16) {
    const UNIMPLEMENTED: u16 = 12;
    match protocol {
        Protocol::Http => {
            let route = response.extensions().get::<MatchedPath>();
            (
                route.map_or_else(|| "unmatched".into(), |route| route.as_str().into()),
                response.status().as_u16(),
            )
        }
        Protocol::Grpc => {
            let code =
                response.headers().get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
            match code.unwrap_or(0) {
                UNIMPLEMENTED => ("unmatched".into(), UNIMPLEMENTED),
                code => (path, code),
            }
        }
    }
}

fn record(span: &Span, protocol: Protocol, method: &str, route: &str, status: u16) {
    let failed = match protocol {
        Protocol::Http => status >= 500,
        Protocol::Grpc => status != 0,
    };
    let name = match protocol {
        Protocol::Http => format!("{method} {route}"),
        Protocol::Grpc => route.trim_start_matches('/').to_owned(),
    };
    // The exporter's span has begun and no longer reads otel.* fields; it is told directly.
    span.context().span().update_name(name);
    if failed {
        span.set_status(Status::error(""));
    }
    span.record("route", route).record("status", i64::from(status));
}

fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests;
