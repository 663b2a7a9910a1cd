//! Snapshot files: the parts of a head's snapshot, each with its length, checksum and log position.
//!
//! A part is `kind (u32), length (u32), crc32c (u32), 0 (u32), log position (u64)`, then its bytes; the checksum covers kind,
//! position and bytes. The file begins with a part that names the workspace and ends with the end part; a file without it is not whole.

use std::{io, path::Path};

use narthex_model::WorkspaceId;

use super::{
    chunk_file,
    disk::{Disk, DiskFile},
    replay::Rebuilt,
    shared::{Snapshot, Workspace, WorkspaceState},
};
use crate::{
    head::{Head, SnapshotError, SnapshotStart},
    wal::LogPosition,
};

const PART: usize = 24;
/// Size of a write, and of a part of label pairs.
const BLOCK: usize = 1 << 20;

const WORKSPACE: u32 = u32::from_le_bytes(*b"nsn1");
const START: u32 = 1;
const PAIRS: u32 = 2;
const SLICE: u32 = 3;
const END: u32 = 4;
const WINDOWS: u32 = 5;
const SPARSE_SLICE: u32 = 6;

/// What writing a snapshot fixed.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// How much of the log the head contained when the snapshot began.
    pub(super) begun: LogPosition,
    /// The greatest position of any slice.
    pub(super) newest: LogPosition,
    pub(super) bytes: u64,
    /// The head's number of it.
    pub(super) number: u64,
    /// Chunk files on disk that it names.
    pub(super) files: Vec<u32>,
}

struct Out {
    file: std::sync::Arc<dyn DiskFile>,
    offset: u64,
    buffer: Vec<u8>,
}

