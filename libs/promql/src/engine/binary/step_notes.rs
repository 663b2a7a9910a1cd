//! Notes of an operator between vectors: of all pairs that meet at a step, Prometheus shows those of the last.

use crate::engine::notes::Notes;

/// The notes of each step's last pair that made any, with that pair's place among all.
#[derive(Debug, Default)]
pub(super) struct StepNotes {
    last: Vec<Option<(usize, Notes)>>,
    /// Where the pair at hand puts its notes.
    pub(super) scratch: Notes,
}

impl StepNotes {
    /// The pair at hand, the `place`th of the step `at`, is done.
    pub(super) fn settle(&mut self, at: usize, place: usize) {
        if self.scratch.is_empty() {
            return;
        }
        let notes = std::mem::take(&mut self.scratch);
        if self.last.len() <= at {
            self.last.resize_with(at + 1, || None);
        }
        if self.last[at].as_ref().is_none_or(|(last, _)| *last <= place) {
            self.last[at] = Some((place, notes));
        }
    }

    /// Hands the notes of all steps over.
    pub(super) fn finish(self, notes: &mut Notes) {
        self.last.into_iter().flatten().for_each(|(_, last)| notes.absorb(last));
    }
}
