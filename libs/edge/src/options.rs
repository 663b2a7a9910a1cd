//! What an edge is told, and the flags that tell it.

use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use narthex_audit::AuditSettings;
use narthex_service::{ByteSize, HumanDuration, PublicSettings};

use crate::{PrivateEndpoints, RateOptions, RateSettings, Sharing, path};

/// Whether requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Signature Version 4 on every request.
    SigV4,
    /// None, for a try-out on loopback: every caller acts as the owner of the workspace it names.
    Off,
}

/// What an edge is told.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeOptions {
    /// Region that requests must be signed for.
    pub region: String,
    /// Whether they must be signed.
    pub auth: Auth,
    /// How far a signature's time may be from ours, either way.
    pub max_clock_skew: Duration,
    /// Largest body on the data plane (QUO: 1 MB).
    pub max_body_bytes: usize,
    /// Largest body on the control plane, where documents come in base64.
    pub max_control_body_bytes: usize,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// Requests handled at once.
    pub max_requests_in_flight: u64,
    /// Bytes of bodies held at once.
    pub max_bytes_in_flight: u64,
    /// How many calls a second may be made.
    pub rates: RateOptions,
    /// With whom this process shares the rates.
    pub sharing: Sharing,
    /// Whether `POST /` is the security token service.
    pub sts: bool,
    /// Origins of web pages that may ask; `*` is any.
    pub cors_origins: Vec<String>,
    /// Networks of proxies that tell whose request they forward.
    pub trusted_proxies: Vec<IpNet>,
    /// Path under which clients reach the APIs and which a proxy may have stripped, such as `/narthex`; empty where there is none.
    pub path_prefix: String,
}

impl EdgeOptions {
    /// The documented limits.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            auth: Auth::SigV4,
            max_clock_skew: Duration::from_secs(300),
            max_body_bytes: 1_048_576,
            max_control_body_bytes: 8 << 20,
            body_timeout: Duration::from_secs(60),
            max_requests_in_flight: 4096,
            max_bytes_in_flight: 512 << 20,
            rates: RateOptions::default(),
            sharing: Sharing::Processes(1),
            sts: false,
            cors_origins: vec!["*".into()],
            trusted_proxies: Vec::new(),
            path_prefix: String::new(),
        }
    }

    /// The same, with rates shared by the processes of `sharing`.
    #[must_use]
    pub fn shared_by(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// The same, with the security token service at `POST /`.
    #[must_use]
    pub fn with_sts(self) -> Self {
        Self { sts: true, ..self }
    }
}

/// Limits of the public edge. The defaults are the documented quotas.
#[derive(Debug, Clone, Args)]
pub struct EdgeSettings {
    /// How far the time of a signature may be from this machine's, either way
    #[arg(
        long = "edge.max-clock-skew",
        env = "NARTHEX_EDGE_MAX_CLOCK_SKEW",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub max_clock_skew: HumanDuration,

    /// Largest body of a write or a query, in bytes as received
    #[arg(
        long = "edge.max-body-bytes",
        env = "NARTHEX_EDGE_MAX_BODY_BYTES",
        value_name = "SIZE",
        default_value = "1MiB"
    )]
    pub max_body_bytes: ByteSize,

    /// Largest body of a management request
    #[arg(
        long = "edge.max-control-body-bytes",
        env = "NARTHEX_EDGE_MAX_CONTROL_BODY_BYTES",
        value_name = "SIZE",
        default_value = "8MiB"
    )]
    pub max_control_body_bytes: ByteSize,

    /// How long a client may take to send a request's body
    #[arg(
        long = "edge.body-timeout",
        env = "NARTHEX_EDGE_BODY_TIMEOUT",
        value_name = "DURATION",
        default_value = "1m"
    )]
    pub body_timeout: HumanDuration,

    /// Requests handled at once; more are refused with 503
    #[arg(
        long = "edge.max-requests-in-flight",
        env = "NARTHEX_EDGE_MAX_REQUESTS_IN_FLIGHT",
        value_name = "NUMBER",
        default_value_t = 4096
    )]
    pub max_requests_in_flight: u64,

    /// Bytes of request bodies held at once; more are refused with 503
    #[arg(
        long = "edge.max-bytes-in-flight",
        env = "NARTHEX_EDGE_MAX_BYTES_IN_FLIGHT",
        value_name = "SIZE",
        default_value = "512MiB"
    )]
    pub max_bytes_in_flight: ByteSize,

    /// Origins of web pages that may ask, as scheme and host, separated by commas; * stands for every one
    #[arg(
        long = "edge.cors-origins",
        env = "NARTHEX_EDGE_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ',',
        default_value = "*"
    )]
    pub cors_origins: Vec<String>,

    /// Networks (10.0.0.0/8) of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas
    #[arg(
        long = "edge.trusted-proxies",
        env = "NARTHEX_EDGE_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// File (YAML) that lists private endpoints: further listeners, each for one API and with a policy of its own
    #[arg(
        long = "edge.private-endpoints",
        env = "NARTHEX_EDGE_PRIVATE_ENDPOINTS",
        value_name = "FILE",
        value_parser = PrivateEndpoints::read
    )]
    pub private_endpoints: Option<PrivateEndpoints>,

    /// How many calls a second may be made.
    #[command(flatten)]
    pub rates: RateSettings,

    /// What is recorded of calls.
    #[command(flatten)]
    pub audit: AuditSettings,
}

impl EdgeSettings {
    /// The private endpoints that the file lists; none without one.
    pub fn private_endpoints(&self) -> PrivateEndpoints {
        self.private_endpoints.clone().unwrap_or_default()
    }

    /// The options of an edge with these limits.
    pub fn options(&self, public: &PublicSettings) -> EdgeOptions {
        EdgeOptions {
            region: public.region.clone(),
            auth: if public.no_auth { Auth::Off } else { Auth::SigV4 },
            max_clock_skew: self.max_clock_skew.get(),
            max_body_bytes: self.max_body_bytes.as_usize(),
            max_control_body_bytes: self.max_control_body_bytes.as_usize(),
            body_timeout: self.body_timeout.get(),
            max_requests_in_flight: self.max_requests_in_flight,
            max_bytes_in_flight: self.max_bytes_in_flight.bytes(),
            rates: self.rates.options(),
            sharing: Sharing::Processes(1),
            sts: false,
            cors_origins: self.cors_origins.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            path_prefix: public.public_url.as_deref().map(path::prefix_of).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        public: PublicSettings,
        #[command(flatten)]
        edge: EdgeSettings,
    }

    #[test]
    fn the_flags_default_to_the_documented_limits() {
        let config: Config = narthex_service::config::parse_from(["test"]).expect("valid");
        assert_eq!(config.edge.options(&config.public), EdgeOptions::new("us-east-1"));
        let config: Config =
            narthex_service::config::parse_from(["test", "--no-auth", "--edge.max-body-bytes=2MiB"])
                .expect("valid");
        let options = config.edge.options(&config.public);
        assert_eq!((options.auth, options.max_body_bytes), (Auth::Off, 2 << 20));
        let config: Config = narthex_service::config::parse_from([
            "test",
            "--public-url=https://example.com/metrics/",
            "--edge.trusted-proxies=10.0.0.0/8,fd00::/8",
            "--edge.cors-origins=https://a.example,https://b.example",
        ])
        .expect("valid");
        let options = config.edge.options(&config.public);
        assert_eq!(options.path_prefix, "/metrics");
        assert_eq!((options.trusted_proxies.len(), options.cors_origins.len()), (2, 2));
    }
}
