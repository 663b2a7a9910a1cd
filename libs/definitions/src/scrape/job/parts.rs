//! Options of a job that are types of their own.

use crate::cursor::Cursor;

/// How targets are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Without encryption.
    #[default]
    Http,
    /// With encryption.
    Https,
}

/// A form of metrics, as the `Accept` header asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `PrometheusProto`
    Protobuf,
    /// `OpenMetricsText0.0.1`
    OpenMetrics0,
    /// `OpenMetricsText1.0.0`
    OpenMetrics1,
    /// `PrometheusText0.0.4`
    Text0,
    /// `PrometheusText1.0.0`
    Text1,
}

/// What targets are asked to do with names that are not of the old alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// `allow-utf-8`
    Allow,
    /// `underscores`
    Underscores,
    /// `dots`
    Dots,
    /// `values`
    Values,
}

/// What makes a scrape fail as a whole; 0 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of an answer without compression.
    pub body_bytes: u64,
    /// Samples.
    pub samples: u64,
    /// Targets of the job.
    pub targets: u64,
    /// Labels of a sample.
    pub labels: u64,
    /// Bytes of a label's name.
    pub label_name_bytes: u64,
    /// Bytes of a label's value.
    pub label_value_bytes: u64,
}

/// What becomes of histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NativeHistograms {
    /// Take native histograms where nothing else is said.
    pub scrape: Option<bool>,
    /// Keep classic histograms beside native ones.
    pub keep_classic: bool,
    /// Make native histograms with custom buckets of classic ones.
    pub convert_classic: bool,
}

impl Scheme {
    pub(super) fn read(cursor: &Cursor<'_>) -> Option<Self> {
        choose(cursor, &[("http", Self::Http), ("https", Self::Https)], "scheme")
    }
}

impl Protocol {
    pub(super) fn read(cursor: &Cursor<'_>) -> Option<Self> {
        const ALL: [(&str, Protocol); 5] = [
            ("PrometheusProto", Protocol::Protobuf),
            ("OpenMetricsText0.0.1", Protocol::OpenMetrics0),
            ("OpenMetricsText1.0.0", Protocol::OpenMetrics1),
            ("PrometheusText0.0.4", Protocol::Text0),
            ("PrometheusText1.0.0", Protocol::Text1),
        ];
        choose(cursor, &ALL, "scrape protocol")
    }
}

impl Escaping {
    pub(super) fn read(cursor: &Cursor<'_>) -> Option<Self> {
        const ALL: [(&str, Escaping); 4] = [
            ("allow-utf-8", Escaping::Allow),
            ("underscores", Escaping::Underscores),
            ("dots", Escaping::Dots),
            ("values", Escaping::Values),
        ];
        choose(cursor, &ALL, "escaping scheme")
    }
}

/// The choice that a text names.
pub(crate) fn choose<T: Copy>(cursor: &Cursor<'_>, all: &[(&str, T)], what: &str) -> Option<T> {
    let text = cursor.text()?;
    let found = all.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        cursor.refuse(format!("unknown {what} {text:?}, supported: {}", names.join(", ")));
    }
    found.map(|(_, choice)| *choice)
}
