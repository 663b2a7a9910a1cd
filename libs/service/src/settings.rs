//! Settings that several services share under the same keys. Each service flattens the groups it needs into its own.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{
    DataClockSetting, HumanDuration,
    server::{ServerOptions, Tls, TlsError},
};

/// Who this process is in the cluster, and where it finds the control plane.
#[derive(Debug, Clone, Args)]
pub struct MemberSettings {
    /// Name of this process, unique in the cluster and stable over restarts. Unset: SERVICE-ZONE-ORDINAL
    #[arg(long = "instance", env = "NARTHEX_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,

    /// Availability zone this process runs in
    #[arg(long = "zone", env = "NARTHEX_ZONE", value_name = "ZONE", default_value = "zone-a")]
    pub zone: String,

    /// Number of this process among those of its service in its zone, from 0. An ingester owns the partition of this number
    #[arg(long = "ordinal", env = "NARTHEX_ORDINAL", value_name = "NUMBER", default_value_t = 0)]
    pub ordinal: u32,

    /// gRPC addresses (host:port) of all control-plane nodes, separated by commas
    #[arg(
        long = "control-plane.addresses",
        env = "NARTHEX_CONTROL_PLANE_ADDRESSES",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:9101"
    )]
    pub control_plane_addresses: Vec<String>,

    /// Address (host:port) under which other processes reach this one's gRPC. Unset: the listen address
    #[arg(long = "advertise-address", env = "NARTHEX_ADVERTISE_ADDRESS", value_name = "HOST:PORT")]
    pub advertise_address: Option<String>,
}

impl MemberSettings {
    /// The name as set, or `service-zone-ordinal`.
    pub fn instance_name(&self, service: &str) -> String {
        self.instance.clone().unwrap_or_else(|| format!("{service}-{}-{}", self.zone, self.ordinal))
    }
}

/// How the deployment presents itself to AWS clients.
#[derive(Debug, Clone, Args)]
pub struct PublicSettings {
    /// Region that requests are signed for and that ARNs name
    #[arg(long = "region", env = "NARTHEX_REGION", value_name = "REGION", default_value = "us-east-1")]
    pub region: String,

    /// URL under which clients reach the public API, without a slash at the end. A path in it may be stripped by a proxy or not;
    /// the Host header must reach us as the client sent it. Unset: http://LISTEN, or https:// with TLS
    #[arg(long = "public-url", env = "NARTHEX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Accept unsigned requests, as a try-out; every listener must then be a loopback address
    #[arg(long = "no-auth", env = "NARTHEX_NO_AUTH")]
    pub no_auth: bool,

    /// Encryption of public listeners.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// What public listeners bear of clients.
    #[command(flatten)]
    pub server: ServerSettings,
}

/// Certificate and key of public listeners (WS-4, SEC-2). With them a listener speaks TLS 1.2 and 1.3 only, /ready, /live and
/// /metrics included unless --admin-listen is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct TlsSettings {
    /// File (PEM) with the certificate of public listeners and those that lead to its authority. Read again when it changes.
    /// Unset: no TLS, as behind a proxy that ends it
    #[arg(id = "tls.cert-file", long = "tls.cert-file", env = "NARTHEX_TLS_CERT_FILE", value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,

    /// File (PEM) with the certificate's private key. Read again when it changes
    #[arg(id = "tls.key-file", long = "tls.key-file", env = "NARTHEX_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,
}

impl TlsSettings {
    /// Reads the files, if there are any.
    pub fn open(&self) -> Result<Option<Tls>, TlsError> {
        match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(certificate), Some(key)) => Tls::open(certificate.clone(), key.clone()).map(Some),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(TlsError::Half),
        }
    }
}

/// What public listeners bear of slow and of many clients.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// How long a client may take to send the head of a request, or to begin one on a connection that it keeps
    #[arg(
        id = "server.header-timeout",
        long = "server.header-timeout",
        env = "NARTHEX_SERVER_HEADER_TIMEOUT",
        value_name = "DURATION",
        default_value_t = HumanDuration::from_secs(75)
    )]
    pub header_timeout: HumanDuration,

    /// How long a connection may stay without a byte in either direction, as where a client does not read its reply
    #[arg(
        id = "server.idle-timeout",
        long = "server.idle-timeout",
        env = "NARTHEX_SERVER_IDLE_TIMEOUT",
        value_name = "DURATION",
        default_value_t = HumanDuration::from_secs(300)
    )]
    pub idle_timeout: HumanDuration,

    /// How long requests may run on after the shutdown began
    #[arg(
        id = "server.drain-timeout",
        long = "server.drain-timeout",
        env = "NARTHEX_SERVER_DRAIN_TIMEOUT",
        value_name = "DURATION",
        default_value_t = HumanDuration::from_secs(30)
    )]
    pub drain_timeout: HumanDuration,

    /// Connections served at once; more wait to be accepted
    #[arg(
        id = "server.max-connections",
        long = "server.max-connections",
        env = "NARTHEX_SERVER_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 16_384
    )]
    pub max_connections: usize,
}

