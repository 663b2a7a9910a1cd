//! When a cut is due, and whose turn it is: pure functions of names and times.
//!
//! All owners compute the same order of turns, so nobody has to be asked. Nothing rests on it: two owners that both think it is
//! their turn write two blocks, of which one is committed (F-1). Ages are of the data clock, as samples are; what is waited
//! for another owner is real time, as its work is.

use std::time::Duration;

use narthex_model::{PartitionId, TimestampMs, Window, WindowLength, WorkspaceId};
use xxhash_rust::xxh3::xxh3_64;

/// When windows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long windows are.
    pub length: WindowLength,
    /// Oldest sample that is accepted, by its received stamp.
    pub max_age: Duration,
    /// How much longer to wait for pushes that are under way and for clocks that are behind.
    pub slack: Duration,
    /// Cuts of one window are spread over this long, so that not all workspaces are cut at once.
    pub jitter: Duration,
}

impl Schedule {
    /// From when on a sender can hardly bring a sample of the window any more: what a command to flush goes by.
    pub fn closable(&self, window: Window) -> TimestampMs {
        self.length.end(window).saturating_add(millis(self.max_age))
    }

    /// When the window is cut without being told to.
    pub fn due(&self, workspace: WorkspaceId, partition: PartitionId, window: Window) -> TimestampMs {
        let jitter = spread(workspace, partition, window).checked_rem(self.jitter.as_millis() as u64);
        let later = millis(self.slack).saturating_add(jitter.unwrap_or(0).cast_signed());
        self.closable(window).saturating_add(later)
    }
}

/// How many owners have their turn before the one at `place` of `owners`, counted in the order of zones.
pub fn turn(
    workspace: WorkspaceId,
    partition: PartitionId,
    window: Window,
    owners: usize,
    place: usize,
) -> usize {
    let owners = owners.max(1);
    // Not the bits that the jitter is made of.
    let first = (spread(workspace, partition, window) >> 32) as usize % owners;
    (place + owners - first) % owners
}

fn spread(workspace: WorkspaceId, partition: PartitionId, window: Window) -> u64 {
    let mut name = [0; 28];
    name[..16].copy_from_slice(&workspace.to_bytes());
    name[16..20].copy_from_slice(&partition.0.to_le_bytes());
    name[20..].copy_from_slice(&window.0.to_le_bytes());
    xxh3_64(&name)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule {
        length: WindowLength::DEFAULT,
        max_age: Duration::from_secs(3_600),
        slack: Duration::from_secs(600),
        jitter: Duration::from_secs(1_800),
    };

    proptest! {
        #[test]
        fn every_owner_has_one_turn(workspace: u128, partition: u32, window: i32, owners in 1usize..4) {
            let (workspace, partition) = (WorkspaceId::from_random(workspace), PartitionId(partition));
            let window = Window(window.into());
            let turns: BTreeSet<_> =
                (0..owners).map(|place| turn(workspace, partition, window, owners, place)).collect();
            prop_assert_eq!(turns, (0..owners).collect::<BTreeSet<_>>());
        }

        #[test]
        fn nothing_is_cut_while_samples_may_come(workspace: u128, partition: u32, window in -1_000_000i64..1_000_000) {
            let due = SCHEDULE.due(WorkspaceId::from_random(workspace), PartitionId(partition), Window(window));
            let earliest = SCHEDULE.length.end(Window(window)).0 + 4_200_000;
            prop_assert!(earliest <= due.0 && due.0 < earliest + 1_800_000);
            let hasty = Schedule { jitter: Duration::ZERO, ..SCHEDULE };
            let due = hasty.due(WorkspaceId::from_random(workspace), PartitionId(partition), Window(window));
            prop_assert_eq!(due.0, earliest);
        }
    }

    #[test]
    fn turns_and_jitter_spread_evenly() {
        let (mut firsts, mut early) = ([0; 3], 0);
        for number in 0..3_000u128 {
            let (workspace, window) = (WorkspaceId::from_random(number << 64), Window(7));
            let first = (0..3).find(|place| turn(workspace, PartitionId(1), window, 3, *place) == 0);
            firsts[first.expect("somebody is first")] += 1;
            let due = SCHEDULE.due(workspace, PartitionId(1), window).0 - SCHEDULE.closable(window).0;
            early += usize::from(due < 600_000 + 900_000);
        }
        assert!(firsts.iter().all(|count| (900..1_100).contains(count)), "{firsts:?}");
        assert!((1_400..1_600).contains(&early), "{early}");
    }
}
