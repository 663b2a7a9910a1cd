//! Times and durations as the API takes them: RFC 3339 or seconds, Prometheus's duration or seconds.

use narthex_model::TimestampMs;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The earliest time that clients send, in the form that Prometheus's own libraries print.
const MIN_TIME: (&str, TimestampMs) = ("-292273086-05-16T16:47:06Z", TimestampMs(-9_223_309_901_257_974_000));
/// The latest one.
const MAX_TIME: (&str, TimestampMs) =
    ("292277025-08-18T07:12:54.999999999Z", TimestampMs(9_223_309_901_257_974_999));

/// Start of a metadata request that names none.
pub(crate) const MIN: TimestampMs = MIN_TIME.1;
/// End of a metadata request that names none.
pub(crate) const MAX: TimestampMs = MAX_TIME.1;

/// Reads a time to the millisecond; the error is Prometheus's text.
pub(crate) fn parse_time(text: &str) -> Result<TimestampMs, String> {
    let fail = || format!("cannot parse {text:?} to a valid timestamp");
    if let Some(seconds) = parse_float(text) {
        let millis = seconds.trunc() * 1000.0 + (seconds.fract() * 1000.0).round();
        return in_range(millis).map(TimestampMs).ok_or_else(fail);
    }
    if let Some((_, at)) = [MIN_TIME, MAX_TIME].into_iter().find(|(name, _)| *name == text) {
        return Ok(at);
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| fail())?;
    let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).map(TimestampMs).map_err(|_| fail())
}

/// Reads a duration into milliseconds; parts of a millisecond are dropped.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_float(text) {
        // Prometheus counts nanoseconds in 64 bits here.
        if seconds.abs() * 1e9 > i64::MAX as f64 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok((seconds * 1000.0) as i64);
    }
    narthex_model::parse_duration(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}

/// A number as Go reads it; what is not a number at all is `None`, and so is NaN, which is no time.
fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}

fn in_range(millis: f64) -> Option<i64> {
    (MIN.0 as f64 <= millis && millis <= MAX.0 as f64).then_some(millis as i64)
}
