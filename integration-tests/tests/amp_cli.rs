//! Every command of `aws amp`, from the unmodified AWS CLI 1 (API-C-94): each ends with 0 against a prepared state, the six waiters
//! among them, and what is written is read back.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    sandbox::{Standalone, scenario},
    tools,
};
use serde_json::{Value, json};

use crate::aws_clients::{Client, text};

const RULES: &str =
    "groups:\n  - name: g\n    rules:\n      - record: job:up:sum\n        expr: sum by (job) (up)\n";
const DEFINITION: &str =
    "alertmanager_config: |\n  route:\n    receiver: default\n  receivers:\n    - name: default\n";
const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/prom:*";

/// What the commands of one workspace have in common.
struct Workspace<'a> {
    client: &'a Client<'a>,
    id: &'a str,
    arn: &'a str,
}

impl Workspace<'_> {
    /// A command about the workspace.
    fn amp(&self, command: &str, arguments: &[&str]) -> Result<Value> {
        self.client.amp(&[&[command, "--workspace-id", self.id], arguments].concat())
    }

    /// Asks until what is read has the status.
    fn until(&self, command: &str, arguments: &[&str], pointer: &str, wanted: &str) -> Result<Value> {
        for _ in 0..60 {
            let shown = self.amp(command, arguments)?;
            if shown.pointer(pointer).is_some_and(|status| status == wanted) {
                return Ok(shown);
            }
        }
        anyhow::bail!("{command} never said {wanted}")
    }

    /// Asks until it is not there any more.
    fn until_gone(&self, command: &str, arguments: &[&str]) -> Result<()> {
        let arguments = [&[command, "--workspace-id", self.id], arguments].concat();
        for _ in 0..60 {
            if self.client.amp(&arguments).is_err() {
                let error = self.client.amp_fails(&arguments)?;
                ensure!(error.contains("ResourceNotFoundException"), "{error}");
                return Ok(());
            }
        }
        anyhow::bail!("{command} still finds it")
    }
}

fn written(folder: &Path, name: &str, content: &str) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, content)?;
    Ok(format!("fileb://{}", path.display()))
}

#[test]
fn every_command_of_the_command_line_works() {
    scenario(async |sandbox| {
        let tool = tools::aws_cli_1()?;
        let narthex = Standalone::start(sandbox).await?;
        let client = Client::new(sandbox, tool, &narthex.env)?;
        let created = client.amp(&["create-workspace", "--alias", "all", "--tags", "team=core"])?;
        let (id, arn) = (text(&created["workspaceId"])?, text(&created["arn"])?);
        client.amp(&["wait", "workspace-active", "--workspace-id", id])?;
        let workspace = Workspace { client: &client, id, arn };
        workspace.amp("update-workspace-alias", &["--alias", "every"])?;
        let described = workspace.amp("describe-workspace", &[])?;
        ensure!(described["workspace"]["alias"] == "every", "{described}");
        ensure!(client.amp(&["list-workspaces", "--alias", "every"])?["workspaces"][0]["workspaceId"] == id);
        configuration(&workspace)?;
        rule_groups(&workspace, sandbox.path())?;
        alert_manager(&workspace, sandbox.path())?;
        logging(&workspace)?;
        policy(&workspace)?;
        detectors(&workspace)?;
        scrapers(&workspace, sandbox.path())?;
        tags(&workspace)?;
        workspace.amp("delete-workspace", &[])?;
        client.amp(&["wait", "workspace-deleted", "--workspace-id", id])?;
        Ok(())
    });
}

fn configuration(workspace: &Workspace<'_>) -> Result<()> {
    let read = "describe-workspace-configuration";
    let shown = workspace.amp(read, &[])?;
    ensure!(shown["workspaceConfiguration"]["retentionPeriodInDays"] == 150, "{shown}");
    let limits = r#"[{"limits":{"maxSeries":1000000},"labelSet":{"team":"A","env":"prod"}}]"#;
    let settings = ["--limits-per-label-set", limits, "--retention-period-in-days", "30"];
    let changed = workspace.amp("update-workspace-configuration", &settings)?;
    ensure!(changed["status"]["statusCode"] == "UPDATING", "{changed}");
    let shown = workspace.until(read, &[], "/workspaceConfiguration/status/statusCode", "ACTIVE")?;
    let settings = &shown["workspaceConfiguration"];
    ensure!(settings["retentionPeriodInDays"] == 30, "{shown}");
    ensure!(settings["limitsPerLabelSet"] == serde_json::from_str::<Value>(limits)?, "{shown}");
    Ok(())
}

