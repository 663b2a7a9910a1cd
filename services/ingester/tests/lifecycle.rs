//! Three ingesters against a real control plane in one process: first start, restart, a lost disk, and a disk that comes back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt;
use narthex_cluster::{ControlPlane, Member};
use narthex_control_plane::{Bootstrap, Config, FirstWorkspace};
use narthex_ingester::{DataArgs, Identity, Ingester, IngesterError, IngesterService, Phase};
use narthex_model::{Epoch, Labels, PartitionId, WorkspaceId};
use narthex_ring::PartitionState;
use narthex_rpc::{
    PeerOptions, Peers,
    frame::FrameBuilder,
    v1::{
        PushRequest, ReadContext, SelectRequest, push_server::Push, select_response::Part,
        series_source_server::SeriesSource,
    },
};
use narthex_service::Components;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::Request;

const NOW: i64 = 1_700_000_000_000;
const WORKSPACE: WorkspaceId = WorkspaceId::from_random(3);

struct Running {
    service: IngesterService,
    components: Components,
    member: Member,
    life: JoinHandle<Result<(), IngesterError>>,
}

struct Deployment {
    plane: narthex_control_plane::ControlPlane,
    components: Components,
    peers: Peers,
    directory: TempDir,
    running: BTreeMap<u32, Running>,
}

