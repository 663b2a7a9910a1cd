//! Whether this node may take part in elections and in the log.
//!
//! A node promises by what is on its disk: a vote for one leader of a term, and every entry that it acknowledged. One that lost its disk and
//! comes back under its number would break those promises; it could help to elect a leader that misses what was committed. The state
//! names the nodes that have joined ([`crate::state::State::joined`]). A node with an empty folder therefore asks the others first, and
//! neither votes nor acknowledges until one that answers does not know it. At the very first start nobody knows anybody.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use narthex_service::timeout;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Ask, Desk, TRY_LIMIT, Told, ask::Miss};
use crate::{
    raft::{NodeId, from_payload, to_payload},
    state::Command,
};

/// How often the others are asked while none of them answers.
const LOOK: Duration = Duration::from_millis(200);

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes part.
    Admitted,
    /// It has an empty folder, and no other node has answered yet.
    Asking,
    /// It has lost what it promised.
    Forgotten,
}

/// A node's standing, as it changes.
#[derive(Debug)]
pub(crate) struct Admission(watch::Sender<Standing>);

impl Admission {
    /// `empty`: nothing is on the disk.
    pub(super) fn new(empty: bool) -> Self {
        Self(watch::Sender::new(if empty { Standing::Asking } else { Standing::Admitted }))
    }
}

impl Desk {
    /// Whether this node may vote and acknowledge.
    pub(crate) fn takes_part(&self) -> bool {
        *self.admission.0.borrow() == Standing::Admitted
    }

    /// Where this node stands.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.admission.0.subscribe()
    }

    /// Asks the others, until one answers, whether this node has joined before; true if it may take part.
    pub(crate) async fn ask_for_admission(
        &self,
        others: &BTreeMap<NodeId, String>,
        shutdown: &CancellationToken,
    ) -> bool {
        loop {
            let answers = join_all(others.iter().map(|(id, address)| self.has_joined(*id, address))).await;
            let standing = match (answers.contains(&Some(true)), answers.contains(&Some(false))) {
                (true, _) => Standing::Forgotten,
                (false, true) => Standing::Admitted,
                (false, false) => Standing::Asking,
            };
            if standing != Standing::Asking {
                let admitted = standing == Standing::Admitted;
                self.admission.0.send_replace(standing);
                return admitted;
            }
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = self.clock().sleep(LOOK) => {}
            }
        }
    }

    /// Whether another node knows that this one has joined; `None` if it does not answer.
    async fn has_joined(&self, other: NodeId, address: &str) -> Option<bool> {
        let mut client = self.channels.client(address).ok()?;
        let asked = client.forward(to_payload(&Ask::HasJoined(self.id), other));
        match timeout(self.clock(), TRY_LIMIT, asked).await.ok()? {
            Ok(answer) => match from_payload::<Result<Told, Miss>>(answer.get_ref()) {
                Ok(Ok(Told::Joined(joined))) => Some(joined),
                _ => None,
            },
            // A release that cannot read the question keeps no record.
            Err(status) if status.code() == tonic::Code::Internal => Some(false),
            Err(_) => None,
        }
    }

    /// Whether a record of the nodes that joined is kept: all releases that take part know of it.
    pub(crate) fn records_who_joined(&self) -> bool {
        self.check_version(&Command::Joined { node: self.id }).is_ok()
    }

    /// Members that hold entries of the log and are not on record yet.
    pub(crate) fn newly_joined(&self) -> Option<NodeId> {
        // One lock after the other: holding both, in whichever order, could wait for a writer that waits for the other.
        let holding: Vec<NodeId> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let holding = metrics.replication.iter().flatten().filter(|(_, matched)| matched.is_some());
            holding.map(|(id, _)| *id).chain([self.id]).collect()
        };
        let view = self.machine.view();
        holding.into_iter().find(|id| !view.state.joined.contains(id))
    }
}
