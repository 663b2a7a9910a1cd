//! Owners in one process for tests: real services over real storage in temporary directories, with a ring that the test sets.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use narthex_cluster::{Cluster, Instance, Role, Snapshot, Workspace};
use narthex_model::{
    BootId, Epoch, Incarnation, InstanceId, Labels, MAX_SAMPLE_AGE_MS, PartitionId, RingRevision,
    WorkspaceId, Zone,
};
use narthex_ring::{Owner, Partition, PartitionState, Replication, Ring};
use narthex_rpc::{
    PeerOptions, Peers,
    frame::FrameBuilder,
    v1::{
        PushRequest, PushResponse, ReadContext, SelectRequest, SelectResponse, push_server::Push,
        select_response::Part, series_source_server::SeriesSource,
    },
};
use narthex_service::Components;
use tempfile::TempDir;
use tonic::{Request, Status};

use super::{IngesterService, Phase};
use crate::{
    config::DataArgs,
    recovery::{Adopted, Record, RecordFile, RecordStanding},
    storage::{OsDisk, Storage},
};

/// Time of the samples of tests.
pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId::from_random(7);

/// Three zones, one partition, one workspace.
pub(crate) fn snapshot(revision: u64, state: PartitionState, epoch: u64) -> Snapshot {
    let name = |zone: u64| format!("ingester-zone-{zone}-0");
    let owners = (0..3).map(|zone| Owner {
        instance: InstanceId::from(name(zone)),
        zone: Zone::from(format!("zone-{zone}")),
        address: format!("owner-{zone}"),
    });
    let partition = Partition { id: PartitionId(0), state, epoch: Epoch(epoch), owners: owners.collect() };
    let instance = |zone: u64| Instance {
        id: InstanceId::from(name(zone)),
        role: Role::Ingester,
        zone: Zone::from(format!("zone-{zone}")),
        address: format!("owner-{zone}"),
        ordinal: 0,
        incarnation: Some(Incarnation(u128::from(zone) + 1)),
        leaving: false,
    };
    let workspace = Workspace {
        out_of_order_window_ms: 600_000,
        ..Workspace::new(WORKSPACE, "123456789012".parse().expect("12 digits"))
    };
    Snapshot {
        revision,
        ring: Arc::new(Ring::new(RingRevision(revision), Replication::Three, vec![partition])),
        instances: (0..3).map(|zone| (InstanceId::from(name(zone)), instance(zone))).collect(),
        workspaces: HashMap::from([(WORKSPACE, Arc::new(workspace))]),
        ..Snapshot::empty(Replication::Three)
    }
}

/// One owner with its disk.
pub(crate) struct TestOwner {
    pub(crate) service: IngesterService,
    pub(crate) cluster: Cluster,
    pub(crate) components: Components,
    pub(crate) directory: TempDir,
}

impl TestOwner {
    /// The owner of a zone, serving, with an empty disk and the partition ACTIVE in epoch 1.
    pub(crate) fn new(zone: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let owner = Self::with(zone, directory, snapshot(1, PartitionState::Active, 1));
        owner.service.phase().set(Phase::Serving);
        owner
    }

    /// Opens a directory, replaying.
    pub(crate) fn with(zone: u64, directory: TempDir, snapshot: Snapshot) -> Self {
        let components = Components::from_system(None);
        let cluster = Cluster::new(snapshot, None);
        let service = IngesterService::new(PartitionId(0), cluster.clone(), MAX_SAMPLE_AGE_MS, &components);
        let config = DataArgs::new(directory.path()).storage(3).expect("a window length");
        let (clock, registry) = (components.clock.clone(), components.registry.clone());
        let opened = Storage::open(config, Arc::new(OsDisk), clock, &registry, |_| {});
        let (storage, _) = opened.expect("a good directory");
        let record = RecordFile::read(directory.path()).expect("readable").unwrap_or(Record {
            incarnation: Incarnation(u128::from(zone) + 1),
            standing: RecordStanding::Complete,
            boot: BootId(1),
            unsynced: false,
            clean: false,
            quarantined: 0,
            adopted: Adopted::default(),
        });
        let record = RecordFile::create(directory.path(), record).expect("writable");
        service.open(storage, Arc::new(record));
        Self { service, cluster, components, directory }
    }

    pub(crate) async fn push(&self, epoch: u64, ring: u64, frame: Bytes) -> Result<PushResponse, Status> {
        let request = PushRequest {
            workspace: WORKSPACE.to_bytes().to_vec().into(),
            partition: 0,
            epoch,
            ring_revision: ring,
            received_ms: NOW,
            frame,
        };
        self.service.push(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn select(&self, request: SelectRequest) -> Result<Vec<Part>, Status> {
        let stream = self.service.select(Request::new(request)).await?.into_inner();
        let messages: Vec<Result<SelectResponse, Status>> = futures::StreamExt::collect(stream).await;
        messages.into_iter().map(|message| message.map(|message| message.part.expect("a part"))).collect()
    }

    /// Everything that the owner answers, by labels.
    pub(crate) async fn samples(&self) -> Result<Vec<(Labels, Vec<(i64, u64)>)>, Status> {
        let parts = self.select(select_all(0)).await?;
        let mut series: Vec<(Labels, Vec<(i64, u64)>)> = Vec::new();
        for part in parts {
            match part {
                Part::Series(batch) => series.extend(
                    batch
                        .labels
                        .into_iter()
                        .map(|bytes| (Labels::from_canonical(bytes).expect("canonical"), Vec::new())),
                ),
                Part::Chunks(batch) => {
                    for chunk in batch.chunks {
                        let read = narthex_chunk::check_chunk(
                            chunk.encoding,
                            chunk.samples,
                            chunk.min_ms,
                            chunk.max_ms,
                            chunk.data,
                        );
                        let samples = &mut series[chunk.series as usize].1;
                        read.expect("whole")
                            .for_each_float(|at, value| samples.push((at, value.to_bits())))
                            .expect("whole");
                        samples.sort_unstable();
                    }
                }
                Part::State(_) | Part::Digests(_) => {}
            }
        }
        Ok(series)
    }
}

/// The owners as peers of each other.
pub(crate) fn peers(owners: &[(u64, &TestOwner)]) -> Peers {
    let peers = Peers::new(PeerOptions::default(), owners[0].1.components.clock.clone());
    for (zone, owner) in owners {
        peers.add_local(format!("owner-{zone}"), owner.service.local_peer());
    }
    peers
}

pub(crate) fn read_context(ring: u64) -> ReadContext {
    ReadContext {
        workspace: WORKSPACE.to_bytes().to_vec().into(),
        partition: 0,
        ring_revision: ring,
        min_ms: i64::MIN,
        max_ms: i64::MAX,
        blocks: Vec::new(),
    }
}

pub(crate) fn select_all(ring: u64) -> SelectRequest {
    SelectRequest { context: Some(read_context(ring)), ..SelectRequest::default() }
}

/// A frame of one series with one float at each of some times after [`NOW`].
pub(crate) fn frame(name: &str, samples: &[(i64, f64)]) -> Bytes {
    let labels = Labels::from_pairs([("__name__", name)]);
    let mut builder = FrameBuilder::new();
    builder.series(labels.series_hash(), labels.as_bytes());
    samples.iter().for_each(|(at, value)| builder.float(NOW + at, *value));
    builder.finish()
}

/// Waits for a condition, for at most ten seconds.
pub(crate) async fn eventually(what: &str, components: &Components, condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        components.clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen");
}
