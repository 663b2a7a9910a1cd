//! The control plane lost as a whole: its state comes back from a backup in the bucket while the data plane goes on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use narthex_integration_tests::{
    aws::{Api, Signer},
    recorder::Recorder,
    sandbox::{Cluster, DEADLINE, scenario, until},
};
use narthex_service::Random;
use serde_json::{Value, json};

/// Writes that are acknowledged in each phase.
const PHASE: usize = 600;

const RULES: &str = "groups:\n- name: g\n  rules:\n  - record: job:up:sum\n    expr: sum by (job) (up)\n";
const DEFINITION: &str =
    "alertmanager_config: |\n  route:\n    receiver: default\n  receivers:\n  - name: default\n";
const LOGS: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/prometheus:*";

/// What an operator's command prints as JSON.
fn admin(cluster: &Cluster, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.admin(arguments)?)?)
}

/// The access key that a command has printed.
fn key_of(printed: &str, cluster: &Cluster) -> Result<Signer> {
    let after = |name: &str| {
        let line = printed.lines().find(|line| line.contains(name)).with_context(|| format!("no {name}"))?;
        line.split(['=', ':']).nth(1).map(|text| text.trim().to_owned()).context("no value")
    };
    let region = cluster.api.signer.as_ref().context("no signer")?.region.clone();
    Ok(Signer::new(&after("access_key_id")?, &after("secret_access_key")?, &region))
}

/// One thing of every kind, and the paths that describe them all.
async fn populate(cluster: &Cluster, base: &str) -> Result<Vec<String>> {
    let api = cluster.api.create_workspace(base, "kept").await?;
    let id = &api.workspace;
    until(&api.http.clock().clone(), "an active workspace", DEADLINE, async || {
        let reply = api.control(Method::GET, base, &format!("/workspaces/{id}"), None).await?;
        let active = reply.json()?["workspace"]["status"]["statusCode"] == "ACTIVE";
        Ok(if active { Ok(()) } else { Err(reply.to_string()) })
    })
    .await?;
    let workspace = format!("/workspaces/{id}");
    let packed = |text: &str| BASE64_STANDARD.encode(text);
    let make = async |method: Method, path: &str, body: Value| -> Result<Value> {
        let reply = api.control(method.clone(), base, path, Some(&body)).await?;
        ensure!(reply.status.is_success(), "{method} {path}: {reply}");
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    };
    let under = |path: &str| format!("{workspace}/{path}");
    make(
        Method::POST,
        &under("rulegroupsnamespaces"),
        json!({"name": "rules", "data": packed(RULES), "tags": {"a": "b"}}),
    )
    .await?;
    make(Method::POST, &under("alertmanager/definition"), json!({"data": packed(DEFINITION)})).await?;
    make(Method::POST, &under("logging"), json!({"logGroupArn": LOGS})).await?;
    let destination = json!({"cloudWatchLogs": {"logGroupArn": LOGS}, "filters": {"qspThreshold": 10}});
    make(Method::POST, &under("logging/query"), json!({"destinations": [destination]})).await?;
    make(Method::PATCH, &under("configuration"), json!({"retentionPeriodInDays": 30})).await?;
    let principal = json!({"AWS": "arn:aws:iam::210987654321:root"});
    let arn = api.control(Method::GET, base, &workspace, None).await?.json()?["workspace"]["arn"].clone();
    let statement =
        json!({"Effect": "Allow", "Principal": principal, "Action": "aps:RemoteWrite", "Resource": arn});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    make(Method::PUT, &under("policy"), json!({"policyDocument": policy})).await?;
    let forest = json!({"randomCutForest": {"query": "avg(up)"}});
    let detector = json!({"alias": "odd", "configuration": forest});
    let detector = make(Method::POST, &under("anomalydetectors"), detector).await?;
    let detector = detector["anomalyDetectorId"].as_str().context("no detector id")?.to_owned();
    let paths = [
        "",
        "/rulegroupsnamespaces/rules",
        "/alertmanager/definition",
        "/logging",
        "/logging/query",
        "/configuration",
        "/policy",
    ];
    let mut paths: Vec<String> = paths.iter().map(|path| format!("{workspace}{path}")).collect();
    paths.push(under(&format!("anomalydetectors/{detector}")));
    paths.push("/workspaces".to_owned());
    Ok(paths)
}

