//! The backups in the bucket: their names, and what is in them.
//!
//! A name begins with the time, so that names sort by age, and ends with the revision: `20261126T203923123Z-4711.json.zst`.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use futures::TryStreamExt;
use narthex_bucket::{explain, layout};
use narthex_model::TimestampMs;
use object_store::{ObjectStore, ObjectStoreExt};
use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description,
};

use crate::state::{self, State, StateError};

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second][subsecond digits:3]Z");
const ENDING: &str = ".json.zst";
const LEVEL: i32 = 3;

/// Largest state that is read back, in bytes: a hundred times the size of one with 100,000 files would not be a state.
const MAX_STATE: u64 = 8 << 30;

/// A backup that lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stored {
    /// When it was written.
    pub(crate) at: TimestampMs,
    /// Revision of its state.
    pub(crate) revision: u64,
    /// Its name.
    pub(crate) name: String,
    /// Compressed, in bytes.
    pub(crate) size: u64,
}

/// Why a backup cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    #[error("the bucket: {}", explain(.0))]
    Bucket(#[from] object_store::Error),
    #[error("the bucket holds no backup of that name; `admin list-backups` tells which there are")]
    Absent,
    #[error("the bucket holds no backup")]
    Empty,
    #[error("it is damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the process ends")]
    Cancelled,
}

/// All backups of a control plane.
#[derive(Debug, Clone)]
pub(crate) struct Vault(Arc<dyn ObjectStore>);

impl Vault {
    pub(crate) fn new(bucket: Arc<dyn ObjectStore>) -> Self {
        Self(bucket)
    }

    /// Writes a state.
    pub(crate) async fn write(&self, state: State, at: TimestampMs) -> Result<Stored, VaultError> {
        let revision = state.revision;
        let packed = tokio::task::spawn_blocking(move || pack(&state::encode(&state)));
        let packed = packed.await.map_err(|_| VaultError::Cancelled)??;
        let (name, size) = (name_of(at, revision), packed.len() as u64);
        self.0.put(&layout::control_plane_backup(&name), packed.into()).await?;
        Ok(Stored { at, revision, name, size })
    }

    /// All, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<Stored>, VaultError> {
        let objects = self.0.list(Some(&layout::control_plane_backups_prefix()));
        let objects: Vec<_> = objects.try_collect().await?;
        let stored = |object: &object_store::ObjectMeta| {
            let name = object.location.filename()?;
            let (at, revision) = parse_name(name)?;
            Some(Stored { at, revision, name: name.to_owned(), size: object.size })
        };
        let mut found: Vec<_> = objects.iter().filter_map(stored).collect();
        found.sort_by(|one, other| other.cmp(one));
        Ok(found)
    }

    /// The compressed bytes of one.
    pub(crate) async fn read(&self, name: &str) -> Result<Bytes, VaultError> {
        if parse_name(name).is_none() {
            return Err(VaultError::Absent);
        }
        match self.0.get(&layout::control_plane_backup(name)).await {
            Ok(found) => Ok(found.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => Err(VaultError::Absent),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes all but the newest.
    pub(crate) async fn prune(&self, keep: usize) -> Result<usize, VaultError> {
        let old: Vec<_> = self.list().await?.into_iter().skip(keep).collect();
        for stored in &old {
            self.0.delete(&layout::control_plane_backup(&stored.name)).await?;
        }
        Ok(old.len())
    }
}

fn name_of(at: TimestampMs, revision: u64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000);
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let moment = moment.format(MOMENT).expect("every moment has these parts");
    format!("{moment}-{revision}{ENDING}")
}

/// Time and revision; `None` for what no backup is called.
fn parse_name(name: &str) -> Option<(TimestampMs, u64)> {
    let (moment, revision) = name.strip_suffix(ENDING)?.split_once('-')?;
    let moment = PrimitiveDateTime::parse(moment, MOMENT).ok()?.assume_utc();
    let at = TimestampMs(i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()?);
    let revision = revision.parse().ok()?;
    (name_of(at, revision) == name).then_some((at, revision))
}

fn pack(state: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packer.include_checksum(true)?;
    packer.write_all(state)?;
    packer.finish()
}

/// The state in the bytes of a backup.
pub(crate) fn unpack(packed: &[u8]) -> Result<State, VaultError> {
    let mut state = Vec::new();
    zstd::Decoder::new(packed)?.take(MAX_STATE).read_to_end(&mut state)?;
    Ok(state::decode(&state)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_read_back_and_sort_by_age(one in 0i64..4_000_000_000_000, other in 0i64..4_000_000_000_000, revision: u64) {
            let (first, second) = (name_of(TimestampMs(one), revision), name_of(TimestampMs(other), revision));
            prop_assert_eq!(parse_name(&first), Some((TimestampMs(one), revision)));
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
        }

        #[test]
        fn other_names_are_nothing(name in "[ -~]{0,40}") {
            prop_assert!(parse_name(&name).is_none());
        }

        #[test]
        fn any_bytes_are_a_state_or_an_error(bytes: Vec<u8>) {
            prop_assert!(unpack(&bytes).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let packed = pack(&state::encode(&State::default())).expect("memory");
        assert_eq!(unpack(&packed).expect("ours"), State::default());
        for place in 0..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[place / 8] ^= 1 << (place % 8);
            // A bit of the frame's header may say nothing.
            if let Ok(read) = unpack(&damaged) {
                assert_eq!(read, State::default(), "bit {place}");
            }
        }
    }
}
