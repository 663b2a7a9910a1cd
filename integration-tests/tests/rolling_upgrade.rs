//! Control-plane nodes that are replaced by a newer release one after the other: a client that tries again loses no request, and the
//! state gets its new version when the last one is there.
//!
//! The older release is this one, pinned to the version of the state before: it takes part in nothing newer.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    sandbox::{Cluster, DEADLINE, Sandbox, ended, scenario, until},
};
use serde_json::{Value, json};
use tokio::try_join;

const OLD: u64 = 2;
const NEW: u64 = 3;

/// Workspaces that are made before the next node is replaced.
const PHASE: usize = 8;

async fn version_is(sandbox: &Sandbox, cluster: &Cluster, wanted: u64) -> Result<()> {
    until(&sandbox.clock, "the version of the state", DEADLINE, async || {
        let shown: Value = serde_json::from_str(&cluster.admin(&["describe"])?)?;
        let shown = shown["state_version"].as_u64();
        Ok(if shown == Some(wanted) { Ok(()) } else { Err(format!("{shown:?}, not {wanted}")) })
    })
    .await
}

/// Makes workspaces, each with a client token and at the nodes in turn until one says that it is made, until it is stopped; the aliases.
async fn make_workspaces(api: &Api, bases: &[String], stop: &AtomicBool) -> Result<Vec<String>> {
    let mut made = Vec::new();
    while !stop.load(Relaxed) {
        let alias = format!("upgrade-{}", made.len());
        let body = json!({ "alias": alias, "clientToken": alias });
        let mut turn = made.len();
        until(api.http.clock(), "a workspace", DEADLINE, async || {
            turn += 1;
            let base = &bases[turn % bases.len()];
            Ok(match api.control(Method::POST, base, "/workspaces", Some(&body)).await {
                Ok(reply) if reply.status == 202 => Ok(()),
                Ok(reply) => Err(reply.to_string()),
                Err(error) => Err(format!("{error:#}")),
            })
        })
        .await?;
        made.push(alias);
    }
    Ok(made)
}

/// Aliases of the workspaces that a node lists.
async fn listed(api: &Api, base: &str) -> Result<Vec<String>> {
    let path = "/workspaces?alias=upgrade-&maxResults=1000";
    let reply = api.control(Method::GET, base, path, None).await?;
    let listed = reply.json()?["workspaces"].as_array().context("workspaces")?.clone();
    Ok(listed.iter().filter_map(|found| Some(found["alias"].as_str()?.to_owned())).collect())
}

/// Replaces the nodes one after the other, with some workspaces made before each.
async fn upgrade(sandbox: &Sandbox, cluster: &mut Cluster, nodes: &[String]) -> Result<()> {
    let bases = cluster.bases("control-plane");
    for (place, node) in nodes.iter().enumerate() {
        let goal = (place + 1) * PHASE;
        let base = &bases[(place + 1) % bases.len()];
        until(&sandbox.clock, "more workspaces", DEADLINE, async || {
            let made = listed(&cluster.api, base).await.map(|made| made.len()).unwrap_or_default();
            Ok(if made >= goal { Ok(()) } else { Err(format!("{made} of {goal}")) })
        })
        .await?;
        version_is(sandbox, cluster, OLD).await?;
        let one = std::slice::from_ref(node);
        cluster.process(node)?.terminate()?;
        ended(sandbox, cluster.process(node)?).await?;
        cluster.launch(sandbox, one)?;
        cluster.ready(sandbox, one).await?;
    }
    version_is(sandbox, cluster, NEW).await
}

#[test]
fn nodes_are_upgraded_one_after_the_other_and_no_request_is_lost() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::prepared(sandbox, &[("NARTHEX_LIMITS_WORKSPACES", "100000")])?;
        let nodes = cluster.names(|instance| instance.service == "control-plane");
        cluster.launch_with(sandbox, &nodes, &[("NARTHEX_STATE_VERSION", OLD.to_string())])?;
        cluster.ready(sandbox, &nodes).await?;
        version_is(sandbox, &cluster, OLD).await?;

        let bases = cluster.bases("control-plane");
        let (api, stop) = (cluster.api.clone(), AtomicBool::new(false));
        let upgrading = async {
            upgrade(sandbox, &mut cluster, &nodes).await?;
            stop.store(true, Relaxed);
            Ok(())
        };
        let (mut made, ()) = try_join!(make_workspaces(&api, &bases, &stop), upgrading)?;
        made.sort();
        for base in &bases {
            let mut listed = listed(&api, base).await?;
            listed.sort();
            ensure!(listed == made, "{base} lists {} workspaces, {} were made", listed.len(), made.len());
        }
        eprintln!("{} workspaces made, each once", made.len());

        // An older release does not take the newer state.
        let one = std::slice::from_ref(&nodes[0]);
        cluster.kill(one)?;
        cluster.launch_with(sandbox, one, &[("NARTHEX_STATE_VERSION", OLD.to_string())])?;
        let status = ended(sandbox, cluster.process(&nodes[0])?).await?;
        ensure!(!status.success(), "a pinned node started with a newer state");
        let log = sandbox.log(&nodes[0]);
        ensure!(log.contains("--state-version"), "the log does not say why");
        Ok(())
    });
}
