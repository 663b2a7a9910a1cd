//! What the tests of many workspaces and of many blocks share: an all-in-one whose workspaces are known before its first
//! start, over an S3 server behind a proxy.

use std::{fs, path::Path};

use anyhow::Result;
use narthex_model::WorkspaceId;

/// The bucket of the test.
pub(crate) const BUCKET: &str = "many";
/// Where in it everything lies.
pub(crate) const URL: &str = "s3://many/prefix";

/// Workspaces with these ids exist from the first start on a data directory. An account's quota of workspaces made by the API
/// is not asked.
pub(crate) fn prepare(data_dir: &Path, workspaces: &[WorkspaceId]) -> Result<()> {
    let mut yaml = "account_id: '123456789012'\naccess_keys:\n  - user_name: admin\n    access_key_id: \
        AKIANARTHEXMANY00001\n    secret_access_key: narthex-tests-secret-of-forty-characters\nworkspaces:\n"
        .to_owned();
    for (number, workspace) in workspaces.iter().enumerate() {
        yaml += &format!("  - id: {workspace}\n    alias: number-{number}\n");
    }
    fs::create_dir_all(data_dir)?;
    Ok(fs::write(data_dir.join("bootstrap.yaml"), yaml)?)
}

/// Environment as the sandbox takes it.
pub(crate) fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
