//! Settings that several services share under the same keys. Each service flattens the groups it needs into its own.

use std::net::SocketAddr;

use clap::Args;

use crate::DataClockSetting;

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

    /// URL under which clients reach the public API, without a slash at the end. Unset: http://LISTEN
    #[arg(long = "public-url", env = "NARTHEX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Accept unsigned requests, as a try-out; every listener must then be a loopback address
    #[arg(long = "no-auth", env = "NARTHEX_NO_AUTH")]
    pub no_auth: bool,
}

impl PublicSettings {
    /// Refuses a listener that others can reach while requests are not authenticated.
    pub fn check_listen(&self, listen: SocketAddr) -> Result<(), OpenListener> {
        if self.no_auth && !listen.ip().is_loopback() { Err(OpenListener(listen)) } else { Ok(()) }
    }

    /// The URL that clients use, without a slash at the end: as set, or that of the listen address.
    pub fn url(&self, listen: SocketAddr) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{listen}"));
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

    #[test]
    fn only_loopback_may_go_unsigned() {
        let settings = |no_auth| PublicSettings { region: "us-east-1".into(), public_url: None, no_auth };
        let (inside, outside) =
            ("127.0.0.1:9009".parse().expect("valid"), "0.0.0.0:9009".parse().expect("valid"));
        assert_eq!(settings(true).check_listen(inside), Ok(()));
        assert_eq!(settings(true).check_listen(outside), Err(OpenListener(outside)));
        assert_eq!(settings(false).check_listen(outside), Ok(()));
        assert_eq!(settings(false).url(inside), "http://127.0.0.1:9009");
    }
}
