//! What the writer tells about a finished block: enough to plan over it without touching the object.

use narthex_model::{MatchOp, Matcher, SeriesHash, TimeRange};

/// Longest bound of a label that is kept, in bytes.
pub const MAX_BOUND_BYTES: usize = 64;

/// A finished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMeta {
    /// Distinct series.
    pub series: u64,
    /// Rows: one per series and window.
    pub rows: u64,
    /// Samples, floats and histograms.
    pub samples: u64,
    /// Size of the object.
    pub bytes: u64,
    /// Bytes at the object's end that hold the footer and the page index: what one request reads to open it.
    pub footer_length: u64,
    /// First and last timestamp.
    pub time: TimeRange,
    /// Smallest and largest series hash.
    pub hashes: (SeriesHash, SeriesHash),
    /// Per promoted label, in column order.
    pub labels: Vec<LabelRange>,
}

impl BlockMeta {
    /// Whether the block may hold a matching series with samples in the range. `false` is certain.
    pub fn may_match(&self, matchers: &[Matcher], range: TimeRange) -> bool {
        self.time.overlaps(range) && self.labels.iter().all(|label| label.may_match(matchers))
    }
}

/// The values of one promoted label in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRange {
    /// The label's name.
    pub name: String,
    /// Not greater than any value; at most [`MAX_BOUND_BYTES`] long.
    pub min: String,
    /// Not less than any value by bytes; at most [`MAX_BOUND_BYTES`] long. `None` if no such bound is short enough.
    pub max: Option<String>,
    /// Rows that have the label; where it is 0 the bounds say nothing.
    pub rows: u64,
    /// Whether some row lacks the label.
    pub absent: bool,
}

impl LabelRange {
    /// Whether rows may satisfy all matchers on this label. `false` is certain.
    pub fn may_match(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().filter(|matcher| matcher.name() == self.name).all(|matcher| {
            (self.absent && matcher.matches_empty()) || (self.rows > 0 && self.may_hold(matcher))
        })
    }

    fn may_hold(&self, matcher: &Matcher) -> bool {
        let inside =
            |value: &str| self.min.as_str() <= value && self.max.as_deref().is_none_or(|max| value <= max);
        let single = self.max.as_ref() == Some(&self.min) && self.min.len() < MAX_BOUND_BYTES;
        match matcher.op() {
            MatchOp::Equal => inside(matcher.value()),
            // A bound may be shortened, so only one that is a value itself decides.
            MatchOp::NotEqual | MatchOp::Regex | MatchOp::NotRegex => !single || matcher.matches(&self.min),
        }
    }
}

/// Collects the bounds of one label while rows are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelBounds {
    min: Option<String>,
    max: String,
    rows: u64,
}

impl LabelBounds {
    pub(crate) fn add(&mut self, value: &str) {
        self.rows += 1;
        match &mut self.min {
            None => {
                self.min = Some(value.to_owned());
                value.clone_into(&mut self.max);
            }
            Some(min) if value < min.as_str() => value.clone_into(min),
            Some(_) if value > self.max.as_str() => value.clone_into(&mut self.max),
            Some(_) => {}
        }
    }

    pub(crate) fn finish(self, name: &str, all_rows: u64) -> LabelRange {
        LabelRange {
            name: name.to_owned(),
            min: floor(self.min.unwrap_or_default()),
            max: ceiling(self.max),
            rows: self.rows,
            absent: self.rows < all_rows,
        }
    }
}

/// A prefix is not greater than the whole.
fn floor(mut value: String) -> String {
    value.truncate(value.floor_char_boundary(MAX_BOUND_BYTES));
    value
}

/// A prefix whose last character that can grow is grown by one, and which is cut there, is greater than the whole.
fn ceiling(value: String) -> Option<String> {
    if value.len() <= MAX_BOUND_BYTES {
        return Some(value);
    }
    let mut prefix: Vec<char> = value[..value.floor_char_boundary(MAX_BOUND_BYTES)].chars().collect();
    while let Some(last) = prefix.pop() {
        // The next scalar value must not take more bytes, or the bound would outgrow its limit.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next.filter(|next| next.len_utf8() == last.len_utf8()) {
            prefix.push(next);
            return Some(prefix.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(values: &[&str], rows: u64) -> LabelRange {
        let mut bounds = LabelBounds::default();
        values.iter().for_each(|value| bounds.add(value));
        bounds.finish("job", rows)
    }

    #[test]
    fn bounds_decide_equality_and_absence() {
        let matcher = |op, value| [Matcher::new("job", op, value).expect("compiles")];
        let some = range(&["b", "d"], 3);
        assert!(some.may_match(&matcher(MatchOp::Equal, "c")), "inside the bounds");
        assert!(!some.may_match(&matcher(MatchOp::Equal, "e")));
        assert!(some.may_match(&matcher(MatchOp::Equal, "")), "a row lacks it");
        assert!(!range(&["b"], 1).may_match(&matcher(MatchOp::Equal, "")));
        assert!(!range(&["b"], 1).may_match(&matcher(MatchOp::NotRegex, "b|c")), "the only value");
        assert!(!range(&[], 4).may_match(&matcher(MatchOp::Regex, ".+")));
    }

    proptest! {
        #[test]
        fn shortened_bounds_enclose_every_value(values in proptest::collection::vec("[a-zä\u{10ffff}]{0,100}", 1..6)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let range = range(&values, values.len() as u64);
            prop_assert!(range.min.len() <= MAX_BOUND_BYTES);
            for value in values {
                prop_assert!(range.min.as_str() <= value);
                if let Some(max) = &range.max {
                    prop_assert!(value <= max.as_str() && max.len() <= MAX_BOUND_BYTES);
                }
            }
        }
    }
}
