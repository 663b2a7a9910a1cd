//! Blocks are open data: pyarrow and DuckDB, by the lines that the README shows, read the same labels and samples from a
//! block as were written, exact to the bit, and pyarrow finds the checksum of every page right.

use std::{fs, sync::Arc};

use anyhow::{Result, ensure};
use narthex_block::{BlockSchema, BlockWriter, OwnedSamples, WriterSettings};
use narthex_integration_tests::open_format::{self, key};
use narthex_model::{
    BucketSpan, CounterResetHint, Counts, Histogram, Labels, SeriesHash, WindowLength, is_stale, stale_marker,
};
use serde_json::{Value, json};

#[test]
fn pyarrow_and_duckdb_read_every_bit_by_the_lines_of_the_readme() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let content = content();
    fs::write(folder.path().join("data.parquet"), block(&content)?)?;
    let expected = told(&content);
    ensure!(expected.len() > 3_000, "too few samples to mean something: {}", expected.len());
    for reader in open_format::READERS {
        let found = open_format::read(folder.path(), reader)?;
        ensure!(
            found.len() == expected.len(),
            "{reader} reads {} of {} samples",
            found.len(),
            expected.len()
        );
        for (found, expected) in found.iter().zip(&expected) {
            ensure!(found == expected, "{reader} reads\n{found}, not\n{expected}");
        }
    }
    Ok(())
}

type Content = Vec<(Labels, OwnedSamples)>;

fn block(content: &Content) -> Result<Vec<u8>> {
    let schema = BlockSchema::with_labels(["job", "pod", "odd \"name\""], |name| name == "pod", true);
    let settings = WriterSettings {
        row_group_rows: 40,
        label_page_rows: 8,
        sample_page_rows: 4,
        dictionary_bytes: 64,
        ..WriterSettings::default()
    };
    let mut writer = BlockWriter::new(schema, WindowLength::DEFAULT, settings)?;
    for (labels, samples) in content {
        let hash: SeriesHash = labels.series_hash();
        writer.push(labels, hash, samples.as_samples())?;
    }
    Ok(writer.finish()?.0)
}

