//! C-1 by property, and the cases of partitions and workspaces that are worth reading.

use std::collections::{BTreeMap, BTreeSet};

use narthex_cluster::{Role, WorkspaceStatus};
use narthex_model::{
    Epoch, Incarnation, InstanceId, PartitionId, RingRevision, TimestampMs, WorkspaceId, Zone,
};
use narthex_ring::{PartitionState, Replication};
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

pub(crate) fn setup(replication: Replication) -> Command {
    let zones = ZONES[..replication.copies()].iter().map(|zone| Zone::from(*zone)).collect();
    let credential = CredentialRecord {
        secret_access_key: "secret".into(),
        account: account(1),
        principal: "arn:aws:iam::000000000001:user/admin".into(),
        active: true,
        created_at: TimestampMs(0),
    };
    Command::Setup {
        setup: Setup { replication, zones, page_secret: "00".repeat(32) },
        credentials: [("AKIA".to_owned(), credential)].into(),
        workspaces: BTreeMap::new(),
        identities: Default::default(),
    }
}

pub(crate) fn account(number: u8) -> AccountId {
    format!("{number:012}").parse().expect("12 digits")
}

pub(crate) fn ingester(zone: usize, ordinal: u32, incarnation: u128) -> Command {
    Command::Register {
        instance: format!("ingester-{}-{ordinal}", ZONES[zone]).into(),
        registration: Registration {
            role: Role::Ingester,
            zone: ZONES[zone].into(),
            address: format!("{zone}.{ordinal}:1"),
            ordinal,
            incarnation: Some(Incarnation(incarnation)),
        },
    }
}

pub(crate) fn reader(number: u32) -> Command {
    let role = [Role::Distributor, Role::Querier, Role::Ruler][number as usize % 3];
    Command::Register {
        instance: format!("reader-{number}").into(),
        registration: Registration {
            role,
            zone: ZONES[0].into(),
            address: String::new(),
            ordinal: 0,
            incarnation: None,
        },
    }
}

pub(crate) fn create(id: u128, account: AccountId, token: Option<ClientToken>, at: i64) -> Command {
    let record = WorkspaceRecord {
        account,
        alias: Some("alias".into()),
        status: WorkspaceStatus::Creating,
        kms_key_arn: None,
        tags: BTreeMap::from([("Team".to_owned(), "a".to_owned())]),
        created_at: TimestampMs(at),
        changed_at: TimestampMs(at),
        out_of_order_window_ms: 600_000,
        max_active_series: Some(50),
    };
    Command::CreateWorkspace(CreateWorkspace { id: WorkspaceId::from_u128(id), record, quota: 3, token })
}

pub(crate) fn token(text: &str, fingerprint: &str) -> Option<ClientToken> {
    Some(ClientToken { token: text.into(), fingerprint: fingerprint.into() })
}

fn instance() -> impl Strategy<Value = InstanceId> {
    prop_oneof![
        (0u32..4).prop_map(|number| format!("reader-{number}").into()),
        (0usize..3, 0u32..3).prop_map(|(zone, ordinal)| format!("ingester-{}-{ordinal}", ZONES[zone]).into()),
    ]
}

pub(crate) fn any_token() -> impl Strategy<Value = Option<ClientToken>> {
    proptest::option::of((0u8..3, 0u8..2).prop_map(|(token, print)| ClientToken {
        token: format!("t{token}"),
        fingerprint: print.to_string(),
    }))
}

