//! Starting up: no block is touched, readiness says what is waited for, and what was cached before is there.

use std::{sync::Arc, time::Duration};

use narthex_bucket::{
    Operation,
    faulty::{Failure, Fault, Keys, Rule},
};
use narthex_model::{MatchOp, Matcher, TimeRange};
use narthex_rpc::{PeerOptions, Peers, v1::select_response::Part};
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::super::fixture::{Content, TestGateway, put, seconds, select, series, settings, union};

fn job(value: &str) -> Vec<Matcher> {
    vec![Matcher::new("job", MatchOp::Equal, value).expect("compiles")]
}

#[tokio::test]
async fn starting_up_touches_no_block() {
    let memory = Arc::new(InMemory::new());
    for number in 0..50 {
        put(&memory, number, &seconds(&series("up", "a"), 0, 5), Default::default()).await;
    }
    let directory = TempDir::new().expect("made");
    let gateway = TestGateway::over(memory, settings(Some(&directory))).await;
    assert!(!gateway.components.health.is_ready());
    assert!(gateway.gateway.reach_bucket().await);
    assert!(gateway.components.health.is_ready());
    assert_eq!(gateway.faults.totals().into_iter().collect::<Vec<_>>(), [(Operation::List, 1)]);
}

#[tokio::test]
async fn a_bucket_that_is_away_keeps_the_gateway_waiting_with_the_reason() {
    let gateway = TestGateway::new().await;
    gateway.faults.add(Rule::new(Fault::Before(Failure::Unavailable)).on([Operation::List]).times(2));
    let health = gateway.components.health.clone();
    let reached = gateway.gateway.reach_bucket();
    tokio::pin!(reached);
    let early =
        narthex_service::timeout(&*gateway.components.clock, Duration::from_millis(100), &mut reached);
    assert!(early.await.is_err());
    let reasons = health.reasons();
    assert!(
        reasons[0].contains("bucket: the bucket does not answer") && reasons[0].contains("503"),
        "{reasons:?}"
    );
    assert!(reached.await && health.is_ready());
    assert_eq!(gateway.faults.count(Operation::List, &Keys::Any), 3);

    let stopped = TestGateway::new().await;
    stopped.faults.add(Rule::new(Fault::Lose));
    stopped.components.shutdown.cancel();
    assert!(!stopped.gateway.reach_bucket().await);
}

#[tokio::test]
async fn a_block_whose_label_bounds_do_not_match_costs_its_footer_only() {
    let gateway = TestGateway::new().await;
    let block = [gateway
        .put(1, &union(&[seconds(&series("up", "a"), 0, 50), seconds(&series("up", "b"), 0, 50)]))
        .await];
    let found = gateway.content(select(&block, &job("zzz"), TimeRange::ALL)).await.expect("answered");
    assert_eq!(found, Content::new());
    assert_eq!(gateway.faults.totals().into_iter().collect::<Vec<_>>(), [(Operation::Get, 1)]);
    gateway.content(select(&block, &job("a"), (900_000..=1_000_000).into())).await.expect("answered");
    assert_eq!(gateway.faults.totals()[&Operation::Get], 1, "the footer is in memory, and tells the times");
}

#[tokio::test]
async fn what_matchers_find_in_a_block_is_known_for_every_range() {
    let gateway = TestGateway::new().await;
    let (a, b) = (series("up", "a"), series("up", "b"));
    let content = union(&[seconds(&a, 0, 10), seconds(&b, 0, 4), seconds(&series("up", "c"), 0, 10)]);
    let block = [gateway.put(1, &content).await];
    let both = vec![Matcher::new("job", MatchOp::Regex, "a|b").expect("compiles")];
    let ask = async |matchers: &[Matcher], range: TimeRange| {
        gateway.content(select(&block, matchers, range)).await.expect("answered")
    };
    let metrics = gateway.service().metrics().clone();
    let known = || (metrics.found_misses.get(), metrics.found_hits.get());
    assert_eq!(ask(&both, (0..=2_000).into()).await, union(&[seconds(&a, 0, 3), seconds(&b, 0, 3)]));
    assert_eq!(known(), (1, 0));
    assert_eq!(ask(&both, TimeRange::ALL).await, union(&[seconds(&a, 0, 10), seconds(&b, 0, 4)]));
    assert_eq!(ask(&both, (6_000..=8_000).into()).await, seconds(&a, 6, 9), "b has ended by then");
    assert_eq!(known(), (1, 2));
    assert_eq!(ask(&job("a"), TimeRange::ALL).await, seconds(&a, 0, 10));
    assert_eq!(known(), (2, 2), "other matchers are another question");
    assert!(metrics.found_bytes.get() > 0);
    // Several windows, as a merged block has them.
    let long = [gateway.put(2, &seconds(&a, 0, 50)).await];
    for (range, hits) in [(0..=2_000, 2), (31_000..=34_000, 3)] {
        let found = gateway.content(select(&long, &job("a"), range.clone().into())).await.expect("answered");
        assert_eq!(found, seconds(&a, range.start() / 1_000, range.end() / 1_000 + 1));
        assert_eq!(known(), (3, hits));
    }
}

