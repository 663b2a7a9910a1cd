//! An owner's life: open the data directory, join the cluster, become complete, serve, stop.
//!
//! The order is what keeps rule 2: the record with incarnation and standing is on disk before anyone hears of them, and the
//! phase lets reads through only after the standing is decided. A disk that fails ends the process: nothing is
//! acknowledged after it, and the restart replays what is really there.

use std::{convert::Infallible, sync::Arc, time::Duration};

use narthex_cluster::{Instance, Member, Registration, Role, Snapshot};
use narthex_model::{BootId, Incarnation, InstanceId, PartitionId, RingRevision, WindowLengthError, Zone};
use narthex_ring::{PartitionState, Replication};
use narthex_rpc::Peers;
use narthex_service::{Components, Condition};

use super::{IngesterService, Phase};
use crate::{
    config::{DataArgs, SyncMode},
    flush::{Blocks, Cutter, Flusher, SharedFlusher},
    recovery::{
        Assessment, Found, RecordError, RecordFile, RecordStanding, Standing, begin, recover, standing,
    },
    storage::{OpenError, OsDisk, ReplayReport, Storage},
};

/// Who an ingester is in the cluster.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name, stable over restarts.
    pub instance: InstanceId,
    /// Where it runs.
    pub zone: Zone,
    /// Its number in the zone, and so its partition.
    pub ordinal: u32,
    /// Where its gRPC services answer, `host:port`.
    pub address: String,
}

/// Why an ingester ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum IngesterError {
    /// The data directory cannot be opened.
    #[error("cannot open the data directory: {0}")]
    Open(#[from] OpenError),
    /// The owner's record cannot be read or written.
    #[error("cannot use the owner's record: {0}")]
    Record(#[from] RecordError),
    /// A thread of the process failed.
    #[error("opening the data directory failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The control plane refuses this ingester.
    #[error("the control plane refuses this ingester: {0}")]
    Refused(String),
    /// No such windows.
    #[error("--cut.window: {0}")]
    Window(#[from] WindowLengthError),
    /// The settings do not fit the deployment.
    #[error(
        "--wal.sync=interval needs three zones: with one copy an acknowledged sample would be lost in a power cut"
    )]
    IntervalSync,
    /// The disk failed while serving.
    #[error("{0}")]
    Storage(String),
}

/// Pause between looks at storage's health.
const WATCH: Duration = Duration::from_millis(500);
/// Pause between looks at what an INACTIVE partition still holds.
const DRAIN_WATCH: Duration = Duration::from_secs(2);
/// Pause between looks for series that hold nothing any more.
const SWEEP: Duration = Duration::from_secs(60);

/// An ingester that is not running yet. Its service answers UNAVAILABLE with reasons until [`Ingester::live`] got far enough.
#[derive(Debug)]
pub struct Ingester {
    service: IngesterService,
    identity: Identity,
    data: DataArgs,
    member: Member,
    peers: Peers,
    blocks: Option<Blocks>,
    components: Components,
    storage_condition: Condition,
    cluster_condition: Condition,
    /// Storage and cluster can both be well before this owner has its place; until then reads and writes are refused.
    place_condition: Condition,
}

impl Ingester {
    /// Prepares an ingester; nothing happens before [`Self::live`]. `member` is this instance's own, `peers` reaches the other
    /// owners, `blocks` is where cuts go; without it this ingester keeps what it has.
    pub fn new(
        identity: Identity,
        data: DataArgs,
        member: Member,
        peers: Peers,
        blocks: Option<Blocks>,
        components: &Components,
    ) -> Self {
        let (partition, max_age) = (PartitionId(identity.ordinal), data.cuts.max_age.get());
        let max_age_ms = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        Self {
            service: IngesterService::new(partition, member.cluster(), max_age_ms, components),
            storage_condition: components.health.condition("storage"),
            cluster_condition: components.health.condition("cluster"),
            place_condition: components.health.condition("place"),
            identity,
            data,
            member,
            peers,
            blocks,
            components: components.clone(),
        }
    }

