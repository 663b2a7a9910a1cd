//! The file: what is in it, when it turns over, what stays.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::sink::test_clock::TestClock;

fn record(text: &str) -> Record {
    Record { line: text.to_owned().into(), account: None }
}

fn limits(max_size: u64) -> LogLimits {
    LogLimits { max_size, max_files: 3, max_age: Duration::from_secs(86_400) }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("readable")
}

/// Names of all files of the folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn lines_are_appended_and_a_torn_one_is_ended() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("new/audit.log");
    let clock = Arc::new(TestClock::default());
    let mut log = LogFile::open(path.clone(), limits(1000), clock.clone()).expect("opened");
    assert_eq!(log.write(vec![record("one"), record("two")]).await, (2, 0));
    assert_eq!(read(&path), "one\ntwo\n");
    drop(log);
    fs::write(&path, "one\ntw").expect("written");
    let mut log = LogFile::open(path.clone(), limits(1000), clock).expect("opened");
    assert_eq!(log.write(vec![record("three")]).await, (1, 0));
    assert_eq!(read(&path), "one\ntw\nthree\n");
}

#[tokio::test]
async fn a_full_file_turns_over_and_the_oldest_go() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("audit.log");
    let clock = Arc::new(TestClock::default());
    fs::write(folder.path().join("audit.log.bak"), "mine").expect("written");
    let mut log = LogFile::open(path.clone(), limits(10), clock.clone()).expect("opened");
    let batch = ["aaaa", "bbbb", "cccc", "a line that is longer than the file may be", "d"];
    assert_eq!(log.write(batch.map(record).into()).await, (5, 0));
    let found = names(folder.path());
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(read(&folder.path().join("audit.log.20261123T120000.000Z")), "aaaa\nbbbb\n");
    assert_eq!(read(&folder.path().join("audit.log.20261123T120000.000Z-0001")), "cccc\n");
    assert_eq!(read(&path), "d\n");

    clock.advance(1000);
    assert_eq!(log.write(vec![record("eeee"), record("ffff")]).await, (2, 0));
    let found = names(folder.path());
    assert_eq!(found.iter().filter(|name| name.contains("2026")).count(), 3, "{found:?}");
    assert!(!found.contains(&"audit.log.20261123T120000.000Z".to_owned()), "{found:?}");
    assert!(found.contains(&"audit.log.bak".to_owned()), "others' files stay");

    clock.advance(2 * 86_400_000);
    assert_eq!(log.write(vec![record("gggg"), record("hhhh"), record("iiii")]).await, (3, 0));
    let found = names(folder.path());
    assert_eq!(found.iter().filter(|name| name.starts_with("audit.log.20261123")).count(), 0, "{found:?}");
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_the_log_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log/audit.log");
    let clock = Arc::new(TestClock::default());
    let mut log = LogFile::open(path.clone(), limits(10), clock).expect("opened");
    assert_eq!(log.write(vec![record("aaaaaaaa")]).await, (1, 0));
    fs::remove_dir_all(folder.path().join("log")).expect("removed");
    assert_eq!(log.write(vec![record("bbbb")]).await, (0, 1), "it cannot turn over");
    fs::create_dir(folder.path().join("log")).expect("made");
    fs::write(&path, "").expect("written");
    assert_eq!(log.write(vec![record("cccc")]).await, (1, 0));
    assert_eq!(read(&path), "cccc\n");
}
