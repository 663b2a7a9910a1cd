//! The parser on anything: it never panics, refuses what is too deep, and reads what it writes as what it was.

mod common;

use narthex_promql::parse;
use proptest::prelude::*;

/// Deeper than any query is, and than any stack would bear if depth were not counted.
const DEEP: usize = 100_000;

/// A valid query with some of its bytes replaced, taken out or repeated.
fn mutated() -> impl Strategy<Value = String> {
    let edits = proptest::collection::vec((any::<u16>(), 0..3u8, "[ -~äé\\n]"), 1..6);
    (common::vector(), edits).prop_map(|(query, edits)| {
        let mut letters: Vec<char> = query.chars().collect();
        for (at, kind, letter) in edits {
            let at = usize::from(at) % letters.len().max(1);
            let letter = letter.chars().next().unwrap_or(' ');
            match kind {
                0 if at < letters.len() => letters[at] = letter,
                1 if at < letters.len() => {
                    letters.remove(at);
                }
                _ => letters.insert(at.min(letters.len()), letter),
            }
        }
        letters.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn spoilt_queries_are_parsed_or_refused(query in mutated()) {
        let _ = parse(&query);
    }

    #[test]
    fn what_is_written_is_read_as_what_it_was(query in common::vector()) {
        let written = parse(&query).expect("generated queries parse").to_string();
        let again = parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        prop_assert_eq!(again.to_string(), written);
    }
}

#[test]
fn what_is_too_deep_is_refused() {
    for (opening, closing) in [("(", ")"), ("-", ""), ("abs(", ")"), ("sum(", ")"), ("1 + (", ")")] {
        let query = format!("{}up{}", opening.repeat(DEEP), closing.repeat(DEEP));
        assert!(parse(&query).is_err(), "{DEEP} times {opening:?}");
    }
}