fn rule_groups(workspace: &Workspace<'_>, folder: &Path) -> Result<()> {
    let data = written(folder, "rules.yaml", RULES)?;
    let name = ["--name", "rules file/1"];
    let with_data = ["--name", "rules file/1", "--data", data.as_str()];
    let created =
        workspace.amp("create-rule-groups-namespace", &[&with_data[..], &["--tags", "Team=a"]].concat())?;
    ensure!(created["status"]["statusCode"] == "CREATING" && created["tags"]["Team"] == "a", "{created}");
    let (read, status) = ("describe-rule-groups-namespace", "/ruleGroupsNamespace/status/statusCode");
    workspace.until(read, &name, status, "ACTIVE")?;
    workspace.amp("put-rule-groups-namespace", &with_data)?;
    workspace.until(read, &name, status, "ACTIVE")?;
    let listed = workspace.amp("list-rule-groups-namespaces", &["--name", "rules"])?;
    ensure!(listed["ruleGroupsNamespaces"][0]["arn"] == created["arn"], "{listed}");
    workspace.amp("delete-rule-groups-namespace", &name)?;
    workspace.until_gone(read, &name)
}

fn alert_manager(workspace: &Workspace<'_>, folder: &Path) -> Result<()> {
    let data = written(folder, "definition.yaml", DEFINITION)?;
    let (read, status) = ("describe-alert-manager-definition", "/alertManagerDefinition/status/statusCode");
    workspace.amp("create-alert-manager-definition", &["--data", &data])?;
    workspace.until(read, &[], status, "ACTIVE")?;
    workspace.amp("put-alert-manager-definition", &["--data", &data])?;
    workspace.until(read, &[], status, "ACTIVE")?;
    workspace.amp("delete-alert-manager-definition", &[])?;
    workspace.until_gone(read, &[])
}

fn logging(workspace: &Workspace<'_>) -> Result<()> {
    let destinations =
        format!(r#"[{{"cloudWatchLogs":{{"logGroupArn":"{GROUP}"}},"filters":{{"qspThreshold":1000000}}}}]"#);
    let kinds = [
        ("logging-configuration", "loggingConfiguration", ["--log-group-arn", GROUP]),
        (
            "query-logging-configuration",
            "queryLoggingConfiguration",
            ["--destinations", destinations.as_str()],
        ),
    ];
    for (name, wrapper, arguments) in kinds {
        let (read, status) = (format!("describe-{name}"), format!("/{wrapper}/status/statusCode"));
        workspace.amp(&format!("create-{name}"), &arguments)?;
        workspace.until(&read, &[], &status, "ACTIVE")?;
        workspace.amp(&format!("update-{name}"), &arguments)?;
        let shown = workspace.until(&read, &[], &status, "ACTIVE")?;
        ensure!(shown[wrapper]["workspace"] == workspace.id, "{shown}");
        workspace.amp(&format!("delete-{name}"), &[])?;
        workspace.until_gone(&read, &[])?;
    }
    Ok(())
}

fn policy(workspace: &Workspace<'_>) -> Result<()> {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
            "Action": ["aps:RemoteWrite", "aps:QueryMetrics"],
            "Resource": workspace.arn,
        }],
    })
    .to_string();
    let arguments = ["--policy-document", document.as_str(), "--revision-id", "NO_POLICY"];
    let put = workspace.amp("put-resource-policy", &arguments)?;
    let shown = workspace.until("describe-resource-policy", &[], "/policyStatus", "ACTIVE")?;
    ensure!(shown["policyDocument"] == document && shown["revisionId"] == put["revisionId"], "{shown}");
    workspace.amp("delete-resource-policy", &["--revision-id", text(&put["revisionId"])?])?;
    workspace.until_gone("describe-resource-policy", &[])
}

