//! Metric metadata of a workspace within its three limits: metrics, entries of a metric, and length of an entry.
//!
//! Beyond a limit metadata is dropped and counted, samples are not touched (QUO-1, QUO-13, QUO-14, ERR-12).

use std::collections::BTreeMap;

use narthex_model::{MetricMetadata, MetricType};

/// Metrics with metadata in a workspace.
const MAX_METRICS: usize = 20_000;
/// Distinct entries of a metric.
const MAX_ENTRIES: usize = 10;
/// Length of name, type, help and unit of an entry, in bytes.
const MAX_LENGTH: usize = 1024;

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is new and stored.
    Stored,
    /// It was there.
    Known,
    /// A limit forbids it.
    Dropped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: MetricType,
    help: Box<str>,
    unit: Box<str>,
}

/// All metadata of a workspace, by metric.
#[derive(Debug, Default)]
pub(super) struct MetadataStore {
    metrics: BTreeMap<Box<str>, Vec<Entry>>,
}

impl MetadataStore {
    /// Keeps an entry if it is new and fits.
    pub(super) fn note(&mut self, metric: &str, kind: MetricType, help: &str, unit: &str) -> Noted {
        let is_it = |entry: &Entry| entry.kind == kind && *entry.help == *help && *entry.unit == *unit;
        let length = metric.len() + kind.as_str().len() + help.len() + unit.len();
        let full = self.metrics.len() >= MAX_METRICS;
        let known = self.metrics.get_mut(metric);
        if known.as_ref().is_some_and(|entries| entries.iter().any(is_it)) {
            return Noted::Known;
        }
        if length > MAX_LENGTH || metric.is_empty() {
            return Noted::Dropped;
        }
        let entry = Entry { kind, help: help.into(), unit: unit.into() };
        match known {
            Some(entries) if entries.len() >= MAX_ENTRIES => return Noted::Dropped,
            Some(entries) => entries.push(entry),
            None if full => return Noted::Dropped,
            None => drop(self.metrics.insert(metric.into(), vec![entry])),
        }
        Noted::Stored
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// Entries of one metric, or of all metrics for an empty name; at most `limit` metrics (0: all), by name.
    pub(super) fn list(&self, metric: &str, limit: usize) -> Vec<MetricMetadata> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let chosen =
            self.metrics.iter().filter(|(name, _)| metric.is_empty() || ***name == *metric).take(limit);
        let entry = |name: &str, entry: &Entry| MetricMetadata {
            metric: name.to_owned(),
            kind: entry.kind,
            help: entry.help.to_string(),
            unit: entry.unit.to_string(),
        };
        chosen.flat_map(|(name, entries)| entries.iter().map(move |found| entry(name, found))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_drop_entries_and_keep_what_is_there() {
        let mut store = MetadataStore::default();
        for n in 0..12 {
            let noted = store.note("up", MetricType::Gauge, &format!("help {n}"), "");
            assert_eq!(noted, if n < 10 { Noted::Stored } else { Noted::Dropped });
        }
        assert_eq!(store.note("up", MetricType::Gauge, "help 3", ""), Noted::Known);
        assert_eq!(store.note("long", MetricType::Gauge, &"x".repeat(1100), ""), Noted::Dropped);
        for n in 1..20_000 {
            assert_eq!(store.note(&format!("m{n}"), MetricType::Counter, "", ""), Noted::Stored);
        }
        assert_eq!(store.note("one_more", MetricType::Counter, "", ""), Noted::Dropped);
        assert_eq!(store.list("up", 0).len(), 10);
        assert_eq!(
            store
                .list("", 5)
                .iter()
                .map(|entry| &entry.metric)
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            5
        );
    }
}
