//! Quotas on what uploaded files hold: rules, alert manager definitions, scrape configurations.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Over};

/// A file with a comment at its end that makes it `size` bytes large.
fn padded(file: &str, size: usize) -> String {
    format!("{file}#{}", "x".repeat(size.saturating_sub(file.len() + 1)))
}

fn base64(file: &str) -> Value {
    BASE64_STANDARD.encode(file).into()
}

fn rules_file(count: usize) -> String {
    let rules: String = (0..count).map(|n| format!("  - record: r{n}\n    expr: up\n")).collect();
    format!("groups:\n- name: g\n  rules:\n{rules}")
}

/// Rules are counted over all namespaces of a workspace, and when one is changed.
pub(crate) async fn rules(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let list = format!("{path}/rulegroupsnamespaces");
    let over = Over { code: "RulesPerWorkspace", kind: "RULE_GROUPS_NAMESPACE", resource: &id };
    let file = |name: &str, count| json!({ "name": name, "data": base64(&rules_file(count)) });
    bench.over(Method::POST, &list, file("a", limit + 1), over).await?;
    bench.good(Method::POST, &list, file("a", limit - 1)).await?;
    bench.over(Method::POST, &list, file("b", 2), over).await?;
    bench.good(Method::POST, &list, file("b", 1)).await?;
    bench.over(Method::POST, &list, file("c", 1), over).await?;
    bench.until(&format!("{list}/b"), "/ruleGroupsNamespace/status/statusCode", "ACTIVE").await?;
    let two = json!({ "data": base64(&rules_file(2)) });
    bench.over(Method::PUT, &format!("{list}/b"), two, over).await?;
    // Another workspace has rules of its own.
    let (_, other) = bench.workspace().await?;
    bench.good(Method::POST, &format!("{other}/rulegroupsnamespaces"), file("a", limit)).await?;
    Ok(())
}

pub(crate) async fn rule_file_bytes(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let list = format!("{path}/rulegroupsnamespaces");
    let over = Over { code: "RuleGroupsNamespaceFileSize", kind: "RULE_GROUPS_NAMESPACE", resource: &id };
    let file = |size| json!({ "name": "n", "data": base64(&padded(&rules_file(1), size)) });
    bench.over(Method::POST, &list, file(limit + 1), over).await?;
    bench.good(Method::POST, &list, file(limit)).await?;
    bench.until(&format!("{list}/n"), "/ruleGroupsNamespace/status/statusCode", "ACTIVE").await?;
    let larger = json!({ "data": file(limit + 1)["data"] });
    bench.over(Method::PUT, &format!("{list}/n"), larger, over).await
}

/// An alert manager definition.
fn definition(routes: usize, inhibitions: usize, templates: usize) -> String {
    let mut file = "alertmanager_config: |\n  route:\n    receiver: d\n".to_owned();
    let listed = |head: &str, item: &str, count: usize| match count {
        0 => String::new(),
        count => format!("{head}\n{}", item.repeat(count)),
    };
    file += &listed("    routes:", "    - receiver: d\n", routes);
    file += "  receivers:\n  - name: d\n";
    let rule = "  - source_matchers: [a=b]\n    target_matchers: [c=d]\n";
    file += &listed("  inhibit_rules:", rule, inhibitions);
    let names: String = (0..templates).map(|n| format!("  t{n}: 'x'\n")).collect();
    file + &listed("template_files:", &names, usize::from(templates > 0))
}

/// A file at the quota is accepted, as a new definition and in place of one; one beyond it is not.
async fn definitions(bench: &Bench<'_>, code: &str, most: String, more: String) -> Result<()> {
    let (id, path) = bench.workspace().await?;
    let path = format!("{path}/alertmanager/definition");
    let over = Over { code, kind: "ALERT_MANAGER_DEFINITION", resource: &id };
    let body = |file: &str| json!({ "data": base64(file) });
    bench.over(Method::POST, &path, body(&more), over).await?;
    bench.good(Method::POST, &path, body(&most)).await?;
    bench.until(&path, "/alertManagerDefinition/status/statusCode", "ACTIVE").await?;
    bench.over(Method::PUT, &path, body(&more), over).await?;
    bench.good(Method::PUT, &path, body(&most)).await?;
    Ok(())
}

