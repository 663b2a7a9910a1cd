//! Listeners with TLS: what they speak, and certificates that change.

use std::{fs, path::Path, sync::Arc, time::Duration};

use axum::{Extension, routing::get};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{HumanDuration, ServerSettings, TlsSettings};

/// Writes a certificate for localhost and its key; returns the certificate.
fn write(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.join("cert.pem"), cert.pem()).expect("written");
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).expect("written");
    cert.der().clone()
}

fn settings(folder: &Path) -> PublicSettings {
    PublicSettings {
        region: "us-east-1".into(),
        public_url: None,
        no_auth: false,
        tls: TlsSettings {
            tls_cert_file: Some(folder.join("cert.pem")),
            tls_key_file: Some(folder.join("key.pem")),
        },
        server: ServerSettings {
            header_timeout: HumanDuration::from_millis(300),
            idle_timeout: HumanDuration::from_secs(60),
            drain_timeout: HumanDuration::from_secs(1),
            max_connections: 100,
        },
    }
}

async fn start(folder: &Path) -> (Serving, Components) {
    let components = Components::from_system(None);
    let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let peer = async |Extension(peer): Extension<Peer>| format!("{} {}", peer.address.ip(), peer.tls);
    let router = Router::new().route("/", get(peer));
    (serve_public(listener, router, &settings(folder), &components).expect("served"), components)
}

/// What a client that trusts `root` gets.
async fn fetch(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn a_listener_with_a_certificate_speaks_both_versions_and_tells_so() {
    let folder = TempDir::new().expect("a folder");
    let root = write(folder.path());
    let (serving, components) = start(folder.path()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let reply = fetch(serving.local_addr(), &root, &[version]).await.expect("a reply");
        assert!(reply.ends_with("127.0.0.1 true"), "{version:?}: {reply}");
    }
    let mut plain = TcpStream::connect(serving.local_addr()).await.expect("connected");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut reply = Vec::new();
    let _ = plain.read_to_end(&mut reply).await;
    assert!(!String::from_utf8_lossy(&reply).contains("HTTP/1.1"), "{reply:?}");
    components.shutdown.cancel();
    serving.stopped().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_ended() {
    let folder = TempDir::new().expect("a folder");
    write(folder.path());
    let (serving, components) = start(folder.path()).await;
    let mut silent = TcpStream::connect(serving.local_addr()).await.expect("connected");
    silent.write_all(&[0x16, 0x03]).await.expect("sent");
    let began = components.clock.monotonic();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    assert!(components.clock.monotonic().saturating_sub(began) < Duration::from_secs(10));
}

#[tokio::test]
async fn a_changed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let folder = TempDir::new().expect("a folder");
    let first = write(folder.path());
    let tls = settings(folder.path()).tls.open().expect("readable").expect("set");
    assert!(!tls.refresh().expect("readable"), "nothing changed");
    let components = Components::from_system(None);
    let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let router = Router::new().route("/", get(async || "hello"));
    let serving =
        serve_with(listener, router, ServerOptions::http(), Some(tls.clone()), &components).expect("served");
    let get = async |root: &CertificateDer<'static>| {
        fetch(serving.local_addr(), root, &[&rustls::version::TLS13])
            .await
            .is_ok_and(|text| text.ends_with("hello"))
    };
    assert!(get(&first).await);

    let old_key = fs::read(folder.path().join("key.pem")).expect("there");
    let second = write(folder.path());
    let new_key = fs::read(folder.path().join("key.pem")).expect("there");
    fs::write(folder.path().join("key.pem"), old_key).expect("written");
    assert!(matches!(tls.refresh(), Err(TlsError::Unfit { .. })), "the certificate came before its key");
    assert!(!tls.refresh().expect("told once"), "nothing new");
    assert!(get(&first).await && !get(&second).await);
    fs::write(folder.path().join("key.pem"), new_key).expect("written");
    assert!(tls.refresh().expect("fits"));
    assert!(get(&second).await && !get(&first).await);

    fs::write(folder.path().join("cert.pem"), "no certificate").expect("written");
    assert!(matches!(tls.refresh(), Err(TlsError::Unfit { .. } | TlsError::Pem { .. })));
    fs::remove_file(folder.path().join("key.pem")).expect("there");
    assert!(matches!(tls.refresh(), Err(TlsError::Read { .. })));
    assert!(get(&second).await, "what is in use stays");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = TempDir::new().expect("a folder");
    let error = settings(folder.path()).tls.open().expect_err("nothing there").to_string();
    assert!(error.contains("cannot read") && error.contains("cert.pem"), "{error}");
    write(folder.path());
    fs::write(folder.path().join("key.pem"), "nothing").expect("written");
    let error = settings(folder.path()).tls.open().expect_err("no key").to_string();
    assert!(error.contains("key.pem holds no usable private key"), "{error}");
}
