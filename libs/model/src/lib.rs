//! The vocabulary of every other crate: identifiers, labels, matchers, samples, native histograms and time.
//!
//! Nothing here does I/O or reads a clock. Three rules live here because every component must apply them
//! alike: series identity ([`Labels`] and [`SeriesHash`]), the one order of series ([`cmp_series`]) and the one
//! order of values that compete for a timestamp ([`resolve`]).

#![forbid(unsafe_code)]

mod cut;
mod duration;
mod histogram;
mod ids;
mod ids_serde;
mod labels;
mod matcher;
mod metadata;
mod sample;
mod time;

pub use cut::{BlockId, BlockIdError, Cut};
pub use duration::{DurationError, format_duration, parse_duration};
pub use histogram::{
    BucketSpan, CounterResetHint, Counts, CountsRef, EncodedHistogram, Histogram, HistogramError,
    HistogramRef, MAX_HISTOGRAM_BYTES, SparseHistogram, Totals,
};
pub use ids::{
    AccountId, BootId, Epoch, IdError, Incarnation, InstanceId, ManifestRevision, PartitionId, RingRevision,
    SeriesHash, WorkspaceId, Zone,
};
pub use labels::{
    LabelError, Labels, LabelsBuilder, METRIC_NAME, SEPARATOR, cmp_series, is_valid_label_name,
    is_valid_metric_name, metric_name_of,
};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use metadata::{MetricMetadata, MetricType};
pub use sample::{STALE_NAN_BITS, Sample, Value, is_stale, resolve, stale_marker};
pub use time::{MAX_SAMPLE_AGE_MS, TimeRange, TimestampMs, Window, WindowLength, WindowLengthError};