    /// The gRPC services, for the server or for callers in this process.
    pub fn service(&self) -> IngesterService {
        self.service.clone()
    }

    /// Runs until the components' shutdown, or until the disk fails. The caller lets the servers drain and then calls
    /// [`IngesterService::close`].
    pub async fn live(self) -> Result<(), IngesterError> {
        let Some((storage, record, assessment)) = self.open().await? else { return Ok(()) };
        self.service.open(storage.clone(), Arc::new(record));
        let flusher = self.flusher()?;
        let Some(standing) = self.join(assessment).await? else { return Ok(()) };
        match standing {
            Standing::Complete => {
                self.service.record_standing(RecordStanding::Complete).await?;
                self.service.phase().set(Phase::Serving);
                self.place_condition.ready();
            }
            // Ready for writes: a RECOVERING owner takes its part in write quorums.
            Standing::Recovering(doubt) => {
                self.service.phase().set(Phase::Recovering(doubt));
                self.place_condition.ready();
                tokio::select! {
                    () = recover(&self.service, &self.peers, doubt, &self.components) => {}
                    failed = self.failure(&storage) => return Err(failed),
                }
            }
        }
        self.member.set_ready(self.service.phase().get() == Phase::Serving);
        tokio::select! {
            () = self.components.shutdown.cancelled() => Ok(()),
            failed = self.failure(&storage) => Err(failed),
            never = self.tell_drained(&storage) => match never {},
            never = self.sweep(&storage) => match never {},
            never = flush(flusher) => match never {},
        }
    }

    /// What makes cuts, if there is a bucket; the service passes commands on to it.
    fn flusher(&self) -> Result<Option<SharedFlusher>, IngesterError> {
        let Some(blocks) = self.blocks.clone() else { return Ok(None) };
        let cutter = Cutter {
            service: self.service.clone(),
            peers: self.peers.clone(),
            store: blocks.store(),
            manifests: blocks.manifests,
            clock: self.components.clock.clone(),
            random: self.components.random.clone(),
        };
        let flusher: SharedFlusher = Arc::new(Flusher::new(
            cutter,
            blocks.bucket,
            self.data.cuts.settings()?,
            self.member.clone(),
            &self.components,
        ));
        self.service.set_flusher(flusher.clone());
        Ok(Some(flusher))
    }

    /// Opens record and storage and writes the record of this run. `None`: the shutdown came first.
    async fn open(&self) -> Result<Option<(Storage, RecordFile, Assessment)>, IngesterError> {
        let before = RecordFile::read(&self.data.data_dir)?;
        let (storage, report) = match self.open_storage(1).await {
            // Whether there are other copies only the ring tells.
            Err(IngesterError::Open(error @ OpenError::Damaged { .. })) => {
                if !self.member.first_snapshot(&self.cluster_condition).await {
                    return Ok(None);
                }
                match self.member.cluster().snapshot().ring.replication().copies() {
                    1 => return Err(error.into()),
                    copies => self.open_storage(copies).await?,
                }
            }
            other => other?,
        };
        self.storage_condition.ready();
        self.service.phase().set(Phase::Joining);
        let Some(registered) = self.registered().await else { return Ok(None) };
        let fresh = Incarnation(self.components.random.bits128());
        let unsynced = self.data.wal_sync == SyncMode::Interval;
        let known = before.as_ref().map_or(0, |record| record.quarantined);
        let quarantined = !report.damaged.is_empty() || report.quarantined_files > known;
        let found =
            Found { record: before.as_ref(), empty: report.empty, quarantined, boot: boot_id(), registered };
        let (next, assessment) = begin(&found, fresh, unsynced, report.quarantined_files);
        let record = RecordFile::create(&self.data.data_dir, next)?;
        let incarnation = record.get().incarnation;
        tracing::info!(?assessment, incarnation = format!("{:032x}", incarnation.0), "data directory judged");
        Ok(Some((storage, record, assessment)))
    }

