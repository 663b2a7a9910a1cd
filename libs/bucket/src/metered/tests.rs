use futures::TryStreamExt;
use narthex_service::{Random, SystemClock};
use object_store::{ObjectStoreExt, PutMode, memory::InMemory};
use prometheus_client::encoding::text::encode;

use super::*;
use crate::faulty::{Failure, Fault, Faults, Faulty, Keys, Rule};

fn store() -> (Metered, Faults, SharedRegistry) {
    let registry = SharedRegistry::default();
    let (inner, faults) = Faulty::new(Arc::new(InMemory::new()), SystemClock::shared(), Random::from_seed(1));
    (Metered::new(inner, SystemClock::shared(), &registry), faults, registry)
}

/// Lines of a metric, without its name and without zeros.
fn values(registry: &SharedRegistry, metric: &str) -> Vec<String> {
    let mut text = String::new();
    encode(&mut text, &registry.lock()).expect("encodes");
    let prefix = format!("narthex_bucket_{metric}{{");
    let mut lines: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn operations_bytes_and_errors_are_counted_by_kind() {
    let (store, _, registry) = store();
    let key = Path::from("a/b");
    store.put(&key, "hello".into()).await.expect("written");
    assert!(store.put_opts(&key, "again".into(), PutMode::Create.into()).await.is_err());
    store.get(&key).await.expect("found").bytes().await.expect("read");
    store.get_range(&key, 0..2).await.expect("read");
    store.head(&key).await.expect("found");
    assert!(store.head(&Path::from("absent")).await.is_err());
    store.list(None).next().await.expect("one").expect("listed");
    store.delete(&key).await.expect("deleted");
    let mut upload = store.put_multipart(&key).await.expect("begun");
    upload.put_part("1234".into()).await.expect("sent");
    upload.complete().await.expect("complete");

    assert_eq!(
        values(&registry, "operations_total"),
        [
            "operation=\"begin_multipart\"} 1",
            "operation=\"complete_multipart\"} 1",
            "operation=\"delete\"} 1",
            "operation=\"get\"} 2",
            "operation=\"head\"} 2",
            "operation=\"list\"} 1",
            "operation=\"put\"} 1",
            "operation=\"put_if_absent\"} 1",
            "operation=\"put_part\"} 1",
        ]
    );
    assert_eq!(
        values(&registry, "bytes_total"),
        ["operation=\"get\"} 7", "operation=\"put\"} 5", "operation=\"put_part\"} 4"]
    );
    assert_eq!(
        values(&registry, "errors_total"),
        [
            "operation=\"head\",kind=\"not_found\"} 1",
            "operation=\"put_if_absent\",kind=\"already_exists\"} 1",
        ]
    );
    assert!(values(&registry, "operation_seconds_count").contains(&"operation=\"get\"} 2".to_owned()));
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled_and_what_fails_late_has_failed() {
    let (store, faults, registry) = store();
    let key = Path::from("a");
    store.put(&key, vec![7; 100_000].into()).await.expect("written");
    drop(store.get(&key).await.expect("found"));
    faults.add(Rule::new(Fault::Lose).keys(Keys::Exactly(Path::from("b"))));
    let lost = futures::FutureExt::now_or_never(store.put(&Path::from("b"), "x".into()));
    assert!(lost.is_none());
    faults.add(Rule::new(Fault::Before(Failure::Unavailable)).on([Operation::List]));
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert_eq!(
        values(&registry, "errors_total"),
        [
            "operation=\"get\",kind=\"cancelled\"} 1",
            "operation=\"list\",kind=\"other\"} 1",
            "operation=\"put\",kind=\"cancelled\"} 1",
        ]
    );
}

#[tokio::test]
async fn a_body_or_list_may_be_asked_again_after_its_end() {
    let (store, _, _) = store();
    let key = Path::from("a");
    store.put(&key, "x".into()).await.expect("written");
    let mut body = store.get(&key).await.expect("found").into_stream();
    assert!(body.next().await.is_some() && body.next().await.is_none() && body.next().await.is_none());
    let mut list = store.list(None);
    assert!(list.next().await.is_some() && list.next().await.is_none() && list.next().await.is_none());
}
