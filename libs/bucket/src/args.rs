//! Settings of a bucket, flattened into every service that uses one.
//!
//! What a provider's own tools read from the environment is read too (`AWS_...`, `GOOGLE_...`, `AZURE_...`), roles of pods
//! and machines included; a setting here wins over it.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use clap::Args;
use narthex_service::{ByteSize, HumanDuration};

use crate::BucketUrl;

/// Where blocks and manifests are kept, and how hard the bucket is asked.
#[derive(Debug, Clone, Args)]
pub struct BucketArgs {
    /// The bucket: s3://NAME/PREFIX, gs://NAME/PREFIX, azure://CONTAINER/PREFIX, file:///DIRECTORY, or memory: for a try-out.
    /// The prefix may be left out; every key begins with it
    #[arg(id = "bucket.url", long = "bucket.url", env = "NARTHEX_BUCKET_URL", value_name = "URL")]
    pub url: Option<BucketUrl>,

    /// Address of a server that speaks the provider's protocol, such as s3.example.com with https:// before it. Unset: the provider's own
    #[arg(
        id = "bucket.endpoint",
        long = "bucket.endpoint",
        env = "NARTHEX_BUCKET_ENDPOINT",
        value_name = "URL"
    )]
    pub endpoint: Option<String>,

    /// Region of an S3 bucket. Unset: AWS_REGION, or us-east-1
    #[arg(
        id = "bucket.region",
        long = "bucket.region",
        env = "NARTHEX_BUCKET_REGION",
        value_name = "REGION"
    )]
    pub region: Option<String>,

    /// Put the name of an S3 bucket into the host (NAME.s3.example.com) and not into the path (s3.example.com/NAME)
    #[arg(id = "bucket.virtual-host", long = "bucket.virtual-host", env = "NARTHEX_BUCKET_VIRTUAL_HOST")]
    pub virtual_host: bool,

    /// Accept an endpoint without TLS, as inside a private network
    #[arg(id = "bucket.allow-http", long = "bucket.allow-http", env = "NARTHEX_BUCKET_ALLOW_HTTP")]
    pub allow_http: bool,

    /// Certificates (PEM) that the bucket's server may be signed by, besides those that this machine trusts
    #[arg(
        id = "bucket.ca-file",
        long = "bucket.ca-file",
        env = "NARTHEX_BUCKET_CA_FILE",
        value_name = "FILE"
    )]
    pub ca_file: Option<PathBuf>,

    /// Access key id for S3; name of the storage account for Azure. Unset: what the provider's tools would use here: its
    /// environment variables, a role for this pod (IRSA, workload identity) or for this machine
    #[arg(
        id = "bucket.access-key-id",
        long = "bucket.access-key-id",
        env = "NARTHEX_BUCKET_ACCESS_KEY_ID",
        value_name = "ID"
    )]
    pub access_key_id: Option<String>,

    /// Secret key to --bucket.access-key-id. Better given by environment or file: a command line is visible to others
    #[arg(
        id = "bucket.secret-access-key",
        long = "bucket.secret-access-key",
        env = "NARTHEX_BUCKET_SECRET_ACCESS_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub secret_access_key: Option<Secret>,

    /// Longest time for one request, its body included
    #[arg(
        id = "bucket.request-timeout", long = "bucket.request-timeout",
        env = "NARTHEX_BUCKET_REQUEST_TIMEOUT",
        value_name = "DURATION",
        default_value_t = DEFAULT_REQUEST_TIMEOUT
    )]
    pub request_timeout: HumanDuration,

    /// How often one request may be repeated after a failure that may pass (5xx, throttling, a lost connection). 0: never
    #[arg(
        id = "bucket.max-retries", long = "bucket.max-retries",
        env = "NARTHEX_BUCKET_MAX_RETRIES",
        value_name = "NUMBER",
        default_value_t = DEFAULT_MAX_RETRIES
    )]
    pub max_retries: u32,

    /// Retries that this process has in store. Each takes one and ten requests that succeed give one back, so that an outage
    /// is met with hardly more requests than before; with none left a failure is reported at once
    #[arg(
        id = "bucket.retry-budget", long = "bucket.retry-budget",
        env = "NARTHEX_BUCKET_RETRY_BUDGET",
        value_name = "NUMBER",
        default_value_t = DEFAULT_RETRY_BUDGET
    )]
    pub retry_budget: u32,

    /// Ranges of an object are read in one request if no more bytes than this lie between them. About what the network
    /// carries in the time that a request takes to begin
    #[arg(
        id = "bucket.read-gap", long = "bucket.read-gap",
        env = "NARTHEX_BUCKET_READ_GAP",
        value_name = "BYTES",
        default_value_t = DEFAULT_READ_GAP
    )]
    pub read_gap: ByteSize,

    /// Largest read that ranges are joined to; a single range may be larger
    #[arg(
        id = "bucket.read-size", long = "bucket.read-size",
        env = "NARTHEX_BUCKET_READ_SIZE",
        value_name = "BYTES",
        default_value_t = DEFAULT_READ_SIZE
    )]
    pub read_size: ByteSize,
}

const DEFAULT_REQUEST_TIMEOUT: HumanDuration = HumanDuration::from_secs(30);
const DEFAULT_MAX_RETRIES: u32 = 4;
const DEFAULT_RETRY_BUDGET: u32 = 100;
const DEFAULT_READ_GAP: ByteSize = ByteSize(256 << 10);
const DEFAULT_READ_SIZE: ByteSize = ByteSize::mib(8);

impl BucketArgs {
    /// Defaults for a place.
    pub fn new(url: BucketUrl) -> Self {
        Self {
            url: Some(url),
            endpoint: None,
            region: None,
            virtual_host: false,
            allow_http: false,
            ca_file: None,
            access_key_id: None,
            secret_access_key: None,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            max_retries: DEFAULT_MAX_RETRIES,
            retry_budget: DEFAULT_RETRY_BUDGET,
            read_gap: DEFAULT_READ_GAP,
            read_size: DEFAULT_READ_SIZE,
        }
    }
}

/// A key that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The key itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        bucket: BucketArgs,
    }

    fn parse(args: &[&str]) -> Result<BucketArgs, narthex_service::ConfigError> {
        let args = ["test"].into_iter().chain(args.iter().copied());
        narthex_service::config::parse_from(args).map(|config: Config| config.bucket)
    }

    #[test]
    fn flags_default_to_those_of_a_place_and_the_secret_stays_hidden() {
        let parsed = parse(&["--bucket.url=memory:"]).expect("valid");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", BucketArgs::new(BucketUrl::Memory)));
        let parsed = parse(&["--bucket.secret-access-key=hush", "--bucket.read-gap=1MiB"]).expect("valid");
        assert_eq!(parsed.secret_access_key.as_ref().map(Secret::reveal), Some("hush"));
        assert_eq!((parsed.read_gap, parsed.url.clone()), (ByteSize::mib(1), None));
        assert!(!format!("{parsed:?}").contains("hush"), "{parsed:?}");
    }

    #[test]
    fn a_wrong_place_is_refused_with_its_flag_and_its_reason() {
        let error = parse(&["--bucket.url=ftp://x"]).expect_err("an unknown scheme").to_string();
        assert!(error.contains("--bucket.url") && error.contains("unknown scheme \"ftp\""), "{error}");
    }
}
