//! From labels as sent to canonical bytes and hash, or to the reason why the series is refused.
//!
//! One pass over sorted labels, as every sender writes them; others are sorted first. Label values that are empty mean an
//! absent label and are left out. Names and values may be any UTF-8, as in Prometheus 3. Texts are Prometheus's where it has
//! one, else what a user of AMP or Mimir would search for. Limits: QUO-10, QUO-12, LIM-1 to LIM-5.

use std::{borrow::Cow, fmt::Write, str};

use narthex_model::{METRIC_NAME, SEPARATOR, SeriesHash, is_valid_label_name};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Label, Series};

/// What a series' labels may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelLimits {
    /// Most labels of a series, the metric's name included (QUO-12).
    pub max_labels: usize,
    /// Longest label value in characters (LIM-5).
    pub max_value_chars: usize,
    /// Most bytes of all names and values of a series together (QUO-10).
    pub max_bytes: usize,
}

impl Default for LabelLimits {
    fn default() -> Self {
        Self { max_labels: 150, max_value_chars: 2048, max_bytes: 7 * 1024 }
    }
}

/// Why a series is refused; final. Every text names the series, shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// No `__name__`, or an empty one.
    #[error("invalid metric name or labels, got {series}: missing metric name")]
    MissingMetricName {
        /// The series.
        series: String,
    },
    /// A metric name that is no UTF-8.
    #[error("invalid metric name or labels, got {series}: invalid metric name")]
    InvalidMetricName {
        /// The series.
        series: String,
    },
    /// An empty label name, or a name or value that is no UTF-8.
    #[error("invalid metric name or labels, got {series}: invalid label {label:?}")]
    InvalidLabel {
        /// The series.
        series: String,
        /// Name of the label, shortened.
        label: String,
    },
    /// A label name that occurs twice.
    #[error("invalid labels for series, labels {series}, duplicated label {label}")]
    DuplicateLabel {
        /// The series.
        series: String,
        /// The name.
        label: String,
    },
    /// More labels than allowed.
    #[error("series has too many labels (actual: {actual}, limit: {limit}) series: '{series}'")]
    TooManyLabels {
        /// Labels sent.
        actual: usize,
        /// Labels allowed.
        limit: usize,
        /// The series.
        series: String,
    },
    /// A label value longer than allowed.
    #[error(
        "received a series whose label value length exceeds the limit of {limit} characters, label: '{label}' series: '{series}'"
    )]
    ValueTooLong {
        /// Characters allowed.
        limit: usize,
        /// Name of the label.
        label: String,
        /// The series.
        series: String,
    },
    /// Names and values together longer than allowed.
    #[error("labels of the series exceed the limit of {limit} bytes (actual: {actual}) series: '{series}'")]
    TooManyBytes {
        /// Bytes sent.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
        /// The series.
        series: String,
    },
}

impl SeriesError {
    /// The reason under which refused samples are counted (usage-metrics section 1.5). The total size of labels has none of its
    /// own and counts as a value that is too long.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissingMetricName { .. } => "missing_metric_name",
            Self::InvalidMetricName { .. } => "metric_name_invalid",
            Self::InvalidLabel { .. } => "label_invalid",
            Self::DuplicateLabel { .. } => "duplicate_label_names",
            Self::TooManyLabels { .. } => "max_label_names_per_series",
            Self::ValueTooLong { .. } | Self::TooManyBytes { .. } => "label_value_too_long",
        }
    }
}

/// A valid series, in the canonicalizer's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canonical<'b> {
    /// Canonical label bytes.
    pub bytes: &'b [u8],
    /// Their hash.
    pub hash: SeriesHash,
}

/// Validates series and writes their canonical bytes, one after the other into the same buffer.
#[derive(Debug)]
pub struct Canonicalizer {
    limits: LabelLimits,
    buffer: Vec<u8>,
}

impl Canonicalizer {
    /// For these limits.
    pub fn new(limits: LabelLimits) -> Self {
        Self {
            limits,
            buffer: Vec::with_capacity(limits.max_bytes.min(1 << 16) + 2 * limits.max_labels.min(1 << 12)),
        }
    }

    /// The limits.
    pub fn limits(&self) -> LabelLimits {
        self.limits
    }

