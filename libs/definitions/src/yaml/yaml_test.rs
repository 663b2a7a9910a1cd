use super::*;
use crate::problem::{Invalid, Problems};

fn loaded(source: &str) -> Result<Rc<Node>, Invalid> {
    let problems = Problems::default();
    let node = load(source, Origin::FILE, "", &problems);
    problems.finish(node)
}

/// A tree as JSON-like text with places, which is what the tests compare.
fn shown(node: &Node) -> String {
    let body = match &node.kind {
        Kind::Scalar(scalar) if scalar.plain => scalar.text.clone(),
        Kind::Scalar(scalar) => format!("{:?}", scalar.text),
        Kind::List(items) => {
            format!("[{}]", items.iter().map(|item| shown(item)).collect::<Vec<_>>().join(" "))
        }
        Kind::Map(entries) => {
            let entries = entries.iter().map(|entry| format!("{}:{}", entry.key, shown(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
        }
    };
    format!("{body}@{}.{}", node.at.line, node.at.column)
}

#[test]
fn nodes_know_their_places() {
    for (source, expected) in [
        ("a: 1\nb: [x, 'y']\n", "{a:1@1.4 b:[x@2.5 \"y\"@2.8]@2.4}@1.1"),
        ("- a: &x {c: d}\n- *x\n", "[{a:{c:d@1.13}@1.9}@1.3 {c:d@1.13}@1.9]@1.1"),
        ("a:\n  - b\n", "{a:[b@2.5]@2.3}@1.1"),
        ("a: !!str 1", "{a:\"1\"@1.10}@1.1"),
        (
            "base: &b {x: 1, y: 2}\nz: {<<: *b, y: 3}\n",
            "{base:{x:1@1.14 y:2@1.20}@1.10 z:{y:3@2.16 x:1@1.14}@2.4}@1.1",
        ),
    ] {
        assert_eq!(
            loaded(source).map(|node| shown(&node)).map_err(|error| error.to_string()),
            Ok(expected.into()),
            "{source}"
        );
    }
}

#[test]
fn a_text_knows_where_its_characters_are() {
    // Each text contains `X`, which must be found in the file where the map says.
    for (source, exact) in [
        ("a: |\n  b\n  cX\n", true),
        ("a:\n  - b: |-\n\n      b\n       ccX\n", true),
        ("a: |2\n   bX\n", true),
        ("a: 'X'\n", true),
        ("a: \"bX\" # c\n", true),
        ("a: bcX\n", true),
        ("- - k: |\r\n      b\r\n      X\r\n", true),
        ("a: >\n  bX\n", false),
        ("a: \"b\\tX\"\n", false),
        ("a: b\n  X\n", false),
    ] {
        let root = loaded(source).unwrap();
        let scalar = first_text(&root).unwrap();
        let place = |text: &str| {
            let before = text.split('X').next().unwrap();
            let line = before.matches('\n').count() as u32 + 1;
            Position { line, column: before.rsplit('\n').next().unwrap().chars().count() as u32 + 1 }
        };
        let told = scalar.origin.place(place(&scalar.text));
        assert_eq!(told == place(source), exact, "{source:?}: {told:?}");
    }
}

fn first_text(node: &Node) -> Option<&Scalar> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(scalar),
        Kind::List(items) => items.iter().find_map(|item| first_text(item)),
        Kind::Map(entries) => entries.iter().find_map(|entry| first_text(&entry.value)),
    }
}

#[test]
fn what_is_no_single_plain_document_is_refused() {
    for (source, expected) in [
        ("a: 1\na: 2\n", "line 2, column 1: key \"a\" is already set at line 1"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins; the file must have only one"),
        ("a: *b\n", "line 1, column 4: not YAML"),
        ("? [a]\n: b\n", "line 1, column 3: a key of a mapping must be a text"),
        ("a: !ruby/object x\n", "line 1, column 17: the tag !ruby/object is not supported"),
        ("a: &a [*a]\n", "line 1, column 8: an alias cannot be inside of what it stands for"),
        ("a: {<<: x}\n", "line 1, column 5: the value of a merge key"),
        ("a:\n\t- b\n", "line 2, column 2: not YAML: tabs"),
        ("a: [b\n", "line 1, column 4: not YAML: unclosed bracket"),
    ] {
        let told = loaded(source).map(|node| shown(&node)).expect_err(source).to_string();
        assert!(told.starts_with(expected), "{source:?}: {told}");
    }
}

#[test]
fn small_files_cannot_stand_for_huge_ones() {
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    let mut merges = String::from("a0: &a0 {x: x}\n");
    for level in 1..9 {
        let before = level - 1;
        let ten = |sep: &str| vec![format!("*a{before}"); 10].join(sep);
        aliases.push_str(&format!("a{level}: &a{level} [{}]\n", ten(", ")));
        merges.push_str(&format!("a{level}: &a{level} {{k: [{}]}}\n", ten(", ")));
    }
    for source in [aliases, merges] {
        let told = loaded(&source).expect_err("a bomb").to_string();
        assert!(told.contains("too large with all its aliases expanded"), "{told}");
    }
    let wide: String = (0..2000).map(|key| format!("  k{key}: v\n")).collect();
    let merges = "  - {<<: *a}\n".repeat(2000);
    let told = loaded(&format!("a: &a\n{wide}b:\n{merges}")).expect_err("a bomb").to_string();
    assert!(told.contains("too large with all its"), "{told}");
    let deep = "[".repeat(5000);
    assert!(loaded(&deep).is_err());
    assert!(loaded(&"- ".repeat(5000)).is_err());
}