impl Deployment {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let components = Components::from_system(None);
        let mut config = Config::embedded(directory.path().join("control"));
        config.zones = ["zone-0", "zone-1", "zone-2"].map(String::from).to_vec();
        config.bootstrap = Some(Bootstrap {
            account_id: "123456789012".parse().expect("12 digits"),
            access_keys: Vec::new(),
            accounts: Vec::new(),
            workspaces: vec![FirstWorkspace { id: WORKSPACE, alias: None }],
        });
        let plane = narthex_control_plane::ControlPlane::start(&config, None, &components).await;
        let peers = Peers::new(PeerOptions::default(), components.clock.clone());
        let plane = plane.expect("a control plane");
        Self { plane, components, peers, directory, running: BTreeMap::new() }
    }

    fn disk(&self, zone: u32) -> PathBuf {
        self.directory.path().join(format!("ingester-{zone}"))
    }

    fn start(&mut self, zone: u32) {
        let components = Components::from_system(None);
        let control = ControlPlane::local(self.plane.control(), components.clock.clone());
        let identity = Identity {
            instance: format!("ingester-zone-{zone}-0").into(),
            zone: format!("zone-{zone}").into(),
            ordinal: 0,
            address: format!("ingester-{zone}:1"),
        };
        let address = identity.address.clone();
        let member = Member::watch(control, &components);
        let data = DataArgs::new(self.disk(zone));
        let ingester = Ingester::new(identity, data, member.clone(), self.peers.clone(), None, &components);
        let service = ingester.service();
        self.peers.add_local(address, service.local_peer());
        let life = tokio::spawn(ingester.live());
        self.running.insert(zone, Running { service, components, member, life });
    }

    async fn stop(&mut self, zone: u32) {
        let Running { service, components, life, .. } = self.running.remove(&zone).expect("it runs");
        components.shutdown.cancel();
        life.await.expect("no panic").expect("a clean end");
        service.close().await;
        // Whoever still asks gets an answer that says so; the directory's lock goes with the last user.
        let nobody = Components::from_system(None);
        let control = ControlPlane::local(self.plane.control(), nobody.clock.clone());
        nobody.shutdown.cancel();
        let gone =
            IngesterService::new(PartitionId(0), Member::watch(control, &nobody).cluster(), 0, &nobody);
        self.peers.add_local(format!("ingester-{zone}:1"), gone.local_peer());
    }

    async fn lose_disk(&mut self, zone: u32) {
        self.stop(zone).await;
        std::fs::remove_dir_all(self.disk(zone)).expect("removed");
    }

    async fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        for _ in 0..3_000 {
            if let Some(found) = look() {
                return found;
            }
            self.components.clock.sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen");
    }

    async fn serving(&self, zone: u32) {
        let phase = self.running[&zone].service.phase();
        self.eventually("serving", || (phase.get() == Phase::Serving).then_some(())).await;
    }

    /// Waits until an owner sees the partition ACTIVE in an epoch after `after`; the epoch and the ring revision.
    async fn active(&self, zone: u32, after: u64) -> (Epoch, u64) {
        let cluster = self.running[&zone].member.cluster();
        let look = || {
            let ring = cluster.snapshot().ring.clone();
            let partition = ring.partition(PartitionId(0))?;
            let active = partition.state == PartitionState::Active && partition.epoch.0 > after;
            active.then_some((partition.epoch, ring.revision().0))
        };
        self.eventually("an ACTIVE partition", look).await
    }

    async fn push(&self, zones: &[u32], (epoch, ring_revision): (Epoch, u64), at: i64, value: f64) {
        let labels = Labels::from_pairs([("__name__", "up")]);
        let mut frame = FrameBuilder::new();
        frame.series(labels.series_hash(), labels.as_bytes());
        frame.float(NOW + at, value);
        let request = PushRequest {
            workspace: WORKSPACE.to_bytes().to_vec().into(),
            partition: 0,
            epoch: epoch.0,
            ring_revision,
            received_ms: NOW,
            frame: frame.finish(),
        };
        for zone in zones {
            let answer =
                self.running[zone].service.push(Request::new(request.clone())).await.expect("stored");
            assert_eq!(answer.into_inner().refusals, Vec::new());
        }
    }

    /// Number of samples that an owner answers.
    async fn samples(&self, zone: u32) -> Result<u32, tonic::Status> {
        let context = ReadContext {
            workspace: WORKSPACE.to_bytes().to_vec().into(),
            min_ms: i64::MIN,
            max_ms: i64::MAX,
            ..ReadContext::default()
        };
        let request = SelectRequest { context: Some(context), ..SelectRequest::default() };
        let mut stream = self.running[&zone].service.select(Request::new(request)).await?.into_inner();
        let mut samples = 0;
        while let Some(message) = stream.next().await {
            if let Some(Part::Chunks(batch)) = message?.part {
                samples += batch.chunks.iter().map(|chunk| chunk.samples).sum::<u32>();
            }
        }
        Ok(samples)
    }

    fn counter(&self, zone: u32, name: &str) -> u64 {
        let mut text = String::new();
        let registry = self.running[&zone].components.registry.lock();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        let line = text.lines().find(|line| line.starts_with(name)).expect("a registered metric");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_start_restart_lose_disks_and_get_old_ones_back() {
    let mut deployment = Deployment::new().await;

    // Three empty disks do not wait for each other.
    (0..3).for_each(|zone| deployment.start(zone));
    for zone in 0..3 {
        deployment.serving(zone).await;
    }
    let first = deployment.active(0, 0).await;
    deployment.push(&[0, 1], first, 0, 1.0).await;
    deployment.push(&[1, 2], first, 1_000, 2.0).await;
    deployment.push(&[0, 2], first, 2_000, 3.0).await;

    // An intact disk needs no catch-up, and starts no epoch.
    deployment.stop(1).await;
    deployment.start(1);
    deployment.serving(1).await;
    assert_eq!(deployment.counter(1, "narthex_ingester_recovery_series_total"), 0);
    assert_eq!(deployment.samples(1).await.expect("served"), 2);
    assert_eq!(deployment.active(1, 0).await.0, first.0);

    // An empty disk: a new epoch, the union of both others, and then it counts.
    deployment.stop(2).await;
    let kept = deployment.directory.path().join("kept");
    copy(&deployment.disk(2), &kept);
    std::fs::remove_dir_all(deployment.disk(2)).expect("removed");
    deployment.start(2);
    deployment.serving(2).await;
    assert_eq!(deployment.samples(2).await.expect("served"), 3, "all that any two owners had");
    let second = deployment.active(0, first.0.0).await;
    deployment.push(&[0, 2], second, 3_000, 4.0).await;

    // The old disk comes back intact, but its owner acknowledged a sample without it.
    deployment.lose_disk(2).await;
    copy(&kept, &deployment.disk(2));
    deployment.start(2);
    deployment.serving(2).await;
    assert_eq!(
        deployment.samples(2).await.expect("served"),
        4,
        "also what was acknowledged without this disk"
    );
    stays_recovering_without_both_others(&mut deployment).await;
    for zone in 0..3 {
        deployment.stop(zone).await;
    }
    deployment.plane.stop().await;
}

async fn stays_recovering_without_both_others(deployment: &mut Deployment) {
    deployment.stop(0).await;
    deployment.lose_disk(2).await;
    deployment.start(2);
    let phase = deployment.running[&2].service.phase().clone();
    let failed = || (deployment.counter(2, "narthex_ingester_recovery_failures_total") >= 2).then_some(());
    deployment.eventually("failed attempts", failed).await;
    assert!(matches!(phase.get(), Phase::Recovering(_)), "{:?}", phase.get());
    let read = deployment.samples(2).await.expect_err("not complete");
    assert!(read.message().contains("RECOVERING"), "{read:?}");
    deployment.start(0);
    deployment.serving(2).await;
    assert_eq!(deployment.samples(2).await.expect("served"), 4);
}
