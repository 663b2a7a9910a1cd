//! What the manifest says about a block: all that a reader plans with before it touches the object.

use std::sync::Arc;

use narthex_block::{BlockMeta, LabelRange};
use narthex_model::{BlockId, SeriesHash, TimeRange};

use crate::CutSet;

/// Label columns that an entry describes; further ones are not described.
pub const MAX_COLUMNS: usize = 64;
/// Bytes of a label name or value that an entry keeps; longer ones are described less exactly.
pub const MAX_TEXT: usize = 64;

/// A block and its statistics. The cuts of a compacted block are those of all its inputs (rule 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the block.
    pub id: BlockId,
    /// 0 as cut, one more with every compaction.
    pub level: u32,
    /// First and last millisecond with a sample.
    pub time: TimeRange,
    /// Least series hash.
    pub min_hash: SeriesHash,
    /// Greatest series hash.
    pub max_hash: SeriesHash,
    /// Cuts whose samples are inside.
    pub cuts: CutSet,
    /// Series.
    pub series: u64,
    /// Samples.
    pub samples: u64,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Size of its footer in bytes, so that one ranged read fetches it.
    pub footer_bytes: u32,
    /// Bounds of label columns.
    pub columns: Box<[Column]>,
}

impl Entry {
    /// What there is to say of a block that was just written. A merge gives it its level and its inputs' cuts.
    pub fn of_block(id: BlockId, cuts: CutSet, meta: &BlockMeta) -> Self {
        let column = |label: &LabelRange| {
            let max = label.max.as_deref().filter(|_| label.rows > 0)?;
            Column::new(label.name.as_str(), &label.min, max)
        };
        Self {
            id,
            level: 0,
            time: meta.time,
            min_hash: meta.hashes.0,
            max_hash: meta.hashes.1,
            cuts,
            series: meta.series,
            samples: meta.samples,
            bytes: meta.bytes,
            footer_bytes: u32::try_from(meta.footer_length).unwrap_or(u32::MAX),
            columns: meta.labels.iter().filter_map(column).collect(),
        }
    }

    /// Whether the block can hold samples of a time.
    pub const fn overlaps(&self, range: TimeRange) -> bool {
        self.time.overlaps(range)
    }

    /// The bounds of a label column; `None` if the entry does not describe it.
    pub fn column(&self, label: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name() == label)
    }

    /// Drops what goes beyond [`MAX_COLUMNS`].
    pub(crate) fn bound(&mut self) {
        if self.columns.len() > MAX_COLUMNS {
            self.columns = self.columns[..MAX_COLUMNS].into();
        }
    }

    /// Bytes that the entry takes in a file, roughly and rather too many.
    pub(crate) fn size(&self) -> usize {
        96 + self.cuts.size() + self.columns.iter().map(|column| column.bounds.len() + 10).sum::<usize>()
    }
}

/// Bounds of the values of one label in a block: it can hold a value only if [`Column::may_hold`] says so. That a series has
/// no such label is not described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: Arc<str>,
    /// Least value, then greatest value, in one allocation.
    bounds: Box<str>,
    middle: u16,
    max_cut: bool,
}

impl Column {
    /// A label's column; `None` if the name is too long to be kept. Long values are cut to a prefix that still bounds them.
    pub fn new(name: impl Into<Arc<str>>, min: &str, max: &str) -> Option<Self> {
        let name = name.into();
        let (min, (cut, max_cut)) = (prefix(min).0, prefix(max));
        (name.len() <= MAX_TEXT).then(|| Self::exact(name, min, cut, max_cut))
    }

    /// From parts that are short enough already.
    pub(crate) fn exact(name: Arc<str>, min: &str, max: &str, max_cut: bool) -> Self {
        debug_assert!(min.len() <= MAX_TEXT && max.len() <= MAX_TEXT);
        let bounds = [min, max].concat().into_boxed_str();
        Self { name, bounds, middle: min.len() as u16, max_cut }
    }

    /// The label.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// No value is smaller.
    pub fn min(&self) -> &str {
        &self.bounds[..usize::from(self.middle)]
    }

    /// No value is greater, unless it starts with this and [`Self::max_is_cut`].
    pub fn max(&self) -> &str {
        &self.bounds[usize::from(self.middle)..]
    }

    /// Whether [`Self::max`] is only the beginning of the greatest value.
    pub const fn max_is_cut(&self) -> bool {
        self.max_cut
    }

    /// Whether the column can hold a value.
    pub fn may_hold(&self, value: &str) -> bool {
        self.min() <= value && (value <= self.max() || self.max_cut && value.starts_with(self.max()))
    }

    /// Whether the column can hold a value that starts with `prefix`.
    pub fn may_hold_prefix(&self, prefix: &str) -> bool {
        let not_before = self.min() <= prefix || self.min().starts_with(prefix);
        not_before && (prefix <= self.max() || self.max_cut && prefix.starts_with(self.max()))
    }
}

/// The longest beginning that is short enough, and whether something was cut off.
fn prefix(text: &str) -> (&str, bool) {
    let end = text.floor_char_boundary(MAX_TEXT);
    (&text[..end], end < text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Vec<String>> {
        let long = "[ab]{60,70}".prop_map(|text| text.replace('b', "é"));
        prop::collection::vec(prop_oneof!["[a-c]{0,3}", long], 1..6)
    }

    proptest! {
        #[test]
        fn bounds_never_exclude_a_value_that_is_there(values in values(), cut in 0usize..70) {
            let (min, max) = (values.iter().min().expect("some"), values.iter().max().expect("some"));
            let column = Column::new("job", min, max).expect("short name");
            prop_assert!(column.min().len() <= MAX_TEXT && column.max().len() <= MAX_TEXT);
            for value in &values {
                prop_assert!(column.may_hold(value), "{value} in {column:?}");
                let prefix = &value[..value.floor_char_boundary(cut)];
                prop_assert!(column.may_hold_prefix(prefix), "{prefix}... in {column:?}");
            }
        }
    }

    #[test]
    fn bounds_exclude_what_lies_outside() {
        let column = Column::new("job", "b", "m").expect("short name");
        assert!(!column.may_hold("a") && !column.may_hold("ma") && column.may_hold("c"));
        assert!(!column.may_hold_prefix("a") && !column.may_hold_prefix("n") && column.may_hold_prefix(""));
        let long = "m".repeat(100);
        let column = Column::new("job", "b", &long).expect("short name");
        assert!(column.max_is_cut() && !column.may_hold("n") && column.may_hold(&long));
        assert_eq!(Column::new("x".repeat(65), "a", "b"), None, "a cut name would be another label's");
    }
}
