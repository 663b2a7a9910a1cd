//! A new control-plane node takes the place of a dead one while writes go on.
//!
//! The new node is first brought up to date as a learner, so that the quorum is never smaller than it looks; then one
//! joint membership change swaps the two. Every step can be repeated after a lost answer.

use std::collections::BTreeSet;

use openraft::{
    BasicNode,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
};

use super::{
    Desk, Told,
    ask::{Miss, Replace},
};
use crate::{raft::NodeId, state::Response};

impl Desk {
    pub(super) async fn replace(&self, replace: Replace) -> Result<Told, Miss> {
        let Replace { dead, replacement, address } = replace;
        let voters: BTreeSet<NodeId> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            metrics.membership_config.membership().voter_ids().collect()
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
        tracing::info!(dead, replacement, %address, "bringing a new control-plane node up to date");
        self.raft.add_learner(replacement, BasicNode::new(&address), true).await.map_err(miss)?;
        let after: BTreeSet<NodeId> =
            voters.into_iter().filter(|id| *id != dead).chain([replacement]).collect();
        self.raft.change_membership(after, false).await.map_err(miss)?;
        tracing::info!(dead, replacement, "replaced a control-plane node");
        Ok(done(self))
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
