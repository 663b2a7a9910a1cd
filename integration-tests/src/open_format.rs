//! Blocks as others read them: pyarrow and DuckDB, by the lines that the README shows.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    samples::{Matrix, Point, series_key},
    tools,
};

const README: &str = include_str!("../../README.md");

/// Runs the README's lines on a bucket and prints what they give, one JSON object for each sample. Doubles are told by their bits;
/// the README says that a null is a stale marker.
const READER: &str = include_str!("open_format.py");

/// The readers that are tried.
pub const READERS: [&str; 2] = ["pyarrow", "duckdb"];

/// The first code block of a language in the README's section.
fn code(language: &str) -> Result<&'static str> {
    let (_, section) = README.split_once("## Read your data without Narthex").context("the section")?;
    let (_, rest) =
        section.split_once(&format!("```{language}\n")).with_context(|| format!("{language} lines"))?;
    Ok(rest.split_once("```").context("the end of the lines")?.0)
}

/// What one of [`READERS`] finds in the blocks below a folder, in the order of [`key`]: `{"labels", "at", "value" or
/// "histogram"}`.
pub fn read(folder: &Path, reader: &str) -> Result<Vec<Value>> {
    let scripts = tempfile::tempdir()?;
    fs::write(scripts.path().join("readme.sql"), code("sql")?)?;
    fs::write(scripts.path().join("readme.py"), code("python")?)?;
    let script = scripts.path().join("reader.py");
    fs::write(&script, READER)?;
    let python = tools::parquet_readers()?;
    let output = python.command().current_dir(folder).arg(script).arg(reader).output()?;
    ensure!(output.status.success(), "{reader}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    let mut found = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    found.sort_by_cached_key(key);
    Ok(found)
}

/// The order of samples: by labels, then by time.
pub fn key(sample: &Value) -> (String, i64) {
    (sample["labels"].to_string(), sample["at"].as_i64().unwrap_or_default())
}

/// Fails unless a reader finds in the blocks below a folder the floats of a matrix, exact to the bit, and native histograms at the
/// same times; nothing of the matrix's time is missing or more. Stale markers are in no matrix. Returns the numbers of
/// floats and of histograms.
pub fn ensure_same(folder: &Path, reader: &str, expected: &Matrix) -> Result<(usize, usize)> {
    let times = || expected.values().flat_map(|points| points.keys().copied());
    let (start, end) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let mut found = Matrix::new();
    for sample in read(folder, reader)? {
        let at = sample["at"].as_i64().context("a time")?;
        let point = match (&sample["value"], &sample["histogram"]) {
            (Value::String(bits), _) => {
                let value = f64::from_bits(u64::from_str_radix(bits, 16)?);
                Point::Float(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
            }
            (_, Value::Object(histogram)) if histogram["sum"] == "7ff0000000000002" => continue,
            (_, Value::Object(_)) => Point::Histogram(String::new()),
            _ => continue,
        };
        if (start..=end).contains(&at) {
            let series = found.entry(series_key(&sample["labels"])?).or_default();
            ensure!(series.insert(at, point).is_none(), "{reader} finds a sample twice: {sample}");
        }
    }
    let (mut floats, mut histograms) = (0, 0);
    for (series, points) in expected {
        let there = found.remove(series).with_context(|| format!("{reader} does not find {series}"))?;
        ensure!(
            there.len() == points.len(),
            "{reader} finds {} of {} of {series}",
            there.len(),
            points.len()
        );
        for (at, point) in points {
            match (point, there.get(at)) {
                (Point::Float(_), Some(other)) if other == point => floats += 1,
                (Point::Histogram(_), Some(Point::Histogram(_))) => histograms += 1,
                (_, other) => anyhow::bail!("{reader} finds {other:x?} of {series} at {at}, not {point:x?}"),
            }
        }
    }
    let more = found.keys().next();
    ensure!(more.is_none(), "{reader} finds {more:?}, which nobody wrote");
    Ok((floats, histograms))
}
