//! Whether this node is in touch with a majority, as far as it can tell: a follower hears its leader, and a leader is answered.
//!
//! A node that is not may be the only one that does not know of a change, such as a key that was revoked. Whoever watches it is sent
//! elsewhere then; with no other node to watch, the last snapshot stays in force (C-2).

use std::time::Duration;

use super::Desk;

/// How long a leader may go without answers of a majority: some heartbeats, and less than an election.
const SILENCE: Duration = Duration::from_secs(1);

/// How long watchers bear it; an election takes less.
const PATIENCE: Duration = Duration::from_secs(2);

const LOOK: Duration = Duration::from_millis(250);

impl Desk {
    /// Whether a majority and this node know the same leader.
    pub(crate) fn in_touch(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        match metrics.current_leader {
            Some(leader) if leader == self.id => {
                let silence = metrics.millis_since_quorum_ack.map(Duration::from_millis);
                silence.is_some_and(|silence| silence <= SILENCE)
            }
            leader => leader.is_some(),
        }
    }

    /// Completes when this node has been out of touch for a while.
    pub(crate) async fn out_of_touch(&self) {
        let mut since = self.clock.monotonic();
        while self.clock.monotonic().saturating_sub(since) < PATIENCE {
            self.clock.sleep(LOOK).await;
            if self.in_touch() {
                since = self.clock.monotonic();
            }
        }
    }
}
