//! The version of the state that all members know, while nodes of two releases work together.
//!
//! The leader asks every member, those that only copy included, and raises the version when all know a higher one. A node that is pinned
//! (`--state-version`) says and takes no more than that, so that a release can be gone back from.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use narthex_service::timeout;
use tokio_util::sync::CancellationToken;

use super::{Ask, Desk, TRY_LIMIT, Told, ask::Miss};
use crate::{
    raft::{NodeId, from_payload, to_payload},
    state::{Command, StateVersion},
};

/// How often members are asked while a higher version could come into force.
const LOOK: Duration = Duration::from_millis(500);

impl Desk {
    /// Newest version of the state that this node takes part in.
    pub(crate) fn knows(&self) -> StateVersion {
        StateVersion(self.knows)
    }

    /// Whether members may be without what a command needs.
    pub(crate) fn check_version(&self, command: &Command) -> Result<(), Miss> {
        let (needed, in_force) = (command.since(), self.machine.view().state.version.0);
        if needed <= in_force || matches!(command, Command::Upgrade { .. }) {
            return Ok(());
        }
        Err(Miss::busy(format!(
            "{} needs version {needed} of the state, and {in_force} is in force until every control-plane node runs a release that \
             knows it and answers",
            command.name()
        )))
    }

    /// The version that all members know, if all answer.
    async fn known_by_all(&self) -> Option<u32> {
        let members: Vec<_> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let nodes = metrics.membership_config.membership().nodes();
            nodes.map(|(id, node)| (*id, node.addr.clone())).collect()
        };
        let asked = members.iter().map(|(id, address)| self.known_by(*id, address));
        join_all(asked).await.into_iter().min().flatten()
    }

    /// `None` if the member does not answer.
    async fn known_by(&self, id: NodeId, address: &str) -> Option<u32> {
        if id == self.id {
            return Some(self.knows);
        }
        let mut client = self.channels.client(address).ok()?;
        let answer =
            timeout(self.clock(), TRY_LIMIT, client.forward(to_payload(&Ask::Version, id))).await.ok()?;
        match answer {
            Ok(answer) => match from_payload::<Result<Told, Miss>>(answer.get_ref()) {
                Ok(Ok(Told::Version(version))) => Some(version),
                _ => None,
            },
            // It cannot read the question.
            Err(status) if status.code() == tonic::Code::Internal => Some(StateVersion::default().0),
            Err(_) => None,
        }
    }

    /// Raises the version in force whenever all members know a higher one, until this node knows no higher one or shutdown.
    pub(crate) async fn keep_upgraded(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let in_force = self.machine.view().state.version;
            if in_force >= self.knows() {
                return;
            }
            if self.leading().is_some()
                && let Some(version) =
                    self.known_by_all().await.filter(|known| StateVersion(*known) > in_force)
            {
                match self.propose(Command::Upgrade { version }).await {
                    Ok(_) => tracing::info!(
                        version,
                        "the state has a version that every control-plane node knows now"
                    ),
                    Err(error) => tracing::debug!(%error, "the version of the state could not be raised"),
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock().sleep(LOOK) => {}
            }
        }
    }
}
