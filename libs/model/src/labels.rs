//! A series' label set in its canonical bytes: `name 0xFF value 0xFF ...`, names sorted by bytes.
//!
//! One contiguous buffer is what identity needs: hashing is one pass, equality one `memcmp`, and a set read from a
//! message is a slice of that message. 0xFF occurs in no UTF-8 text, so the form is unambiguous. Invariants: names
//! are unique and not empty, values are not empty (an empty value means the label is absent, as in Prometheus), and
//! both are UTF-8. [`cmp_series`] is the one order of series everywhere (metric name first, then labels).

use std::{cmp::Ordering, fmt, str};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::SeriesHash;

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Ends every name and every value in canonical bytes.
pub const SEPARATOR: u8 = 0xFF;

/// Canonical bytes that are not canonical.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A part without its separator, or an odd number of parts.
    #[error("label set is cut off")]
    Truncated,
    /// Bytes that are no UTF-8.
    #[error("label {0:?} is not valid UTF-8")]
    NotUtf8(String),
    /// A label without a name.
    #[error("empty label name")]
    EmptyName,
    /// A label without a value, which canonical bytes leave out.
    #[error("empty value of label {0:?}")]
    EmptyValue(String),
    /// Names not strictly ascending by bytes.
    #[error("label {0:?} is repeated or out of order")]
    Unsorted(String),
}

/// An immutable label set. Cloning shares the buffer.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels(Bytes);

impl Labels {
    /// The set without labels.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Takes canonical bytes from outside, checking every invariant of the form.
    pub fn from_canonical(bytes: Bytes) -> Result<Self, LabelError> {
        let lossy = |part: &[u8]| String::from_utf8_lossy(part).chars().take(100).collect::<String>();
        let mut rest = &bytes[..];
        let mut previous: &[u8] = &[];
        while !rest.is_empty() {
            let (name, after) = split_part(rest).ok_or(LabelError::Truncated)?;
            let (value, after) = split_part(after).ok_or(LabelError::Truncated)?;
            if name.is_empty() {
                return Err(LabelError::EmptyName);
            }
            if str::from_utf8(name).is_err() || str::from_utf8(value).is_err() {
                return Err(LabelError::NotUtf8(lossy(name)));
            }
            if value.is_empty() {
                return Err(LabelError::EmptyValue(lossy(name)));
            }
            if name <= previous {
                return Err(LabelError::Unsorted(lossy(name)));
            }
            previous = name;
            rest = after;
        }
        Ok(Self(bytes))
    }

    /// Takes bytes that a trusted peer or our own disk wrote in canonical form; the caller vouches for the invariants,
    /// which debug builds check. Names or values that are no UTF-8 show as empty text, never as a panic.
    pub fn from_canonical_trusted(bytes: Bytes) -> Self {
        debug_assert!(Self::from_canonical(bytes.clone()).is_ok(), "not canonical: {bytes:?}");
        Self(bytes)
    }

    /// Builds a set from pairs in any order; a later pair replaces an earlier one, empty values are left out.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Names and values in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        LabelIter(&self.0)
    }

    /// Names and values as bytes in canonical order; cheaper than [`Self::iter`], which looks whether they are UTF-8.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        raw_pairs(&self.0)
    }

    /// The value of a label, if present.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs().find(|(other, _)| *other == name.as_bytes())?;
        Some(str::from_utf8(value).unwrap_or_default())
    }

    /// The metric's name, empty if the set has none.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// The hash that places the series in ring and shards.
    pub fn series_hash(&self) -> SeriesHash {
        SeriesHash(xxh3_64(&self.0))
    }

    /// The labels whose name satisfies `keep`.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len());
        for (name, value) in self.pairs() {
            if keep(str::from_utf8(name).unwrap_or_default()) {
                push_part(&mut bytes, name);
                push_part(&mut bytes, value);
            }
        }
        if bytes.len() == self.0.len() { self.clone() } else { Self(bytes.into()) }
    }

    /// All labels but the metric's name.
    #[must_use]
    pub fn without_metric_name(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Prometheus's notation: `{__name__="up", job="x"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            if is_valid_label_name(name) {
                write!(f, "{comma}{name}={value:?}")?;
            } else {
                write!(f, "{comma}{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of [`cmp_series`].
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_series(&self.0, &other.0)
    }
}

#[derive(Clone)]
struct LabelIter<'a>(&'a [u8]);

impl<'a> Iterator for LabelIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split_part(self.0)?;
        let (value, rest) = split_part(rest)?;
        self.0 = rest;
        Some((str::from_utf8(name).unwrap_or_default(), str::from_utf8(value).unwrap_or_default()))
    }
}

/// Collects labels in any order and builds the canonical form; also edits an existing set.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder(Vec<(String, String)>);

