//! Select over blocks: first the labels of all matching series of all blocks, then their samples, both in `cmp_series` order.
//!
//! `find` reads label columns of all blocks side by side; nothing of samples is read before every block has answered and the
//! budget of series is kept. `merge` then walks the series once, over one queue of rows for each block, and settles samples that
//! several blocks hold with `resolve`; `encode` makes chunks of them, and `stream` sends messages as the reader takes them.
//! Memory is bounded by the labels and by a few batches of rows for each block, and is reserved before samples are read.

mod encode;
mod find;
mod labels;
mod merge;
mod queue;
mod stream;

pub(crate) use find::{BLOCKS_AT_A_TIME, find};
pub(crate) use stream::{Held, stream};
