//! Watching a process run: logs, traces, request metrics, and the endpoints for operators.
//!
//! Traces cross processes by W3C `traceparent` headers: [`RequestLayer`] takes the caller's context in, [`InjectTrace`] sends
//! ours along, so that one trace id covers a write through its ingesters. Calls within a process keep the current span.
//! The subscriber that [`Telemetry::install`] sets is the one global of the product.

#![forbid(unsafe_code)]

mod admin;
mod main_loop;
mod metrics;
mod propagate;
mod request;
mod settings;
mod subscriber;

pub use admin::admin_router;
pub use main_loop::run_main;
pub use metrics::{Protocol, RequestMetrics};
pub use propagate::{InjectTrace, InjectTraceLayer, extract_parent, inject_current, inject_interceptor};
pub use request::{RequestLayer, RequestService};
pub use settings::{LogFormat, TelemetrySettings};
pub use subscriber::{Telemetry, TelemetryError};
