//! One test's world: a folder, ports, processes, and their logs if the test fails.
//!
//! [`scenario`] runs a test in a sandbox. Processes die with the sandbox, and with this process if that is killed (the
//! kernel sends them SIGKILL when the thread that started them ends). After a failure the ends of all logs go to
//! standard error, where CI shows them, and the folder stays.

mod admin;
mod binaries;
mod cluster;
mod control_plane;
mod env_file;
mod peers;
mod ports;
mod process;
mod settings;
mod spawner;
mod standalone;
mod wait;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use narthex_service::{SharedClock, SystemClock};

use self::spawner::Spawner;
pub use self::{
    admin::{admin, apply_identities},
    binaries::binary,
    cluster::{Cluster, Instance, ZONES},
    control_plane::ControlPlane,
    env_file::ClientEnv,
    peers::{Peer, PrometheusOptions},
    ports::Ports,
    process::{Command, Process, ended},
    settings::{long, number},
    standalone::Standalone,
    wait::{DEADLINE, until},
};
use crate::http::Http;

/// Lines of each log that a failed test shows.
const LOG_TAIL: usize = 60;

/// A test's folder, ports and processes.
#[derive(Debug)]
pub struct Sandbox {
    folder: Option<tempfile::TempDir>,
    /// Free ports of this test alone.
    pub ports: Ports,
    /// The clock of deadlines.
    pub clock: SharedClock,
    /// An HTTP client with a generous limit per request.
    pub http: Http,
    spawner: Spawner,
    logs: Mutex<Vec<PathBuf>>,
}

/// Runs `test` in a sandbox on a runtime of its own and panics, logs shown, with the error that it returns.
pub fn scenario(test: impl AsyncFnOnce(&Sandbox) -> Result<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    let runtime = runtime.expect("a runtime can be built");
    let sandbox = Sandbox::new().expect("a sandbox can be made");
    match runtime.block_on(test(&sandbox)) {
        Ok(()) => sandbox.discard(),
        Err(error) => {
            drop(sandbox);
            // The causes line by line; a backtrace would tell only that the test awaited something.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            panic!("{}", causes.join("\n  because: "));
        }
    }
}

impl Sandbox {
    /// An empty sandbox. `NARTHEX_TEST_DIR` chooses the folder that sandboxes are made in.
    pub fn new() -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("narthex-test-");
        let folder = match env::var_os("NARTHEX_TEST_DIR") {
            Some(parent) => {
                fs::create_dir_all(&parent)?;
                builder.tempdir_in(parent)
            }
            None => builder.tempdir(),
        };
        let clock = SystemClock::shared();
        Ok(Self {
            folder: Some(folder.context("the test's folder cannot be made")?),
            ports: Ports::reserve()?,
            http: Http::new(clock.clone(), Duration::from_secs(60)),
            clock,
            spawner: Spawner::start(),
            logs: Mutex::new(Vec::new()),
        })
    }

    /// The sandbox's folder.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("the folder is there until the sandbox is dropped").path()
    }

    /// Starts a program; its output goes to `<name>.log`, appended if it ran before.
    pub fn start(&self, name: &str, command: Command) -> Result<Process> {
        let log = self.path().join(format!("{name}.log"));
        let process = self.spawner.spawn(name, command, &log)?;
        let mut logs = self.logs();
        if !logs.contains(&log) {
            logs.push(log);
        }
        Ok(process)
    }

    /// The whole log of a process by its name.
    pub fn log(&self, name: &str) -> String {
        fs::read(self.path().join(format!("{name}.log")))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `url` answers 200 or `process` ends, which is an error.
    pub async fn ready(&self, process: &mut Process, url: &str) -> Result<()> {
        until(&self.clock, &format!("{} ready at {url}", process.name()), DEADLINE, async || {
            if let Some(status) = process.ended()? {
                bail!("{} ended with {status} before it was ready", process.name());
            }
            Ok(match self.http.get(url).await {
                Ok(reply) if reply.status == 200 => Ok(()),
                Ok(reply) => Err(reply.to_string()),
                Err(error) => Err(format!("{error:#}")),
            })
        })
        .await
    }

    /// Ends the sandbox without a trace, as after a test that passed.
    pub fn discard(mut self) {
        self.folder = None;
    }

    fn logs(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        for log in self.logs().iter() {
            let text =
                fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
            eprintln!("--- {} (last {} of {} lines)", log.display(), tail.len(), lines.len());
            for line in tail {
                eprintln!("{}", line.chars().take(400).collect::<String>());
            }
        }
        eprintln!("--- the test failed; its files stay in {}", folder.keep().display());
    }
}
