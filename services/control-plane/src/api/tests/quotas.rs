//! Each quota at its limit and one above.

use super::*;
use crate::quota::Quota;

fn over(answer: &Value, quota: Quota) {
    assert_eq!((&answer["serviceCode"], &answer["quotaCode"]), (&json!("aps"), &json!(quota.code())));
    assert!(answer["resourceId"].is_string() && answer["resourceType"].is_string(), "{answer}");
}

fn rules(count: usize) -> String {
    let rules: String = (0..count).map(|n| format!("      - record: r{n}\n        expr: up\n")).collect();
    format!("groups:\n  - name: g\n    rules:\n{rules}")
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_counted_over_the_workspace() {
    let bytes = u32::try_from(rules(3).len()).expect("small");
    let server = Server::with(|limits| {
        limits.rules = 4;
        limits.rule_groups_namespaces = 3;
        limits.rule_file_bytes = bytes;
    })
    .await;
    let list = format!("{}/rulegroupsnamespaces", server.workspace().await);
    let body = |name: &str, file: String| json!({ "name": name, "data": base64(&file) });
    over(&server.bad(OVER, "POST", &list, body("a", format!("{}#", rules(3)))).await, Quota::RuleFileSize);
    server.good(202, "POST", &list, body("a", rules(3))).await;
    over(&server.bad(OVER, "POST", &list, body("b", rules(2))).await, Quota::Rules);
    server.good(202, "POST", &list, body("b", rules(1))).await;
    server.good(202, "POST", &list, body("c", "groups: []".to_owned())).await;
    over(
        &server.bad(OVER, "POST", &list, body("d", "groups: []".to_owned())).await,
        Quota::RuleGroupsNamespaces,
    );
    server.until(&format!("{list}/c"), "/ruleGroupsNamespace/status/statusCode", "ACTIVE").await;
    over(
        &server.bad(OVER, "PUT", &format!("{list}/c"), json!({ "data": base64(&rules(1)) })).await,
        Quota::Rules,
    );
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_bounded_in_all_their_parts() {
    const DEFINITION: &str =
        "alertmanager_config: |\n  route:\n    receiver: d\nROUTES  receivers:\n    - name: d\nRULES";
    let server = Server::with(|limits| {
        limits.definition_bytes = 600;
        limits.templates = 1;
        limits.routing_nodes = 2;
        limits.inhibition_rules = 1;
    })
    .await;
    let path = format!("{}/alertmanager/definition", server.workspace().await);
    let definition = |routes: usize, inhibitions: usize, templates: usize, filler: usize| {
        let route = "      - receiver: d\n".repeat(routes);
        let routes = if routes == 0 { String::new() } else { format!("    routes:\n{route}") };
        let rule = "    - source_matchers: [a=b]\n      target_matchers: [c=d]\n".repeat(inhibitions);
        let rules = if inhibitions == 0 { String::new() } else { format!("  inhibit_rules:\n{rule}") };
        let files: String = (0..templates).map(|n| format!("  t{n}: 'x'\n")).collect();
        let files = if templates == 0 { String::new() } else { format!("template_files:\n{files}") };
        let text = DEFINITION.replace("ROUTES", &routes).replace("RULES", &rules);
        json!({ "data": base64(&format!("{text}{files}#{}", "f".repeat(filler))) })
    };
    let cases = [
        (definition(2, 0, 0, 0), Quota::RoutingTreeNodes),
        (definition(0, 2, 0, 0), Quota::InhibitionRules),
        (definition(0, 0, 2, 0), Quota::Templates),
        (definition(0, 0, 0, 600), Quota::DefinitionSize),
    ];
    for (body, quota) in cases {
        over(&server.bad(OVER, "POST", &path, body).await, quota);
    }
    server.good(202, "POST", &path, definition(1, 1, 1, 0)).await;
    server.plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_scrapers_and_detectors_are_counted() {
    let server = Server::with(|limits| {
        limits.label_sets = 2;
        limits.scrapers = 1;
        limits.anomaly_detectors = 1;
    })
    .await;
    let workspace = server.workspace().await;
    let path = format!("{workspace}/configuration");
    let sets = |count: usize| {
        let set = |n| json!({ "limits": { "maxSeries": 1 }, "labelSet": { "team": format!("t{n}") } });
        json!({ "limitsPerLabelSet": (0..count).map(set).collect::<Vec<_>>() })
    };
    over(&server.bad(OVER, "PATCH", &path, sets(3)).await, Quota::LabelSets);
    over(
        &server.bad(OVER, "PATCH", &path, json!({ "outOfOrderTimeWindowInSeconds": 601 })).await,
        Quota::OutOfOrderWindow,
    );
    let mut both = sets(2);
    both["outOfOrderTimeWindowInSeconds"] = 600.into();
    server.good(202, "PATCH", &path, both).await;

    let id = workspace.trim_start_matches("/workspaces/");
    let scraper = json!({
        "scrapeConfiguration": { "configurationBlob": base64("scrape_configs:\n  - job_name: p\n    kubernetes_sd_configs:\n      - role: pod\n") },
        "source": { "eksConfiguration": {
            "clusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/c", "subnetIds": ["subnet-1"],
        } },
        "destination": { "ampConfiguration": {
            "workspaceArn": format!("arn:aws:aps:us-east-1:{ACCOUNT}:workspace/{id}"),
        } },
    });
    let first = server.good(202, "POST", "/scrapers", scraper.clone()).await;
    let refused = server.bad(OVER, "POST", "/scrapers", scraper.clone()).await;
    over(&refused, Quota::Scrapers);
    assert_eq!(refused["resourceId"], ACCOUNT);
    let path = format!("/scrapers/{}", first["scraperId"].as_str().expect("an id"));
    server.until(&path, "/scraper/status/statusCode", "ACTIVE").await;
    server.good(202, "DELETE", &path, Value::Null).await;
    server.good(202, "POST", "/scrapers", scraper).await;

    let list = format!("{workspace}/anomalydetectors");
    let detector = json!({ "alias": "a", "configuration": { "randomCutForest": { "query": "avg(up)" } } });
    server.good(202, "POST", &list, detector.clone()).await;
    over(&server.bad(OVER, "POST", &list, detector).await, Quota::AnomalyDetectors);
    server.plane.stop().await;
}