pub(crate) fn any_command() -> impl Strategy<Value = Command> {
    let partition = || (0u32..3).prop_map(PartitionId);
    let since = || (0u64..30).prop_map(RingRevision);
    let at = || (0i64..200_000_000).prop_map(TimestampMs);
    let workspace = || (0u128..6).prop_map(WorkspaceId::from_u128);
    prop_oneof![
        Just(setup(Replication::Three)),
        (0usize..3, 0u32..3, 0u128..3).prop_map(|(zone, ordinal, disk)| ingester(zone, ordinal, disk)),
        (0u32..4).prop_map(reader),
        (instance(), at()).prop_map(|(instance, at)| Command::Leave { instance, at }),
        instance().prop_map(|instance| Command::Forget { instance, leaving_since: None }),
        (partition(), since()).prop_map(|(partition, since)| Command::ActivatePartition { partition, since }),
        partition().prop_map(|partition| Command::DrainPartition { partition }),
        partition().prop_map(|partition| Command::ReturnPartition { partition }),
        partition().prop_map(|partition| Command::RequestRemoval { partition }),
        (partition(), since()).prop_map(|(partition, since)| Command::RemovePartition { partition, since }),
        (0u128..6, 0u8..2, any_token(), 0i64..200_000_000).prop_map(|(id, owner, token, at)| create(
            id,
            account(owner),
            token,
            at
        )),
        workspace().prop_map(|workspace| Command::FinishCreate { workspace }),
        (workspace(), 0u8..2, any_token(), at()).prop_map(|(workspace, owner, token, at)| {
            Command::UpdateAlias { workspace, account: account(owner), alias: Some("b".into()), token, at }
        }),
        (workspace(), 0u8..2, any_token(), at()).prop_map(|(workspace, owner, token, at)| {
            Command::DeleteWorkspace { workspace, account: account(owner), token, at }
        }),
        workspace().prop_map(|workspace| Command::FinishDelete { workspace }),
        at().prop_map(|before| Command::ExpireTokens { before }),
        super::resource_tests::any_change(),
    ]
}

pub(crate) fn replay(commands: &[Command]) -> State {
    let mut state = State::default();
    commands.iter().for_each(|command| drop(apply(&mut state, command.clone())));
    state
}

proptest! {
    #[test]
    fn the_same_log_gives_the_same_bytes_also_through_a_snapshot(
        mut log in proptest::collection::vec(any_command(), 0..120),
        cut in 0usize..120,
    ) {
        log.insert(0, setup(Replication::Three));
        let whole = encode(&replay(&log));
        prop_assert_eq!(&encode(&replay(&log)), &whole);

        let cut = cut.min(log.len());
        let mut resumed = decode(&encode(&replay(&log[..cut]))).expect("our own bytes");
        log[cut..].iter().for_each(|command| drop(apply(&mut resumed, command.clone())));
        prop_assert_eq!(encode(&resumed), whole);
    }

    #[test]
    fn revisions_count_changes_and_tell_what_changed(log in proptest::collection::vec(any_command(), 0..120)) {
        let mut state = State::default();
        for command in log {
            let before = state.clone();
            let stored = serde_json::to_vec(&command).expect("plain data");
            prop_assert_eq!(&serde_json::from_slice::<Command>(&stored).expect("our own bytes"), &command);
            let applied = apply(&mut state, command);
            if applied.changed.is_empty() {
                prop_assert_eq!(&state, &before);
            } else {
                prop_assert_eq!(state.revision, before.revision + 1);
                prop_assert!(!matches!(applied.response, Response::Refused(_)));
            }
            let told = |key: Key| applied.changed.contains(&key);
            prop_assert_eq!(told(Key::Ring), state.ring_revision != before.ring_revision);
            for id in state.instances.keys().chain(before.instances.keys()) {
                let differs = state.instances.get(id) != before.instances.get(id);
                prop_assert!(!differs || told(Key::Instance(id.clone())));
            }
            for id in state.workspaces.keys().chain(before.workspaces.keys()) {
                let differs = state.workspaces.get(id) != before.workspaces.get(id);
                prop_assert!(!differs || told(Key::Workspace(*id)));
            }
        }
    }
}

