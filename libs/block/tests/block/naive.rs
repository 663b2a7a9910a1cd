//! The plainest selection there can be, which the reader's answers are compared with.

use narthex_block::OwnedSamples;
use narthex_model::{Labels, Matcher, TimeRange, TimestampMs};

use crate::support::{Content, window};

/// Matching series with their samples of the range, without those that have none.
pub(crate) fn select(
    content: &Content,
    matchers: &[Matcher],
    range: TimeRange,
) -> Vec<(Labels, OwnedSamples)> {
    let all = content.iter().filter(|(labels, _)| Matcher::all_match(matchers, labels));
    all.map(|(labels, samples)| (labels.clone(), inside(samples, range)))
        .filter(|(_, samples)| !samples.is_empty())
        .collect()
}

fn inside(samples: &OwnedSamples, range: TimeRange) -> OwnedSamples {
    let mut kept = OwnedSamples::default();
    for (at, value) in samples.timestamps.iter().zip(&samples.values) {
        if range.contains(TimestampMs(*at)) {
            kept.timestamps.push(*at);
            kept.values.push(*value);
        }
    }
    kept.histograms = samples.histograms.clone();
    kept.histograms.retain(|(at, _)| range.contains(TimestampMs(*at)));
    kept
}

/// Matching series that have a row, a window with samples, whose first to last sample touches the range.
pub(crate) fn touching<'a>(content: &'a Content, matchers: &[Matcher], range: TimeRange) -> Vec<&'a Labels> {
    let touches = |samples: &OwnedSamples| {
        let mut times: Vec<i64> = samples.timestamps.clone();
        times.extend(samples.histograms.iter().map(|(at, _)| *at));
        times.sort_unstable();
        let rows =
            times.chunk_by(|a, b| window().window(TimestampMs(*a)) == window().window(TimestampMs(*b)));
        let mut rows = rows.map(|row| TimeRange::from(row[0]..=row[row.len() - 1]));
        rows.any(|row| row.overlaps(range))
    };
    let all =
        content.iter().filter(|(labels, samples)| Matcher::all_match(matchers, labels) && touches(samples));
    all.map(|(labels, _)| labels).collect()
}
