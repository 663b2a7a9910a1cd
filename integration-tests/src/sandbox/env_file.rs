//! `client.env`: what a user's shell sources before it runs a client.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{
    aws::{Api, Signer},
    http::Http,
};

/// The variables of a `client.env`.
#[derive(Debug, Clone)]
pub struct ClientEnv {
    path: PathBuf,
    variables: BTreeMap<String, String>,
}

impl ClientEnv {
    /// Reads the file and checks its promises: mode 0600, each line `export NAME=value`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} holds a secret and has the mode {mode:o}", path.display());
        let mut variables = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let assignment = line.strip_prefix("export ").and_then(|rest| rest.split_once('='));
            let (name, value) = assignment.with_context(|| format!("not `export NAME=value`: {line:?}"))?;
            variables.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
        }
        Ok(Self { path: path.to_owned(), variables })
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Result<&str> {
        let value = self.variables.get(name).map(String::as_str);
        value.with_context(|| format!("{} does not export {name}", self.path.display()))
    }

    /// A comma-separated variable.
    pub fn list(&self, name: &str) -> Result<Vec<String>> {
        let items: Vec<String> =
            self.get(name)?.split(',').map(|item| item.trim_end_matches('/').to_owned()).collect();
        ensure!(
            items.iter().all(|item| item.starts_with("http://")),
            "{name} is no list of base URLs: {items:?}"
        );
        Ok(items)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A signer with the file's key.
    pub fn signer(&self) -> Result<Signer> {
        Ok(Signer::new(
            self.get("AWS_ACCESS_KEY_ID")?,
            self.get("AWS_SECRET_ACCESS_KEY")?,
            self.get("AWS_REGION")?,
        ))
    }

    /// A signing client of the file's workspace.
    pub fn api(&self, http: &Http) -> Result<Api> {
        let workspace = self.get("NARTHEX_WORKSPACE_ID")?.to_owned();
        Ok(Api { http: http.clone(), signer: Some(self.signer()?), workspace })
    }
}
