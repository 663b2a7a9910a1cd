//! A small HTTP/1.1 client: a request with a whole body in, the whole reply out, within a deadline.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use narthex_service::{SharedClock, timeout};

/// A client with a pool of connections. Cloning shares the pool.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    clock: SharedClock,
    limit: Duration,
}

impl Http {
    /// A client whose requests end, with an error, after `limit`.
    pub fn new(clock: SharedClock, limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), clock, limit }
    }

    /// The clock that deadlines and signatures use.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Sends a request with an absolute URI.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Reply> {
        let target = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let reply = self.client.request(request.map(Full::new)).await?;
            let (head, body) = reply.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, anyhow::Error>(Reply { status: head.status, headers: head.headers, body })
        };
        timeout(&*self.clock, self.limit, exchange)
            .await
            .map_err(anyhow::Error::from)
            .flatten()
            .context(target)
    }

    /// GET of an absolute URI, unsigned.
    pub async fn get(&self, uri: &str) -> Result<Reply> {
        self.send(Request::get(uri).body(Bytes::new())?).await
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A reply, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text, with replacement characters where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{self} is not JSON"))
    }

    /// A header's text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl fmt::Display for Reply {
    /// The status and the first 500 characters of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.status, self.text().chars().take(500).collect::<String>())
    }
}
