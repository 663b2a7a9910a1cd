//! Keys of a local issuer that counts, changes, lies, hangs and goes away.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::{net::TcpListener, task::JoinHandle};

use super::*;

const START: TimestampMs = TimestampMs(1_795_435_200_000);

fn after(pause: Duration) -> TimestampMs {
    TimestampMs(START.0 + i64::try_from(pause.as_millis()).expect("short"))
}

/// What an issuer says.
#[derive(Debug, Clone)]
enum Says {
    /// A key of that name.
    Key(&'static str),
    /// This text in place of keys.
    Text(String),
    /// That it is another.
    Another,
    /// That keys are elsewhere.
    Redirect,
    /// An error.
    Nothing,
    /// Never anything.
    Hang,
}

struct Issuer {
    provider: ProviderRecord,
    state: Arc<Served>,
    task: JoinHandle<()>,
}

struct Served {
    url: String,
    says: parking_lot::Mutex<Says>,
    asked: AtomicU64,
}

impl Issuer {
    async fn start(says: Says) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(Served {
            url: url.clone(),
            says: parking_lot::Mutex::new(says),
            asked: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        let client_ids = ["sts.amazonaws.com".to_owned()].into();
        let provider = ProviderRecord { url, client_ids, keys: None, certificates: None };
        Self { provider, state, task }
    }

    fn says(&self, says: Says) {
        *self.state.says.lock() = says;
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> u64 {
        self.state.asked.swap(0, SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovery(State(state): State<Arc<Served>>) -> impl IntoResponse {
    state.asked.fetch_add(1, SeqCst);
    let (says, url) = (state.says.lock().clone(), &state.url);
    let issuer = match says {
        Says::Another => "https://elsewhere.example.com",
        Says::Nothing => return (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        Says::Hang => std::future::pending().await,
        _ => url,
    };
    (StatusCode::OK, format!(r#"{{"issuer":"{issuer}","jwks_uri":"{url}/keys"}}"#))
}

async fn keys(State(state): State<Arc<Served>>) -> impl IntoResponse {
    let says = state.says.lock().clone();
    match says {
        Says::Text(text) => text.into_response(),
        Says::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Says::Key(name) => {
            format!(r#"{{"keys":[{{"kty":"RSA","kid":"{name}","alg":"RS256","n":"AQAB","e":"AQAB"}}]}}"#)
                .into_response()
        }
        other => panic!("{other:?} has no keys"),
    }
}

/// Names of the keys that are found for a token of the key `wanted`.
async fn found(keys: &Keys, issuer: &Issuer, wanted: &str, now: TimestampMs) -> Result<Vec<String>, String> {
    let set = keys.of(&issuer.provider, Some(wanted), now).await?;
    Ok(set.keys.iter().filter_map(|key| key.common.key_id.clone()).collect())
}

fn named(name: &str) -> Result<Vec<String>, String> {
    Ok(vec![name.to_owned()])
}

#[tokio::test]
async fn keys_are_kept_and_fetched_again_for_one_that_is_not_known() {
    let (keys, issuer) = (Keys::default(), Issuer::start(Says::Key("one")).await);
    for _ in 0..3 {
        assert_eq!(found(&keys, &issuer, "one", START).await, named("one"));
    }
    assert_eq!(issuer.asked(), 1);
    issuer.says(Says::Key("two"));
    assert_eq!(found(&keys, &issuer, "one", after(PAUSE * 2)).await, named("one"), "still fresh");
    assert_eq!(issuer.asked(), 0);
    assert_eq!(found(&keys, &issuer, "two", after(PAUSE)).await, named("two"));
    assert_eq!(found(&keys, &issuer, "one", after(FRESH)).await, named("two"), "withdrawn");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn keys_that_nobody_has_cause_no_flood() {
    let (keys, issuer) = (Keys::default(), Issuer::start(Says::Key("one")).await);
    let mut now = START;
    for round in 0..10 {
        for made_up in 0..20 {
            assert_eq!(found(&keys, &issuer, &format!("{made_up}"), now).await, named("one"));
        }
        assert_eq!(issuer.asked(), 1, "round {round}");
        now = TimestampMs(now.0 + 10_000);
    }
}

#[tokio::test]
async fn while_the_issuer_is_away_its_last_keys_hold_for_a_day() {
    let (keys, issuer) = (Keys::default(), Issuer::start(Says::Key("one")).await);
    assert_eq!(found(&keys, &issuer, "one", START).await, named("one"));
    issuer.says(Says::Nothing);
    for since in [FRESH, FRESH * 2, STALE - Duration::from_secs(1)] {
        assert_eq!(found(&keys, &issuer, "one", after(since)).await, named("one"), "after {since:?}");
    }
    let error = found(&keys, &issuer, "one", after(STALE + PAUSE)).await.expect_err("too old");
    assert!(error.contains(&issuer.provider.url), "{error}");
    issuer.says(Says::Key("two"));
    let error = found(&keys, &issuer, "two", after(STALE + PAUSE)).await.expect_err("asked just now");
    assert!(error.contains("a moment ago"), "{error}");
    assert_eq!(found(&keys, &issuer, "two", after(STALE + PAUSE * 2)).await, named("two"));
}

#[tokio::test]
async fn what_an_issuer_may_not_say_is_an_error_that_names_it() {
    let cases = [
        (Says::Another, "says that it is the issuer https://elsewhere.example.com"),
        (Says::Nothing, "cannot get"),
        (Says::Redirect, "is no JSON Web Key Set"),
        (Says::Text("no keys".into()), "is no JSON Web Key Set"),
        (Says::Text(r#"{"keys":[]}"#.into()), "without keys"),
        (Says::Text(" ".repeat(LARGEST + 1)), "is larger than"),
    ];
    for (says, needle) in cases {
        let (keys, issuer) = (Keys::default(), Issuer::start(says.clone()).await);
        let error = found(&keys, &issuer, "one", START).await.expect_err("refused");
        assert!(error.contains(needle) && error.contains(&issuer.provider.url), "{says:?}: {error}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_the_issuer_hangs_takes_no_keys_with_it() {
    let (keys, issuer) = (Arc::new(Keys::default()), Issuer::start(Says::Key("one")).await);
    assert_eq!(found(&keys, &issuer, "one", START).await, named("one"));
    issuer.says(Says::Hang);
    issuer.asked();
    let (asking, provider) = (Arc::clone(&keys), issuer.provider.clone());
    let client = tokio::spawn(async move { asking.of(&provider, Some("two"), after(PAUSE)).await.map(drop) });
    while issuer.state.asked.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    client.abort();
    assert!(client.await.expect_err("aborted").is_cancelled());
    assert_eq!(found(&keys, &issuer, "one", after(PAUSE)).await, named("one"));
}
