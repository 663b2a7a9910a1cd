//! Dates of the date operators: the W3C forms of ISO 8601, from a year alone to fractions of a second, and seconds since 1970.
//!
//! Four digits are a year.

use time::{Date, Month, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !text.is_ascii() || text.is_empty() {
        return None;
    }
    if text.len() != 4 && digits(text.strip_prefix('-').unwrap_or(text)) {
        return text.parse::<i64>().ok()?.checked_mul(1000);
    }
    match text.len() {
        4 | 7 | 10 => date(text),
        // Minutes without seconds: `2026-01-01T00:00Z` and `2026-01-01T00:00+01:00`.
        17 | 22 if text.as_bytes()[16] != b':' => full(&format!("{}:00{}", &text[..16], &text[16..])),
        _ => full(text),
    }
}

fn full(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next().map_or(Some(1), |month| month.parse().ok())?;
    let day = parts.next().map_or(Some(1), |day| day.parse().ok())?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let start = date.midnight().assume_offset(UtcOffset::UTC);
    parts.next().is_none().then(|| start.unix_timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_w3c_note() {
        let day = 1_767_225_600_000;
        let cases = [
            ("2026", Some(day)),
            ("2026-01", Some(day)),
            ("2026-01-01", Some(day)),
            ("2026-01-01T00:00Z", Some(day)),
            ("2026-01-01T01:00+01:00", Some(day)),
            ("2026-01-01T00:00:00Z", Some(day)),
            ("2026-01-01T00:00:00.5Z", Some(day + 500)),
            ("1767225600", Some(day)),
            ("0", Some(0)),
            ("-1", Some(-1000)),
            ("2026-13", None),
            ("2026-02-30", None),
            ("99999999999999999999", None),
            ("today", None),
            ("", None),
            ("-", None),
            ("2026-01-01T00:0é", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), millis, "{text}");
        }
    }
}
