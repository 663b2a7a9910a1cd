//! Extents of a segment as a file: magic, format, checksum, and what is compressed: whose they are, then the extents.
//!
//! A file is believed only if all of it is as it was written: the checksum is right, the workspace and the whole key are those that
//! are looked for, and every length fits. Extents with notes or histograms stay in memory.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, TryGetError};
use narthex_model::{Labels, ManifestRevision, TimestampMs, WorkspaceId};
use narthex_promql::Notes;

use super::{
    cache::Key,
    extent::{Extent, Floats, Ground, Kept},
    stretch::Stretch,
};
use crate::reads::History;

const MAGIC: &[u8; 8] = b"NTXRANGE";
/// Raised with every change; files of others are thrown away.
const FORMAT: u32 = 1;
const HEADER: usize = MAGIC.len() + 4 + 4 + 8;
/// Fast, and most of what there is to gain from repeated labels and values.
const LEVEL: i32 = 1;

/// The extents that can be written; none if there are none.
pub(super) fn encode(workspace: WorkspaceId, key: &Key, extents: &[Arc<Extent>]) -> Option<Vec<u8>> {
    let plain = |extent: &&Arc<Extent>| {
        extent.notes.is_empty() && extent.series.iter().all(|one| one.histograms.is_empty())
    };
    let extents: Vec<&Arc<Extent>> = extents.iter().filter(plain).collect();
    if extents.is_empty() {
        return None;
    }
    let mut body = identity(workspace, key);
    body.put_u32_le(extents.len() as u32);
    extents.iter().for_each(|extent| put_extent(&mut body, extent));
    let packed = zstd::bulk::compress(&body, LEVEL).ok()?;
    let mut file = Vec::with_capacity(HEADER + packed.len());
    file.put_slice(MAGIC);
    file.put_u32_le(FORMAT);
    file.put_u32_le(crc32c::crc32c(&packed));
    file.put_u64_le(body.len() as u64);
    file.put_slice(&packed);
    Some(file)
}

/// The extents of a file, if it is what is looked for. No more than `most` bytes are unpacked.
pub(super) fn decode(file: &[u8], workspace: WorkspaceId, key: &Key, most: u64) -> Option<Vec<Arc<Extent>>> {
    let (magic, mut header) = file.split_at_checked(MAGIC.len())?;
    let (format, checksum, length) =
        (header.try_get_u32_le().ok()?, header.try_get_u32_le().ok()?, header.try_get_u64_le().ok()?);
    if magic != MAGIC || format != FORMAT || crc32c::crc32c(header) != checksum || length > most {
        return None;
    }
    let body = zstd::bulk::decompress(header, usize::try_from(length).ok()?).ok()?;
    let mut body = body.strip_prefix(&identity(workspace, key)[..])?;
    extents(&mut body, key).ok().flatten().filter(|_| body.is_empty())
}

/// Whose and what for, and by which version it was evaluated: another may know better.
pub(super) fn identity(workspace: WorkspaceId, key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, env!("CARGO_PKG_VERSION").as_bytes());
    let Key { text, lookback_ms, step_ms, phase_ms, ends, segment } = key;
    out.put_slice(&workspace.to_bytes());
    let ends = ends.map_or([0; 3], |(start, end)| [1, start, end]);
    for number in [*lookback_ms, *step_ms, *phase_ms, *segment].into_iter().chain(ends) {
        out.put_i64_le(number);
    }
    put_bytes(&mut out, text.as_bytes());
    out
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_extent(out: &mut Vec<u8>, extent: &Extent) {
    let Ground { reads_from, history } = extent.ground;
    for number in [extent.steps.start, reads_from.0, history.lost.0.cast_signed(), history.retained_from.0] {
        out.put_i64_le(number);
    }
    out.put_u64_le(extent.peak);
    out.put_u32_le(extent.counts.len() as u32);
    extent.counts.iter().for_each(|count| out.put_u64_le(*count));
    out.put_u32_le(extent.series.len() as u32);
    for Kept { labels, floats, .. } in &extent.series {
        put_bytes(out, labels.as_bytes());
        out.put_u32_le(floats.len() as u32);
        floats.all().for_each(|(step, _)| out.put_u32_le(step as u32));
        floats.all().for_each(|(_, value)| out.put_f64_le(value));
    }
}

/// How many elements of at least `size` bytes follow; more than there is room for are none.
fn length(body: &mut &[u8], size: usize) -> Result<Option<usize>, TryGetError> {
    let length = body.try_get_u32_le()? as usize;
    Ok((length.saturating_mul(size) <= body.len()).then_some(length))
}

fn extents(body: &mut &[u8], key: &Key) -> Result<Option<Vec<Arc<Extent>>>, TryGetError> {
    let Some(count) = length(body, 40)? else { return Ok(None) };
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        match extent(body, key)? {
            Some(extent) => found.push(Arc::new(extent)),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn extent(body: &mut &[u8], key: &Key) -> Result<Option<Extent>, TryGetError> {
    let (start, reads_from) = (body.try_get_i64_le()?, TimestampMs(body.try_get_i64_le()?));
    let lost = ManifestRevision(body.try_get_i64_le()?.cast_unsigned());
    let history = History { lost, retained_from: TimestampMs(body.try_get_i64_le()?) };
    let peak = body.try_get_u64_le()?;
    let Some(steps) = length(body, 8)? else { return Ok(None) };
    let counts = (0..steps).map(|_| body.try_get_u64_le()).collect::<Result<_, _>>()?;
    let Some(many) = length(body, 8)? else { return Ok(None) };
    let mut series = Vec::with_capacity(many);
    for _ in 0..many {
        let Some(size) = length(body, 1)? else { return Ok(None) };
        let Ok(labels) = Labels::from_canonical(Bytes::copy_from_slice(&body[..size])) else {
            return Ok(None);
        };
        body.advance(size);
        let Some(points) = length(body, 12)? else { return Ok(None) };
        let places = (0..points).map(|_| body.try_get_u32_le()).collect::<Result<Vec<_>, _>>()?;
        let mut floats = Floats::default();
        for place in places {
            floats.push(place, body.try_get_f64_le()?);
        }
        series.push(Kept { labels, floats, histograms: Vec::new() });
    }
    let steps = Stretch { start, step: key.step_ms, count: steps };
    let ground = Ground { reads_from, history };
    Ok(Some(Extent::whole(steps, counts, peak, Notes::default(), series, ground)))
}
