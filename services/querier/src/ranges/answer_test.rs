//! Range queries cut and kept in every way against one evaluation of all steps.

use std::{
    collections::BTreeSet,
    fmt::Write,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use narthex_model::{Labels, ManifestRevision, MetricMetadata, TimeRange, TimestampMs, WorkspaceId};
use narthex_promql::{
    Annotations, Control, Engine, EngineConfig, EvalError, Fragment, FragmentAnswer, Memory, QueryResult,
    QueryValue, Reservation, SelectedSeries, Selection, SeriesSource, SourceError, parse,
    promqltest::{self, MemorySource},
};
use narthex_service::{Clock, Components, DataClock};
use parking_lot::Mutex;
use proptest::{prelude::*, sample::select};

use super::{CacheSettings, Question, Ranges, stretch::Stretch};
use crate::{
    metrics::{Metrics, Reason},
    reads::{History, Lookup, Reads},
};

const HOUR: i64 = 3_600_000;
const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(5);
const SETTINGS: CacheSettings =
    CacheSettings { process: 1 << 24, workspace: 1 << 23, slack_ms: HOUR, folder: None, disk: 1 << 24 };
const FIRST: History = History { lost: ManifestRevision(0), retained_from: TimestampMs(i64::MIN) };
/// How far back instant selectors look.
const LOOKBACK: i64 = HOUR * 3 / 2;

/// A clock that stands where it is put.
#[derive(Debug, Default)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// Samples that may be exchanged, and how often they were asked for.
struct World {
    source: Mutex<Arc<MemorySource>>,
    history: Mutex<Option<History>>,
    asked: AtomicUsize,
    /// The earliest time that was asked for.
    earliest: AtomicI64,
}

struct Asked(Arc<World>);

impl Asked {
    fn note(&self, range: TimeRange) -> Arc<MemorySource> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.0.earliest.fetch_min(range.min.0, Ordering::Relaxed);
        self.0.source.lock().clone()
    }
}

#[async_trait]
impl SeriesSource for Asked {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        self.note(request.range).select(request).await
    }

    async fn aggregate(&self, fragment: &Fragment) -> Result<Option<FragmentAnswer>, SourceError> {
        self.note(fragment.range()).aggregate(fragment).await
    }
}

struct Shared(Arc<World>);

#[async_trait]
impl Reads for Shared {
    fn source(&self, _: WorkspaceId, _: TimeRange, _: Reservation) -> Arc<dyn SeriesSource> {
        Arc::new(Asked(Arc::clone(&self.0)))
    }

    async fn history(&self, _: WorkspaceId) -> Option<History> {
        *self.0.history.lock()
    }

    async fn label_names(&self, _: WorkspaceId, _: &Lookup) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    async fn label_values(&self, _: WorkspaceId, _: &str, _: &Lookup) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    async fn series(&self, _: WorkspaceId, _: &Lookup) -> Result<Vec<Labels>, SourceError> {
        Ok(Vec::new())
    }

    async fn metadata(&self, _: WorkspaceId, _: &str) -> Result<BTreeSet<MetricMetadata>, SourceError> {
        Ok(BTreeSet::new())
    }
}

/// Counts what is taken.
#[derive(Debug, Default)]
struct Taken(AtomicUsize);

