//! Series lines: `metric{labels} 1 2+3x4 _ stale {{schema:0 sum:1 ...}}`.

use narthex_model::{Labels, stale_marker};

use super::histogram::{Described, parse_histogram};
use crate::{
    histogram::FloatHistogram,
    parser::{parse_number, parse_series},
};

/// A value in a series line.
#[derive(Debug, Clone)]
pub(super) enum Point {
    /// Nothing at this time.
    Omitted,
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Box<Described>),
}

/// Most values that one item may expand to.
const MAX_REPEAT: usize = 100_000;

/// Reads labels and values.
pub(super) fn parse_series_line(line: &str) -> Result<(Labels, Vec<Point>), String> {
    let end = metric_end(line);
    let (metric, mut rest) = line.split_at(end);
    let labels = if metric.is_empty() {
        Labels::EMPTY
    } else {
        parse_series(metric).map_err(|error| format!("{metric}: {error}"))?
    };
    let mut points = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((labels, points));
        }
        let length = item_length(rest);
        let (item, after) = rest.split_at(length);
        expand(item, &mut points).map_err(|error| format!("{item}: {error}"))?;
        rest = after;
    }
}

/// Where the metric ends: at the first space outside of braces and quotes.
pub(super) fn metric_end(line: &str) -> usize {
    let (mut quote, mut depth, mut escaped) = (None, 0, false);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(q), '\\') if q != '`' => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            (None, ' ' | '\t') if depth == 0 => {
                // Spaces may stand between the name and its braces.
                let after = line[at..].trim_start();
                if !after.starts_with('{') || after.starts_with("{{") {
                    return at;
                }
            }
            _ => {}
        }
    }
    line.len()
}

/// Length of the first item: spaces inside of a histogram do not end it.
fn item_length(text: &str) -> usize {
    let (mut at, mut inside) = (0, false);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("{{") {
            (inside, at) = (true, at + 2);
        } else if rest.starts_with("}}") {
            (inside, at) = (false, at + 2);
        } else if !inside && rest.starts_with(char::is_whitespace) {
            return at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

pub(super) fn repeat(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|error| format!("invalid repetition: {error}"))?;
    if count > MAX_REPEAT { Err("too many repetitions".into()) } else { Ok(count) }
}

fn expand(item: &str, points: &mut Vec<Point>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { repeat(rest.strip_prefix('x').ok_or("expected x")?)? };
        points.extend((0..count).map(|_| Point::Omitted));
        return Ok(());
    }
    if item.starts_with("{{") {
        return expand_histogram(item, points);
    }
    if let Some(rest) = item.strip_prefix("stale") {
        let count = if rest.is_empty() { 0 } else { repeat(rest.strip_prefix('x').ok_or("expected x")?)? };
        points.extend((0..=count).map(|_| Point::Float(stale_marker())));
        return Ok(());
    }
    let (start, rest) = number(item)?;
    if rest.is_empty() {
        points.push(Point::Float(start));
        return Ok(());
    }
    let (step, rest) = if rest.starts_with('x') { (0.0, rest) } else { number(rest)? };
    let count = repeat(rest.strip_prefix('x').ok_or("expected x")?)?;
    let mut value = start;
    for _ in 0..=count {
        points.push(Point::Float(value));
        value += step;
    }
    Ok(())
}

/// A signed number at the start of `text`, and what follows.
fn number(text: &str) -> Result<(f64, &str), String> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = rest.to_ascii_lowercase();
    let length = if lower.starts_with("inf") || lower.starts_with("nan") {
        3
    } else {
        let bytes = rest.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let exponent = at > 0 && matches!(bytes[at], b'e' | b'E');
            let sign = matches!(bytes[at], b'+' | b'-') && at > 0 && matches!(bytes[at - 1], b'e' | b'E');
            if !(bytes[at].is_ascii_digit() || matches!(bytes[at], b'.' | b'_') || exponent || sign) {
                break;
            }
            at += 1;
        }
        at
    };
    let (number, rest) = rest.split_at(length);
    let value = parse_number(number).ok_or_else(|| format!("{number:?} is no number"))?;
    Ok((if negative { -value } else { value }, rest))
}

fn expand_histogram(item: &str, points: &mut Vec<Point>) -> Result<(), String> {
    let split = |text: &str| -> Result<(Described, String), String> {
        let end = text.find("}}").ok_or("histogram without end")? + 2;
        Ok((parse_histogram(&text[..end])?, text[end..].to_owned()))
    };
    let (base, rest) = split(item)?;
    if rest.is_empty() {
        points.push(Point::Histogram(Box::new(base)));
        return Ok(());
    }
    if let Some(count) = rest.strip_prefix('x') {
        for _ in 0..=repeat(count)? {
            points.push(Point::Histogram(Box::new(base.clone())));
        }
        return Ok(());
    }
    let subtract = rest.starts_with('-');
    let (step, rest) = split(rest.get(1..).unwrap_or_default())?;
    let count = repeat(rest.strip_prefix('x').ok_or("expected x")?)?;
    let hint_given = step.hint_given;
    let mut current: FloatHistogram = base.histogram;
    points.push(Point::Histogram(Box::new(Described { histogram: current.clone(), hint_given })));
    for _ in 0..count {
        let done = if subtract { current.sub(&step.histogram) } else { current.add(&step.histogram) };
        done.map_err(|_| "histograms cannot be combined")?;
        points.push(Point::Histogram(Box::new(Described { histogram: current.clone(), hint_given })));
    }
    Ok(())
}
