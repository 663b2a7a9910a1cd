//! Properties over random expressions and data.

mod common;

use std::{collections::BTreeMap, fmt::Write, sync::OnceLock};

use narthex_model::{TimestampMs, Value};
use narthex_promql::{Control, Engine, EngineConfig, EvalError, QueryValue, parse, promqltest};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built")
    })
}

/// Series lines of a few metrics with gaps, resets, stale markers and special values.
fn script() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        8 => (0..20i32).prop_map(|value| value.to_string()),
        2 => Just("_".to_owned()),
        1 => Just("stale".to_owned()),
        1 => prop_oneof![Just("NaN"), Just("Inf"), Just("-3.5")].prop_map(str::to_owned),
    ];
    let series = proptest::collection::vec(proptest::collection::vec(value, 1..25), 6);
    series.prop_map(|series| {
        let names = [
            "up{job=\"a\", zone=\"1\"}",
            "up{job=\"a\", zone=\"2\"}",
            "up{job=\"b\", zone=\"1\"}",
            "errors_total{job=\"a\", zone=\"1\"}",
            "errors_total{job=\"b\", zone=\"1\"}",
            "latency{job=\"a\"}",
        ];
        let mut text = String::from("load 1m\n");
        for (name, values) in names.iter().zip(series) {
            let _ = writeln!(text, "  {name} {}", values.join(" "));
        }
        text
    })
}

type Rows = BTreeMap<i64, BTreeMap<String, u64>>;

fn bits(value: &Value) -> u64 {
    match value {
        Value::Float(value) if value.is_nan() => f64::NAN.to_bits(),
        Value::Float(value) => value.to_bits(),
        Value::Histogram(_) => 0,
    }
}

async fn by_range(source: &promqltest::MemorySource, query: &str, step: i64) -> Result<Rows, EvalError> {
    let expr = parse(query).expect("generated queries parse");
    let (start, end) = (TimestampMs(0), TimestampMs(20 * MINUTE));
    let result = Engine::default().range(source, &expr, start, end, step, &Control::default()).await?;
    let mut rows = Rows::new();
    let QueryValue::Matrix(series) = result.value else { panic!("a range query answers a matrix") };
    for series in series {
        for (time, value) in series.floats {
            rows.entry(time).or_default().insert(series.labels.to_string(), bits(&Value::Float(value)));
        }
    }
    Ok(rows)
}

async fn by_instants(source: &promqltest::MemorySource, query: &str, step: i64) -> Result<Rows, EvalError> {
    let expr = parse(query).expect("generated queries parse");
    let mut rows = Rows::new();
    for time in (0..=20 * MINUTE).step_by(step as usize) {
        let result = Engine::default().instant(source, &expr, TimestampMs(time), &Control::default()).await?;
        let QueryValue::Vector(samples) = result.value else { panic!("a vector is expected") };
        for sample in samples {
            rows.entry(time).or_default().insert(sample.labels.to_string(), bits(&sample.value));
        }
    }
    Ok(rows)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// A range query is its instant queries, one after the other, to the bit.
    #[test]
    fn ranges_are_made_of_instants(script in script(), query in common::vector(), step in 1..5i64) {
        // Where `or` joins a series that keeps its name with the same one that drops it, the name of a range's first
        // point holds for all (in Prometheus, too).
        prop_assume!(!query.contains(") or ("));
        // What an instant query chooses comes in the order of values, and variances are rounded by order (in Prometheus, too).
        let any = |words: [&str; 2]| words.iter().any(|word| query.contains(word));
        prop_assume!(!(any(["topk", "bottomk"]) && any(["stddev", "stdvar"])));
        // The first of some groups are those of the series that come first, which in a range need have no sample at every step (in
        // Prometheus, too).
        let of_groups = |chosen: &str| ["by (", "without ("].iter().any(|grouping| chosen.contains(grouping));
        prop_assume!(!query.split("limitk").skip(1).any(of_groups));
        let source = promqltest::load(&script).expect("generated scripts can be read");
        let (range, instants) = runtime().block_on(async {
            (by_range(&source, &query, step * MINUTE).await, by_instants(&source, &query, step * MINUTE).await)
        });
        match (range, instants) {
            (Ok(range), Ok(instants)) => prop_assert_eq!(range, instants),
            (Err(range), Err(instants)) => {
                let kind = |error: &EvalError| error.to_string().chars().take(20).collect::<String>();
                prop_assert_eq!(kind(&range), kind(&instants));
            }
            (range, instants) => prop_assert!(false, "range {:?}, instants {:?}", range, instants),
        }
    }
}

