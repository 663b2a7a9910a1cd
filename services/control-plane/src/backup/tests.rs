//! Backups of a running node, and first starts that restore them.

use std::sync::Arc;

use narthex_bucket::Bucket;
use narthex_cluster::WorkspaceStatus;
use narthex_model::Epoch;
use narthex_rpc::v1::{
    AdminRequest, HeartbeatRequest, RegisterRequest, Role, WatchRequest,
    admin_request::Command as AdminCommand,
};
use narthex_service::{Components, HumanDuration};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, memory::InMemory};
use tempfile::TempDir;
use tokio_stream::StreamExt;
use tonic::Request;

use super::RestoreFrom;
use crate::{
    Config, ControlPlane,
    cluster_test::{eventually, workspace},
    state::{State, encode},
};

struct Node {
    plane: ControlPlane,
    components: Components,
    _folder: TempDir,
}

impl Node {
    /// A first start over a bucket.
    async fn start(bucket: &Bucket, set: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = Config::embedded(folder.path().to_owned());
        config.backup.interval = HumanDuration::from_secs(0);
        set(&mut config);
        let components = Components::from_system(None);
        let plane = ControlPlane::start(&config, Some(bucket), &components).await.expect("started");
        Self { plane, components, _folder: folder }
    }

    async fn ready(&self) {
        eventually(&self.components, async || self.plane.not_ready().is_none().then_some(())).await;
    }

    async fn admin(&self, command: AdminCommand) -> Result<serde_json::Value, tonic::Status> {
        let request = Request::new(AdminRequest { command: Some(command) });
        let answer = self.plane.control().admin(request).await?.into_inner();
        Ok(serde_json::from_str(&answer.description).expect("JSON"))
    }

    async fn register(&self, role: Role) -> u64 {
        let mut request =
            RegisterRequest { instance: "one".into(), zone: "zone-a".into(), ..Default::default() };
        request.set_role(role);
        if role == Role::Ingester {
            request.instance = "ingester".into();
            request.address = "127.0.0.1:1".into();
            request.incarnation = vec![7; 16].into();
        }
        let answer = self.plane.control().register(Request::new(request)).await;
        answer.expect("registered").into_inner().revision
    }

    async fn heartbeat(&self, instance: &str, acknowledged: u64) -> bool {
        let request = HeartbeatRequest {
            instance: instance.into(),
            acknowledged_ring_revision: acknowledged,
            ..Default::default()
        };
        let answer = self.plane.control().heartbeat(Request::new(request)).await;
        answer.expect("heard").into_inner().unknown
    }

    async fn end(self) {
        self.components.shutdown.cancel();
        self.plane.stop().await;
    }
}

fn bucket(store: &Arc<InMemory>) -> Bucket {
    Bucket::new(store.clone() as Arc<dyn ObjectStore>, Components::from_system(None).random)
}

