//! The columns of a block, and which labels have one of their own.
//!
//! Column names and row order are fixed: files written today are read by every later release. Two things vary from block to
//! block: which labels are promoted (`label.<name>`; the others live in the map `labels`), and whether there is a
//! `histograms` column at all. The README describes every column for readers that are not ours.

mod columns;
mod promote;

pub(crate) use columns::{Column, ColumnKind, HISTOGRAM_COLUMNS, Layout};
pub use promote::{LabelCount, SchemaSettings};

use narthex_model::METRIC_NAME;

/// The newest format that this release reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// Key of the format version in the file's metadata.
pub(crate) const FORMAT_KEY: &str = "narthex.format";
/// Key of the number of series in the file's metadata.
pub(crate) const SERIES_KEY: &str = "narthex.series";
/// Key of the number of samples in the file's metadata.
pub(crate) const SAMPLES_KEY: &str = "narthex.samples";

/// A label with a column of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promoted {
    pub(crate) name: String,
    /// Whether equality on it is worth a bloom filter.
    pub(crate) bloom: bool,
}

/// Which columns a block has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSchema {
    /// The metric's name first, then the others by name.
    pub(crate) promoted: Vec<Promoted>,
    pub(crate) histograms: bool,
}

impl BlockSchema {
    /// A schema with exactly these promoted labels, besides the metric's name, which always is. `high_cardinality` labels get a
    /// bloom filter. For tests and for blocks that are made from blocks; [`Self::choose`] is for the first.
    pub fn with_labels<'a>(
        labels: impl IntoIterator<Item = &'a str>,
        high_cardinality: impl Fn(&str) -> bool,
        histograms: bool,
    ) -> Self {
        let mut names: Vec<&str> = labels.into_iter().filter(|name| *name != METRIC_NAME).collect();
        names.sort_unstable();
        names.dedup();
        let mut promoted = vec![Promoted { name: METRIC_NAME.to_owned(), bloom: true }];
        promoted.extend(
            names.into_iter().map(|name| Promoted { name: name.to_owned(), bloom: high_cardinality(name) }),
        );
        Self { promoted, histograms }
    }

    /// The labels that have a column of their own: the metric's name, then the others by name.
    pub fn promoted_labels(&self) -> impl Iterator<Item = &str> {
        self.promoted.iter().map(|label| label.name.as_str())
    }

    /// Whether the block can hold native histograms.
    pub fn has_histograms(&self) -> bool {
        self.histograms
    }
}
