//! Blocks and the audit log as others read them: pyarrow and DuckDB, by the lines that the README shows.

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

/// The first code block of a language in a section of the README.
fn code(section: &str, language: &str) -> Result<&'static str> {
    let (_, section) = README.split_once(&format!("## {section}\n")).context("the section")?;
    let (_, rest) =
        section.split_once(&format!("```{language}\n")).with_context(|| format!("{language} lines"))?;
    Ok(rest.split_once("```").context("the end of the lines")?.0)
}

/// What one of [`READERS`] finds in the blocks below a folder, in the order of [`key`]: `{"labels", "at", "value" or
/// "histogram"}`.
pub fn read(folder: &Path, reader: &str) -> Result<Vec<Value>> {
    let scripts = tempfile::tempdir()?;
    const SECTION: &str = "Read your data without Narthex";
    fs::write(scripts.path().join("readme.sql"), code(SECTION, "sql")?)?;
    fs::write(scripts.path().join("readme.py"), code(SECTION, "python")?)?;
    let script = scripts.path().join("reader.py");
    fs::write(&script, READER)?;
    let mut found = run(folder, &[&script.to_string_lossy(), reader])?;
    found.sort_by_cached_key(key);
    Ok(found)
}

/// What a query answers from the README's view of the audit log in a folder, an array for each row.
pub fn events(folder: &Path, query: &str) -> Result<Vec<Value>> {
    const SCRIPT: &str = "import duckdb, json, sys
connection = duckdb.connect()
connection.execute(sys.argv[1])
for row in connection.execute(sys.argv[2]).fetchall():
    print(json.dumps(row))";
    run(folder, &["-c", SCRIPT, code("Who did what", "sql")?, query])
}

/// Runs Python with the readers in a folder; the JSON of each line that it prints.
fn run(folder: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let python = tools::parquet_readers()?;
    let output = python.command().current_dir(folder).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?)
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
