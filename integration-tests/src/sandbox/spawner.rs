//! The thread that starts all processes of a sandbox.
//!
//! `setpriv --pdeathsig KILL` (util-linux) makes the kernel kill a child when the THREAD that started it ends, however
//! it ends. So one thread starts them all and lives exactly as long as the sandbox. Without setpriv children are
//! still killed when their handles are dropped.

use std::{
    fs::File,
    io::{Error, ErrorKind},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Child, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};

use super::process::{Command, Process};

type Order = (process::Command, Sender<Result<Child, Error>>);

/// Starts processes from a thread of its own.
#[derive(Debug)]
pub(super) struct Spawner {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    guard: Option<PathBuf>,
}

/// Tests ask faster than the documented rates of calls allow; one that is about rates sets its own.
const NO_RATES: [(&str, &str); 5] = [
    ("NARTHEX_EDGE_MANAGEMENT_RATE", "0"),
    ("NARTHEX_EDGE_LABELS_RATE", "0"),
    ("NARTHEX_EDGE_QUERY_RATE", "0"),
    ("NARTHEX_EDGE_REMOTE_WRITE_RATE", "0"),
    ("NARTHEX_EDGE_OTHER_RATE", "0"),
];

impl Spawner {
    pub(super) fn start() -> Self {
        let (orders, incoming): (Sender<Order>, Receiver<Order>) = channel();
        let work = move || {
            for (mut command, reply) in incoming {
                // Nobody listens only if the asking test is gone.
                drop(reply.send(command.spawn()));
            }
        };
        let guard =
            ["/usr/bin/setpriv", "/bin/setpriv"].map(PathBuf::from).into_iter().find(|path| path.exists());
        Self { orders: Some(orders), thread: Some(thread::spawn(work)), guard }
    }

    /// Starts `command` with its output appended to `log`.
    pub(super) fn spawn(&self, name: &str, command: Command, log: &Path) -> Result<Process> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut child = match &self.guard {
            Some(guard) => {
                let mut child = process::Command::new(guard);
                child.args(["--pdeathsig", "KILL", "--"]).arg(&command.program);
                child
            }
            None => process::Command::new(&command.program),
        };
        child
            .args(&command.arguments)
            .envs(NO_RATES)
            .envs(command.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let (reply, answer) = channel();
        let orders = self.orders.as_ref().expect("orders end only with the sandbox");
        let sent = orders.send((child, reply)).map_err(|_| Error::from(ErrorKind::BrokenPipe));
        let spawned = sent.and_then(|()| answer.recv().map_err(|_| Error::from(ErrorKind::BrokenPipe))?);
        let child =
            spawned.with_context(|| format!("{name} ({}) cannot be started", command.program.display()))?;
        Ok(Process::new(name, child, log))
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            drop(thread.join());
        }
    }
}
