//! Real Prometheus, node exporter, VictoriaMetrics and vmagent as processes of a sandbox.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{Process, Sandbox, process::Command};
use crate::{
    samples::{self, Matrix},
    tools::{self, Tool},
};

/// A running peer.
#[derive(Debug)]
pub struct Peer {
    /// The process; killed when dropped.
    pub process: Process,
    /// `http://ADDRESS:PORT`.
    pub base: String,
    /// What was started.
    pub tool: Tool,
    command: Command,
    ready: String,
}

/// How to start a Prometheus.
#[derive(Debug, Clone, Default)]
pub struct PrometheusOptions {
    /// Its configuration file's text. `{address}` stands for the address it will listen on.
    pub config: String,
    /// Further flags.
    pub flags: Vec<String>,
}

impl Peer {
    /// Starts a Prometheus that keeps native histograms and waits until it is ready.
    pub async fn prometheus(sandbox: &Sandbox, name: &str, options: &PrometheusOptions) -> Result<Self> {
        Self::prometheus_in(sandbox, name, &sandbox.path().join(name), options).await
    }

    /// As [`Self::prometheus`], in a folder of the caller's choice.
    pub async fn prometheus_in(
        sandbox: &Sandbox,
        name: &str,
        folder: &Path,
        options: &PrometheusOptions,
    ) -> Result<Self> {
        Self::prometheus_with(sandbox, name, folder, options, &[]).await
    }

    /// As [`Self::prometheus_in`], with further environment.
    pub async fn prometheus_with(
        sandbox: &Sandbox,
        name: &str,
        folder: &Path,
        options: &PrometheusOptions,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let tool = tools::prometheus()?;
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        fs::create_dir_all(folder)?;
        let config = folder.join("prometheus.yml");
        fs::write(&config, options.config.replace("{address}", &address))?;
        let command = start_of(&tool)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=native-histograms")
            .args(&options.flags);
        let command = environment.iter().fold(command, |command, (name, value)| command.env(name, value));
        Self::launch(sandbox, name, tool, command, &address, "/-/ready").await
    }

    /// Starts a node exporter.
    pub async fn node_exporter(sandbox: &Sandbox) -> Result<Self> {
        let tool = tools::node_exporter()?;
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let command = start_of(&tool)
            .arg(format!("--web.listen-address={address}"))
            .arg("--collector.disable-defaults");
        let collectors =
            ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "netstat", "stat", "vmstat"];
        let command = command.args(collectors.map(|collector| format!("--collector.{collector}")));
        Self::launch(sandbox, "node-exporter", tool, command, &address, "/").await
    }

    /// Starts a single-node VictoriaMetrics.
    pub async fn victoria_metrics(sandbox: &Sandbox) -> Result<Self> {
        Self::victoria_metrics_in(sandbox, &sandbox.path().join("victoria-metrics"), &[]).await
    }

    /// As [`Self::victoria_metrics`], in a folder of the caller's choice and with further flags.
    pub async fn victoria_metrics_in(sandbox: &Sandbox, folder: &Path, flags: &[&str]) -> Result<Self> {
        let tool = tools::victoria_metrics()?;
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let command = start_of(&tool)
            .arg(format!("-storageDataPath={}", folder.display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-retentionPeriod=100y")
            .args(flags.iter().copied());
        Self::launch(sandbox, "victoria-metrics", tool, command, &address, "/health").await
    }

    /// Starts a vmagent that scrapes what `config` says; `flags` tell where it sends.
    pub async fn vmagent(sandbox: &Sandbox, config: &str, flags: &[String]) -> Result<Self> {
        let tool = tools::vmagent()?;
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let folder = sandbox.path().join("vmagent");
        fs::create_dir_all(&folder)?;
        let file = folder.join("scrape.yml");
        fs::write(&file, config.replace("{address}", &address))?;
        let command = start_of(&tool)
            .arg(format!("-promscrape.config={}", file.display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-remoteWrite.tmpDataPath={}", folder.join("queue").display()))
            .args(flags);
        Self::launch(sandbox, "vmagent", tool, command, &address, "/health").await
    }

    async fn launch(
        sandbox: &Sandbox,
        name: &str,
        tool: Tool,
        command: Command,
        address: &str,
        ready: &str,
    ) -> Result<Self> {
        eprintln!("{name}: {} {}", tool.name, tool.version);
        let mut process = sandbox.start(name, command.clone())?;
        let base = format!("http://{address}");
        let ready = format!("{base}{ready}");
        sandbox.ready(&mut process, &ready).await?;
        Ok(Self { process, base, tool, command, ready })
    }

    /// Kills it if it runs, and starts it again on the same files and port.
    pub async fn restart(&mut self, sandbox: &Sandbox) -> Result<()> {
        self.process.kill()?;
        self.process = sandbox.start(self.process.name(), self.command.clone())?;
        sandbox.ready(&mut self.process, &self.ready).await
    }

    /// Every raw sample that a Prometheus holds in `(end - range, end]`, milliseconds.
    pub async fn raw_samples(
        &self,
        sandbox: &Sandbox,
        selector: &str,
        end: i64,
        range: Duration,
    ) -> Result<Matrix> {
        let query = format!("{selector}[{}ms]", range.as_millis());
        let time = format!("{}.{:03}", end / 1000, end % 1000);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("query", query.as_str()), ("time", &time)])
            .finish();
        let request = http::Request::post(format!("{}/api/v1/query", self.base))
            .header("content-type", "application/x-www-form-urlencoded");
        let reply = sandbox.http.send(request.body(body.into())?).await?;
        samples::matrix(&reply).context("the reference Prometheus")
    }
}

fn start_of(tool: &Tool) -> Command {
    let command = Command::new(&tool.program).args(tool.leading.iter().map(Path::new));
    tool.environment.iter().fold(command, |command, (name, value)| command.env(name, value))
}
