//! The all-in-one process `narthex`.

use std::path::PathBuf;

use anyhow::Result;

use super::{ClientEnv, Process, Sandbox, binary, process::Command};
use crate::aws::Api;

/// A running `narthex` with its data directory.
#[derive(Debug)]
pub struct Standalone {
    /// The process; killed when dropped.
    pub process: Process,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// `http://ADDRESS:PORT`.
    pub base: String,
    /// What it wrote for clients.
    pub env: ClientEnv,
    /// A signing client of the default workspace.
    pub api: Api,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Standalone {
    /// Starts on a fresh data directory and waits until it is ready.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_with(sandbox, &[], &[]).await
    }

    /// As [`Self::start`], with further arguments and environment.
    pub async fn start_with(sandbox: &Sandbox, extra: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let data_dir = sandbox.path().join("data");
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let mut arguments =
            vec!["--data-dir".to_owned(), data_dir.display().to_string(), "--listen".to_owned()];
        arguments.push(address.clone());
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        let environment: Vec<(String, String)> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let process = launch(sandbox, &arguments, &environment, &address).await?;
        let env = ClientEnv::read(&data_dir.join("client.env"))?;
        let api = env.api(&sandbox.http)?;
        Ok(Self { process, data_dir, base: format!("http://{address}"), env, api, arguments, environment })
    }

    /// Starts again on the same directory and port after the process was killed or has ended.
    pub async fn restart(&mut self, sandbox: &Sandbox) -> Result<()> {
        self.process.kill()?;
        let address = self.base.trim_start_matches("http://").to_owned();
        self.process = launch(sandbox, &self.arguments, &self.environment, &address).await?;
        Ok(())
    }
}

async fn launch(
    sandbox: &Sandbox,
    arguments: &[String],
    environment: &[(String, String)],
    address: &str,
) -> Result<Process> {
    let mut command = Command::new(binary("narthex")?).args(arguments);
    for (name, value) in environment {
        command = command.env(name, value);
    }
    let mut process = sandbox.start("narthex", command)?;
    sandbox.ready(&mut process, &format!("http://{address}/ready")).await?;
    Ok(process)
}
