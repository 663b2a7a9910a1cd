//! What an owner remembers about itself beside its samples: one small file, replaced atomically and synced.
//!
//! The record is what makes rule 2 survive restarts: the incarnation, whether it is complete, under which kernel and sync
//! mode it wrote last, and the newest ring state that it acted on, so that a restart never falls back behind a promise
//! given to a recovering peer. A record that cannot be read stops the start: guessing could make an incomplete owner count.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use narthex_model::{BootId, Epoch, Incarnation, RingRevision};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{adopt::Adopted, decision::Doubt};

/// Whether the incarnation is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordStanding {
    /// It holds all that it ever acknowledged.
    Complete,
    /// It must copy from the other owners first.
    Recovering(Doubt),
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Identity of the disk's content.
    pub incarnation: Incarnation,
    /// Complete or not.
    pub standing: RecordStanding,
    /// Kernel under which the last run wrote; 0, which is never trusted, once a sync of it failed.
    pub boot: BootId,
    /// The last run acknowledged before it synced.
    pub unsynced: bool,
    /// The last run ended with everything synced.
    pub clean: bool,
    /// Quarantined WAL segments that the standing has already taken into account.
    pub quarantined: u64,
    /// Newest ring state acted on.
    pub adopted: Adopted,
}

/// The record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a record.
    #[error(
        "{path} is not an owner record ({reason}); restore it, or move the data directory away to start as a new owner that copies from the others"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Version of the file's form.
const VERSION: u32 = 1;
/// Name of the file in the data directory.
const FILE: &str = "owner.json";

/// The file's form: identifiers as hexadecimal text, because JSON numbers end at 53 bits in many readers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    incarnation: String,
    standing: RecordStanding,
    boot: String,
    unsynced: bool,
    clean: bool,
    quarantined: u64,
    adopted_ring_revision: u64,
    adopted_epoch: u64,
    adopted_active: bool,
}

impl Record {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let form = Form {
            version: VERSION,
            incarnation: format!("{:032x}", self.incarnation.0),
            standing: self.standing,
            boot: format!("{:032x}", self.boot.0),
            unsynced: self.unsynced,
            clean: self.clean,
            quarantined: self.quarantined,
            adopted_ring_revision: self.adopted.ring_revision.0,
            adopted_epoch: self.adopted.epoch.0,
            adopted_active: self.adopted.active,
        };
        let mut bytes = serde_json::to_vec_pretty(&form).expect("plain fields always serialise");
        bytes.push(b'\n');
        bytes
    }

    /// Reads [`Self::encode`]; the text says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let form: Form = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if form.version != VERSION {
            return Err(format!("version {} is newer than this program", form.version));
        }
        let number =
            |text: &str| u128::from_str_radix(text, 16).map_err(|error| format!("{text:?}: {error}"));
        Ok(Self {
            incarnation: Incarnation(number(&form.incarnation)?),
            standing: form.standing,
            boot: BootId(number(&form.boot)?),
            unsynced: form.unsynced,
            clean: form.clean,
            quarantined: form.quarantined,
            adopted: Adopted {
                ring_revision: RingRevision(form.adopted_ring_revision),
                epoch: Epoch(form.adopted_epoch),
                active: form.adopted_active,
            },
        })
    }
}

/// The record on disk and in memory. One per process.
#[derive(Debug)]
pub struct RecordFile {
    directory: PathBuf,
    current: Mutex<Record>,
}

impl RecordFile {
    /// Reads the record of a data directory; `None` when there is none.
    pub fn read(directory: &Path) -> Result<Option<Record>, RecordError> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                Record::decode(&bytes).map(Some).map_err(|reason| RecordError::Malformed { path, reason })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RecordError::Io { action: "reading", path, source }),
        }
    }

    /// Writes `record` as the directory's record and keeps it.
    pub fn create(directory: &Path, record: Record) -> Result<Self, RecordError> {
        fs::create_dir_all(directory).map_err(|source| RecordError::Io {
            action: "creating",
            path: directory.to_owned(),
            source,
        })?;
        write(directory, &record)?;
        Ok(Self { directory: directory.to_owned(), current: Mutex::new(record) })
    }

    /// The record as it is now.
    pub fn get(&self) -> Record {
        self.current.lock().clone()
    }

    /// Changes the record; the change is on disk when this returns, or nothing has changed. Blocks on the disk.
    pub fn update(&self, change: impl FnOnce(&mut Record)) -> Result<Record, RecordError> {
        let mut current = self.current.lock();
        let mut next = current.clone();
        change(&mut next);
        if next != *current {
            write(&self.directory, &next)?;
            *current = next.clone();
        }
        Ok(next)
    }
}

fn write(directory: &Path, record: &Record) -> Result<(), RecordError> {
    let path = directory.join(FILE);
    let fresh = directory.join(format!("{FILE}.new"));
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RecordError::Io { action, path, source }
    };
    let mut file = File::create(&fresh).map_err(fail("creating", &fresh))?;
    file.write_all(&record.encode()).map_err(fail("writing", &fresh))?;
    file.sync_all().map_err(fail("syncing", &fresh))?;
    fs::rename(&fresh, &path).map_err(fail("replacing", &path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail("syncing", directory))
}
