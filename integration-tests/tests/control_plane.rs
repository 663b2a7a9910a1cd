//! A control-plane node that is gone for good: a fourth one takes its place by one command, while samples are written and
//! workspaces are made; a mistake in that command costs nothing.

use std::{
    fs,
    process::{Command as Program, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    recorder::Recorder,
    sandbox::{Cluster, Command, DEADLINE, Process, Sandbox, binary, scenario, until},
};
use narthex_service::Random;
use tokio::task::JoinHandle;

const PHASE: usize = 1200;
/// As long as a workspace may take to be made after the leader is killed.
const ELECTION: Duration = Duration::from_secs(10);

/// The configuration of a node is that of the dead one, with its own number, folder and addresses.
fn fourth_node(sandbox: &Sandbox, cluster: &Cluster, dead: &str) -> Result<(Process, String, String)> {
    let text = fs::read_to_string(&cluster.instance(dead)?.config)?;
    let (http, grpc) =
        (format!("127.0.0.1:{}", sandbox.ports.one()?), format!("127.0.0.1:{}", sandbox.ports.one()?));
    let replaced = |line: &str| match line.split_once(": ").map(|(key, _)| key) {
        Some("listen") => format!("listen: {http}"),
        Some("grpc-listen") => format!("grpc-listen: {grpc}"),
        Some("data-dir") => format!("data-dir: {}", sandbox.path().join("fourth").display()),
        Some("node-id") => "node-id: 4".to_owned(),
        _ => line.to_owned(),
    };
    let config = sandbox.path().join("fourth.yaml");
    fs::write(&config, text.lines().map(replaced).collect::<Vec<_>>().join("\n"))?;
    let command = Command::new(binary("narthex-control-plane")?).arg("--config").arg(config);
    Ok((sandbox.start("control-plane-fourth", command)?, format!("http://{http}"), grpc))
}

/// `narthex-control-plane admin` with the addresses of the first three nodes, dead ones included.
fn admin(addresses: &str, arguments: &[&str]) -> Result<Output> {
    let mut admin = Program::new(binary("narthex-control-plane")?);
    Ok(admin.args(["admin", "--addresses", addresses]).args(arguments).output()?)
}

/// gRPC addresses of the nodes, and the number of the leader, as `admin describe` tells.
fn describe(addresses: &str) -> Result<(Vec<(u64, String)>, u64)> {
    let output = admin(addresses, &["describe"])?;
    ensure!(output.status.success(), "describe: {}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let nodes = json["nodes"].as_array().context("nodes")?;
    let leader = nodes.iter().find(|node| node["role"] == "leader").and_then(|node| node["node"].as_u64());
    let named =
        |node: &serde_json::Value| Some((node["node"].as_u64()?, node["address"].as_str()?.to_owned()));
    Ok((nodes.iter().filter_map(named).collect(), leader.context("no leader")?))
}

/// Makes workspaces at a node until it is stopped; the ids of those that were acknowledged.
fn make_workspaces(api: Api, base: String, stop: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut made = Vec::new();
        // Below the account's quota.
        while made.len() < 20 && !stop.load(Relaxed) {
            if let Ok(created) = api.create_workspace(&base, "while replacing").await {
                made.push(created.workspace);
            }
            api.http.clock().sleep(Duration::from_millis(150)).await;
        }
        made
    })
}

async fn holds(api: &Api, base: &str, workspaces: &[String]) -> Result<()> {
    for workspace in workspaces {
        let reply = api.control(Method::GET, base, &format!("/workspaces/{workspace}"), None).await?;
        ensure!(reply.status == 200, "{base} does not know {workspace}: {reply}");
    }
    Ok(())
}

/// The instance of a node by its number: zones are numbered in their order.
fn node_name(number: u64) -> Result<String> {
    let zone = ["a", "b", "c"].get(number as usize - 1).context("one of the first three")?;
    Ok(format!("control-plane-zone-{zone}-0"))
}

