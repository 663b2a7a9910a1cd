//! `narthex cluster start`: runs every process of a cluster folder until interrupted.
//!
//! Each process logs to `logs/<instance>.log`. Progress is printed as instances become ready; one that ends by itself is reported with
//! the end of its log and not started again, so that what a user sees is what happened.

use std::{
    env,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use futures::{StreamExt, stream::FuturesUnordered};
use narthex_service::Clock;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use super::layout::SERVICES;

const READY_POLL: Duration = Duration::from_millis(200);
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// A process of the cluster, as its file tells it.
struct Process {
    instance: String,
    program: String,
    listen: SocketAddr,
}

#[derive(serde::Deserialize)]
struct Listen {
    listen: SocketAddr,
}

/// Starts all processes of `directory` and returns when they have ended.
pub(crate) async fn start(directory: &Path, clock: &dyn Clock) -> anyhow::Result<()> {
    let processes = processes(directory)?;
    let programs = programs_folder()?;
    let logs = directory.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;

    // Before the first child, so that no signal ends this process alone and leaves children behind.
    let mut interrupt = std::pin::pin!(interrupted()?);
    let mut children = Vec::with_capacity(processes.len());
    for process in &processes {
        children.push(spawn(process, directory, &programs)?);
    }
    let pids: Vec<_> =
        children.iter().filter_map(Child::id).filter_map(|pid| Pid::from_raw(pid.cast_signed())).collect();

    let mut endings: FuturesUnordered<_> = processes
        .iter()
        .zip(children)
        .map(|(process, mut child)| async move { (process, child.wait().await) })
        .collect();

    let mut stopping = tokio::select! {
        () = report_readiness(&processes, directory, clock) => false,
        Some((process, status)) = endings.next() => {
            report_end(process, status, &logs);
            false
        }
        () = &mut interrupt => true,
    };
    while !stopping {
        tokio::select! {
            () = &mut interrupt => stopping = true,
            ended = endings.next() => match ended {
                Some((process, status)) => report_end(process, status, &logs),
                None => break,
            },
        }
    }
    if stopping {
        println!("stopping");
        for pid in pids {
            // A process that has ended by itself cannot be told to stop.
            let _ = kill_process(pid, Signal::TERM);
        }
        let drained = async { while endings.next().await.is_some() {} };
        if narthex_service::timeout(clock, DRAIN_LIMIT, drained).await.is_err() {
            println!("some processes did not stop within {DRAIN_LIMIT:?}; killing them");
        }
    }
    Ok(())
}

/// Completes at the first SIGINT or SIGTERM from now on, whenever it is first waited for.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The folder of this program, where the others are built too.
fn programs_folder() -> anyhow::Result<PathBuf> {
    let folder = env::current_exe()?.parent().context("this program lies in no folder")?.to_owned();
    if !folder.join("narthex-ingester").exists() {
        bail!(
            "the programs of the cluster are not beside this one in {}: build them with `cargo build --release --workspace --bins`",
            folder.display()
        );
    }
    Ok(folder)
}

/// Reads which processes there are from the files in the folder, in the order in which they are started.
fn processes(directory: &Path) -> anyhow::Result<Vec<Process>> {
    let mut files = Vec::new();
    let none = || {
        format!("cannot read {0}; write a cluster with `narthex cluster init --dir {0}`", directory.display())
    };
    for entry in fs::read_dir(directory).with_context(none)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(instance) = name.strip_suffix(".yaml") else { continue };
        let service =
            SERVICES.iter().position(|service| instance.starts_with(&format!("{}-", service.name())));
        files.extend(service.map(|service| (service, instance.to_owned())));
    }
    if files.is_empty() {
        bail!("{} has no cluster; write one with `narthex cluster init --dir {0}`", directory.display());
    }
    files.sort();
    let read = |(service, instance): (usize, String)| {
        let path = directory.join(format!("{instance}.yaml"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Listen { listen } =
            serde_saphyr::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Process { instance, program: format!("narthex-{}", SERVICES[service].name()), listen })
    };
    files.into_iter().map(read).collect()
}

fn spawn(process: &Process, directory: &Path, programs: &Path) -> anyhow::Result<Child> {
    let program = programs.join(&process.program);
    let config = directory.join(format!("{}.yaml", process.instance));
    let log = File::create(directory.join("logs").join(format!("{}.log", process.instance)))?;
    Command::new(&program)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

async fn report_readiness(processes: &[Process], directory: &Path, clock: &dyn Clock) {
    let mut waiting: Vec<_> = processes.iter().collect();
    println!("starting {} processes; their logs are in {}", waiting.len(), directory.join("logs").display());
    while !waiting.is_empty() {
        let mut still = Vec::with_capacity(waiting.len());
        for process in waiting {
            if is_ready(process.listen).await {
                println!("ready: {} (http://{})", process.instance, process.listen);
            } else {
                still.push(process);
            }
        }
        waiting = still;
        clock.sleep(READY_POLL).await;
    }
    println!("the cluster is ready; keys and addresses: {}", directory.join("client.env").display());
}

/// Whether `/ready` answers 200.
async fn is_ready(address: SocketAddr) -> bool {
    let probe = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer.ends_with(b" 200"))
    };
    probe.await.unwrap_or(false)
}

fn report_end(process: &Process, status: std::io::Result<std::process::ExitStatus>, logs: &Path) {
    let Process { instance, .. } = process;
    let log = logs.join(format!("{instance}.log"));
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    println!("{instance} ended: {how}; the end of {}:", log.display());
    let text = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(10)).for_each(|line| println!("    {line}"));
}
