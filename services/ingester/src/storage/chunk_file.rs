//! Chunk files on disk: a header, then the bytes that a head froze.
//!
//! `magic (8), workspace (16), number (u32), crc32c of the body (u32), length of the body (u64), log position (u64), 0 (u32), crc32c
//! of the header (u32)`. The position is how far the log is contained in the head that wrote it; only files that a checkpoint
//! names are used, so what replay seals again is never there twice. Length and checksums are verified before a file is used.

use std::path::Path;

use bytes::Bytes;
use narthex_model::WorkspaceId;

use super::disk::Disk;
use crate::wal::LogPosition;

const MAGIC: [u8; 8] = *b"NTXCHNK\x01";
const HEADER: usize = 56;

/// The name of a chunk file.
pub(super) fn name(number: u32) -> String {
    format!("{number:010}.chunks")
}

/// The number in a chunk file's name.
pub(super) fn number(name: &str) -> Option<u32> {
    name.strip_suffix(".chunks").filter(|digits| digits.len() == 10)?.parse().ok()
}

/// Writes a file under a temporary name, syncs it and gives it its own name; the caller syncs the directory.
pub(super) fn write(
    disk: &dyn Disk,
    directory: &Path,
    workspace: WorkspaceId,
    number: u32,
    position: LogPosition,
    body: &[u8],
) -> std::io::Result<()> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&workspace.to_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    header.extend_from_slice(&position.0.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    let checksum = crc32c::crc32c(&header);
    header.extend_from_slice(&checksum.to_le_bytes());
    let (path, fresh) = (directory.join(name(number)), directory.join(format!("{}.new", name(number))));
    let file = disk.create(&fresh)?;
    file.write_at(&header, 0)?;
    file.write_at(body, HEADER as u64)?;
    file.sync()?;
    disk.rename(&fresh, &path)
}

/// The body of a file, once it is proven whole; the text says what is wrong.
pub(super) fn read(
    disk: &dyn Disk,
    directory: &Path,
    workspace: WorkspaceId,
    number: u32,
) -> Result<Bytes, String> {
    let bytes = disk.read(&directory.join(name(number))).map_err(|error| error.to_string())?;
    verify(&bytes, workspace, number)?;
    Ok(bytes.slice(HEADER..))
}

fn verify(bytes: &[u8], workspace: WorkspaceId, number: u32) -> Result<(), String> {
    let header = bytes.first_chunk::<HEADER>().ok_or("shorter than its header")?;
    let u32_at = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("within the header"));
    let length = u64::from_le_bytes(*header[32..].first_chunk().expect("within the header"));
    if header[..8] != MAGIC || crc32c::crc32c(&header[..HEADER - 4]) != u32_at(HEADER - 4) {
        return Err("its header is damaged".into());
    }
    if header[8..24] != workspace.to_bytes() || u32_at(24) != number {
        return Err("it belongs elsewhere".into());
    }
    let body = &bytes[HEADER..];
    if body.len() as u64 != length {
        return Err(format!("it has {} bytes instead of {length}", body.len()));
    }
    if crc32c::crc32c(body) == u32_at(28) { Ok(()) } else { Err("its checksum does not hold".into()) }
}
