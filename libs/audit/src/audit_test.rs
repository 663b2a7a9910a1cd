//! The handle: queues, waiting, losing, and the end.

use std::sync::atomic::{AtomicBool, Ordering};

use narthex_model::TimestampMs;
use narthex_service::SystemClock;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::{Outcome, UserIdentity, settings::tests::parse, sink::Writing};

fn components() -> Components {
    Components::new(SystemClock::shared(), Random::from_seed(1), None)
}

fn event(kind: Kind, number: usize) -> Event {
    Event {
        kind,
        who: UserIdentity::Service { name: "test".into() },
        at: TimestampMs(0),
        operation: "CreateWorkspace".into(),
        region: "us-east-1".into(),
        source: None,
        endpoint: None,
        user_agent: None,
        request_parameters: Map::new(),
        outcome: Outcome::Done(None),
        request_id: number.to_string(),
        event_id: String::new(),
        read_only: false,
        recipient: None,
    }
}

const DATA: fn() -> Kind = || Kind::Data { workspace: "arn".into() };

/// Keeps records, as far as it is let.
#[derive(Debug)]
struct Kept {
    records: Arc<Mutex<Vec<Record>>>,
    lets: Arc<Semaphore>,
    ended: Arc<AtomicBool>,
}

impl Place for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn write(&mut self, records: Vec<Record>) -> Writing<'_> {
        Box::pin(async move {
            if !records.is_empty() {
                self.lets.acquire().await.expect("open").forget();
            }
            let count = records.len();
            self.records.lock().extend(records);
            (count, 0)
        })
    }

    fn next_flush(&self, _: Duration) -> Option<Duration> {
        None
    }

    fn flush(&mut self, end: bool) -> Writing<'_> {
        self.ended.store(end, Ordering::Relaxed);
        Box::pin(std::future::ready((0, 0)))
    }
}

struct Setup {
    audit: Audit,
    records: Arc<Mutex<Vec<Record>>>,
    lets: Arc<Semaphore>,
    ended: Arc<AtomicBool>,
    components: Components,
}

impl Setup {
    fn new(queue_size: usize) -> Self {
        let components = components();
        let (records, lets, ended) = (Arc::default(), Arc::new(Semaphore::new(0)), Arc::default());
        let kept = Kept { records: Arc::clone(&records), lets: lets.clone(), ended: Arc::clone(&ended) };
        let metrics = Metrics::new(&components.registry);
        let audit =
            Audit::over(vec![Box::new(kept)], queue_size, vec![DataEvents::All], metrics, &components);
        Self { audit, records, lets, ended, components }
    }

    fn count(&self, outcome: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.components.registry.lock())
            .expect("encoded");
        let line = text.lines().find(|line| line.contains(&format!("outcome=\"{outcome}\"")));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0").to_owned()
    }
}

#[tokio::test]
async fn everything_queued_is_written_before_the_end() {
    let setup = Setup::new(100);
    for number in 0..50 {
        setup.audit.record(event(Kind::Management, number)).await;
    }
    setup.lets.add_permits(1000);
    setup.audit.close().await;
    assert_eq!(setup.records.lock().len(), 50);
    assert!(setup.ended.load(Ordering::Relaxed));
    assert_eq!(setup.count("written"), "50");
    setup.audit.record(event(Kind::Management, 51)).await;
    assert_eq!(setup.count("lost"), "1", "after the end");
}

#[tokio::test]
async fn a_full_queue_loses_data_calls_and_lets_management_calls_wait() {
    let setup = Setup::new(2);
    let clock = setup.components.clock.clone();
    // One is on its way, two wait.
    setup.audit.record(event(DATA(), 0)).await;
    while setup.audit.0.queues[0].records.capacity() < 2 {
        tokio::task::yield_now().await;
    }
    setup.audit.record(event(DATA(), 1)).await;
    setup.audit.record(event(DATA(), 2)).await;
    let began = clock.monotonic();
    setup.audit.record(event(DATA(), 3)).await;
    assert!(clock.monotonic().saturating_sub(began) < PATIENCE, "a data call does not wait");
    assert_eq!(setup.count("lost"), "1");
    setup.audit.record(event(Kind::Management, 4)).await;
    assert!(clock.monotonic().saturating_sub(began) >= PATIENCE, "a management call does");
    assert_eq!(setup.count("lost"), "2", "and not for ever");
    let waiting = tokio::spawn({
        let audit = setup.audit.clone();
        async move { audit.record(event(Kind::Management, 5)).await }
    });
    tokio::task::yield_now().await;
    setup.lets.add_permits(1000);
    waiting.await.expect("no panic");
    setup.audit.close().await;
    let ids: Vec<Value> = setup
        .records
        .lock()
        .iter()
        .map(|record| serde_json::from_slice(&record.line).expect("JSON"))
        .collect();
    let ids: Vec<_> =
        ids.iter().map(|record| record["requestID"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, ["0", "1", "2", "5"]);
}

#[tokio::test]
async fn what_is_set_decides_what_is_recorded() {
    let components = components();
    let off = Audit::start(&parse(&[]).expect("valid"), "us-east-1", &components).expect("nothing to open");
    let workspace = WorkspaceId::from_u128(1);
    assert!(!off.is_on() && !off.wants_data(workspace));
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("audit.log");
    let flags = [format!("--audit.log={}", path.display()), format!("--audit.data-events={workspace}")];
    let settings = parse(&[&flags[0], &flags[1]]).expect("valid");
    let on = Audit::start(&settings, "us-east-1", &components).expect("opened");
    assert!(on.is_on() && on.wants_data(workspace) && !on.wants_data(WorkspaceId::from_u128(2)));
    assert_ne!(on.event_id(), on.event_id());
    on.record(event(Kind::Management, 1)).await;
    on.close().await;
    let text = std::fs::read_to_string(&path).expect("written");
    let record: Value = serde_json::from_str(text.trim()).expect("a line of JSON");
    assert_eq!(record["eventName"], "CreateWorkspace");

    std::fs::create_dir(folder.path().join("folder")).expect("made");
    let wrong = parse(&[&format!("--audit.log={}", folder.path().join("folder").display())]).expect("valid");
    let error = Audit::start(&wrong, "us-east-1", &components).expect_err("a folder is no file").to_string();
    assert!(error.contains("--audit.log: cannot write"), "{error}");
}
