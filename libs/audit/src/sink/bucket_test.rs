//! Log files in a bucket that works, and in one that does not.

use std::io::Read;

use flate2::read::GzDecoder;
use futures::TryStreamExt;
use narthex_service::Clock;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::*;
use crate::sink::test_clock::TestClock;

const ACCOUNT: &str = "123456789012";

fn record(account: Option<&str>, number: usize) -> Record {
    let line = json!({ "number": number }).to_string().into();
    Record { line, account: account.map(|account| account.parse().expect("digits")) }
}

struct Setup {
    store: Arc<InMemory>,
    clock: Arc<TestClock>,
    sink: BucketSink,
}

fn setup(batch_bytes: usize) -> Setup {
    let (store, clock) = (Arc::new(InMemory::new()), Arc::new(TestClock::default()));
    let components = Components::new(clock.clone(), Random::from_seed(1), None);
    let trail = Trail { region: "eu-west-1".into(), batch_bytes, max_wait: Duration::from_secs(60) };
    let sink = BucketSink::new(store.clone(), trail, &components);
    Setup { store, clock, sink }
}

/// Keys and the numbers in their records.
async fn objects(store: &dyn ObjectStore) -> Vec<(String, Vec<u64>)> {
    let mut found = Vec::new();
    let listed: Vec<_> = store.list(None).try_collect().await.expect("listed");
    for meta in listed {
        let bytes = store.get(&meta.location).await.expect("there").bytes().await.expect("read");
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
        let content: Value = serde_json::from_str(&text).expect("JSON");
        let records = content["Records"].as_array().expect("records");
        let numbers: Vec<_> =
            records.iter().map(|record| record["number"].as_u64().expect("a number")).collect();
        found.push((meta.location.to_string(), numbers));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

#[tokio::test]
async fn records_wait_and_then_go_by_account_under_cloudtrail_s_names() {
    let Setup { store, clock, mut sink } = setup(1 << 20);
    let records = vec![record(Some(ACCOUNT), 1), record(None, 2), record(Some(ACCOUNT), 3)];
    assert_eq!(sink.write(records).await, (0, 0));
    assert_eq!(sink.next_flush(clock.monotonic()), Some(Duration::from_secs(60)));
    clock.advance(59_999);
    assert_eq!(sink.flush(false).await, (0, 0));
    assert!(objects(store.as_ref()).await.is_empty());
    clock.advance(1);
    assert_eq!(sink.flush(false).await, (3, 0));
    let found = objects(store.as_ref()).await;
    assert_eq!((&found[0].1[..], &found[1].1[..]), (&[1, 3][..], &[2][..]));
    let start = format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2026/11/23/{ACCOUNT}_CloudTrail_eu-west-1_20261123T1201Z_"
    );
    let rest = found[0].0.strip_prefix(&start).expect("CloudTrail's name");
    let letters = rest.strip_suffix(".json.gz").expect("the ending");
    assert!(letters.len() == 16 && letters.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{letters}");
    assert!(found[1].0.starts_with("AWSLogs/000000000000/"), "{}", found[1].0);
    assert_eq!(sink.next_flush(clock.monotonic()), None);
}

#[tokio::test]
async fn many_records_do_not_wait_and_the_end_takes_the_rest() {
    let Setup { store, mut sink, .. } = setup(40);
    assert_eq!(sink.write(vec![record(Some(ACCOUNT), 1)]).await, (0, 0));
    assert_eq!(sink.write((2..5).map(|number| record(Some(ACCOUNT), number)).collect()).await, (4, 0));
    assert_eq!(sink.write(vec![record(Some(ACCOUNT), 5)]).await, (0, 0));
    assert_eq!(sink.flush(true).await, (1, 0));
    let numbers: Vec<_> = objects(store.as_ref()).await.into_iter().map(|(_, numbers)| numbers).collect();
    assert_eq!(numbers, [vec![1, 2, 3, 4], vec![5]]);
}

#[tokio::test]
async fn what_cannot_be_written_is_tried_again_after_a_pause() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let clock = Arc::new(TestClock::default());
    let components = Components::new(clock.clone(), Random::from_seed(1), None);
    let root = folder.path().join("bucket");
    std::fs::create_dir(&root).expect("made");
    let store = Arc::new(object_store::local::LocalFileSystem::new_with_prefix(&root).expect("a bucket"));
    let trail = Trail { region: "eu-west-1".into(), batch_bytes: 1, max_wait: Duration::from_secs(60) };
    let mut sink = BucketSink::new(store.clone(), trail, &components);
    // A file where the folder has to be.
    std::fs::write(root.join("AWSLogs"), "in the way").expect("written");
    assert_eq!(sink.write(vec![record(Some(ACCOUNT), 1)]).await, (0, 0));
    assert_eq!(sink.next_flush(clock.monotonic()), Some(RETRY_AFTER));
    std::fs::remove_file(root.join("AWSLogs")).expect("removed");
    assert_eq!(sink.write(vec![record(Some(ACCOUNT), 2)]).await, (0, 0), "not before the pause is over");
    clock.advance(RETRY_AFTER.as_millis() as i64);
    assert_eq!(sink.flush(false).await, (2, 0));
    assert_eq!(objects(store.as_ref()).await[0].1, [1, 2]);
    std::fs::remove_dir_all(root.join("AWSLogs")).expect("removed");
    std::fs::write(root.join("AWSLogs"), "in the way").expect("written");
    assert_eq!(sink.write(vec![record(None, 3)]).await, (0, 0));
    assert_eq!(sink.flush(true).await, (0, 1), "at the end it is lost, and counted");
}

#[test]
fn past_the_bound_the_oldest_records_are_lost() {
    let records: Vec<_> = (0..10).map(|number| record(None, number)).collect();
    let bytes = records.iter().map(|record| record.line.len() + 1).sum();
    let mut batch = Batch { records, bytes, due: Duration::ZERO, pause: Duration::ZERO };
    assert_eq!(batch.cut(bytes), 0);
    assert_eq!(batch.cut(bytes - 1), 1);
    assert_eq!(batch.records[0].line, record(None, 1).line);
    assert_eq!(batch.cut(0), 9);
    assert_eq!(batch.bytes, 0);
}
