//! What every process needs: clocks, randomness, configuration, servers and graceful shutdown.
//!
//! Everything here is handed to components as an argument; nothing is global. Settings (what a user tunes) come from
//! [`config`]; components (what a test swaps) travel in [`Components`].

#![forbid(unsafe_code)]

mod clock;
mod components;
pub mod config;
mod health;
mod memory;
mod random;
pub mod server;
mod settings;
mod signals;

pub use clock::{Clock, DataClock, DataClockSetting, Elapsed, SharedClock, SystemClock, timeout};
pub use components::{Components, SharedRegistry};
pub use config::{ByteSize, ConfigError, HumanDuration};
pub use health::{Condition, Health};
pub use memory::{MemoryPool, OutOfMemory, available_memory};
pub use random::Random;
pub use settings::{
    AdminSettings, DataClockSettings, MemberSettings, OpenListener, PublicSettings, ServerSettings,
    TlsSettings,
};
pub use signals::cancel_on_signal;
