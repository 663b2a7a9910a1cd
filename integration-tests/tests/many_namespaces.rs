//! A state with many files: how long a control-plane node takes to start with it, how long a new service to know what it needs of it, and
//! what both hold in memory.
//!
//! 20 workspaces with 20 rule groups namespaces of 2 KB each, or 1,000 with 100 with `NARTHEX_LONG=1`. Times are printed, not asserted.

use anyhow::{Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{StreamExt, TryStreamExt};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    metrics::metric,
    sandbox::{Cluster, DEADLINE, Sandbox, long, scenario, until},
};
use serde_json::json;

use crate::many_workspaces::mebibytes;

/// Requests that are under way at the same time.
const CLIENTS: usize = 32;

/// Length of a file of rules, at least.
const FILE: usize = 2_000;

/// Rules that no other namespace has.
fn rules(workspace: usize, namespace: usize) -> String {
    let mut text = "groups:\n- name: group\n  rules:\n".to_owned();
    let mut number = 0;
    while text.len() < FILE {
        text += &format!(
            "  - record: workspace_{workspace}:namespace_{namespace}:requests_{number}\n    \
             expr: sum by (job, status) (rate(http_requests_total{{shard=\"{}\"}}[5m]))\n",
            workspace * 7919 + namespace * 31 + number
        );
        number += 1;
    }
    text
}

async fn fill(api: &Api, base: &str, workspaces: usize, namespaces: usize) -> Result<()> {
    let making = (0..workspaces).map(|workspace| async move {
        let api = api.create_workspace(base, &format!("workspace {workspace}")).await?;
        for namespace in 0..namespaces {
            let data = BASE64_STANDARD.encode(rules(workspace, namespace));
            let body = json!({ "name": format!("namespace-{namespace}"), "data": data });
            let path = format!("/workspaces/{}/rulegroupsnamespaces", api.workspace);
            let reply = api.control(Method::POST, base, &path, Some(&body)).await?;
            ensure!(reply.status == 202, "namespace {namespace} of workspace {workspace}: {reply}");
        }
        Ok(())
    });
    futures::stream::iter(making).buffer_unordered(CLIENTS).try_collect().await
}

/// Starts an instance; prints how long it took to be ready, and what it holds then. Returns the latter.
async fn start(sandbox: &Sandbox, cluster: &mut Cluster, name: &str) -> Result<f64> {
    let names = [name.to_owned()];
    let began = sandbox.clock.monotonic();
    cluster.launch(sandbox, &names)?;
    cluster.ready(sandbox, &names).await?;
    let took = sandbox.clock.monotonic() - began;
    let memory = mebibytes(cluster.process(name)?, "VmRSS")?;
    eprintln!("{name} is ready after {took:.2?} and holds {memory:.0} MiB");
    Ok(memory)
}

#[test]
fn nodes_and_services_start_with_a_state_of_many_files() {
    scenario(async |sandbox| {
        let (workspaces, namespaces) = if long() { (1_000, 100) } else { (20, 20) };
        let environment = [("NARTHEX_LIMITS_WORKSPACES", "2000")];
        let mut cluster = Cluster::prepared(sandbox, &environment)?;
        let nodes = cluster.names(|instance| instance.service == "control-plane");
        cluster.launch(sandbox, &nodes)?;
        cluster.ready(sandbox, &nodes).await?;
        // A distributor is ready when there is a ring.
        let ingesters = cluster.names(|instance| instance.service == "ingester");
        cluster.launch(sandbox, &ingesters)?;
        let empty = start(sandbox, &mut cluster, "distributor-zone-a-0").await?;
        let bases = cluster.bases("control-plane");
        let began = sandbox.clock.monotonic();
        fill(&cluster.api, &bases[0], workspaces, namespaces).await?;
        let took = sandbox.clock.monotonic() - began;
        eprintln!("made {} namespaces in {took:.1?}", workspaces * namespaces);
        for node in &nodes {
            let base = &cluster.instance(node)?.base;
            let snapshot = metric(&sandbox.http, base, "narthex_control_plane_snapshot_bytes").await?;
            let memory = mebibytes(cluster.process(node)?, "VmRSS")?;
            let megabytes = snapshot.unwrap_or_default() / 1e6;
            eprintln!("{node} holds {memory:.0} MiB; its newest snapshot has {megabytes:.1} MB");
        }

        let last = nodes[2].clone();
        cluster.kill(std::slice::from_ref(&last))?;
        start(sandbox, &mut cluster, &last).await?;
        // The node that was started again knows them all.
        let base = cluster.instance(&last)?.base.clone();
        until(&sandbox.clock, "all workspaces", DEADLINE, async || {
            let listed = cluster.api.control(Method::GET, &base, "/workspaces?maxResults=1000", None).await?;
            let listed = listed.json()?["workspaces"].as_array().map_or(0, Vec::len);
            Ok(if listed > workspaces.min(999) { Ok(()) } else { Err(format!("{listed} are listed")) })
        })
        .await?;
        let full = start(sandbox, &mut cluster, "distributor-zone-b-0").await?;
        let each = (full - empty) * 1024.0 / workspaces as f64;
        eprintln!("a workspace costs a distributor {each:.2} KiB");
        // Files of rules are no business of a distributor: a quarter of their length would be far too much.
        let files = (workspaces * namespaces * FILE) as f64 / (1 << 20) as f64;
        if long() {
            ensure!(full - empty < files / 4.0, "{:.0} MiB more, of {files:.0} MiB of files", full - empty);
        }
        Ok(())
    });
}
