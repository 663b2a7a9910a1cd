//! The two forms in which a signature's time arrives.

use narthex_model::TimestampMs;
use time::{Date, Month, OffsetDateTime, Time, format_description::well_known::Rfc2822};

/// Reads `yyyymmddThhmmssZ`, as `x-amz-date` has it.
pub fn parse_amz_date(text: &str) -> Option<TimestampMs> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u16> {
        bytes[from..to]
            .iter()
            .try_fold(0u16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u16::from(byte - b'0')))
    };
    let small = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let month = Month::try_from(small(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
    let time = Time::from_hms(small(9)?, small(11)?, small(13)?).ok()?;
    Some(timestamp(OffsetDateTime::new_utc(date, time)))
}

/// Reads the `Date` header's form, `Tue, 01 Dec 2020 19:37:25 GMT`.
pub fn parse_http_date(text: &str) -> Option<TimestampMs> {
    OffsetDateTime::parse(text, &Rfc2822).ok().map(timestamp)
}

/// The day of a time as a credential scope names it, `yyyymmdd`.
pub(super) fn scope_date(at: TimestampMs) -> Option<String> {
    let date = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).ok()?.date();
    Some(format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day()))
}

/// A time as `x-amz-date` writes it.
pub(super) fn amz_date(at: TimestampMs) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).ok()?;
    let (hour, minute, second) = moment.to_hms();
    Some(format!("{}T{hour:02}{minute:02}{second:02}Z", scope_date(at)?))
}

fn timestamp(moment: OffsetDateTime) -> TimestampMs {
    TimestampMs(moment.unix_timestamp() * 1000)
}
