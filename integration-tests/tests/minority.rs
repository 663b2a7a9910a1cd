//! Control-plane nodes that are few (C-2): one of three decides nothing and says so, samples are taken and queries answered
//! all the while, and with a second node everything works again. A node that lost its disk comes back under another number.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    http::Reply,
    recorder::Recorder,
    sandbox::{Cluster, DEADLINE, Sandbox, ended, scenario, until},
};
use narthex_service::Random;
use serde_json::{Value, json};

/// Samples that are written in each phase.
const PHASE: usize = 1_000;
/// As long as an election may take once two nodes can speak to each other.
const ELECTION: Duration = Duration::from_secs(10);

/// Names of the control-plane nodes, in the order of their zones, and the place of the leader.
fn nodes(cluster: &Cluster) -> Result<(Vec<String>, usize)> {
    let names = cluster.names(|instance| instance.service == "control-plane");
    let described: Value = serde_json::from_str(&cluster.admin(&["describe"])?)?;
    let nodes = described["nodes"].as_array().context("nodes")?;
    let leader = nodes.iter().find(|node| node["role"] == "leader").context("no leader")?;
    let number = leader["node"].as_u64().context("a number")?;
    // Numbered from 1 in the order of the zones.
    Ok((names, usize::try_from(number)? - 1))
}

/// What only a majority can do or tell is refused as a thing to try again, and not for ever in coming.
fn ensure_refused(what: &str, reply: &Reply) -> Result<()> {
    ensure!(reply.status == 500, "{what}: {reply}");
    ensure!(reply.header("x-amzn-errortype") == "InternalServerException", "{what}: {:?}", reply.headers);
    ensure!(reply.header("retry-after") == "1", "{what}: {:?}", reply.headers);
    let message = reply.json()?["message"].as_str().unwrap_or_default().to_owned();
    ensure!(message.contains("majority") && message.contains("try again"), "{what}: {message}");
    Ok(())
}

/// Everything that an operator and a client of the management API may try at a node that is alone.
async fn is_alone(sandbox: &Sandbox, cluster: &Cluster, node: &str) -> Result<()> {
    let (api, base) = (&cluster.api, cluster.instance(node)?.base.as_str());
    until(&sandbox.clock, "a node that says that it is alone", DEADLINE, async || {
        let reply = sandbox.http.get(&format!("{base}/ready")).await?;
        let said = ["no leader is elected among nodes", "no majority answers node"];
        let alone = reply.status == 503 && said.iter().any(|said| reply.text().contains(said));
        Ok(if alone { Ok(()) } else { Err(reply.to_string()) })
    })
    .await?;
    let workspace = format!("/workspaces/{}", api.workspace);
    let alias = json!({"alias": "alone"});
    let calls = [
        (Method::POST, "/workspaces".to_owned(), Some(&alias)),
        (Method::POST, format!("{workspace}/alias"), Some(&alias)),
        (Method::DELETE, workspace.clone(), None),
        // What is told could be out of date.
        (Method::GET, workspace, None),
        (Method::GET, "/workspaces".to_owned(), None),
    ];
    let start = sandbox.clock.monotonic();
    let replies = calls.iter().map(|(method, path, body)| api.control(method.clone(), base, path, *body));
    for ((method, path, _), reply) in calls.iter().zip(futures::future::try_join_all(replies).await?) {
        ensure_refused(&format!("{method} {path}"), &reply)?;
    }
    let took = sandbox.clock.monotonic().saturating_sub(start);
    eprintln!("refused after {} ms", took.as_millis());
    ensure!(took < Duration::from_secs(15), "refused after {took:?}");
    let refused = cluster.admin(&["identity", "create-access-key", "--account", "123456789012"]);
    let refused = format!("{:#}", refused.err().context("a key was made without a majority")?);
    ensure!(refused.contains("no leader"), "{refused}");
    Ok(())
}

async fn makes_workspaces(sandbox: &Sandbox, api: &Api, base: &str) -> Result<Api> {
    until(&sandbox.clock, "a workspace", ELECTION, async || {
        Ok(api.create_workspace(base, "with a majority").await.map_err(|error| format!("{error:#}")))
    })
    .await
}

