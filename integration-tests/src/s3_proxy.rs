//! A wire between services and an S3 server that a test can watch, slow down and cut at any request.
//!
//! Every request passes a judge twice: before the server sees it, and after the server did it and before the reply goes
//! back. A judge that kills the asking process and then loses the request is a failpoint at that step of a protocol, in the
//! real binary and without a line of code in it. Signatures cover the Host header, which is passed on as it came.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use narthex_service::SharedClock;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{http::Http, s3::S3Server, sandbox::Sandbox};

/// What an object is to Narthex, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A block's data.
    Block,
    /// A root of a manifest.
    Root,
    /// A segment of a manifest.
    Segment,
    /// Anything else, such as the check at the start.
    Other,
}

/// What a request does; a HEAD is apart from a GET, and so is the listing of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Does {
    /// PUT or POST.
    Put,
    /// GET of an object.
    Get,
    /// HEAD.
    Head,
    /// GET of a list.
    List,
    /// DELETE.
    Delete,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What it does.
    pub does: Does,
    /// To what.
    pub kind: Kind,
    /// Path and query.
    pub target: String,
    /// The server's answer, once there is one.
    pub status: Option<StatusCode>,
}

/// What becomes of a request, or of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// This is answered instead.
    Answer(StatusCode),
    /// The connection ends without a word.
    Lose,
}

type Judge = Arc<dyn Fn(&Exchange) -> Verdict + Send + Sync>;

/// A running proxy; it ends when it is dropped.
pub struct S3Proxy {
    /// `http://ADDRESS:PORT`.
    pub endpoint: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    http: Http,
    clock: SharedClock,
    state: Mutex<State>,
}

struct State {
    latency: Duration,
    judge: Judge,
    done: BTreeMap<(Does, Kind, StatusCode), u64>,
    bytes: BTreeMap<(Does, Kind), u64>,
}

impl S3Proxy {
    /// A proxy on a free port that lets everything pass.
    pub async fn start(sandbox: &Sandbox, server: &S3Server) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let state = State {
            latency: Duration::ZERO,
            judge: Arc::new(|_| Verdict::Pass),
            done: BTreeMap::new(),
            bytes: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            upstream: server.endpoint.clone(),
            http: Http::new(sandbox.clock.clone(), Duration::from_secs(60)),
            clock: sandbox.clock.clone(),
            state: Mutex::new(state),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { endpoint, shared, accepting })
    }

    /// The variables that make a service of ours use a bucket of the server through this proxy, as
    /// [`S3Server::environment`] gives them.
    pub fn environment(&self, server: &S3Server, url: &str) -> [(&'static str, String); 5] {
        server.environment(url).map(|(name, value)| match name {
            "NARTHEX_BUCKET_ENDPOINT" => (name, self.endpoint.clone()),
            _ => (name, value),
        })
    }

    /// Every request takes this much longer from now on.
    pub fn delay(&self, latency: Duration) {
        self.shared.with(|state| state.latency = latency);
    }

    /// Judges requests (status `None`) and replies from now on.
    pub fn judge(&self, judge: impl Fn(&Exchange) -> Verdict + Send + Sync + 'static) {
        self.shared.with(|state| state.judge = Arc::new(judge));
    }

    /// Lets everything pass from now on.
    pub fn pass(&self) {
        self.judge(|_| Verdict::Pass);
    }

    /// How often the server did something with a status below 300.
    pub fn succeeded(&self, does: Does, kind: Kind) -> u64 {
        self.shared.with(|state| {
            let of = state
                .done
                .iter()
                .filter(|((d, k, status), _)| (*d, *k) == (does, kind) && status.is_success());
            of.map(|(_, count)| count).sum()
        })
    }

    /// All requests that the server answered, by what they did.
    pub fn counts(&self) -> BTreeMap<(Does, Kind, StatusCode), u64> {
        self.shared.with(|state| state.done.clone())
    }

    /// Bytes of bodies that the server sent in answer to these.
    pub fn bytes(&self, does: Does, kind: Kind) -> u64 {
        self.shared.with(|state| state.bytes.get(&(does, kind)).copied().unwrap_or(0))
    }

    /// Forgets what was counted.
    pub fn reset(&self) {
        self.shared.with(|state| (state.done.clear(), state.bytes.clear()));
    }
}

impl Drop for S3Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for S3Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Proxy").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The reply that never comes.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lost on purpose")
    }
}

impl std::error::Error for Lost {}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        let (latency, judge) = self.with(|state| (state.latency, state.judge.clone()));
        let mut exchange = exchange(&head.method, &head.uri);
        if let Some(reply) = ruled(judge(&exchange)) {
            return reply;
        }
        self.clock.sleep(latency).await;
        let mut forwarded = Request::builder()
            .method(head.method)
            .uri(format!("{}{}", self.upstream, exchange.target))
            .body(body)
            .map_err(|_| Lost)?;
        *forwarded.headers_mut() = end_to_end(head.headers);
        let reply = self.http.send(forwarded).await.map_err(|_| Lost)?;
        exchange.status = Some(reply.status);
        self.with(|state| {
            *state.done.entry((exchange.does, exchange.kind, reply.status)).or_default() += 1;
            *state.bytes.entry((exchange.does, exchange.kind)).or_default() += reply.body.len() as u64;
        });
        if let Some(ruled) = ruled(judge(&exchange)) {
            return ruled;
        }
        let mut response = Response::new(Full::new(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = end_to_end(reply.headers);
        Ok(response)
    }
}

fn ruled(verdict: Verdict) -> Option<Result<Response<Full<Bytes>>, Lost>> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Lose => Some(Err(Lost)),
        Verdict::Answer(status) => {
            let mut response = Response::new(Full::new(Bytes::new()));
            *response.status_mut() = status;
            Some(Ok(response))
        }
    }
}

/// Headers without those of one connection.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

fn exchange(method: &Method, uri: &http::Uri) -> Exchange {
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let does = match *method {
        Method::HEAD => Does::Head,
        Method::DELETE => Does::Delete,
        Method::GET if uri.query().is_some_and(|query| query.contains("list-type=")) => Does::List,
        Method::GET => Does::Get,
        _ => Does::Put,
    };
    // The key of a list stands in its query.
    let kind = if target.contains("segments") {
        Kind::Segment
    } else if target.contains("manifest") {
        Kind::Root
    } else if target.contains("blocks") {
        Kind::Block
    } else {
        Kind::Other
    };
    Exchange { does, kind, target, status: None }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let serve = service_fn(move |request| {
                let shared = shared.clone();
                async move { shared.serve(request).await }
            });
            // Clients that are killed end in errors that mean nothing.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let seen = |method, uri: &'static str| {
            let exchange = exchange(&method, &http::Uri::from_static(uri));
            (exchange.does, exchange.kind)
        };
        let root = "/b/workspaces/ws-1/manifest/18446744073709551614";
        assert_eq!(seen(Method::PUT, root), (Does::Put, Kind::Root));
        assert_eq!(seen(Method::GET, root), (Does::Get, Kind::Root));
        assert_eq!(
            seen(Method::GET, "/b?list-type=2&prefix=workspaces%2Fws-1%2Fmanifest%2F"),
            (Does::List, Kind::Root)
        );
        assert_eq!(
            seen(Method::HEAD, "/b/workspaces/ws-1/blocks/01/data.parquet"),
            (Does::Head, Kind::Block)
        );
        assert_eq!(seen(Method::DELETE, "/b/probe/1"), (Does::Delete, Kind::Other));
    }
}
