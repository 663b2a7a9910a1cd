//! Merging answers: the copies of one partition, then the partitions.
//!
//! Inputs are in `cmp_series` order, and so is the result, each label set once. Series without a sample in the range are
//! left out: to the engine they are not there.

use std::{iter::Peekable, mem, vec::IntoIter};

use narthex_model::Labels;
use narthex_promql::SeriesData;

use super::series_merge::{differ, merge_samples};

/// How values that compete for a timestamp are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The greatest by `resolve`.
    Greatest,
    /// The value that two copies hold, else the greatest: for answers of all three owners.
    Majority,
}

/// What the copies of a partition say together.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// The series.
    pub series: Vec<SeriesData>,
    /// Series of which two copies hold different values for one timestamp.
    pub conflicts: u64,
}

/// Merges the owners' answers of one partition; three of them by majority.
pub fn merge_copies(answers: Vec<Vec<SeriesData>>) -> Merged {
    let rule = if answers.len() >= 3 { Rule::Majority } else { Rule::Greatest };
    let mut lists: Vec<_> = answers.into_iter().map(|list| list.into_iter().peekable()).collect();
    let mut merged = Merged::default();
    while let Some(labels) = least(&mut lists) {
        let copies = lists.iter_mut().filter_map(|list| list.next_if(|series| series.labels == labels));
        let copies: Vec<SeriesData> = copies.collect();
        let views: Vec<&SeriesData> = copies.iter().collect();
        merged.conflicts += u64::from(differ(&views));
        merged.push(combine(copies, rule));
    }
    merged
}

/// Whether any series of two answers holds different values for one timestamp; what a third owner's answer can settle.
pub(crate) fn have_conflicts(answers: &[&[SeriesData]]) -> bool {
    let mut lists: Vec<_> = answers.iter().map(|list| list.iter().peekable()).collect();
    while let Some(labels) =
        least_of(lists.iter_mut().filter_map(|list| list.peek().map(|series| &series.labels)))
    {
        let labels = labels.clone();
        let copies: Vec<&SeriesData> =
            lists.iter_mut().filter_map(|list| list.next_if(|series| series.labels == labels)).collect();
        if differ(&copies) {
            return true;
        }
    }
    false
}

/// Merges what different partitions hold. A series is in more than one after the ring changed.
pub fn merge_partitions(mut parts: Vec<Vec<SeriesData>>) -> Vec<SeriesData> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut all: Vec<SeriesData> = parts.into_iter().flatten().collect();
    // The sort is stable and finds the ascending runs.
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut merged = Merged::default();
    let mut group: Vec<SeriesData> = Vec::new();
    for series in all {
        if group.first().is_some_and(|first| first.labels != series.labels) {
            merged.push(combine(mem::take(&mut group), Rule::Greatest));
        }
        group.push(series);
    }
    merged.push(combine(group, Rule::Greatest));
    merged.series
}

impl Merged {
    fn push(&mut self, series: SeriesData) {
        if !series.timestamps.is_empty() || !series.histograms.is_empty() {
            self.series.push(series);
        }
    }
}

fn combine(mut copies: Vec<SeriesData>, rule: Rule) -> SeriesData {
    if let [only] = &mut copies[..] {
        return mem::take(only);
    }
    let views: Vec<&SeriesData> = copies.iter().collect();
    if let Some((first, others)) = views.split_first()
        && others.iter().all(|other| super::series_merge::same_samples(first, other))
    {
        return copies.swap_remove(0);
    }
    merge_samples(&views, rule)
}

fn least(lists: &mut [Peekable<IntoIter<SeriesData>>]) -> Option<Labels> {
    least_of(lists.iter_mut().filter_map(|list| list.peek().map(|series| &series.labels))).cloned()
}

/// The least label set; equal ones, the usual case, are told by their bytes.
fn least_of<'a>(labels: impl Iterator<Item = &'a Labels>) -> Option<&'a Labels> {
    labels.reduce(|least, next| if next != least && next < least { next } else { least })
}