    async fn open_storage(&self, copies: usize) -> Result<(Storage, ReplayReport), IngesterError> {
        let config = self.data.storage(copies)?;
        let (clock, registry) = (self.components.clock.clone(), self.components.registry.clone());
        let (phase, condition) = (self.service.phase().clone(), self.storage_condition.clone());
        let progress = move |text: &str| {
            phase.set(Phase::Replaying(text.to_owned()));
            condition.not_ready(text);
        };
        let open = move || Storage::open(config, Arc::new(OsDisk), clock, &registry, progress);
        Ok(tokio::task::spawn_blocking(open).await??)
    }

    /// The incarnation that has this owner's place, by a snapshot that is proven current: an older one may not yet know of
    /// a disk that took the place and left it again. Outer `None`: the shutdown came first.
    async fn registered(&self) -> Option<Option<Incarnation>> {
        if !self.member.first_snapshot(&self.cluster_condition).await {
            return None;
        }
        let cluster = self.member.cluster();
        loop {
            match cluster.catch_up().await {
                Ok(snapshot) => return Some(self.identity.registered(&snapshot)),
                Err(error) => self.cluster_condition.not_ready(error.to_string()),
            }
            tokio::select! {
                () = self.components.shutdown.cancelled() => return None,
                () = self.components.clock.sleep(WATCH) => {}
            }
        }
    }

    /// Registers and decides the standing. `None`: the shutdown came first.
    async fn join(&self, assessment: Assessment) -> Result<Option<Standing>, IngesterError> {
        if !self.member.first_snapshot(&self.cluster_condition).await {
            return Ok(None);
        }
        let record =
            self.service.record().map_err(|status| IngesterError::Refused(status.message().to_owned()))?;
        let registration = Registration {
            instance: self.identity.instance.clone(),
            role: Role::Ingester,
            zone: self.identity.zone.clone(),
            address: self.identity.address.clone(),
            ordinal: self.identity.ordinal,
            incarnation: Some(record.get().incarnation),
        };
        let answer = match self.member.register(registration, &self.cluster_condition).await {
            Ok(answer) => answer,
            Err(_) if self.components.shutdown.is_cancelled() => return Ok(None),
            Err(status) => return Err(IngesterError::Refused(status.message().to_owned())),
        };
        let replication = self.member.cluster().snapshot().ring.replication();
        if replication == Replication::One && self.data.wal_sync == SyncMode::Interval {
            return Err(IngesterError::IntervalSync);
        }
        let standing =
            standing(assessment, replication, answer.before_first_activation, self.data.accept_loss);
        if self.data.accept_loss && assessment != Assessment::Intact {
            tracing::warn!(
                ?assessment,
                "counting as complete by the operator's word: acknowledged samples may be missing"
            );
        }
        Ok(Some(standing))
    }

    /// Tells the control plane when the partition takes no writes and nothing of it is held here, as after a cancelled
    /// addition (rule 11). Samples keep the partition: there is nowhere else to read them.
    async fn tell_drained(&self, storage: &Storage) -> Infallible {
        loop {
            let drained = match self.service.draining_ring().await {
                Some(ring) if storage.stats().iter().all(|workspace| workspace.head.chunks == 0) => {
                    Some(ring)
                }
                _ => None,
            };
            self.member.set_drained(drained);
            self.components.clock.sleep(DRAIN_WATCH).await;
        }
    }

    /// Lets series leave memory that hold no samples and are not active any more, by the data clock.
    async fn sweep(&self, storage: &Storage) -> Infallible {
        loop {
            self.components.clock.sleep(SWEEP).await;
            if let Err(error) = storage.sweep(self.components.data_clock.now()).await {
                tracing::debug!(%error, "series without samples stay in memory for now");
            }
        }
    }