fn detectors(workspace: &Workspace<'_>) -> Result<()> {
    let configuration = r#"{"randomCutForest":{"query":"avg(rate(http_requests_total[5m]))","shingleSize":8,
        "ignoreNearExpectedFromAbove":{"ratio":0.05}}}"#;
    let arguments = ["--alias", "rate", "--configuration", configuration, "--labels", "severity=high"];
    let created = workspace.amp("create-anomaly-detector", &arguments)?;
    let id = ["--anomaly-detector-id", text(&created["anomalyDetectorId"])?];
    let wait = |state: &str| {
        let wait = [&["wait", state, "--workspace-id", workspace.id], &id[..]].concat();
        workspace.client.amp(&wait)
    };
    wait("anomaly-detector-active")?;
    let put = [&id[..], &["--configuration", r#"{"randomCutForest":{"query":"avg(up)"}}"#]].concat();
    workspace.amp("put-anomaly-detector", &put)?;
    wait("anomaly-detector-active")?;
    let shown = workspace.amp("describe-anomaly-detector", &id)?;
    ensure!(shown["anomalyDetector"]["alias"] == "rate", "{shown}");
    let listed = workspace.amp("list-anomaly-detectors", &["--alias", "rate"])?;
    ensure!(listed["anomalyDetectors"][0]["arn"] == created["arn"], "{listed}");
    workspace.amp("delete-anomaly-detector", &id)?;
    wait("anomaly-detector-deleted")?;
    Ok(())
}

fn scrapers(workspace: &Workspace<'_>, folder: &Path) -> Result<()> {
    let client = workspace.client;
    let default = client.amp(&["get-default-scraper-configuration"])?;
    ensure!(text(&default["configuration"])?.len() > 100, "{default}");
    let source = r#"{"eksConfiguration":{"clusterArn":"arn:aws:eks:us-east-1:123456789012:cluster/c","subnetIds":["subnet-1"]}}"#;
    let destination = format!(r#"{{"ampConfiguration":{{"workspaceArn":"{}"}}}}"#, workspace.arn);
    let configuration = json!({ "configurationBlob": default["configuration"] }).to_string();
    let configuration_file = folder.join("scrape.json");
    fs::write(&configuration_file, configuration)?;
    let configuration = format!("file://{}", configuration_file.display());
    let mut create = vec!["create-scraper", "--alias", "one", "--source", source];
    create.extend(["--destination", destination.as_str(), "--scrape-configuration", configuration.as_str()]);
    let created = client.amp(&create)?;
    let id = text(&created["scraperId"])?;
    let scraper =
        |command: &str, arguments: &[&str]| client.amp(&[&[command, "--scraper-id", id], arguments].concat());
    client.amp(&["wait", "scraper-active", "--scraper-id", id])?;
    scraper("update-scraper", &["--alias", "two", "--exporters", "[]"])?;
    client.amp(&["wait", "scraper-active", "--scraper-id", id])?;
    let shown = scraper("describe-scraper", &[])?;
    ensure!(shown["scraper"]["alias"] == "two", "{shown}");
    let listed = client.amp(&["list-scrapers", "--filters", "status=ACTIVE,alias=two"])?;
    ensure!(listed["scrapers"][0]["arn"] == created["arn"], "{listed}");

    let target = format!(r#"{{"cloudWatchLogs":{{"logGroupArn":"{GROUP}"}}}}"#);
    let components = r#"[{"type":"COLLECTOR"},{"type":"EXPORTER","config":{"options":{}}}]"#;
    let logging = ["--logging-destination", target.as_str(), "--scraper-components", components];
    scraper("update-scraper-logging-configuration", &logging)?;
    let mut active = Value::Null;
    for _ in 0..60 {
        active = scraper("describe-scraper-logging-configuration", &[])?;
        if active["status"]["statusCode"] == "ACTIVE" {
            break;
        }
    }
    ensure!(active["scraperComponents"].as_array().context("components")?.len() == 2, "{active}");
    scraper("delete-scraper-logging-configuration", &[])?;
    let deleted = scraper("delete-scraper", &[])?;
    ensure!(deleted["status"]["statusCode"] == "DELETING", "{deleted}");
    client.amp(&["wait", "scraper-deleted", "--scraper-id", id])?;
    Ok(())
}

fn tags(workspace: &Workspace<'_>) -> Result<()> {
    let resource = ["--resource-arn", workspace.arn];
    let amp = |command: &str, arguments: &[&str]| {
        workspace.client.amp(&[&[command], &resource[..], arguments].concat())
    };
    amp("tag-resource", &["--tags", "Status=Secret,team=new"])?;
    let shown = amp("list-tags-for-resource", &[])?;
    ensure!(shown["tags"] == json!({ "Status": "Secret", "team": "new" }), "{shown}");
    amp("untag-resource", &["--tag-keys", "Status"])?;
    let shown = amp("list-tags-for-resource", &[])?;
    ensure!(shown["tags"] == json!({ "team": "new" }), "{shown}");
    Ok(())
}
