//! Resets, deltas and what cannot be understood.

use bytes::Bytes;
use narthex_ring::Replication;

use super::*;

fn workspace(number: u128, status: &str) -> WorkspaceState {
    WorkspaceState {
        workspace: Bytes::copy_from_slice(&number.to_be_bytes()),
        account: "123456789012".into(),
        status: status.into(),
        out_of_order_window_ms: 600_000,
        max_active_series: 0,
        tags: [("team".to_owned(), "a".to_owned())].into(),
        policy: String::new(),
    }
}

fn ring(revision: u64) -> RingState {
    let owner =
        |zone: &str| v1::PartitionOwner { instance: zone.into(), zone: zone.into(), address: "a:1".into() };
    let partition = PartitionInfo {
        id: 3,
        state: v1::partition_info::State::Active.into(),
        epoch: 9,
        owners: vec![owner("zone-b"), owner("zone-a")],
    };
    RingState { revision, replication: 3, partitions: vec![partition] }
}

#[test]
fn a_delta_changes_what_it_names_and_a_reset_forgets_the_rest() {
    let empty = Snapshot::empty(Replication::One);
    let event = WatchEvent {
        revision: 5,
        reset: true,
        ring: Some(ring(4)),
        workspaces: vec![workspace(1, "ACTIVE"), workspace(2, "CREATING")],
        credentials: vec![CredentialState {
            access_key_id: "AKIA".into(),
            secret_access_key: "s".into(),
            account: "123456789012".into(),
            principal: "arn:aws:iam::123456789012:user/a".into(),
        }],
        ..WatchEvent::default()
    };
    let first = apply_event(&empty, event).expect("understood");
    assert_eq!(
        (first.revision, first.ring.revision(), first.ring.replication()),
        (5, RingRevision(4), Replication::Three)
    );
    let partition = first.ring.partition(PartitionId(3)).expect("known");
    assert_eq!(
        partition.owners.iter().map(|owner| owner.zone.as_str()).collect::<Vec<_>>(),
        ["zone-a", "zone-b"]
    );

    let delta = WatchEvent {
        revision: 6,
        workspaces: vec![workspace(2, "DELETING")],
        removed_workspaces: vec![Bytes::copy_from_slice(&1u128.to_be_bytes())],
        ..WatchEvent::default()
    };
    let second = apply_event(&first, delta).expect("understood");
    assert_eq!(second.workspaces.len(), 1);
    assert_eq!(second.workspaces[&WorkspaceId::from_u128(2)].status, WorkspaceStatus::Deleting);
    assert_eq!((second.ring.revision(), second.credentials.len()), (RingRevision(4), 1));

    let reset = WatchEvent { revision: 7, reset: true, ..WatchEvent::default() };
    let third = apply_event(&second, reset).expect("understood");
    assert!(third.workspaces.is_empty() && third.credentials.is_empty());
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let empty = Snapshot::empty(Replication::One);
    let status =
        WatchEvent { revision: 1, workspaces: vec![workspace(1, "SLEEPING")], ..WatchEvent::default() };
    assert!(matches!(apply_event(&empty, status), Err(EventError::Unknown(_))));
    let mut two = ring(1);
    two.replication = 2;
    let replication = WatchEvent { revision: 1, ring: Some(two), ..WatchEvent::default() };
    assert!(matches!(apply_event(&empty, replication), Err(EventError::Replication(_))));
    let removed = WatchEvent {
        revision: 1,
        removed_workspaces: vec![Bytes::from_static(b"x")],
        ..WatchEvent::default()
    };
    assert!(matches!(apply_event(&empty, removed), Err(EventError::Id(_))));
    let role = InstanceState { instance: "i".into(), role: 99, ..InstanceState::default() };
    let unknown = WatchEvent { revision: 1, instances: vec![role], ..WatchEvent::default() };
    assert!(matches!(apply_event(&empty, unknown), Err(EventError::Unknown(_))));
}
