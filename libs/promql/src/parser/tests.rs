use proptest::prelude::*;

use super::*;

#[test]
fn canonical_text_parses_to_itself() {
    for text in [
        "1",
        "-Inf",
        "5m",
        "up",
        r#"up{job="x",zone!~"a|b"}"#,
        r#"{"a.b",__name__!=""}"#,
        "rate(up[5m] offset -1m)",
        "up @ 1.500 offset 5m",
        "max_over_time(rate(up[1m])[10m:1m] @ end() offset 1h)",
        "sum by (job, \"a b\") (up)",
        "topk without () (3, up)",
        "-up ^ 2",
        "a + b * c ^ d ^ e - f",
        "a / on (x) group_left (y) b",
        "a == bool ignoring (z) fill_left (0) b",
        "a or b and c unless d",
        "up[5m] smoothed",
        "up[step() + 1m * 2] offset (-range() / 2)",
        r#"label_replace(up, "a", "$1", "b", "(.*)")"#,
        "sum(sum)",
        "a atan2 b",
        "a </ 5",
        "offset offset 5m",
        "fill + fill_left",
    ] {
        let expr = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = expr.to_string();
        let again = parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed, "{text}");
    }
}

#[test]
fn errors_read_as_in_prometheus() {
    for (text, error) in [
        ("", "1:1: parse error: no expression found in input"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("up{job=~\"(\"}", "1:4: parse error: invalid regular expression"),
        ("foo(up)", "1:1: parse error: unknown function with name \"foo\""),
        (
            "rate(up)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("(1 + 2)  == 1", "1:10: parse error: comparisons between scalars must use BOOL modifier"),
        ("a +bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("up[5m", "1:6: parse error: unclosed left bracket"),
        ("sum(up", "1:7: parse error: unclosed left parenthesis"),
        (
            "up offset",
            "1:10: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("up{job}", "1:7: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("up[0s]", "1:4: parse error: duration must be greater than 0"),
        ("a and on (x) group_left () b", "1:1: parse error: no grouping allowed for \"and\" operation"),
        ("up\n  offset x", "2:10: parse error: unexpected identifier \"x\" in offset"),
        ("up up", "1:4: parse error: unexpected identifier \"up\""),
    ] {
        let found = parse(text).expect_err(text).to_string();
        assert!(found.starts_with(error), "{text}\n  expected {error}\n  found    {found}");
    }
}

#[test]
fn selectors_must_select() {
    assert_eq!(parse_selector("up{a=\"b\"}").map(|matchers| matchers.len()), Ok(2));
    for text in ["{a=~\".*\"}", "{}"] {
        let error = parse_selector(text).expect_err(text).to_string();
        assert!(error.ends_with("match[] must contain at least one non-empty matcher"), "{error}");
    }
    assert!(parse_selector("up offset 5m").is_err());
}

#[test]
fn precedence_is_that_of_prometheus() {
    let shape = |text: &str| {
        fn walk(expr: &Expr) -> String {
            match &expr.kind {
                crate::ast::ExprKind::Binary(b) => format!("({} {} {})", walk(&b.left), b.op, walk(&b.right)),
                crate::ast::ExprKind::Unary(_, inner) => format!("(-{})", walk(inner)),
                _ => expr.to_string(),
            }
        }
        walk(&parse(text).expect(text))
    };
    assert_eq!(shape("a + b * c ^ d ^ e - f"), "((a + (b * (c ^ (d ^ e)))) - f)");
    assert_eq!(shape("-a ^ b * c"), "((-(a ^ b)) * c)");
    assert_eq!(shape("a or b and c unless d == e"), "(a or ((b and c) unless (d == e)))");
    assert_eq!(shape("a offset -2 ^ 2"), "(a offset -2s ^ 2)");
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "(".repeat(10_000),
        "-".repeat(10_000),
        format!("1{}", "+1".repeat(10_000)),
        format!("a[{}", "(".repeat(9_999)),
    ] {
        assert!(parse(&text).is_err());
    }
}

proptest! {
    #[test]
    fn outside_text_never_panics(text in "[a-z0-9(){}\\[\\]\"'`=!~<>+*/^,.:@ #\\\\\n-]{0,40}|\\PC{0,20}") {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            prop_assert_eq!(parse(&printed).map(|e| e.to_string()), Ok(printed));
        }
    }
}
