//! What a recovering owner has to write for one series, given what each of the three owners holds.
//!
//! The union of both other owners is taken. Where values compete for a timestamp, the value that two of the three hold wins,
//! otherwise the greatest by [`resolve`] (section 4 of the design). Only what the own disk lacks or holds with another
//! value is returned, so that an almost intact disk writes almost nothing.

use std::iter::Peekable;

use narthex_model::{Sample, TimestampMs, Value, resolve};

/// The samples to write, ascending. Each input is strictly ascending by timestamp.
pub fn missing(own: &[Sample], others: [&[Sample]; 2]) -> Vec<Sample> {
    let mut own = own.iter().peekable();
    let mut others = others.map(|samples| samples.iter().peekable());
    let mut write = Vec::new();
    while let Some(at) = others.iter_mut().filter_map(|o| o.peek().map(|sample| sample.timestamp)).min() {
        let [left, right] = others.each_mut().map(|samples| take(samples, at));
        while own.next_if(|sample| sample.timestamp < at).is_some() {}
        let own = take(&mut own, at);
        let winner = settle([own, left, right]);
        if winner != own
            && let Some(value) = winner
        {
            write.push(Sample { timestamp: at, value: value.clone() });
        }
    }
    write
}

/// The value that two owners hold, else the greatest; `None` only if no owner holds any.
pub fn settle(held: [Option<&Value>; 3]) -> Option<&Value> {
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        if held[first].is_some() && held[first] == held[second] {
            return held[first];
        }
    }
    held.into_iter().flatten().max_by(|a, b| resolve(a, b))
}

/// Sorts samples of one owner and keeps one value a timestamp, by [`resolve`]; chunks of a series may overlap.
pub fn normalise(samples: &mut Vec<Sample>) {
    samples.sort_by(|a, b| a.timestamp.cmp(&b.timestamp).then_with(|| resolve(&b.value, &a.value)));
    samples.dedup_by_key(|sample| sample.timestamp);
}

fn take<'a>(samples: &mut Peekable<impl Iterator<Item = &'a Sample>>, at: TimestampMs) -> Option<&'a Value> {
    samples.next_if(|sample| sample.timestamp == at).map(|sample| &sample.value)
}
