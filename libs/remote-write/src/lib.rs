//! Remote write 1.0: decoding without copies, canonical series, and an encoder for senders.
//!
//! The way of a request: [`Decompressor`] (size bounded before memory is taken), [`WriteRequest`] (a walk over the protobuf in
//! the decompressed buffer; labels and histograms are slices of it), [`Canonicalizer`] (sorted, validated, hashed once). Nothing
//! allocates per series or per label. Everything here reads outside bytes: it never panics, and memory is bounded by the input
//! (W-5: every bit of a value passes unchanged).

#![forbid(unsafe_code)]

mod canonical;
mod encode;
mod error;
mod histogram;
mod request;
mod snappy;
pub mod synthetic;
mod wire;

pub use canonical::{Canonical, Canonicalizer, LabelLimits, SeriesFault, display_series};
pub use encode::Encoder;
pub use error::{DecodeError, WireError};
pub use histogram::HistogramMessage;
pub use request::{Entry, Label, MAX_SAMPLES, Metadata, Series, WriteRequest};
pub use snappy::{Decompressor, MAX_DECODED_BYTES};
