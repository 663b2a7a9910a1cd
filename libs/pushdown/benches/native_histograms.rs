//! Queries of native histograms, from chunks to the result, as an owner answers them and as a querier reads them.
//!
//! Thirty-six series are scraped every 15 s and asked for an hour in steps of 15 s. What is measured is CPU time of the thread, so that a
//! busy machine does not change the figures; throughput is in histograms.
#![allow(missing_docs, reason = "criterion's macros")]

use std::time::Duration;

use async_trait::async_trait;
use criterion::{
    Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use futures::executor::block_on;
use narthex_chunk::{Chunk, Encoding, HistogramState};
use narthex_model::{BucketSpan, Counts, Histogram, Labels, TimeRange, TimestampMs};
use narthex_promql::{
    Control, Engine, EngineConfig, Fragment, FragmentAnswer, FragmentRun, SelectedSeries, Selection,
    SeriesData, SeriesSource, SourceError, parse,
};
use narthex_pushdown::Samples;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERIES: u64 = 36;
const SAMPLES: u64 = 244;
const BUCKETS: u32 = 24;
const CHUNK: u64 = 120;
const INTERVAL: i64 = 15_000;

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

/// Series in chunks.
struct Held(Vec<(Labels, Vec<Chunk>)>);

impl Held {
    fn new() -> Self {
        Self((0..SERIES).map(|series| (labels(series), chunks(series))).collect())
    }

    fn series(&self, range: TimeRange) -> impl Iterator<Item = SeriesData> {
        self.0.iter().map(move |(labels, chunks)| {
            let mut samples = Samples::new(labels.clone(), range);
            chunks.iter().for_each(|chunk| samples.add(chunk).expect("own chunk"));
            samples.finish()
        })
    }
}

fn labels(series: u64) -> Labels {
    let (job, instance) = (format!("job-{}", series % 4), format!("10.0.0.{series}:8080"));
    Labels::from_pairs([("__name__", "latency"), ("instance", &instance), ("job", &job)])
}

fn chunks(series: u64) -> Vec<Chunk> {
    let samples: Vec<u64> = (0..SAMPLES).collect();
    let chunk = |part: &[u64]| {
        let mut state = HistogramState::default();
        let at = |sample: u64| INTERVAL * sample as i64 + series as i64 * 100;
        part.iter().for_each(|sample| {
            state.append(at(*sample), &histogram(series, *sample).to_bytes()).expect("ascends");
        });
        let (min_ms, max_ms) = (at(part[0]), at(part[part.len() - 1]));
        let (samples, data) = (part.len() as u32, state.take().into());
        Chunk { encoding: Encoding::Histograms, samples, min_ms, max_ms, data }
    };
    samples.chunks(CHUNK as usize).map(chunk).collect()
}

/// What a counter has counted; buckets fill at different speeds, and nothing restarts.
fn histogram(series: u64, sample: u64) -> Histogram {
    let count = |bucket: u64| ((sample + 1_000 + series) * (bucket * (24 - bucket) + 3)) as i64;
    let positive: Vec<i64> = (0..u64::from(BUCKETS)).map(count).collect();
    let total = positive.iter().sum::<i64>().unsigned_abs();
    Histogram {
        schema: 2,
        sum: total as f64 * 0.06,
        zero_threshold: 1e-128,
        positive_spans: vec![BucketSpan { offset: -28, length: BUCKETS }],
        counts: Counts::Int { zero: 0, total, positive, negative: Vec::new() },
        ..Histogram::default()
    }
}

#[async_trait]
impl SeriesSource for Held {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        Ok(SelectedSeries { series: self.series(request.range).collect(), ..SelectedSeries::default() })
    }

    async fn aggregate(&self, fragment: &Fragment) -> Result<Option<FragmentAnswer>, SourceError> {
        let control = Control::default();
        let mut run = FragmentRun::new(fragment, &control).expect("known function");
        for (place, series) in self.series(TimeRange::ALL).enumerate() {
            run.add(place, series).expect("fits");
        }
        Ok(Some(run.finish().expect("fits")))
    }
}

fn queries(c: &mut Criterion<CpuTime>) {
    let (held, engine) = (Held::new(), Engine::new(EngineConfig::default()));
    let mut group = c.benchmark_group("native_histograms");
    group.throughput(Throughput::Elements(SERIES * SAMPLES));
    for (name, query) in [
        ("sum of rates", "sum by (job) (rate(latency[1m]))"),
        ("quantile of rates", "histogram_quantile(0.99, sum by (job) (rate(latency[1m])))"),
        ("count of rates", "sum by (job) (histogram_count(rate(latency[1m])))"),
    ] {
        let expr = parse(query).expect("a query");
        let (start, end) = (TimestampMs(60_000), TimestampMs(3_660_000));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                block_on(engine.range(&held, &expr, start, end, INTERVAL, &Control::default()))
                    .expect("an answer")
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = queries
}
criterion_main!(benches);
