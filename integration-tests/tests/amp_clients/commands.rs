//! Every command of the API (api-control-plane.md section 11), with each of its waiters, on a workspace of its own:
//! what is written is read back, and what is made is there once.

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::sandbox::{DEADLINE, until};
use narthex_service::SharedClock;
use serde_json::{Map, Value, json};

use super::clients::{Amp, bytes};

pub(crate) const RULES: &str =
    "groups:\n  - name: g\n    rules:\n      - record: job:up:sum\n        expr: sum by (job) (up)\n";
pub(crate) const DEFINITION: &str =
    "alertmanager_config: |\n  route:\n    receiver: default\n  receivers:\n    - name: default\n";
pub(crate) const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/prom:*";
pub(crate) const EKS: &str = "arn:aws:eks:us-east-1:123456789012:cluster/c";

/// Every command on a new workspace, which is gone in the end.
pub(crate) async fn every_command(client: &mut impl Amp, clock: &SharedClock) -> Result<()> {
    let alias = client.name();
    let created =
        client.call("create-workspace", json!({ "alias": alias, "tags": { "team": "core" } })).await?;
    let (id, arn) = (text(&created["workspaceId"])?, text(&created["arn"])?);
    client.wait("workspace-active", json!({ "workspaceId": id })).await?;
    let listed = client.call("list-workspaces", json!({ "alias": alias })).await?;
    only(&listed["workspaces"], "workspaceId", &created["workspaceId"])?;

    let mut workspace = Workspace { client, clock, id, arn };
    let renamed = format!("{alias} again");
    workspace.amp("update-workspace-alias", json!({ "alias": renamed })).await?;
    let described = workspace.amp("describe-workspace", json!({})).await?;
    ensure!(described["workspace"]["alias"] == renamed.as_str(), "{described}");
    workspace.configuration().await?;
    workspace.rule_groups().await?;
    workspace.alert_manager().await?;
    workspace.logging().await?;
    workspace.policy().await?;
    workspace.detectors().await?;
    workspace.scrapers().await?;
    workspace.tags().await?;
    workspace.amp("delete-workspace", json!({})).await?;
    workspace.client.wait("workspace-deleted", json!({ "workspaceId": id })).await
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("expected a string, found {value}"))
}

/// That a list has this one item, by one of its members: no call made two.
fn only(list: &Value, member: &str, expected: &Value) -> Result<()> {
    let items = list.as_array().context("a list")?;
    ensure!(items.len() == 1 && items[0][member] == *expected, "expected {expected} alone, found {list}");
    Ok(())
}

/// What the commands of one workspace have in common.
struct Workspace<'a, C> {
    client: &'a mut C,
    clock: &'a SharedClock,
    id: &'a str,
    arn: &'a str,
}

