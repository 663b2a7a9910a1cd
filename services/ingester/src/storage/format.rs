//! The file that says how a data directory is written: its version and the length of its windows.
//!
//! Seals are remembered by window number, and chunks end with their windows, so a directory is read only with the length that
//! it was written with. The file is written before anything else. A directory with samples and without the file was written
//! before there were other lengths than the default.

use std::io;

use narthex_model::WindowLength;
use serde::{Deserialize, Serialize};

use super::{config::StorageConfig, disk::Disk, error::OpenError};

/// Name of the file in the data directory.
const FILE: &str = "format";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Format {
    version: u32,
    window_ms: i64,
}

/// Fails unless the directory is new or of this version and window length; writes the file where there is none.
pub(super) fn check(config: &StorageConfig, disk: &dyn Disk) -> Result<(), OpenError> {
    let path = config.directory.join(FILE);
    let damaged = |what: String| OpenError::Damaged { path: path.clone(), what };
    let stored = match disk.read(&path) {
        Ok(bytes) => {
            let format: Format =
                serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
            if format.version > VERSION {
                let what = format!("format {}", format.version);
                return Err(OpenError::Newer { path, what });
            }
            Some(format.window_ms)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let names = disk.list(&config.directory.join("wal")).map_err(OpenError::io("listing", &path))?;
            (!names.is_empty()).then_some(WindowLength::DEFAULT.as_millis())
        }
        Err(error) => return Err(OpenError::io("reading", path)(error)),
    };
    let configured = config.window.as_millis();
    match stored {
        Some(stored) if stored != configured => {
            Err(OpenError::OtherWindows { path: config.directory.clone(), stored, configured })
        }
        _ => write(config, disk).map_err(OpenError::io("writing", path)),
    }
}

fn write(config: &StorageConfig, disk: &dyn Disk) -> io::Result<()> {
    let path = config.directory.join(FILE);
    if disk.read(&path).is_ok() {
        return Ok(());
    }
    let format = Format { version: VERSION, window_ms: config.window.as_millis() };
    let fresh = config.directory.join(format!("{FILE}.new"));
    let file = disk.create(&fresh)?;
    file.write_at(&serde_json::to_vec(&format).map_err(io::Error::other)?, 0)?;
    file.sync()?;
    disk.rename(&fresh, &path)?;
    disk.sync_directory(&config.directory)
}