/// Rows of every kind: decimals of every exponent, doubles with every special value, stale markers in both, histograms of
/// every kind, floats and histograms in one window, several windows, labels in columns, in the map and absent.
fn content() -> Content {
    let mut content = Content::new();
    for exponent in 0..=15 {
        let power = 10f64.powi(exponent);
        let values = (0..60).map(|at: i64| {
            let integer = (at * 7_919 - 200_000) * if at % 3 == 0 { 40_000_009 } else { 1 };
            if at % 17 == 5 { stale_marker() } else { integer as f64 / power }
        });
        content.push((labels("decimals", exponent), floats(values.collect())));
    }
    let specials = [
        -0.0,
        0.0,
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff8_0000_0000_0001),
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(0xffff_dead_beef_0001),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        0.1 + 0.2,
        1.0 / 3.0,
        stale_marker(),
    ];
    content.push((labels("specials", 0), floats(specials.to_vec())));
    for seed in 0..30u64 {
        let bits = (0..60u64).map(|at| (seed * 61 + at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        content.push((labels("doubles", seed as i32), floats(bits.map(f64::from_bits).collect())));
        let mut mixed = floats((0..40).map(|at| f64::from(at) / 8.0).collect());
        mixed.histograms =
            (0..10).map(|at| (at * 600_000 + 7, Arc::new(histogram(at as u64 + seed)))).collect();
        content.push((labels("mixed", seed as i32), mixed));
    }
    content.push((Labels::from_pairs([("no name", "ä\u{1F525}\n\"x\"\t")]), floats(vec![1.5])));
    content.sort_by(|a, b| a.0.cmp(&b.0));
    content
}

fn labels(name: &str, number: i32) -> Labels {
    let pod = format!("pod-{:x}", i64::from(number) * 0x5DEE_CE66);
    Labels::from_pairs([
        ("__name__", name),
        ("job", if number % 3 == 0 { "" } else { "a job" }),
        ("pod", if number % 4 == 0 { "" } else { &pod }),
        ("number", &number.to_string()),
        ("odd \"name\"", if number % 5 == 0 { "ünïcode" } else { "" }),
        ("zone", if number % 2 == 0 { "" } else { "z" }),
    ])
}

/// Every five minutes, so that a series crosses windows.
fn floats(values: Vec<f64>) -> OwnedSamples {
    let timestamps = (0..values.len() as i64).map(|at| at * 300_000 - 3_600_000 + at % 3).collect();
    OwnedSamples { timestamps, values, histograms: Vec::new() }
}

fn histogram(seed: u64) -> Histogram {
    let span = |offset, length| BucketSpan { offset, length };
    let mut histogram = Histogram {
        schema: (seed % 12) as i8 - 4,
        reset_hint: CounterResetHint::from_wire((seed % 4) as u8),
        zero_threshold: 1e-128 * seed as f64,
        sum: if seed % 7 == 3 { stale_marker() } else { seed as f64 / 3.0 },
        positive_spans: vec![span(-3, 2), span(1, 1)],
        negative_spans: if seed.is_multiple_of(2) { vec![] } else { vec![span(7, 1)] },
        custom_bounds: Vec::new(),
        counts: Counts::Int {
            zero: seed,
            total: u64::MAX - seed,
            positive: vec![seed as i64, 1 << 60, 3],
            negative: if seed.is_multiple_of(2) { vec![] } else { vec![9] },
        },
    };
    if seed % 3 == 1 {
        histogram.counts = Counts::Float {
            zero: -0.0,
            total: seed as f64 + 0.1,
            positive: vec![0.1, f64::NAN, 2.0],
            negative: if seed.is_multiple_of(2) { vec![] } else { vec![0.5] },
        };
    }
    if seed % 5 == 4 {
        histogram.schema = -53;
        histogram.custom_bounds = vec![0.1, 2.5, f64::INFINITY];
    }
    histogram
}

/// What the readers should print.
fn told(content: &Content) -> Vec<Value> {
    let mut all = Vec::new();
    for (labels, samples) in content {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        for (at, value) in samples.timestamps.iter().zip(&samples.values) {
            let value = if is_stale(*value) { Value::Null } else { bits(*value) };
            all.push(json!({ "labels": labels, "at": at, "value": value }));
        }
        for (at, histogram) in &samples.histograms {
            all.push(json!({ "labels": labels, "at": at, "histogram": told_histogram(histogram) }));
        }
    }
    all.sort_by_cached_key(key);
    all
}

fn bits(value: f64) -> Value {
    format!("{:016x}", value.to_bits()).into()
}

fn told_histogram(histogram: &Histogram) -> Value {
    let spans = |spans: &[BucketSpan]| -> Vec<Value> {
        spans.iter().map(|span| json!({ "offset": span.offset, "length": span.length })).collect()
    };
    let all = |values: &[f64]| values.iter().map(|value| bits(*value)).collect::<Vec<_>>();
    let mut told = json!({
        "schema": histogram.schema,
        "reset_hint": histogram.reset_hint.to_wire(),
        "zero_threshold": bits(histogram.zero_threshold),
        "sum": bits(histogram.sum),
        "count": null, "zero_count": null, "float_count": null, "float_zero_count": null,
        "positive_spans": spans(&histogram.positive_spans),
        "negative_spans": spans(&histogram.negative_spans),
        "custom_bounds": all(&histogram.custom_bounds),
        "positive": [], "negative": [], "float_positive": [], "float_negative": [],
    });
    match &histogram.counts {
        Counts::Int { zero, total, positive, negative } => {
            told["count"] = json!(total);
            told["zero_count"] = json!(zero);
            told["positive"] = json!(positive);
            told["negative"] = json!(negative);
        }
        Counts::Float { zero, total, positive, negative } => {
            told["float_count"] = bits(*total);
            told["float_zero_count"] = bits(*zero);
            told["float_positive"] = all(positive).into();
            told["float_negative"] = all(negative).into();
        }
    }
    told
}
