use super::*;

fn configuration(text: &str, source: SourceKind) -> ScrapeConfiguration {
    parse(text.as_bytes(), source, &ScrapeLimits::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_default_configuration_is_one() {
    let jobs = configuration(DEFAULT, SourceKind::Kubernetes).jobs;
    let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
    let expected =
        ["pod_exporter", "cadvisor", "kubernetes-apiservers", "kube-proxy", "ksh-metrics", "kcm-metrics"];
    assert_eq!(names, expected);
    assert!(jobs.iter().all(|job| job.interval == Duration::from_secs(30)));
    let tokens: Vec<_> = jobs.iter().map(|job| job.uses_token).collect();
    assert_eq!(tokens, [false, true, true, false, true, true]);
    // The port is replaced, whether there is one or not.
    let rule = &jobs[3].relabel[1];
    for address in ["10.0.0.1:9100", "10.0.0.1"] {
        assert_eq!(rule.regex.regex().replace(address, &rule.replacement), "10.0.0.1:10249");
    }
}

#[test]
fn jobs_take_from_the_global_section_what_they_do_not_say() {
    let text = "
global:
  scrape_interval: 2m
  scrape_timeout: 90s
  external_labels: {a: b}
  sample_limit: 5
  body_size_limit: 1KB
  scrape_protocols: [PrometheusText0.0.4]
scrape_configs:
- job_name: a
- job_name: b
  scrape_interval: 1m
  sample_limit: 6
  scheme: https
  metric_relabel_configs: [{action: labeldrop, regex: x}]
";
    let ScrapeConfiguration { external_labels, jobs } = configuration(text, SourceKind::Vpc);
    assert_eq!(external_labels, [("a".to_owned(), "b".to_owned())].into());
    let [a, b] = jobs.as_slice() else { panic!("two jobs") };
    assert_eq!((a.interval.as_secs(), a.timeout.as_secs()), (120, 90));
    assert_eq!((b.interval.as_secs(), b.timeout.as_secs()), (60, 60));
    assert_eq!((a.common.limits.samples, b.common.limits.samples), (5, 6));
    assert_eq!((a.common.limits.body_bytes, b.common.limits.body_bytes), (1024, 1024));
    assert_eq!(b.common.protocols, [Protocol::Text0]);
    assert_eq!((a.scheme, b.scheme), (Scheme::Http, Scheme::Https));
    assert_eq!((a.metrics_path.as_str(), a.honor_labels, a.honor_timestamps), ("/metrics", false, true));
    let [rule] = b.metric_relabel.as_slice() else { panic!("one rule") };
    assert_eq!((rule.action, rule.regex.as_str()), (RelabelAction::LabelDrop, "x"));
    assert!(rule.regex.regex().is_match("x") && !rule.regex.regex().is_match("xy"));
}

#[test]
fn without_a_word_jobs_are_scraped_every_minute() {
    let jobs = configuration("scrape_configs: [{job_name: a}]", SourceKind::Vpc).jobs;
    assert_eq!((jobs[0].interval.as_secs(), jobs[0].timeout.as_secs()), (60, 10));
}

#[test]
fn limits_are_settings() {
    let text = "scrape_configs: [{job_name: a, scrape_interval: 10s}]";
    let limits = ScrapeLimits { min_interval: Duration::from_secs(10), max_bytes: text.len() };
    assert!(parse(text.as_bytes(), SourceKind::Vpc, &limits).is_ok());
    let limits = ScrapeLimits { max_bytes: text.len() - 1, ..limits };
    assert!(parse(text.as_bytes(), SourceKind::Vpc, &limits).is_err());
}
