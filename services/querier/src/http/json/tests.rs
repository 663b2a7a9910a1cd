//! Prometheus's notation, by table and by property.

use std::sync::Arc;

use narthex_model::{BucketSpan, Counts, Histogram, Labels, Value};
use narthex_promql::{MatrixSeries, QueryStats, QueryValue, VectorSample};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn body(value: QueryValue, stats: Option<&Statistics>, ends: &[u8]) -> String {
    text(|out| QueryBody::new(value, stats, ends).for_each(|piece| out.extend_from_slice(&piece)))
}

#[test]
fn values_read_as_in_go() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-17.0, "-17"),
        (0.1, "0.1"),
        (252_590_622.810_000_24, "252590622.81000024"),
        (16.872_140_000_114_79, "16.87214000011479"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-07"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(text(|out| write_value(out, value)), format!("\"{expected}\""));
    }
}

#[test]
fn times_are_seconds_with_milliseconds() {
    for (millis, expected) in [
        (0, "0"),
        (1_000, "1"),
        (1_435_781_451_781, "1435781451.781"),
        (1_001, "1.001"),
        (1_010, "1.010"),
        (1_100, "1.100"),
        (-1, "-0.001"),
        (-1_500, "-1.500"),
        (i64::MIN, "-9223372036854775.808"),
    ] {
        assert_eq!(text(|out| write_seconds(out, millis)), expected);
    }
}

#[test]
fn strings_are_escaped() {
    assert_eq!(
        text(|out| write_string(out, "a\"b\\c\n\r\t\u{1}\u{1f}ä</>")),
        r#""a\"b\\c\n\r\t\u0001\u001fä</>""#
    );
}

proptest! {
    #[test]
    fn values_keep_every_bit(bits: u64) {
        let value = f64::from_bits(bits);
        let written = text(|out| write_value(out, value));
        let read: f64 = written.trim_matches('"').parse().expect("a number");
        prop_assert!(read.to_bits() == bits || (read.is_nan() && value.is_nan()), "{written}");
    }

    #[test]
    fn any_string_reads_back(raw in any::<String>()) {
        let written = text(|out| write_string(out, &raw));
        prop_assert_eq!(serde_json::from_str::<String>(&written).expect("valid"), raw);
    }

    #[test]
    fn times_read_back(millis in -10_000_000_000_000i64..10_000_000_000_000) {
        let read: f64 = text(|out| write_seconds(out, millis)).parse().expect("a number");
        prop_assert_eq!((read * 1000.0).round() as i64, millis);
    }
}

#[test]
fn a_vector_looks_like_prometheus() {
    let labels = Labels::from_pairs([("job", "x"), ("__name__", "up")]);
    let sample = VectorSample { labels, timestamp: 1_606_512_592_493, value: Value::Float(1.5) };
    let expected = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"x"},"value":[1606512592.493,"1.5"]}]}}"#;
    assert_eq!(body(QueryValue::Vector(vec![sample]), None, b""), expected);
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"]}"#;
    assert_eq!(body(QueryValue::Vector(vec![]), None, b",\"warnings\":[\"w\"]"), empty);
}

#[test]
fn scalars_and_strings_are_pairs() {
    let scalar = body(QueryValue::Scalar { timestamp: 1_000, value: 2.0 }, None, b"");
    assert_eq!(scalar, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#);
    let string = body(QueryValue::String { timestamp: 1_500, value: "a\"".into() }, None, b"");
    assert_eq!(string, r#"{"status":"success","data":{"resultType":"string","result":[1.500,"a\""]}}"#);
}

#[test]
fn statistics_follow_the_result() {
    let samples =
        QueryStats { total_queryable_samples: 8, per_step: vec![(1_000, 0), (2_500, 8)], peak_samples: 5 };
    let stats = Statistics { samples, queued: 0.5, preparation: 0.25, evaluation: 1.0 };
    let written = body(QueryValue::Matrix(vec![]), Some(&stats), b"");
    let parsed: serde_json::Value = serde_json::from_str(&written).expect("valid");
    assert!(written.contains(r#""result":[],"stats":{"timings""#), "{written}");
    assert_eq!(parsed["data"]["stats"]["samples"]["totalQueryableSamples"], 8);
    assert_eq!(parsed["data"]["stats"]["samples"]["totalQueryableSamplesPerStep"], json!([[1, 0], [2.5, 8]]));
    assert_eq!(parsed["data"]["stats"]["timings"]["execTotalTime"], 1.75);
}

#[test]
fn histograms_show_their_buckets() {
    let spans = vec![BucketSpan { offset: 0, length: 2 }];
    let counts = Counts::Float { zero: 2.0, total: 6.0, positive: vec![1.0, 3.0], negative: vec![] };
    let histogram = Histogram {
        schema: 0,
        zero_threshold: 0.25,
        sum: 10.0,
        positive_spans: spans,
        counts,
        ..Histogram::default()
    };
    let series = MatrixSeries {
        labels: Labels::from_pairs([("a", "b")]),
        floats: vec![(1_000, 1.0)],
        histograms: vec![(2_000, Arc::new(histogram))],
    };
    let expected = concat!(
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"1"]],"#,
        r#""histograms":[[2,{"count":"6","sum":"10","buckets":[[3,"-0.25","0.25","2"],[0,"0.5","1","1"],[0,"1","2","3"]]}]]}]}}"#
    );
    assert_eq!(body(QueryValue::Matrix(vec![series]), None, b""), expected);
}

#[test]
fn large_answers_come_in_bounded_pieces() {
    let series = |number: i64| MatrixSeries {
        labels: Labels::from_pairs([("n", number.to_string())]),
        floats: (0..20_000).map(|at| (at * 1000, at as f64 / 7.0)).collect(),
        histograms: Vec::new(),
    };
    let pieces: Vec<_> =
        QueryBody::new(QueryValue::Matrix((0..3).map(series).collect()), None, b"").collect();
    assert!(pieces.len() > 10, "{}", pieces.len());
    assert!(pieces.iter().all(|piece| piece.len() < 128 * 1024));
    let parsed: serde_json::Value = serde_json::from_slice(&pieces.concat()).expect("valid");
    for at in 0..3 {
        let one = &parsed["data"]["result"][at];
        assert_eq!(one["metric"]["n"], at.to_string());
        assert_eq!(one["values"].as_array().map(Vec::len), Some(20_000));
        assert_eq!(one["values"][19_999][0], 19_999);
    }
}
