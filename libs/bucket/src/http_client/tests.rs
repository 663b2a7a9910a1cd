use std::{collections::VecDeque, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::HttpResponseBody,
    path::Path,
};
use parking_lot::Mutex;

use super::*;

/// A server that answers from a script, then with 200.
#[derive(Debug, Clone, Default)]
struct Script(Arc<Mutex<(VecDeque<Answer>, usize)>>);

#[derive(Debug, Clone, Copy)]
enum Answer {
    Status(u16),
    Lost(HttpErrorKind),
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is gone")]
struct Gone;

#[async_trait]
impl HttpService for Script {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (answers, calls) = &mut *self.0.lock();
        *calls += 1;
        match answers.pop_front().unwrap_or(Answer::Status(200)) {
            Answer::Status(status) => Ok(http::Response::builder()
                .status(status)
                .header("etag", "\"1\"")
                .body(HttpResponseBody::from("reply".to_owned()))
                .expect("valid")),
            Answer::Lost(kind) => Err(HttpError::new(kind, Gone)),
        }
    }
}

impl HttpConnector for Script {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// A store that repeats a request twice over `script`, with so many retries in its budget.
fn store(script: &Script, budget: u32) -> (AmazonS3, SharedRegistry) {
    let registry = SharedRegistry::default();
    let retries = Retries::new(budget, &registry);
    let short = Duration::from_millis(1);
    let store = AmazonS3Builder::new()
        .with_bucket_name("b")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .with_retry(RetryConfig {
            backoff: BackoffConfig { init_backoff: short, max_backoff: 2 * short, base: 2.0 },
            max_retries: 2,
            retry_timeout: Duration::from_secs(60),
        })
        .with_http_connector(Budgeted { connector: script.clone(), retries })
        .build();
    (store.expect("valid"), registry)
}

fn answers(answers: impl IntoIterator<Item = Answer>) -> Script {
    Script(Arc::new(Mutex::new((answers.into_iter().collect(), 0))))
}

fn calls(script: &Script) -> usize {
    script.0.lock().1
}

fn metric(registry: &SharedRegistry, line: &str) -> bool {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry.lock()).expect("encodes");
    text.lines().any(|found| found == format!("narthex_bucket_{line}"))
}

#[tokio::test]
async fn a_failure_that_passes_is_retried_and_paid_for() {
    let script = answers([Answer::Status(503), Answer::Lost(HttpErrorKind::Connect)]);
    let (store, registry) = store(&script, 10);
    store.put(&Path::from("a"), "x".into()).await.expect("the third try succeeds");
    assert_eq!(calls(&script), 3);
    for line in [
        "retryable_failures_total 2",
        "retries_refused_total 0",
        "retry_budget 8",
        "http_requests_total{method=\"PUT\",status=\"503\"} 1",
        "http_requests_total{method=\"PUT\",status=\"0\"} 1",
        "http_requests_total{method=\"PUT\",status=\"200\"} 1",
    ] {
        assert!(metric(&registry, line), "{line}");
    }
}

#[tokio::test]
async fn in_an_outage_the_budget_ends_and_requests_are_no_longer_multiplied() {
    let script = answers([Answer::Status(503); 1000]);
    let (store, registry) = store(&script, 5);
    for _ in 0..100 {
        let error = store.put(&Path::from("a"), "x".into()).await.expect_err("an outage");
        assert!(matches!(error, Error::Generic { .. }), "{error:?}");
    }
    // A hundred first tries and no more than the budget's five besides.
    assert!((101..=105).contains(&calls(&script)), "{} requests", calls(&script));
    assert!(metric(&registry, "retry_budget 0"));
    let error = store.put(&Path::from("a"), "x".into()).await.expect_err("an outage").to_string();
    assert!(error.contains("503") && error.contains("no retries left"), "{error}");

    // The server is back: success refills what the next failure needs.
    script.0.lock().0.clear();
    for _ in 0..10 {
        store.put(&Path::from("a"), "x".into()).await.expect("back");
    }
    script.0.lock().0.push_back(Answer::Status(503));
    store.put(&Path::from("a"), "x".into()).await.expect("retried");
}

#[tokio::test]
async fn a_lost_transport_is_told_when_no_retry_is_left() {
    let script = answers([Answer::Lost(HttpErrorKind::Connect)]);
    let (store, _) = store(&script, 0);
    let error = store.put(&Path::from("a"), "x".into()).await.expect_err("lost");
    let error = crate::explain(&error);
    assert!(error.contains("the connection is gone") && error.contains("no retries left"), "{error}");
    assert_eq!(calls(&script), 1);
}

/// A put-if-absent may be repeated after a 503 and then meet its own write: that is told, not hidden. After a time-out, when
/// the write may still be under way, it is not repeated at all.
#[tokio::test]
async fn a_conditional_put_tells_what_the_server_said() {
    let key = Path::from("a");
    let create = async |script: &Script| {
        let (store, _) = store(script, 10);
        store.put_opts(&key, "x".into(), PutMode::Create.into()).await
    };
    let script = answers([Answer::Status(503), Answer::Status(412)]);
    assert!(matches!(create(&script).await, Err(Error::AlreadyExists { .. })));
    assert_eq!(calls(&script), 2);
    let script = answers([Answer::Status(409)]);
    assert!(matches!(create(&script).await, Err(Error::AlreadyExists { .. })));
    let script = answers([Answer::Lost(HttpErrorKind::Timeout)]);
    assert!(matches!(create(&script).await, Err(Error::Generic { .. })));
    assert_eq!(calls(&script), 1);
}
