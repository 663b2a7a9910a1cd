//! Rule 7 and P-1 by property: whatever readers, operators and elections do, no partition takes writes that a registered
//! reader does not know of, and none goes while its data is only in its owners.

use std::collections::{BTreeMap, BTreeSet};

use narthex_model::PartitionId;
use narthex_ring::Replication;
use proptest::prelude::*;

use super::*;
use crate::state::{
    apply,
    tests::{account, create, ingester, reader, replay, setup},
};

/// A process as it really is, beside what the control plane believes.
#[derive(Debug, Clone, Default)]
struct Process {
    installed: RingRevision,
    known: BTreeSet<PartitionId>,
    writes_to: BTreeSet<PartitionId>,
    cuts: bool,
}

#[derive(Debug, Clone)]
enum Event {
    RegisterReader(u32),
    RegisterIngester(usize, u32, u128),
    Install(usize),
    Heartbeat(usize),
    Leave(usize),
    Forget(usize),
    Write(usize),
    Flush(usize),
    Drain(u32),
    Return(u32),
    Remove(u32),
    Reconcile,
    NewLeader,
}

fn any_event() -> impl Strategy<Value = Event> {
    let who = || 0usize..13;
    prop_oneof![
        2 => (0u32..4).prop_map(Event::RegisterReader),
        4 => (0usize..3, 0u32..3, 0u128..2).prop_map(|(zone, ordinal, disk)| Event::RegisterIngester(zone, ordinal, disk)),
        4 => who().prop_map(Event::Install),
        6 => who().prop_map(Event::Heartbeat),
        1 => who().prop_map(Event::Leave),
        1 => who().prop_map(Event::Forget),
        3 => who().prop_map(Event::Write),
        3 => who().prop_map(Event::Flush),
        1 => (0u32..3).prop_map(Event::Drain),
        1 => (0u32..3).prop_map(Event::Return),
        1 => (0u32..3).prop_map(Event::Remove),
        6 => Just(Event::Reconcile),
        1 => Just(Event::NewLeader),
    ]
}

#[derive(Debug)]
struct World {
    state: State,
    heartbeats: Heartbeats,
    processes: BTreeMap<InstanceId, Process>,
}

fn name(who: usize) -> InstanceId {
    match who {
        0..4 => format!("reader-{who}").into(),
        _ => format!("ingester-zone-{}-{}", ["a", "b", "c"][(who - 4) / 3], (who - 4) % 3).into(),
    }
}

impl World {
    fn install(&mut self, instance: &InstanceId) {
        let Some(process) = self.processes.get_mut(instance) else { return };
        process.installed = self.state.ring_revision;
        process.known = self.state.partitions.keys().copied().collect();
        let active =
            self.state.partitions.iter().filter(|(_, record)| record.state == PartitionState::Active);
        process.writes_to = active.map(|(id, _)| *id).collect();
    }

    fn command(&mut self, command: Command) {
        let registered = match &command {
            Command::Register { instance, .. } => Some(instance.clone()),
            _ => None,
        };
        apply(&mut self.state, command);
        if let Some(instance) = registered.filter(|instance| self.state.instances.contains_key(instance)) {
            // A member is ready only once its snapshot has the revision of its registration.
            self.heartbeats.remove(&instance);
            self.processes.entry(instance.clone()).or_default();
            self.install(&instance);
        }
    }

    fn step(&mut self, event: Event) {
        let partition = |id| PartitionId(id);
        match event {
            Event::RegisterReader(number) => self.command(reader(number)),
            Event::RegisterIngester(zone, ordinal, disk) => self.command(ingester(zone, ordinal, disk)),
            Event::Install(who) => self.install(&name(who)),
            Event::Heartbeat(who) => {
                let instance = name(who);
                let known =
                    self.state.instances.get(&instance).is_some_and(|record| record.leaving_since.is_none());
                if let (true, Some(process)) = (known, self.processes.get(&instance)) {
                    let heartbeat = Heartbeat {
                        acknowledged: process.installed,
                        ready: true,
                        no_uncommitted_cuts: !process.cuts,
                    };
                    self.heartbeats.insert(instance, heartbeat);
                }
            }
            Event::Leave(who) => self.command(Command::Leave { instance: name(who), at: TimestampMs(0) }),
            Event::Forget(who) => self.command(Command::Forget { instance: name(who), leaving_since: None }),
            Event::Write(who) => {
                if let Some(process) = self.processes.get_mut(&name(who)).filter(|_| who >= 4) {
                    process.cuts |= process.writes_to.contains(&PartitionId((who as u32 - 4) % 3));
                }
            }
            Event::Flush(who) => {
                if let Some(process) = self.processes.get_mut(&name(who)) {
                    process.cuts = false;
                }
            }
            Event::Drain(id) => self.command(Command::DrainPartition { partition: partition(id) }),
            Event::Return(id) => self.command(Command::ReturnPartition { partition: partition(id) }),
            Event::Remove(id) => self.command(Command::RequestRemoval { partition: partition(id) }),
            Event::Reconcile => {
                for command in reconcile(&self.state, &self.heartbeats, TimestampMs(0)) {
                    self.command(command);
                }
            }
            Event::NewLeader => self.heartbeats.clear(),
        }
    }

    /// P-1.
    fn check_readers(&self) {
        for (instance, record) in &self.state.instances {
            if !is_reader(record.registration.role) || record.leaving_since.is_some() {
                continue;
            }
            let known = &self.processes[instance].known;
            for (id, partition) in &self.state.partitions {
                assert!(
                    partition.state != PartitionState::Active || known.contains(id),
                    "partition {id} takes writes, {instance} does not read it"
                );
            }
        }
    }

