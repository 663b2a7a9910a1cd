//! The push frame: what a distributor hands to every owner of one partition, as one buffer.
//!
//! Columns, little-endian, in this order after a header of nine `u32` (magic, series, floats, histograms, metadata entries,
//! label bytes, histogram bytes, metadata bytes, reserved 0):
//!
//! | column | type | of |
//! |---|---|---|
//! | series hashes | `u64` | series |
//! | float timestamps, float values (bits) | `i64`, `u64` | floats |
//! | histogram timestamps | `i64` | histograms |
//! | ends of labels, of floats, of histograms | `u32` each | series |
//! | ends of encoded histograms | `u32` | histograms |
//! | canonical label bytes, [`Histogram::to_bytes`](narthex_model::Histogram::to_bytes) forms, metadata entries | blobs | |
//!
//! Samples are numbered series by series, floats before histograms within a series; verdicts speak of these numbers.
//! [`Frame::parse`] checks every bound and offset, so that reading a parsed frame cannot fail. Labels are checked where they
//! matter, when a series is new to the owner ([`FrameSeries::check_labels`]): bytes equal to a stored series need no check, and
//! nearly all are. The version is in the magic number; a receiver refuses versions it does not know.
//!
//! There is no symbol table: remote write 1.0 carries none, and interning costs more than the bytes it saves on a local network.

mod builder;
mod compress;
mod parse;
mod series;

pub use builder::FrameBuilder;
pub use compress::compress;
pub use parse::{Frame, FrameError};
pub use series::{FrameMetadata, FrameSeries};

/// `NXF` and the version, 1.
const MAGIC: u32 = u32::from_le_bytes(*b"NXF\x01");

/// Bytes before the first column.
const HEADER: usize = 9 * 4;

#[cfg(test)]
mod tests;
