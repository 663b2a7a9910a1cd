//! The operators' command, `narthex-control-plane admin`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{Cluster, binary};

/// Runs a command at the nodes with these gRPC addresses, separated by commas; what it prints. A refusal is an error that
/// says why.
pub fn admin(addresses: &str, arguments: &[&str]) -> Result<String> {
    run(addresses, arguments, "")
}

/// Applies a document of identities at the nodes with these addresses.
pub fn apply_identities(addresses: &str, document: &serde_json::Value) -> Result<String> {
    // JSON is YAML.
    run(addresses, &["identity", "apply", "-"], &document.to_string())
}

impl Cluster {
    /// Runs an operators' command at any node.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        admin(&self.control_planes(), arguments)
    }

    /// The account of the cluster's first key.
    pub fn account(&self) -> Result<String> {
        let shown = self.admin(&["identity", "show"])?;
        let line = shown.lines().find_map(|line| line.split_once("account_id:"));
        let account = line.map(|(_, account)| account.trim().trim_matches(['"', '\'']).to_owned());
        account.with_context(|| format!("no account in {shown}"))
    }
}

fn run(addresses: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(binary("narthex-control-plane")?);
    command.args(["admin", "--addresses", addresses]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    ensure!(output.status.success(), "admin {arguments:?} was refused: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}
