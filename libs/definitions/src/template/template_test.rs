use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<Template, TemplateError> {
    Template::parse(text, &ALERT)
}

/// A body as text in one form, so that tests compare structure.
fn shown(body: &[Node]) -> String {
    body.iter().map(node).collect::<Vec<_>>().join(" ")
}

fn node(node: &Node) -> String {
    let condition = |word: &str, condition: &Condition| {
        let (then, otherwise) = (shown(&condition.then), shown(&condition.otherwise));
        format!("({word} {} [{then}] [{otherwise}])", pipeline(&condition.pipeline))
    };
    match node {
        Node::Text(text) => format!("{text:?}"),
        Node::Action(action) => pipeline(action),
        Node::If(part) => condition("if", part),
        Node::With(part) => condition("with", part),
        Node::Range(part) => condition("range", part),
        Node::Break => "break".into(),
        Node::Continue => "continue".into(),
        Node::Template { name, argument } => {
            format!("(template {name} {})", argument.as_ref().map(pipeline).unwrap_or_default())
        }
    }
}

fn pipeline(part: &Pipeline) -> String {
    let mark = if part.assigns { "=" } else { ":=" };
    let declared = if part.variables.is_empty() {
        String::new()
    } else {
        format!("{} {mark} ", part.variables.join(","))
    };
    let commands =
        part.commands.iter().map(|command| command.0.iter().map(operand).collect::<Vec<_>>().join(" "));
    format!("{{{declared}{}}}", commands.collect::<Vec<_>>().join("|"))
}

fn operand(part: &Operand) -> String {
    match part {
        Operand::Dot => ".".into(),
        Operand::Nil => "nil".into(),
        Operand::Bool(value) => value.to_string(),
        Operand::Number(text) | Operand::Character(text) | Operand::Function(text) => text.clone(),
        Operand::Text(text) => format!("{text:?}"),
        Operand::Field(path) => format!(".{}", path.join(".")),
        Operand::Variable { name, fields } if fields.is_empty() => name.clone(),
        Operand::Variable { name, fields } => format!("{name}.{}", fields.join(".")),
        Operand::Pipeline(inner) => pipeline(inner),
        Operand::Chain { of, fields } => format!("{}.{}", operand(of), fields.join(".")),
    }
}

#[test]
fn templates_have_gos_structure() {
    for (text, expected) in [
        ("plain", "\"plain\""),
        ("a {{ $labels.instance }} b", "\"a \" {$labels.instance} \" b\""),
        ("a {{- $value -}} b", "\"a\" {$value} \"b\""),
        ("{{/* note */}}x{{- /* note */ -}} y", "\"x\" \"y\""),
        ("{{ $value | humanize | printf \"%s\" }}", "{$value|humanize|printf \"%s\"}"),
        ("{{ printf \"%.2f\" (index .a 1).b }}", "{printf \"%.2f\" {index .a 1}.b}"),
        (
            "{{if eq .x 1}}a{{else if .y}}b{{else}}c{{end}}",
            "(if {eq .x 1} [\"a\"] [(if {.y} [\"b\"] [\"c\"])])",
        ),
        (
            "{{range $i, $x := .a}}{{$x}}{{break}}{{else}}-{{end}}",
            "(range {$i,$x := .a} [{$x} break] [\"-\"])",
        ),
        (
            "{{with $x := query \"up\"}}{{. | first | value}}{{end}}",
            "(with {$x := query \"up\"} [{.|first|value}] [])",
        ),
        ("{{$x := 1}}{{$x = -2.5e3}}{{$x}}", "{$x := 1} {$x = -2.5e3} {$x}"),
        ("{{template \"t\" .}}{{template \"t\"}}", "(template t {.}) (template t )"),
        ("{{block \"b\" .x}}y{{end}}", "(template b {.x})"),
        ("{{ \"a\\n\\x41\" }}{{ `b\\` }}{{ 'c' }}", "{\"a\\nA\"} {\"b\\\\\"} {'c'}"),
        ("{{ .a.b $.c nil true }}", "{.a.b $.c nil true}"),
        ("{{ .a\n\t.b }}", "{.a .b}"),
        ("{{ . | }}{{ $x := $x }}", "{.} {$x := $x}"),
        (
            "{{ 0x1F }}{{ 1_000 }}{{ 0b10 }}{{ .5 }}{{ 2i }}{{ '\\n' }}{{ '\\'' }}",
            "{0x1F} {1_000} {0b10} {.5} {2i} {'\\n'} {'\\''}",
        ),
    ] {
        assert_eq!(parsed(text).map(|template| shown(&template.body)), Ok(expected.into()), "{text}");
    }
}

