//! Flags of the audit log.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use clap::Args;
use narthex_bucket::{BucketArgs, BucketUrl, Secret};
use narthex_model::WorkspaceId;
use narthex_service::{ByteSize, HumanDuration};

/// What is recorded, and where.
#[derive(Debug, Clone, Args)]
pub struct AuditSettings {
    /// Where management calls are recorded, a line of JSON each: a file, stdout, or none. Unset: none; in the all-in-one a file
    /// in --data-dir
    #[arg(id = "audit.log", long = "audit.log", env = "NARTHEX_AUDIT_LOG", value_name = "FILE")]
    pub log: Option<LogTarget>,

    /// The file turns over before it is larger than this
    #[arg(
        id = "audit.log-max-size",
        long = "audit.log-max-size",
        env = "NARTHEX_AUDIT_LOG_MAX_SIZE",
        value_name = "SIZE",
        default_value = "64MiB"
    )]
    pub log_max_size: ByteSize,

    /// Files kept besides the one that is written
    #[arg(
        id = "audit.log-max-files",
        long = "audit.log-max-files",
        env = "NARTHEX_AUDIT_LOG_MAX_FILES",
        value_name = "NUMBER",
        default_value_t = 100
    )]
    pub log_max_files: usize,

    /// Files that were turned over this long ago are removed
    #[arg(
        id = "audit.log-max-age",
        long = "audit.log-max-age",
        env = "NARTHEX_AUDIT_LOG_MAX_AGE",
        value_name = "DURATION",
        default_value = "90d"
    )]
    pub log_max_age: HumanDuration,

    /// Workspaces whose Prometheus-compatible calls are recorded too, by their ids, separated by commas; * stands for all
    #[arg(
        id = "audit.data-events",
        long = "audit.data-events",
        env = "NARTHEX_AUDIT_DATA_EVENTS",
        value_name = "WORKSPACE",
        value_delimiter = ','
    )]
    pub data_events: Vec<DataEvents>,

    /// Records that may wait to be written. With more a management call waits for up to a second, any other record is lost
    #[arg(
        id = "audit.queue-size",
        long = "audit.queue-size",
        env = "NARTHEX_AUDIT_QUEUE_SIZE",
        value_name = "NUMBER",
        default_value_t = 8192
    )]
    pub queue_size: usize,

    /// Log files in a bucket.
    #[command(flatten)]
    pub bucket: AuditBucketSettings,
}

/// Log files in a bucket, named as CloudTrail names them.
#[derive(Debug, Clone, Args)]
pub struct AuditBucketSettings {
    /// Bucket and prefix for log files of the audit log, as s3://NAME/PREFIX: compressed, below AWSLogs/ACCOUNT/CloudTrail/.
    /// Unset: none
    #[arg(
        id = "audit.bucket-url",
        long = "audit.bucket-url",
        env = "NARTHEX_AUDIT_BUCKET_URL",
        value_name = "URL"
    )]
    pub url: Option<BucketUrl>,

    /// As --bucket.endpoint, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-endpoint",
        long = "audit.bucket-endpoint",
        env = "NARTHEX_AUDIT_BUCKET_ENDPOINT",
        value_name = "URL"
    )]
    pub endpoint: Option<String>,

    /// As --bucket.region, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-region",
        long = "audit.bucket-region",
        env = "NARTHEX_AUDIT_BUCKET_REGION",
        value_name = "REGION"
    )]
    pub region: Option<String>,

    /// As --bucket.virtual-host, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-virtual-host",
        long = "audit.bucket-virtual-host",
        env = "NARTHEX_AUDIT_BUCKET_VIRTUAL_HOST"
    )]
    pub virtual_host: bool,

    /// As --bucket.allow-http, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-allow-http",
        long = "audit.bucket-allow-http",
        env = "NARTHEX_AUDIT_BUCKET_ALLOW_HTTP"
    )]
    pub allow_http: bool,

    /// As --bucket.ca-file, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-ca-file",
        long = "audit.bucket-ca-file",
        env = "NARTHEX_AUDIT_BUCKET_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,

    /// As --bucket.access-key-id, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-access-key-id",
        long = "audit.bucket-access-key-id",
        env = "NARTHEX_AUDIT_BUCKET_ACCESS_KEY_ID",
        value_name = "ID"
    )]
    pub access_key_id: Option<String>,

    /// As --bucket.secret-access-key, for the bucket of the audit log
    #[arg(
        id = "audit.bucket-secret-access-key",
        long = "audit.bucket-secret-access-key",
        env = "NARTHEX_AUDIT_BUCKET_SECRET_ACCESS_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub secret_access_key: Option<Secret>,

    /// A log file is written when its first record is this old
    #[arg(
        id = "audit.bucket-max-wait",
        long = "audit.bucket-max-wait",
        env = "NARTHEX_AUDIT_BUCKET_MAX_WAIT",
        value_name = "DURATION",
        default_value = "1m"
    )]
    pub max_wait: HumanDuration,

    /// A log file is written when its records have this size, before compression
    #[arg(
        id = "audit.bucket-batch-size",
        long = "audit.bucket-batch-size",
        env = "NARTHEX_AUDIT_BUCKET_BATCH_SIZE",
        value_name = "SIZE",
        default_value = "4MiB"
    )]
    pub batch_size: ByteSize,
}

