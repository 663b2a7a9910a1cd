//! Settings of the distributor.

use std::net::SocketAddr;

use clap::{Args, Parser};
use narthex_edge::EdgeSettings;
use narthex_remote_write::LabelLimits;
use narthex_service::{
    AdminSettings, ByteSize, DataClockSettings, HumanDuration, MemberSettings, PublicSettings,
};
use narthex_telemetry::TelemetrySettings;

use crate::{prepare::RequestLimits, push::PushSettings, writer::WriterOptions};

/// Takes remote write over HTTP and replicates it to the ingesters.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-distributor", version)]
pub struct Config {
    /// Address of remote write, and of /ready, /live and /metrics unless --admin-listen is set
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9008"
    )]
    pub listen: SocketAddr,

    /// Who this process is in the cluster.
    #[command(flatten)]
    pub member: MemberSettings,

    /// How the deployment presents itself.
    #[command(flatten)]
    pub public: PublicSettings,

    /// Where operators look.
    #[command(flatten)]
    pub admin: AdminSettings,

    /// Time that samples are judged by.
    #[command(flatten)]
    pub data_clock: DataClockSettings,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// What the edge takes on.
    #[command(flatten)]
    pub edge: EdgeSettings,

    /// How writes are judged and replicated.
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The distributor's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct WriteArgs {
    /// Largest remote-write body after decompression
    #[arg(
        long = "limits.max-decoded-bytes",
        env = "NARTHEX_LIMITS_MAX_DECODED_BYTES",
        value_name = "BYTES",
        default_value = "32MiB"
    )]
    pub max_decoded_bytes: ByteSize,

    /// Most labels of a series, the metric's name included
    #[arg(
        long = "limits.max-label-names-per-series",
        env = "NARTHEX_LIMITS_MAX_LABEL_NAMES_PER_SERIES",
        value_name = "NUMBER",
        default_value_t = LabelLimits::default().max_labels
    )]
    pub max_label_names_per_series: usize,

    /// Longest label value, in characters
    #[arg(
        long = "limits.max-label-value-length",
        env = "NARTHEX_LIMITS_MAX_LABEL_VALUE_LENGTH",
        value_name = "CHARACTERS",
        default_value_t = LabelLimits::default().max_value_chars
    )]
    pub max_label_value_length: usize,

    /// Most bytes of all label names and values of a series together
    #[arg(
        long = "limits.max-labels-size",
        env = "NARTHEX_LIMITS_MAX_LABELS_SIZE",
        value_name = "BYTES",
        default_value = "7KiB"
    )]
    pub max_labels_size: ByteSize,

    /// Largest metadata entry; longer ones are left out, their samples are kept
    #[arg(
        long = "limits.max-metadata-size",
        env = "NARTHEX_LIMITS_MAX_METADATA_SIZE",
        value_name = "BYTES",
        default_value = "1KiB"
    )]
    pub max_metadata_size: ByteSize,

    /// Longest wait for an ingester's answer
    #[arg(
        long = "push.timeout",
        env = "NARTHEX_PUSH_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub push_timeout: HumanDuration,

    /// How long ingesters that the reply did not wait for may go on taking the write
    #[arg(long = "push.linger", env = "NARTHEX_PUSH_LINGER", value_name = "DURATION", default_value = "2s")]
    pub push_linger: HumanDuration,

    /// Longest wait for a newer ring when ingesters act on another one
    #[arg(
        long = "push.catch-up-timeout",
        env = "NARTHEX_PUSH_CATCH_UP_TIMEOUT",
        value_name = "DURATION",
        default_value = "2s"
    )]
    pub catch_up_timeout: HumanDuration,
}

impl From<&WriteArgs> for WriterOptions {
    fn from(args: &WriteArgs) -> Self {
        let size = |bytes: ByteSize| usize::try_from(bytes.bytes()).unwrap_or(usize::MAX);
        let labels = LabelLimits {
            max_labels: args.max_label_names_per_series,
            max_value_chars: args.max_label_value_length,
            max_bytes: size(args.max_labels_size),
        };
        let max_decoded_bytes = size(args.max_decoded_bytes);
        Self {
            limits: RequestLimits {
                max_decoded_bytes,
                max_metadata_bytes: size(args.max_metadata_size),
                labels,
            },
            push: PushSettings { timeout: args.push_timeout.get(), linger: args.push_linger.get() },
            catch_up_timeout: args.catch_up_timeout.get(),
        }
    }
}

impl Default for WriterOptions {
    /// The defaults of the flags.
    fn default() -> Self {
        #[derive(Parser)]
        struct Defaults {
            #[command(flatten)]
            write: WriteArgs,
        }
        (&Defaults::parse_from(["defaults"]).write).into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn defaults_are_the_documented_limits() {
        let options = WriterOptions::default();
        assert_eq!(options.limits, RequestLimits::default());
        assert_eq!(
            options.push,
            PushSettings { timeout: Duration::from_secs(10), linger: Duration::from_secs(2) }
        );
    }

    #[test]
    fn every_limit_is_a_setting() {
        let config: Config = narthex_service::config::parse_from([
            "distributor",
            "--limits.max-label-names-per-series",
            "30",
            "--limits.max-labels-size",
            "8KiB",
        ])
        .expect("valid");
        let options = WriterOptions::from(&config.write);
        assert_eq!((options.limits.labels.max_labels, options.limits.labels.max_bytes), (30, 8192));
    }
}
