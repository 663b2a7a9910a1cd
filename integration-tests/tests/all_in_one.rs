//! What the one command gives a user: files that clients take as they are, a data directory that survives a restart,
//! secrets that do not reach a log, and a try-out without signatures that stays on loopback.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use anyhow::{Context, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    sandbox::{ClientEnv, DEADLINE, Standalone, admin, binary, scenario, until},
    tools,
    wire::WriteRequest,
};

#[test]
fn the_files_are_ready_to_use() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let env = &narthex.env;
        ensure!(env.get("AWS_ENDPOINT_URL_AMP")? == narthex.base);
        ensure!(env.get("AWS_DEFAULT_REGION")? == env.get("AWS_REGION")?);
        let url = format!("{}/workspaces/{}", narthex.base, narthex.api.workspace);
        ensure!(env.get("NARTHEX_WORKSPACE_URL")? == url, "{:?}", env.get("NARTHEX_WORKSPACE_URL"));

        let config = narthex.data_dir.join("prometheus.yml");
        let mut promtool = tools::promtool()?.command();
        let checked = promtool.args(["check", "config"]).arg(&config).output()?;
        ensure!(checked.status.success(), "promtool: {}", String::from_utf8_lossy(&checked.stderr));
        let text = fs::read_to_string(&config)?;
        for line in [
            &format!("url: {url}/api/v1/remote_write"),
            "max_samples_per_send: 1000",
            "max_shards: 200",
            "capacity: 2500",
            "retry_on_http_429: true",
            "send_native_histograms: true",
        ] {
            ensure!(text.contains(line), "prometheus.yml lacks {line:?}:\n{text}");
        }
        let grafana = fs::read_to_string(narthex.data_dir.join("grafana.yaml"))?;
        for line in [&format!("url: {url}"), "httpMethod: POST", "sigV4Auth: true", "sigV4AuthType: keys"] {
            ensure!(grafana.contains(line), "grafana.yaml lacks {line:?}:\n{grafana}");
        }
        for file in ["client.env", "prometheus.yml", "grafana.yaml"] {
            let mode = fs::metadata(narthex.data_dir.join(file))?.permissions().mode() & 0o777;
            ensure!(mode == 0o600, "{file} holds a secret and has the mode {mode:o}");
        }
        Ok(())
    });
}

#[test]
fn the_log_names_urls_and_files_but_no_secret() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let log = until(&sandbox.clock, "the start-up message", DEADLINE, async || {
            let log = sandbox.log("narthex");
            let told = [narthex.base.as_str(), "client.env", "prometheus.yml", "grafana.yaml"];
            Ok(if told.iter().all(|text| log.contains(text)) { Ok(log) } else { Err(log) })
        })
        .await?;
        ensure!(!log.contains(narthex.env.get("AWS_SECRET_ACCESS_KEY")?), "the secret key is in the log");
        Ok(())
    });
}

#[test]
fn a_restart_keeps_the_account_the_workspace_and_the_samples() {
    scenario(async |sandbox| {
        let mut narthex = Standalone::start(sandbox).await?;
        let before: Vec<_> =
            narthex.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let now = sandbox.clock.now().0;
        let body = WriteRequest::one(&[("__name__", "kept")], &[(now, 42.0)]).compressed();
        let reply = narthex.api.write(&narthex.base, body).await?;
        ensure!(reply.status.is_success(), "{reply}");

        narthex.process.terminate()?;
        let status = until(&sandbox.clock, "the end after SIGTERM", DEADLINE, async || {
            Ok(narthex.process.ended()?.ok_or_else(|| "still running".to_owned()))
        })
        .await?;
        ensure!(status.success(), "it ended with {status}");
        narthex.restart(sandbox).await?;
        let env = ClientEnv::read(&narthex.data_dir.join("client.env"))?;
        let after: Vec<_> = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        ensure!(before == after, "client.env changed");
        let time = format!("{}", now as f64 / 1000.0);
        let query = [("query", "kept"), ("time", time.as_str())];
        let reply = narthex.api.get(&narthex.base, "query", &query).await?;
        ensure!(reply.json()?["data"]["result"][0]["value"][1] == "42", "{reply}");
        Ok(())
    });
}

#[test]
fn without_signatures_it_serves_loopback_only() {
    scenario(async |sandbox| {
        let narthex = Standalone::start_with(sandbox, &["--no-auth"], &[]).await?;
        let unsigned = Api { signer: None, ..narthex.api.clone() };
        let reply = unsigned.get(&narthex.base, "query", &[("query", "up")]).await?;
        ensure!(reply.status == 200, "{reply}");

        let address = format!("0.0.0.0:{}", sandbox.ports.one()?);
        let mut open = Command::new(binary("narthex")?);
        open.args(["--no-auth", "--listen", &address, "--data-dir"]).arg(sandbox.path().join("open"));
        let output = open.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains("loopback"), "{}: {said}", output.status);
        Ok(())
    });
}

