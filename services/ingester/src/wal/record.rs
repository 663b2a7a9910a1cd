//! The payload of a record: what one push changed in one workspace, or steps of a workspace's cuts.
//!
//! ```text
//! version 1 (1), workspace (16), received stamp (i64)
//! number of new series,  each: id, hash (u64), length, canonical labels
//! number of floats,      base timestamp, each: change of id, timestamp against the base, bits (u64)
//! number of histograms,  each: id, timestamp against the base, length, byte form
//! number of metadata,    each: type, and three texts with their lengths
//!
//! version 2 (1), workspace (16), steps up to the end: kind (1) and what it needs (see `steps`)
//! ```
//!
//! Numbers are LEB128 (zig-zag where they may be negative), fixed ones little-endian. A float costs about 12 bytes. Labels are
//! written once, when the series is created: the checkpoint that lets older segments go holds them from then on.

use narthex_model::{Epoch, ManifestRevision, MetricType, Window, WorkspaceId};

use super::steps;
use crate::head::{Boundary, Log, Seal};

/// A record that passed its checksum but does not read: written by another version, or a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("record is malformed")]
    Malformed,
    #[error("record has version {0}, which this program does not know")]
    Version(u8),
}

/// Records of pushes.
const PUSH: u8 = 1;
/// Records of steps.
pub(super) const STEPS: u8 = 2;

/// One change, borrowed from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// First of a record.
    Begin {
        workspace: WorkspaceId,
        received_ms: i64,
    },
    Series {
        id: u32,
        hash: u64,
        labels: &'a [u8],
    },
    Float {
        id: u32,
        timestamp: i64,
        bits: u64,
    },
    Histogram {
        id: u32,
        timestamp: i64,
        bytes: &'a [u8],
    },
    Metadata {
        metric: &'a str,
        kind: MetricType,
        help: &'a str,
        unit: &'a str,
    },
    /// The window takes no pushes of the epoch any more.
    Close {
        epoch: Epoch,
        adopted: Epoch,
        window: Window,
    },
    /// Open chunks of series from `first` to below `end` that hold samples of the window were ended.
    EndChunks {
        window: Window,
        first: u32,
        end: u32,
    },
    /// What of the window ended before this is a cut.
    Sealed {
        window: Window,
        seal: Seal,
    },
    /// Seals count for nothing any more.
    VoidSeals,
    /// Chunks of the window below the boundary were forgotten, of series from `first` to below `end`.
    ForgetChunks {
        window: Window,
        boundary: Boundary,
        first: u32,
        end: u32,
    },
    /// A series left.
    Leave {
        id: u32,
    },
    /// All of the window below the boundary was forgotten; with `gone` nothing was left of it.
    Forgotten {
        window: Window,
        boundary: Boundary,
        gone: bool,
    },
    /// All metadata was dropped.
    ClearMetadata,
    /// The workspace was deleted.
    Drop,
    /// What is forgotten from now on is in blocks of this revision of the manifest.
    Act {
        revision: ManifestRevision,
    },
}

/// Collects the changes of one push. Keeps its buffers from push to push.
#[derive(Debug, Default)]
pub(crate) struct RecordBuilder {
    series: Vec<u8>,
    floats: Vec<u8>,
    histograms: Vec<u8>,
    metadata: Vec<u8>,
    counts: [u64; 4],
    base: i64,
    last_id: u32,
}

impl RecordBuilder {
    /// Forgets everything; timestamps will be written against `received_ms`.
    pub(crate) fn begin(&mut self, received_ms: i64) {
        for section in [&mut self.series, &mut self.floats, &mut self.histograms, &mut self.metadata] {
            section.clear();
        }
        self.counts = [0; 4];
        self.base = received_ms;
        self.last_id = 0;
    }

    /// Whether nothing changed, so that nothing need be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts == [0; 4]
    }

    /// Appends the payload.
    pub(crate) fn write_to(&self, workspace: WorkspaceId, out: &mut Vec<u8>) {
        out.push(PUSH);
        out.extend_from_slice(&workspace.to_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        for (count, section) in
            self.counts.iter().zip([&self.series, &self.floats, &self.histograms, &self.metadata])
        {
            put(out, *count);
            out.extend_from_slice(section);
        }
    }
}

