//! Prints what a million series cost: resident bytes a series, CPU a sample, log and checkpoint sizes, the time to reopen, and what
//! sealing and forgetting them takes, with the longest wait of a push of another workspace meanwhile.
//!
//! `cargo run --release -p narthex-ingester --example storage_figures -- [SERIES] [ROUNDS] [DIRECTORY]`
//! (defaults: 1,000,000 series, 12 samples each, a temporary directory). The process stops as a crash would before it reopens.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use narthex_chunk::SetHash;
use narthex_ingester::{
    head::PushLimits,
    storage::{Budget, OsDisk, Storage, StorageConfig, WalSync},
};
use narthex_model::{Epoch, Labels, ManifestRevision, TimeRange, TimestampMs, WindowLength, WorkspaceId};
use narthex_remote_write::synthetic::{SyntheticSeries, synthetic_value};
use narthex_rpc::frame::{Frame, FrameBuilder};
use narthex_service::{SharedClock, SharedRegistry, SystemClock};

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

/// Pushes single samples of another workspace until told to stop; the longest wait for one.
fn probe(storage: &Storage, clock: &SharedClock, stop: &AtomicBool) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut builder, mut longest) = (FrameBuilder::new(), Duration::ZERO);
    let labels = [Labels::from_pairs([("__name__", "probe")])];
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let timestamp = START + number;
        let frame = frame(&mut builder, &labels, 0, timestamp);
        let (workspace, received) = (WorkspaceId::from_random(2), TimestampMs(timestamp));
        let began = clock.monotonic();
        let push = storage.push(workspace, Epoch(1), received, frame, PushLimits::default());
        runtime.block_on(push).expect("stored");
        longest = longest.max(clock.monotonic() - began);
    }
    longest
}

/// Runs an operation beside the probe and prints what it took.
async fn timed<T>(storage: &Storage, what: &str, operation: impl Future<Output = T>) -> T {
    let (clock, stop) = (SystemClock::shared(), Arc::new(AtomicBool::new(false)));
    let thread = {
        let (storage, clock, stop) = (storage.clone(), clock.clone(), stop.clone());
        std::thread::spawn(move || probe(&storage, &clock, &stop))
    };
    let (began, cpu_before) = (clock.monotonic(), cpu());
    let outcome = operation.await;
    let (took, spent) = (clock.monotonic() - began, cpu() - cpu_before);
    stop.store(true, Ordering::Relaxed);
    let longest = thread.join().expect("the probe ends");
    println!(
        "{what}: {:.0} ms beside pushes ({spent:.2} CPU-seconds with them), longest wait of a push {:.1} ms",
        took.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3
    );
    outcome
}

/// What a read costs its owner and its reader as data, and what digests of it would cost the owner.
fn modes(storage: &Storage, workspace: WorkspaceId) {
    let clock = SystemClock::shared();
    let selection =
        storage.select(workspace, &[], TimeRange::ALL, Budget::default()).expect("within the budget");
    let (mut bytes, mut samples, mut hash) = (0, 0u64, SetHash::default());
    let (mut handed_out, mut decoded, mut digested) = (0.0, 0.0, 0.0);
    for first in (0..selection.len()).step_by(128) {
        let before = clock.monotonic().as_secs_f64();
        let chunks = selection.chunks(first..first + 128).expect("read");
        let handed = clock.monotonic().as_secs_f64();
        let mut sum = 0.0;
        for chunk in chunks.iter().flatten() {
            bytes += chunk.data.len();
            chunk.for_each_float(|_, value| sum += value).expect("whole");
        }
        std::hint::black_box(sum);
        let read = clock.monotonic().as_secs_f64();
        for chunk in chunks.iter().flatten() {
            samples += u64::from(chunk.samples);
            chunk.for_each_float(|at, value| hash.add_float(at, value)).expect("whole");
        }
        handed_out += handed - before;
        decoded += read - handed;
        digested += clock.monotonic().as_secs_f64() - read;
    }
    std::hint::black_box(hash);
    let each = |seconds: f64| seconds * 1e9 / samples as f64;
    println!(
        "reads of {samples} samples in {bytes} bytes: handing out {:.1} ns a sample, decoding at the reader {:.1} ns, digests at the owner {:.1} ns",
        each(handed_out),
        each(decoded),
        each(digested)
    );
}

/// Seals and forgets all that was written.
async fn cut(storage: &Storage, workspace: WorkspaceId, newest: i64) {
    timed(storage, "nothing", SystemClock::shared().sleep(Duration::from_secs(1))).await;
    let window = WindowLength::DEFAULT.window(TimestampMs(newest));
    let (epoch, revision) = (Epoch(1), ManifestRevision(1));
    let sealed = timed(storage, "seal", storage.seal(workspace, epoch, window)).await.expect("sealed");
    println!("{sealed:?}");
    let (before, clock) = (resident(), SystemClock::shared());
    let began = clock.monotonic();
    let view = storage.cut(workspace, epoch, window).expect("sealed");
    let opened = (clock.monotonic() - began).as_secs_f64();
    let series = view.digests(0..view.len()).expect("reads").len();
    let read = (clock.monotonic() - began).as_secs_f64() - opened;
    println!(
        "a view of {series} series: {opened:.2} s and {} MiB, digests {read:.2} s",
        (resident() - before) >> 20
    );
    drop(view);
    modes(storage, workspace);
    for open in storage.open_windows(workspace) {
        // Whatever the window: the last round may have begun another one.
        let forget = storage.forget(workspace, epoch, open.window, epoch, revision);
        let forgot = timed(storage, "forget", forget).await.expect("forgotten");
        println!("{forgot:?}");
    }
    let later = TimestampMs(newest + 3 * 3_600_000);
    let left = timed(storage, "sweep", storage.sweep(later)).await.expect("swept");
    println!("{left} series left, {} MiB resident", resident() >> 20);
    storage.checkpoint().expect("checkpoint");
    println!("after a checkpoint: {} MiB resident, {:?}", resident() >> 20, storage.stats());
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
    let (storage, seconds, cpu_seconds) = open(&directory);
    println!("reopened from the checkpoint in {seconds:.2} s ({cpu_seconds:.2} CPU-seconds)");
    cut(&storage, workspace, START + rounds as i64 * 15_000).await;
}
