//! `irate`, `idelta`, `resets` and `changes`: what happens from one sample to the next, floats and histograms mixed.

use std::sync::Arc;

use narthex_model::CounterResetHint;

use super::{
    range::{RangeFunction, Window},
    starts::{self, Begun},
};
use crate::{
    engine::{
        column::{Sample, SampleRef},
        notes::Notes,
    },
    histogram::Incompatible,
};

pub(super) fn function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "irate" => |window, notes| Ok(last_two(window, notes, true)),
        "idelta" => |window, notes| Ok(last_two(window, notes, false)),
        "resets" => |window, _| Ok(count_pairs(window, is_reset)),
        "changes" => |window, _| Ok(count_pairs(window, is_change)),
        _ => return None,
    })
}

/// A sample with its times.
type Timed<'a> = (Begun, SampleRef<'a>);

/// All samples of a window by time.
fn in_order<'a>(window: &Window<'a>) -> Vec<Timed<'a>> {
    let start = |starts: &[i64], at: usize| starts.get(at).copied().unwrap_or_default();
    let floats = window.times.iter().zip(window.values).enumerate().map(|(at, (time, value))| {
        (Begun { start: start(window.float_starts, at), time: *time }, SampleRef::Float(*value))
    });
    let histograms = window.histograms.iter().enumerate().map(|(at, (time, histogram))| {
        let begun = Begun { start: start(window.histogram_starts, at), time: *time };
        (begun, SampleRef::Histogram(histogram))
    });
    let mut all: Vec<_> = floats.chain(histograms).collect();
    if window.is_mixed() {
        all.sort_by_key(|(begun, _)| begun.time);
    }
    all
}

fn is_reset(previous: &Timed<'_>, current: &Timed<'_>) -> bool {
    let began_anew = starts::is_reset(previous.0, current.0);
    match (previous.1, current.1) {
        (SampleRef::Float(previous), SampleRef::Float(current)) => began_anew || current < previous,
        (SampleRef::Histogram(previous), SampleRef::Histogram(current)) => {
            began_anew || current.detect_reset(previous)
        }
        _ => true,
    }
}

fn is_change(previous: &Timed<'_>, current: &Timed<'_>) -> bool {
    match (previous.1, current.1) {
        (SampleRef::Float(a), SampleRef::Float(b)) => a != b && !(a.is_nan() && b.is_nan()),
        (SampleRef::Histogram(a), SampleRef::Histogram(b)) => !a.same(b),
        _ => true,
    }
}

fn count_pairs(window: &Window<'_>, counts: fn(&Timed<'_>, &Timed<'_>) -> bool) -> Option<Sample> {
    let mut samples = in_order(window);
    if window.anchored {
        // The newest sample at or before the window's start is the base; nothing after it means nothing to count.
        let after = samples.partition_point(|(begun, _)| begun.time <= window.start);
        if after == samples.len() {
            return None;
        }
        samples.drain(..after.saturating_sub(1));
    }
    let found = samples.windows(2).filter(|pair| counts(&pair[0], &pair[1])).count();
    Some(Sample::Float(found as f64))
}

fn last_two(window: &Window<'_>, notes: &mut Notes, per_second: bool) -> Option<Sample> {
    let samples = in_order(window);
    let [.., before, newest] = samples[..] else { return None };
    let ((begun, previous), (newest_begun, last)) = (before, newest);
    let interval = newest_begun.time - begun.time;
    let began_anew = per_second && starts::is_reset(begun, newest_begun);
    if interval == 0 {
        return None;
    }
    let seconds = interval as f64 / 1000.0;
    match (previous, last) {
        (SampleRef::Float(previous), SampleRef::Float(last)) => {
            // A counter that fell has counted from zero.
            let reset = per_second && (began_anew || last < previous);
            let change = if reset { last } else { last - previous };
            Some(Sample::Float(if per_second { change / seconds } else { change }))
        }
        (SampleRef::Histogram(previous), SampleRef::Histogram(last)) => {
            let gauges = [previous, last].map(|histogram| histogram.hint == CounterResetHint::Gauge);
            if per_second && gauges.contains(&true) {
                notes.not_counter(window.name(), window.position);
            }
            if !per_second && gauges.contains(&false) {
                notes.not_gauge(window.name(), window.position);
            }
            let mut result = (**last).clone();
            if !per_second || !(began_anew || last.detect_reset(previous)) {
                match result.sub(previous) {
                    Ok(merged) if merged.bounds_reconciled => {
                        notes.bounds_reconciled("subtraction", window.position)
                    }
                    Ok(_) => {}
                    Err(Incompatible) => {
                        notes.mixed_schemas(window.name(), window.position);
                        return None;
                    }
                }
            }
            result.hint = CounterResetHint::Gauge;
            result = result.compact();
            Some(Sample::Histogram(Arc::new(if per_second { result.divide(seconds) } else { result })))
        }
        _ => {
            notes.mixed_range(window.name(), window.position);
            None
        }
    }
}
