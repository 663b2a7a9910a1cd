//! Scenario files: ours, and Prometheus's own where they are at hand.
//!
//! Each of Prometheus's files is a test of its own, so that they run side by side. A file that is missing or new fails, as does
//! one with another number of cases.

use std::path::{Path, PathBuf};

use narthex_promql::promqltest;

/// The files of a folder by their names without the ending, `-` as `_`.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let scenarios = entries.filter(|path| path.extension().is_some_and(|ext| ext == "test"));
    let named = scenarios.filter_map(|path| Some((path.file_stem()?.to_str()?.replace('-', "_"), path)));
    let mut files: Vec<_> = named.collect();
    files.sort();
    files
}

/// Runs all cases of a file, and tells how many they are.
async fn pass(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).expect("scenario file can be read");
    let outcomes = promqltest::run(&text).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(!outcomes.is_empty(), "{} has no cases", file.display());
    let cases = outcomes.len();
    let failed = outcomes.into_iter().filter_map(|outcome| {
        let reason = outcome.failure?;
        Some(format!("{}:{}: {}\n    {reason}", file.display(), outcome.line, outcome.query))
    });
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    cases
}

#[tokio::test]
async fn our_scenarios_pass() {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios"));
    assert!(!files.is_empty());
    for (_, file) in files {
        pass(&file).await;
    }
}

/// Prometheus's files; none where they are not at hand, which CI does not accept.
fn files_of_prometheus() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/promqltest");
    let files = files(&folder);
    let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!files.is_empty() || !is_ci, "{} is missing", folder.display());
    files
}

async fn passes(name: &str, cases: usize) {
    let files = files_of_prometheus();
    if files.is_empty() {
        return;
    }
    let file = files.iter().find(|(of, _)| of == name).map(|(_, file)| file);
    assert_eq!(pass(file.unwrap_or_else(|| panic!("{name} is missing"))).await, cases, "cases of {name}");
}

/// A test for each of Prometheus's files, and how many cases it has.
macro_rules! scenarios_of_prometheus {
    ($($name:ident $cases:literal,)*) => {
        mod scenarios_of_prometheus {
            $(#[tokio::test]
            async fn $name() {
                super::passes(stringify!($name), $cases).await;
            })*
        }

        const SCENARIOS_OF_PROMETHEUS: &[(&str, usize)] = &[$((stringify!($name), $cases),)*];
    };
}

scenarios_of_prometheus! {
    aggregators 160,
    at_modifier 78,
    collision 2,
    duration_expression 59,
    extended_vectors 169,
    fill_modifier 46,
    functions 431,
    histograms 185,
    info 53,
    limit 37,
    literals 25,
    name_label_dropping 30,
    native_histograms 522,
    operators 214,
    range_queries 18,
    selectors 31,
    staleness 17,
    start_timestamps 26,
    subquery 34,
    trig_functions 19,
    type_and_unit 58,
}

#[test]
fn all_scenarios_of_prometheus_are_run() {
    let cases: usize = SCENARIOS_OF_PROMETHEUS.iter().map(|(_, cases)| cases).sum();
    assert_eq!(cases, 2_214);
    let files = files_of_prometheus();
    let there: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let run: Vec<&str> = SCENARIOS_OF_PROMETHEUS.iter().map(|(name, _)| *name).collect();
    assert!(there.is_empty() || there == run, "there are {there:?}, but {run:?} are run");
}
