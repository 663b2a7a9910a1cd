//! A small HTTP/1.1 server inside a test: a whole request in, a whole reply out, over TLS or not.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What a handler promises; an error ends the connection without a word.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Bytes>>> + Send>>;

type Handler = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

/// A running server; it ends when it is dropped, its connections with it.
pub struct HttpServer {
    /// Where it listens.
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// A server on a free loopback port.
    pub async fn start(handler: impl Fn(Request<Bytes>) -> Answer + Send + Sync + 'static) -> Result<Self> {
        Self::start_with(None, handler).await
    }

    /// As [`Self::start`], over TLS if there is an acceptor.
    pub async fn start_with(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, accepting: tokio::spawn(accept(listener, tls, Arc::new(handler))) })
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, handler) = (tls.clone(), handler.clone());
        connections.spawn(async move {
            match tls {
                None => serve(stream, handler).await,
                // A client that does not trust the server ends here.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, handler: Handler) {
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = handler(Request::from_parts(head, body)).await?;
            Ok::<_, anyhow::Error>(answer.map(Full::new))
        }
    });
    // Clients that are killed end in errors that mean nothing.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
