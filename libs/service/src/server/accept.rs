//! The accept loop and its drain.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ServerOptions, idle::IdleTimeout};
use crate::{SharedClock, timeout};

/// Pause after accept failed, as it does when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    clock: SharedClock,
    shutdown: CancellationToken,
) {
    let builder = Arc::new(connection_builder(&options));
    let connections = Arc::new(Semaphore::new(options.max_connections));
    let graceful = GracefulShutdown::new();
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; is the limit of open files too low?");
                clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Requests and replies are whole messages; waiting to fill packets only delays them.
        let _ = stream.set_nodelay(true);
        let (builder, router, clock) = (Arc::clone(&builder), router.clone(), clock.clone());
        let (watcher, abort, shutdown) = (graceful.watcher(), abort.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _permit = permit;
            // The protocol is told by the first bytes, before any timer of the protocol runs.
            let first_byte = tokio::select! {
                () = shutdown.cancelled() => return,
                ready = timeout(clock.as_ref(), options.header_timeout, stream.readable()) => ready,
            };
            if !matches!(first_byte, Ok(Ok(()))) {
                return;
            }
            let service = router.map_request(|request: http::Request<Incoming>| request.map(Body::new));
            let io = TokioIo::new(IdleTimeout::new(stream, clock, options.idle_timeout));
            let connection = builder.serve_connection(io, TowerToHyperService::new(service)).into_owned();
            tokio::select! {
                outcome = watcher.watch(connection) => {
                    if let Err(error) = outcome {
                        tracing::debug!(error, "a connection ended early");
                    }
                }
                () = abort.cancelled() => {}
            }
        });
    }
    drop(listener);
    let open = graceful.count();
    if timeout(clock.as_ref(), options.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = open,
            "requests did not finish before the drain deadline; closing connections"
        );
    }
    abort.cancel();
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
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
