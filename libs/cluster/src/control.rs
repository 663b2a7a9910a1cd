//! How the control plane is reached: a list of addresses of which one at a time is used, or a service in this process.
//!
//! A call that fails for want of an answer moves on to the next address, so that the caller's next try reaches another
//! node. Retrying is the caller's: it knows how long it may take.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::Stream;
use narthex_rpc::v1::{
    AdminRequest, AdminResponse, AnnounceRequest, CurrentRevisionRequest, CurrentRevisionResponse,
    HeartbeatRequest, HeartbeatResponse, LeaveRequest, LeaveResponse, RegisterRequest, RegisterResponse,
    WatchEvent, WatchRequest, control_client::ControlClient, control_server::Control,
};
use narthex_service::{SharedClock, server::MAX_GRPC_MESSAGE_BYTES, timeout};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

/// Events of a watch.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;

/// A control plane in this process.
pub type LocalControl = Arc<dyn Control<WatchStream = WatchStream>>;

/// Nodes wait up to 10 s for an election before they give up; this is a little more.
const CALL_LIMIT: Duration = Duration::from_secs(12);

/// A hint that takes longer is not worth waiting for.
const ANNOUNCE_LIMIT: Duration = Duration::from_secs(2);

const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// A node that hangs is left soon: it cannot tell that a key was revoked, and that shall be known within five seconds.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
const ALIVE_LIMIT: Duration = Duration::from_secs(2);

/// A client of the control plane. Cloning shares connections.
#[derive(Clone)]
pub struct ControlPlane {
    target: Arc<Target>,
    clock: SharedClock,
}

enum Target {
    Local(LocalControl),
    Remote { channels: Vec<(String, Channel)>, current: AtomicUsize },
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The list is empty.
    #[error("no control-plane address is configured")]
    None,
    /// Not `host:port`.
    #[error("control-plane address {0:?} is not HOST:PORT")]
    Malformed(String),
}

impl ControlPlane {
    /// In this process.
    pub fn local(control: LocalControl, clock: SharedClock) -> Self {
        Self { target: Arc::new(Target::Local(control)), clock }
    }

    /// At gRPC addresses (`host:port`), tried in turn from a place that `start` chooses. Connections are made when first
    /// used; must be called within a runtime.
    pub fn remote(addresses: &[String], start: u64, clock: SharedClock) -> Result<Self, AddressError> {
        let connect = |address: &String| {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .map_err(|_| AddressError::Malformed(address.clone()))?;
            let channel = endpoint
                .connect_timeout(CONNECT_LIMIT)
                .http2_keep_alive_interval(ALIVE_EVERY)
                .keep_alive_timeout(ALIVE_LIMIT)
                .keep_alive_while_idle(true)
                .tcp_nodelay(true)
                .connect_lazy();
            Ok((address.clone(), channel))
        };
        let channels = addresses.iter().map(connect).collect::<Result<Vec<_>, _>>()?;
        let current = start.checked_rem(channels.len() as u64).ok_or(AddressError::None)?;
        let current = AtomicUsize::new(usize::try_from(current).unwrap_or_default());
        Ok(Self { target: Arc::new(Target::Remote { channels, current }), clock })
    }

    /// Where the next call goes, for logs.
    pub fn address(&self) -> &str {
        match &*self.target {
            Target::Local(_) => "this process",
            Target::Remote { channels, current } => {
                &channels[current.load(Ordering::Relaxed) % channels.len()].0
            }
        }
    }

    /// The next call goes to the next address.
    pub fn rotate(&self) {
        if let Target::Remote { current, .. } = &*self.target {
            current.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn client(&self) -> Result<ControlClient<Channel>, &LocalControl> {
        match &*self.target {
            Target::Local(control) => Err(control),
            Target::Remote { channels, current } => {
                let (_, channel) = &channels[current.load(Ordering::Relaxed) % channels.len()];
                Ok(ControlClient::new(channel.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES))
            }
        }
    }

    async fn limited<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Status> {
        let answer = timeout(&*self.clock, CALL_LIMIT, call).await;
        let answer = answer.unwrap_or_else(|elapsed| Err(Status::deadline_exceeded(elapsed.to_string())));
        if let Err(status) = &answer
            && is_unanswered(status)
        {
            self.rotate();
        }
        answer.map(tonic::Response::into_inner)
    }

    /// Joins, or comes back.
    pub async fn register(&self, request: RegisterRequest) -> Result<RegisterResponse, Status> {
        match self.client() {
            Ok(mut client) => self.limited(client.register(request)).await,
            Err(local) => self.limited(local.register(Request::new(request))).await,
        }
    }

    /// Shows that the instance is alive, and what it acts on.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> Result<HeartbeatResponse, Status> {
        match self.client() {
            Ok(mut client) => self.limited(client.heartbeat(request)).await,
            Err(local) => self.limited(local.heartbeat(Request::new(request))).await,
        }
    }

    /// Takes no part any more.
    pub async fn leave(&self, request: LeaveRequest) -> Result<LeaveResponse, Status> {
        match self.client() {
            Ok(mut client) => self.limited(client.leave(request)).await,
            Err(local) => self.limited(local.leave(Request::new(request))).await,
        }
    }

    /// The newest committed revision.
    pub async fn current_revision(&self) -> Result<u64, Status> {
        let request = CurrentRevisionRequest {};
        let answer: CurrentRevisionResponse = match self.client() {
            Ok(mut client) => self.limited(client.current_revision(request)).await?,
            Err(local) => self.limited(local.current_revision(Request::new(request))).await?,
        };
        Ok(answer.revision)
    }

    /// Tells the watchers of every node about newer manifests. A hint: a node that does not answer is left out.
    pub async fn announce(&self, request: AnnounceRequest) {
        match &*self.target {
            Target::Local(local) => {
                let _ = self.limited(local.announce(Request::new(request))).await;
            }
            Target::Remote { channels, .. } => {
                let calls = channels.iter().map(|(_, channel)| {
                    let (mut client, request) = (ControlClient::new(channel.clone()), request.clone());
                    async move { timeout(&*self.clock, ANNOUNCE_LIMIT, client.announce(request)).await }
                });
                let _ = futures::future::join_all(calls).await;
            }
        }
    }

    /// An operator's command. Replacing a node takes as long as it takes.
    pub async fn admin(&self, request: AdminRequest) -> Result<AdminResponse, Status> {
        let answer = match self.client() {
            Ok(mut client) => client.admin(request).await,
            Err(local) => local.admin(Request::new(request)).await,
        };
        if answer.as_ref().is_err_and(is_unanswered) {
            self.rotate();
        }
        answer.map(tonic::Response::into_inner)
    }

    /// Events from a revision on.
    pub async fn watch(&self, request: WatchRequest) -> Result<WatchStream, Status> {
        match self.client() {
            Ok(mut client) => {
                let events = self.limited(client.watch(request)).await?;
                Ok(Box::pin(events))
            }
            Err(local) => self.limited(local.watch(Request::new(request))).await,
        }
    }
}

/// Whether another node may do better.
pub(crate) fn is_unanswered(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
            | Code::Unimplemented
    )
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControlPlane").field(&self.address()).finish()
    }
}
