//! Prints what a million series cost: resident bytes a series, CPU a sample, log and checkpoint sizes, and the time to reopen.
//!
//! `cargo run --release -p narthex-ingester --example storage_figures -- [SERIES] [ROUNDS] [DIRECTORY]`
//! (defaults: 1,000,000 series, 12 samples each, a temporary directory). The process stops as a crash would before it reopens.

use std::{path::PathBuf, sync::Arc};

use narthex_ingester::{
    head::PushLimits,
    storage::{OsDisk, Storage, StorageConfig, WalSync},
};
use narthex_model::{Epoch, Labels, TimestampMs, WorkspaceId};
use narthex_remote_write::synthetic::{SyntheticSeries, synthetic_value};
use narthex_rpc::frame::{Frame, FrameBuilder};
use narthex_service::{SharedRegistry, SystemClock};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 5_000;
const START: i64 = 1_700_000_000_000;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line =
        status.lines().find(|line| line.starts_with("RssAnon:")).expect("a kernel that counts RssAnon");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("kilobytes") * 1024
}

/// CPU seconds of all threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}

fn frame(builder: &mut FrameBuilder, labels: &[Labels], first: u64, timestamp: i64) -> Frame {
    for (at, labels) in labels.iter().enumerate() {
        let number = first + at as u64;
        builder.series(labels.series_hash(), labels.as_bytes());
        builder.float(timestamp, synthetic_value(number, timestamp));
    }
    Frame::parse(builder.finish()).expect("own frame")
}

fn open(directory: &PathBuf) -> (Storage, f64, f64) {
    let clock = SystemClock::shared();
    let (started, cpu_before) = (clock.monotonic(), cpu());
    let config = StorageConfig { wal_sync: WalSync::Always, ..StorageConfig::new(directory) };
    let (storage, report) =
        Storage::open(config, Arc::new(OsDisk), clock.clone(), &SharedRegistry::default(), |_| {})
            .expect("opens");
    println!("opened: {report:?}");
    (storage, (clock.monotonic() - started).as_secs_f64(), cpu() - cpu_before)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (series, rounds) = (number(1_000_000), number(12));
    let directory =
        arguments.next().map_or_else(|| std::env::temp_dir().join("narthex-figures"), PathBuf::from);
    let _ = std::fs::remove_dir_all(&directory);
    let workspace = WorkspaceId::from_random(1);
    let (storage, ..) = open(&directory);
    let (mut builder, mut spent) = (FrameBuilder::new(), 0.0);
    let before = resident();
    for round in 0..rounds {
        for first in (0..series).step_by(BATCH as usize) {
            let numbers = first..(first + BATCH).min(series);
            let labels: Vec<_> =
                numbers.map(|number| Labels::from_pairs(SyntheticSeries::new(number).labels())).collect();
            let timestamp = START + round as i64 * 15_000;
            let frame = frame(&mut builder, &labels, first, timestamp);
            let started = cpu();
            storage
                .push(workspace, Epoch(1), TimestampMs(timestamp), frame, PushLimits::default())
                .await
                .expect("stored");
            spent += cpu() - started;
        }
        let bytes = resident() - before;
        println!("round {round}: {} resident bytes a series", bytes / series);
    }
    println!("storage alone: {:.0} samples per CPU-second", (series * rounds) as f64 / spent);
    println!("{:?}", storage.stats());
    storage.abandon();
    drop(storage);
    let (storage, seconds, cpu_seconds) = open(&directory);
    println!("reopened after a crash in {seconds:.2} s ({cpu_seconds:.2} CPU-seconds)");
    let started = cpu();
    storage.checkpoint().expect("checkpoint");
    println!("checkpoint: {:.2} CPU-seconds", cpu() - started);
    storage.abandon();
    drop(storage);
    let (_, seconds, cpu_seconds) = open(&directory);
    println!("reopened from the checkpoint in {seconds:.2} s ({cpu_seconds:.2} CPU-seconds)");
}
