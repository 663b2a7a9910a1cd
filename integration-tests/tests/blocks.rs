//! Samples end in blocks and queries do not notice: cuts are committed and forgotten, and from blocks alone every answer is what
//! it was from heads. A block that is missing or damaged fails the queries that need it, by name, and no others.
//!
//! Time is short here: windows of seconds, which are cut as soon as a setting of the second start says so.

mod answers;
mod costs;
mod damage;
mod flush;
mod history;
mod merge;
mod prometheus;
mod start;

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    aws::Api,
    metrics::metric,
    sandbox::{DEADLINE, Sandbox, binary, until},
    wire::WriteRequest,
};

/// Length of windows, as every start of a test has it.
const WINDOW: (&str, &str) = ("NARTHEX_CUT_WINDOW", "20s");
const WINDOW_MS: i64 = 20_000;

/// Nothing is late any more, nothing is jittered, nothing is kept: every window that ended is cut, committed and forgotten at once,
/// and the log is cut short as soon as it can be.
const AT_ONCE: [(&str, &str); 6] = [
    ("NARTHEX_CHECKPOINT_INTERVAL", "1s"),
    ("NARTHEX_CUT_MAX_AGE", "1s"),
    ("NARTHEX_CUT_SLACK", "0s"),
    ("NARTHEX_CUT_JITTER", "0s"),
    ("NARTHEX_CUT_TAKE_OVER", "5s"),
    ("NARTHEX_CUT_KEEP", "1s"),
];

/// How long cuts of a few windows may take on a busy machine.
const SETTLE: Duration = Duration::from_secs(180);

/// Waits until none of the ingesters at `bases` holds a window, and so every sample is in a block and nowhere else.
async fn settled(sandbox: &Sandbox, bases: &[String]) -> Result<()> {
    until(&sandbox.clock, "all windows to be committed and forgotten", SETTLE, async || {
        for base in bases {
            let of = async |name: &str| {
                metric(&sandbox.http, base, &format!("narthex_ingester_cuts_{name}")).await
            };
            let (windows, forgotten) = (of("windows").await?, of("forgotten_total").await?);
            if windows != Some(0.0) || forgotten.is_none_or(|forgotten| forgotten == 0.0) {
                let failures = of("failures_total").await?;
                return Ok(Err(format!(
                    "{base}: {windows:?} windows, {forgotten:?} forgotten, {failures:?} failures"
                )));
            }
        }
        Ok(Ok(()))
    })
    .await
}

/// Windows that [`write`] fills.
const WINDOWS: i64 = 5;
const SERIES: i64 = 20;
/// Samples that it writes.
const SAMPLES: usize = (SERIES * WINDOWS * WINDOW_MS / 1_000) as usize;

/// Writes samples of `kept`, one a second and series, over windows that all are over, and waits until each of the ingesters at
/// `bases` has its copy. The beginning of the first window.
async fn write(sandbox: &Sandbox, api: &Api, distributor: &str, bases: &[String]) -> Result<i64> {
    let start = (sandbox.clock.now().0.div_euclid(WINDOW_MS) - WINDOWS - 1) * WINDOW_MS;
    let mut request = WriteRequest::default();
    for series in 0..SERIES {
        let job = format!("job-{series}");
        let samples: Vec<(i64, f64)> = (0..WINDOWS * WINDOW_MS / 1_000)
            .map(|second| (start + second * 1_000, (second * 31 + series) as f64 / 7.0))
            .collect();
        request.series(&[("__name__", "kept"), ("job", &job)], &samples);
    }
    let reply = api.write(distributor, request.compressed()).await?;
    ensure!(reply.status.is_success(), "{reply}");
    let copies = if bases.len() == 1 { 1 } else { 3 };
    until(&sandbox.clock, "every copy of every sample", DEADLINE, async || {
        let stored = total(sandbox, bases, "narthex_ingester_stored_samples_total").await? as usize;
        Ok(if stored == copies * SAMPLES { Ok(()) } else { Err(format!("{stored} are stored")) })
    })
    .await?;
    Ok(start)
}

/// Runs an operator's command against these control-plane nodes: whether it succeeded, and all that it said.
fn admin(addresses: &str, words: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(binary("narthex")?);
    let output = command.args(["admin", "--addresses", addresses]).args(words).output()?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// Bytes of all files below a folder.
fn disk_usage(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes +=
            if entry.file_type()?.is_dir() { disk_usage(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// The sum of a metric over processes.
async fn total(sandbox: &Sandbox, bases: &[String], name: &str) -> Result<f64> {
    let mut sum = 0.0;
    for base in bases {
        sum += metric(&sandbox.http, base, name).await?.unwrap_or_default();
    }
    ensure!(sum.is_finite(), "{name} is {sum}");
    Ok(sum)
}