impl Out {
    fn part(&mut self, kind: u32, position: LogPosition, bytes: &[u8]) -> io::Result<()> {
        let length =
            u32::try_from(bytes.len()).map_err(|_| io::Error::other("snapshot part of more than 4 GiB"))?;
        for number in [kind, length, checksum(kind, position, bytes), 0] {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
        self.buffer.extend_from_slice(&position.0.to_le_bytes());
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn checksum(kind: u32, position: LogPosition, bytes: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&kind.to_le_bytes()), &position.0.to_le_bytes());
    crc32c::crc32c_append(head, bytes)
}

/// Writes and syncs a snapshot, locking the head for one part at a time.
pub(super) fn write(
    disk: &dyn Disk,
    path: &Path,
    id: WorkspaceId,
    workspace: &Workspace,
) -> io::Result<Written> {
    let number = workspace.state.write().head.begin_snapshot();
    let written = write_parts(disk, path, id, workspace, number);
    workspace.state.write().head.end_snapshot(number);
    written
}

/// Reads from the head that the snapshot was begun of.
fn with_head<T>(
    workspace: &Workspace,
    number: u64,
    read: impl FnOnce(&WorkspaceState) -> T,
) -> io::Result<T> {
    let state = workspace.state.read();
    let same = state.head.is_pinned_by(number);
    same.then(|| read(&state)).ok_or_else(|| io::Error::other("the workspace was dropped meanwhile"))
}

fn write_parts(
    disk: &dyn Disk,
    path: &Path,
    id: WorkspaceId,
    workspace: &Workspace,
    number: u64,
) -> io::Result<Written> {
    let mut out = Out { file: disk.create(path)?, offset: 0, buffer: Vec::new() };
    let mut part = Vec::new();
    let (start, begun) = with_head(workspace, number, |state| {
        state.head.snapshot_windows(&mut part);
        (state.head.snapshot_start(), state.applied)
    })?;
    out.part(WORKSPACE, begun, &id.to_bytes())?;
    out.part(START, begun, &start.to_bytes())?;
    out.part(WINDOWS, begun, &part)?;
    let mut next = 0;
    while next < start.pairs {
        part.clear();
        next =
            with_head(workspace, number, |state| state.head.snapshot_pairs(start, next, BLOCK, &mut part))?;
        out.part(PAIRS, begun, &part)?;
    }
    let mut newest = begun;
    for first in start.slices() {
        part.clear();
        let (sparse, applied) = with_head(workspace, number, |state| {
            (state.head.snapshot_slice(start, first, &mut part), state.applied)
        })?;
        newest = applied;
        out.part(if sparse { SPARSE_SLICE } else { SLICE }, newest, &part)?;
    }
    part.clear();
    let files = with_head(workspace, number, |state| {
        state.head.snapshot_end(&mut part);
        files_on_disk(&state.head)
    })?;
    out.part(END, newest, &part)?;
    out.flush()?;
    out.file.sync()?;
    Ok(Written { begun, newest, bytes: out.offset, number, files })
}

fn files_on_disk(head: &Head) -> Vec<u32> {
    head.sealed_files().filter(|(_, file)| file.on_disk).map(|(number, _)| number).collect()
}

/// Why a snapshot cannot be used.
#[derive(Debug)]
pub(super) struct Damaged(pub(super) String);

impl From<SnapshotError> for Damaged {
    fn from(error: SnapshotError) -> Self {
        Self(error.to_string())
    }
}

/// A chunk file of a snapshot that could not be used: its number, and what is wrong.
pub(super) type DamagedFile = (u32, String);

/// Reads a snapshot and its chunk files. Damaged chunk files are left out and listed: their samples are lost.
pub(super) fn read(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    id: WorkspaceId,
    head: Head,
) -> Result<(Rebuilt, Vec<DamagedFile>), Damaged> {
    let bytes = disk.read(&directory.join(name)).map_err(|error| Damaged(error.to_string()))?;
    let mut parts = Parts(&bytes);
    let (kind, begun, workspace) = parts.next()?;
    if kind != WORKSPACE || workspace != id.to_bytes() {
        return Err(Damaged("it belongs elsewhere".into()));
    }
    let mut rebuilt = Rebuilt::new(head);
    rebuilt.begun = begun;
    let mut damaged = Vec::new();
    loop {
        let (kind, position, part) = parts.next()?;
        rebuilt.applied = rebuilt.applied.max(position);
        match kind {
            START => {
                let start = SnapshotStart::from_bytes(part)?;
                rebuilt.snapshot_series = start.series;
                rebuilt.head.load_start(start);
            }
            WINDOWS => rebuilt.head.load_windows(part)?,
            PAIRS => rebuilt.head.load_pairs(part)?,
            SLICE | SPARSE_SLICE => {
                if kind == SLICE {
                    rebuilt.head.load_slice(part)?;
                } else {
                    rebuilt.head.load_sparse_slice(part)?;
                }
                rebuilt.covered.push(position);
            }
            END => {
                rebuilt.head.load_end::<Damaged>(part, |number| {
                    Ok(chunk_file::read(disk, directory, id, number).unwrap_or_else(|what| {
                        damaged.push((number, what));
                        bytes::Bytes::new()
                    }))
                })?;
                break;
            }
            other => return Err(Damaged(format!("it has a part of the unknown kind {other}"))),
        }
    }
    let (name, files) = (name.to_owned(), files_on_disk(&rebuilt.head));
    rebuilt.snapshot = Some(Snapshot { name, begun, number: 0, files, bytes: bytes.len() as u64 });
    let whole = rebuilt.head.id_bound() == rebuilt.snapshot_series;
    if whole { Ok((rebuilt, damaged)) } else { Err(Damaged("series are missing".into())) }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn next(&mut self) -> Result<(u32, LogPosition, &'a [u8]), Damaged> {
        let cut = || Damaged("it is cut off".into());
        let (head, rest) = self.0.split_first_chunk::<PART>().ok_or_else(cut)?;
        let number =
            |at: usize| u32::from_le_bytes(*head[at..].first_chunk().expect("within the part's head"));
        let position =
            LogPosition(u64::from_le_bytes(*head[16..].first_chunk().expect("within the part's head")));
        let (part, rest) = rest.split_at_checked(number(4) as usize).ok_or_else(cut)?;
        self.0 = rest;
        if checksum(number(0), position, part) != number(8) {
            return Err(Damaged("a checksum does not hold".into()));
        }
        Ok((number(0), position, part))
    }
}