pub(crate) async fn definition_bytes(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let file = |size| padded(&definition(0, 0, 0), size);
    definitions(bench, "AlertManagerDefinitionSize", file(limit), file(limit + 1)).await
}

pub(crate) async fn templates(bench: &Bench<'_>, limit: usize) -> Result<()> {
    definitions(bench, "AlertManagerTemplates", definition(0, 0, limit), definition(0, 0, limit + 1)).await
}

/// The root is a node too.
pub(crate) async fn routing_nodes(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (most, more) = (definition(limit - 1, 0, 0), definition(limit, 0, 0));
    definitions(bench, "AlertManagerRoutingTreeNodes", most, more).await
}

pub(crate) async fn inhibition_rules(bench: &Bench<'_>, limit: usize) -> Result<()> {
    let (most, more) = (definition(0, limit, 0), definition(0, limit + 1, 0));
    definitions(bench, "AlertManagerInhibitionRules", most, more).await
}

pub(crate) async fn rule_interval(bench: &Bench<'_>, seconds: u64) -> Result<()> {
    let (_, path) = bench.workspace().await?;
    let list = format!("{path}/rulegroupsnamespaces");
    let file = |seconds: u64| {
        let text = format!("groups:\n- name: g\n  interval: {seconds}s\n  rules: []\n");
        json!({ "name": "n", "data": base64(&text) })
    };
    bench.invalid(Method::POST, &list, file(seconds - 1), "data").await?;
    bench.good(Method::POST, &list, file(seconds)).await?;
    Ok(())
}

/// A scraper for a workspace.
pub(crate) fn scraper(workspace: &str, file: &str) -> Value {
    use narthex_integration_tests::sandbox::ControlPlane;
    let (region, account) = (ControlPlane::REGION, ControlPlane::ACCOUNT);
    json!({
        "scrapeConfiguration": { "configurationBlob": base64(file) },
        "source": { "eksConfiguration": {
            "clusterArn": format!("arn:aws:eks:{region}:{account}:cluster/c"),
            "subnetIds": ["subnet-1"],
        } },
        "destination": { "ampConfiguration": {
            "workspaceArn": format!("arn:aws:aps:{region}:{account}:workspace/{workspace}"),
        } },
    })
}

/// A scrape configuration with an interval.
pub(crate) fn scrape_file(seconds: u64) -> String {
    format!(
        "global:\n  scrape_interval: {seconds}s\nscrape_configs:\n- job_name: p\n  kubernetes_sd_configs:\n  - role: pod\n"
    )
}

/// Makes a scraper and unmakes it, for there may be few.
async fn for_a_moment(bench: &Bench<'_>, body: Value) -> Result<()> {
    let made = bench.good(Method::POST, "/scrapers", body).await?;
    let path = format!("/scrapers/{}", made["scraperId"].as_str().unwrap_or_default());
    bench.until(&path, "/scraper/status/statusCode", "ACTIVE").await?;
    bench.good(Method::DELETE, &path, Value::Null).await?;
    Ok(())
}

pub(crate) async fn scrape_bytes(bench: &Bench<'_>, limit: usize) -> Result<()> {
    const MEMBER: &str = "scrapeConfiguration.configurationBlob";
    let (id, _) = bench.workspace().await?;
    let of = |size| scraper(&id, &padded(&scrape_file(60), size));
    bench.invalid(Method::POST, "/scrapers", of(limit + 1), MEMBER).await?;
    for_a_moment(bench, of(limit)).await
}

pub(crate) async fn scrape_interval(bench: &Bench<'_>, seconds: u64) -> Result<()> {
    const MEMBER: &str = "scrapeConfiguration.configurationBlob";
    let (id, _) = bench.workspace().await?;
    let of = |seconds| scraper(&id, &scrape_file(seconds));
    bench.invalid(Method::POST, "/scrapers", of(seconds - 1), MEMBER).await?;
    for_a_moment(bench, of(seconds)).await
}
