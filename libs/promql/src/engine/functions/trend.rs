//! Lines through windows: `deriv`, `predict_linear`, `double_exponential_smoothing`.

use super::range::{RangeFunction, Window};
use crate::{
    engine::{column::Sample, eval::Evaluated, notes::Notes},
    error::EvalError,
    histogram::kahan,
};

type Outcome = Evaluated<Option<Sample>>;

pub(super) fn function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        // A time near the samples keeps the sums small and so exact.
        "deriv" => {
            |window, notes| with_two_floats(window, notes, |window| Ok(regression(window, window.times[0]).0))
        }
        "predict_linear" => |window, notes| {
            with_two_floats(window, notes, |window| {
                let (slope, intercept) = regression(window, window.now);
                Ok(slope * window.scalars[0] + intercept)
            })
        },
        "double_exponential_smoothing" => |window, notes| {
            check_factor("smoothing", window.scalars[0])?;
            check_factor("trend", window.scalars[1])?;
            with_two_floats(window, notes, |window| Ok(smooth(window.values, window.scalars)))
        },
        _ => return None,
    })
}

fn with_two_floats(
    window: &Window<'_>,
    notes: &mut Notes,
    function: fn(&Window<'_>) -> Evaluated<f64>,
) -> Outcome {
    if !window.values.is_empty() && !window.histograms.is_empty() {
        notes.ignored_in_range(window.name(), window.position);
    }
    if window.values.len() < 2 {
        return Ok(None);
    }
    Ok(Some(Sample::Float(function(window)?)))
}

/// Slope per second, and value at `at`, of the line with the least squares.
fn regression(window: &Window<'_>, at: i64) -> (f64, f64) {
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for (time, y) in window.times.iter().zip(window.values) {
        let x = (time - at) as f64 / 1e3;
        for ((sum, lost), value) in sums.iter_mut().zip([x, *y, x * y, x * x]) {
            kahan(value, sum, lost);
        }
    }
    let n = window.values.len() as f64;
    let [x, y, xy, xx] = sums.map(|(sum, lost)| sum + lost);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

fn check_factor(name: &str, factor: f64) -> Evaluated<()> {
    if factor <= 0.0 || factor >= 1.0 {
        let letter = if name == "smoothing" { "sf" } else { "tf" };
        return Err(EvalError::Execution(format!(
            "invalid {name} factor. Expected: 0 < {letter} < 1, got: {factor:.6}"
        )));
    }
    Ok(())
}

fn smooth(values: &[f64], [factor, trend_factor]: [f64; 2]) -> f64 {
    let (mut before, mut level, mut trend) = (0.0, values[0], values[1] - values[0]);
    for (at, value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = factor * value + (1.0 - factor) * (level + trend);
        (before, level) = (level, next);
    }
    level
}