impl Memory for Taken {
    fn grow(&self, bytes: usize) -> Result<(), SourceError> {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

struct Rig {
    world: Arc<World>,
    ranges: Ranges,
    clock: Arc<Still>,
    metrics: Metrics,
    memory: Arc<Taken>,
}

/// What may differ from query to query.
#[derive(Debug, Clone, Copy)]
struct Asks {
    max_processed: u64,
    max_points: u64,
    no_store: bool,
    per_step: bool,
}

const ASKS: Asks = Asks { max_processed: u64::MAX, max_points: u64::MAX, no_store: false, per_step: true };

fn engine() -> Engine {
    Engine::new(EngineConfig { lookback_delta_ms: LOOKBACK, parallelism: 2, ..EngineConfig::default() })
}

impl Rig {
    fn new(script: &str, settings: CacheSettings) -> Self {
        let source = promqltest::load(script).expect("a script");
        let world = Arc::new(World {
            source: Mutex::new(Arc::new(source)),
            history: Mutex::new(Some(FIRST)),
            asked: AtomicUsize::new(0),
            earliest: AtomicI64::new(i64::MAX),
        });
        let clock = Arc::new(Still(AtomicI64::new(100 * 24 * HOUR)));
        let metrics = Metrics::register(&mut Components::from_system(None).registry.lock());
        let data_clock = DataClock::new(Arc::clone(&clock) as Arc<dyn Clock>, None);
        let reads = Arc::new(Shared(Arc::clone(&world)));
        let ranges = Ranges::new(reads, &settings, data_clock, metrics.clone());
        Self { world, ranges, clock, metrics, memory: Arc::default() }
    }

    fn replace(&self, script: &str) {
        *self.world.source.lock() = Arc::new(promqltest::load(script).expect("a script"));
    }

    async fn ask(&self, query: &str, steps: Stretch, asks: Asks) -> Result<QueryResult, EvalError> {
        let expr = parse(query).expect(query);
        let memory: Arc<dyn Memory> = Arc::clone(&self.memory) as Arc<dyn Memory>;
        let control = Control::default().with_memory(Arc::clone(&memory));
        let question = Question {
            workspace: WORKSPACE,
            text: query,
            expr: &expr,
            steps,
            engine: engine(),
            lookback_ms: LOOKBACK,
            per_step_stats: asks.per_step,
            max_processed: asks.max_processed,
            max_points: asks.max_points,
            no_store: asks.no_store,
            memory,
            control: &control,
        };
        self.world.asked.store(0, Ordering::Relaxed);
        self.world.earliest.store(i64::MAX, Ordering::Relaxed);
        self.ranges.answer(&question).await
    }

    async fn whole(&self, query: &str, steps: Stretch) -> Result<QueryResult, EvalError> {
        let source = self.world.source.lock().clone();
        let engine = engine().with_per_step_stats(true);
        let (start, end) = (TimestampMs(steps.start), TimestampMs(steps.end()));
        let expr = parse(query).expect(query);
        engine.range(&*source, &expr, start, end, steps.step, &Control::default()).await
    }

    /// How often storage was asked by the last query.
    fn asked(&self) -> usize {
        self.world.asked.load(Ordering::Relaxed)
    }

    fn not_kept(&self, reason: &'static str) -> u64 {
        self.metrics.range_not_kept.get_or_create(&Reason { reason }).get()
    }
}

/// Series as text, notes, and samples in all and by step.
type Shown = (String, Annotations, u64, Vec<(i64, u64)>);

/// All that users see of an answer, bits of floats included, but for the most samples in memory.
fn shown(result: &Result<QueryResult, EvalError>) -> Result<Shown, String> {
    let result = result.as_ref().map_err(|error| error.to_string())?;
    let QueryValue::Matrix(matrix) = &result.value else { return Err("no matrix".into()) };
    let mut text = String::new();
    for series in matrix {
        let _ = write!(text, "\n{}", series.labels);
        for (time, value) in &series.floats {
            // Of what is not a number nothing is shown but that.
            let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            let _ = write!(text, " {time}:{value}/{bits:x}");
        }
        for (time, histogram) in &series.histograms {
            let _ = write!(text, " {time}:{histogram:?}");
        }
    }
    let stats = &result.stats;
    Ok((text, result.annotations.clone(), stats.total_queryable_samples, stats.per_step.clone()))
}

/// Three days and more of samples by the hour; from `changed` on other ones.
fn script(values: &[Vec<String>], changed: Option<(usize, usize)>) -> String {
    let names = [
        "up{job=\"a\", zone=\"1\"}",
        "up{job=\"a\", zone=\"2\"}",
        "up{job=\"b\", zone=\"1\"}",
        "errors_total{job=\"a\", zone=\"1\"}",
        "errors_total{job=\"b\", zone=\"2\"}",
        "h_bucket{job=\"a\", le=\"1\"}",
        "h_bucket{job=\"a\", le=\"5\"}",
        "h_bucket{job=\"a\", le=\"+Inf\"}",
    ];
    let mut text = String::from("load 1h\n");
    for (series, (name, values)) in names.iter().zip(values).enumerate() {
        let _ = write!(text, "  {name}");
        for (at, value) in values.iter().enumerate() {
            match changed {
                Some((from, add)) if at >= from => {
                    let _ = write!(text, " {}", (at * 7 + series * 3 + add) % 23);
                }
                _ => {
                    let _ = write!(text, " {value}");
                }
            }
        }
        text.push('\n');
    }
    text += "  native{job=\"a\"} {{schema:1 sum:4 count:4 buckets:[1 2 1]}}+{{schema:1 sum:2 count:2 buckets:[1 0 1]}}x70\n";
    text += "  native{job=\"b\"} _x20 {{schema:0 sum:4 count:4 buckets:[1 2 1]}}+{{schema:0 sum:2 count:2 buckets:[1 0 1]}}x40\n";
    text
}

fn values() -> impl Strategy<Value = Vec<Vec<String>>> {
    let value = prop_oneof![
        12 => (0..20i32).prop_map(|value| value.to_string()),
        2 => Just("_".to_owned()),
        1 => Just("stale".to_owned()),
        1 => prop_oneof![Just("NaN"), Just("Inf"), Just("-3.5"), Just("0.1")].prop_map(str::to_owned),
    ];
    // Some series begin late or end early.
    let series = (proptest::collection::vec(value, 1..75), 0usize..40);
    let series = series.prop_map(|(values, late)| {
        std::iter::repeat_n("_".to_owned(), late).chain(values).take(75).collect::<Vec<_>>()
    });
    proptest::collection::vec(series, 8)
}

const FUNCTIONS: [&str; 12] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "stddev_over_time",
    "last_over_time",
    "absent_over_time",
    "quantile_over_time",
];

fn leaf() -> impl Strategy<Value = String> {
    let metric = || select(&["up", "errors_total", "up{job=\"a\"}", "native", "h_bucket", "none"][..]);
    let moved = prop_oneof![
        6 => Just(String::new()),
        2 => (-5..30i32).prop_map(|hours| format!(" offset {hours}h")),
        1 => (0..60i64).prop_map(|hours| format!(" @ {}", hours * HOUR / 1000)),
        1 => Just(" @ end()".to_owned()),
        1 => Just(" @ start() offset 1h".to_owned()),
    ];
    let instant = (metric(), moved).prop_map(|(metric, moved)| format!("{metric}{moved}"));
    let parts = (select(&FUNCTIONS[..]), metric(), 1..40u8, proptest::option::of(1..3u8), any::<bool>());
    let range = parts.prop_map(|(function, metric, hours, step, smoothed)| {
        let first = if function == "quantile_over_time" { "0.9, " } else { "" };
        match step {
            Some(step) => format!("{function}({first}{metric}[{hours}h:{step}h])"),
            None if smoothed && function == "rate" => format!("{function}({metric}[{hours}h] smoothed)"),
            None => format!("{function}({first}{metric}[{hours}h])"),
        }
    });
    prop_oneof![instant, range]
}

fn query() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 10, 2, |inner| {
        const AGGREGATIONS: [&str; 8] = ["sum", "avg", "min", "max", "count", "group", "stddev", "quantile"];
        let aggregation =
            (select(&AGGREGATIONS[..]), select(&["", "by (job) ", "without (zone) "][..]), inner.clone())
                .prop_map(|(op, grouping, inner)| match op {
                    "quantile" => format!("quantile {grouping}(0.5, {inner})"),
                    op => format!("{op} {grouping}({inner})"),
                });
        let choice = (select(&["topk", "bottomk", "limitk", "limit_ratio"][..]), 0..3u8, inner.clone())
            .prop_map(|(op, k, inner)| match op {
                "limit_ratio" => format!("limit_ratio(0.{k}, {inner})"),
                op => format!("{op}({k}, {inner})"),
            });
        const OPERATORS: [&str; 9] =
            ["+", "/", "== bool", ">", "and", "or", "unless", "* on (job) group_left ()", "and on (job)"];
        let binary = (inner.clone(), select(&OPERATORS[..]), inner.clone())
            .prop_map(|(left, op, right)| format!("({left}) {op} ({right})"));
        const WRAPS: [&str; 16] = [
            "abs(#)",
            "-(#)",
            "absent(#)",
            "timestamp(#)",
            "hour(#)",
            "sort(#)",
            "histogram_quantile(0.9, #)",
            "histogram_count(#)",
            "label_replace(#, \"x\", \"$1\", \"job\", \"(.*)\")",
            "# * range()",
            "# + step()",
            "count_values(\"v\", #)",
            "max_over_time((#)[3h:1h])",
            "scalar(#) + time()",
            "clamp_max(#, 7)",
            "info(#)",
        ];
        let call =
            (select(&WRAPS[..]), inner).prop_map(|(wrap, inner)| wrap.replace('#', &format!("({inner})")));
        prop_oneof![3 => aggregation, 1 => choice, 2 => binary, 4 => call]
    })
}

