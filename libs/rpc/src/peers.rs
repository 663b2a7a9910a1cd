//! The ways to ingesters and whatever else holds samples: one pool per process, by address.
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
        LabelNamesRequest, LabelValuesRequest, LabelsResponse, MetadataRequest, MetadataResponse,
        PushRequest, PushResponse, SelectRequest, SelectResponse, SeriesRequest, SeriesResponse,
        push_server::Push, series_source_server::SeriesSource,
    },
};

/// Answers of a Select as a server gives them.
pub type SelectStream = Pin<Box<dyn Stream<Item = Result<SelectResponse, Status>> + Send>>;
/// Answers of a Series as a server gives them.
pub type SeriesStream = Pin<Box<dyn Stream<Item = Result<SeriesResponse, Status>> + Send>>;
/// The write side of an ingester in this process.
pub type DynPush = dyn Push;
/// The read side of a service in this process; implement the trait with these boxed streams.
pub type DynSeriesSource = dyn SeriesSource<SelectStream = SelectStream, SeriesStream = SeriesStream>;

/// A service in this process.
#[derive(Clone)]
pub struct LocalPeer {
    /// Its write side.
    pub push: Arc<DynPush>,
    /// Its read side.
    pub source: Arc<DynSeriesSource>,
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

/// Calls `$method` of the peer at an address, within a deadline: the generated server trait if it is local, else the client.
macro_rules! call {
    ($self:ident, $address:ident, $deadline:ident, $side:ident.$method:ident($request:ident)) => {{
        let peer = $self.peer($address)?;
        let call = async move {
            match peer {
                Peer::Local(local) => local.$side.$method(Request::new($request)).await,
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
        let began = self.0.clock.monotonic();
        let peer = self.peer(address)?;
        let call = async move {
            match peer {
                Peer::Local(local) => {
                    local.source.select(Request::new(request)).await.map(Response::into_inner)
                }
                Peer::Remote(remote) => remote
                    .source
                    .clone()
                    .select(request)
                    .await
                    .map(|response| Box::pin(response.into_inner()) as SelectStream),
            }
        };
        let stream = self.within(deadline, address, call).await?;
        Ok(Answers::new(stream, address, &self.0.clock, began, deadline))
    }

    /// Streams series without samples. The deadline covers the whole stream.
    pub async fn series(
        &self,
        address: &str,
        request: SeriesRequest,
        deadline: Duration,
    ) -> Result<Answers<SeriesResponse>, RpcError> {
        let began = self.0.clock.monotonic();
        let peer = self.peer(address)?;
        let call = async move {
            match peer {
                Peer::Local(local) => {
                    local.source.series(Request::new(request)).await.map(Response::into_inner)
                }
                Peer::Remote(remote) => remote
                    .source
                    .clone()
                    .series(request)
                    .await
                    .map(|response| Box::pin(response.into_inner()) as SeriesStream),
            }
        };
        let stream = self.within(deadline, address, call).await?;
        Ok(Answers::new(stream, address, &self.0.clock, began, deadline))
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