impl<C: Amp> Workspace<'_, C> {
    fn parameters(&self, parameters: Value) -> Value {
        let mut all = Map::from_iter([("workspaceId".to_owned(), self.id.into())]);
        all.extend(parameters.as_object().cloned().unwrap_or_default());
        all.into()
    }

    /// A command about the workspace.
    async fn amp(&mut self, operation: &str, parameters: Value) -> Result<Value> {
        let parameters = self.parameters(parameters);
        self.client.call(operation, parameters).await
    }

    /// Asks until what is read has the status.
    async fn until_active(&mut self, operation: &str, parameters: Value, pointer: &str) -> Result<Value> {
        let parameters = self.parameters(parameters);
        self.settled(operation, parameters, pointer).await
    }

    async fn settled(&mut self, operation: &str, parameters: Value, pointer: &str) -> Result<Value> {
        let client = &mut *self.client;
        until(self.clock, &format!("{operation} to tell ACTIVE"), DEADLINE, async || {
            let shown = client.call(operation, parameters.clone()).await?;
            let active = shown.pointer(pointer).is_some_and(|status| status == "ACTIVE");
            Ok(if active { Ok(shown) } else { Err(shown.to_string()) })
        })
        .await
    }

    /// Asks until it is not there any more.
    async fn until_gone(&mut self, operation: &str, parameters: Value) -> Result<()> {
        let parameters = self.parameters(parameters);
        let client = &mut *self.client;
        until(self.clock, &format!("{operation} to find nothing"), DEADLINE, async || {
            Ok(match client.ask(operation, parameters.clone()).await? {
                Ok(shown) => Err(shown.to_string()),
                Err(error) => {
                    ensure!(error.contains("ResourceNotFoundException"), "{operation}: {error}");
                    Ok(())
                }
            })
        })
        .await
    }

    async fn configuration(&mut self) -> Result<()> {
        let read = "describe-workspace-configuration";
        let shown = self.amp(read, json!({})).await?;
        ensure!(shown["workspaceConfiguration"]["retentionPeriodInDays"] == 150, "{shown}");
        let limits =
            json!([{ "limits": { "maxSeries": 1_000_000 }, "labelSet": { "team": "A", "env": "prod" } }]);
        let settings = json!({ "limitsPerLabelSet": limits, "retentionPeriodInDays": 30 });
        let changed = self.amp("update-workspace-configuration", settings).await?;
        ensure!(changed["status"]["statusCode"] == "UPDATING", "{changed}");
        let shown = self.until_active(read, json!({}), "/workspaceConfiguration/status/statusCode").await?;
        let settings = &shown["workspaceConfiguration"];
        ensure!(settings["retentionPeriodInDays"] == 30, "{shown}");
        ensure!(settings["limitsPerLabelSet"] == limits, "{shown}");
        Ok(())
    }

    async fn rule_groups(&mut self) -> Result<()> {
        let name = json!({ "name": "rules file/1" });
        let with_data = json!({ "name": "rules file/1", "data": bytes(RULES) });
        let mut tagged = with_data.clone();
        tagged["tags"] = json!({ "Team": "a" });
        let created = self.amp("create-rule-groups-namespace", tagged).await?;
        ensure!(created["status"]["statusCode"] == "CREATING" && created["tags"]["Team"] == "a", "{created}");
        let (read, status) = ("describe-rule-groups-namespace", "/ruleGroupsNamespace/status/statusCode");
        self.until_active(read, name.clone(), status).await?;
        self.amp("put-rule-groups-namespace", with_data).await?;
        self.until_active(read, name.clone(), status).await?;
        let listed = self.amp("list-rule-groups-namespaces", json!({ "name": "rules" })).await?;
        only(&listed["ruleGroupsNamespaces"], "arn", &created["arn"])?;
        self.amp("delete-rule-groups-namespace", name.clone()).await?;
        self.until_gone(read, name).await
    }

    async fn alert_manager(&mut self) -> Result<()> {
        let (read, status) =
            ("describe-alert-manager-definition", "/alertManagerDefinition/status/statusCode");
        let data = json!({ "data": bytes(DEFINITION) });
        self.amp("create-alert-manager-definition", data.clone()).await?;
        self.until_active(read, json!({}), status).await?;
        self.amp("put-alert-manager-definition", data).await?;
        self.until_active(read, json!({}), status).await?;
        self.amp("delete-alert-manager-definition", json!({})).await?;
        self.until_gone(read, json!({})).await
    }

    async fn logging(&mut self) -> Result<()> {
        let target = json!({ "logGroupArn": GROUP });
        let destination = json!({ "cloudWatchLogs": target, "filters": { "qspThreshold": 1_000_000 } });
        for (name, wrapper, parameters) in [
            ("logging-configuration", "loggingConfiguration", target.clone()),
            (
                "query-logging-configuration",
                "queryLoggingConfiguration",
                json!({ "destinations": [destination] }),
            ),
        ] {
            let (read, status) = (format!("describe-{name}"), format!("/{wrapper}/status/statusCode"));
            self.amp(&format!("create-{name}"), parameters.clone()).await?;
            self.until_active(&read, json!({}), &status).await?;
            self.amp(&format!("update-{name}"), parameters).await?;
            let shown = self.until_active(&read, json!({}), &status).await?;
            ensure!(shown[wrapper]["workspace"] == self.id, "{shown}");
            self.amp(&format!("delete-{name}"), json!({})).await?;
            self.until_gone(&read, json!({})).await?;
        }
        Ok(())
    }

    async fn policy(&mut self) -> Result<()> {
        let document = policy_document(self.arn);
        // Only the first of two such calls finds none.
        let put = json!({ "policyDocument": document, "revisionId": "NO_POLICY" });
        let put = self.amp("put-resource-policy", put).await?;
        let shown = self.until_active("describe-resource-policy", json!({}), "/policyStatus").await?;
        ensure!(shown["policyDocument"] == document && shown["revisionId"] == put["revisionId"], "{shown}");
        self.amp("delete-resource-policy", json!({ "revisionId": put["revisionId"] })).await?;
        self.until_gone("describe-resource-policy", json!({})).await
    }

    async fn detectors(&mut self) -> Result<()> {
        let forest = json!({
            "query": "avg(rate(http_requests_total[5m]))",
            "shingleSize": 8,
            "ignoreNearExpectedFromAbove": { "ratio": 0.05 },
        });
        let create = json!({
            "alias": "rate",
            "configuration": { "randomCutForest": forest },
            "labels": { "severity": "high" },
        });
        let created = self.amp("create-anomaly-detector", create).await?;
        let id = self.parameters(json!({ "anomalyDetectorId": created["anomalyDetectorId"] }));
        self.client.wait("anomaly-detector-active", id.clone()).await?;
        let mut put = id.clone();
        put["configuration"] = json!({ "randomCutForest": { "query": "avg(up)" } });
        self.amp("put-anomaly-detector", put).await?;
        self.client.wait("anomaly-detector-active", id.clone()).await?;
        let shown = self.amp("describe-anomaly-detector", id.clone()).await?;
        ensure!(shown["anomalyDetector"]["alias"] == "rate", "{shown}");
        let listed = self.amp("list-anomaly-detectors", json!({ "alias": "rate" })).await?;
        only(&listed["anomalyDetectors"], "arn", &created["arn"])?;
        self.amp("delete-anomaly-detector", id.clone()).await?;
        self.client.wait("anomaly-detector-deleted", id).await
    }

    async fn scrapers(&mut self) -> Result<()> {
        let default = self.client.call("get-default-scraper-configuration", json!({})).await?;
        let configuration = self.client.file(&default["configuration"])?;
        // Aliases of scrapers are the account's.
        let (one, two) = (format!("{}-one", self.client.name()), format!("{}-two", self.client.name()));
        let create = json!({
            "alias": one,
            "source": { "eksConfiguration": { "clusterArn": EKS, "subnetIds": ["subnet-1"] } },
            "destination": { "ampConfiguration": { "workspaceArn": self.arn } },
            "scrapeConfiguration": { "configurationBlob": bytes(&configuration) },
        });
        let created = self.client.call("create-scraper", create).await?;
        let id = json!({ "scraperId": created["scraperId"] });
        self.client.wait("scraper-active", id.clone()).await?;
        let mut update = id.clone();
        update["alias"] = two.as_str().into();
        update["exporters"] = json!([]);
        self.client.call("update-scraper", update).await?;
        self.client.wait("scraper-active", id.clone()).await?;
        let shown = self.client.call("describe-scraper", id.clone()).await?;
        ensure!(shown["scraper"]["alias"] == two.as_str(), "{shown}");
        let filters = json!({ "filters": { "status": ["ACTIVE"], "alias": [one, two] } });
        let listed = self.client.call("list-scrapers", filters).await?;
        only(&listed["scrapers"], "arn", &created["arn"])?;
        self.scraper_logging(&id).await?;
        let deleted = self.client.call("delete-scraper", id.clone()).await?;
        ensure!(deleted["status"]["statusCode"] == "DELETING", "{deleted}");
        self.client.wait("scraper-deleted", id).await
    }

    async fn scraper_logging(&mut self, id: &Value) -> Result<()> {
        let mut update = id.clone();
        update["loggingDestination"] = json!({ "cloudWatchLogs": { "logGroupArn": GROUP } });
        update["scraperComponents"] =
            json!([{ "type": "COLLECTOR" }, { "type": "EXPORTER", "config": { "options": {} } }]);
        self.client.call("update-scraper-logging-configuration", update).await?;
        let read = "describe-scraper-logging-configuration";
        let active = self.settled(read, id.clone(), "/status/statusCode").await?;
        ensure!(active["scraperComponents"].as_array().context("components")?.len() == 2, "{active}");
        self.client.call("delete-scraper-logging-configuration", id.clone()).await?;
        Ok(())
    }

    async fn tags(&mut self) -> Result<()> {
        let resource = json!({ "resourceArn": self.arn });
        let with = |name: &str, value: Value| {
            let mut parameters = resource.clone();
            parameters[name] = value;
            parameters
        };
        let read = "list-tags-for-resource";
        let tags = json!({ "Status": "Secret", "team": "new" });
        self.client.call("tag-resource", with("tags", tags.clone())).await?;
        let shown = self.client.call(read, resource.clone()).await?;
        ensure!(shown["tags"] == tags, "{shown}");
        self.client.call("untag-resource", with("tagKeys", json!(["Status"]))).await?;
        let shown = self.client.call(read, resource).await?;
        ensure!(shown["tags"] == json!({ "team": "new" }), "{shown}");
        Ok(())
    }
}

/// What another account may do with a workspace.
pub(crate) fn policy_document(arn: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
            "Action": ["aps:RemoteWrite", "aps:QueryMetrics"],
            "Resource": arn,
        }],
    })
    .to_string()
}
