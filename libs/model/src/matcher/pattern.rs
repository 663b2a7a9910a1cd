//! Anchored regular expressions, with short cuts for the forms that dashboards are made of: alternatives of plain texts, and texts
//! with `.*` around them.
//!
//! An automaton for `.*-api-.*` takes longer to build than to look at thousands of values, and longer to run than a search for the
//! text. So an expression is parsed and taken apart first, and compiled only if it has no simple form. What a simple form matches is
//! what the expression matches; a property test compares the two. Prometheus and VictoriaMetrics do the same for the same reason.

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use regex_syntax::{
    ParserBuilder,
    hir::{Dot, Hir, HirKind, literal::Extractor},
};

/// Compiled size limit of one expression, so that a hostile pattern costs bounded memory.
const REGEX_SIZE_LIMIT: usize = 4 << 20;

/// Most texts that alternatives are spelled out to.
const MOST_TEXTS: usize = 1_000;

/// Longest of them, in bytes.
const LONGEST_TEXT: usize = 1_000;

/// An expression that has to match a whole value.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// One of these texts, in order.
    Texts(Box<[Box<str>]>),
    /// Any value of at least so many bytes: 0 or 1.
    Any(usize),
    /// One of these forms.
    Around(Box<[Around]>),
    /// Anything else.
    Regex(Regex),
}

/// One of some texts, with anything before or after it.
#[derive(Debug, Clone)]
pub(super) struct Around {
    before: bool,
    after: bool,
    texts: Box<[Finder<'static>]>,
}

impl Pattern {
    /// Fails for what does not compile, with the reason.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let parsed = ParserBuilder::new().dot_matches_new_line(true).build().parse(pattern);
        if let Some(simple) = parsed.ok().as_ref().and_then(simple) {
            return Ok(simple);
        }
        let mut builder = RegexBuilder::new(&format!("^(?:{pattern})$"));
        let built = builder.dot_matches_new_line(true).size_limit(REGEX_SIZE_LIMIT).build();
        built.map(Self::Regex).map_err(|error| error.to_string())
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.binary_search_by(|text| (**text).cmp(value)).is_ok(),
            Self::Any(least) => value.len() >= *least,
            Self::Around(forms) => forms.iter().any(|form| form.matches(value.as_bytes())),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// The only texts that match, in order, if there are few.
    pub(super) fn texts(&self) -> Option<&[Box<str>]> {
        if let Self::Texts(texts) = self { Some(texts) } else { None }
    }
}

impl Around {
    fn matches(&self, value: &[u8]) -> bool {
        self.texts.iter().any(|text| match (self.before, self.after) {
            (false, false) => value == text.needle(),
            (false, true) => value.starts_with(text.needle()),
            (true, false) => value.ends_with(text.needle()),
            (true, true) => text.find(value).is_some(),
        })
    }
}

/// The simple form of an expression, if it has one. Whatever looks around itself, such as `\b`, has none.
fn simple(expression: &Hir) -> Option<Pattern> {
    if !expression.properties().look_set().is_empty() {
        return None;
    }
    if let Some(texts) = texts(expression) {
        return Some(Pattern::Texts(texts.into()));
    }
    match inner(expression).kind() {
        HirKind::Repetition(repeated) if is_anything(&repeated.sub) && repeated.max.is_none() => {
            (repeated.min <= 1).then_some(Pattern::Any(repeated.min as usize))
        }
        HirKind::Alternation(forms) => {
            Some(Pattern::Around(forms.iter().map(around).collect::<Option<_>>()?))
        }
        _ => Some(Pattern::Around(Box::new([around(expression)?]))),
    }
}

/// The texts that an expression stands for, in order.
fn texts(expression: &Hir) -> Option<Vec<Box<str>>> {
    let mut extractor = Extractor::new();
    extractor.limit_total(MOST_TEXTS).limit_literal_len(LONGEST_TEXT).limit_repeat(10).limit_class(10);
    let found = extractor.extract(expression);
    let mut texts = Vec::new();
    for literal in found.literals()? {
        let text = std::str::from_utf8(literal.as_bytes()).ok().filter(|_| literal.is_exact())?;
        texts.push(text.into());
    }
    texts.sort();
    texts.dedup();
    Some(texts)
}

fn around(expression: &Hir) -> Option<Around> {
    let expression = inner(expression);
    let mut parts = match expression.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(expression),
    };
    let before = parts.first().is_some_and(is_any_text);
    if before {
        parts = &parts[1..];
    }
    let after = parts.last().is_some_and(is_any_text);
    if after {
        parts = &parts[..parts.len() - 1];
    }
    let texts = texts(&Hir::concat(parts.to_vec()))?;
    let texts = texts.iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect();
    Some(Around { before, after, texts })
}

