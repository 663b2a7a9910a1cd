//! Why settings could not be read. Each error names the file and the key, so that it tells where to look.

use std::{io, path::PathBuf};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line or the environment is wrong, or help was asked for.
    #[error("{0}")]
    Arguments(clap::Error),
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not YAML, or not of nested keys, lists and plain values.
    #[error("{}: {reason}", file.display())]
    Yaml {
        /// The file.
        file: PathBuf,
        /// What is wrong, with its place if known.
        reason: String,
    },
    /// A key that no setting has.
    #[error("{}: unknown key {key:?}{}", file.display(), hint(nearest.as_deref()))]
    UnknownKey {
        /// The dotted key.
        key: String,
        /// The file.
        file: PathBuf,
        /// A known key that resembles it.
        nearest: Option<String>,
    },
    /// A value of the wrong shape.
    #[error("{}: {key}: {reason}", file.display())]
    Value {
        /// The dotted key.
        key: String,
        /// The file.
        file: PathBuf,
        /// What is expected.
        reason: String,
    },
    /// With the file's values the settings do not hold.
    #[error("with the settings of {}: {source}", file.display())]
    Settings {
        /// The file.
        file: PathBuf,
        /// Which setting, and why.
        source: clap::Error,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|known| format!("; did you mean {known:?}? (--help lists all keys)")).unwrap_or_default()
}
