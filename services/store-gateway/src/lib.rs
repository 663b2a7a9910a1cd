//! The store-gateway: serves the blocks in the bucket over the same gRPC service as ingesters serve recent samples.
//!
//! A gateway keeps no state but a disk cache. Queriers plan over the manifest and name the blocks to read; which gateway is asked
//! for which block they settle by rendezvous hashing (`narthex_ring::rendezvous_by_zone`), and any gateway can serve any
//! block. So starting up touches no block, whatever their number, and a gateway that fails is replaced by the next in order.
//!
//! `blocks` opens blocks, `cache` keeps their pages on disk, `select` merges several blocks into one answer, `service` is the
//! gRPC surface. A block that is missing or damaged fails the requests that need it, with its name, and no others.

#![forbid(unsafe_code)]

mod admission;
mod blocks;
mod cache;
mod config;
mod gateway;
mod metrics;
mod run;
mod select;
mod service;
mod workers;

pub use cache::CacheError;
pub use config::{BlockArgs, CacheSettings, Config, GatewaySettings, Joined};
pub use gateway::StoreGateway;
pub use run::run;
pub use service::GatewayService;
