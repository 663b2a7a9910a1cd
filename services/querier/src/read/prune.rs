//! Which blocks a read needs, told from the manifest alone: by time, and by the bounds of label columns.
//!
//! Pure, and wrong in one direction only: a block that could hold a series of the answer is never left out, one that
//! holds none may be read in vain. Bounds speak of values that are there; a series without the label is not described, so
//! only conditions that an absent label cannot meet leave a block out.

use narthex_manifest::{Column, Entry};
use narthex_model::{MatchOp, Matcher, TimeRange};
use regex_syntax::hir::literal::{Extractor, Literal};

/// What a read wants of blocks.
#[derive(Debug, Clone)]
pub struct BlockFilter {
    range: TimeRange,
    /// Conjunctions, one of which a block must be able to meet; none means every block.
    alternatives: Vec<Vec<Condition>>,
}

/// A label whose value is one of some texts, or begins like one of them.
#[derive(Debug, Clone)]
struct Condition {
    label: String,
    texts: Vec<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    Is(String),
    Begins(String),
}

impl BlockFilter {
    /// A filter for a time and alternatives of conjunctions, as label requests have them; none means every series.
    pub fn new(range: TimeRange, alternatives: &[Vec<Matcher>]) -> Self {
        let conditions =
            |matchers: &Vec<Matcher>| matchers.iter().filter_map(Condition::of).collect::<Vec<_>>();
        Self { range, alternatives: alternatives.iter().map(conditions).collect() }
    }

    /// Whether the block can hold something of the answer.
    pub fn needs(&self, entry: &Entry) -> bool {
        let meets = |conditions: &Vec<Condition>| conditions.iter().all(|condition| condition.fits(entry));
        self.is_in_time(entry) && (self.alternatives.is_empty() || self.alternatives.iter().any(meets))
    }

    /// Whether the block lies in the read's time at all.
    pub fn is_in_time(&self, entry: &Entry) -> bool {
        entry.overlaps(self.range)
    }
}

impl Condition {
    /// What a matcher demands of a label's value; nothing if that cannot be told, or a series without the label meets it.
    fn of(matcher: &Matcher) -> Option<Self> {
        let texts = match matcher.op() {
            _ if matcher.matches_empty() => None,
            MatchOp::Equal => Some(vec![Text::Is(matcher.value().to_owned())]),
            MatchOp::Regex => beginnings(matcher.value()),
            MatchOp::NotEqual | MatchOp::NotRegex => None,
        };
        Some(Self { label: matcher.name().to_owned(), texts: texts? })
    }

    fn fits(&self, entry: &Entry) -> bool {
        let Some(column) = entry.column(&self.label) else { return true };
        self.texts.iter().any(|text| text.fits(column))
    }
}

impl Text {
    fn fits(&self, column: &Column) -> bool {
        match self {
            Self::Is(value) => column.may_hold(value),
            Self::Begins(beginning) => column.may_hold_prefix(beginning),
        }
    }
}

/// How every text that an anchored expression matches begins; `None` if that cannot be said with few beginnings.
fn beginnings(pattern: &str) -> Option<Vec<Text>> {
    let parsed = regex_syntax::ParserBuilder::new().dot_matches_new_line(true).build().parse(pattern).ok()?;
    let literals = Extractor::new().extract(&parsed);
    let texts: Vec<Text> = literals.literals()?.iter().map(text).collect();
    let empty = |text: &Text| matches!(text, Text::Begins(beginning) if beginning.is_empty());
    (!texts.iter().any(empty)).then_some(texts)
}

