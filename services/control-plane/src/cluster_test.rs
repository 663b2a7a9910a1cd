//! Three real nodes over gRPC on loopback: elections, restarts from disk, snapshots, a node replaced under load.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use narthex_cluster::WorkspaceStatus;
use narthex_model::WorkspaceId;
use narthex_rpc::v1::{
    AdminRequest, RegisterRequest, ReplaceNode, Role, WatchRequest, admin_request::Command as AdminCommand,
};
use narthex_service::{
    Components, HumanDuration,
    server::{ServerOptions, Serving, bind, serve_grpc},
};
use tempfile::TempDir;
use tokio_stream::StreamExt;
use tonic::Request;

use crate::{
    Config, ControlPlane, NodeId,
    state::{Command, Response, encode, tests::create},
};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) plane: ControlPlane,
    pub(crate) components: Components,
    serving: Serving,
}

pub(crate) struct Cluster {
    folders: BTreeMap<NodeId, TempDir>,
    pub(crate) addresses: BTreeMap<NodeId, SocketAddr>,
    peers: Vec<(NodeId, String)>,
    pub(crate) running: BTreeMap<NodeId, Running>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let mut cluster = Self {
            folders: BTreeMap::new(),
            addresses: BTreeMap::new(),
            peers: Vec::new(),
            running: BTreeMap::new(),
        };
        for id in 1..=4 {
            let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            cluster.addresses.insert(id, address);
            cluster.folders.insert(id, TempDir::new().expect("a folder"));
            if id <= 3 {
                cluster.peers.push((id, address.to_string()));
            }
        }
        for id in 1..=3 {
            cluster.start_node(id).await;
        }
        cluster
    }

    pub(crate) async fn start_node(&mut self, id: NodeId) {
        let mut config = Config::embedded(self.folders[&id].path().to_owned());
        config.node_id = id;
        config.peers = self.peers.clone();
        config.zones = ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec();
        config.raft.heartbeat = HumanDuration::from_millis(150);
        config.raft.election_timeout = HumanDuration::from_millis(700);
        config.raft.snapshot_entries = 40;
        let components = Components::from_system(None);
        let plane =
            eventually(&components, async || ControlPlane::start(&config, None, &components).await.ok())
                .await;
        let listener = eventually(&components, async || bind(self.addresses[&id]).await.ok()).await;
        let options = ServerOptions { drain_timeout: Duration::from_millis(100), ..ServerOptions::grpc() };
        let serving = serve_grpc(listener, plane.grpc_routes(), options, &components).expect("listening");
        self.running.insert(id, Running { plane, components, serving });
    }

    pub(crate) async fn stop_node(&mut self, id: NodeId) {
        let Running { plane, components, serving } = self.running.remove(&id).expect("running");
        components.shutdown.cancel();
        plane.stop().await;
        drop(plane);
        serving.stopped().await;
    }

    fn any(&self) -> &Running {
        self.running.values().next().expect("a node")
    }

    pub(crate) async fn leader(&self) -> NodeId {
        eventually(&self.any().components, async || {
            self.running
                .iter()
                .find(|(_, node)| node.plane.not_ready().is_none() && node.plane.leads())
                .map(|(id, _)| *id)
        })
        .await
    }

    async fn follower(&self) -> NodeId {
        let leader = self.leader().await;
        *self.running.keys().find(|id| **id != leader).expect("several nodes")
    }

    pub(crate) async fn create(&self, at: NodeId, number: u128) {
        let command = workspace(number);
        let response = self.running[&at].plane.propose(command).await.expect("committed");
        assert!(matches!(response, Response::Workspace { .. }), "{response:?}");
    }

    /// Waits until all running nodes hold the same state, and returns it.
    async fn settled(&self) -> Vec<u8> {
        eventually(&self.any().components, async || {
            let states: Vec<_> = self.running.values().map(|node| node.plane.read(encode)).collect();
            let active = |node: &Running| {
                node.plane.read(|state| {
                    state.setup.is_some()
                        && state.workspaces.values().all(|record| record.status == WorkspaceStatus::Active)
                })
            };
            let same = states.windows(2).all(|pair| pair[0] == pair[1]);
            (same && self.running.values().all(active)).then(|| states[0].clone())
        })
        .await
    }
}

pub(crate) fn workspace(number: u128) -> Command {
    let mut command = create(number, crate::state::tests::account(1), None, 0);
    if let Command::CreateWorkspace(create) = &mut command {
        create.quota = u32::MAX;
    }
    command
}

