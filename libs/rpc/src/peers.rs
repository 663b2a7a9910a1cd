//! The ways to ingesters, store-gateways and whatever else holds samples: one pool per process, by address.
//!
//! An address is either a process of its own (one HTTP/2 connection, made at the first call and again whenever it broke) or a
//! service in this process, registered with [`Peers::add_local`]; callers cannot tell and need not. Every call has a deadline on
//! the pool's clock and ends when its future or stream is dropped. Danger: a call that failed may still have had its effect.

mod answers;
mod channel;

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use narthex_service::{SharedClock, timeout};
use parking_lot::RwLock;
use tonic::{Request, Response, Status};

pub use answers::Answers;
use channel::Remote;

use crate::{
    RpcError,
    v1::{
        AggregateRequest, AggregateResponse, FetchRequest, FlushRequest, FlushResponse, LabelNamesRequest,
        LabelValuesRequest, LabelsResponse, MetadataRequest, MetadataResponse, PushRequest, PushResponse,
        SealRequest, SelectRequest, SelectResponse, SeriesRequest, SeriesResponse, cuts_server::Cuts,
        push_server::Push, series_source_server::SeriesSource,
    },
};

/// Answers of a Select as a server gives them.
pub type SelectStream = Pin<Box<dyn Stream<Item = Result<SelectResponse, Status>> + Send>>;
/// Answers of an Aggregate as a server gives them.
pub type AggregateStream = Pin<Box<dyn Stream<Item = Result<AggregateResponse, Status>> + Send>>;
/// Answers of a Series as a server gives them.
pub type SeriesStream = Pin<Box<dyn Stream<Item = Result<SeriesResponse, Status>> + Send>>;
/// The write side of an ingester in this process.
pub type DynPush = dyn Push;
/// The read side of a service in this process; implement the trait with these boxed streams.
pub type DynSeriesSource = dyn SeriesSource<AggregateStream = AggregateStream, SelectStream = SelectStream, SeriesStream = SeriesStream>;
/// What owners of a partition do for each other's cuts.
pub type DynCuts = dyn Cuts<SealStream = SelectStream, FetchStream = SelectStream>;

/// What a peer in this process does; a call to a service that it does not have is UNIMPLEMENTED, as on a server.
#[derive(Clone, Default)]
pub struct LocalPeer {
    /// Its write side.
    pub push: Option<Arc<DynPush>>,
    /// Its read side.
    pub source: Option<Arc<DynSeriesSource>>,
    /// Its part in cuts.
    pub cuts: Option<Arc<DynCuts>>,
}

/// How connections behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerOptions {
    /// Longest time to make a connection.
    pub connect_timeout: Duration,
    /// Pause after which a silent connection is probed.
    pub keep_alive_interval: Duration,
    /// How long a probe may stay without answer before the connection counts as broken.
    pub keep_alive_timeout: Duration,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
        }
    }
}

/// The pool. Cloning shares it.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    options: PeerOptions,
    clock: SharedClock,
    peers: RwLock<HashMap<String, Peer>>,
}

#[derive(Clone)]
enum Peer {
    Local(LocalPeer),
    Remote(Arc<Remote>),
}

/// The service of a local peer.
fn has<T>(service: &Option<T>) -> Result<&T, Status> {
    service.as_ref().ok_or_else(|| Status::unimplemented("the peer does not have this service"))
}

/// Streams the answers of `$method` of the peer at an address; the deadline covers the whole stream.
macro_rules! stream {
    ($self:ident, $address:ident, $deadline:ident, $side:ident.$method:ident($request:ident)) => {{
        let began = $self.0.clock.monotonic();
        let peer = $self.peer($address)?;
        let call = async move {
            match peer {
                Peer::Local(local) => {
                    has(&local.$side)?.$method(Request::new($request)).await.map(Response::into_inner)
                }
                Peer::Remote(remote) => {
                    let answers = remote.$side.clone().$method($request).await;
                    answers.map(|response| Box::pin(response.into_inner()) as Pin<Box<_>>)
                }
            }
        };
        let stream = $self.within($deadline, $address, call).await?;
        Ok(Answers::new(stream, $address, &$self.0.clock, began, $deadline))
    }};
}

/// Calls `$method` of the peer at an address, within a deadline: the generated server trait if it is local, else the client.
macro_rules! call {
    ($self:ident, $address:ident, $deadline:ident, $side:ident.$method:ident($request:ident)) => {{
        let peer = $self.peer($address)?;
        let call = async move {
            match peer {
                Peer::Local(local) => has(&local.$side)?.$method(Request::new($request)).await,
                Peer::Remote(remote) => remote.$side.clone().$method($request).await,
            }
        };
        $self.within($deadline, $address, call).await.map(Response::into_inner)
    }};
}

