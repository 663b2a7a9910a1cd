//! Every command of the API from every client that users have, unmodified: the AWS CLI 1 and 2, boto3 and AWS's SDK for
//! Rust (API-C-94). They speak to three nodes through a front that loses answers, while the leader is killed again and
//! again; their own retries get each command done, and no command is done twice (API-C-19). What the audit log tells of
//! calls is compared with what was asked for, and no log tells a secret.

mod clients;
mod commands;
mod nodes;
mod sdk;
mod secrets;
mod trail;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    sandbox::{Standalone, long, number, scenario},
    tools,
    wire::WriteRequest,
};
use narthex_service::Random;

use self::{
    clients::{Boto3, CommandLine},
    commands::every_command,
    nodes::Nodes,
    secrets::Secrets,
};
use crate::aws_clients::Client;

/// How often a client tries a call before it gives up, as its user may set it. By itself it tries three to five times.
const ATTEMPTS: u32 = 10;

/// Random numbers that a run can repeat.
fn seeded() -> Result<Random> {
    let seed = number("NARTHEX_AMP_SEED")?.unwrap_or_else(|| Random::from_system().bits64());
    eprintln!("NARTHEX_AMP_SEED={seed}");
    Ok(Random::from_seed(seed))
}

#[test]
fn every_client_does_every_command_once_while_leaders_die_and_answers_are_lost() {
    scenario(async |sandbox| {
        let random = seeded()?;
        let mut nodes = Nodes::start(sandbox, &[]).await?;
        // A kill seldom hits a call between its effect and its answer.
        nodes.front.lose(8, random.clone());
        let mut one = CommandLine::one(sandbox, nodes.client(tools::aws_cli_1()?, ATTEMPTS)?)?;
        let mut two = if long() {
            Some(CommandLine::two(sandbox, nodes.client(tools::aws_cli_2()?, ATTEMPTS)?)?)
        } else {
            None
        };
        let mut boto3 = Boto3::start(&nodes.client(tools::boto3()?, ATTEMPTS)?)?;
        let rust = sdk::client(&nodes.cluster.env, &nodes.front.base, ATTEMPTS)?;
        let clock = &sandbox.clock;
        let all = async {
            let two = async {
                match &mut two {
                    Some(two) => every_command(two, clock).await.context("the AWS CLI 2"),
                    None => Ok(()),
                }
            };
            tokio::try_join!(
                async { every_command(&mut one, clock).await.context("the AWS CLI 1") },
                two,
                async { every_command(&mut boto3, clock).await.context("boto3") },
                async { sdk::every_command(&rust, clock).await.context("the SDK for Rust") },
            )
        };
        let pause = Duration::from_secs(2)..Duration::from_secs(6);
        let most = if long() { usize::MAX } else { 8 };
        let (outcome, kills) = nodes.kill_leaders_until(&random, pause, most, all).await?;
        outcome.with_context(|| format!("after {kills} kills"))?;
        let events = nodes.events().await?;
        let (retries, repeated) = (boto3.retries(), trail::ensure_done_once(&events)?);
        eprintln!(
            "{kills} leaders killed; boto3 tried {retries} times again; {} events; {repeated} changes asked for twice",
            events.len()
        );
        ensure!(
            kills > 0 && repeated > 0,
            "no leader was killed or no answer was lost: the run shows nothing"
        );
        Ok(())
    });
}

#[test]
fn every_command_leaves_one_event_in_the_audit_log() {
    scenario(async |sandbox| {
        let mut nodes = Nodes::start(sandbox, &[]).await?;
        let mut boto3 = Boto3::start(&nodes.client(tools::boto3()?, ATTEMPTS)?)?;
        every_command(&mut boto3, &sandbox.clock).await?;
        let events = nodes.events().await?;
        trail::ensure_complete(&events, &boto3.told)?;
        trail::ensure_sensible(&events, nodes.cluster.env.get("AWS_ACCESS_KEY_ID")?)?;
        trail::ensure_members(&events)
    });
}

#[test]
fn no_secret_is_in_a_log() {
    scenario(async |sandbox| {
        // Everything that our own code ever says.
        let mut nodes = Nodes::start(sandbox, &[("NARTHEX_LOG_LEVEL", "trace")]).await?;
        let python = nodes.client(tools::boto3()?, ATTEMPTS)?;
        let mut secrets = Secrets::new(Random::from_system());
        secrets::keys(&nodes, &python, &mut secrets)?;
        secrets::documents(&mut Boto3::start(&python)?, &mut secrets).await?;
        // What a node reads at its start is no secret less.
        let leader = nodes.leader().await?;
        nodes.cluster.kill(std::slice::from_ref(&leader))?;
        nodes.raise().await?;
        nodes.events().await?;
        let data_dir = nodes.cluster.instance(&leader)?.data_dir.clone();
        secrets::kept(&data_dir.context("a data directory")?, &mut secrets)?;
        let logs = secrets.search(sandbox.path())?;
        ensure!(logs == 6, "expected a log and an audit log of each node, found {logs} logs");
        Ok(())
    });
}

/// The same where all services are in one process, with samples, queries and a request that somebody else signed.
#[test]
fn no_secret_is_in_the_log_of_an_all_in_one() {
    scenario(async |sandbox| {
        let narthex = Standalone::start_with(sandbox, &[], &[("NARTHEX_LOG_LEVEL", "trace")]).await?;
        let mut secrets = Secrets::new(Random::from_system());
        secrets.add("the administrator's key", narthex.env.get("AWS_SECRET_ACCESS_KEY")?);
        let python = Client::new(sandbox, tools::boto3()?, &narthex.env)?;
        secrets::documents(&mut Boto3::start(&python)?, &mut secrets).await?;
        let samples = [(sandbox.clock.now().0, 1.0)];
        let body = WriteRequest::one(&[("__name__", "up")], &samples).compressed();
        let written = narthex.api.write(&narthex.base, body).await?;
        ensure!(written.status == 200, "{written}");
        let mut forger = narthex.api.clone();
        forger.signer.as_mut().context("a signer")?.skew_ms = 3_600_000;
        for (api, status) in [(&narthex.api, 200), (&forger, 403)] {
            let reply = api.get(&narthex.base, "query", &[("query", "up")]).await?;
            ensure!(reply.status == status, "{reply}");
        }
        secrets::kept(&narthex.data_dir, &mut secrets)?;
        let logs = secrets.search(sandbox.path())?;
        ensure!(logs >= 2, "expected a log and an audit log, found {logs} logs");
        Ok(())
    });
}
