//! The bytes of an answer: little-endian columns, so that a group costs a copy and not a conversion.
//!
//! An answer is a row of messages: any number of groups or chosen series, then one with notes and counts. [`FragmentAnswer::decode`]
//! takes them in any split, checks every length before it takes memory, and refuses whatever does not fit the fragment, because
//! its numbers become rows of columns that nothing checks again.

use bytes::{Buf, BufMut, Bytes};
use narthex_model::{CounterResetHint, LabelError, Labels};

use super::{Fragment, FragmentAnswer};
use crate::{
    ast::AggregateOp,
    engine::{
        aggregate::{ExactSums, Floats, HistogramTotal, Histograms, Partial, Rest},
        column::{Column, SampleRef},
        functions::HistogramMean,
        notes::Notes,
        stats::Stats,
    },
    histogram::FloatHistogram,
};

/// Groups are put into one message up to about this many bytes.
const MESSAGE_BYTES: usize = 1 << 20;

const GROUP: u8 = 1;
const CHOSEN: u8 = 2;
const END: u8 = 3;

/// An answer that does not fit its fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Bytes are missing.
    #[error("cut off")]
    CutOff,
    /// Bytes of no known kind.
    #[error("unknown tag {0}")]
    Tag(u8),
    /// Labels that are none.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// A step or a size beyond what the fragment has.
    #[error("{0} out of bounds")]
    Bounds(&'static str),
}

type Decoded<T> = Result<T, CodecError>;

impl From<bytes::TryGetError> for CodecError {
    fn from(_: bytes::TryGetError) -> Self {
        Self::CutOff
    }
}

impl FragmentAnswer {
    /// The answer as messages.
    pub fn encode(&self) -> Vec<Bytes> {
        let (mut messages, mut out) = (Vec::new(), Vec::new());
        let mut flush = |out: &mut Vec<u8>, least: usize| {
            if out.len() > least {
                messages.push(Bytes::from(std::mem::take(out)));
            }
        };
        for (labels, partial) in self.groups.iter() {
            out.put_u8(GROUP);
            put_labels(&mut out, labels);
            put_labels(&mut out, &partial.first.1);
            put_partial(&mut out, partial);
            flush(&mut out, MESSAGE_BYTES);
        }
        for column in &self.chosen {
            out.put_u8(CHOSEN);
            put_column(&mut out, column);
            flush(&mut out, MESSAGE_BYTES);
        }
        out.put_u8(END);
        self.notes.encode(&mut out);
        self.stats.encode(&mut out);
        flush(&mut out, 0);
        messages
    }

    /// Takes the next message of an answer; whether it was the last.
    pub fn decode(&mut self, message: &Bytes, fragment: &Fragment) -> Decoded<bool> {
        let mut input = &message[..];
        while input.has_remaining() {
            match input.try_get_u8()? {
                GROUP => {
                    let labels = get_labels(&mut input)?;
                    self.groups.push(labels, get_partial(&mut input, fragment)?);
                }
                CHOSEN => self.chosen.push(get_column(&mut input, fragment)?),
                END => {
                    self.notes = Notes::decode(&mut input)?;
                    self.stats = Stats::decode(&mut input, fragment.step_times())?;
                    return Ok(true);
                }
                tag => return Err(CodecError::Tag(tag)),
            }
        }
        Ok(false)
    }
}

/// A length of items that take at least `size` bytes each.
pub(in crate::engine) fn get_length(input: &mut &[u8], size: usize) -> Decoded<usize> {
    let length = input.try_get_u32_le()? as usize;
    if length.saturating_mul(size) > input.len() { Err(CodecError::CutOff) } else { Ok(length) }
}

pub(in crate::engine) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(bytes.len() as u32);
    out.put_slice(bytes);
}

pub(in crate::engine) fn get_bytes<'a>(input: &mut &'a [u8]) -> Decoded<&'a [u8]> {
    let length = get_length(input, 1)?;
    let (bytes, rest) = input.split_at(length);
    *input = rest;
    Ok(bytes)
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_bytes(out, labels.as_bytes());
}

fn get_labels(input: &mut &[u8]) -> Decoded<Labels> {
    Ok(Labels::from_canonical(Bytes::copy_from_slice(get_bytes(input)?))?)
}

fn put_floats(out: &mut Vec<u8>, floats: &[f64]) {
    floats.iter().for_each(|value| out.put_f64_le(*value));
}

