//! Scenario files: ours, and Prometheus's own where they are at hand.

use std::path::{Path, PathBuf};

use narthex_promql::promqltest;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "test"))
        .collect();
    files.sort();
    files
}

async fn failures(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("scenario file can be read");
    let outcomes = promqltest::run(&text).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(!outcomes.is_empty(), "{} has no cases", file.display());
    let failed = outcomes.into_iter().filter_map(|outcome| {
        let reason = outcome.failure?;
        Some(format!("{}:{}: {}\n    {reason}", file.display(), outcome.line, outcome.query))
    });
    failed.collect()
}

#[tokio::test]
async fn our_scenarios_pass() {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios"));
    assert!(!files.is_empty());
    for file in files {
        let failures = failures(&file).await;
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[tokio::test]
async fn scenarios_of_prometheus_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/promqltest");
    let files = files(&folder);
    if files.is_empty() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", folder.display());
        return;
    }
    for file in files {
        let failures = failures(&file).await;
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