/// What every path answers, once nothing is under way any more.
async fn described(cluster: &Cluster, base: &str, paths: &[String]) -> Result<BTreeMap<String, Value>> {
    let mut answers = BTreeMap::new();
    for path in paths {
        let answer = until(cluster.api.http.clock(), path, DEADLINE, async || {
            let reply = cluster.api.control(Method::GET, base, path, None).await?;
            let settled = reply.status == 200 && !reply.text().contains("ING\"");
            Ok(if settled { Ok(reply.json()?) } else { Err(reply.to_string()) })
        });
        answers.insert(path.clone(), answer.await?);
    }
    Ok(answers)
}

/// Takes the endpoint out, which is the address of the node that answers.
fn without_place(answer: &mut Value) {
    if let Some(workspace) = answer.get_mut("workspace").and_then(Value::as_object_mut) {
        workspace.remove("prometheusEndpoint");
    }
}

#[test]
fn all_nodes_are_wiped_and_a_backup_brings_everything_back() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let nodes = cluster.names(|instance| instance.service == "control-plane");
        let base = cluster.bases("control-plane")[0].clone();
        let recorder =
            Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system());
        let writing = recorder.start(2);
        writing.acknowledged(PHASE).await?;

        let paths = populate(&cluster, &base).await?;
        let mut before = described(&cluster, &base, &paths).await?;
        before.values_mut().for_each(without_place);
        let account = before[&paths[0]]["workspace"]["arn"].as_str().and_then(|arn| arn.split(':').nth(4));
        let account = account.context("no account")?;
        let made = cluster.admin(&["identity", "create-access-key", "--account", account])?;
        let signer = key_of(&made, &cluster)?;
        let written = admin(&cluster, &["backup"])?;
        let listed = admin(&cluster, &["list-backups"])?;
        ensure!(listed[0] == written, "{written} is not the newest of {listed}");

        cluster.kill(&nodes)?;
        nodes.iter().try_for_each(|node| cluster.empty_disk(node))?;
        // Nobody waits for the control plane (C-2).
        writing.acknowledged(PHASE).await?;
        cluster.launch_with(sandbox, &nodes, &[("NARTHEX_RESTORE", "latest".to_owned())])?;
        cluster.ready(sandbox, &nodes).await?;
        for base in cluster.bases("control-plane") {
            let mut after = described(&cluster, &base, &paths).await?;
            // Each node names itself as the place of workspaces.
            after.values_mut().for_each(without_place);
            for (path, answer) in &after {
                ensure!(*answer == before[path], "{base}{path} was {} and is {answer}", before[path]);
            }
        }
        let second = Api { signer: Some(signer), ..cluster.api.clone() };
        let reply = second.control(Method::GET, &base, "/workspaces", None).await?;
        ensure!(reply.status == 200, "a key of the backup: {reply}");

        // The ring is whole again: members have registered, and writes go on in the new epochs.
        until(&sandbox.clock, "members that have come back", DEADLINE, async || {
            let shown = admin(&cluster, &["describe"])?;
            let missing = shown["instances"].as_array().into_iter().flatten();
            let missing: Vec<_> = missing.filter(|it| it["must_register_again"] == true).collect();
            Ok(if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) })
        })
        .await?;
        writing.acknowledged(PHASE).await?;
        cluster.api.create_workspace(&base, "after").await?;
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "writes failed: {:?}", tally.failed.first());
        for querier in &cluster.queriers {
            recorder.verify(querier, DEADLINE).await?;
        }
        // A second start with the setting restores nothing.
        cluster.kill(&nodes)?;
        cluster.launch_with(sandbox, &nodes, &[("NARTHEX_RESTORE", "latest".to_owned())])?;
        cluster.ready(sandbox, &nodes).await?;
        let kept = cluster.api.control(Method::GET, &base, "/workspaces?alias=after", None).await?;
        ensure!(kept.json()?["workspaces"].as_array().is_some_and(|found| found.len() == 1), "{kept}");
        Ok(())
    });
}
