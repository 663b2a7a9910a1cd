//! TLS of a listener (SEC-2): certificate and key from files, taken up anew when they change.
//!
//! TLS 1.2 and 1.3 with forward secrecy, which is all that rustls speaks. Files are looked at every few seconds and compared by
//! content, since mounted secrets change by renamed folders whose times say little. A certificate that does not fit its key, as
//! between two writes, changes nothing until both are there.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::SharedClock;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One file without the other.
    #[error("--tls.cert-file and --tls.key-file belong together; only one of them is set")]
    Half,
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no usable {what}: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not serve together.
    #[error("the certificate in {} and its key cannot be used: {source}", file.display())]
    Unfit {
        /// The certificate's file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What connections are encrypted with. Cloning shares it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    read: parking_lot::Mutex<Files>,
}

/// The content of both files.
type Files = (Vec<u8>, Vec<u8>);

impl Tls {
    /// Reads certificate and key.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = read(&certificate, &key)?;
        let config = config(&certificate, &key, &files)?;
        let current = ArcSwap::new(config);
        Ok(Self(Arc::new(Inner { certificate, key, current, read: files.into() })))
    }

    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.0.current.load_full()).accept(stream).await
    }

    /// Takes up what the files hold whenever that changes, until the shutdown.
    pub(super) async fn follow_files(self, clock: SharedClock, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = clock.sleep(LOOK_EVERY) => {}
            }
            match self.refresh() {
                Ok(true) => tracing::info!(file = %self.0.certificate.display(), "serving a new certificate"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the certificate in use stays"),
            }
        }
    }

    /// Looks once; whether something new is served now. A failure is told once for each content.
    pub(super) fn refresh(&self) -> Result<bool, TlsError> {
        let Inner { certificate, key, current, read: last } = &*self.0;
        let files = read(certificate, key)?;
        if *last.lock() == files {
            return Ok(false);
        }
        let fresh = config(certificate, key, &files);
        *last.lock() = files;
        current.store(fresh?);
        Ok(true)
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Files, TlsError> {
    let content =
        |file: &Path| fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source });
    Ok((content(certificate)?, content(key)?))
}

fn config(certificate: &Path, key: &Path, files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |file: &Path, what, source| TlsError::Pem { file: file.to_owned(), what, source };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.0)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(certificate, "certificate", error))?;
    let private =
        PrivateKeyDer::from_pem_slice(&files.1).map_err(|error| unusable(key, "private key", error))?;
    let unfit = |source| TlsError::Unfit { file: certificate.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.0.certificate).finish_non_exhaustive()
    }
}
