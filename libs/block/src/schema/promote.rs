//! Which labels get a column: those that most series have.

use std::collections::BTreeMap;

use narthex_model::METRIC_NAME;

use super::BlockSchema;
use crate::Footer;

/// How common a label name is among the series of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCount<'a> {
    /// The label's name.
    pub name: &'a str,
    /// Series that have it.
    pub series: u64,
    /// Distinct values, as far as known; an estimate is enough.
    pub values: u64,
}

/// What an operator may tune about a block's columns.
#[derive(Debug, Clone)]
pub struct SchemaSettings {
    /// Most labels that get a column of their own, besides the metric's name. Each costs about 200 bytes of footer per row group.
    pub max_promoted: usize,
    /// A label is promoted only if at least one series in this many has it.
    pub min_share: u64,
    /// A promoted label with at least this many values gets a bloom filter.
    pub bloom_from_values: u64,
}

impl Default for SchemaSettings {
    fn default() -> Self {
        Self { max_promoted: 16, min_share: 20, bloom_from_values: 256 }
    }
}

impl BlockSchema {
    /// Chooses the labels of most series, up to the limit; ties go to the name that sorts first, so that the same series
    /// always give the same columns. `series` is the number of series in the block.
    pub fn choose(
        series: u64,
        counts: &[LabelCount<'_>],
        histograms: bool,
        settings: &SchemaSettings,
    ) -> Self {
        let enough = series.div_ceil(settings.min_share.max(1));
        let mut candidates: Vec<&LabelCount<'_>> = counts
            .iter()
            .filter(|count| count.name != METRIC_NAME && count.series > 0 && count.series >= enough)
            .collect();
        candidates.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(b.name)));
        candidates.truncate(settings.max_promoted);
        let many = |name: &str| {
            candidates.iter().any(|count| count.name == name && count.values >= settings.bloom_from_values)
        };
        Self::with_labels(candidates.iter().map(|count| count.name), many, histograms)
    }

    /// Chooses for a block that is made of others, as [`Self::choose`] does, by rows in the place of series. A label that none of
    /// them has a column for gets none; one that was worth a bloom filter in any of them gets one.
    pub fn of_blocks<'a>(blocks: impl IntoIterator<Item = &'a Footer>, settings: &SchemaSettings) -> Self {
        let mut labels: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
        let (mut all_rows, mut histograms) = (0, false);
        for block in blocks {
            all_rows += block.row_count();
            histograms |= block.schema().has_histograms();
            for (name, rows, bloom) in block.label_columns() {
                let label = labels.entry(name).or_default();
                *label = (label.0 + rows, label.1 | bloom);
            }
        }
        let values = |bloom: bool| if bloom { settings.bloom_from_values } else { 0 };
        let counts: Vec<LabelCount<'_>> = labels
            .iter()
            .map(|(name, (rows, bloom))| LabelCount { name, series: *rows, values: values(*bloom) })
            .collect();
        Self::choose(all_rows, &counts, histograms, settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_labels_are_promoted_up_to_the_limit() {
        let count = |name, series, values| LabelCount { name, series, values };
        let counts = [
            count("__name__", 100, 9),
            count("rare", 4, 1),
            count("pod", 60, 1_000),
            count("job", 100, 3),
            count("a", 60, 1),
            count("zone", 50, 1),
        ];
        let settings = SchemaSettings { max_promoted: 3, ..SchemaSettings::default() };
        let schema = BlockSchema::choose(100, &counts, false, &settings);
        assert_eq!(schema.promoted_labels().collect::<Vec<_>>(), ["__name__", "a", "job", "pod"]);
        let blooms: Vec<bool> = schema.promoted.iter().map(|label| label.bloom).collect();
        assert_eq!(blooms, [true, false, false, true]);
        let all = BlockSchema::choose(100, &counts, true, &SchemaSettings::default());
        assert!(!all.promoted_labels().any(|name| name == "rare"), "fewer than one series in twenty has it");
        assert!(all.has_histograms());
    }
}