impl Peers {
    /// An empty pool; connections are made when they are first needed.
    pub fn new(options: PeerOptions, clock: SharedClock) -> Self {
        Self(Arc::new(Inner { options, clock, peers: RwLock::default() }))
    }

    /// Makes an address mean a service in this process.
    pub fn add_local(&self, address: impl Into<String>, peer: LocalPeer) {
        self.0.peers.write().insert(address.into(), Peer::Local(peer));
    }

    /// Whether an address means a service in this process.
    pub fn is_local(&self, address: &str) -> bool {
        matches!(self.0.peers.read().get(address), Some(Peer::Local(_)))
    }

    /// Forgets the connections to addresses that are not kept, such as those that left the ring. Calls under way go on.
    pub fn retain(&self, mut keep: impl FnMut(&str) -> bool) {
        self.0.peers.write().retain(|address, peer| matches!(peer, Peer::Local(_)) || keep(address));
    }

    /// Stores a frame.
    pub async fn push(
        &self,
        address: &str,
        request: PushRequest,
        deadline: Duration,
    ) -> Result<PushResponse, RpcError> {
        call!(self, address, deadline, push.push(request))
    }

    /// Streams series and chunks. The deadline covers the whole stream.
    pub async fn select(
        &self,
        address: &str,
        request: SelectRequest,
        deadline: Duration,
    ) -> Result<Answers<SelectResponse>, RpcError> {
        stream!(self, address, deadline, source.select(request))
    }

    /// Streams what comes of an aggregation. The deadline covers the whole stream.
    pub async fn aggregate(
        &self,
        address: &str,
        request: AggregateRequest,
        deadline: Duration,
    ) -> Result<Answers<AggregateResponse>, RpcError> {
        stream!(self, address, deadline, source.aggregate(request))
    }

    /// Streams series without samples. The deadline covers the whole stream.
    pub async fn series(
        &self,
        address: &str,
        request: SeriesRequest,
        deadline: Duration,
    ) -> Result<Answers<SeriesResponse>, RpcError> {
        stream!(self, address, deadline, source.series(request))
    }

    /// Seals a cut and streams its labels and digests. The deadline covers the whole stream.
    pub async fn seal(
        &self,
        address: &str,
        request: SealRequest,
        deadline: Duration,
    ) -> Result<Answers<SelectResponse>, RpcError> {
        stream!(self, address, deadline, cuts.seal(request))
    }

    /// Streams chunks of a sealed cut. The deadline covers the whole stream.
    pub async fn fetch(
        &self,
        address: &str,
        request: FetchRequest,
        deadline: Duration,
    ) -> Result<Answers<SelectResponse>, RpcError> {
        stream!(self, address, deadline, cuts.fetch(request))
    }

    /// Cuts everything that can be cut now.
    pub async fn flush(
        &self,
        address: &str,
        request: FlushRequest,
        deadline: Duration,
    ) -> Result<FlushResponse, RpcError> {
        call!(self, address, deadline, cuts.flush(request))
    }

    /// Lists label names.
    pub async fn label_names(
        &self,
        address: &str,
        request: LabelNamesRequest,
        deadline: Duration,
    ) -> Result<LabelsResponse, RpcError> {
        call!(self, address, deadline, source.label_names(request))
    }

    /// Lists the values of a label.
    pub async fn label_values(
        &self,
        address: &str,
        request: LabelValuesRequest,
        deadline: Duration,
    ) -> Result<LabelsResponse, RpcError> {
        call!(self, address, deadline, source.label_values(request))
    }

    /// Lists metadata of metrics.
    pub async fn metadata(
        &self,
        address: &str,
        request: MetadataRequest,
        deadline: Duration,
    ) -> Result<MetadataResponse, RpcError> {
        call!(self, address, deadline, source.metadata(request))
    }

    fn peer(&self, address: &str) -> Result<Peer, RpcError> {
        if let Some(peer) = self.0.peers.read().get(address) {
            return Ok(peer.clone());
        }
        let remote = Arc::new(Remote::new(address, &self.0.options)?);
        Ok(self.0.peers.write().entry(address.to_owned()).or_insert(Peer::Remote(remote)).clone())
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        address: &str,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, RpcError> {
        match timeout(self.0.clock.as_ref(), deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(RpcError::from(status)),
            Err(elapsed) => Err(RpcError::DeadlineExceeded(format!("{address}: {elapsed}"))),
        }
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.peers.read().keys()).finish()
    }
}

impl fmt::Debug for LocalPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalPeer")
    }
}

#[cfg(test)]
mod tests;
