//! A whole block, piece by piece: what merging reads, whose memory must not grow with the block.

use std::ops::Range;

use super::{BlockReader, Budget, Selection, footer::Footer};
use crate::{BlockError, schema::Column};

/// Rows that lie together, about as many as a page of labels holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSlice {
    pub(super) group: usize,
    pub(super) rows: Range<u64>,
}

impl Footer {
    /// All rows of the block, in their order.
    pub fn slices(&self) -> impl Iterator<Item = RowSlice> {
        (0..self.groups()).flat_map(|group| {
            self.pages(group, Column::SeriesHash).map(move |page| RowSlice { group, rows: page.rows })
        })
    }
}

impl BlockReader {
    /// Selects the rows of a slice of this block, whatever they are. A series whose rows lie in several slices is in each of these
    /// selections.
    pub async fn select_slice(&self, slice: &RowSlice, budget: Budget) -> Result<Selection, BlockError> {
        Selection::slice(self, slice, budget).await
    }
}