/// A literal as text: one that ends within a character is a beginning only.
fn text(literal: &Literal) -> Text {
    let bytes = literal.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if literal.is_exact() => Text::Is(text.to_owned()),
        Ok(text) => Text::Begins(text.to_owned()),
        Err(error) => Text::Begins(String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use narthex_manifest::CutSet;
    use narthex_model::{BlockId, SeriesHash};
    use proptest::prelude::*;

    use super::*;

    fn entry(min_ms: i64, max_ms: i64, columns: Vec<Column>) -> Entry {
        Entry {
            id: BlockId::from_u128(1),
            level: 0,
            time: TimeRange::from(min_ms..=max_ms),
            min_hash: SeriesHash(0),
            max_hash: SeriesHash(u64::MAX),
            cuts: CutSet::default(),
            series: 1,
            samples: 1,
            bytes: 1_000,
            footer_bytes: 100,
            columns: columns.into(),
        }
    }

    fn jobs(min: &str, max: &str) -> Entry {
        entry(0, 10, Column::new("job", min, max).into_iter().collect())
    }

    fn filter(matchers: &[(MatchOp, &str)]) -> BlockFilter {
        let matcher = |(op, value): &(MatchOp, &str)| Matcher::new("job", *op, value).expect("compiles");
        BlockFilter::new(TimeRange::from(0..=10), &[matchers.iter().map(matcher).collect()])
    }

    #[test]
    fn time_and_bounds_leave_blocks_out_and_nothing_else_does() {
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let block = jobs("d", "m");
        for (op, value, needed) in [
            (Equal, "d", true),
            (Equal, "c", false),
            (Equal, "n", false),
            (Equal, "", true),
            (Regex, "a|b", false),
            (Regex, "a|e", true),
            (Regex, "z.*", false),
            (Regex, "fo.*", true),
            (Regex, "(?i)a", false),
            (Regex, "(?i)D", true),
            (Regex, ".*z", true),
            (Regex, "a|", true),
            (Regex, "z?", true),
            (Regex, "n+", false),
            (Regex, "[no]x", false),
            (NotEqual, "d", true),
            (NotRegex, "d|m", true),
        ] {
            assert_eq!(filter(&[(op, value)]).needs(&block), needed, "{op:?} {value:?}");
        }
        assert!(!filter(&[(Equal, "d"), (Equal, "z")]).needs(&block), "all of a conjunction");
        let other = entry(0, 10, Column::new("other", "a", "b").into_iter().collect());
        assert!(filter(&[(Equal, "z")]).needs(&other), "a label that the entry does not describe");
        assert!(!filter(&[]).needs(&entry(11, 20, Vec::new())), "another time");
    }

    #[test]
    fn one_alternative_is_enough() {
        let alternatives = ["a", "e"].map(|value| vec![Matcher::equal("job", value)]);
        let range = TimeRange::from(0..=10);
        assert!(BlockFilter::new(range, &alternatives).needs(&jobs("d", "m")));
        assert!(!BlockFilter::new(range, &alternatives[..1]).needs(&jobs("d", "m")));
        assert!(BlockFilter::new(range, &[]).needs(&jobs("d", "m")));
    }

    fn patterns() -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof!["[a-cé]{1,3}", Just(".".to_owned()), Just("[b-é]".to_owned()), Just("(?i)B".into())];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(?:{a}){b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(?:{a}|{b})")),
                (inner, prop_oneof![Just("?"), Just("*"), Just("+"), Just("{2}")])
                    .prop_map(|(a, times)| format!("(?:{a}){times}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_block_with_a_matching_value_is_never_left_out(
            pattern in patterns(),
            values in prop::collection::vec("[A-Ca-cé]{0,4}", 1..6),
            negative: bool,
        ) {
            let op = if negative { MatchOp::NotRegex } else { MatchOp::Regex };
            let matcher = Matcher::new("job", op, &pattern).expect("compiles");
            let (min, max) = (values.iter().min().expect("some"), values.iter().max().expect("some"));
            let filter = BlockFilter::new(TimeRange::ALL, &[vec![matcher.clone()]]);
            if values.iter().any(|value| matcher.matches(value)) || matcher.matches_empty() {
                prop_assert!(filter.needs(&jobs(min, max)), "{matcher} over {values:?}");
            }
        }
    }
}