#[test]
fn definitions_are_kept_by_name() {
    let template = parsed("{{ define \"a\" }}x{{ end }}{{block \"b\" .}}y{{end}}").unwrap();
    let names: Vec<_> = template.defined.iter().map(|(name, body)| (name.as_str(), shown(body))).collect();
    assert_eq!(names, [("a", "\"x\"".to_owned()), ("b", "\"y\"".to_owned())]);
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    let mut wrong = Vec::new();
    for (text, line, column, message) in [
        ("{{", 1, 3, "unclosed action"),
        ("a\n {{ $x", 2, 4, "unclosed action"),
        ("{{ $nope }}", 1, 4, "undefined variable \"$nope\""),
        ("{{ nope }}", 1, 4, "function \"nope\" not defined"),
        ("{{ . | toUpperCase }}", 1, 8, "function \"toUpperCase\" not defined"),
        ("{{ if .x }}", 1, 10, "unexpected EOF"),
        ("{{ end }}", 1, 8, "unexpected {{end}}"),
        ("{{ if .x }}{{ else }}{{ else }}{{ end }}", 1, 29, "expected end; found {{else}}"),
        ("{{ if }}{{ end }}", 1, 7, "missing value for if"),
        ("{{ }}", 1, 4, "missing value for command"),
        ("{{ (. }}", 1, 4, "unclosed left paren"),
        ("{{ .) }}", 1, 5, "unexpected right paren"),
        ("{{ \"a }}", 1, 4, "unterminated quoted string"),
        ("{{ `a }}", 1, 4, "unterminated raw quoted string"),
        ("{{ 'a }}", 1, 4, "unterminated character constant"),
        ("{{ 1x }}", 1, 4, "bad number syntax: \"1x\""),
        ("{{ 0b12 }}", 1, 4, "bad number syntax: \"0b12\""),
        ("{{ 08 }}", 1, 4, "integer overflow: \"08\""),
        ("{{ 18446744073709551616 }}", 1, 4, "integer overflow: \"18446744073709551616\""),
        ("{{ 'ab' }}", 1, 4, "malformed character constant: 'ab'"),
        ("{{ '' }}", 1, 4, "malformed character constant: ''"),
        ("{{ .a!b }}", 1, 6, "bad character '!'"),
        ("{{ ! }}", 1, 4, "unrecognized character in action: '!'"),
        ("{{ .x | 1 }}", 1, 11, "non executable command in pipeline stage 2"),
        ("{{ break }}", 1, 9, "{{break}} outside {{range}}"),
        ("{{ $a, $b := .x }}", 1, 7, "too many declarations in command"),
        ("{{ $a = 1 }}", 1, 8, "undefined variable \"$a\""),
        ("{{ if .x }}{{ define \"a\" }}{{ end }}{{ end }}", 1, 21, "unexpected {{define}} in command"),
        ("{{ define a }}{{ end }}", 1, 11, "unexpected \"a\" in define clause"),
        ("{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}", 1, 43, "multiple definition of template \"a\""),
        ("{{define \"a\"}}{{ $labels }}{{end}}", 1, 18, "undefined variable \"$labels\""),
        ("{{/* a", 1, 1, "unclosed comment"),
        ("{{/* a */ b }}", 1, 1, "comment ends before closing delimiter"),
        ("{{ \"\\q\" }}", 1, 4, "invalid syntax"),
        ("{{ \"a\".b }}", 1, 9, "unexpected . after term in .b"),
    ] {
        let error = parsed(text).expect_err(text);
        if error != (TemplateError { at: Position { line, column }, message: message.into() }) {
            wrong.push(format!("{text}: {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(parsed(&"{{if .}}".repeat(1000)).expect_err("deep").message, "too deeply nested");
    assert_eq!(parsed(&format!("{{{{{}.", "(".repeat(1000))).expect_err("deep").message, "unclosed action");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\{\\{|\\}\\}|-|[ \n.|()$,:=\"'`]|if|else|end|range|with|define|a|1|é|/\\*|\\*/){0,40}") {
        let _ = parsed(&text);
    }
}
