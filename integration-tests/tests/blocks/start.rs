//! Buckets that cannot be used, and one that is away when a process starts.

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    http::Reply,
    s3::S3Server,
    sandbox::{Command, DEADLINE, Process, Sandbox, Standalone, binary, ended, scenario, until},
    wire::WriteRequest,
};

/// Starts a `narthex` that is not waited for.
fn launch(sandbox: &Sandbox, address: &str, environment: &[(&str, &str)]) -> Result<Process> {
    let data_dir = sandbox.path().join("data").display().to_string();
    let command = Command::new(binary("narthex")?).args(["--listen", address, "--data-dir", &data_dir]);
    let command = environment.iter().fold(command, |command, &(name, value)| command.env(name, value));
    sandbox.start("narthex", command)
}

#[test]
fn a_bucket_that_can_never_work_ends_the_start_with_the_reason() {
    scenario(async |sandbox| {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, "locked").await?;
        let sound = server.environment("s3://locked");
        let sound: Vec<(&str, &str)> = sound.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let secret = "not the secret";
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let mut narthex = launch(
            sandbox,
            &address,
            &[&sound[..], &[("NARTHEX_BUCKET_SECRET_ACCESS_KEY", secret)]].concat(),
        )?;
        let status = ended(sandbox, &mut narthex).await?;
        let log = narthex.log();
        ensure!(status.code() == Some(1) && log.contains("s3://locked cannot write"), "{status}, {log}");
        ensure!(!log.contains(secret), "a secret is in the log");
        Ok(())
    });
}

#[test]
fn a_bucket_that_is_away_refuses_no_write_and_readiness_tells() {
    scenario(async |sandbox| {
        let mut server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, "away").await?;
        let bucket = server.environment("s3://away");
        let bucket: Vec<(&str, &str)> = bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut narthex = Standalone::start_with(sandbox, &[], &bucket).await?;
        narthex.process.kill()?;
        server.process.kill()?;

        narthex.process = launch(sandbox, narthex.base.trim_start_matches("http://"), &bucket)?;
        let now = sandbox.clock.now().0;
        let body = WriteRequest::one(&[("__name__", "kept")], &[(now, 1.0)]).compressed();
        let written = async || narthex.api.write(&narthex.base, body.clone()).await;
        until(&sandbox.clock, "a write without a bucket", DEADLINE, async || {
            Ok(match written().await {
                Ok(Reply { status, .. }) if status.is_success() => Ok(()),
                other => Err(format!("{other:?}")),
            })
        })
        .await?;
        let ready = sandbox.http.get(&format!("{}/ready", narthex.base)).await?;
        ensure!(ready.status == 503 && ready.text().contains("bucket: "), "{ready}");

        server.restart(sandbox).await?;
        let mut process = narthex.process;
        sandbox.ready(&mut process, &format!("{}/ready", narthex.base)).await
    });
}
