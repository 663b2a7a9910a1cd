//! What rules take out of notes.

use std::collections::BTreeSet;

use narthex_integration_tests::compare_answers::Answer;
use narthex_promql::parse;

use super::{has_nested_subqueries, takes_first_parameter};

/// Both answers' notes without those that contain one of some texts.
fn without(texts: &[&str], answers: [&mut Answer; 2]) {
    for answer in answers {
        for notes in [&mut answer.warnings, &mut answer.infos] {
            notes.retain(|note| !texts.iter().any(|text| note.contains(text)));
        }
    }
}

fn replaced(notes: &BTreeSet<String>, by: impl Fn(&str) -> String) -> BTreeSet<String> {
    notes.iter().map(|note| by(note)).collect()
}

pub(super) fn sorting(_: &str, _: &mut Answer, found: &mut Answer) {
    found.warnings.retain(|text| !text.contains("sort is ineffective for range queries"));
}

pub(super) fn custom_bounds(_: &str, expected: &mut Answer, found: &mut Answer) {
    let refused = ["incompatible custom buckets", "incompatible bucket layout"];
    let reconciled = "mismatched custom buckets were reconciled";
    let is_refused = |text: &String| refused.iter().any(|refused| text.contains(refused));
    let refusals = expected.warnings.iter().chain(&found.warnings).any(is_refused);
    if refusals || found.infos.iter().any(|text| text.contains(reconciled)) {
        // What has no value on one side meets nothing there, and a sum that was refused takes no more floats.
        let follows =
            ["incompatible sample types", "ignored histogram in", "floats for aggregation", reconciled];
        // Whether it is a difference of gauges is looked at last.
        if expected.warnings.iter().any(is_refused) {
            without(&["is not a gauge"], [&mut *expected, &mut *found]);
        }
        without(&[&refused[..], &follows[..]].concat(), [expected, found]);
    }
}

pub(super) fn places(query: &str, expected: &mut Answer, found: &mut Answer) {
    if ["((", "(-", ", ("].iter().any(|opening| query.contains(opening)) {
        for answer in [expected, found] {
            for notes in [&mut answer.warnings, &mut answer.infos] {
                *notes = replaced(notes, |text| {
                    text.rsplit_once(" (").map_or(text, |(start, _)| start).to_owned()
                });
            }
        }
    }
}

pub(super) fn details(query: &str, expected: &mut Answer, found: &mut Answer) {
    if query.contains("histogram_") {
        for answer in [expected, found] {
            answer.infos =
                replaced(&answer.infos, |text| match (text.find(", from buckets "), text.rfind(" (")) {
                    (Some(from), Some(place)) if text.contains("fixed for monotonicity") => {
                        text[..from].to_owned() + &text[place..]
                    }
                    _ => text.to_owned(),
                });
        }
    }
}

pub(super) fn collisions(_: &str, _: &mut Answer, found: &mut Answer) {
    found.warnings.retain(|text| !text.contains("conflicting counter resets"));
}

pub(super) fn gauges(query: &str, expected: &mut Answer, found: &mut Answer) {
    if query.contains('-') {
        without(&["is not a gauge", "is not a counter"], [expected, found]);
    }
}

pub(super) fn schemas(_: &str, expected: &mut Answer, found: &mut Answer) {
    let matrix = found.outcome.as_ref().is_ok_and(|data| data.kind != "vector");
    let mixed = |answer: &Answer| answer.warnings.iter().any(|text| text.contains("floats for aggregation"));
    if matrix || (mixed(expected) && mixed(found)) {
        without(&["a mix of histograms with exponential and custom"], [expected, found]);
    }
}

pub(super) fn empty_names(_: &str, expected: &mut Answer, _: &mut Answer) {
    let strip = |text: &str| text.replace(" for metric name \"\"", "");
    expected.warnings = replaced(&expected.warnings, strip);
    expected.infos = replaced(&expected.infos, strip);
}

pub(super) fn first_parameter(query: &str, _: &mut Answer, found: &mut Answer) {
    if parse(query).is_ok_and(|expr| takes_first_parameter(&expr)) {
        let ignored = ["ignored histogram in topk", "ignored histogram in bottomk"];
        found.infos.retain(|text| !ignored.iter().any(|ignored| text.contains(ignored)));
    }
}

pub(super) fn later_steps(query: &str, expected: &mut Answer, found: &mut Answer) {
    if parse(query).is_ok_and(|expr| has_nested_subqueries(&expr)) {
        expected.warnings.retain(|text| found.warnings.contains(text));
        expected.infos.retain(|text| found.infos.contains(text));
    }
}
