//! Settings of the all-in-one: its own few, and those of the services it hosts under the same keys.

use std::net::SocketAddr;

use clap::Parser;
use narthex_bucket::{BucketArgs, BucketUrl};
use narthex_compactor::{CollectArgs, CompactArgs};
use narthex_control_plane::Limits;
use narthex_distributor::WriteArgs;
use narthex_edge::{AuditSettings, EdgeSettings};
use narthex_ingester::DataArgs;
use narthex_querier::QueryArgs;
use narthex_service::{AdminSettings, DataClockSettings, PublicSettings};
use narthex_store_gateway::BlockArgs;
use narthex_telemetry::TelemetrySettings;

const DATA_DIR: &str =
    "Folder of everything that is kept: state, write-ahead log, chunks, and the files for clients";
const BUCKET_URL: &str = "Where blocks are kept: s3://NAME/PREFIX, gs://NAME/PREFIX, azure://CONTAINER/PREFIX, or \
    file:///DIRECTORY. Unset: the folder bucket in --data-dir";

/// Narthex, a self-hosted Amazon Managed Service for Prometheus, in one process.
///
/// Takes Prometheus remote write, answers PromQL and speaks the AMP API, all on one address. The first start creates an account, an
/// access key and a workspace, and writes DIR/client.env for shells, DIR/prometheus.yml for Prometheus and DIR/grafana.yaml for Grafana.
///
/// `narthex cluster --help` tells how to run three zones of separate processes on this machine.
#[derive(Debug, Clone, Parser)]
#[command(mut_arg("data_dir", |arg| arg.default_value("./data").help(DATA_DIR)))]
#[command(mut_arg("bucket.url", |arg| arg.help(BUCKET_URL)))]
#[command(
    name = "narthex",
    version,
    after_help = "Every flag is also a key of the --config file and an environment variable; flags win over the \
    environment, the environment over the file."
)]
pub(crate) struct Config {
    /// Address of all APIs
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9009"
    )]
    pub(crate) listen: SocketAddr,

    /// gRPC address at which `narthex admin` reaches the control plane in this process, to look at it and to change identities.
    /// Whoever reaches it may do everything. Unset: none
    #[arg(long = "grpc-listen", env = "NARTHEX_GRPC_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) grpc_listen: Option<SocketAddr>,

    /// How the deployment presents itself.
    #[command(flatten)]
    pub(crate) public: PublicSettings,

    /// What the edge lets in.
    #[command(flatten)]
    pub(crate) edge: EdgeSettings,

    /// What workspaces and accounts may have.
    #[command(flatten)]
    pub(crate) limits: Limits,

    /// Where operators look.
    #[command(flatten)]
    pub(crate) admin: AdminSettings,

    /// Time that samples are judged by.
    #[command(flatten)]
    pub(crate) data_clock: DataClockSettings,

    /// Where everything is kept, and how samples are.
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Where blocks are kept.
    #[command(flatten)]
    pub(crate) bucket: BucketArgs,

    /// How blocks are read.
    #[command(flatten)]
    pub(crate) blocks: BlockArgs,

    /// When the bucket is tidied.
    #[command(flatten)]
    pub(crate) collect: CollectArgs,

    /// How blocks are merged.
    #[command(flatten)]
    pub(crate) compact: CompactArgs,

    /// How writes are judged.
    #[command(flatten)]
    pub(crate) write: WriteArgs,

    /// How queries run.
    #[command(flatten)]
    pub(crate) query: QueryArgs,

    /// Logs and traces.
    #[command(flatten)]
    pub(crate) telemetry: TelemetrySettings,
}

impl Config {
    /// The audit log as set, or a file in the data directory.
    pub(super) fn audit(&self) -> AuditSettings {
        self.edge.audit.or_file(self.data.data_dir.join("audit/audit.log"))
    }

    /// The bucket as set, or the folder in the data directory.
    pub(super) fn bucket(&self) -> std::io::Result<BucketArgs> {
        let mut bucket = self.bucket.clone();
        if bucket.url.is_none() {
            bucket.url = Some(BucketUrl::Directory(std::path::absolute(&self.data.data_dir)?.join("bucket")));
        }
        Ok(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_lies_in_the_data_directory_unless_another_is_named() {
        let parse = |args: &[&str]| -> Config {
            let args = ["narthex"].into_iter().chain(args.iter().copied());
            narthex_service::config::parse_from(args).expect("valid")
        };
        let own = parse(&["--data-dir=/"]).bucket().expect("a path");
        assert_eq!(own.url, Some(BucketUrl::Directory("/bucket".into())));
        let other = parse(&["--data-dir=/", "--bucket.url=s3://metrics"]).bucket().expect("a path");
        assert_eq!(other.url.map(|url| url.to_string()).as_deref(), Some("s3://metrics"));
    }
}
