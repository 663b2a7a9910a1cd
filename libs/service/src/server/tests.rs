//! Real sockets on loopback; every wait is for a condition, with a deadline.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use axum::{body::Body, routing::get};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::*;

/// Longer than any of these tests may take.
const DEADLINE: Duration = Duration::from_secs(20);

fn quick() -> ServerOptions {
    ServerOptions {
        header_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        drain_timeout: Duration::from_millis(300),
        ..ServerOptions::http()
    }
}

async fn start(router: Router, options: ServerOptions) -> (Serving, Components) {
    let components = Components::from_system(None);
    let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    (serve(listener, router, options, &components).expect("served"), components)
}

fn client(http2: bool) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

async fn fetch(
    client: &Client<HttpConnector, Body>,
    address: SocketAddr,
    path: &str,
) -> (http::Version, String) {
    let uri = format!("http://{address}{path}").parse().expect("valid");
    let response = client.get(uri).await.expect("a reply");
    let version = response.version();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (version, String::from_utf8(body.to_vec()).expect("text"))
}

/// Reads until the server closes the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match crate::timeout(crate::SystemClock::shared().as_ref(), DEADLINE, stream.read_to_end(&mut text)).await
    {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        Err(elapsed) => panic!("the connection stays open: {elapsed}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn one_port_speaks_both_protocols() {
    let (serving, components) =
        start(Router::new().route("/", get(async || "hello")), ServerOptions::http()).await;
    let address = serving.local_addr();
    assert_ne!(address.port(), 0);
    assert_eq!(fetch(&client(false), address, "/").await, (http::Version::HTTP_11, "hello".into()));
    assert_eq!(fetch(&client(true), address, "/").await, (http::Version::HTTP_2, "hello".into()));
    components.shutdown.cancel();
    serving.stopped().await;
    let refused = TcpStream::connect(address).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = taken.local_addr().expect("bound");
    let error = bind(address).await.expect_err("taken").to_string();
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}

#[tokio::test]
async fn silent_and_slow_clients_lose_their_connection() {
    let never = Router::new().route("/", axum::routing::post(async |_: axum::body::Bytes| "read"));
    let (serving, _components) = start(never, quick()).await;
    for sent in [
        "",
        "P",
        "POST / HT",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut stream = TcpStream::connect(serving.local_addr()).await.expect("connected");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        let reply = read_to_end(&mut stream).await;
        assert!(!reply.contains("200"), "{sent:?}: {reply}");
    }
}

#[tokio::test]
async fn a_request_in_flight_finishes_and_then_the_server_stops() {
    let (entered, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, go) = (entered.clone(), proceed.clone());
    let handler = async move || {
        seen.notify_one();
        go.notified().await;
        "finished"
    };
    let options = ServerOptions { drain_timeout: DEADLINE, ..ServerOptions::http() };
    let (serving, components) = start(Router::new().route("/", get(handler)), options).await;
    let address = serving.local_addr();
    let request = tokio::spawn(async move { fetch(&client(false), address, "/").await.1 });
    let idle = TcpStream::connect(address).await.expect("connected");
    entered.notified().await;
    components.shutdown.cancel();
    proceed.notify_one();
    assert_eq!(request.await.expect("no panic"), "finished");
    serving.stopped().await;
    drop(idle);
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_at_the_deadline() {
    let entered = Arc::new(Notify::new());
    let seen = entered.clone();
    let handler = async move || {
        seen.notify_one();
        std::future::pending::<()>().await;
    };
    let options = ServerOptions { idle_timeout: DEADLINE, ..quick() };
    let (serving, components) = start(Router::new().route("/", get(handler)), options).await;
    let mut stream = TcpStream::connect(serving.local_addr()).await.expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    entered.notified().await;
    let clock = components.clock.clone();
    let began = clock.monotonic();
    components.shutdown.cancel();
    serving.stopped().await;
    assert!(clock.monotonic().saturating_sub(began) >= Duration::from_millis(300), "the deadline is kept");
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn more_connections_than_the_limit_wait_their_turn() {
    let options = ServerOptions { max_connections: 1, ..ServerOptions::http() };
    let (serving, _components) = start(Router::new().route("/", get(async || "hello")), options).await;
    let first = TcpStream::connect(serving.local_addr()).await.expect("connected");
    let mut second =
        TcpStream::connect(serving.local_addr()).await.expect("connected, in the kernel's queue");
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    drop(first);
    assert!(read_to_end(&mut second).await.ends_with("hello"));
}
