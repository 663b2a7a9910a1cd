//! What a process hands to every service it hosts: the things a test or the all-in-one swaps, apart from settings.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::{DataClock, DataClockSetting, Health, Random, SharedClock, SystemClock};

/// The metrics registry of a process. Components register at start-up; `/metrics` encodes it.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// Clock, randomness, metrics, health and shutdown. Cloning shares all of them.
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
    /// Conditions of readiness; every service of the process adds its own.
    pub health: Health,
    /// Cancelled once, when the process shall drain and stop.
    pub shutdown: CancellationToken,
}

impl Components {
    /// The machine's clock and randomness, an empty registry, no conditions.
    pub fn from_system(data_clock: Option<DataClockSetting>) -> Self {
        Self::new(SystemClock::shared(), Random::from_system(), data_clock)
    }

    /// The given clock and randomness, an empty registry, no conditions: simulations and tests pass their own.
    pub fn new(clock: SharedClock, random: Random, data_clock: Option<DataClockSetting>) -> Self {
        Self {
            data_clock: DataClock::new(Arc::clone(&clock), data_clock),
            clock,
            random,
            registry: Arc::default(),
            health: Health::new(),
            shutdown: CancellationToken::new(),
        }
    }
}