pub(crate) async fn eventually<T>(components: &Components, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = components.clock.monotonic();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(components.clock.monotonic() - start < PATIENCE, "waited {PATIENCE:?} in vain");
        components.clock.sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_and_comes_back_from_its_disk() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    cluster.create(cluster.follower().await, 1).await;

    cluster.stop_node(leader).await;
    let follower = *cluster.running.keys().next().expect("two are left");
    let clock = cluster.running[&follower].components.clock.clone();
    let start = clock.monotonic();
    cluster.create(follower, 2).await;
    assert!(clock.monotonic() - start < Duration::from_secs(10), "a workspace is created within 10 s");

    cluster.start_node(leader).await;
    cluster.settled().await;
    let known = cluster.running[&leader].plane.read(|state| state.workspaces.len());
    assert_eq!(known, 2);

    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    for id in 1..=3 {
        cluster.start_node(id).await;
    }
    cluster.settled().await;
    assert_eq!(
        cluster.any().plane.read(|state| state.workspaces.len()),
        2,
        "nothing acknowledged is missing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_missed_more_than_the_log_holds_gets_a_snapshot() {
    let mut cluster = Cluster::start().await;
    let follower = cluster.follower().await;
    cluster.settled().await;
    cluster.stop_node(follower).await;
    let leader = cluster.leader().await;
    for number in 0..120 {
        cluster.create(leader, number).await;
    }
    let purged = |node: &Running| node.plane.purged_log();
    eventually(&cluster.any().components, async || (purged(&cluster.running[&leader]) > 60).then_some(()))
        .await;
    cluster.start_node(follower).await;
    cluster.settled().await;
    let behind = &cluster.running[&follower].plane;
    assert_eq!(behind.read(|state| state.workspaces.len()), 120);
    assert!(behind.purged_log() > 60, "the entries did not come through the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_replaced_while_writes_run() {
    let mut cluster = Cluster::start().await;
    let dead = cluster.follower().await;
    cluster.stop_node(dead).await;
    cluster.start_node(4).await;
    let fourth = &cluster.running[&4];
    let waits = async || fourth.plane.not_ready().filter(|reason| reason.contains("replace-node"));
    eventually(&fourth.components, waits).await;

    let leader = cluster.leader().await;
    let writer = cluster.running[&leader].plane.clone();
    let stop = cluster.running[&leader].components.shutdown.child_token();
    let stopped = stop.clone();
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.is_cancelled() {
            writer.propose(workspace(written)).await.expect("committed");
            written += 1;
        }
        written
    });

    let asked = *cluster.running.keys().find(|id| **id != leader && **id != 4).expect("the other survivor");
    let replacement_address = cluster.addresses[&4].to_string();
    let replace = ReplaceNode { dead, replacement: 4, replacement_address };
    let command = Some(AdminCommand::ReplaceNode(replace));
    for _ in 0..2 {
        let request = AdminRequest { command: command.clone() };
        cluster.running[&asked]
            .plane
            .control()
            .admin(Request::new(request))
            .await
            .expect("replaced, also twice");
    }
    stop.cancel();
    let written = writing.await.expect("the writer");
    assert!(written > 0);

    cluster.stop_node(asked).await;
    cluster.create(4, written).await;
    cluster.settled().await;
    for number in 0..=written {
        let known =
            |state: &crate::state::State| state.workspaces.contains_key(&WorkspaceId::from_u128(number));
        assert!(cluster.running[&4].plane.read(known), "workspace {number} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistaken_replacement_costs_no_node() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    let replace = async |cluster: &Cluster, dead: NodeId, replacement: NodeId, address: String| {
        let command =
            AdminCommand::ReplaceNode(ReplaceNode { dead, replacement, replacement_address: address });
        let request = Request::new(AdminRequest { command: Some(command) });
        let answer = cluster.running[&leader].plane.control().admin(request).await;
        answer.expect_err("refused").message().to_owned()
    };
    let members = |cluster: &Cluster| {
        let metrics = cluster.running[&leader].plane.members();
        metrics.into_iter().collect::<Vec<_>>()
    };
    let before = members(&cluster);
    assert_eq!(before, [1, 2, 3]);

    // The number of a node that works.
    cluster.start_node(4).await;
    let said = replace(&cluster, follower, 4, cluster.addresses[&4].to_string()).await;
    assert!(said.contains("is not dead"), "{said}");
    let said = replace(&cluster, leader, 4, cluster.addresses[&4].to_string()).await;
    assert!(said.contains("is the leader"), "{said}");

    // An address where nobody is, and one where another node is.
    let dead = follower;
    cluster.stop_node(dead).await;
    let nowhere = cluster.addresses[&dead].to_string();
    let said = replace(&cluster, dead, 4, nowhere).await;
    assert!(said.contains("no node 4 answers"), "{said}");
    let said = replace(&cluster, dead, 5, cluster.addresses[&4].to_string()).await;
    assert!(said.contains("this is node 4, not 5"), "{said}");
    assert_eq!(members(&cluster), before, "nothing was changed");
    cluster.create(leader, 1).await;
}

#[tokio::test]
async fn a_node_with_other_zones_than_were_decided_ends() {
    let folder = TempDir::new().expect("a folder");
    let components = Components::from_system(None);
    let mut config = Config::embedded(folder.path().to_owned());
    let plane = ControlPlane::start(&config, None, &components).await.expect("starts");
    eventually(&components, async || plane.not_ready().is_none().then_some(())).await;
    plane.stop().await;
    drop(plane);
    components.shutdown.cancel();

    config.zones = ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec();
    let again = Components::from_system(None);
    let plane = eventually(&again, async || ControlPlane::start(&config, None, &again).await.ok()).await;
    let failed = narthex_service::timeout(&*again.clock, PATIENCE, plane.failed()).await.expect("it ends");
    let crate::Error::Mismatch(refused) = failed else { panic!("{failed}") };
    assert!(refused.contains("factor 1 in zones zone-a,") && refused.contains("zone-c"), "{refused}");
}

#[tokio::test]
async fn a_folder_has_one_node() {
    let folder = TempDir::new().expect("a folder");
    let components = Components::from_system(None);
    let config = Config::embedded(folder.path().to_owned());
    let plane = ControlPlane::start(&config, None, &components).await.expect("starts");
    let second = ControlPlane::start(&config, None, &components).await.expect_err("in use");
    assert!(second.to_string().ends_with("raft.redb is in use by another process"), "{second}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_majority_says_so_and_sends_its_watchers_elsewhere() {
    let mut cluster = Cluster::start().await;
    // Once the leader is left alone, and once a follower.
    for leads in [true, false] {
        let leader = cluster.leader().await;
        let alone = if leads { leader } else { cluster.follower().await };
        let control = cluster.running[&alone].plane.control();
        let mut watch =
            control.watch(Request::new(WatchRequest::default())).await.expect("watching").into_inner();
        assert!(watch.next().await.expect("open").expect("event").reset);
        let others: Vec<_> = cluster.running.keys().copied().filter(|id| *id != alone).collect();
        for id in &others {
            cluster.stop_node(*id).await;
        }
        let clock = cluster.running[&alone].components.clock.clone();
        let ended = narthex_service::timeout(&*clock, PATIENCE, async {
            while let Some(Ok(_)) = watch.next().await {}
        });
        ended.await.expect("the watch ends");
        let reason = cluster.running[&alone].plane.not_ready().expect("not ready");
        assert!(reason.contains("no majority") || reason.contains("no leader"), "{reason}");
        for id in others {
            cluster.start_node(id).await;
        }
    }
    cluster.create(1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_resume_at_any_node_and_partitions_wait_for_readers() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    let register = |instance: &str, role: Role, zone: &str, incarnation: &'static [u8]| {
        let request = RegisterRequest {
            instance: instance.into(),
            role: role.into(),
            zone: zone.into(),
            address: "127.0.0.1:1".into(),
            ordinal: 0,
            incarnation: incarnation.into(),
        };
        Request::new(request)
    };
    let control = cluster.running[&follower].plane.control();
    control.register(register("querier-0", Role::Querier, "zone-a", b"")).await.expect("registered");
    let mut watch =
        control.watch(Request::new(WatchRequest::default())).await.expect("watching").into_inner();
    let first = watch.next().await.expect("open").expect("event");
    assert!(first.reset && first.ring.as_ref().is_some_and(|ring| ring.partitions.is_empty()));

    for zone in ["zone-a", "zone-b", "zone-c"] {
        let name = format!("ingester-{zone}-0");
        let answer =
            control.register(register(&name, Role::Ingester, zone, &[7; 16])).await.expect("registered");
        assert!(answer.get_ref().before_first_activation);
    }
    let mut ring = None;
    let mut revision = first.revision;
    while ring.is_none() {
        let event = watch.next().await.expect("open").expect("event");
        assert!(!event.reset && event.revision > revision, "deltas, in order");
        revision = event.revision;
        ring = event.ring;
    }
    let ring = ring.expect("a ring");
    assert_eq!(ring.partitions[0].state(), narthex_rpc::v1::partition_info::State::Pending);

    let other = cluster.running[&leader].plane.control();
    let resume = WatchRequest { from_revision: revision, topics: Vec::new() };
    let mut resumed = other.watch(Request::new(resume)).await.expect("watching").into_inner();
    let heartbeat = narthex_rpc::v1::HeartbeatRequest {
        instance: "querier-0".into(),
        acknowledged_ring_revision: ring.revision,
        ..Default::default()
    };
    let answer = control.heartbeat(Request::new(heartbeat)).await.expect("heard").into_inner();
    assert_eq!((answer.unknown, answer.ring_revision), (false, ring.revision));
    let active = loop {
        let event = resumed.next().await.expect("open").expect("event");
        assert!(!event.reset, "the node still has the changes");
        if let Some(ring) = event.ring {
            break ring;
        }
    };
    assert_eq!(active.partitions[0].state(), narthex_rpc::v1::partition_info::State::Active);
    assert_eq!(active.partitions[0].epoch, active.revision);
}
