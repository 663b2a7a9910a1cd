//! What a process hands to every service it hosts: the things a test or the all-in-one swaps, apart from settings.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{DataClock, Random, SharedClock};

/// The metrics registry of a process. Components register at start-up; `/metrics` encodes it.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// Clock, randomness, metrics and shutdown. Cloning shares all of them.
#[derive(Debug, Clone)]
pub struct Components {
    /// Time for waiting, signatures and logs.
    pub clock: SharedClock,
    /// Time that samples are judged by.
    pub data_clock: DataClock,
    /// Randomness.
    pub random: Random,
    /// Metrics.
    pub registry: SharedRegistry,
    /// Cancelled once, when the process shall drain and stop.
    pub shutdown: CancellationToken,
}
