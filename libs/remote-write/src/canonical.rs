//! From labels as sent to canonical bytes and hash, or to the reason why the series is refused.
//!
//! One pass over sorted labels, as every sender writes them; others are sorted first. Label values that are empty mean an
//! absent label and are left out. Names and values may be any UTF-8, as in Prometheus 3. Texts are Prometheus's where it has
//! one, else what a user of AMP or Mimir would search for. Limits: QUO-10, QUO-12, LIM-1 to LIM-5.

use std::{borrow::Cow, fmt::Write, str};

use narthex_model::{SEPARATOR, SeriesHash, is_valid_label_name};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Label, Series};

const METRIC_NAME: &[u8; 8] = b"__name__";

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

/// Why a series is refused; final. Labels are named by their place in the sorted series, so that nothing is formatted for a
/// refusal that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesFault {
    /// No `__name__`, or an empty one.
    MissingMetricName,
    /// A metric name that is no UTF-8.
    InvalidMetricName,
    /// An empty label name, or a name or value that is no UTF-8.
    InvalidLabel(usize),
    /// A label name that occurs twice.
    DuplicateLabel(usize),
    /// More labels than allowed.
    TooManyLabels {
        /// Labels sent.
        actual: usize,
        /// Labels allowed.
        limit: usize,
    },
    /// A label value longer than allowed.
    ValueTooLong {
        /// Place of the label.
        label: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// Names and values together longer than allowed.
    TooManyBytes {
        /// Bytes sent.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl SeriesFault {
    /// The reason under which refused samples are counted (usage-metrics section 1.5). The total size of labels has none of its
    /// own and counts as a value that is too long.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MissingMetricName => "missing_metric_name",
            Self::InvalidMetricName => "metric_name_invalid",
            Self::InvalidLabel(_) => "label_invalid",
            Self::DuplicateLabel(_) => "duplicate_label_names",
            Self::TooManyLabels { .. } => "max_label_names_per_series",
            Self::ValueTooLong { .. } | Self::TooManyBytes { .. } => "label_value_too_long",
        }
    }

    /// The text for the sender. `labels` are those of the refused series, as canonicalising left them; they appear shortened.
    pub fn describe(self, labels: &[Label<'_>]) -> String {
        let series = display_series(labels);
        let name = |at: usize| labels.get(at).map(|label| shortened(label.name)).unwrap_or_default();
        match self {
            Self::MissingMetricName => {
                format!("invalid metric name or labels, got {series}: missing metric name")
            }
            Self::InvalidMetricName => {
                format!("invalid metric name or labels, got {series}: invalid metric name")
            }
            Self::InvalidLabel(at) => {
                format!("invalid metric name or labels, got {series}: invalid label {:?}", name(at))
            }
            Self::DuplicateLabel(at) => {
                format!("invalid labels for series, labels {series}, duplicated label {}", name(at))
            }
            Self::TooManyLabels { actual, limit } => {
                format!("series has too many labels (actual: {actual}, limit: {limit}) series: '{series}'")
            }
            Self::ValueTooLong { label, limit } => format!(
                "received a series whose label value length exceeds the limit of {limit} characters, label: '{}' series: '{series}'",
                name(label)
            ),
            Self::TooManyBytes { actual, limit } => {
                format!(
                    "labels of the series exceed the limit of {limit} bytes (actual: {actual}) series: '{series}'"
                )
            }
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
    pub fn canonicalize(&mut self, series: &mut Series<'_>) -> Result<Canonical<'_>, SeriesFault> {
        let labels = &mut series.labels;
        let mut ascending = true;
        let mut bytes = 0;
        let mut longest = 0;
        let mut previous: &[u8] = &[];
        for label in labels.iter() {
            // The first name is above the empty one unless it is empty itself, which is refused below.
            ascending &= ascends(previous, label.name);
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
    fn judge(&self, series: &mut Series<'_>, bytes: usize) -> Result<(), SeriesFault> {
        let LabelLimits { max_labels, max_value_chars, max_bytes } = self.limits;
        series.labels.sort_by(|a, b| a.name.cmp(b.name));
        let labels = &series.labels[..];
        if series.label_count > max_labels {
            let present = labels.iter().filter(|label| !label.value.is_empty()).count();
            // Labels without a value are no labels; more than were kept are too many whatever they are.
            if present > max_labels || series.label_count > labels.len() {
                return Err(SeriesFault::TooManyLabels { actual: series.label_count, limit: max_labels });
            }
        }
        let too_long = |label: &Label<'_>| {
            let characters = str::from_utf8(label.value).map(|value| value.chars().count());
            label.value.len() > max_value_chars && characters.unwrap_or(label.value.len()) > max_value_chars
        };
        if let Some(label) = labels.iter().position(too_long) {
            return Err(SeriesFault::ValueTooLong { label, limit: max_value_chars });
        }
        if bytes > max_bytes {
            return Err(SeriesFault::TooManyBytes { actual: bytes, limit: max_bytes });
        }
        if labels.first().is_some_and(|label| label.name.is_empty()) {
            return Err(SeriesFault::InvalidLabel(0));
        }
        match labels.windows(2).position(|pair| pair[0].name == pair[1].name) {
            Some(at) => Err(SeriesFault::DuplicateLabel(at)),
            None => Ok(()),
        }
    }

    /// Writes labels that are sorted and unique.
    fn write(&mut self, labels: &[Label<'_>]) -> Result<(), SeriesFault> {
        let buffer = &mut self.buffer;
        buffer.clear();
        let (mut separators, mut named) = (0, false);
        for Label { name, value } in labels {
            if value.is_empty() {
                continue;
            }
            named |= is_metric_name(name);
            buffer.extend_from_slice(name);
            buffer.push(SEPARATOR);
            buffer.extend_from_slice(value);
            buffer.push(SEPARATOR);
            separators += 2;
        }
        // If no byte but the separators is above 0x7F, everything is ASCII and nothing need be looked at label by label.
        if count_high(buffer) != separators {
            check_utf8(labels)?;
        }
        if named { Ok(()) } else { Err(SeriesFault::MissingMetricName) }
    }
}

/// Whether this is the name of the label that holds the metric's name; eight bytes are one comparison.
fn is_metric_name(name: &[u8]) -> bool {
    <&[u8; 8]>::try_from(name).is_ok_and(|name| name == METRIC_NAME)
}

/// Number of bytes above 0x7F, eight at a time: each byte of a word counts for itself, as often as a byte can count.
fn count_high(bytes: &[u8]) -> usize {
    let mut count = 0;
    for block in bytes.chunks(8 * 255) {
        let (words, rest) = block.as_chunks::<8>();
        let high = |word: &[u8; 8]| u64::from_le_bytes(*word) >> 7 & 0x0101_0101_0101_0101;
        let lanes: u64 = words.iter().map(high).sum();
        let pairs = (lanes & 0x00FF_00FF_00FF_00FF) + (lanes >> 8 & 0x00FF_00FF_00FF_00FF);
        count += (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize;
        count += rest.iter().filter(|byte| **byte > 0x7F).count();
    }
    count
}

/// Whether `name` comes after `previous`; most names differ in their first byte.
#[inline]
fn ascends(previous: &[u8], name: &[u8]) -> bool {
    match (previous.first(), name.first()) {
        (Some(a), Some(b)) if a != b => a < b,
        _ => previous < name,
    }
}

/// Names and values must be UTF-8; labels without a value, which are left out, do not matter.
#[cold]
fn check_utf8(labels: &[Label<'_>]) -> Result<(), SeriesFault> {
    let is_text = |bytes: &[u8]| str::from_utf8(bytes).is_ok();
    let is_sound = |label: &Label<'_>| label.value.is_empty() || is_text(label.name) && is_text(label.value);
    match labels.iter().position(|label| !is_sound(label)) {
        None => Ok(()),
        Some(at) if is_metric_name(labels[at].name) => Err(SeriesFault::InvalidMetricName),
        Some(at) => Err(SeriesFault::InvalidLabel(at)),
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
