//! The cluster in words, for operators: members, instances, partitions and what each transition waits for.

use serde_json::{Value, json};

use super::Desk;
use crate::reconcile::{Heartbeats, waiting_for};
use crate::state::State;

impl Desk {
    pub(super) fn describe(&self, term: u64) -> String {
        let heartbeats = self.heartbeats(term);
        let joined = self.machine.view().state.joined.clone();
        let nodes: Vec<Value> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership();
            let voters: Vec<_> = membership.voter_ids().collect();
            let matched = metrics.replication.clone().unwrap_or_default();
            let node = |(id, node): (&u64, &openraft::BasicNode)| {
                json!({
                    "node": id,
                    "address": node.addr,
                    "role": if *id == self.id { "leader" } else if voters.contains(id) { "follower" } else { "learner" },
                    "on_record": joined.contains(id),
                    "log_index": matched.get(id).and_then(|log| log.map(|log| log.index)),
                })
            };
            membership.nodes().map(node).collect()
        };
        let view = self.machine.view();
        let description = json!({
            "revision": view.state.revision,
            "state_version": view.state.version,
            "ring_revision": view.state.ring_revision,
            "term": term,
            "nodes": nodes,
            "partitions": partitions(&view.state, &heartbeats),
            "instances": instances(&view.state, &heartbeats),
            "workspaces": view.state.workspaces.len(),
        });
        serde_json::to_string_pretty(&description).expect("plain JSON always serialises")
    }
}

fn partitions(state: &State, heartbeats: &Heartbeats) -> Vec<Value> {
    let partition = |(id, record): (_, &crate::state::PartitionRecord)| {
        let owners: Vec<_> = record.owners.values().map(|owner| owner.instance.as_str()).collect();
        json!({
            "partition": id,
            "state": record.state.as_str(),
            "since_revision": record.since,
            "epoch": record.epoch,
            "owners": owners,
            "removal_requested": record.removal,
            "waiting_for": waiting_for(state, heartbeats, record.since).collect::<Vec<_>>(),
        })
    };
    state.partitions.iter().map(partition).collect()
}

fn instances(state: &State, heartbeats: &Heartbeats) -> Vec<Value> {
    let instance = |(id, record): (&narthex_model::InstanceId, &crate::state::InstanceRecord)| {
        json!({
            "instance": id,
            "registration": record.registration,
            "leaving": record.leaving_since.is_some(),
            "must_register_again": record.must_return,
            "heartbeat": heartbeats.get(id),
        })
    };
    state.instances.iter().map(instance).collect()
}
