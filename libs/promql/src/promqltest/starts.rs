//! Start lines of a `load`: `metric@st _ -1mx4 -30s-1mx2`, distances from the samples of the line after it.

use std::collections::BTreeMap;

use narthex_model::{Labels, parse_duration};

use super::series::{metric_end, repeat};
use crate::parser::parse_series;

/// A start line. Distances are milliseconds; none where no start is known.
#[derive(Debug)]
pub(super) struct StartsLine {
    labels: Labels,
    distances: Vec<Option<i64>>,
}

/// Reads a start line; none if it is another kind of line.
pub(super) fn parse_line(line: &str) -> Option<Result<StartsLine, String>> {
    let (metric, rest) = line.split_at(metric_end(line));
    let (metric, rest) = match (metric.strip_suffix("@st"), rest.strip_prefix("@st")) {
        (Some(metric), _) => (metric, rest),
        (None, Some(rest)) => (metric, rest),
        (None, None) => return None,
    };
    Some(read(metric, rest))
}

fn read(metric: &str, rest: &str) -> Result<StartsLine, String> {
    let labels = parse_series(metric).map_err(|error| format!("{metric}: {error}"))?;
    let mut distances = Vec::new();
    for item in rest.split_whitespace() {
        expand(item, &mut distances).map_err(|error| format!("{item}: {error}"))?;
    }
    Ok(StartsLine { labels, distances })
}

fn expand(item: &str, distances: &mut Vec<Option<i64>>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { repeat(rest.strip_prefix('x').ok_or("expected x")?)? };
        distances.extend((0..count).map(|_| None));
        return Ok(());
    }
    let (start, rest) = distance(item)?;
    let (step, rest) = if rest.is_empty() || rest.starts_with('x') { (0, rest) } else { distance(rest)? };
    let count = if rest.is_empty() { 0 } else { repeat(rest.strip_prefix('x').ok_or("expected x")?)? };
    distances.extend((0..=count).map(|at| Some(start + at as i64 * step)));
    Ok(())
}

/// A signed duration at the start of `text`, and what follows.
fn distance(text: &str) -> Result<(i64, &str), String> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let end = rest.find(['+', '-', 'x']).unwrap_or(rest.len());
    let (duration, rest) = rest.split_at(end);
    let millis = parse_duration(duration).map_err(|error| format!("{duration:?}: {error}"))?;
    Ok((sign * millis, rest))
}

impl StartsLine {
    /// The starts of a series' samples, one every `step`, by the samples' times.
    pub(super) fn of_samples(
        self,
        labels: &Labels,
        count: usize,
        step: i64,
    ) -> Result<BTreeMap<i64, i64>, String> {
        if self.labels != *labels {
            return Err("@st metric does not match the following sample line metric".into());
        }
        if self.distances.len() != count {
            return Err(format!("@st line has {} values but sample line has {count}", self.distances.len()));
        }
        let timed = self.distances.into_iter().enumerate().map(|(at, distance)| (at as i64 * step, distance));
        Ok(timed.filter_map(|(time, distance)| Some((time, time + distance?))).collect())
    }
}