/// Without the groups around it.
fn inner(expression: &Hir) -> &Hir {
    match expression.kind() {
        HirKind::Capture(capture) => inner(&capture.sub),
        _ => expression,
    }
}

/// Whether it is `.*`, greedy or not.
fn is_any_text(expression: &Hir) -> bool {
    match inner(expression).kind() {
        HirKind::Repetition(repeated) => {
            repeated.min == 0 && repeated.max.is_none() && is_anything(&repeated.sub)
        }
        _ => false,
    }
}

fn is_anything(expression: &Hir) -> bool {
    inner(expression).kind() == Hir::dot(Dot::AnyChar).kind()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(pattern: &str) -> String {
        let text = |finder: &Finder<'_>| String::from_utf8_lossy(finder.needle()).into_owned();
        match Pattern::new(pattern).expect("compiles") {
            Pattern::Texts(texts) => format!("texts {texts:?}"),
            Pattern::Any(least) => format!("any {least}"),
            Pattern::Around(forms) => {
                let shown = |form: &Around| {
                    let star = |there| if there { "*" } else { "" };
                    let texts: Vec<_> = form.texts.iter().map(text).collect();
                    format!("{}{}{}", star(form.before), texts.join("|"), star(form.after))
                };
                forms.iter().map(shown).collect::<Vec<_>>().join(", ")
            }
            Pattern::Regex(_) => "regex".to_owned(),
        }
    }

    #[test]
    fn what_dashboards_ask_for_is_simple() {
        for (pattern, expected) in [
            ("", r#"texts [""]"#),
            ("api", r#"texts ["api"]"#),
            ("b|a|b", r#"texts ["a", "b"]"#),
            ("a|", r#"texts ["", "a"]"#),
            ("api-(1|2)|db", r#"texts ["api-1", "api-2", "db"]"#),
            ("(?i)ab", r#"texts ["AB", "Ab", "aB", "ab"]"#),
            (".*", "any 0"),
            ("(.*)", "any 0"),
            (".+", "any 1"),
            ("api.*", "api*"),
            (".*-api-.*", "*-api-*"),
            ("checkout-.*|payments-.*|x", "checkout-*, payments-*, x"),
            ("10\\.0\\.0\\.(1|2):.*", "10.0.0.1:|10.0.0.2:*"),
            (".*:9(1|0)90", "*:9090|:9190"),
            ("a.*b", "regex"),
            ("a.+", "regex"),
            ("[a-z]+", "regex"),
            ("^a|b$", "regex"),
            ("a\\b.*", "regex"),
            ("(?-s:.*)", "regex"),
            (".{2,}", "regex"),
        ] {
            assert_eq!(form(pattern), expected, "{pattern}");
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => "[ab-]{0,3}",
            3 => Just(".*".to_owned()),
            1 => Just(".+".to_owned()),
            1 => Just(".".to_owned()),
            1 => Just("[ab]".to_owned()),
            1 => Just("ü".to_owned()),
            1 => Just("(?i)a".to_owned()),
            1 => Just("(?-s).*".to_owned()),
            1 => Just("^".to_owned()),
            1 => Just("$".to_owned()),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.join("|")),
                inner.prop_map(|part| format!("(?:{part})?")),
            ]
        })
    }

    proptest! {
        #[test]
        fn short_cuts_match_what_the_expression_matches(
            pattern in piece(),
            values in prop::collection::vec("[aAb\\n-]{0,5}|[aü]{0,3}", 1..20),
        ) {
            let regex = Regex::new(&format!("(?s)^(?:{pattern})$")).expect("compiles");
            let found = Pattern::new(&pattern).expect("compiles");
            for value in &values {
                prop_assert_eq!(found.matches(value), regex.is_match(value), "{} of {:?}", &pattern, value);
            }
            if let Some(texts) = found.texts() {
                prop_assert!(texts.is_sorted() && texts.iter().all(|text| regex.is_match(text)));
            }
        }
    }
}