fn get_floats(input: &mut &[u8], count: usize) -> Decoded<Vec<f64>> {
    if count.saturating_mul(size_of::<f64>()) > input.len() {
        return Err(CodecError::CutOff);
    }
    (0..count).map(|_| Ok(input.try_get_f64_le()?)).collect()
}

fn put_counts(out: &mut Vec<u8>, counts: &[u64]) {
    counts.iter().for_each(|count| out.put_u64_le(*count));
}

fn get_counts(input: &mut &[u8], count: usize) -> Decoded<Vec<u64>> {
    if count.saturating_mul(size_of::<u64>()) > input.len() {
        return Err(CodecError::CutOff);
    }
    (0..count).map(|_| Ok(input.try_get_u64_le()?)).collect()
}

fn put_flags(out: &mut Vec<u8>, flags: &[bool]) {
    flags.iter().for_each(|flag| out.put_u8(u8::from(*flag)));
}

fn get_flags(input: &mut &[u8], count: usize) -> Decoded<Vec<bool>> {
    if count > input.len() {
        return Err(CodecError::CutOff);
    }
    (0..count).map(|_| Ok(input.try_get_u8()? != 0)).collect()
}

fn put_partial(out: &mut Vec<u8>, partial: &Partial) {
    put_flags(out, &[partial.drop_name, partial.undecided]);
    match &partial.floats {
        Floats::Present(present) => put_flags(out, present),
        Floats::Count(counts) => put_counts(out, counts),
        Floats::Best(values, present) => {
            put_flags(out, present);
            put_floats(out, values);
        }
        Floats::Sum(sums, counts) => {
            put_counts(out, counts);
            put_floats(out, &sums.high);
            put_floats(out, &sums.low);
            out.put_u32_le(sums.rest.len() as u32);
            for (at, rest) in &sums.rest {
                out.put_u32_le(*at as u32);
                out.put_f64_le(rest.infinite);
                for list in [&rest.parts, &rest.large] {
                    out.put_u32_le(list.len() as u32);
                    put_floats(out, list);
                }
            }
        }
    }
    let histograms = partial.histograms.iter().enumerate();
    let histograms: Vec<_> = histograms.filter_map(|(at, one)| Some((at, one.as_ref()?))).collect();
    out.put_u32_le(histograms.len() as u32);
    for (at, histograms) in histograms {
        out.put_u32_le(at as u32);
        put_flags(out, &[histograms.reset, histograms.not_reset, histograms.incompatible]);
        let (value, lost, mean) = match &histograms.total {
            HistogramTotal::Sum(value, lost) => (value, lost, None),
            HistogramTotal::Mean(HistogramMean { value, lost, count, incremental, .. }) => {
                (value, lost, Some((*count, *incremental)))
            }
        };
        put_histogram(out, value);
        put_flags(out, &[lost.is_some()]);
        if let Some(lost) = lost {
            put_histogram(out, lost);
        }
        if let Some((count, incremental)) = mean {
            out.put_f64_le(count);
            put_flags(out, &[incremental]);
        }
    }
}

fn get_partial(input: &mut &[u8], fragment: &Fragment) -> Decoded<Partial> {
    let steps = fragment.steps;
    let first = (0, get_labels(input)?);
    let flags = get_flags(input, 2)?;
    let (drop_name, undecided) = (flags[0], flags[1]);
    let floats = match fragment.op {
        AggregateOp::Sum | AggregateOp::Avg => {
            let counts = get_counts(input, steps)?;
            let (high, low) = (get_floats(input, steps)?, get_floats(input, steps)?);
            let mut sums = ExactSums { high, low, ..ExactSums::default() };
            for _ in 0..get_length(input, 20)? {
                let at = get_step(input, steps)?;
                let infinite = input.try_get_f64_le()?;
                let mut list = || get_length(input, 8).and_then(|count| get_floats(input, count));
                let (parts, large) = (list()?, list()?);
                sums.rest.insert(at, Rest { parts, large, infinite });
            }
            Floats::Sum(sums, counts)
        }
        AggregateOp::Count => Floats::Count(get_counts(input, steps)?),
        AggregateOp::Min | AggregateOp::Max => {
            let present = get_flags(input, steps)?;
            Floats::Best(get_floats(input, steps)?, present)
        }
        AggregateOp::Group => Floats::Present(get_flags(input, steps)?),
        _ => return Err(CodecError::Bounds("a state of an aggregation that has none")),
    };
    let mut partial = Partial { drop_name, floats, histograms: Vec::new(), first, undecided };
    for _ in 0..get_length(input, 50)? {
        let at = get_step(input, steps)?;
        if partial.histograms.is_empty() {
            partial.histograms = vec![None; steps];
        }
        let flags = get_flags(input, 3)?;
        let value = get_histogram(input)?;
        let lost = match input.try_get_u8()? {
            0 => None,
            _ => Some(Box::new(get_histogram(input)?)),
        };
        let total = if fragment.op == AggregateOp::Avg {
            let (count, incremental) = (input.try_get_f64_le()?, input.try_get_u8()? != 0);
            HistogramTotal::Mean(HistogramMean { value, lost, count, incremental, reconciled: false })
        } else {
            HistogramTotal::Sum(value, lost)
        };
        let (reset, not_reset, incompatible) = (flags[0], flags[1], flags[2]);
        partial.histograms[at] = Some(Box::new(Histograms { total, reset, not_reset, incompatible }));
    }
    Ok(partial)
}