    /// Sorts the labels if need be, validates them and returns canonical bytes and hash.
    pub fn canonicalize(&mut self, series: &mut Series<'_>) -> Result<Canonical<'_>, SeriesError> {
        let labels = &mut series.labels;
        let mut ascending = true;
        let mut bytes = 0;
        let mut longest = 0;
        let mut previous: &[u8] = &[];
        for label in labels.iter() {
            // The first name is above the empty one unless it is empty itself, which is refused below.
            ascending &= previous < label.name;
            previous = label.name;
            bytes += label.name.len() + label.value.len();
            longest = longest.max(label.value.len());
        }
        let LabelLimits { max_labels, max_value_chars, max_bytes } = self.limits;
        if !ascending || series.label_count > max_labels || longest > max_value_chars || bytes > max_bytes {
            self.judge(series, bytes)?;
        }
        self.write(&series.labels)?;
        Ok(Canonical { bytes: &self.buffer, hash: SeriesHash(xxh3_64(&self.buffer)) })
    }

    /// What is not plain: sorts, and finds the reason to refuse if there is one.
    #[cold]
    fn judge(&self, series: &mut Series<'_>, bytes: usize) -> Result<(), SeriesError> {
        let LabelLimits { max_labels, max_value_chars, max_bytes } = self.limits;
        series.labels.sort_by(|a, b| a.name.cmp(b.name));
        let labels = &series.labels[..];
        if series.label_count > max_labels {
            let present = labels.iter().filter(|label| !label.value.is_empty()).count();
            // Labels without a value are no labels; more than were kept are too many whatever they are.
            if present > max_labels || series.label_count > labels.len() {
                let (actual, limit) = (series.label_count, max_labels);
                return Err(SeriesError::TooManyLabels { actual, limit, series: display_series(labels) });
            }
        }
        let too_long = |label: &&Label<'_>| {
            label.value.len() > max_value_chars
                && str::from_utf8(label.value).map_or(label.value.len(), |value| value.chars().count())
                    > max_value_chars
        };
        if let Some(label) = labels.iter().find(too_long) {
            let (label, series) = (shortened(label.name), display_series(labels));
            return Err(SeriesError::ValueTooLong { limit: max_value_chars, label, series });
        }
        if bytes > max_bytes {
            return Err(SeriesError::TooManyBytes {
                actual: bytes,
                limit: max_bytes,
                series: display_series(labels),
            });
        }
        if let Some(label) = labels.first().filter(|label| label.name.is_empty()) {
            return Err(SeriesError::InvalidLabel {
                series: display_series(labels),
                label: shortened(label.name),
            });
        }
        match labels.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => {
                let (series, label) = (display_series(labels), shortened(pair[0].name));
                Err(SeriesError::DuplicateLabel { series, label })
            }
            None => Ok(()),
        }
    }

    /// Writes labels that are sorted and unique.
    fn write(&mut self, labels: &[Label<'_>]) -> Result<(), SeriesError> {
        let buffer = &mut self.buffer;
        buffer.clear();
        let (mut separators, mut named) = (0, false);
        for Label { name, value } in labels {
            if value.is_empty() {
                continue;
            }
            named |= *name == METRIC_NAME.as_bytes();
            buffer.extend_from_slice(name);
            buffer.push(SEPARATOR);
            buffer.extend_from_slice(value);
            buffer.push(SEPARATOR);
            separators += 2;
        }
        // If no byte but the separators is above 0x7F, everything is ASCII and nothing need be looked at label by label.
        let high: usize = buffer.iter().map(|byte| usize::from(byte >> 7)).sum();
        if high != separators {
            check_utf8(labels)?;
        }
        if named { Ok(()) } else { Err(SeriesError::MissingMetricName { series: display_series(labels) }) }
    }
}

/// Names and values must be UTF-8; labels without a value, which are left out, do not matter.
#[cold]
fn check_utf8(labels: &[Label<'_>]) -> Result<(), SeriesError> {
    let is_text = |bytes: &[u8]| str::from_utf8(bytes).is_ok();
    let present = |label: &&Label<'_>| !label.value.is_empty();
    match labels.iter().filter(present).find(|label| !is_text(label.name) || !is_text(label.value)) {
        None => Ok(()),
        Some(label) if label.name == METRIC_NAME.as_bytes() => {
            Err(SeriesError::InvalidMetricName { series: display_series(labels) })
        }
        Some(label) => {
            Err(SeriesError::InvalidLabel { series: display_series(labels), label: shortened(label.name) })
        }
    }
}

/// Labels in Prometheus's notation, cut to about 200 characters; what is no UTF-8 shows as replacement characters.
pub fn display_series(labels: &[Label<'_>]) -> String {
    const LONGEST: usize = 200;
    let mut text = String::from("{");
    for (at, Label { name, value }) in labels.iter().enumerate() {
        if text.len() > LONGEST {
            text.push_str(", ...");
            break;
        }
        let name = String::from_utf8_lossy(&name[..name.len().min(LONGEST)]);
        let name = if is_valid_label_name(&name) { name } else { Cow::Owned(format!("{name:?}")) };
        let value = shortened(value);
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{name}={value:?}", if at == 0 { "" } else { ", " });
    }
    text.push('}');
    text
}

fn shortened(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(800)]).chars().take(200).collect()
}

#[cfg(test)]
#[path = "canonical_test.rs"]
mod tests;
