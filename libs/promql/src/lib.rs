//! PromQL: the parser layer and the engine over a [`SeriesSource`].
//!
//! A query is text, then an [`Expr`] ([`parse`]), then a [`QueryResult`] ([`Engine`]). The engine loads every selector once
//! for the whole time it needs, or lets the source aggregate it ([`Fragment`]), then evaluates operators over columns: one column
//! per series, one row per step. Semantics
//! are those of Prometheus 3.14 with all its experimental parts on, delayed name removal included. Nothing here reads a
//! clock or does I/O; only the source does.

#![forbid(unsafe_code)]

pub mod ast;
mod engine;
mod error;
mod histogram;
mod memory;
mod parser;
pub mod promqltest;
mod result;
mod source;

pub use ast::Expr;
pub use engine::{
    CodecError, Control, Engine, EngineConfig, Explanation, Fragment, FragmentAnswer, FragmentRun, Notes,
    Places, PlannedFragment, PlannedNode, PlannedRead, PlannedSteps, PushDown, RangeCall, compare_by_name,
};
pub use error::{EvalError, ParseError, PositionRange};
pub use histogram::{BucketBoundaries, BucketView, bucket_views};
pub use memory::{Memory, Reservation};
pub use parser::{Signature, parse, parse_duration_or_number, parse_selector, signature};
pub use result::{Annotations, MatrixSeries, QueryResult, QueryStats, QueryValue, VectorSample};
pub use source::{
    SelectHints, SelectedSeries, Selection, SeriesData, SeriesSource, SourceError, StartTimestamps,
};