/// What users put into the state.
fn lasting(state: &State) -> Vec<u8> {
    let mut state = state.clone();
    state.revision = 0;
    state.ring_revision = Default::default();
    (state.version, state.joined) = Default::default();
    state.instances.clear();
    state.partitions.clear();
    encode(&state)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_goes_on_from_a_backup() {
    let store = Arc::new(InMemory::new());
    let bucket = bucket(&store);
    let first = Node::start(&bucket, |_| {}).await;
    first.ready().await;
    first.register(Role::Querier).await;
    let placed = first.register(Role::Ingester).await;
    first.heartbeat("one", placed).await;
    let active = eventually(&first.components, async || {
        first
            .plane
            .read(|state| state.partitions.values().next().map(|it| it.epoch))
            .filter(|it| *it > Epoch(0))
    });
    let epoch = active.await;
    for number in 1..=20 {
        first.plane.propose(workspace(number)).await.expect("committed");
    }
    // Nothing is under way any more.
    eventually(&first.components, async || {
        first.plane.read(|state| {
            let active = state.workspaces.values().all(|record| record.status == WorkspaceStatus::Active);
            let settled = active && state.session_keys.len() == 1 && state.joined.len() == 1;
            settled.then_some(())
        })
    })
    .await;
    let made = first.admin(AdminCommand::Backup(true)).await.expect("written");
    let (before, revision) = first.plane.read(|state| (lasting(state), state.revision));
    assert_eq!(made["revision"], revision);
    first.plane.propose(workspace(21)).await.expect("committed");
    first.end().await;

    let second = Node::start(&bucket, |config| config.backup.restore = Some(RestoreFrom::Latest)).await;
    second.ready().await;
    let (after, restored) = second.plane.read(|state| (lasting(state), state.clone()));
    assert_eq!(String::from_utf8(after), String::from_utf8(before));
    assert!(restored.revision > revision + (1 << 31), "{}", restored.revision);
    let partition = restored.partitions.values().next().expect("the partition");
    assert!(partition.epoch > epoch && partition.epoch.0 <= restored.revision, "{partition:?}");

    // Whoever watched the lost control plane hears everything anew, and whoever was a member registers again.
    let request = WatchRequest { from_revision: revision + 10, topics: Vec::new() };
    let mut events =
        second.plane.control().watch(Request::new(request)).await.expect("watching").into_inner();
    let event = events.next().await.expect("an event").expect("no error");
    assert!(event.reset && event.revision >= restored.revision, "{event:?}");
    assert!(second.heartbeat("one", restored.revision).await, "not registered since");
    second.register(Role::Querier).await;
    assert!(!second.heartbeat("one", restored.revision).await);
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_absent_backup_is_told_and_changes_nothing() {
    let store = Arc::new(InMemory::new());
    let bucket = bucket(&store);
    let name = "20261126T203923123Z-4711.json.zst";
    let key = narthex_bucket::layout::control_plane_backup(name);
    store.put(&key, PutPayload::from_static(b"no backup")).await.expect("written");
    for (from, said) in [("latest", "damaged"), ("20261126T203923123Z-1.json.zst", "no backup of that name")]
    {
        let from: RestoreFrom = from.parse().expect("any text");
        let node = Node::start(&bucket, |config| config.backup.restore = Some(from)).await;
        let reason = eventually(&node.components, async || {
            node.plane.not_ready().filter(|reason| reason.contains("cannot restore"))
        });
        let reason = reason.await;
        assert!(reason.contains(said), "{reason}");
        assert_eq!(node.plane.read(|state| (state.revision, state.setup.is_none())), (0, true));
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_come_by_themselves_and_old_ones_go() {
    let store = Arc::new(InMemory::new());
    let bucket = bucket(&store);
    let node = Node::start(&bucket, |config| {
        config.backup.interval = HumanDuration::from_secs(3600);
        config.backup.keep = 2;
    });
    let node = node.await;
    let count = async || node.admin(AdminCommand::ListBackups(true)).await.expect("listed");
    eventually(&node.components, async || (count().await.as_array().map_or(0, Vec::len) == 1).then_some(()))
        .await;
    let mut newest = String::new();
    for number in 1..=3 {
        node.plane.propose(workspace(number)).await.expect("committed");
        let made = node.admin(AdminCommand::Backup(true)).await.expect("written");
        newest = made["backup"].as_str().expect("a name").to_owned();
    }
    let listed = count().await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(listed[0]["backup"], newest, "the newest first");
    node.end().await;
}

#[tokio::test]
async fn a_restore_needs_a_bucket() {
    let folder = TempDir::new().expect("a folder");
    let mut config = Config::embedded(folder.path().to_owned());
    config.backup.restore = Some(RestoreFrom::Latest);
    let error =
        ControlPlane::start(&config, None, &Components::from_system(None)).await.expect_err("refused");
    assert!(error.to_string().contains("--bucket.url"), "{error}");
}
