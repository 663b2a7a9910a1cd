//! What comes of a fragment in one place.

use super::{Fragment, Places};
use crate::{
    engine::{
        aggregate::{Context, Groups, Partial, choose},
        column::Column,
        notes::Notes,
        stats::Stats,
    },
    error::PositionRange,
    memory::Reservation,
};

/// States of groups or chosen series, what is to be noted, and what was counted. Those of all places together are the result.
#[derive(Debug, Clone, Default)]
pub struct FragmentAnswer {
    pub(super) groups: Groups<Partial>,
    /// Chosen series with the rows that were chosen, in `cmp_series` order.
    pub(super) chosen: Vec<Column>,
    pub(in crate::engine) notes: Notes,
    pub(in crate::engine) stats: Stats,
    /// What it occupies.
    memory: Vec<Reservation>,
}

impl FragmentAnswer {
    /// Keeps memory taken as long as the answer is there.
    pub fn hold(&mut self, memory: Reservation) {
        self.memory.push(memory);
    }

    /// Adds what came of the same fragment for other series.
    pub fn merge(&mut self, other: Self, fragment: &Fragment) {
        self.notes.absorb(other.notes);
        self.memory.extend(other.memory);
        if self.is_empty() && self.stats.total == 0 {
            self.stats = other.stats;
        } else {
            self.stats.absorb(&other.stats);
        }
        self.chosen.extend(other.chosen);
        let mut context =
            Context { notes: &mut self.notes, position: fragment.places.aggregated, op: fragment.op };
        self.groups.merge(other.groups, |mine, theirs| mine.merge(theirs, &mut context));
    }

    /// The same answer for a fragment that stands elsewhere in the query.
    pub(in crate::engine) fn moved(&self, from: Places, to: Places) -> Self {
        let place = |at: PositionRange| (at.line, at.column);
        let pairs = [
            (place(from.argument), place(to.argument)),
            (place(from.aggregated), place(to.aggregated)),
            (place(from.aggregation), place(to.aggregation)),
        ];
        Self { notes: self.notes.moved(&pairs), ..self.clone() }
    }

    /// Whether what came of all places is enough for the result.
    pub(in crate::engine) fn is_decided(&self, fragment: &Fragment) -> bool {
        let decided = self.groups.iter().all(|(_, partial)| !partial.undecided);
        decided && choose::decided(fragment, &self.chosen)
    }

    /// Groups of the answer, or series of one that chose.
    pub fn len(&self) -> usize {
        self.groups.len() + self.chosen.len()
    }

    /// Whether no series had anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples that were read, over all steps.
    pub fn samples(&self) -> u64 {
        self.stats.total
    }

    /// The columns of the groups, in the order of their first series.
    pub(in crate::engine) fn fold(self, fragment: &Fragment, notes: &mut Notes) -> Vec<Column> {
        let mut groups = self.groups.into_groups();
        groups.sort_by(|(_, a), (_, b)| a.first.1.cmp(&b.first.1));
        let mut context = Context { notes, position: fragment.places.aggregated, op: fragment.op };
        let columns = groups.into_iter().map(|(labels, partial)| partial.finish(labels, &mut context));
        columns.filter(|column| !column.is_empty()).collect()
    }

    /// The chosen series, from which the engine chooses once more.
    pub(in crate::engine) fn candidates(mut self) -> Vec<Column> {
        self.chosen.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.chosen
    }
}