fn stretch() -> impl Strategy<Value = (i64, usize)> {
    (-30..60i64, 1..70usize)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// Whatever was asked before, and whatever was added since to times that were not settled then.
    #[test]
    fn an_answer_is_that_of_one_evaluation(
        values in values(),
        query in query(),
        step in select(&[HOUR / 2, HOUR, 2 * HOUR, 5 * HOUR, 25 * HOUR, 7 * 24 * HOUR][..]),
        phase in select(&[0, HOUR / 2, 7][..]),
        asked in proptest::collection::vec((stretch(), 0..90i64), 1..5),
    ) {
        prop_assume!(parse(&query).is_ok());
        runtime().block_on(async {
            let rig = Rig::new(&script(&values, None), SETTINGS);
            let mut now = 0;
            for (number, ((start, count), later)) in asked.iter().enumerate() {
                let steps = Stretch { start: start * HOUR + phase, step, count: *count };
                now += later;
                rig.clock.0.store(now * HOUR, Ordering::Relaxed);
                // Samples from two hours ago on may be other ones now.
                rig.replace(&script(&values, Some(((now - 2).max(0) as usize, number))));
                let (answer, whole) = (rig.ask(&query, steps, ASKS).await, rig.whole(&query, steps).await);
                match (shown(&answer), shown(&whole)) {
                    (Err(_), Err(_)) => {}
                    (answer, whole) => prop_assert_eq!(answer, whole, "{} at {:?}, question {}", query, steps, number),
                }
                drop(answer);
                prop_assert_eq!(rig.memory.0.load(Ordering::Relaxed), 0, "all memory is given back");
            }
            Ok(())
        })?;
    }
}

