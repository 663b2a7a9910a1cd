//! Encodings of samples in the head, in chunk files and in Select streams.
//!
//! A chunk is a run of samples of one series at strictly ascending timestamps, in self-contained bytes tagged with an
//! [`Encoding`]. Every codec keeps every bit of a value (W-5). Readers take bytes from disks and peers: they never panic,
//! allocate no more than one sample needs at a time, and report the first damage as [`ChunkError`] and then end.

#![forbid(unsafe_code)]

mod bytes_io;
mod columns;
mod decimal;
mod digest;
mod encoding;
mod float;
mod histogram;
mod raw;

pub use columns::{Columns, Floats, MAX_COLUMN_SAMPLES, encode_columns};
pub use digest::SetHash;
pub use encoding::{Chunk, ChunkError, Encoding, check_chunk};
pub use float::{FloatIter, FloatState, MAX_RECORD_BYTES, Refused, encode_floats};
pub use histogram::{HistogramIter, HistogramState};
pub use raw::{RawIter, encode_raw};