#[test]
fn the_state_is_stored_in_the_version_in_force() {
    let mut state = State::default();
    let text = String::from_utf8(encode(&state)).expect("text");
    assert!(text.starts_with(r#"{"version":2,"state":{"revision":0,"#), "{text}");
    apply(&mut state, Command::Upgrade { version: 3 });
    let text = encode(&state);
    assert!(text.starts_with(br#"{"version":3,"state":{"version":3,"#));
    assert_eq!(decode(&text).expect("ours"), state);
    let before = state.clone();
    apply(&mut state, Command::Upgrade { version: 2 });
    assert_eq!(state, before, "a version never goes back");
}

#[test]
fn a_newer_version_is_refused() {
    let bytes = br#"{"version": 4, "state": {"of": "the future"}}"#;
    assert!(matches!(decode(bytes), Err(StateError::Newer(4))));
    assert!(matches!(decode(br#"{"version": 1}"#), Err(StateError::Malformed(_))));
}

#[test]
fn a_partition_begins_when_every_zone_has_its_ingester() {
    let mut state = replay(&[setup(Replication::Three), ingester(0, 7, 1), ingester(1, 7, 2)]);
    assert!(state.partitions.is_empty());
    let applied = apply(&mut state, ingester(2, 7, 3));
    let revision = state.revision;
    assert_eq!(applied.response, Response::Registered { revision, before_first_activation: true });
    let partition = &state.partitions[&PartitionId(7)];
    assert_eq!((partition.state, partition.since), (PartitionState::Pending, RingRevision(revision)));
    assert_eq!((partition.epoch, partition.owners.len()), (Epoch(0), 3));

    let since = partition.since;
    apply(
        &mut state,
        Command::ActivatePartition { partition: PartitionId(7), since: RingRevision(since.0 - 1) },
    );
    assert_eq!(state.partitions[&PartitionId(7)].state, PartitionState::Pending, "decided on another state");
    apply(&mut state, Command::ActivatePartition { partition: PartitionId(7), since });
    assert_eq!(state.partitions[&PartitionId(7)].epoch, Epoch(state.revision));
}

#[test]
fn one_zone_is_enough_for_one_copy() {
    let state = replay(&[setup(Replication::One), ingester(0, 0, 1)]);
    assert_eq!(state.partitions.len(), 1);
}

#[test]
fn completeness_is_kept_with_the_incarnation() {
    let mut state = replay(&[setup(Replication::One), ingester(0, 0, 1)]);
    let since = state.partitions[&PartitionId(0)].since;
    apply(&mut state, Command::ActivatePartition { partition: PartitionId(0), since });
    let complete = |response: Response| match response {
        Response::Registered { before_first_activation, .. } => before_first_activation,
        other => panic!("{other:?}"),
    };
    let again = apply(&mut state, ingester(0, 0, 1));
    assert!(again.changed.is_empty() && complete(again.response), "the same disk");
    let before = state.partitions[&PartitionId(0)].clone();
    assert!(!complete(apply(&mut state, ingester(0, 0, 2)).response), "another disk, after the activation");
    let after = &state.partitions[&PartitionId(0)];
    assert_eq!((after.state, after.since), (PartitionState::Active, before.since));
    assert_eq!(after.epoch, Epoch(state.revision), "a quorum never mixes replies from before and after");
    assert_eq!(state.incarnation(&"ingester-zone-a-0".into()), Some(Incarnation(2)));
    assert!(!complete(apply(&mut state, ingester(0, 0, 2)).response));
}

#[test]
fn a_place_has_one_ingester_and_a_stranger_none() {
    let mut state = replay(&[setup(Replication::Three), ingester(0, 0, 1)]);
    let Command::Register { registration, .. } = ingester(0, 0, 9) else { panic!() };
    let rival = Command::Register { instance: "rival".into(), registration: registration.clone() };
    let refused = apply(&mut state, rival.clone()).response;
    assert_eq!(refused, Response::Refused(Refusal::SlotTaken { holder: "ingester-zone-a-0".into() }));
    apply(&mut state, Command::Forget { instance: "ingester-zone-a-0".into(), leaving_since: None });
    assert!(matches!(apply(&mut state, rival).response, Response::Registered { .. }));
    let stranger = Registration { zone: "zone-x".into(), ..registration };
    let refused =
        apply(&mut state, Command::Register { instance: "x".into(), registration: stranger }).response;
    assert!(matches!(refused, Response::Refused(Refusal::UnknownZone { .. })));
}

#[test]
fn a_removed_partition_does_not_come_back_by_itself() {
    let id = PartitionId(0);
    let mut state =
        replay(&[setup(Replication::One), ingester(0, 0, 1), Command::DrainPartition { partition: id }]);
    let since = state.partitions[&id].since;
    apply(&mut state, Command::RemovePartition { partition: id, since });
    assert!(state.partitions.contains_key(&id), "nobody asked for the removal");
    apply(&mut state, Command::RequestRemoval { partition: id });
    apply(&mut state, Command::RemovePartition { partition: id, since });
    assert_eq!(state.retired, BTreeSet::from([id]));
    apply(&mut state, ingester(0, 0, 5));
    assert!(state.partitions.is_empty());
    apply(&mut state, Command::ReturnPartition { partition: id });
    assert_eq!(state.partitions[&id].state, PartitionState::Pending);
}

#[test]
fn a_token_gets_its_first_answer_for_a_day() {
    let mut state = replay(&[setup(Replication::One)]);
    let first = apply(&mut state, create(1, account(1), token("t", "same"), 0)).response;
    assert_eq!(apply(&mut state, create(2, account(1), token("t", "same"), 1000)).response, first);
    let other = apply(&mut state, create(2, account(1), token("t", "other"), 1000)).response;
    assert_eq!(other, Response::Refused(Refusal::TokenReused));
    assert_eq!(state.workspaces.len(), 1);
    let anew = apply(&mut state, create(2, account(2), token("t", "other"), 1000)).response;
    assert!(matches!(anew, Response::Workspace { .. }), "tokens of accounts are apart");
    let later = apply(&mut state, create(3, account(1), token("t", "other"), TOKEN_LIFE_MS)).response;
    assert!(matches!(later, Response::Workspace { .. }));
}

#[test]
fn the_quota_counts_workspaces_that_stay() {
    let mut state = replay(&[setup(Replication::One)]);
    (1..=3).for_each(|id| drop(apply(&mut state, create(id, account(1), None, 0))));
    let full = apply(&mut state, create(4, account(1), None, 0)).response;
    assert_eq!(full, Response::Refused(Refusal::Quota { limit: 3 }));
    assert!(matches!(apply(&mut state, create(5, account(2), None, 0)).response, Response::Workspace { .. }));
    let delete = |token| Command::DeleteWorkspace {
        workspace: WorkspaceId::from_u128(1),
        account: account(1),
        token,
        at: TimestampMs(5),
    };
    assert!(matches!(apply(&mut state, delete(token("d", ""))).response, Response::Done { .. }));
    assert!(matches!(apply(&mut state, delete(token("d", ""))).response, Response::Done { .. }), "repeated");
    assert_eq!(apply(&mut state, delete(None)).response, Response::Refused(Refusal::WorkspaceBusy));
    assert!(matches!(apply(&mut state, create(4, account(1), None, 0)).response, Response::Workspace { .. }));
    apply(&mut state, Command::FinishDelete { workspace: WorkspaceId::from_u128(1) });
    assert_eq!(apply(&mut state, delete(None)).response, Response::Refused(Refusal::UnknownWorkspace));
}

#[test]
fn secrets_do_not_show() {
    let Command::Setup { setup, credentials, .. } = setup(Replication::One) else { panic!() };
    let shown = format!("{setup:?} {credentials:?}");
    assert!(!shown.contains("secret") && !shown.contains("0000000000000000"), "{shown}");
}
