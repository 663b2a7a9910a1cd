//! The all-in-one process `narthex`.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{
    ClientEnv, Process, Sandbox, binary,
    process::{Command, ended},
};
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
        Self::start_in(sandbox, sandbox.path().join("data"), extra, environment).await
    }

    /// As [`Self::start_with`], on a data directory of the caller's choice.
    pub async fn start_in(
        sandbox: &Sandbox,
        data_dir: PathBuf,
        extra: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
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
        self.restart_with(sandbox, &[]).await
    }

    /// As [`Self::restart`], with further arguments for this once.
    pub async fn restart_with(&mut self, sandbox: &Sandbox, extra: &[&str]) -> Result<()> {
        self.process.kill()?;
        let address = self.base.trim_start_matches("http://").to_owned();
        let arguments = self.arguments.iter().cloned().chain(extra.iter().map(|&extra| extra.to_owned()));
        self.process = launch(sandbox, &arguments.collect::<Vec<_>>(), &self.environment, &address).await?;
        Ok(())
    }

    /// As [`Self::restart`], with further environment from now on.
    pub async fn restart_in(&mut self, sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<()> {
        self.environment.extend(environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        self.restart(sandbox).await
    }

    /// Starts again where that is to fail: waits for the end, which must be a failure, and returns what was said.
    pub async fn refuses_to_start(&mut self, sandbox: &Sandbox) -> Result<String> {
        self.process.kill()?;
        let before = self.process.log().len();
        self.process = sandbox.start("narthex", command(&self.arguments, &self.environment)?)?;
        let status = ended(sandbox, &mut self.process).await?;
        let said = self.process.log().split_off(before);
        // By itself, and not by a signal.
        ensure!(status.code().is_some_and(|code| code != 0), "it ended with {status} and said {said}");
        Ok(said)
    }
}

async fn launch(
    sandbox: &Sandbox,
    arguments: &[String],
    environment: &[(String, String)],
    address: &str,
) -> Result<Process> {
    let mut process = sandbox.start("narthex", command(arguments, environment)?)?;
    sandbox.ready(&mut process, &format!("http://{address}/ready")).await?;
    Ok(process)
}

fn command(arguments: &[String], environment: &[(String, String)]) -> Result<Command> {
    let command = Command::new(binary("narthex")?).args(arguments);
    Ok(environment.iter().fold(command, |command, (name, value)| command.env(name, value)))
}