    /// Rule 11.
    fn check_gone(&self, before: &State) {
        for (id, record) in &before.partitions {
            if self.state.partitions.contains_key(id) || record.epoch.0 == 0 {
                continue;
            }
            let empty = record.owners.values().filter(|owner| !self.processes[&owner.instance].cuts).count();
            assert!(empty >= 2, "partition {id} is gone, {empty} owners had flushed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_partition_takes_writes_that_a_live_reader_does_not_know_of(
        events in proptest::collection::vec(any_event(), 0..250),
    ) {
        let state = replay(&[setup(Replication::Three)]);
        let mut world = World { state, heartbeats: Heartbeats::new(), processes: BTreeMap::new() };
        for event in events {
            let before = world.state.clone();
            world.step(event);
            world.check_readers();
            world.check_gone(&before);
        }
    }
}

#[test]
fn silence_is_no_acknowledgement() {
    let mut log = vec![setup(Replication::Three), reader(0), reader(1)];
    log.extend((0..3).map(|zone| ingester(zone, 0, zone as u128)));
    let mut state = replay(&log);
    let since = state.partitions[&PartitionId(0)].since;
    let far_future = TimestampMs(i64::MAX);
    let mut heartbeats =
        Heartbeats::from([("reader-0".into(), Heartbeat { acknowledged: since, ..Default::default() })]);
    assert_eq!(reconcile(&state, &heartbeats, far_future), []);
    assert_eq!(
        waiting_for(&state, &heartbeats, since).map(InstanceId::as_str).collect::<Vec<_>>(),
        ["reader-1"]
    );

    apply(&mut state, Command::Leave { instance: "reader-1".into(), at: TimestampMs(0) });
    let due = vec![Command::ActivatePartition { partition: PartitionId(0), since }];
    assert_eq!(reconcile(&state, &heartbeats, TimestampMs(0)), due, "who leaves is not waited for");
    heartbeats.clear();
    assert_eq!(reconcile(&state, &heartbeats, TimestampMs(0)), [], "a new leader has heard nobody");
}

#[test]
fn workspaces_and_leavers_move_on_with_time() {
    let mut state = replay(&[setup(Replication::One), reader(0), create(1, account(1), None, 1_000)]);
    let none = Heartbeats::new();
    let workspace = *state.workspaces.keys().next().expect("one");
    assert_eq!(reconcile(&state, &none, TimestampMs(1_100)), []);
    assert_eq!(reconcile(&state, &none, TimestampMs(1_200)), [Command::FinishCreate { workspace }]);
    apply(&mut state, Command::FinishCreate { workspace });
    let at = TimestampMs(2_000);
    apply(&mut state, Command::DeleteWorkspace { workspace, account: account(1), token: None, at });
    assert_eq!(reconcile(&state, &none, TimestampMs(3_999)), []);
    assert_eq!(reconcile(&state, &none, TimestampMs(4_000)), [Command::FinishDelete { workspace }]);
    apply(&mut state, Command::FinishDelete { workspace });
    let instance = InstanceId::from("reader-0");
    apply(&mut state, Command::Leave { instance: instance.clone(), at });
    let forget = Command::Forget { instance, leaving_since: Some(at) };
    assert_eq!(reconcile(&state, &none, TimestampMs(61_999)), []);
    assert_eq!(reconcile(&state, &none, TimestampMs(62_000)), [forget]);
}

#[test]
fn resources_move_on_with_time_all_in_one_command() {
    use crate::state::{Change, ChangeKind, Content, Expected, ResourceId, ResourceKind};
    let mut state = replay(&[setup(Replication::One), create(1, account(1), None, 0)]);
    let workspace = narthex_model::WorkspaceId::from_u128(1);
    let id = |kind| ResourceId::in_workspace(kind, workspace, "");
    let change = |at, what| {
        let change =
            Change { account: account(1), operation: "o".into(), token: None, at: TimestampMs(at), what };
        Command::Change(Box::new(change))
    };
    let logging = Content::Logging(narthex_amp::CloudWatchLogDestination { log_group_arn: "g".into() });
    for (at, kind, content) in [
        (1_000, ResourceKind::Logging, logging),
        (1_100, ResourceKind::QueryLogging, Content::QueryLogging(Vec::new())),
    ] {
        let what = ChangeKind::Create { id: id(kind), content, tags: BTreeMap::new(), limits: Vec::new() };
        apply(&mut state, change(at, what));
    }
    let steps = |state: &State, now| {
        let due = reconcile(state, &Heartbeats::new(), TimestampMs(now)).into_iter();
        let steps = due.filter_map(|command| match command {
            Command::Finish { steps } => Some(steps.into_iter().map(|step| step.id.kind).collect::<Vec<_>>()),
            _ => None,
        });
        steps.collect::<Vec<_>>()
    };
    assert!(steps(&state, 1_199).is_empty());
    assert_eq!(steps(&state, 1_200), [[ResourceKind::Logging]]);
    assert_eq!(steps(&state, 1_300), [[ResourceKind::Logging, ResourceKind::QueryLogging]]);
    for command in reconcile(&state, &Heartbeats::new(), TimestampMs(1_300)) {
        apply(&mut state, command);
    }
    assert!(state.transitions.is_empty());
    let what = ChangeKind::Delete { id: id(ResourceKind::Logging), expected: Expected::Anything };
    apply(&mut state, change(2_000, what));
    assert!(steps(&state, 2_999).is_empty());
    assert_eq!(steps(&state, 3_000), [[ResourceKind::Logging]]);
}