    /// Completes when storage has failed for good.
    async fn failure(&self, storage: &Storage) -> IngesterError {
        loop {
            if let Some(reason) = storage.failure() {
                self.service.phase().set(Phase::Broken(reason.clone()));
                self.storage_condition.not_ready(reason.clone());
                self.components.health.dead(reason.clone());
                self.service.distrust_unsynced().await;
                return IngesterError::Storage(reason);
            }
            self.components.clock.sleep(WATCH).await;
        }
    }
}

impl IngesterService {
    /// The ring of an INACTIVE partition once every push of its last epoch has ended; `None` while it takes or will take writes.
    async fn draining_ring(&self) -> Option<RingRevision> {
        let snapshot = self.cluster().snapshot();
        let state = snapshot.ring.partition(self.partition())?.state;
        if state != PartitionState::Inactive || self.phase().check_reads().is_err() {
            return None;
        }
        let pass = self.gate().ok()?.enter(snapshot.ring.revision()).await.ok()?;
        let ring = &pass.snapshot().ring;
        (!pass.adopted().active && ring.revision() == snapshot.ring.revision()).then(|| ring.revision())
    }

    /// Syncs and closes storage once no request is under way any more, and notes that nothing is left unsynced.
    pub async fn close(&self) {
        self.phase().set(Phase::Stopping);
        let (Ok(storage), Ok(record)) = (self.storage().cloned(), self.record().cloned()) else { return };
        let close = move || {
            storage.close();
            match storage.failure() {
                None => {
                    record.update(|record| record.clean = true).map(drop).map_err(|error| error.to_string())
                }
                Some(reason) => Err(reason),
            }
        };
        match tokio::task::spawn_blocking(close).await {
            Ok(Ok(())) => tracing::info!("data directory closed"),
            Ok(Err(reason)) => {
                tracing::error!(reason, "data directory not closed cleanly; the next start judges it")
            }
            Err(error) => {
                tracing::error!(%error, "closing the data directory failed; the next start judges it")
            }
        }
    }

    /// Notes that the disk may lack samples that this run acknowledged before it synced them. After a failed sync the kernel takes
    /// the pages for written: they read back only while it keeps them in memory, so the next start is to judge them as after a
    /// power cut, whichever kernel runs then. Where every reply waited for its sync nothing acknowledged is in doubt.
    async fn distrust_unsynced(&self) {
        let Ok(record) = self.record().cloned() else { return };
        if !record.get().unsynced {
            return;
        }
        let note = move || record.update(|record| record.boot = BootId(0));
        let noted = tokio::task::spawn_blocking(note).await.map_err(|error| error.to_string());
        if let Err(reason) = noted.and_then(|noted| noted.map_err(|error| error.to_string())) {
            tracing::error!(
                reason,
                "cannot note that samples may be missing here; empty the data directory before this ingester starts again"
            );
        }
    }

    pub(crate) async fn record_standing(&self, standing: RecordStanding) -> Result<(), IngesterError> {
        let record =
            self.record().map_err(|status| IngesterError::Storage(status.message().to_owned()))?.clone();
        tokio::task::spawn_blocking(move || record.update(|record| record.standing = standing)).await??;
        Ok(())
    }
}

impl Identity {
    /// The incarnation in this place of the snapshot. Another instance that has or had the place makes it nobody's: what
    /// that one acknowledged is not known here.
    fn registered(&self, snapshot: &Snapshot) -> Option<Incarnation> {
        let in_place = |instance: &&Instance| {
            (instance.role, &instance.zone, instance.ordinal) == (Role::Ingester, &self.zone, self.ordinal)
        };
        let mut holders = snapshot.instances.values().filter(in_place);
        match (holders.next(), holders.next()) {
            (Some(only), None) if only.id == self.instance => only.incarnation,
            _ => None,
        }
    }
}

/// Works off cuts for as long as it is polled, if anything makes them.
async fn flush(flusher: Option<SharedFlusher>) -> Infallible {
    match flusher {
        Some(flusher) => flusher.run().await,
        None => std::future::pending().await,
    }
}

/// The kernel's boot id; 0 where the system does not tell.
fn boot_id() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    BootId(u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or_default())
}
