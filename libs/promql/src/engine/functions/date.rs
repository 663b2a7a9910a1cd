//! Parts of dates, in UTC, by the proleptic Gregorian calendar.

use narthex_model::Labels;

use super::map;
use crate::{
    ast::Call,
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
    },
};

/// A moment taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Date {
    pub(in crate::engine) year: i64,
    pub(in crate::engine) month: i64,
    pub(in crate::engine) day: i64,
    pub(in crate::engine) hour: i64,
    pub(in crate::engine) minute: i64,
    pub(in crate::engine) second: i64,
    /// Days since 1970-01-01.
    days: i64,
}

/// The first second that Go's calendar knows, in the year -292277022399; those before wrap around to its end.
const FIRST_SECOND: i64 = -9_223_372_028_715_321_600;
const WRAP: i128 = 1 << 64;

/// A float as whole seconds, as Go converts on the machines that Prometheus mostly runs on: what does not fit, and NaN, is the
/// least number.
fn whole_seconds(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

/// Days from 1970-01-01 to the first of a month (from 1).
fn days_until(year: i64, month: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 - 719_468
}

impl Date {
    pub(in crate::engine) fn from_seconds(seconds: i64) -> Self {
        let seconds = i128::from(seconds) + if seconds < FIRST_SECOND { WRAP } else { 0 };
        let (days, rest) = (seconds.div_euclid(86_400) as i64, seconds.rem_euclid(86_400) as i64);
        let (era, of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        Self { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, days }
    }

    fn days_in_month(self) -> i64 {
        let (year, month) = if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        days_until(year, month) - days_until(self.year, self.month)
    }
}

/// The function that takes a part of a date.
pub(super) fn part(name: &str) -> Option<fn(Date) -> i64> {
    Some(match name {
        "days_in_month" => Date::days_in_month,
        "day_of_month" => |date| date.day,
        "day_of_week" => |date| (date.days + 4).rem_euclid(7),
        "day_of_year" => |date| date.days - days_until(date.year, 1) + 1,
        "hour" => |date| date.hour,
        "minute" => |date| date.minute,
        "month" => |date| date.month,
        "year" => |date| date.year,
        _ => return None,
    })
}

/// A part of the date of each value in seconds, or of the evaluation time.
pub(super) async fn call(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let Some(part) = part(call.function) else { return Ok(Vec::new()) };
    let of = |seconds: i64| part(Date::from_seconds(seconds)) as f64;
    let Some(arg) = call.args.first() else {
        let values = (0..steps.count).map(|at| of(steps.time(at) / 1000)).collect();
        return Ok(vec![Column::dense(Labels::EMPTY, false, values)]);
    };
    let mut columns = evaluator.vector(arg, steps).await?;
    map(evaluator, &mut columns, |value| of(whole_seconds(value))).await?;
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = Date::from_seconds(951_782_400 + 3_723);
        assert_eq!(
            (date.year, date.month, date.day, date.hour, date.minute, date.second),
            (2000, 2, 29, 1, 2, 3)
        );
        assert_eq!(date.days_in_month(), 29);
        let of = |name: &str, seconds: i64| part(name).expect("known")(Date::from_seconds(seconds));
        assert_eq!([of("day_of_week", 0), of("day_of_year", 951_782_400), of("year", -1)], [4, 60, 1969]);
        assert_eq!(of("days_in_month", -86_400), 31);
    }
}
