use std::time::Duration;

use futures::FutureExt;
use narthex_model::{ManifestRevision, WorkspaceId};
use narthex_service::SystemClock;
use object_store::{Error, PutMode, memory::InMemory};

use super::*;
use crate::layout;

fn store(seed: u64) -> (Arc<Faulty>, Faults, Arc<InMemory>) {
    let inner = Arc::new(InMemory::new());
    let (store, faults) = Faulty::new(inner.clone(), SystemClock::shared(), Random::from_seed(seed));
    (store, faults, inner)
}

fn root(revision: u64) -> Path {
    layout::manifest_root(WorkspaceId::from_u128(1), ManifestRevision(revision))
}

async fn exists(store: &InMemory, key: &Path) -> bool {
    store.head(key).await.is_ok()
}

#[tokio::test]
async fn a_fault_strikes_before_or_after_the_effect_and_only_where_its_rule_says() {
    let (store, faults, inner) = store(1);
    let rule = Rule::new(Fault::After(Failure::Unavailable)).on([Operation::PutIfAbsent]).keys(Keys::Roots);
    let lost = faults.add(rule.skip(1).times(1));
    let create = |key: Path| {
        let store = Arc::clone(&store);
        async move { store.put_opts(&key, "x".into(), PutMode::Create.into()).await }
    };
    create(Path::from("other")).await.expect("not a root");
    create(root(1)).await.expect("the first passes");
    assert!(matches!(create(root(2)).await, Err(Error::Generic { .. })));
    assert!(exists(&inner, &root(2)).await, "the effect remains");
    assert!(matches!(create(root(2)).await, Err(Error::AlreadyExists { .. })), "by the store itself");
    create(root(3)).await.expect("struck once only");
    assert_eq!(faults.struck(lost), 1);

    let before = faults.add(Rule::new(Fault::Before(Failure::AlreadyExists)).keys(Keys::Exactly(root(4))));
    assert!(matches!(create(root(4)).await, Err(Error::AlreadyExists { .. })));
    assert!(!exists(&inner, &root(4)).await);
    faults.remove(before);
    create(root(4)).await.expect("the rule is gone");

    assert_eq!(faults.count(Operation::PutIfAbsent, &Keys::Roots), 6);
    assert_eq!(faults.count(Operation::PutIfAbsent, &Keys::Exactly(root(2))), 2);
    assert_eq!(faults.totals().into_iter().collect::<Vec<_>>(), [(Operation::PutIfAbsent, 7)]);
}

#[tokio::test]
async fn lost_operations_never_end_and_held_ones_wait_for_their_gate() {
    let (store, faults, inner) = store(1);
    let (lost, unheard, held) = (Path::from("lost"), Path::from("unheard"), Path::from("held"));
    faults.add(Rule::new(Fault::Lose).keys(Keys::Exactly(lost.clone())));
    faults.add(Rule::new(Fault::LoseReply).keys(Keys::Exactly(unheard.clone())));
    let gate = Gate::new();
    faults.add(Rule::new(Fault::Hold(gate.clone())).keys(Keys::Exactly(held.clone())));

    for (key, done) in [(lost, false), (unheard, true)] {
        assert!(store.put(&key, "x".into()).now_or_never().is_none());
        assert_eq!(exists(&inner, &key).await, done, "{key}");
    }
    let write = tokio::spawn({
        let (store, held) = (Arc::clone(&store), held.clone());
        async move { store.put(&held, "x".into()).await }
    });
    gate.arrived(1).await;
    assert!(!exists(&inner, &held).await);
    gate.open();
    write.await.expect("no panic").expect("written");
    assert!(exists(&inner, &held).await);
}

#[tokio::test]
async fn lists_deletes_reads_and_uploads_are_struck_too() {
    let (store, faults, inner) = store(1);
    let key = Path::from("a/b");
    store.put(&key, "x".into()).await.expect("written");
    let refuse = || Rule::new(Fault::Before(Failure::Unavailable)).times(1);
    faults.add(refuse().on([Operation::List]).keys(Keys::Under(Path::from("a"))));
    assert!(store.list(Some(&Path::from("a"))).try_collect::<Vec<_>>().await.is_err());
    assert_eq!(store.list(Some(&Path::from("a"))).try_collect::<Vec<_>>().await.expect("listed").len(), 1);

    faults.add(refuse().on([Operation::Get]));
    assert!(store.get(&key).await.is_err() && store.get(&key).await.is_ok());
    faults.add(refuse().on([Operation::Delete]));
    assert!(store.delete(&key).await.is_err() && exists(&inner, &key).await);
    store.delete(&key).await.expect("deleted");

    faults.add(Rule::new(Fault::After(Failure::TimedOut)).on([Operation::CompleteMultipart]));
    let mut upload = store.put_multipart(&key).await.expect("begun");
    upload.put_part("part".into()).await.expect("sent");
    assert!(upload.complete().await.is_err() && exists(&inner, &key).await);
}

#[tokio::test]
async fn delays_use_the_clock_that_was_handed_in() {
    let clock = SystemClock::shared();
    let (store, faults) = Faulty::new(Arc::new(InMemory::new()), clock.clone(), Random::from_seed(1));
    let wait = Duration::from_millis(30);
    faults.add(Rule::new(Fault::Delay(wait)).on([Operation::Put]));
    faults.add(Rule::new(Fault::DelayReply(wait)).on([Operation::Delete]));
    let start = clock.monotonic();
    store.put(&Path::from("a"), "x".into()).await.expect("written");
    assert!(clock.monotonic() - start >= wait);
    let start = clock.monotonic();
    store.delete(&Path::from("a")).await.expect("deleted");
    assert!(clock.monotonic() - start >= wait);
}

#[tokio::test]
async fn a_seed_repeats_its_faults() {
    async fn outcomes(seed: u64) -> Vec<bool> {
        let (store, faults, _) = store(seed);
        faults.add(Rule::new(Fault::Before(Failure::Unavailable)).odds(0.3));
        let mut outcomes = Vec::new();
        for number in 0..200 {
            outcomes.push(store.put(&Path::from(number.to_string()), "x".into()).await.is_ok());
        }
        outcomes
    }
    let first = outcomes(7).await;
    assert_eq!(first, outcomes(7).await);
    assert_ne!(first, outcomes(8).await);
    let failed = first.iter().filter(|ok| !**ok).count();
    assert!((30..90).contains(&failed), "{failed} of 200 at odds of 0.3");
}
