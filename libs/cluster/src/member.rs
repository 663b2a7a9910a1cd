//! A process as a member of the cluster: it watches, registers, shows that it is alive, and leaves.
//!
//! What is acknowledged is what is installed: the heartbeat names the ring of the snapshot that every new request is
//! served by (rule 7). After a registration the member is only ready once its snapshot has the registration's revision,
//! so a process that came back never acts on a ring older than what its predecessor acknowledged (P-1). While no node
//! answers, the last snapshot stays (C-2).

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use narthex_model::{Incarnation, InstanceId, ManifestRevision, RingRevision, WorkspaceId, Zone};
use narthex_ring::Replication;
use narthex_rpc::v1::{
    AnnounceRequest, HeartbeatRequest, LeaveRequest, ManifestHint, RegisterRequest, RegisterResponse,
};
use narthex_service::{Components, Condition, Random, SharedClock, timeout};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    CatchUp, Cluster, ControlPlane, NotCurrent, Role, Snapshot,
    control::is_unanswered,
    event::role_to_proto,
    member_metrics::MemberMetrics,
    watcher::{Backoff, Watcher},
};

/// Pace of heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// While an acknowledgement is owed, the heartbeat comes at once, but not more often than this.
const PROMPT: Duration = Duration::from_millis(100);

/// How long a catch-up may take.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(2);

/// How long leaving may hold up the shutdown.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name, stable over restarts.
    pub instance: InstanceId,
    /// What it does.
    pub role: Role,
    /// Where it runs.
    pub zone: Zone,
    /// Its address, `host:port`.
    pub address: String,
    /// Place among those of its role in its zone.
    pub ordinal: u32,
    /// Identity of its disk, for ingesters.
    pub incarnation: Option<Incarnation>,
}

/// A member. Cloning shares it; [`Member::another`] is a second instance on the same watch.
#[derive(Clone)]
pub struct Member {
    shared: Arc<Shared>,
    said: Arc<Mutex<Said>>,
}

struct Shared {
    control: ControlPlane,
    cluster: Cluster,
    clock: SharedClock,
    random: Random,
    shutdown: CancellationToken,
    metrics: MemberMetrics,
    /// The watch shall reconnect elsewhere: its node seems to be behind.
    stale: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Said {
    registration: Option<Registration>,
    left: bool,
    beating: bool,
    ready: bool,
    drained: Option<RingRevision>,
}

impl Member {
    /// Begins to watch the control plane; the snapshot is empty until its first answer. Must be called within a runtime.
    pub fn watch(control: ControlPlane, components: &Components) -> Self {
        let clock = components.clock.clone();
        let catch_up = CurrentSnapshot { control: control.clone(), clock: clock.clone() };
        let cluster = Cluster::new(Snapshot::empty(Replication::One), Some(Arc::new(catch_up)));
        let shared = Shared {
            control,
            cluster,
            clock,
            random: components.random.clone(),
            shutdown: components.shutdown.clone(),
            metrics: MemberMetrics::new(&components.registry),
            stale: Arc::default(),
        };
        let watcher = Watcher {
            control: shared.control.clone(),
            cluster: shared.cluster.clone(),
            clock: shared.clock.clone(),
            backoff: Backoff::new(shared.random.clone()),
            metrics: shared.metrics.clone(),
            stale: shared.stale.clone(),
        };
        tokio::spawn(watcher.run(shared.shutdown.clone()));
        Self { shared: Arc::new(shared), said: Arc::default() }
    }

    /// Another instance in this process: it registers and leaves by itself, and sees the same snapshot.
    pub fn another(&self) -> Self {
        Self { shared: self.shared.clone(), said: Arc::default() }
    }

    /// Tells everyone that a workspace has a newer manifest; itself at once.
    pub async fn announce(&self, workspace: WorkspaceId, revision: ManifestRevision) {
        self.shared.cluster.hints().note(workspace, revision);
        let hint = ManifestHint { workspace: workspace.to_bytes().to_vec().into(), revision: revision.0 };
        self.shared.control.announce(AnnounceRequest { hints: vec![hint] }).await;
    }

    /// The watched snapshot.
    pub fn cluster(&self) -> Cluster {
        self.shared.cluster.clone()
    }

    /// Waits for the first snapshot; the condition tells meanwhile what is waited for. `false` if the shutdown came first.
    pub async fn first_snapshot(&self, condition: &Condition) -> bool {
        let reason = format!(
            "waiting for the first snapshot from the control plane at {}",
            self.shared.control.address()
        );
        condition.not_ready(reason);
        let known = self.reached(1).await;
        if known {
            condition.ready();
        }
        known
    }

    /// Waits until the snapshot has a revision; `false` if the shutdown came first.
    async fn reached(&self, revision: u64) -> bool {
        let mut changes = self.shared.cluster.changes();
        tokio::select! {
            reached = changes.wait_for(|known| *known >= revision) => reached.is_ok(),
            () = self.shared.shutdown.cancelled() => false,
        }
    }

    /// Registers, and registers again by itself if the control plane has forgotten the instance. Tries until a node
    /// answers, telling the condition; returns once the snapshot is as new as the registration. May be called again,
    /// with another incarnation. The error is a refusal that trying again does not change, or CANCELLED at shutdown.
    pub async fn register(
        &self,
        registration: Registration,
        condition: &Condition,
    ) -> Result<RegisterResponse, Status> {
        let mut backoff = Backoff::new(self.shared.random.clone());
        let answer = loop {
            let status = match self.shared.control.register(request(&registration)).await {
                Ok(answer) => break answer,
                Err(status) => status,
            };
            if !is_unanswered(&status) {
                return Err(status);
            }
            condition.not_ready(format!("cannot register at the control plane: {}", status.message()));
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return Err(Status::cancelled("shutting down")),
                () = self.shared.clock.sleep(backoff.next()) => {}
            }
        };
        condition.not_ready(format!("registered; waiting for revision {} of the cluster", answer.revision));
        if !self.reached(answer.revision).await {
            return Err(Status::cancelled("shutting down"));
        }
        let begin = {
            let mut said = self.said.lock();
            said.registration = Some(registration);
            said.left = false;
            !std::mem::replace(&mut said.beating, true)
        };
        if begin {
            tokio::spawn(self.clone().beat());
        }
        condition.ready();
        Ok(answer)
    }

