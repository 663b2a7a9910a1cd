//! Blocks: the samples of a workspace as plain Parquet objects in the bucket.
//!
//! A row is a series in a window; rows lie in `cmp_series` order, then time (B-2). [`BlockWriter`] streams rows into an
//! object, [`BlockUpload`] into an object store; both end with a [`BlockMeta`], which is what a manifest needs to plan over the
//! block without touching it. [`BlockReader`] finds series by their labels and then reads only pages that hold their samples. Every bit of a value survives (W-5). The README tells how DuckDB
//! and pyarrow read a block, and what each column means.

#![forbid(unsafe_code)]

mod decimal;
mod error;
mod meta;
mod page;
mod reader;
mod samples;
mod schema;
mod writer;

pub use error::BlockError;
pub use meta::{BlockMeta, LabelRange, MAX_BOUND_BYTES};
pub use reader::{
    BatchLimits, BlockReader, Budget, Footer, FoundSeries, RowSlice, SampleBatch, SampleReader,
    SelectedSeries, Selection, SeriesSlice, StoredFloats, StoredHistograms, StoredSamples,
};
pub use samples::{OwnedSamples, SeriesSamples};
pub use schema::{BlockSchema, FORMAT_VERSION, LabelCount, SchemaSettings};
pub use writer::{BlockUpload, BlockWriter, WriterSettings};
