//! Annotations while they are collected: each once, with the place in the query that caused it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut};

use super::fragment::{CodecError, get_bytes, get_length, put_bytes};
use crate::{ast::format_number, error::PositionRange, result::Annotations};

/// What can be noted. Texts are Prometheus's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    Warning(String),
    Info(String),
}

/// Widest extent of a repaired classic histogram.
#[derive(Debug, Clone, Copy)]
struct Forced {
    times: (i64, i64),
    buckets: (f64, f64),
    most: f64,
    samples: usize,
}

/// Line and column in the query.
type Place = (u32, u32);

/// All notes of a query, or of a stretch of its steps.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Where each was made last: of equal texts Prometheus shows one.
    notes: BTreeMap<Note, (u32, u32)>,
    forced: BTreeMap<(String, Place), Forced>,
    /// How often starts overlapped, by metric and place.
    overlaps: BTreeMap<(String, Place), usize>,
    plain: BTreeSet<String>,
}

/// ` for metric name "x"`, or nothing for a series without a name.
fn of_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") }
}

impl Notes {
    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.forced.is_empty() && self.overlaps.is_empty() && self.plain.is_empty()
    }

    fn warn(&mut self, position: PositionRange, text: String) {
        self.notes.insert(Note::Warning(text), (position.line, position.column));
    }

    fn info(&mut self, position: PositionRange, text: String) {
        self.notes.insert(Note::Info(text), (position.line, position.column));
    }

    /// A warning of the source.
    pub(super) fn source(&mut self, text: String) {
        self.plain.insert(text);
    }

    pub(super) fn mixed_range(&mut self, name: &str, at: PositionRange) {
        self.warn(at, format!("encountered a mix of histograms and floats for metric name {name:?}"));
    }

    pub(super) fn mixed_aggregation(&mut self, at: PositionRange) {
        self.warn(at, "encountered a mix of histograms and floats for aggregation".into());
    }

    pub(super) fn mixed_schemas(&mut self, name: &str, at: PositionRange) {
        let text =
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
        self.warn(at, format!("{text} {name:?}"));
    }

    pub(super) fn mixed_classic_native(&mut self, name: &str, at: PositionRange) {
        self.warn(at, format!("vector contains a mix of classic and native histograms{}", of_metric(name)));
    }

    pub(super) fn not_counter(&mut self, name: &str, at: PositionRange) {
        self.warn(at, format!("this native histogram metric is not a counter: {name:?}"));
    }

    pub(super) fn not_gauge(&mut self, name: &str, at: PositionRange) {
        self.warn(at, format!("this native histogram metric is not a gauge: {name:?}"));
    }

    pub(super) fn start_overlap(&mut self, name: &str, at: PositionRange) {
        *self.overlaps.entry((name.to_owned(), (at.line, at.column))).or_default() += 1;
    }

    pub(super) fn incompatible_operator(&mut self, op: &str, at: PositionRange) {
        self.warn(at, format!("incompatible bucket layout encountered for binary operator {op}"));
    }

    pub(super) fn reset_collision(&mut self, operation: &str, at: PositionRange) {
        self.warn(at, format!("conflicting counter resets during histogram {operation}"));
    }

    pub(super) fn sort_in_range(&mut self, at: PositionRange) {
        self.warn(
            at,
            "sort is ineffective for range queries since results are always ordered by labels".into(),
        );
    }

    pub(super) fn quantile(&mut self, q: f64, at: PositionRange) {
        self.warn(at, format!("quantile value should be between 0 and 1, got {}", format_number(q)));
    }

    pub(super) fn ratio(&mut self, ratio: f64, capped: f64, at: PositionRange) {
        let (ratio, capped) = (format_number(ratio), format_number(capped));
        self.warn(at, format!("ratio value should be between -1 and 1, got {ratio}, capping to {capped}"));
    }

    pub(super) fn bad_bucket(&mut self, name: &str, label: &str, at: PositionRange) {
        let text = format!(
            "bucket label \"le\" is missing or has a malformed value of {label:?}{}",
            of_metric(name)
        );
        self.warn(at, text);
    }

    pub(super) fn bounds_reconciled(&mut self, operation: &str, at: PositionRange) {
        self.info(at, format!("mismatched custom buckets were reconciled during {operation}"));
    }

    pub(super) fn possible_non_counter(&mut self, name: &str, at: PositionRange) {
        let text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
        self.info(at, format!("{text} {name:?}"));
    }

    pub(super) fn incompatible_types(&mut self, left: &str, op: &str, right: &str, at: PositionRange) {
        let text = "incompatible sample types encountered for binary operator";
        self.info(at, format!("{text} {op:?}: {left} {op} {right}"));
    }

    pub(super) fn ignored_in_aggregation(&mut self, op: &str, at: PositionRange) {
        self.info(at, format!("ignored histogram in {op} aggregation"));
    }

    pub(super) fn ignored_in_range(&mut self, name: &str, at: PositionRange) {
        let text = "ignored histograms in a range containing both floats and histograms for metric name";
        self.info(at, format!("{text} {name:?}"));
    }

    pub(super) fn nan_observations(&mut self, what: &str, name: &str, at: PositionRange) {
        self.info(at, format!("input to {what}{}", of_metric(name)));
    }

    /// Bucket counts that fell with rising bounds were repaired: between the bounds `low` and `high`, by `most` at most.
    pub(super) fn forced_monotonic(
        &mut self,
        name: &str,
        at: PositionRange,
        time: i64,
        (low, high, most): (f64, f64, f64),
    ) {
        let entry = self.forced.entry((name.to_owned(), (at.line, at.column)));
        let new = Forced { times: (time, time), buckets: (low, high), most, samples: 0 };
        let forced = entry.or_insert(new);
        forced.times = (forced.times.0.min(time), forced.times.1.max(time));
        forced.buckets = (forced.buckets.0.min(low), forced.buckets.1.max(high));
        forced.most = forced.most.max(most);
        forced.samples += 1;
    }

    /// Adds what another part of the evaluation noted.
    pub(super) fn absorb(&mut self, other: Self) {
        self.notes.extend(other.notes);
        self.plain.extend(other.plain);
        for (place, count) in other.overlaps {
            *self.overlaps.entry(place).or_default() += count;
        }
        for (place, theirs) in other.forced {
            self.forced
                .entry(place)
                .and_modify(|mine| {
                    mine.times = (mine.times.0.min(theirs.times.0), mine.times.1.max(theirs.times.1));
                    mine.buckets =
                        (mine.buckets.0.min(theirs.buckets.0), mine.buckets.1.max(theirs.buckets.1));
                    mine.most = mine.most.max(theirs.most);
                    mine.samples += theirs.samples;
                })
                .or_insert(theirs);
        }
    }

    /// The notes as if what they are about stood at other places: pairs of old and new ones.
    pub(super) fn moved(&self, pairs: &[(Place, Place)]) -> Self {
        let new = |old: Place| pairs.iter().find(|(from, _)| *from == old).map_or(old, |(_, to)| *to);
        Self {
            notes: self.notes.iter().map(|(note, place)| (note.clone(), new(*place))).collect(),
            forced: self.forced.iter().map(|((name, at), all)| ((name.clone(), new(*at)), *all)).collect(),
            overlaps: self.overlaps.iter().map(|((name, at), n)| ((name.clone(), new(*at)), *n)).collect(),
            plain: self.plain.clone(),
        }
    }

    /// The notes as bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32_le(self.notes.len() as u32);
        for (note, (line, column)) in &self.notes {
            let (kind, text) = match note {
                Note::Warning(text) => (0, text),
                Note::Info(text) => (1, text),
            };
            out.put_u8(kind);
            out.put_u32_le(*line);
            out.put_u32_le(*column);
            put_bytes(out, text.as_bytes());
        }
        out.put_u32_le(self.overlaps.len() as u32);
        for ((name, (line, column)), count) in &self.overlaps {
            out.put_u32_le(*line);
            out.put_u32_le(*column);
            out.put_u64_le(*count as u64);
            put_bytes(out, name.as_bytes());
        }
    }

    /// Takes notes from bytes. Those on repaired classic histograms are not among them: no leaf makes any.
    pub(super) fn decode(input: &mut &[u8]) -> Result<Self, CodecError> {
        let text =
            |input: &mut &[u8]| Ok::<_, CodecError>(String::from_utf8_lossy(get_bytes(input)?).into_owned());
        let mut notes = Self::default();
        for _ in 0..get_length(input, 13)? {
            let kind = input.try_get_u8()?;
            let place = (input.try_get_u32_le()?, input.try_get_u32_le()?);
            let text = text(input)?;
            let note = if kind == 0 { Note::Warning(text) } else { Note::Info(text) };
            notes.notes.insert(note, place);
        }
        for _ in 0..get_length(input, 20)? {
            let place = (input.try_get_u32_le()?, input.try_get_u32_le()?);
            let count = input.try_get_u64_le()? as usize;
            notes.overlaps.insert((text(input)?, place), count);
        }
        Ok(notes)
    }

    /// Adds the notes of other steps of the same query, as if they had been made in one evaluation. False, and nothing is added, where
    /// that cannot be known: equal texts have one place, that of the node evaluated last, and here their places differ.
    #[must_use]
    pub fn join(&mut self, others: &Self) -> bool {
        let same = |(note, place): (&Note, &Place)| self.notes.get(note).is_none_or(|known| known == place);
        let agree = others.notes.iter().all(same);
        if agree {
            self.absorb(others.clone());
        }
        agree
    }

    /// Whether a note says how many samples it is about. Such notes add up only where no sample is looked at twice.
    pub fn count_samples(&self) -> bool {
        !(self.forced.is_empty() && self.overlaps.is_empty())
    }

    /// How many notes there are.
    pub fn len(&self) -> usize {
        self.notes.len() + self.forced.len() + self.overlaps.len() + self.plain.len()
    }

    /// The notes as the API shows them.
    pub fn finish(self) -> Annotations {
        let mut annotations = Annotations { warnings: self.plain.into_iter().collect(), infos: Vec::new() };
        for (note, (line, column)) in self.notes {
            match note {
                Note::Warning(text) => {
                    annotations.warnings.push(format!("PromQL warning: {text} ({line}:{column})"))
                }
                Note::Info(text) => annotations.infos.push(format!("PromQL info: {text} ({line}:{column})")),
            }
        }
        for ((name, (line, column)), count) in self.overlaps {
            let times = if count > 1 { format!(" ({count} occurrences)") } else { String::new() };
            annotations.warnings.push(format!(
                "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \
                 {name:?}{times} ({line}:{column})"
            ));
        }
        for ((name, (line, column)), forced) in self.forced {
            let Forced { times, buckets, most, samples } = forced;
            annotations.infos.push(format!(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}, from buckets {} \
                 to {}, with a max diff of {}, over {samples} samples from {} to {} ({line}:{column})",
                of_metric(&name),
                format_number(buckets.0),
                format_number(buckets.1),
                two_digits(most),
                rfc3339(times.0),
                rfc3339(times.1),
            ));
        }
        annotations.warnings.sort();
        annotations.infos.sort();
        annotations
    }
}

/// Two significant digits, as C's `%.2g`.
fn two_digits(value: f64) -> String {
    let text = format!("{value:.1e}");
    match text.parse::<f64>() {
        Ok(rounded) if rounded == 0.0 || (1e-4..100.0).contains(&rounded.abs()) => rounded.to_string(),
        _ => {
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}

fn rfc3339(millis: i64) -> String {
    let date = super::functions::Date::from_seconds(millis.div_euclid(1000));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    )
}
