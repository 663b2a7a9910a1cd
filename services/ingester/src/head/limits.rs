//! What a push is judged by, and what the judgement says.

use narthex_model::MAX_SAMPLE_AGE_MS;
use narthex_rpc::v1::sample_refusal::Reason;

/// Newest sample that is accepted, after the received stamp: ten minutes.
pub const MAX_SAMPLE_AHEAD_MS: i64 = 10 * 60 * 1000;

/// Limits of a workspace as they apply to one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// How far behind the newest sample of its series a sample may be, in milliseconds; more than an hour counts as an hour.
    pub out_of_order_window_ms: i64,
    /// How far behind the time of its arrival a sample may be, in milliseconds; more than an hour counts as an hour.
    pub max_age_ms: i64,
    /// Active series that this owner may hold for the workspace; a series that is active already is never refused (W-3).
    pub max_series: u64,
    /// Whether the samples come from another owner rather than from a sender: neither age nor series are limited, closed windows
    /// take them too, and a value that competes for a timestamp is stored if `resolve` prefers it, instead of being refused.
    pub from_peer: bool,
}

impl PushLimits {
    /// For copying what another owner acknowledged.
    pub const FROM_PEER: Self = Self {
        out_of_order_window_ms: MAX_SAMPLE_AGE_MS,
        max_age_ms: MAX_SAMPLE_AGE_MS,
        max_series: u64::MAX,
        from_peer: true,
    };
}

impl Default for PushLimits {
    fn default() -> Self {
        Self {
            out_of_order_window_ms: 600_000,
            max_age_ms: MAX_SAMPLE_AGE_MS,
            max_series: u64::MAX,
            from_peer: false,
        }
    }
}

/// A sample that was not stored, and why. All others are stored, or were there with the same value (W-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the sample in the frame.
    pub sample: u32,
    /// Why.
    pub reason: Reason,
}