impl AuditBucketSettings {
    /// The bucket as others are set, if one is named.
    pub(crate) fn args(&self) -> Option<BucketArgs> {
        Some(BucketArgs {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            virtual_host: self.virtual_host,
            allow_http: self.allow_http,
            ca_file: self.ca_file.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            ..BucketArgs::new(self.url.clone()?)
        })
    }
}

impl AuditSettings {
    /// The same, with this file where no place is set.
    #[must_use]
    pub fn or_file(&self, file: PathBuf) -> Self {
        let log = self.log.clone().unwrap_or(LogTarget::File(file));
        Self { log: Some(log), ..self.clone() }
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Nowhere.
    None,
    /// Standard output.
    Stdout,
    /// A file that turns over.
    File(PathBuf),
}

impl FromStr for LogTarget {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "" | "none" => Self::None,
            "stdout" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
}

/// Whose data calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataEvents {
    /// Those of every workspace.
    All,
    /// Those of one.
    Of(WorkspaceId),
}

impl FromStr for DataEvents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "*" => Ok(Self::All),
            id => id.parse().map(Self::Of).map_err(|error: narthex_model::IdError| error.to_string()),
        }
    }
}

impl fmt::Display for DataEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Of(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        audit: AuditSettings,
    }

    pub(crate) fn parse(args: &[&str]) -> Result<AuditSettings, narthex_service::ConfigError> {
        let args = ["test"].into_iter().chain(args.iter().copied());
        narthex_service::config::parse_from(args).map(|config: Config| config.audit)
    }

    #[test]
    fn nothing_is_recorded_unless_a_place_is_set() {
        let unset = parse(&[]).expect("valid");
        assert!(unset.log.is_none() && unset.bucket.args().is_none() && unset.data_events.is_empty());
        assert_eq!(
            unset.or_file("/data/audit.log".into()).log,
            Some(LogTarget::File("/data/audit.log".into()))
        );
        let off = parse(&["--audit.log=none"]).expect("valid").or_file("/x".into());
        assert_eq!(off.log, Some(LogTarget::None), "none is none in the all-in-one too");
        let set =
            parse(&["--audit.log=stdout", "--audit.bucket-url=s3://logs/trail", "--audit.bucket-allow-http"]);
        let set = set.expect("valid");
        assert_eq!(set.log, Some(LogTarget::Stdout));
        assert!(set.bucket.args().is_some_and(|args| args.allow_http));
    }

    #[test]
    fn data_calls_are_chosen_by_workspace() {
        let id = "ws-b226cc2a-a446-46a9-933a-ac50479a5568";
        let set = parse(&[&format!("--audit.data-events={id},*")]).expect("valid").data_events;
        assert_eq!(set, [DataEvents::Of(id.parse().expect("an id")), DataEvents::All]);
        assert!(parse(&["--audit.data-events=all"]).is_err());
    }
}