#[test]
fn one_node_of_three_decides_nothing_while_samples_are_taken_and_two_do_again() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let (names, leader) = nodes(&cluster)?;
        let recorder =
            Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system());
        let writing = recorder.start(2);
        writing.acknowledged(PHASE).await?;
        // Once the leader is left alone, and once a follower.
        for alone in [leader, (leader + 1) % 3] {
            let others: Vec<String> =
                (0..3).filter(|place| *place != alone).map(|place| names[place].clone()).collect();
            cluster.kill(&others)?;
            is_alone(sandbox, &cluster, &names[alone]).await?;
            writing.acknowledged(PHASE).await?;
            for querier in &cluster.queriers {
                recorder.verify(querier, DEADLINE).await?;
            }

            cluster.launch(sandbox, &others[..1])?;
            let base = cluster.instance(&names[alone])?.base.clone();
            let start = sandbox.clock.monotonic();
            cluster.ready(sandbox, &others[..1]).await?;
            let made = makes_workspaces(sandbox, &cluster.api, &base).await?;
            let took = sandbox.clock.monotonic().saturating_sub(start);
            eprintln!("a workspace {} ms after the second node started", took.as_millis());
            let second = &cluster.instance(&others[0])?.base;
            let path = format!("/workspaces/{}", made.workspace);
            let reply = cluster.api.control(Method::GET, second, &path, None).await?;
            ensure!(reply.status == 200, "the second node does not know it: {reply}");
            let path = format!("/workspaces/{}", cluster.api.workspace);
            let reply = cluster.api.control(Method::GET, second, &path, None).await?;
            ensure!(reply.status == 200, "what was refused was done: {reply}");

            cluster.launch(sandbox, &others[1..])?;
            cluster.ready(sandbox, &others[1..]).await?;
        }
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "writes failed: {:?}", tally.failed.first());
        for querier in &cluster.queriers {
            recorder.verify(querier, DEADLINE).await?;
        }
        Ok(())
    });
}

#[test]
fn a_node_that_lost_its_disk_says_how_it_comes_back_and_does() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let (names, leader) = nodes(&cluster)?;
        let base = cluster.instance(&names[leader])?.base.clone();
        let made = cluster.api.create_workspace(&base, "before").await?;
        until(&sandbox.clock, "all nodes on record", DEADLINE, async || {
            let described: Value = serde_json::from_str(&cluster.admin(&["describe"])?)?;
            let nodes = described["nodes"].as_array().context("nodes")?;
            let all = nodes.iter().all(|node| node["on_record"] == true);
            Ok(all.then_some(()).ok_or_else(|| described.to_string()))
        })
        .await?;
        let place = (leader + 1) % 3;
        let emptied = vec![names[place].clone()];
        cluster.kill(&emptied)?;
        cluster.empty_disk(&emptied[0])?;

        // Under its number it would break what it promised.
        cluster.launch(sandbox, &emptied)?;
        let status = ended(sandbox, cluster.process(&emptied[0])?).await?;
        ensure!(!status.success(), "a node without memory took part");
        let log = sandbox.log(&emptied[0]);
        let dead = (place + 1).to_string();
        ensure!(
            log.contains(&format!("replace-node --dead {dead}")),
            "the log does not say what to do: {log}"
        );

        cluster.launch_with(sandbox, &emptied, &[("NARTHEX_NODE_ID", "4".to_owned())])?;
        let again = cluster.instance(&emptied[0])?;
        let (again, address) = (again.base.clone(), again.grpc.clone().context("no gRPC address")?);
        until(&sandbox.clock, "a node in the place of the lost one", DEADLINE, async || {
            let replace = ["replace-node", "--dead", &dead, "--replacement", "4", "--address", &address];
            Ok(cluster.admin(&replace).map(drop).map_err(|error| format!("{error:#}")))
        })
        .await?;
        cluster.ready(sandbox, &emptied).await?;
        for name in &names {
            ensure!(cluster.process(name)?.ended()?.is_none(), "{name} ended");
        }
        let path = format!("/workspaces/{}", made.workspace);
        let reply = cluster.api.control(Method::GET, &again, &path, None).await?;
        ensure!(reply.status == 200, "what was there before: {reply}");
        // It counts: with another node gone, it and the third are a majority.
        cluster.kill(&names[leader..=leader])?;
        makes_workspaces(sandbox, &cluster.api, &again).await.map(drop)
    });
}
