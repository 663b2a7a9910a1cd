//! Runs scenario files and prints, per file and in total, how many cases passed.
//!
//!     cargo run -p narthex-promql --example promqltest -- [-v] FILE...
//!
//! `-v` prints each failed case with its reason. Exits with 1 if anything failed.

use std::{path::Path, process::ExitCode};

use narthex_promql::promqltest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (flags, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let verbose = flags.iter().any(|flag| flag == "-v");
    if files.is_empty() {
        eprintln!("usage: promqltest [-v] FILE...");
        return ExitCode::from(2);
    }
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                println!("{name}: cannot be read: {error}");
                failed += 1;
                continue;
            }
        };
        match promqltest::run(&text).await {
            Ok(outcomes) => {
                let bad: Vec<_> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
                println!("{name}: passed {}, failed {}", outcomes.len() - bad.len(), bad.len());
                passed += outcomes.len() - bad.len();
                failed += bad.len();
                for outcome in bad.into_iter().filter(|_| verbose) {
                    let reason = outcome.failure.as_deref().unwrap_or_default();
                    println!("  {name}:{}: {}\n      {reason}", outcome.line, outcome.query);
                }
            }
            Err(error) => {
                println!("{name}: {error}");
                failed += 1;
            }
        }
    }
    println!("total: passed {passed}, failed {failed}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