fn plain() -> String {
    let values = (0..8).map(|series| (0..75).map(|at: usize| (at * (series + 1)).to_string()).collect());
    script(&values.collect::<Vec<_>>(), None)
}

fn three_days() -> Stretch {
    Stretch::new(2 * HOUR, 70 * HOUR, HOUR / 2)
}

#[tokio::test]
async fn what_was_asked_is_not_read_again() {
    let rig = Rig::new(&plain(), SETTINGS);
    let first = rig.ask("sum(rate(errors_total[2h]))", three_days(), ASKS).await;
    assert_eq!(rig.asked(), 3, "once for each day");
    let again = rig.ask("sum(rate(errors_total[2h]))", three_days(), ASKS).await;
    assert_eq!(rig.asked(), 0);
    assert_eq!(shown(&again), shown(&first));
    assert_eq!(first.expect("an answer").stats, again.expect("an answer").stats);
    let part =
        rig.ask("sum(rate(errors_total[2h]))", Stretch::new(9 * HOUR, 55 * HOUR, HOUR / 2), ASKS).await;
    assert!(part.is_ok() && rig.asked() == 0, "a part of it");
    for (query, steps) in [
        ("sum(rate(errors_total[3h]))", three_days()),
        ("sum(rate(errors_total[2h]))", Stretch { step: HOUR, ..three_days() }),
        ("sum(rate(errors_total[2h]))", Stretch { start: 2 * HOUR + 1, ..three_days() }),
    ] {
        rig.ask(query, steps, ASKS).await.expect(query);
        assert!(rig.asked() > 0, "{query} at {steps:?} is another");
    }
    let outcome = |reason| rig.metrics.range_cached.get_or_create(&Reason { reason }).get();
    assert_eq!((outcome("hit"), outcome("partial"), outcome("miss")), (2, 0, 4));
}

#[tokio::test]
async fn only_what_is_new_is_read() {
    let rig = Rig::new(&plain(), SETTINGS);
    let query = "errors_total";
    let (mut now, mut reads) = (60 * HOUR, Vec::new());
    for _ in 0..3 {
        rig.clock.0.store(now, Ordering::Relaxed);
        let steps = Stretch::new(2 * HOUR, now, HOUR / 2);
        let (answer, whole) = (rig.ask(query, steps, ASKS).await, rig.whole(query, steps).await);
        assert_eq!(shown(&answer), shown(&whole));
        reads.push(now - rig.world.earliest.load(Ordering::Relaxed));
        now += HOUR;
    }
    assert!(reads[0] > 58 * HOUR, "{reads:?}");
    // An hour for late samples, one of slack, the hour that passed, and the lookback.
    assert!(reads[1] <= 5 * HOUR && reads[2] <= 5 * HOUR, "{reads:?}");
}