#[tokio::test]
async fn a_query_ends_when_it_is_told_to() {
    let source = promqltest::load("load 1m\n  up 1x10").expect("a script");
    let expr = parse("up").expect("a query");
    let at = TimestampMs(0);
    let (canceled, late) = (Control::default(), Control::default());
    canceled.cancel();
    late.time_out();
    let engine = Engine::default();
    assert_eq!(engine.instant(&source, &expr, at, &canceled).await.err(), Some(EvalError::Canceled));
    assert_eq!(engine.instant(&source, &expr, at, &late).await.err(), Some(EvalError::Timeout));
}

#[tokio::test]
async fn a_query_beyond_its_samples_is_refused() {
    let source = promqltest::load("load 1m\n  up 1x100").expect("a script");
    let expr = parse("sum_over_time(up[10m:1s]) + up").expect("a query");
    let engine = Engine::new(EngineConfig { max_samples: 50, ..EngineConfig::default() });
    let (start, end) = (TimestampMs(0), TimestampMs(100 * MINUTE));
    let result = engine.range(&source, &expr, start, end, MINUTE, &Control::default()).await;
    assert_eq!(result.err(), Some(EvalError::TooManySamples));
}

#[tokio::test]
async fn statistics_count_as_prometheus_does() {
    let source = promqltest::load("load 10s\n  a 1+1x100\n  b 1+1x100").expect("a script");
    for (query, instant, range) in
        [("a + b", 2, 8), ("sum_over_time(a[1m])", 6, 24), ("a @ 100", 1, 4), ("1", 0, 0)]
    {
        let expr = parse(query).expect(query);
        let engine = Engine::new(EngineConfig { per_step_stats: true, ..EngineConfig::default() });
        let at = TimestampMs(200_000);
        let stats = engine.instant(&source, &expr, at, &Control::default()).await.expect(query).stats;
        assert_eq!(stats.total_queryable_samples, instant, "{query}");
        let (end, control) = (TimestampMs(230_000), Control::default());
        let stats = engine.range(&source, &expr, at, end, 10_000, &control).await.expect(query).stats;
        assert_eq!(stats.total_queryable_samples, range, "{query}");
        assert_eq!(stats.per_step.iter().map(|(_, samples)| samples).sum::<u64>(), range, "{query}");
    }
}

#[tokio::test]
async fn the_deepest_queries_that_parse_are_evaluated() {
    let source = promqltest::load("load 1m\n  up 1x10").expect("a script");
    let chain = format!("up{}", " + up".repeat(300));
    let nested = format!("{}up{}", "abs(".repeat(90), ")".repeat(90));
    let both = format!("{}{}{}", "-(".repeat(48), chain, ")".repeat(48));
    for query in [chain, nested, both] {
        let expr = parse(&query).expect("within the limits");
        let answer = Engine::default().instant(&source, &expr, TimestampMs(0), &Control::default()).await;
        let QueryValue::Vector(samples) = answer.expect("evaluates").value else {
            panic!("a vector is expected")
        };
        assert_eq!(samples.len(), 1);
    }
}

#[tokio::test]
async fn a_subquery_of_countless_steps_is_refused() {
    let source = promqltest::load("load 1m\n  up 1x10").expect("a script");
    for query in ["sum_over_time(up[100y:1ms])", "sum_over_time(vector(1)[100y:1ms])"] {
        let expr = parse(query).expect(query);
        let result = Engine::default().instant(&source, &expr, TimestampMs(0), &Control::default()).await;
        assert_eq!(result.err(), Some(EvalError::TooManySamples), "{query}");
    }
}