fn get_step(input: &mut &[u8], steps: usize) -> Decoded<usize> {
    let at = input.try_get_u32_le()? as usize;
    if at < steps { Ok(at) } else { Err(CodecError::Bounds("step")) }
}

fn put_column(out: &mut Vec<u8>, column: &Column) {
    put_labels(out, &column.labels);
    put_flags(out, &[column.drop_name]);
    let rows: Vec<_> = column.samples().collect();
    out.put_u32_le(rows.len() as u32);
    for (at, sample) in rows {
        out.put_u32_le(at as u32);
        match sample {
            SampleRef::Float(value) => {
                out.put_u8(0);
                out.put_f64_le(value);
            }
            SampleRef::Histogram(histogram) => {
                out.put_u8(1);
                put_histogram(out, histogram);
            }
        }
    }
}

fn get_column(input: &mut &[u8], fragment: &Fragment) -> Decoded<Column> {
    let labels = get_labels(input)?;
    let drop_name = input.try_get_u8()? != 0;
    let mut column = Column::new(labels, drop_name, fragment.steps);
    for _ in 0..get_length(input, 13)? {
        let at = get_step(input, fragment.steps)?;
        match input.try_get_u8()? {
            0 => column.set_float(at, input.try_get_f64_le()?),
            1 => column.set_histogram(at, get_histogram(input)?.into()),
            tag => return Err(CodecError::Tag(tag)),
        }
    }
    Ok(column)
}

const HINTS: [CounterResetHint; 4] =
    [CounterResetHint::Unknown, CounterResetHint::Reset, CounterResetHint::NotReset, CounterResetHint::Gauge];

fn put_histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    let FloatHistogram { schema, hint, zero_threshold, zero_count, count, sum, positive, negative, custom } =
        histogram;
    out.put_i32_le(*schema);
    out.put_u8(HINTS.iter().position(|one| one == hint).unwrap_or_default() as u8);
    put_floats(out, &[*zero_threshold, *zero_count, *count, *sum]);
    for buckets in [positive, negative] {
        out.put_u32_le(buckets.len() as u32);
        for (index, count) in buckets {
            out.put_i32_le(*index);
            out.put_f64_le(*count);
        }
    }
    out.put_u32_le(custom.len() as u32);
    put_floats(out, custom);
}

fn get_histogram(input: &mut &[u8]) -> Decoded<FloatHistogram> {
    let schema = input.try_get_i32_le()?;
    let hint = *HINTS.get(usize::from(input.try_get_u8()?)).ok_or(CodecError::Bounds("hint"))?;
    let floats = get_floats(input, 4)?;
    let mut buckets = || -> Decoded<Vec<(i32, f64)>> {
        let count = get_length(input, 12)?;
        (0..count).map(|_| Ok((input.try_get_i32_le()?, input.try_get_f64_le()?))).collect()
    };
    let (positive, negative) = (buckets()?, buckets()?);
    let count = get_length(input, 8)?;
    let custom = get_floats(input, count)?;
    let ascend = |buckets: &[(i32, f64)]| buckets.is_sorted_by(|a, b| a.0 < b.0);
    let within = schema == crate::histogram::CUSTOM || (-4..=8).contains(&schema);
    if !ascend(&positive) || !ascend(&negative) || !within || !custom.is_sorted_by(|a, b| a < b) {
        return Err(CodecError::Bounds("histogram"));
    }
    Ok(FloatHistogram {
        schema,
        hint,
        zero_threshold: floats[0],
        zero_count: floats[1],
        count: floats[2],
        sum: floats[3],
        positive,
        negative,
        custom: custom.into(),
    })
}
