//! Members of `narthex-cluster` against three real nodes: registration, acknowledgement, catch-up, and life without a
//! control plane.

use std::time::Duration;

use narthex_cluster::{ControlPlane, Member, NotCurrent, Registration, Role};
use narthex_model::{Incarnation, ManifestRevision, PartitionId, WorkspaceId};
use narthex_ring::PartitionState;
use narthex_service::Components;

use crate::cluster_test::{Cluster, eventually};

fn registration(role: Role, zone: &str, disk: Option<u128>) -> Registration {
    Registration {
        instance: format!("{role:?}-{zone}").into(),
        role,
        zone: zone.into(),
        address: format!("{zone}:1"),
        ordinal: 0,
        incarnation: disk.map(Incarnation),
    }
}

fn member(cluster: &Cluster, components: &Components) -> Member {
    let addresses: Vec<_> = cluster.addresses.values().take(3).map(ToString::to_string).collect();
    let control = ControlPlane::remote(&addresses, 1, components.clock.clone()).expect("addresses");
    Member::watch(control, components)
}

async fn join(member: &Member, components: &Components, registration: Registration) -> bool {
    let condition = components.health.condition("cluster");
    let answer = member.register(registration, &condition).await.expect("registered");
    answer.before_first_activation
}

#[tokio::test(flavor = "multi_thread")]
async fn members_bring_a_partition_to_life_and_outlive_the_control_plane() {
    let mut cluster = Cluster::start().await;
    let components = Components::from_system(None);
    let querier = member(&cluster, &components);
    let condition = components.health.condition("snapshot");
    assert!(querier.first_snapshot(&condition).await);
    assert!(components.health.is_ready(), "{:?}", components.health.reasons());
    join(&querier, &components, registration(Role::Querier, "zone-a", None)).await;
    for (zone, disk) in [("zone-a", 1), ("zone-b", 2), ("zone-c", 3)] {
        let first =
            join(&querier.another(), &components, registration(Role::Ingester, zone, Some(disk))).await;
        assert!(first, "registered before the partition was ever ACTIVE");
    }
    let watched = querier.cluster();
    let active = eventually(&components, async || {
        let snapshot = watched.snapshot();
        let partition = snapshot.ring.partition(PartitionId(0)).cloned();
        partition.filter(|partition| partition.state == PartitionState::Active)
    })
    .await;
    assert_eq!(active.owners.len(), 3);

    let lost_disk = querier.another();
    assert!(!join(&lost_disk, &components, registration(Role::Ingester, "zone-b", Some(9))).await);
    let epoch =
        watched.snapshot().ring.partition(PartitionId(0)).map(|partition| (partition.state, partition.epoch));
    let (state, epoch) = epoch.expect("the snapshot has the registration");
    assert_eq!(state, PartitionState::Active);
    assert!(epoch > active.epoch, "another disk, another epoch");

    let leader = cluster.leader().await;
    cluster.create(leader, 7).await;
    let snapshot = watched.catch_up().await.expect("current");
    assert!(snapshot.workspaces.contains_key(&WorkspaceId::from_u128(7)));

    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    let start = components.clock.monotonic();
    let NotCurrent(reason) = watched.catch_up().await.expect_err("nobody answers");
    assert!(components.clock.monotonic() - start < Duration::from_secs(5), "{reason}");
    assert!(
        watched.snapshot().workspaces.contains_key(&WorkspaceId::from_u128(7)),
        "the last snapshot stays"
    );

    for id in 1..=3 {
        cluster.start_node(id).await;
    }
    let leader = cluster.leader().await;
    cluster.create(leader, 8).await;
    let known = || watched.snapshot().workspaces.contains_key(&WorkspaceId::from_u128(8));
    eventually(&components, async || known().then_some(())).await;

    querier.leave().await;
    let leaving = || {
        let snapshot = watched.snapshot();
        snapshot.instances.get(&"Querier-zone-a".into()).is_none_or(|instance| instance.leaving)
    };
    eventually(&components, async || leaving().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_member_registers_again_by_itself() {
    let cluster = Cluster::start().await;
    let components = Components::from_system(None);
    let distributor = member(&cluster, &components);
    join(&distributor, &components, registration(Role::Distributor, "zone-c", None)).await;
    let name = "Distributor-zone-c".into();
    let leader = cluster.leader().await;
    let forget = crate::state::Command::Forget { instance: name, leaving_since: None };
    cluster.running[&leader].plane.propose(forget).await.expect("committed");
    let watched = distributor.cluster();
    let known = || watched.snapshot().instances.contains_key(&"Distributor-zone-c".into());
    eventually(&components, async || (!known()).then_some(())).await;
    eventually(&components, async || known().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_manifest_is_told_to_watchers_of_every_node() {
    let cluster = Cluster::start().await;
    let components = Components::from_system(None);
    let leader = cluster.leader().await;
    cluster.create(leader, 7).await;
    let (known, unknown) = (WorkspaceId::from_u128(7), WorkspaceId::from_u128(70));
    let teller = member(&cluster, &components);
    let addresses: Vec<_> = cluster.addresses.values().take(3).map(ToString::to_string).collect();
    let hear = |start| {
        let control = ControlPlane::remote(&addresses, start, components.clock.clone()).expect("addresses");
        Member::watch(control, &components).cluster()
    };
    let listeners = [hear(0), hear(1), hear(2)];
    for listener in &listeners {
        eventually(&components, async || listener.snapshot().workspaces.contains_key(&known).then_some(()))
            .await;
    }
    teller.announce(unknown, ManifestRevision(1)).await;
    teller.announce(known, ManifestRevision(5)).await;
    for listener in &listeners {
        let heard = || listener.hints().newest(known) == ManifestRevision(5);
        eventually(&components, async || heard().then_some(())).await;
        assert_eq!(listener.hints().newest(unknown), ManifestRevision(0), "of no workspace that exists");
        assert_eq!(listener.snapshot().revision, listeners[0].snapshot().revision);
    }
}
