//! Pods' credentials (INT-26 to INT-30): a service account's token, signed by an issuer that Narthex fetches the keys of,
//! becomes a session of a role, in the hands of unmodified clients that know only a role, a token file and where the token
//! service is.

mod clients;
mod pod;

use std::fs;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    aws::{Api, element},
    http::Reply,
    issuer::Issuer,
    samples,
    sandbox::{Cluster, DEADLINE, Peer, Sandbox, Standalone, apply_identities, scenario, until},
};
use serde_json::{Value, json};

use self::pod::{Hurry, Pod, account};

const NAMESPACE: &str = "monitoring";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

/// Time of the newest sample that a pod's Prometheus wrote, in milliseconds.
async fn newest(api: &Api, querier: &str, pod: &str) -> Result<Option<i64>> {
    let query = format!("prometheus_build_info{{pod=\"{pod}\"}}[5m]");
    let held = samples::matrix(&api.post_form(querier, "query", &[("query", &query)]).await?)?;
    Ok(held.values().filter_map(|points| points.keys().max().copied()).max())
}

/// Waits for a sample that was taken after `since`.
async fn arrives(sandbox: &Sandbox, api: &Api, querier: &str, pod: &str, since: i64) -> Result<()> {
    until(&sandbox.clock, &format!("samples of {pod}"), DEADLINE, async || {
        let newest = newest(api, querier, pod).await?;
        Ok(if newest > Some(since) { Ok(()) } else { Err(format!("the newest is of {newest:?}")) })
    })
    .await
}

/// The sum of a counter of a Prometheus about itself.
async fn counter(sandbox: &Sandbox, peer: &Peer, name: &str) -> Result<f64> {
    let text = sandbox.http.get(&format!("{}/metrics", peer.base)).await?.text();
    let lines =
        text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a number")).sum()
}

#[test]
fn a_prometheus_with_a_service_account_s_token_writes_across_rotations_of_token_and_key() {
    scenario(async |sandbox| {
        let issuer = Issuer::start().await?;
        let cluster = Cluster::start(sandbox).await?;
        let account_id = cluster.account()?;
        let roles =
            [("server", "AmazonPrometheusRemoteWriteAccess"), ("onlooker", "AmazonPrometheusQueryAccess")];
        let document = json!({"accounts": [account(&account_id, &issuer, &roles)]});
        apply_identities(&cluster.control_planes(), &document)?;

        let control = cluster.env.get("AWS_ENDPOINT_URL_AMP")?;
        let sts = Hurry::start(&sandbox.http, control).await?;
        let pod = |name| Pod { sandbox, issuer: &issuer, name, account: &account_id, sts: &sts.base };
        let url = cluster.api.url(&cluster.distributors[1], "api/v1/remote_write");
        let (server, onlooker) = (pod("server"), pod("onlooker"));
        let _writing = server.prometheus(&url).await?;
        let refused = onlooker.prometheus(&url).await?;
        let querier = &cluster.queriers[2];
        arrives(sandbox, &cluster.api, querier, "server", 0).await?;

        // The key goes, and with it every token that it signed.
        issuer.rotate()?;
        let rotated = sandbox.clock.now().0;
        let (token, _) = (server.renew()?, onlooker.renew()?);
        until(&sandbox.clock, "a session for the new token", DEADLINE, async || {
            let status = sts.answered(&token);
            Ok(if status == Some(200) { Ok(()) } else { Err(format!("it was answered {status:?}")) })
        })
        .await?;
        let renewed = sandbox.clock.now().0;
        eprintln!("a token of the new key had a session after {} ms", renewed - rotated);
        arrives(sandbox, &cluster.api, querier, "server", renewed).await?;

        is_refused_for_good(sandbox, &refused).await?;
        ensure!(newest(&cluster.api, querier, "onlooker").await?.is_none(), "refused samples were stored");
        Ok(())
    });
}

/// A Prometheus whose role may not write is told so in a way that it understands: it drops the samples and does not send
/// them again.
async fn is_refused_for_good(sandbox: &Sandbox, peer: &Peer) -> Result<()> {
    until(&sandbox.clock, "samples that were refused", DEADLINE, async || {
        let failed = counter(sandbox, peer, "prometheus_remote_storage_samples_failed_total").await?;
        Ok(if failed > 0.0 { Ok(()) } else { Err("none".to_owned()) })
    })
    .await?;
    let log = peer.process.log();
    let told = log
        .lines()
        .find(|line| line.contains("non-recoverable error"))
        .context("no word of it in the log")?;
    for part in ["403", "is not authorized to perform: aps:RemoteWrite", "assumed-role/onlooker/onlooker-0"] {
        ensure!(told.contains(part), "{part:?} is missing in {told}");
    }
    Ok(())
}