#[tokio::test]
async fn footers_are_read_once_however_many_ask() {
    let gateway = TestGateway::new().await;
    let block = [gateway.put(1, &seconds(&series("up", "a"), 0, 5)).await];
    let nothing = job("zzz");
    let answers =
        futures::future::join_all((0..20).map(|_| gateway.content(select(&block, &nothing, TimeRange::ALL))));
    assert!(answers.await.iter().all(Result::is_ok));
    assert_eq!(gateway.service().metrics().blocks_opened.get(), 1);
    assert_eq!(gateway.faults.count(Operation::Get, &Keys::Blocks), 1);
}

#[tokio::test]
async fn the_cache_survives_a_restart_and_then_the_bucket_is_not_asked() {
    let memory = Arc::new(InMemory::new());
    let directory = TempDir::new().expect("made");
    let content = union(&[seconds(&series("up", "a"), 0, 500), seconds(&series("up", "b"), 0, 500)]);
    let request = {
        let first = TestGateway::over(Arc::clone(&memory), settings(Some(&directory))).await;
        let block = [first.put(1, &content).await];
        let request = select(&block, &[], TimeRange::ALL);
        assert_eq!(first.content(request.clone()).await.expect("answered"), content);
        request
    };
    // Pages are written in the background, and the directory is locked until the last one is.
    let again = reopened(&memory, &directory).await;
    assert_eq!(again.content(request).await.expect("answered"), content);
    assert_eq!(again.faults.totals().into_iter().collect::<Vec<_>>(), [], "all from the cache");
    let metrics = again.service().metrics().clone();
    assert!(metrics.cache.hits.get() > 0 && metrics.cache.misses.get() == 0);
}

async fn reopened(memory: &Arc<InMemory>, directory: &TempDir) -> TestGateway {
    let clock = narthex_service::SystemClock::shared();
    for _ in 0..500 {
        let lock = std::fs::File::open(directory.path().join("lock")).expect("there");
        if lock.try_lock().is_ok() {
            drop(lock);
            return TestGateway::over(Arc::clone(memory), settings(Some(directory))).await;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("the cache stays locked");
}

#[tokio::test]
async fn peers_of_the_same_process_are_answered_alike() {
    let gateway = TestGateway::new().await;
    let block = [gateway.put(1, &seconds(&series("up", "a"), 0, 5)).await];
    let peers = Peers::new(PeerOptions::default(), gateway.components.clock.clone());
    peers.add_local("in-process:gateway", gateway.gateway.local_peer());
    let request = select(&block, &[], TimeRange::ALL);
    let mut answers =
        peers.select("in-process:gateway", request, Duration::from_secs(10)).await.expect("answered");
    let first = answers.message().await.expect("sent").expect("a message");
    assert!(matches!(first.part, Some(Part::State(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_query_of_a_day_waits_for_a_few_round_trips_and_not_for_every_block() {
    const BLOCKS: u128 = 36;
    let gateway = TestGateway::new().await;
    let mut blocks = Vec::new();
    for number in 0..BLOCKS {
        let from = number as i64 * 100;
        let all: Vec<Content> =
            (0..60).map(|job| seconds(&series("up", &format!("job{job}")), from, from + 100)).collect();
        blocks.push(put(&gateway.memory, number, &union(&all), Default::default()).await);
    }
    gateway.faults.add(Rule::new(Fault::Delay(Duration::from_millis(30))));
    let clock = gateway.components.clock.clone();
    let began = clock.monotonic();
    let found = gateway.content(select(&blocks, &job("job7"), TimeRange::ALL)).await.expect("answered");
    let took = clock.monotonic() - began;
    assert_eq!(found.values().map(|samples| samples.len()).collect::<Vec<_>>(), [3_600]);
    let requests = gateway.faults.totals().into_values().sum::<u64>();
    assert!(requests <= 4 * BLOCKS as u64, "footer, bloom filter, labels, samples: {requests}");
    assert!(took < Duration::from_secs(1), "one after the other would take longer: {took:?}");
}