impl ServerSettings {
    /// The limits as set; the others as they are for clients outside the cluster.
    pub const fn options(&self) -> ServerOptions {
        ServerOptions {
            header_timeout: self.header_timeout.get(),
            idle_timeout: self.idle_timeout.get(),
            drain_timeout: self.drain_timeout.get(),
            max_connections: self.max_connections,
            ..ServerOptions::http()
        }
    }
}

impl PublicSettings {
    /// Refuses a listener that others can reach while requests are not authenticated.
    pub fn check_listen(&self, listen: SocketAddr) -> Result<(), OpenListener> {
        if self.no_auth && !listen.ip().is_loopback() { Err(OpenListener(listen)) } else { Ok(()) }
    }

    /// The URL that clients use, without a slash at the end: as set, or that of the listen address.
    pub fn url(&self, listen: SocketAddr) -> String {
        let scheme = if self.tls.tls_cert_file.is_some() { "https" } else { "http" };
        let url = self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{listen}"));
        url.trim_end_matches('/').to_owned()
    }
}

/// Unauthenticated requests would be accepted from other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--no-auth needs a loopback address, and {0} is none; listen on 127.0.0.1 or leave authentication on"
)]
pub struct OpenListener(pub SocketAddr);

/// Time that samples are judged by.
#[derive(Debug, Clone, Args)]
pub struct DataClockSettings {
    /// Run the clock that judges samples apart from the wall clock: its start in Unix milliseconds and its speed.
    /// For tests and for loading history in time order
    #[arg(long = "data-clock", env = "NARTHEX_DATA_CLOCK", value_name = "START,RATE")]
    pub data_clock: Option<DataClockSetting>,
}

/// Where `/metrics`, `/ready` and `/live` answer.
#[derive(Debug, Clone, Args)]
pub struct AdminSettings {
    /// Separate address for /metrics, /ready and /live. Unset: the service's HTTP listen address
    #[arg(long = "admin-listen", env = "NARTHEX_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Config {
        #[command(flatten)]
        public: PublicSettings,
    }

    fn parse(args: &[&str]) -> Result<PublicSettings, crate::ConfigError> {
        let args = ["test"].into_iter().chain(args.iter().copied());
        crate::config::parse_from(args).map(|config: Config| config.public)
    }

    #[test]
    fn only_loopback_may_go_unsigned() {
        let settings = |no_auth| parse(if no_auth { &["--no-auth"] } else { &[] }).expect("valid");
        let (inside, outside) =
            ("127.0.0.1:9009".parse().expect("valid"), "0.0.0.0:9009".parse().expect("valid"));
        assert_eq!(settings(true).check_listen(inside), Ok(()));
        assert_eq!(settings(true).check_listen(outside), Err(OpenListener(outside)));
        assert_eq!(settings(false).check_listen(outside), Ok(()));
        assert_eq!(settings(false).url(inside), "http://127.0.0.1:9009");
        let encrypted = parse(&["--tls.cert-file=c", "--tls.key-file=k"]).expect("valid");
        assert_eq!(encrypted.url(inside), "https://127.0.0.1:9009");
    }

    #[test]
    fn a_certificate_without_key_is_refused() {
        for half in ["--tls.cert-file=c", "--tls.key-file=k"] {
            let opened = parse(&[half]).expect("valid by itself").tls.open();
            assert!(matches!(opened, Err(TlsError::Half)), "{half}");
        }
        assert!(parse(&[]).expect("valid").tls.open().expect("nothing to read").is_none());
    }

    #[test]
    fn limits_default_to_those_for_clients_outside() {
        assert_eq!(parse(&[]).expect("valid").server.options(), ServerOptions::http());
        let set = parse(&["--server.idle-timeout=10s", "--server.max-connections=5"]).expect("valid");
        assert_eq!(
            (set.server.options().idle_timeout.as_secs(), set.server.options().max_connections),
            (10, 5)
        );
    }
}