/// The all-in-one with accounts of the test's own from its first start on.
async fn standalone(sandbox: &Sandbox, accounts: &[Value]) -> Result<Standalone> {
    let folder = sandbox.path().join("data");
    fs::create_dir_all(&folder)?;
    let bootstrap = json!({
        "account_id": ACCOUNT,
        "access_keys": [{"user_name": "admin", "access_key_id": "AKIANARTHEXTESTS0002", "secret_access_key": "secret"}],
        "workspaces": [{"id": "ws-5b1f2c2e-8f0e-4c54-9b39-3f6d7b1f0c01", "alias": "default"}],
        "accounts": accounts,
    });
    fs::write(folder.join("bootstrap.yaml"), bootstrap.to_string())?;
    Standalone::start_in(sandbox, folder, &[], &[]).await
}

/// Exchanges a token for a session of a role.
async fn assume(narthex: &Standalone, role: &str, token: &str) -> Result<Reply> {
    let unsigned = Api { signer: None, ..narthex.api.clone() };
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", role),
        ("RoleSessionName", "pod-0"),
        ("WebIdentityToken", token),
    ];
    unsigned.sts(&narthex.base, &form).await
}

fn ensure_refused(reply: &Reply, status: u16, code: &str) -> Result<()> {
    let found = element(reply, "Code");
    ensure!(
        reply.status == status && found.as_deref() == Some(code),
        "expected {status} {code}, found {reply}"
    );
    ensure!(reply.header("content-type") == "text/xml", "{:?}", reply.headers);
    Ok(())
}

#[test]
fn keys_come_from_the_issuer_and_an_issuer_that_cannot_be_asked_is_named() {
    scenario(async |sandbox| {
        let roles = [("server", "AmazonPrometheusRemoteWriteAccess")];
        let (plain, vouched, unvouched) =
            (Issuer::start().await?, Issuer::start_tls().await?, Issuer::start_tls().await?);
        let gone = Issuer::start().await?;
        let numbers = ["111111111111", "222222222222", "333333333333", "444444444444"];
        let mut accounts: Vec<_> = [&plain, &vouched, &unvouched, &gone]
            .into_iter()
            .zip(numbers)
            .map(|(issuer, number)| account(number, issuer, &roles))
            .collect();
        accounts[2]["oidc_providers"][0].as_object_mut().context("an object")?.remove("certificates");
        let narthex = standalone(sandbox, &accounts).await?;
        let seconds = sandbox.clock.now().0 / 1_000;
        let token = |issuer: &Issuer| issuer.sign(&issuer.claims(NAMESPACE, "server", seconds));
        let role = |account: &str| format!("arn:aws:iam::{account}:role/server");

        for (issuer, account) in [(&plain, numbers[0]), (&vouched, numbers[1])] {
            for _ in 0..20 {
                let reply = assume(&narthex, &role(account), &token(issuer)?).await?;
                ensure!(reply.status == 200, "{}: {reply}", issuer.url);
            }
            ensure!(
                issuer.fetches() == 1,
                "{} was asked {} times for its keys",
                issuer.url,
                issuer.fetches()
            );
        }
        // Keys that nobody has are no way to have an issuer flooded.
        for number in 0..50 {
            let claims = plain.claims(NAMESPACE, "server", seconds);
            let made_up = plain.sign_as(&claims, Some(&format!("made up {number}")))?;
            let reply = assume(&narthex, &role(numbers[0]), &made_up).await?;
            ensure_refused(&reply, 400, "InvalidIdentityToken")?;
        }
        ensure!(plain.fetches() <= 3, "made-up keys had the issuer asked {} times", plain.fetches());

        let address = gone.url.clone();
        let orphan = token(&gone)?;
        drop(gone);
        for (account, token, address) in
            [(numbers[2], token(&unvouched)?, &unvouched.url), (numbers[3], orphan, &address)]
        {
            let reply = assume(&narthex, &role(account), &token).await?;
            ensure_refused(&reply, 400, "IDPCommunicationError")?;
            ensure!(reply.text().contains(address.as_str()), "the issuer is not named: {reply}");
        }
        ensure!(unvouched.fetches() == 0, "keys were taken from a server that nobody vouches for");

        // What is known stays known while the issuer is away.
        let known = token(&vouched)?;
        drop(vouched);
        let reply = assume(&narthex, &role(numbers[1]), &known).await?;
        ensure!(reply.status == 200, "an issuer that is away: {reply}");
        Ok(())
    });
}
