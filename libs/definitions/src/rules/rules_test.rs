use super::*;

fn file(text: &str) -> RuleFile {
    parse(text.as_bytes(), "namespace", &RuleLimits::default()).unwrap_or_else(|error| panic!("{error}"))
}

const SAMPLE: &str = r#"
groups:
- name: a
  query_offset: 1m
  limit: 5
  labels: {team: x, tier: group}
  rules:
  - record: b
    expr: " sum(c)\n"
    labels: {tier: rule}
  - alert: d
    expr: e > 1
    for: 10m
    keep_firing_for: 20m
    annotations: {summary: "{{ $value }}"}
- name: f
  interval: 2m
  rules: [{record: g, expr: 1}]
"#;

#[test]
fn a_file_is_read_with_defaults_and_group_labels() {
    let file = file(SAMPLE);
    assert_eq!(file.rule_count(), 3);
    let [first, second] = file.groups.as_slice() else { panic!("two groups") };
    assert_eq!((first.interval, second.interval), (Duration::from_secs(60), Duration::from_secs(120)));
    assert_eq!((first.query_offset, first.limit), (Some(Duration::from_secs(60)), 5));
    assert_eq!((second.query_offset, second.limit), (None, 0));

    let [record, alert] = first.rules.as_slice() else { panic!("two rules") };
    assert_eq!((record.name(), record.expr.as_str()), ("b", "sum(c)"));
    assert_eq!(record.query.to_string(), "sum(c)");
    let RuleKind::Recording { labels, .. } = &record.kind else { panic!("a recording rule") };
    let pairs: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("team", "x"), ("tier", "rule")]);

    assert_eq!(alert.name(), "d");
    let RuleKind::Alerting { hold, keep_firing, labels, annotations, .. } = &alert.kind else {
        panic!("an alerting rule")
    };
    assert_eq!((hold.as_secs(), keep_firing.as_secs()), (600, 1200));
    assert_eq!(labels["tier"].text, "group");
    assert_eq!(annotations["summary"].text, "{{ $value }}");
}

#[test]
fn limits_are_settings() {
    let limits = RuleLimits {
        max_bytes: SAMPLE.len(),
        min_interval: Duration::from_secs(90),
        ..RuleLimits::default()
    };
    let told = parse(SAMPLE.as_bytes(), "n", &limits);
    // The default interval is not a wish of the file's.
    assert!(told.is_ok());
    let told = parse(SAMPLE.as_bytes(), "n", &RuleLimits { max_bytes: SAMPLE.len() - 1, ..limits });
    let told = told.expect_err("one byte too many").to_string();
    let size = SAMPLE.len();
    assert_eq!(told, format!("the file has {size} bytes; at most {} are allowed", size - 1));
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let told = parse(b"groups: []\n# \xff\n", "n", &RuleLimits::default()).expect_err("not UTF-8");
    assert_eq!(told.to_string(), "line 2, column 3: the file is not UTF-8 text");
}

#[test]
fn a_refusal_is_bounded() {
    let rules: String = (0..5000).map(|index| format!("  - {{record: r, expr: '{index} +'}}\n")).collect();
    let told =
        parse(format!("groups:\n- name: a\n  rules:\n{rules}").as_bytes(), "n", &RuleLimits::default())
            .expect_err("no rule is right");
    assert_eq!((told.problems.len(), told.more), (20, 4980));
    assert!(told.to_string().ends_with("\n... and 4980 more"));
    let long = "x".repeat(100_000);
    let told =
        parse(format!("{long}: 1").as_bytes(), "n", &RuleLimits::default()).expect_err("an unknown key");
    assert!(told.to_string().len() < 1000, "{}", told.to_string().len());
}
