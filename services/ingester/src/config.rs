//! Settings of the ingester.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, ValueEnum};
use narthex_bucket::BucketArgs;
use narthex_model::WindowLengthError;
use narthex_service::{
    AdminSettings, ByteSize, DataClockSettings, HumanDuration, MemberSettings, available_memory,
};
use narthex_telemetry::TelemetrySettings;

use crate::{
    flush::CutArgs,
    storage::{OnDamage, StorageConfig, WalSync},
};

/// Keeps recent samples: takes pushes from distributors and answers queriers over gRPC.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-ingester", version)]
pub struct Config {
    /// Address of the gRPC services for distributors, queriers and other ingesters
    #[arg(
        long = "grpc-listen",
        env = "NARTHEX_GRPC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9095"
    )]
    pub grpc_listen: SocketAddr,

    /// Address of /ready, /live and /metrics unless --admin-listen is set
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9010"
    )]
    pub listen: SocketAddr,

    /// Who this process is in the cluster.
    #[command(flatten)]
    pub member: MemberSettings,

    /// Where operators look.
    #[command(flatten)]
    pub admin: AdminSettings,

    /// Time that samples are judged by.
    #[command(flatten)]
    pub data_clock: DataClockSettings,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// The data directory and what is kept in it.
    #[command(flatten)]
    pub data: DataArgs,

    /// Where blocks go. Unset: nowhere, this ingester keeps what it has.
    #[command(flatten)]
    pub bucket: BucketArgs,
}

/// When the WAL is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SyncMode {
    /// Before every reply: an acknowledged sample survives a power cut
    Always,
    /// Within a second of the reply: only with copies in three zones
    Interval,
}

/// The ingester's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Directory of WAL, chunk files and the owner's record
    #[arg(
        long = "data-dir",
        env = "NARTHEX_DATA_DIR",
        value_name = "DIRECTORY",
        default_value = "data/ingester"
    )]
    pub data_dir: PathBuf,

    /// When an acknowledged sample is on stable storage
    #[arg(
        long = "wal.sync",
        env = "NARTHEX_WAL_SYNC",
        value_name = "MODE",
        value_enum,
        default_value = "always"
    )]
    pub wal_sync: SyncMode,

    /// Bytes after which the next WAL segment begins
    #[arg(
        long = "wal.segment-size",
        env = "NARTHEX_WAL_SEGMENT_SIZE",
        value_name = "BYTES",
        default_value = "128MiB"
    )]
    pub segment_size: ByteSize,

    /// Longest time between checkpoints while samples arrive
    #[arg(
        long = "checkpoint.interval",
        env = "NARTHEX_CHECKPOINT_INTERVAL",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub checkpoint_interval: HumanDuration,

    /// Bytes of WAL after which a checkpoint is written, however short ago the last was
    #[arg(
        long = "checkpoint.wal-size",
        env = "NARTHEX_CHECKPOINT_WAL_SIZE",
        value_name = "BYTES",
        default_value = "128MiB"
    )]
    pub checkpoint_wal_size: ByteSize,

    /// Bytes that one workspace may have on disk before its pushes are refused: what flushes cannot carry away must not fill
    /// the disk for all. 0: no bound
    #[arg(
        long = "disk.workspace-quota",
        env = "NARTHEX_DISK_WORKSPACE_QUOTA",
        value_name = "BYTES",
        default_value = "0"
    )]
    pub workspace_quota: ByteSize,

    /// Bytes that the whole data directory may have before pushes are refused. 0: no bound but the disk
    #[arg(long = "disk.quota", env = "NARTHEX_DISK_QUOTA", value_name = "BYTES", default_value = "0")]
    pub quota: ByteSize,

    /// Memory that the labels of all reads under way may occupy; a read beyond it is refused, its samples are sent as they are
    /// taken. Unset: an eighth of the machine's memory, or of the control group's
    #[arg(long = "read.memory", env = "NARTHEX_READ_MEMORY", value_name = "BYTES")]
    pub read_memory: Option<ByteSize>,

    /// Go on although acknowledged samples are lost: open a damaged WAL without other copies, and count an owner as
    /// complete that cannot copy from both others. For one start, after everything else has failed
    #[arg(long = "recovery.accept-loss", env = "NARTHEX_RECOVERY_ACCEPT_LOSS")]
    pub accept_loss: bool,

    /// When and how samples leave for the bucket.
    #[command(flatten)]
    pub cuts: CutArgs,
}

impl DataArgs {
    /// Defaults for a directory: synced before every reply.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            wal_sync: SyncMode::Always,
            segment_size: ByteSize::mib(128),
            checkpoint_interval: HumanDuration::from_secs(300),
            checkpoint_wal_size: ByteSize::mib(128),
            workspace_quota: ByteSize::mib(0),
            quota: ByteSize::mib(0),
            read_memory: None,
            accept_loss: false,
            cuts: CutArgs::default(),
        }
    }

    /// What storage is told. Damage refuses the start unless there are other copies to recover from.
    pub(crate) fn storage(&self, copies: usize) -> Result<StorageConfig, WindowLengthError> {
        Ok(StorageConfig {
            window: self.cuts.window_length()?,
            wal_sync: match self.wal_sync {
                SyncMode::Always => WalSync::Always,
                SyncMode::Interval => WalSync::Interval,
            },
            segment_bytes: self.segment_size.bytes(),
            checkpoint_interval: self.checkpoint_interval.get(),
            checkpoint_bytes: self.checkpoint_wal_size.bytes(),
            workspace_quota_bytes: self.workspace_quota.bytes(),
            quota_bytes: self.quota.bytes(),
            read_bytes: self.read_memory.map_or_else(eighth, ByteSize::bytes),
            on_damage: if copies > 1 || self.accept_loss { OnDamage::Quarantine } else { OnDamage::Refuse },
            ..StorageConfig::new(&self.data_dir)
        })
    }
}

/// An eighth of what there is; of 4 GiB where that cannot be learnt.
fn eighth() -> u64 {
    available_memory().unwrap_or(4 << 30) / 8
}
