//! Histograms in scripts: `{{schema:1 count:5 sum:2.5 buckets:[1 2 2]}}`.

use std::fmt::Write;

use narthex_model::CounterResetHint;

use crate::{ast::format_number, histogram::FloatHistogram, parser::parse_signed_number};

/// A histogram as a script describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) histogram: FloatHistogram,
    /// Whether the reset hint was written, and so must agree.
    pub(super) hint_given: bool,
}

fn list(text: &str) -> Result<Vec<f64>, String> {
    let inner =
        text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or("expected [...]")?;
    inner
        .split_whitespace()
        .map(|item| parse_signed_number(item).ok_or(format!("{item:?} is no number")))
        .collect()
}

/// Reads a description with its braces.
pub(super) fn parse_histogram(text: &str) -> Result<Described, String> {
    let mut rest =
        text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).ok_or("expected {{...}}")?.trim();
    let mut histogram = FloatHistogram::default();
    let (mut offsets, mut counts) = ([0, 0], [Vec::new(), Vec::new()]);
    let mut hint_given = false;
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or("expected key:value")?;
        let end = match after.find('[') {
            Some(0) => after.find(']').map(|end| end + 1),
            _ => after.find(char::is_whitespace),
        };
        let (value, after) = after.split_at(end.unwrap_or(after.len()));
        rest = after.trim_start();
        let number = || parse_signed_number(value).ok_or(format!("{key}: {value:?} is no number"));
        match key.trim() {
            "schema" => histogram.schema = number()? as i32,
            "sum" => histogram.sum = number()?,
            "count" => histogram.count = number()?,
            "z_bucket" => histogram.zero_count = number()?,
            "z_bucket_w" => histogram.zero_threshold = number()?,
            "offset" => offsets[0] = number()? as i32,
            "n_offset" => offsets[1] = number()? as i32,
            "buckets" => counts[0] = list(value)?,
            "n_buckets" => counts[1] = list(value)?,
            "custom_values" => histogram.custom = list(value)?.into(),
            "counter_reset_hint" => {
                hint_given = true;
                histogram.hint = match value {
                    "unknown" => CounterResetHint::Unknown,
                    "reset" => CounterResetHint::Reset,
                    "not_reset" => CounterResetHint::NotReset,
                    "gauge" => CounterResetHint::Gauge,
                    _ => return Err(format!("unknown reset hint {value:?}")),
                };
            }
            _ => return Err(format!("unknown key {key:?}")),
        }
    }
    let sparse = |side: usize| {
        counts[side].iter().zip(offsets[side]..).map(|(count, index)| (index, *count)).collect()
    };
    (histogram.positive, histogram.negative) = (sparse(0), sparse(1));
    Ok(Described { histogram, hint_given })
}

/// A histogram as scripts write it, for messages.
pub(super) fn describe(histogram: &FloatHistogram) -> String {
    let mut text = format!("{{{{schema:{} ", histogram.schema);
    for (key, value) in [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ] {
        let _ = write!(text, "{key}:{} ", format_number(value));
    }
    let _ = write!(text, "hint:{:?} custom:{:?} ", histogram.hint, histogram.custom);
    let _ = write!(text, "positive:{:?} negative:{:?}}}}}", histogram.positive, histogram.negative);
    text
}
