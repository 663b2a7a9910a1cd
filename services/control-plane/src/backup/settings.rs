//! Flags of backups.

use std::{convert::Infallible, fmt, str::FromStr};

use clap::Args;
use narthex_service::HumanDuration;

/// When backups are written, how many are kept, and which one the first start restores.
#[derive(Debug, Clone, Args)]
pub struct BackupSettings {
    /// How often the state is backed up to the bucket, if it has changed; 0s means never. Needs a bucket
    #[arg(
        id = "backup.interval",
        long = "backup.interval",
        env = "NARTHEX_BACKUP_INTERVAL",
        value_name = "DURATION",
        default_value = "1h"
    )]
    pub interval: HumanDuration,

    /// Backups that are kept in the bucket; older ones are removed after a new one is written. 0 means all
    #[arg(
        id = "backup.keep",
        long = "backup.keep",
        env = "NARTHEX_BACKUP_KEEP",
        value_name = "NUMBER",
        default_value_t = 168
    )]
    pub keep: usize,

    /// Begin with the state of a backup, by the name that `admin list-backups` prints, or with the newest: latest. Read at first start
    /// only, with empty folders on all nodes; then the bootstrap file is not read
    #[arg(long = "restore", env = "NARTHEX_RESTORE", value_name = "BACKUP")]
    pub restore: Option<RestoreFrom>,
}

/// Which backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreFrom {
    /// The newest in the bucket.
    Latest,
    /// By its name.
    Named(String),
}

impl FromStr for RestoreFrom {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "latest" { Self::Latest } else { Self::Named(text.to_owned()) })
    }
}

impl fmt::Display for RestoreFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Named(name) => f.write_str(name),
        }
    }
}
