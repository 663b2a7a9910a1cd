use super::*;

/// The overview of section 1, once more and by hand: this table and the product's must have been wrong together to agree wrongly.
const OVERVIEW: &str = "
CreateAlertManagerDefinition POST /workspaces/W/alertmanager/definition 202
CreateAnomalyDetector POST /workspaces/W/anomalydetectors 202
CreateLoggingConfiguration POST /workspaces/W/logging 202
CreateQueryLoggingConfiguration POST /workspaces/W/logging/query 202
CreateRuleGroupsNamespace POST /workspaces/W/rulegroupsnamespaces 202
CreateScraper POST /scrapers 202
CreateWorkspace POST /workspaces 202
DeleteAlertManagerDefinition DELETE /workspaces/W/alertmanager/definition 202
DeleteAnomalyDetector DELETE /workspaces/W/anomalydetectors/D 202
DeleteLoggingConfiguration DELETE /workspaces/W/logging 202
DeleteQueryLoggingConfiguration DELETE /workspaces/W/logging/query 202
DeleteResourcePolicy DELETE /workspaces/W/policy 202
DeleteRuleGroupsNamespace DELETE /workspaces/W/rulegroupsnamespaces/N 202
DeleteScraper DELETE /scrapers/S 202
DeleteScraperLoggingConfiguration DELETE /scrapers/S/logging-configuration 202
DeleteWorkspace DELETE /workspaces/W 202
DescribeAlertManagerDefinition GET /workspaces/W/alertmanager/definition 200
DescribeAnomalyDetector GET /workspaces/W/anomalydetectors/D 200
DescribeLoggingConfiguration GET /workspaces/W/logging 200
DescribeQueryLoggingConfiguration GET /workspaces/W/logging/query 200
DescribeResourcePolicy GET /workspaces/W/policy 200
DescribeRuleGroupsNamespace GET /workspaces/W/rulegroupsnamespaces/N 200
DescribeScraper GET /scrapers/S 200
DescribeScraperLoggingConfiguration GET /scrapers/S/logging-configuration 200
DescribeWorkspace GET /workspaces/W 200
DescribeWorkspaceConfiguration GET /workspaces/W/configuration 200
GetDefaultScraperConfiguration GET /scraperconfiguration 200
ListAnomalyDetectors GET /workspaces/W/anomalydetectors 200
ListRuleGroupsNamespaces GET /workspaces/W/rulegroupsnamespaces 200
ListScrapers GET /scrapers 200
ListTagsForResource GET /tags/A 200
ListWorkspaces GET /workspaces 200
PutAlertManagerDefinition PUT /workspaces/W/alertmanager/definition 202
PutAnomalyDetector PUT /workspaces/W/anomalydetectors/D 202
PutResourcePolicy PUT /workspaces/W/policy 202
PutRuleGroupsNamespace PUT /workspaces/W/rulegroupsnamespaces/N 202
TagResource POST /tags/A 200
UntagResource DELETE /tags/A 200
UpdateLoggingConfiguration PUT /workspaces/W/logging 202
UpdateQueryLoggingConfiguration PUT /workspaces/W/logging/query 202
UpdateScraper PUT /scrapers/S 202
UpdateScraperLoggingConfiguration PUT /scrapers/S/logging-configuration 202
UpdateWorkspaceAlias POST /workspaces/W/alias 204
UpdateWorkspaceConfiguration PATCH /workspaces/W/configuration 202
";

const LABELS: [(&str, &str, &str); 5] = [
    ("W", "workspaceId", "ws-1"),
    ("D", "anomalyDetectorId", "ad-1"),
    ("N", "name", "rules file/1"),
    ("S", "scraperId", "s-1"),
    ("A", "resourceArn", "arn:aws:aps:eu-west-1:123456789012:workspace/ws-1"),
];

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn every_operation_answers_on_exactly_its_method_and_path() {
    let lines: Vec<_> = OVERVIEW.trim().lines().collect();
    assert_eq!(lines.len(), Operation::ALL.len());
    for (line, operation) in lines.into_iter().zip(Operation::ALL) {
        let [name, method, path, status] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (mut raw, mut labels) = (String::new(), Vec::new());
        for segment in path.split('/').skip(1) {
            raw.push('/');
            match LABELS.iter().find(|(short, ..)| *short == segment) {
                Some((_, member, text)) => {
                    raw.push_str(&encode(text));
                    labels.push((*member, *text));
                }
                None => raw.push_str(segment),
            }
        }
        let found = route(method, &raw).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(found.operation, operation, "{line}");
        assert_eq!(found.labels().collect::<Vec<_>>(), labels, "{line}");
        assert_eq!(
            (operation.name(), operation.success().to_string(), operation.is_read_only()),
            (name, status.to_owned(), method == "GET")
        );
        for wrong in [format!("{raw}/"), format!("{raw}/x"), format!("/{raw}"), raw.replacen("s", "S", 1)] {
            let other = route(method, &wrong);
            assert!(other.is_err() || other.is_ok_and(|route| route.operation != operation), "{wrong}");
        }
        for method in ["HEAD", "OPTIONS", "get", "POS", ""] {
            assert!(route(method, &raw).is_err(), "{method} {raw}");
        }
    }
}

#[test]
fn segments_are_split_before_they_are_decoded() {
    let route = route("GET", "/workspaces/ws%2Fx%2E%2E/rulegroupsnamespaces/%C3%A9%20%2F").expect("a route");
    assert_eq!(route.operation, Operation::DescribeRuleGroupsNamespace);
    assert_eq!((route.label("workspaceId"), route.label("name")), (Some("ws/x.."), Some("é /")));
    assert_eq!(
        route.resource(),
        Some(Resource::RuleGroupsNamespace { workspace: "ws/x..".into(), name: "é /".into() })
    );
}

#[test]
fn what_matches_nothing_is_an_unknown_operation() {
    for path in [
        "",
        "/",
        "workspaces",
        "//workspaces",
        "/workspaces/",
        "/workspaces//alias",
        "/work%73paces",
        "/tags",
        "/tags/a/b",
        "/workspaces/x/api/v1/query",
    ] {
        let error = route("GET", path).expect_err(path);
        assert!(matches!(error, Unroutable::UnknownOperation { .. }), "{path}: {error}");
    }
    let long = route("GET", &"/é".repeat(100_000)).expect_err("no such path");
    assert!(long.to_string().len() < 1000, "{long}");
}

#[test]
fn labels_that_are_not_utf_8_are_named() {
    for path in ["/workspaces/%FF", "/workspaces/%2", "/workspaces/%zz"] {
        let operation = Operation::DescribeWorkspace;
        assert_eq!(route("GET", path), Err(Unroutable::BadLabel { operation, label: "workspaceId" }));
    }
}

#[test]
fn paths_name_what_they_are_about() {
    let workspace = || "ws-1".to_owned();
    for (path, resource) in [
        ("/workspaces", None),
        ("/tags/arn", None),
        ("/scrapers/s-1", Some(Resource::Scraper { scraper: "s-1".into() })),
        ("/workspaces/ws-1/logging/query", Some(Resource::Workspace { workspace: workspace() })),
        (
            "/workspaces/ws-1/anomalydetectors/ad-1",
            Some(Resource::AnomalyDetector { workspace: workspace(), detector: "ad-1".into() }),
        ),
    ] {
        assert_eq!(route("GET", path).expect(path).resource(), resource, "{path}");
    }
}