#[test]
fn a_fourth_node_replaces_a_dead_one_by_command_while_writes_run() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let grpc = |name: &str| -> Result<String> {
            let text = fs::read_to_string(&cluster.instance(name)?.config)?;
            let line = text.lines().find_map(|line| line.strip_prefix("grpc-listen: "));
            Ok(line.context("grpc-listen")?.to_owned())
        };
        let addresses = [grpc(&node_name(1)?)?, grpc(&node_name(2)?)?, grpc(&node_name(3)?)?].join(",");
        let (nodes, leader) = describe(&addresses)?;
        ensure!(nodes.len() == 3, "{nodes:?}");
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        let (dead, survivor) = (others[0], others[1]);
        let bases: Vec<String> = [leader, survivor]
            .iter()
            .map(|number| Ok(cluster.instance(&node_name(*number)?)?.base.clone()))
            .collect::<Result<_>>()?;

        let recorder =
            Recorder::new(cluster.api.clone(), cluster.distributors.clone(), Random::from_system());
        let writing = recorder.start(2);
        writing.acknowledged(PHASE).await?;
        let gone = vec![node_name(dead)?];
        cluster.kill(&gone)?;
        let stop = Arc::new(AtomicBool::new(false));
        let making = make_workspaces(cluster.api.clone(), bases[1].clone(), stop.clone());

        let (mut fourth, base, address) = fourth_node(sandbox, &cluster, &gone[0])?;
        until(&sandbox.clock, "a node that says how it is added", DEADLINE, async || {
            ensure!(fourth.ended()?.is_none(), "the fourth node ended");
            let said = sandbox.http.get(&format!("{base}/ready")).await.map(|reply| reply.text());
            let said = said.unwrap_or_default();
            Ok(if said.contains("admin replace-node") { Ok(()) } else { Err(said) })
        })
        .await?;
        let replace = |dead: u64, replacement: &str, address: &str| {
            let dead = dead.to_string();
            admin(
                &addresses,
                &["replace-node", "--dead", &dead, "--replacement", replacement, "--address", address],
            )
        };
        refuses_mistakes(&replace, dead, survivor, &address)?;
        ensure!(describe(&addresses)?.0 == nodes, "a refused command changed the members");
        let output = replace(dead, "4", &address)?;
        ensure!(output.status.success(), "replace-node: {}", String::from_utf8_lossy(&output.stderr));
        sandbox.ready(&mut fourth, &format!("{base}/ready")).await?;
        stop.store(true, Relaxed);
        let made = making.await?;
        ensure!(!made.is_empty(), "no workspace was made meanwhile");
        holds(&cluster.api, &base, &made).await?;

        // It counts: with the leader gone too, it and the survivor are a quorum.
        cluster.kill(&[node_name(leader)?])?;
        let created = until(&sandbox.clock, "a workspace", ELECTION, async || {
            let created = cluster.api.create_workspace(&base, "by the fourth").await;
            Ok(created.map_err(|error| format!("{error:#}")))
        })
        .await?;
        holds(&cluster.api, &bases[1], &[created.workspace]).await?;
        holds(&cluster.api, &base, &made).await?;

        // The dead one comes back from where it was: nobody follows it.
        cluster.launch(sandbox, &gone)?;
        sandbox.clock.sleep(Duration::from_secs(5)).await;
        let (members, _) = describe(&addresses)?;
        ensure!(members.iter().all(|(number, _)| *number != dead), "{members:?}");
        let reply = sandbox.http.get(&format!("{}/ready", cluster.instance(&gone[0])?.base)).await?;
        ensure!(reply.status == 503, "a node that was replaced says {reply}");
        cluster.api.create_workspace(&base, "undisturbed").await?;
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "writes failed: {:?}", tally.failed.first());
        for querier in &cluster.queriers {
            recorder.verify(querier, DEADLINE).await?;
        }
        Ok(())
    });
}

/// A number or an address that is wrong is refused with a word on what is wrong.
fn refuses_mistakes(
    replace: &impl Fn(u64, &str, &str) -> Result<Output>,
    dead: u64,
    alive: u64,
    address: &str,
) -> Result<()> {
    let nobody = "127.0.0.1:1";
    for (dead, replacement, address, needle) in [
        (alive, "4", address, "is not dead"),
        (dead, "4", nobody, "no node 4 answers"),
        (dead, "5", address, "this is node 4, not 5"),
        (9, "4", address, "is no member"),
    ] {
        let output = replace(dead, replacement, address)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && said.contains(needle), "expected {needle:?}: {said}");
    }
    Ok(())
}

#[test]
fn a_cluster_logs_no_error_when_it_starts_and_one_line_when_a_node_goes() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let names = cluster.names(|instance| instance.service == "control-plane");
        for name in &names {
            let log = sandbox.log(name);
            let bad: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
            ensure!(bad.is_empty(), "{name} starts with errors in its log: {bad:?}");
        }
        let said = "another control-plane node does not answer";
        // At the start each may have waited for the others.
        let before: Vec<usize> =
            names[1..].iter().map(|name| sandbox.log(name).matches(said).count()).collect();
        cluster.kill(&names[..1])?;
        let silent = until(&sandbox.clock, "a line in a log", DEADLINE, async || {
            let lines = names[1..].iter().map(|name| sandbox.log(name).matches(said).count());
            let told = lines.zip(&before).filter(|(lines, before)| lines > *before).count();
            Ok(if told > 0 { Ok(told) } else { Err("nobody says so".to_owned()) })
        })
        .await?;
        eprintln!("{silent} nodes say so");
        sandbox.clock.sleep(Duration::from_secs(5)).await;
        for (name, before) in names[1..].iter().zip(before) {
            let lines = sandbox.log(name).matches(said).count() - before;
            ensure!(lines <= 1, "{name} says {lines} times that another node does not answer");
        }
        cluster.launch(sandbox, &names[..1])?;
        cluster.ready(sandbox, &names[..1]).await?;
        let log = sandbox.log(&names[0]);
        let bad: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
        ensure!(bad.is_empty(), "it comes back with errors in its log: {bad:?}");
        Ok(())
    });
}
