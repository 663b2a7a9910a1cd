//! The write path of one sample without network and log: decompress, decode, canonicalise and hash, route, frame, append to the head.
//!
//! Requests are as senders batch them: 2,000 series of ten labels with one sample each, out of a population that is written
//! round after round. What is measured is CPU time of the thread, so that a busy machine does not change the figures.
#![allow(missing_docs, reason = "criterion's macros")]

use std::time::Duration;

use criterion::{
    BatchSize, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use narthex_ingester::head::{Head, PushLimits};
use narthex_model::{Epoch, PartitionId, RingRevision, WindowLength};
use narthex_remote_write::{
    Canonicalizer, Decompressor, Entry, LabelLimits, MAX_DECODED_BYTES, Series, WriteRequest,
    synthetic::synthetic_request,
};
use narthex_ring::{Partition, PartitionState, Replication, Ring};
use narthex_rpc::frame::{Frame, FrameBuilder};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 2_000;
const START: i64 = 1_700_000_000_000;

/// CPU time of the thread, as the scheduler counts it.
#[derive(Debug)]
struct CpuTime;

fn cpu() -> u64 {
    let stat =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduler statistics");
    stat.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds first")
}

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = Duration;

    fn start(&self) -> u64 {
        cpu()
    }

    fn end(&self, start: u64) -> Duration {
        Duration::from_nanos(cpu() - start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// What a distributor does to a request, in reused buffers.
struct Pipeline {
    decompressor: Decompressor,
    canonicalizer: Canonicalizer,
    ring: Ring,
    builder: FrameBuilder,
}

impl Pipeline {
    fn new() -> Self {
        let (state, epoch, owners) = (PartitionState::Active, Epoch(1), Vec::new());
        let partition = Partition { id: PartitionId(0), state, epoch, owners };
        Self {
            decompressor: Decompressor::new(),
            canonicalizer: Canonicalizer::new(LabelLimits::default()),
            ring: Ring::new(RingRevision(1), Replication::One, vec![partition]),
            builder: FrameBuilder::new(),
        }
    }

    fn frame(&mut self, request: &[u8]) -> Frame {
        let body = self.decompressor.decompress(request, MAX_DECODED_BYTES).expect("own block");
        let (mut request, mut series) = (WriteRequest::new(body), Series::new(150));
        while let Some(entry) = request.next_entry(&mut series).expect("own request") {
            if !matches!(entry, Entry::Series) {
                continue;
            }
            let canonical = self.canonicalizer.canonicalize(&mut series).expect("valid");
            assert_eq!(self.ring.partition_for(canonical.hash), Some(PartitionId(0)));
            self.builder.series(canonical.hash, canonical.bytes);
            series.floats.iter().for_each(|(timestamp, value)| self.builder.float(*timestamp, *value));
        }
        Frame::parse(self.builder.finish()).expect("own frame")
    }
}

fn head_append(criterion: &mut Criterion<CpuTime>) {
    for population in [100_000, 1_000_000] {
        let (mut head, mut pipeline) = (Head::new(16 << 20, WindowLength::DEFAULT), Pipeline::new());
        let limits = PushLimits::default();
        let batches = population / BATCH;
        let mut next = 0;
        // Requests come in rounds over the population, ever later.
        let mut request = move || {
            let (round, batch) = (next / batches, next % batches);
            next += 1;
            synthetic_request(batch * BATCH..(batch + 1) * BATCH, START + round as i64 * 15_000)
        };
        for _ in 0..batches {
            head.push(&pipeline.frame(&request()), START, Epoch(1), &limits, &mut ()).expect("stored");
        }
        let mut group = criterion.benchmark_group(format!("{population}_series"));
        group.throughput(Throughput::Elements(BATCH)).sample_size(20);
        group.bench_function("frame", |bencher| {
            bencher.iter_batched(&mut request, |request| pipeline.frame(&request), BatchSize::PerIteration);
        });
        let mut preparing = Pipeline::new();
        group.bench_function("append", |bencher| {
            bencher.iter_batched(
                || preparing.frame(&request()),
                |frame| {
                    let now = frame.at(0).floats().next().expect("a sample").0;
                    let pushed = head.push(&frame, now, Epoch(1), &limits, &mut ()).expect("stored");
                    assert_eq!(pushed.refusals.len(), 0);
                    frame
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function("all", |bencher| {
            bencher.iter_batched(
                &mut request,
                |request| {
                    let frame = pipeline.frame(&request);
                    let now = frame.at(0).floats().next().expect("a sample").0;
                    head.push(&frame, now, Epoch(1), &limits, &mut ()).expect("stored");
                    (request, frame)
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = head_append
}
criterion_main!(benches);
