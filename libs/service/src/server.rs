//! HTTP servers: HTTP/1.1 and HTTP/2 on one listener, for REST and gRPC alike, with TLS where [`Tls`] is given.
//!
//! A server survives slow and silent clients (time limits on the request head and on connections without traffic, a limit
//! of connections) and drains: when the process's shutdown token is cancelled it stops accepting, lets requests finish
//! until a deadline, then closes what is left. Danger: a handler that computes for longer than `idle_timeout` without
//! moving a byte loses its connection.

mod accept;
mod idle;
mod tls;

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::Next,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Components, PublicSettings};

pub use tls::{Tls, TlsError};

/// Largest gRPC message that any service accepts or sends. Pass it to the generated servers and clients
/// (`max_decoding_message_size`, `max_encoding_message_size`), whose default is 4 MiB.
pub const MAX_GRPC_MESSAGE_BYTES: usize = 64 << 20;

/// Limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// How long a client may take to send a request's head, and how long an HTTP/1 connection may wait for the next one.
    pub header_timeout: Duration,
    /// How long a connection may stay without a byte in either direction.
    pub idle_timeout: Duration,
    /// How long requests may run on after the shutdown began.
    pub drain_timeout: Duration,
    /// Connections served at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// HTTP/2: how often a silent peer is asked whether it is there.
    pub keep_alive_interval: Duration,
    /// HTTP/2: how long the answer may take.
    pub keep_alive_timeout: Duration,
    /// HTTP/2: requests in flight on one connection.
    pub max_concurrent_streams: u32,
    /// HTTP/2: bytes in flight of one request body.
    pub stream_window_bytes: u32,
    /// HTTP/2: bytes in flight of all request bodies of a connection.
    pub connection_window_bytes: u32,
}

impl ServerOptions {
    /// For clients outside the cluster.
    pub const fn http() -> Self {
        Self {
            header_timeout: Duration::from_secs(75),
            idle_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(30),
            max_connections: 16_384,
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(20),
            max_concurrent_streams: 250,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
        }
    }

    /// For gRPC between services: few connections, many streams, large windows, and a dead peer noticed within seconds.
    pub const fn grpc() -> Self {
        Self {
            keep_alive_interval: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            max_concurrent_streams: 10_000,
            stream_window_bytes: 4 << 20,
            connection_window_bytes: 32 << 20,
            ..Self::http()
        }
    }
}

/// Who is at the other end of a request's connection; in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address: the client's, or that of a proxy.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// A server that accepts connections.
#[derive(Debug)]
#[must_use = "dropping it leaves the server running, but nobody waits for it to drain"]
pub struct Serving {
    local_addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    /// The bound address, with the port that the system chose where 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Completes when the server has drained after a shutdown.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a server's accept loop failed; restart the process");
        }
    }
}

/// Listens on `address`; port 0 lets the system choose. The error names the address.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

/// Serves `router` on `listener` until the components' shutdown token is cancelled and the connections have drained.
pub fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    components: &Components,
) -> io::Result<Serving> {
    serve_with(listener, router, options, None, components)
}

/// Serves a public API, as [`serve`] does, with the limits that are set, and with TLS if that is.
pub fn serve_public(
    listener: TcpListener,
    router: Router,
    settings: &PublicSettings,
    components: &Components,
) -> io::Result<Serving> {
    let tls = settings.tls.open().map_err(io::Error::other)?;
    if let Some(tls) = &tls {
        tokio::spawn(tls.clone().follow_files(components.clock.clone(), components.shutdown.clone()));
    }
    serve_with(listener, router, settings.server.options(), tls, components)
}

fn serve_with(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    tls: Option<Tls>,
    components: &Components,
) -> io::Result<Serving> {
    let local_addr = listener.local_addr()?;
    let (clock, shutdown) = (components.clock.clone(), components.shutdown.clone());
    let task = tokio::spawn(accept::run(listener, router, options, tls, clock, shutdown));
    Ok(Serving { local_addr, task })
}

/// Serves gRPC `routes` on `listener`, as [`serve`] does. Set [`MAX_GRPC_MESSAGE_BYTES`] on each generated server.
pub fn serve_grpc(
    listener: TcpListener,
    routes: tonic::service::Routes,
    options: ServerOptions,
    components: &Components,
) -> io::Result<Serving> {
    serve(listener, routes.prepare().into_axum_router(), options, components)
}

/// Leaves the matched route's pattern in each reply's extensions, where the layers around the router find it.
pub fn label_routes(router: Router) -> Router {
    router.layer(axum::middleware::from_fn(|request: Request, next: Next| async move {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let mut response = next.run(request).await;
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
        response
    }))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_test;
