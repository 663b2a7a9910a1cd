//! The owner's gRPC services, [`Push`](narthex_rpc::v1::push_server::Push),
//! [`SeriesSource`](narthex_rpc::v1::series_source_server::SeriesSource) and
//! [`Cuts`](narthex_rpc::v1::cuts_server::Cuts), over storage.
//!
//! [`IngesterService`] is cheap to clone and is called through the generated traits by the network and by the all-in-one
//! alike; a frame goes through by pointer. The services add to storage what several owners need to agree on: the phase
//! ([`Phase`]), the workspace, and the epoch of the partition (`gate`). Storage and record are handed in once the data
//! directory is open; until then every call is answered UNAVAILABLE with the progress of the replay.

mod aggregate;
mod context;
mod cuts;
mod gate;
mod lifecycle;
mod metrics;
mod phase;
mod push;
mod select;
mod source;

use std::sync::{Arc, OnceLock};

use narthex_cluster::{Cluster, Snapshot};
use narthex_model::PartitionId;
use narthex_ring::Owner;
use narthex_rpc::{LocalPeer, SelectStream};
use narthex_service::{Components, DataClock};
use tonic::Status;

use crate::{
    flush::SharedFlusher,
    recovery::RecordFile,
    storage::{Budget, Selection, Storage},
};

use gate::EpochGate;
pub use lifecycle::{Identity, Ingester, IngesterError};
pub(crate) use metrics::Metrics;
pub use phase::{Phase, SharedPhase};

/// The service of one owner. Cloning shares it.
#[derive(Debug, Clone)]
pub struct IngesterService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    partition: PartitionId,
    cluster: Cluster,
    phase: SharedPhase,
    opened: OnceLock<Opened>,
    flusher: OnceLock<SharedFlusher>,
    /// Oldest sample that is accepted, in milliseconds before its arrival.
    max_age_ms: i64,
    data_clock: DataClock,
    metrics: Metrics,
}

/// What there is once the data directory is open.
#[derive(Debug)]
struct Opened {
    storage: Storage,
    record: Arc<RecordFile>,
    gate: EpochGate,
}

impl IngesterService {
    /// A service that answers UNAVAILABLE until [`Self::open`] and a phase that serves.
    /// `max_age_ms`: oldest sample that is accepted, before its arrival.
    pub fn new(partition: PartitionId, cluster: Cluster, max_age_ms: i64, components: &Components) -> Self {
        Self(Arc::new(Inner {
            partition,
            cluster,
            phase: SharedPhase::default(),
            opened: OnceLock::new(),
            flusher: OnceLock::new(),
            max_age_ms,
            data_clock: components.data_clock.clone(),
            metrics: Metrics::register(&components.registry),
        }))
    }

    /// Hands in the opened data directory. The phase decides what is served from it; a second call changes nothing.
    pub fn open(&self, storage: Storage, record: Arc<RecordFile>) {
        let inner = &self.0;
        let gate = EpochGate::new(
            inner.partition,
            inner.cluster.clone(),
            Arc::clone(&record),
            inner.metrics.epoch.clone(),
        );
        let _ = inner.opened.set(Opened { storage, record, gate });
    }

    /// Hands in what makes cuts, where there is a bucket; a second call changes nothing.
    pub(crate) fn set_flusher(&self, flusher: SharedFlusher) {
        let _ = self.0.flusher.set(flusher);
    }

    pub(crate) fn flusher(&self) -> Option<&SharedFlusher> {
        self.0.flusher.get()
    }

    /// This owner's place among the owners of its partition, which are in the order of zones.
    pub(crate) fn place_in(&self, snapshot: &Snapshot) -> Option<usize> {
        let own = self.record().ok()?.get().incarnation;
        let partition = snapshot.ring.partition(self.partition())?;
        let incarnation = |owner: &Owner| snapshot.instances.get(&owner.instance)?.incarnation;
        partition.owners.iter().position(|owner| incarnation(owner) == Some(own))
    }

    /// The phase, for whoever drives the owner's life.
    pub fn phase(&self) -> &SharedPhase {
        &self.0.phase
    }

    /// The partition that this owner holds.
    pub fn partition(&self) -> PartitionId {
        self.0.partition
    }

    /// The service as callers in this process use it.
    pub fn local_peer(&self) -> LocalPeer {
        LocalPeer {
            push: Some(Arc::new(self.clone())),
            source: Some(Arc::new(self.clone())),
            cuts: Some(Arc::new(self.clone())),
        }
    }

    /// Messages of a selection without the checks of a call from outside: how a recovering owner reads itself.
    pub(crate) fn own_answer(&self, selection: Selection) -> Result<SelectStream, Status> {
        let adopted = self.opened()?.record.get().adopted;
        let state = self.source_state(adopted.ring_revision, adopted.epoch, selection.acted_revision())?;
        Ok(select::stream(select::Messages::new(state, selection, Budget::default())))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    pub(crate) fn data_clock(&self) -> &DataClock {
        &self.0.data_clock
    }

    pub(crate) fn max_age_ms(&self) -> i64 {
        self.0.max_age_ms
    }

    pub(crate) fn storage(&self) -> Result<&Storage, Status> {
        self.opened().map(|opened| &opened.storage)
    }

    pub(crate) fn record(&self) -> Result<&Arc<RecordFile>, Status> {
        self.opened().map(|opened| &opened.record)
    }

    fn gate(&self) -> Result<&EpochGate, Status> {
        self.opened().map(|opened| &opened.gate)
    }

    fn opened(&self) -> Result<&Opened, Status> {
        self.0.opened.get().ok_or_else(|| Status::unavailable(self.0.phase.get().describe()))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
