//! How much a request may ask for: the time between its ends, and the samples that it sets thresholds for itself.

use narthex_model::TimeRange;
use narthex_promql::EvalError;

use super::{Api, ApiError, call::Call, time};
use crate::metrics::Reason;

/// The parameter of [`Thresholds::warning`].
const WARNING: &str = "max_samples_processed_warning_threshold";
/// The parameter of [`Thresholds::error`].
const ERROR: &str = "max_samples_processed_error_threshold";

impl Api {
    /// Counts a refusal.
    pub(crate) fn refuse(&self, reason: &'static str, error: ApiError) -> ApiError {
        self.metrics.refused.get_or_create(&Reason { reason }).inc();
        error
    }

    /// The error of an evaluation, counted where a limit of the evaluation itself ended it.
    pub(crate) fn failed(&self, error: EvalError) -> ApiError {
        match error {
            EvalError::TooManySamples => self.refuse("samples_held", error.into()),
            EvalError::TooManyProcessed(_) => self.refuse("samples_processed", error.into()),
            error => error.into(),
        }
    }
}

/// Refuses more time than the operator allows (QUO-27, ERR-7).
pub(crate) fn check_range(api: &Api, range: TimeRange) -> Result<(), ApiError> {
    let (length, limit) = (range.max.0.saturating_sub(range.min.0), api.settings.max_range_ms);
    if length <= limit {
        return Ok(());
    }
    let text = format!(
        "the query time range exceeds the limit (query length: {}, limit: {}); \
         ask for less time between start and end",
        go_duration(length),
        go_duration(limit)
    );
    Err(api.refuse("time_range", ApiError::bad_data(text)))
}

/// The time that a request for series or labels looks at. Without an end it goes on for ever, and without a start it begins as
/// early as is allowed, so that a request without both is never refused.
pub(crate) fn metadata_range(api: &Api, call: &Call) -> Result<TimeRange, ApiError> {
    let is_set = |name: &str| !call.params.get(name).is_empty();
    let max = call.params.time_or("end", time::MAX)?;
    let last = if is_set("end") { max } else { api.data_clock.now() };
    let earliest = last.saturating_sub(api.settings.max_range_ms).max(time::MIN);
    let min = call.params.time_or("start", earliest)?;
    check_range(api, TimeRange { min, max: last })?;
    Ok(TimeRange { min, max })
}

/// What a query wants to be told, and ended for (QCC-1 to QCC-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// From so many samples on it carries a warning.
    warning: Option<u64>,
    /// Above so many samples it fails.
    pub(crate) error: Option<u64>,
}

impl Thresholds {
    pub(crate) fn of(call: &Call) -> Result<Self, ApiError> {
        let read = |name| call.params.count(name);
        Ok(Self { warning: read(WARNING)?, error: read(ERROR)? })
    }

    /// The warning of a query that processed so many samples.
    pub(crate) fn warn(self, samples: u64) -> Option<String> {
        let threshold = self.warning.filter(|threshold| samples >= *threshold)?;
        Some(format!(
            "the query processed {samples} samples and so reached its {WARNING} of {threshold}; select fewer series, \
             a shorter time or a larger step"
        ))
    }
}

/// The error of a query that processed more samples than its own threshold.
pub(crate) fn over_threshold(limit: u64) -> String {
    format!(
        "the query processed more than {limit} samples, its {ERROR}; select fewer series, a shorter time or a larger \
         step, or raise the threshold"
    )
}

/// Milliseconds as Go prints a duration, which is how clients know the texts: `2304h0m0s`.
fn go_duration(millis: i64) -> String {
    let millis = millis.unsigned_abs();
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let mut second = format!("{seconds}.{:03}", millis % 1000);
    second.truncate(second.trim_end_matches(['0', '.']).len().max(seconds.to_string().len()));
    match (hours, minutes) {
        (0, 0) => format!("{second}s"),
        (0, _) => format!("{minutes}m{second}s"),
        _ => format!("{hours}h{minutes}m{second}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_in_go() {
        for (millis, text) in [
            (8_208_000_000, "2280h0m0s"),
            (8_208_000_500, "2280h0m0.5s"),
            (3_600_000 + 61_000, "1h1m1s"),
            (600_000, "10m0s"),
            (10_050, "10.05s"),
        ] {
            assert_eq!(go_duration(millis), text);
        }
    }

    #[test]
    fn a_warning_comes_from_the_threshold_on() {
        let thresholds = Thresholds { warning: Some(3), error: None };
        assert_eq!(thresholds.warn(2), None);
        let text = thresholds.warn(3).unwrap_or_default();
        assert!(text.contains("processed 3 samples") && text.contains(WARNING), "{text}");
        assert_eq!(Thresholds { warning: None, error: None }.warn(u64::MAX), None);
    }
}