#[tokio::test]
async fn what_was_given_up_or_passed_out_of_retention_is_read_again() {
    let rig = Rig::new(&plain(), SETTINGS);
    let ask = async || {
        rig.ask("up", three_days(), ASKS).await.expect("an answer");
        rig.asked()
    };
    assert_eq!((ask().await, ask().await), (3, 0));
    *rig.world.history.lock() = Some(History { lost: ManifestRevision(4), ..FIRST });
    assert_eq!((ask().await, ask().await), (3, 0), "samples were given up");
    let retained =
        |hours: i64| History { lost: ManifestRevision(4), retained_from: TimestampMs(hours * HOUR) };
    *rig.world.history.lock() = Some(retained(-1));
    assert_eq!(ask().await, 0, "what was read is still retained");
    *rig.world.history.lock() = Some(retained(26));
    assert_eq!((ask().await, ask().await), (2, 0), "the first day, and the second, which looks at the first");
    *rig.world.history.lock() = None;
    assert_eq!((ask().await, rig.not_kept("no_history")), (3, 1));
}

#[tokio::test]
async fn a_request_may_do_without() {
    let rig = Rig::new(&plain(), SETTINGS);
    for no_store in [true, false, true] {
        rig.ask("up", three_days(), Asks { no_store, ..ASKS }).await.expect("an answer");
        assert_eq!(rig.asked(), 3, "neither looked at nor filled");
    }
    let off = Rig::new(&plain(), CacheSettings { process: 0, ..SETTINGS });
    for _ in 0..2 {
        off.ask("up", three_days(), ASKS).await.expect("an answer");
        assert_eq!(off.asked(), 3, "cut all the same");
    }
}

#[tokio::test]
async fn notes_are_kept_with_what_they_are_about() {
    let rig = Rig::new(&plain(), SETTINGS);
    let query = "rate(up[2h])";
    let first = rig.ask(query, three_days(), ASKS).await;
    assert!(!first.as_ref().expect("an answer").annotations.infos.is_empty());
    let again = rig.ask(query, three_days(), ASKS).await;
    assert_eq!((shown(&again), rig.asked()), (shown(&first), 0));
    let part = Stretch::new(9 * HOUR, 60 * HOUR, HOUR / 2);
    let (answer, whole) = (rig.ask(query, part, ASKS).await, rig.whole(query, part).await);
    assert_eq!((shown(&answer), rig.asked()), (shown(&whole), 2), "all of the day in the middle is known");
    rig.ask(query, three_days(), ASKS).await.expect("an answer");
    assert_eq!(rig.asked(), 0, "parts do not take the place of the whole");
}

#[tokio::test]
async fn limits_hold_for_all_stretches_together() {
    let rig = Rig::new(&plain(), SETTINGS);
    let total = rig.whole("up", three_days()).await.expect("an answer").stats.total_queryable_samples;
    for _ in 0..2 {
        // The second time what was evaluated before is kept.
        let asks = Asks { max_processed: total - 1, ..ASKS };
        let refused = rig.ask("up", three_days(), asks).await;
        assert_eq!(refused.err(), Some(EvalError::TooManyProcessed(total - 1)));
        let asks = Asks { max_points: total - 1, ..ASKS };
        assert_eq!(rig.ask("up", three_days(), asks).await.err(), Some(EvalError::TooManySamples));
        let asks = Asks { max_processed: total, max_points: total, per_step: false, ..ASKS };
        let stats = rig.ask("up", three_days(), asks).await.expect("within").stats;
        assert_eq!((stats.total_queryable_samples, stats.per_step), (total, Vec::new()));
    }
    assert_eq!(rig.asked(), 0);
}

#[tokio::test]
async fn a_query_holds_the_samples_of_one_day() {
    let rig = Rig::new(&plain(), CacheSettings { process: 0, ..SETTINGS });
    let query = "sum by (job) (sum_over_time(up[2h]))";
    let (cut, whole) = (rig.ask(query, three_days(), ASKS).await, rig.whole(query, three_days()).await);
    let peak = |result: Result<QueryResult, EvalError>| result.expect("an answer").stats.peak_samples;
    let (cut, whole) = (peak(cut), peak(whole));
    assert!(cut * 2 < whole, "{cut} samples at a time instead of {whole}");
}

#[tokio::test]
async fn what_cannot_be_cut_is_evaluated_at_once() {
    let rig = Rig::new(&plain(), SETTINGS);
    for (query, reason, asked) in [
        ("sort(up)", "sort", 1),
        ("vector(1)", "still", 0),
        ("up @ 3600", "still", 1),
        ("topk(1, sum by (job) (up))", "order", 1),
    ] {
        for _ in 0..2 {
            let (answer, whole) =
                (rig.ask(query, three_days(), ASKS).await, rig.whole(query, three_days()).await);
            assert_eq!((shown(&answer), rig.asked()), (shown(&whole), asked), "{query}");
        }
        assert!(rig.not_kept(reason) >= 2, "{query}");
    }
}
