//! A new control-plane node takes the place of a dead one while writes go on.
//!
//! The new node is first brought up to date as a learner, so that the quorum is never smaller than it looks; then one
//! joint membership change swaps the two. Every step can be repeated after a lost answer. A mistake in a number or an address
//! must not cost a node that works: the dead one must be silent, and the new one must hold the whole log before it counts.

use std::{collections::BTreeSet, time::Duration};

use narthex_service::timeout;
use openraft::{
    BasicNode, ChangeMembers, LogId,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
};

use super::{
    Ask, Desk, Told,
    ask::{Miss, Replace},
};
use crate::{
    raft::{NodeId, to_payload},
    state::Response,
};

/// How long a node that is there may take to answer.
const PING_LIMIT: Duration = Duration::from_secs(4);

/// How long a new node may take to copy snapshot and log; below the limit of the whole request.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(45);

impl Desk {
    pub(super) async fn replace(&self, replace: Replace) -> Result<Told, Miss> {
        let Replace { dead, replacement, address } = replace;
        let (voters, dead_address) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership();
            let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
            (voters, membership.get_node(&dead).map(|node| node.addr.clone()).unwrap_or_default())
        };
        if voters.contains(&replacement) && !voters.contains(&dead) {
            return Ok(done(self));
        }
        if replacement == dead || replacement == 0 || address.is_empty() {
            return Err(Miss::Refused(
                "the replacement needs a number of its own (not 0) and an address".to_owned(),
            ));
        }
        if dead == self.id {
            return Err(Miss::Refused(format!(
                "node {dead} is the leader, so it is not dead; stop it first"
            )));
        }
        if !voters.contains(&dead) {
            return Err(Miss::Refused(format!("node {dead} is no member; the members are {voters:?}")));
        }
        if self.answers(dead, &dead_address).await.is_ok() {
            return Err(Miss::Refused(format!(
                "node {dead} answers at {dead_address}, so it is not dead; stop it first"
            )));
        }
        if let Err(reason) = self.answers(replacement, &address).await {
            return Err(Miss::Refused(format!(
                "no node {replacement} answers at {address} ({reason}); start it first"
            )));
        }
        tracing::info!(dead, replacement, %address, "bringing a new control-plane node up to date");
        let added =
            self.raft.add_learner(replacement, BasicNode::new(&address), false).await.map_err(miss)?;
        if !self.caught_up(replacement, added.log_id).await {
            let undo = ChangeMembers::RemoveNodes([replacement].into());
            self.raft.change_membership(undo, false).await.map_err(miss)?;
            return Err(Miss::Refused(format!(
                "node {replacement} at {address} did not copy the log within {CATCH_UP_LIMIT:?}; nothing was changed"
            )));
        }
        let after: BTreeSet<NodeId> =
            voters.into_iter().filter(|id| *id != dead).chain([replacement]).collect();
        self.raft.change_membership(after, false).await.map_err(miss)?;
        tracing::info!(dead, replacement, "replaced a control-plane node");
        Ok(done(self))
    }
}

impl Desk {
    /// Whether the node at an address answers, and as that number.
    async fn answers(&self, id: NodeId, address: &str) -> Result<(), String> {
        let mut client = self.channels.client(address).map_err(|status| status.message().to_owned())?;
        let asked = client.forward(to_payload(&Ask::CurrentRevision, id));
        match timeout(self.clock(), PING_LIMIT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err(format!("silent for {PING_LIMIT:?}")),
        }
    }

    /// Waits until a node holds the log up to an entry; whether it did in time.
    async fn caught_up(&self, id: NodeId, entry: LogId<NodeId>) -> bool {
        let mut metrics = self.raft.metrics();
        let there = metrics.wait_for(|metrics| {
            let progress = metrics.replication.as_ref().and_then(|replication| replication.get(&id));
            progress.is_some_and(|matched| matched.is_some_and(|matched| matched >= entry))
        });
        matches!(timeout(self.clock(), CATCH_UP_LIMIT, there).await, Ok(Ok(_)))
    }
}

fn done(desk: &Desk) -> Told {
    Told::Written(Response::Done { revision: desk.machine.revision() })
}

fn miss(error: RaftError<NodeId, ClientWriteError<NodeId, BasicNode>>) -> Miss {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => Miss::NotLeader,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(
            _,
        ))) => Miss::busy("another change of the members is under way"),
        other => Miss::busy(other),
    }
}
