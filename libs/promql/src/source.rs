//! Where series come from: the one seam between the engine and storage.
//!
//! The engine asks once per selector for all the time it will need. Answers are columnar and trusted: series in
//! `cmp_series` order without duplicates, timestamps strictly ascending, floats and histograms at disjoint timestamps,
//! stale markers included. An answer that breaks this gives wrong results, so sources check it where data enters.

use async_trait::async_trait;
use narthex_model::{EncodedHistogram, Labels, Matcher, TimeRange};

use crate::{
    engine::{Fragment, FragmentAnswer},
    memory::Reservation,
};

/// What the engine will do with a selection; sources may use it to read less, never to answer differently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectHints {
    /// The function or aggregation right around the selector, empty if none.
    pub function: String,
    /// Distance of evaluation steps in milliseconds, 0 for an instant query.
    pub step_ms: i64,
    /// Length of the range selector in milliseconds, 0 for an instant selector.
    pub range_ms: i64,
}

/// One selector's need.
#[derive(Debug, Clone)]
pub struct Selection {
    /// All must match; at least one does not match the empty value.
    pub matchers: Vec<Matcher>,
    /// Closed interval that must be complete in the answer. Samples outside of it are ignored.
    pub range: TimeRange,
    /// What for.
    pub hints: SelectHints,
}

/// The samples of one series.
#[derive(Debug, Clone, Default)]
pub struct SeriesData {
    /// Its labels.
    pub labels: Labels,
    /// Timestamps of the float samples in milliseconds, ascending.
    pub timestamps: Vec<i64>,
    /// Float samples, as many as timestamps; stale markers included.
    pub values: Vec<f64>,
    /// Histogram samples, ascending; stale markers (by their sum) included.
    pub histograms: Vec<(i64, EncodedHistogram)>,
    /// When the counts of the samples began, where the source knows it.
    pub starts: Option<Box<StartTimestamps>>,
}

/// When the counts of a series' samples began, in milliseconds; 0 where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartTimestamps {
    /// One for each float sample.
    pub floats: Vec<i64>,
    /// One for each histogram sample.
    pub histograms: Vec<i64>,
}

/// A selector's answer.
#[derive(Debug, Clone, Default)]
pub struct SelectedSeries {
    /// In `cmp_series` order, each label set once.
    pub series: Vec<SeriesData>,
    /// Shown to the user beside the result.
    pub warnings: Vec<String>,
    /// What the series occupy, where the source counts it.
    pub memory: Reservation,
}

/// Why a selection has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Part of the data cannot be reached now; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// The selection is beyond a limit, which the text names.
    #[error("{0}")]
    LimitExceeded(String),
    /// Whoever asked has gone.
    #[error("query was canceled in query execution")]
    Canceled,
    /// Anything else.
    #[error("{0}")]
    Internal(String),
}

/// Storage as the engine sees it.
#[async_trait]
pub trait SeriesSource: Send + Sync {
    /// All series that match, with every sample of the range. Dropping the future cancels the read.
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError>;

    /// What comes of a fragment where the series are; `None` if it cannot be answered there, because a series may lie in more than
    /// one place, so that the samples have to be read. Dropping the future cancels the work.
    async fn aggregate(&self, fragment: &Fragment) -> Result<Option<FragmentAnswer>, SourceError> {
        let _ = fragment;
        Ok(None)
    }
}