    /// An ingester serves reads: it is neither replaying nor RECOVERING.
    pub fn set_ready(&self, ready: bool) {
        self.said.lock().ready = ready;
    }

    /// An ingester that acts on this ring holds no uncommitted cut of its partition (rule 11); `None` takes it back.
    pub fn set_drained(&self, ring: Option<RingRevision>) {
        self.said.lock().drained = ring;
    }

    /// Takes no part any more: call it at the end of the drain. Ingesters that keep their disk do not leave when they
    /// restart.
    pub async fn leave(&self) {
        let registration = {
            let mut said = self.said.lock();
            said.left = true;
            said.registration.clone()
        };
        let Some(registration) = registration else { return };
        let instance = registration.instance.to_string();
        let leaving = self.shared.control.leave(LeaveRequest { instance });
        match timeout(&*self.shared.clock, LEAVE_LIMIT, leaving).await {
            Ok(Ok(_)) => tracing::info!(instance = %registration.instance, "left the cluster"),
            Ok(Err(status)) => {
                let reason = status.message();
                tracing::warn!(
                    reason,
                    "could not leave; ring changes wait for this instance until it is forgotten"
                );
            }
            Err(_) => tracing::warn!(
                "could not leave in time; ring changes wait for this instance until it is forgotten"
            ),
        }
    }

    /// Heartbeats until shutdown or leave.
    async fn beat(self) {
        let shared = &self.shared;
        let mut changes = shared.cluster.changes();
        let mut behind = 0u32;
        loop {
            let acknowledged = shared.cluster.snapshot().ring.revision();
            let Some((registration, request)) = self.heartbeat_request(acknowledged) else { return };
            match shared.control.heartbeat(request).await {
                Ok(answer) if answer.unknown => self.register_again(registration).await,
                Ok(answer) => {
                    behind = if answer.ring_revision > acknowledged.0 { behind + 1 } else { 0 };
                }
                Err(status) => {
                    shared.metrics.heartbeat_failed();
                    tracing::debug!(reason = status.message(), "a heartbeat was not answered");
                    behind += 1;
                }
            }
            if behind >= 2 {
                behind = 0;
                shared.stale.notify_one();
            }
            let owed = async {
                // A new ring is acknowledged promptly, so that ring changes take moments.
                let moved = |_: &u64| shared.cluster.snapshot().ring.revision() > acknowledged;
                if changes.wait_for(moved).await.is_err() {
                    std::future::pending::<()>().await;
                }
                shared.clock.sleep(PROMPT).await;
            };
            tokio::select! {
                () = shared.shutdown.cancelled() => return,
                () = owed => {}
                () = shared.clock.sleep(HEARTBEAT) => {}
            }
        }
    }

    fn heartbeat_request(&self, acknowledged: RingRevision) -> Option<(Registration, HeartbeatRequest)> {
        let said = self.said.lock();
        let registration = said.registration.clone().filter(|_| !said.left)?;
        let request = HeartbeatRequest {
            instance: registration.instance.to_string(),
            acknowledged_ring_revision: acknowledged.0,
            ready: said.ready,
            no_uncommitted_cuts: said.drained == Some(acknowledged),
        };
        Some((registration, request))
    }

    async fn register_again(&self, registration: Registration) {
        tracing::warn!(instance = %registration.instance, "the control plane has forgotten this instance; registering again");
        if let Err(status) = self.shared.control.register(request(&registration)).await {
            tracing::warn!(reason = status.message(), "could not register again; the next heartbeat tries");
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("control", &self.shared.control)
            .field("cluster", &self.shared.cluster)
            .finish()
    }
}

fn request(registration: &Registration) -> RegisterRequest {
    let incarnation = registration.incarnation.map(|incarnation| incarnation.0.to_be_bytes());
    RegisterRequest {
        instance: registration.instance.to_string(),
        role: role_to_proto(registration.role).into(),
        zone: registration.zone.to_string(),
        address: registration.address.clone(),
        ordinal: registration.ordinal,
        incarnation: incarnation.map(|bytes| Bytes::copy_from_slice(&bytes)).unwrap_or_default(),
    }
}

/// Proves that the snapshot is current.
#[derive(Debug)]
struct CurrentSnapshot {
    control: ControlPlane,
    clock: SharedClock,
}

#[async_trait]
impl CatchUp for CurrentSnapshot {
    async fn catch_up(&self, cluster: &Cluster) -> Result<(), NotCurrent> {
        let proven = async {
            loop {
                match self.control.current_revision().await {
                    Ok(revision) => break revision,
                    Err(status) => {
                        tracing::debug!(reason = status.message(), "cannot ask for the current revision");
                        self.clock.sleep(PROMPT).await;
                    }
                }
            }
        };
        let work = async {
            let revision = proven.await;
            let mut changes = cluster.changes();
            changes.wait_for(|known| *known >= revision).await.is_ok()
        };
        match timeout(&*self.clock, CATCH_UP_LIMIT, work).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotCurrent("the watch has ended".to_owned())),
            Err(_) => Err(NotCurrent(format!("no current state from {} in time", self.control.address()))),
        }
    }
}
