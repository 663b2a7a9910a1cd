//! Samples that are refused for good, by reason: how many, and a text that names the first of them.
//!
//! The texts are Prometheus's (`out of order sample`, `duplicate sample for timestamp`, `out of bounds`) together with the words
//! that the managed service promises (OOO-5), so that searches for either find them. The reply is one line: Prometheus logs
//! only the first. Reasons are those of usage-metrics section 1.5; a time too far ahead and a histogram that contradicts itself
//! have none there and count as `too_far_in_future` and `invalid_histogram`.

use std::collections::BTreeMap;

use narthex_cluster::Workspace;
use narthex_rpc::{frame::Frame, v1::sample_refusal::Reason};

/// Longest text of one series, in characters.
const LONGEST_SERIES: usize = 500;

/// Refused samples of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals(BTreeMap<&'static str, Refused>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Refused {
    samples: u64,
    first: String,
}

impl Refusals {
    /// Adds samples refused for a reason; `describe` is called for the first of them only.
    pub(crate) fn add(&mut self, reason: &'static str, samples: u64, describe: impl FnOnce() -> String) {
        let refused = self.0.entry(reason).or_insert_with(|| Refused { samples: 0, first: describe() });
        refused.samples += samples;
    }

    /// Adds a sample that owners refused.
    pub(crate) fn add_sample(&mut self, reason: Reason, workspace: &Workspace, frame: &Frame, sample: u32) {
        self.add(reason_name(reason), 1, || describe(reason, workspace, frame, sample));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of samples of each reason.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(reason, refused)| (*reason, refused.samples))
    }

    /// One line for the sender: the first sample of each reason, and how many there are.
    pub(crate) fn text(&self) -> String {
        let line = |(reason, refused): (&&'static str, &Refused)| {
            let noun = match *reason {
                "sample-out-of-order" => "out-of-order samples",
                "new-value-for-timestamp" => "samples with different value but same timestamp",
                _ => "samples",
            };
            format!("{} ({} {noun} refused)", refused.first.replace(['\n', '\r'], " "), refused.samples)
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

/// The reason under which refused samples are counted.
fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::TooOld => "greater_than_max_sample_age",
        Reason::TooNew => "too_far_in_future",
        Reason::OutOfOrder | Reason::Unspecified => "sample-out-of-order",
        Reason::NewValueForTimestamp => "new-value-for-timestamp",
        Reason::SeriesLimit => "per_user_series_limit",
        // Never refused for good: the owner counts as missing.
        Reason::Sealed => "sealed",
    }
}

fn describe(reason: Reason, workspace: &Workspace, frame: &Frame, sample: u32) -> String {
    let (series, timestamp) = locate(frame, sample);
    match reason {
        Reason::TooOld => format!("out of bounds: timestamp {timestamp} is too old, series {series}"),
        Reason::TooNew => {
            format!("out of bounds: timestamp {timestamp} is too far in the future, series {series}")
        }
        Reason::OutOfOrder | Reason::Unspecified => {
            format!("out of order sample: timestamp {timestamp}, series {series}")
        }
        Reason::Sealed => {
            format!("timestamp {timestamp} is of a window that is being flushed, series {series}")
        }
        Reason::NewValueForTimestamp => {
            format!("duplicate sample for timestamp {timestamp}; overrides not allowed: series {series}")
        }
        Reason::SeriesLimit => {
            let limit = workspace.max_active_series.unwrap_or_default();
            let Workspace { account, id, .. } = workspace;
            format!(
                "user={account}_{id}: per-user series limit of {limit} exceeded, please contact administrator to raise it \
                 (local limit: 0 global limit: {limit} actual local limit: {limit}), series {series}"
            )
        }
    }
}

/// Series, shortened, and timestamp of a sample of a frame.
fn locate(frame: &Frame, sample: u32) -> (String, i64) {
    let (mut low, mut high) = (0, frame.series_count());
    while low < high {
        let middle = low + (high - low) / 2;
        if frame.at(middle).first_sample <= sample { low = middle + 1 } else { high = middle }
    }
    // The last series whose first sample is not above the one sought.
    let Some(series) = low.checked_sub(1).map(|at| frame.at(at)) else { return (String::new(), 0) };
    let mut times = series.floats().map(|(time, _)| time).chain(series.histograms().map(|(time, _)| time));
    let timestamp = times.nth((sample - series.first_sample) as usize).unwrap_or_default();
    let text = series.check_labels().map(|labels| labels.to_string()).unwrap_or_default();
    (text.chars().take(LONGEST_SERIES).collect(), timestamp)
}

#[cfg(test)]
mod tests {
    use narthex_model::{Labels, WorkspaceId};
    use narthex_rpc::frame::FrameBuilder;

    use super::*;

    fn workspace() -> Workspace {
        let account = "123456789012".parse().expect("account");
        Workspace { max_active_series: Some(9), ..Workspace::new(WorkspaceId::from_random(7), account) }
    }

    fn frame() -> Frame {
        let mut builder = FrameBuilder::new();
        for name in ["a", "b"] {
            let labels = Labels::from_pairs([("__name__", name)]);
            builder.series(labels.series_hash(), labels.as_bytes());
            builder.float(10, 1.0);
            builder.float(20, 1.0);
            builder.histogram(30, &[]);
        }
        Frame::parse(builder.finish()).expect("own bytes")
    }

    #[test]
    fn every_sample_is_found_again() {
        let expected = [("a", 10), ("a", 20), ("a", 30), ("b", 10), ("b", 20), ("b", 30)];
        for (sample, (name, timestamp)) in (0..).zip(expected) {
            assert_eq!(locate(&frame(), sample), (format!("{{__name__=\"{name}\"}}"), timestamp));
        }
    }

    #[test]
    fn texts_name_the_first_sample_and_the_count() {
        let (mut refusals, workspace, frame) = (Refusals::default(), workspace(), frame());
        for sample in [4, 1] {
            refusals.add_sample(Reason::OutOfOrder, &workspace, &frame, sample);
        }
        refusals.add_sample(Reason::NewValueForTimestamp, &workspace, &frame, 2);
        assert_eq!(
            refusals.text(),
            "duplicate sample for timestamp 30; overrides not allowed: series {__name__=\"a\"} \
             (1 samples with different value but same timestamp refused); \
             out of order sample: timestamp 20, series {__name__=\"b\"} (2 out-of-order samples refused)"
        );
        assert_eq!(refusals.counts().map(|(_, samples)| samples).sum::<u64>(), 3);
    }

    #[test]
    fn the_series_limit_speaks_as_the_managed_service_does() {
        let (mut refusals, workspace, frame) = (Refusals::default(), workspace(), frame());
        refusals.add_sample(Reason::SeriesLimit, &workspace, &frame, 0);
        let tenant = format!("user=123456789012_{}: per-user series limit of 9 exceeded", workspace.id);
        assert!(refusals.text().starts_with(&tenant), "{}", refusals.text());
    }
}
