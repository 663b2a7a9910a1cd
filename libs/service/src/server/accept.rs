//! The accept loop and its drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Peer, ServerOptions, Tls, idle::IdleTimeout};
use crate::{SharedClock, timeout};

/// Pause after accept failed, as it does when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What every connection is served with.
struct Server {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    options: ServerOptions,
    tls: Option<Tls>,
    clock: SharedClock,
    shutdown: CancellationToken,
    abort: CancellationToken,
}

/// A connection that was accepted.
struct Accepted {
    stream: TcpStream,
    address: SocketAddr,
    /// Tells the drain that it is there.
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    tls: Option<Tls>,
    clock: SharedClock,
    shutdown: CancellationToken,
) {
    let server = Arc::new(Server {
        builder: connection_builder(&options),
        router,
        options,
        tls,
        clock: clock.clone(),
        shutdown: shutdown.clone(),
        abort: CancellationToken::new(),
    });
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(options.max_connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &connections, &graceful) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.greet(accepted).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; is the limit of open files too low?");
                clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let open = graceful.count();
    if timeout(clock.as_ref(), options.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = open,
            "requests did not finish before the drain deadline; closing connections"
        );
    }
    server.abort.cancel();
}

impl Server {
    /// Waits for a client's first byte and serves what it speaks.
    async fn greet(&self, accepted: Accepted) {
        let Accepted { stream, address, watcher, _permit } = accepted;
        // Requests and replies are whole messages; waiting to fill packets only delays them.
        let _ = stream.set_nodelay(true);
        // The protocol is told by the first bytes, before any timer of the protocol runs.
        let first_byte = tokio::select! {
            () = self.shutdown.cancelled() => return,
            ready = timeout(self.clock.as_ref(), self.options.header_timeout, stream.readable()) => ready,
        };
        if !matches!(first_byte, Ok(Ok(()))) {
            return;
        }
        let stream = IdleTimeout::new(stream, self.clock.clone(), self.options.idle_timeout);
        let Some(tls) = &self.tls else {
            return self.serve(stream, Peer { address, tls: false }, watcher).await;
        };
        let handshake = timeout(self.clock.as_ref(), self.options.header_timeout, tls.accept(stream));
        let encrypted = tokio::select! {
            () = self.shutdown.cancelled() => return,
            encrypted = handshake => encrypted,
        };
        match encrypted {
            Ok(Ok(stream)) => self.serve(stream, Peer { address, tls: true }, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, %address, "a TLS handshake failed"),
            Err(elapsed) => tracing::debug!(%elapsed, %address, "a TLS handshake did not end"),
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        watcher: Watcher,
    ) {
        let service = self.router.clone().map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.map(Body::new)
        });
        let io = TokioIo::new(stream);
        let connection = self.builder.serve_connection(io, TowerToHyperService::new(service)).into_owned();
        tokio::select! {
            outcome = watcher.watch(connection) => {
                if let Err(error) = outcome {
                    tracing::debug!(error, "a connection ended early");
                }
            }
            () = self.abort.cancelled() => {}
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    graceful: &GracefulShutdown,
) -> std::io::Result<Accepted> {
    let _permit = Arc::clone(connections).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, address) = listener.accept().await?;
    Ok(Accepted { stream, address, watcher: graceful.watcher(), _permit })
}

fn connection_builder(options: &ServerOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .max_concurrent_streams(options.max_concurrent_streams)
        .initial_stream_window_size(options.stream_window_bytes)
        .initial_connection_window_size(options.connection_window_bytes);
    builder
}