impl Log for RecordBuilder {
    fn series(&mut self, id: u32, hash: u64, labels: &[u8]) {
        self.counts[0] += 1;
        put(&mut self.series, u64::from(id));
        self.series.extend_from_slice(&hash.to_le_bytes());
        put_bytes(&mut self.series, labels);
    }

    #[inline]
    fn float(&mut self, id: u32, timestamp: i64, bits: u64) {
        self.counts[1] += 1;
        put_signed(&mut self.floats, i64::from(id) - i64::from(self.last_id));
        put_signed(&mut self.floats, timestamp.wrapping_sub(self.base));
        self.floats.extend_from_slice(&bits.to_le_bytes());
        self.last_id = id;
    }

    fn histogram(&mut self, id: u32, timestamp: i64, bytes: &[u8]) {
        self.counts[2] += 1;
        put(&mut self.histograms, u64::from(id));
        put_signed(&mut self.histograms, timestamp.wrapping_sub(self.base));
        put_bytes(&mut self.histograms, bytes);
    }

    fn metadata(&mut self, metric: &str, kind: MetricType, help: &str, unit: &str) {
        self.counts[3] += 1;
        self.metadata.push(kind.to_wire() as u8);
        [metric, help, unit].iter().for_each(|text| put_bytes(&mut self.metadata, text.as_bytes()));
    }
}

/// Reads a payload, handing out its changes in order. Takes any bytes; allocates nothing.
pub(crate) fn read_record<'a>(payload: &'a [u8], visit: impl FnMut(Change<'a>)) -> Result<(), RecordError> {
    match payload.split_first() {
        Some((&PUSH, rest)) => Reader(rest).record(visit).ok_or(RecordError::Malformed),
        Some((&STEPS, rest)) => steps::read(Reader(rest), visit).ok_or(RecordError::Malformed),
        Some((version, _)) => Err(RecordError::Version(*version)),
        None => Err(RecordError::Malformed),
    }
}

/// The workspace that a record is about.
pub(crate) fn workspace_of(payload: &[u8]) -> Result<WorkspaceId, RecordError> {
    match payload.first() {
        Some(&PUSH | &STEPS) => {
            let bytes = payload.get(1..17).ok_or(RecordError::Malformed)?;
            WorkspaceId::from_slice(bytes).map_err(|_| RecordError::Malformed)
        }
        Some(version) => Err(RecordError::Version(*version)),
        None => Err(RecordError::Malformed),
    }
}

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left of a payload.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self, mut visit: impl FnMut(Change<'a>)) -> Option<()> {
        let workspace = WorkspaceId::from_slice(self.take(16)?).ok()?;
        let base = i64::from_le_bytes(*self.take(8)?.first_chunk()?);
        visit(Change::Begin { workspace, received_ms: base });
        for _ in 0..self.number()? {
            let id = self.id()?;
            let hash = self.fixed()?;
            visit(Change::Series { id, hash, labels: self.bytes()? });
        }
        let mut last = 0i64;
        for _ in 0..self.number()? {
            last = last.checked_add(self.signed()?)?;
            let id = u32::try_from(last).ok()?;
            let timestamp = base.wrapping_add(self.signed()?);
            visit(Change::Float { id, timestamp, bits: self.fixed()? });
        }
        for _ in 0..self.number()? {
            let id = self.id()?;
            let timestamp = base.wrapping_add(self.signed()?);
            visit(Change::Histogram { id, timestamp, bytes: self.bytes()? });
        }
        for _ in 0..self.number()? {
            let kind = MetricType::from_wire(i64::from(self.take(1)?[0]));
            let (metric, help, unit) = (self.text()?, self.text()?, self.text()?);
            visit(Change::Metadata { metric, kind, help, unit });
        }
        self.0.is_empty().then_some(())
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let raw = self.number()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    pub(super) fn id(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}
