//! What services say to each other: generated messages, clients and server traits, and the pieces around them.
//!
//! A service is called through its generated server trait (`push_server::Push` and so on) whether it runs in this process or
//! elsewhere, so the all-in-one and the cluster share one code path.

#![forbid(unsafe_code)]

mod error;
pub mod frame;
mod peers;

pub use error::RpcError;
pub use peers::{
    AggregateStream, Answers, DynCuts, DynPush, DynSeriesSource, LocalPeer, PeerOptions, Peers, SelectStream,
    SeriesStream,
};

/// Messages, clients and server traits generated from `proto/narthex/v1`.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::too_many_lines,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("narthex.v1");
}
