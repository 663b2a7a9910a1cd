//! A text that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// A short text that the whole expression matches, if it is one that has such a text; `turn` chooses among alternatives.
pub(crate) fn matching(regex: &str, turn: usize) -> Option<String> {
    let hir = regex_syntax::parse(regex).ok()?;
    let mut text = String::new();
    append(&hir, turn, &mut text)?;
    Some(text)
}

fn append(hir: &Hir, turn: usize, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let contains = |c: char| class.iter().any(|range| (range.start()..=range.end()).contains(&c));
            let plain = ['0', '1', 'a', 'A', '-'].into_iter().find(|c| contains(*c));
            text.push(plain.or_else(|| class.iter().next().map(|range| range.start()))?);
        }
        HirKind::Class(Class::Bytes(_)) => return None,
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                append(&repetition.sub, turn, text)?;
            }
        }
        HirKind::Capture(capture) => append(&capture.sub, turn, text)?,
        HirKind::Concat(parts) => {
            for part in parts {
                append(part, turn, text)?;
            }
        }
        HirKind::Alternation(parts) => append(&parts[turn % parts.len()], turn, text)?,
    }
    Some(())
}

#[test]
fn made_texts_match() {
    for regex in
        ["2..", "(cpu|requests.cpu)", "1(\\.0)?", "(/dev/)?(mmcblk.p.+|nvme.+|sd.+)", ".+", "a[0-9]{2}\\.b"]
    {
        let matcher = narthex_model::Matcher::new("x", narthex_model::MatchOp::Regex, regex).unwrap();
        for turn in 0..4 {
            let text = matching(regex, turn).unwrap();
            assert!(matcher.matches(&text), "{text} for {regex}");
        }
    }
}