#[test]
fn operators_endpoints_answer_unsigned() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        for path in ["ready", "live", "metrics"] {
            let reply = sandbox.http.get(&format!("{}/{path}", narthex.base)).await?;
            ensure!(reply.status == 200, "{path}: {reply}");
        }
        let metrics = sandbox.http.get(&format!("{}/metrics", narthex.base)).await?.text();
        for part in [
            "compactor",
            "control_plane",
            "distributor",
            "ingester",
            "ingester_cuts",
            "querier",
            "store_gateway",
            "bucket",
            "manifest",
        ] {
            ensure!(metrics.contains(&format!("narthex_{part}_")), "no metrics of the {part}");
        }
        let mut promtool = tools::promtool()?.command();
        let file = sandbox.path().join("metrics.txt");
        fs::write(&file, &metrics)?;
        let checked = promtool.args(["check", "metrics"]).stdin(fs::File::open(&file)?).output()?;
        let said = String::from_utf8_lossy(&checked.stderr);
        // The exposition must parse; advice on names (exit code 3) is not what this test is about.
        ensure!(checked.status.success() || checked.status.code() == Some(3), "promtool: {said}");
        Ok(())
    });
}

#[test]
fn help_tells_every_key_with_its_default() {
    scenario(async |_| {
        let output = Command::new(binary("narthex")?).arg("--help").output()?;
        let help = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{}", output.status);
        for part in ["--data-dir", "--listen", "127.0.0.1:9009", "./data", "--no-auth", "cluster"] {
            ensure!(help.contains(part), "--help lacks {part:?}:\n{help}");
        }
        Ok(())
    });
}

/// Runs `narthex` where it cannot start; what it says.
fn refused(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary("narthex")?).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it started with {arguments:?}: {said}");
    Ok(said)
}

#[test]
fn a_start_that_cannot_be_says_why_and_leaves_nothing() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let (taken, free) =
            (narthex.base.trim_start_matches("http://"), format!("127.0.0.1:{}", sandbox.ports.one()?));
        let data_dir = narthex.data_dir.display().to_string();
        let said = refused(&["--data-dir", &data_dir, "--listen", &free])?;
        ensure!(said.contains(&data_dir) && said.contains("in use by another process"), "{said}");

        let other = sandbox.path().join("other");
        let said = refused(&["--data-dir", &other.display().to_string(), "--listen", taken])?;
        ensure!(said.contains(&format!("cannot listen on {taken}")), "{said}");
        ensure!(!other.exists(), "a start without a port made {}", other.display());

        let file = sandbox.path().join("file");
        fs::write(&file, "")?;
        let said = refused(&["--data-dir", &file.join("data").display().to_string(), "--listen", &free])?;
        ensure!(said.contains("cannot create the data directory"), "{said}");

        let config = sandbox.path().join("config.yaml");
        for (text, needle) in [
            ("listen: 127.0.0.1:1\nnonsense: 1\n", "unknown key \"nonsense\""),
            ("listen: [1,\n", "line 1"),
            ("wal:\n  sync: sometimes\n", "invalid value 'sometimes' for '--wal.sync"),
            ("bucket:\n  url: ftp://metrics\n", "unknown scheme \"ftp\""),
        ] {
            fs::write(&config, text)?;
            let path = config.display().to_string();
            let said = refused(&["--config", &path])?;
            ensure!(said.contains(&path) && said.contains(needle), "expected {needle:?}: {said}");
        }
        let elsewhere = sandbox.path().join("elsewhere").display().to_string();
        let start = ["--data-dir", &elsewhere, "--listen", &free];
        let plain = ["--bucket.url=s3://metrics", "--bucket.endpoint=http://127.0.0.1:1"];
        let said = refused(&[&start[..], &plain].concat())?;
        ensure!(said.contains("--bucket.allow-http"), "{said}");
        let on_a_file = format!("--bucket.url=file://{}/bucket", file.display());
        let said = refused(&[&start[..], &[&on_a_file]].concat())?;
        ensure!(said.contains("the bucket's directory") && said.contains("cannot be used"), "{said}");
        let said = refused(&[&start[..], &["--cut.window=3h"]].concat())?;
        ensure!(said.contains("--cut.window"), "{said}");
        let said =
            refused(&["cluster", "start", "--dir", &sandbox.path().join("none").display().to_string()])?;
        ensure!(said.contains("narthex cluster init"), "{said}");
        ensure!(refused(&["--nope"])?.contains("--nope"));
        Ok(())
    });
}

/// The same commands as for a cluster, with the key in use while it is taken away.
#[test]
fn operators_change_identities_of_the_running_process() {
    scenario(async |sandbox| {
        let operators = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let narthex = Standalone::start_with(sandbox, &["--grpc-listen", &operators], &[]).await?;
        let key = &narthex.api.signer.as_ref().context("it signs")?.access_key_id;
        let shown = admin(&operators, &["identity", "show"])?;
        ensure!(shown.contains(key.as_str()) && !shown.contains("secret_access_key"), "{shown}");
        let list = async || narthex.api.control(Method::GET, &narthex.base, "/workspaces", None).await;
        ensure!(list().await?.status == 200);
        admin(&operators, &["identity", "disable-access-key", key])?;
        until(&sandbox.clock, "the disabled key to be refused", DEADLINE, async || {
            let reply = list().await?;
            let refused = reply.header("x-amzn-errortype") == "UnrecognizedClientException";
            Ok(if refused { Ok(()) } else { Err(reply.to_string()) })
        })
        .await
    });
}