impl LabelsBuilder {
    /// Starts from an existing set.
    pub fn from_labels(labels: &Labels) -> Self {
        Self(labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(at) if value.is_empty() => drop(self.0.remove(at)),
            Ok(at) => value.clone_into(&mut self.0[at].1),
            Err(_) if value.is_empty() || name.is_empty() => {}
            Err(at) => self.0.insert(at, (name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The canonical set.
    pub fn build(&self) -> Labels {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|(n, v)| n.len() + v.len() + 2).sum());
        for (name, value) in &self.0 {
            push_part(&mut bytes, name.as_bytes());
            push_part(&mut bytes, value.as_bytes());
        }
        Labels(bytes.into())
    }
}

/// The metric's name inside canonical bytes, empty if there is none.
pub fn metric_name_of(canonical: &[u8]) -> &[u8] {
    raw_pairs(canonical).find(|(name, _)| *name == METRIC_NAME.as_bytes()).map_or(&[], |(_, value)| value)
}

/// The one order of series: metric name first, then the remaining labels pairwise by bytes; a set that is a prefix of
/// another comes first. Heads' answers, Select streams, block rows and merges all follow it. Takes canonical bytes.
pub fn cmp_series(a: &[u8], b: &[u8]) -> Ordering {
    // Sorting hundreds of thousands of series is bound by this: where no label sorts before the metric's name, bytes decide.
    if let (Some(first), Some(second)) = (metric_name_first(a), metric_name_first(b))
        && first == second
    {
        return cmp_parts(a, b);
    }
    metric_name_of(a).cmp(metric_name_of(b)).then_with(|| {
        let others = |bytes| raw_pairs(bytes).filter(|(name, _)| *name != METRIC_NAME.as_bytes());
        others(a).cmp(others(b))
    })
}

/// Whether the first label is the metric's name, or that no label is; `None` where that takes a closer look.
fn metric_name_first(canonical: &[u8]) -> Option<bool> {
    match canonical.first() {
        None => Some(false),
        Some(first) if *first > METRIC_NAME.as_bytes()[0] => Some(false),
        Some(_) => {
            let rest = canonical.strip_prefix(METRIC_NAME.as_bytes())?;
            (rest.first() == Some(&SEPARATOR)).then_some(true)
        }
    }
}

/// Compares names and values in turn: the first byte that differs decides, and the part that ended there is the smaller one.
fn cmp_parts(a: &[u8], b: &[u8]) -> Ordering {
    const WORD: usize = 8;
    let words = a.as_chunks::<WORD>().0.iter().zip(b.as_chunks::<WORD>().0);
    let start = WORD * words.take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    match a.iter().zip(b).find(|(a, b)| a != b) {
        // The separator is the largest byte, and an end.
        Some((a, b)) => a.wrapping_add(1).cmp(&b.wrapping_add(1)),
        None => a.len().cmp(&b.len()),
    }
}

fn raw_pairs(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name, after) = split_part(rest)?;
        let (value, after) = split_part(after)?;
        rest = after;
        Some((name, value))
    })
}

fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(SEPARATOR, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn push_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(part);
    bytes.push(SEPARATOR);
}

/// Whether a name can be written without quotes in PromQL: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_valid_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a metric name can be written without quotes in PromQL: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_valid_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_bytes_are_sorted_and_leave_empty_values_out() {
        let labels = Labels::from_pairs([("job", "x"), ("__name__", "up"), ("gone", "")]);
        assert_eq!(&labels.as_bytes()[..], b"__name__\xFFup\xFFjob\xFFx\xFF");
        assert_eq!(labels.to_string(), r#"{__name__="up", job="x"}"#);
        assert_eq!(labels.without_metric_name(), Labels::from_pairs([("job", "x")]));
    }

    #[test]
    fn hostile_canonical_bytes_are_refused() {
        for (bytes, error) in [
            (&b"a"[..], LabelError::Truncated),
            (b"a\xFFb", LabelError::Truncated),
            (b"a\xFFb\xFFa\xFFc\xFF", LabelError::Unsorted("a".into())),
            (b"\xFFb\xFF", LabelError::EmptyName),
            (b"a\xFF\xFF", LabelError::EmptyValue("a".into())),
            (b"a\xFF\xC0\xFF", LabelError::NotUtf8("a".into())),
        ] {
            assert_eq!(Labels::from_canonical(Bytes::from_static(bytes)), Err(error));
        }
    }

    #[test]
    fn series_order_puts_the_metric_name_first() {
        let upper = Labels::from_pairs([("A", "1"), ("__name__", "b")]);
        let lower = Labels::from_pairs([("z", "9"), ("__name__", "a")]);
        assert!(lower < upper, "the name decides although label A sorts before __name__");
        assert!(Labels::from_pairs([("__name__", "a")]) < lower, "a prefix comes first");
    }

    fn labels() -> impl Strategy<Value = Labels> {
        proptest::collection::vec(("(__name__|__[a-z]__|[A-Za-z]{1,2}|ä|name_of_eight)", "[a-cß]{0,2}"), 0..5)
            .prop_map(Labels::from_pairs)
    }

    proptest! {
        #[test]
        fn built_sets_are_canonical(labels in labels()) {
            prop_assert_eq!(Labels::from_canonical(labels.as_bytes().clone()), Ok(labels.clone()));
            prop_assert_eq!(Labels::from_pairs(labels.iter()), labels);
        }

        #[test]
        fn series_are_ordered_by_name_then_pairs(a in labels(), b in labels()) {
            let key = |labels: &Labels| {
                let others = labels.without_metric_name();
                let others: Vec<_> = others.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                (labels.metric_name().to_owned(), others)
            };
            prop_assert_eq!(a.cmp(&b), key(&a).cmp(&key(&b)));
        }

        #[test]
        fn series_order_is_total(a in labels(), b in labels(), c in labels()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn outside_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(labels) = Labels::from_canonical(bytes.into()) {
                prop_assert_eq!(Labels::from_pairs(labels.iter()), labels);
            }
        }
    }
}
