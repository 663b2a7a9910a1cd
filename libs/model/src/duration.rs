//! Durations as Prometheus writes them: integers with units, largest unit first, each at most once (`1h30m`).
//!
//! A day has 24 hours, a week 7 days and a year 365 days (API-D-9).

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing but white space.
    #[error("empty duration string")]
    Empty,
    /// Prometheus's own wording for anything else.
    #[error("not a valid duration string: {0:?}")]
    Malformed(String),
    /// More milliseconds than an `i64` holds.
    #[error("duration out of range: {0:?}")]
    OutOfRange(String),
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration into milliseconds. `0` needs no unit.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(0);
    }
    let malformed = || DurationError::Malformed(text.chars().take(100).collect());
    let (mut rest, mut total, mut next_unit) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let at = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if digits == 0 || at < next_unit {
            return Err(malformed());
        }
        let out_of_range = || DurationError::OutOfRange(text.chars().take(100).collect());
        let number: i64 = number.parse().map_err(|_| out_of_range())?;
        total = number
            .checked_mul(UNITS[at].1)
            .and_then(|millis| total.checked_add(millis))
            .ok_or_else(out_of_range)?;
        next_unit = at + 1;
        rest = &rest[digits + letters..];
    }
    Ok(total)
}

/// Writes milliseconds as Prometheus does: the shortest exact form, `0s` for zero.
pub fn format_duration(millis: i64) -> String {
    if millis == 0 {
        return "0s".into();
    }
    let mut text = String::from(if millis < 0 { "-" } else { "" });
    let mut rest = millis.unsigned_abs();
    for (unit, size) in UNITS {
        let size = size.unsigned_abs();
        // Years, weeks and days appear only where they leave nothing over.
        let exact_only = matches!(unit, "y" | "w" | "d");
        if rest >= size && (!exact_only || rest.is_multiple_of(size)) {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_prometheus() {
        for (text, millis) in
            [("0", 0), ("5ms", 5), ("1h30m", 5_400_000), ("1d", 86_400_000), ("1y1w", 32_140_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(millis), "{text}");
        }
        for text in ["", "1", "h", "1m1h", "1.5h", "1h 1m", "-1m", "99999999999y", "1µs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_write_as_in_prometheus() {
        for (millis, text) in
            [(0, "0s"), (5_400_000, "1h30m"), (86_400_000, "1d"), (90_000_000, "25h"), (1_500, "1s500ms")]
        {
            assert_eq!(format_duration(millis), text);
        }
    }
}
