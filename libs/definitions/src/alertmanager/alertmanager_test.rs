use super::*;

use std::time::Duration;

fn definition(config: &str) -> Definition {
    let text = format!("alertmanager_config: |\n{}", indented(config));
    parse(text.as_bytes(), &DefinitionLimits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn routes_take_from_their_parents_what_they_do_not_say() {
    let config = definition(
        "route:
  receiver: a
  group_by: [x]
  group_interval: 1m
  routes:
  - {receiver: b, group_by: ['...'], repeat_interval: 30d}
  - {group_by: [], group_wait: 0s}
receivers: [{name: a}, {name: b}]",
    )
    .config;
    assert_eq!(config.resolve_timeout, Duration::from_secs(300));
    let root = config.route.options(&RouteOptions::default());
    let expected = RouteOptions {
        receiver: "a".into(),
        group_by: GroupBy::Labels(["x".to_owned()].into()),
        group_wait: Duration::from_secs(30),
        group_interval: Duration::from_secs(60),
        repeat_interval: Duration::from_secs(4 * 3600),
    };
    assert_eq!(root, expected);
    let [first, second] = config.route.routes.as_slice() else { panic!("two routes") };
    let five_days = Duration::from_secs(5 * 24 * 3600);
    let first = first.options(&root);
    assert_eq!(
        first,
        RouteOptions {
            receiver: "b".into(),
            group_by: GroupBy::All,
            repeat_interval: five_days,
            ..root.clone()
        }
    );
    let waits_not = RouteOptions { group_wait: Duration::ZERO, ..root.clone() };
    assert_eq!(second.options(&root), waits_not);
}

#[test]
fn all_three_keys_of_matchers_count() {
    let config = definition(
        "route: {receiver: a, routes: [{match: {b: c}, match_re: {d: e}, matchers: ['f!=g,h!~i']}]}
receivers: [{name: a}]",
    )
    .config;
    let shown: Vec<_> = config.route.routes[0].matchers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["b=\"c\"", "d=~\"e\"", "f!=\"g\"", "h!~\"i\""]);
}

#[test]
fn receivers_have_defaults() {
    let key = "{aws_secrets_manager: {secret_arn: 'arn:aws:secretsmanager:r:1:secret:s', secret_key: k}}";
    let config = definition(&format!(
        "route: {{receiver: a}}
receivers:
- name: a
  sns_configs: [{{sigv4: {{region: r}}, topic_arn: 'arn:aws:sns:r:1:t'}}]
  pagerduty_configs: [{{routing_key: {key}, details: {{firing: x}}}}]"
    ))
    .config;
    let [receiver] = config.receivers.as_slice() else { panic!("one receiver") };
    let sns = &receiver.sns[0];
    assert!(sns.send_resolved);
    assert_eq!(sns.subject.text, "{{ template \"sns.default.subject\" . }}");
    assert_eq!(sns.message.text, "{{ template \"sns.default.message\" . }}");
    assert!(matches!(&sns.target, SnsTarget::Topic(topic) if topic.text == "arn:aws:sns:r:1:t"));
    let pagerduty = &receiver.pagerduty[0];
    let Key::Routing(secret) = &pagerduty.key else { panic!("a routing key") };
    assert_eq!((secret.secret_key.as_str(), secret.refresh_interval.as_secs()), ("k", 300));
    assert_eq!(pagerduty.severity.text, "error");
    let details: Vec<_> = pagerduty.details.keys().map(String::as_str).collect();
    assert_eq!(details, ["firing", "num_firing", "num_resolved", "resolved"]);
    assert_eq!(pagerduty.details["firing"].text, "x");
}

#[test]
fn templates_in_use_are_those_that_are_listed_in_that_order() {
    let text = "template_files: {b.tmpl: B, a.tmpl: A, c: C}
alertmanager_config: |
  templates: [c, '*.tmpl', a.tmpl]
  route: {receiver: a}
  receivers: [{name: a}]
";
    let definition = parse(text.as_bytes(), &DefinitionLimits::default()).unwrap();
    let used: Vec<_> = definition.templates().map(|template| template.text.as_str()).collect();
    assert_eq!(used, ["C", "A", "B"]);
}

#[test]
fn time_intervals_are_numbers() {
    let interval =
        "{times: [{start_time: '08:30', end_time: '24:00'}], weekdays: [monday:Friday], months: [may],
  days_of_month: ['-3:-1'], years: ['2020:2022'], location: Europe/Berlin}";
    let config = definition(&format!(
        "route: {{receiver: a}}\nreceivers: [{{name: a}}]\ntime_intervals: [{{name: b, time_intervals: [{interval}, {{}}]}}]"
    ))
    .config;
    let range = |begin, end| vec![Range { begin, end }];
    let nothing = TimeInterval {
        times: vec![],
        weekdays: vec![],
        days_of_month: vec![],
        months: vec![],
        years: vec![],
        location: None,
    };
    let expected = TimeInterval {
        times: range(510, 1440),
        weekdays: range(1, 5),
        days_of_month: range(-3, -1),
        months: range(5, 5),
        years: range(2020, 2022),
        location: Some("Europe/Berlin".into()),
    };
    assert_eq!(config.time_intervals["b"], [expected, nothing]);
}

#[test]
fn quotas_bound_a_definition() {
    let limits =
        DefinitionLimits { max_templates: 2, max_inhibit_rules: 2, max_routes: 3, ..Default::default() };
    let document = |templates: usize, rules: usize, routes: usize| {
        let files: String = (0..templates).map(|index| format!("  t{index}: x\n")).collect();
        let list = |item: &str, count: usize| vec![item; count].join(", ");
        format!(
            "template_files:\n{files}alertmanager_config: |\n  route: {{receiver: a, routes: [{}]}}\n  receivers: [{{name: a}}]\n  inhibit_rules: [{}]\n",
            list("{}", routes),
            list("{}", rules),
        )
    };
    assert!(parse(document(2, 2, 2).as_bytes(), &limits).is_ok());
    let told = parse(document(3, 3, 3).as_bytes(), &limits).expect_err("one too many of each").to_string();
    let expected = "line 2, column 3: template_files: the definition has 3 templates; at most 2 are allowed
line 6, column 10: alertmanager_config.route: the definition has 4 nodes in its routing tree; at most 3 are allowed
line 8, column 18: alertmanager_config.inhibit_rules: the definition has 3 inhibition rules; at most 2 are allowed";
    assert_eq!(told, expected);
    let defaults = DefinitionLimits::default();
    assert!(parse(document(100, 100, 99).as_bytes(), &defaults).is_ok());
    assert_eq!(
        parse(document(101, 101, 100).as_bytes(), &defaults).expect_err("101 of each").problems.len(),
        3
    );
}
