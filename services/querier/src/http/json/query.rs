//! The body of a query's answer, produced in pieces of bounded size.
//!
//! [`QueryBody`] owns the result and yields buffers as the connection takes them, so the text of a large answer never
//! lies in memory as a whole.

use std::{io::Write, vec};

use bytes::Bytes;
use narthex_model::{Counts, Histogram, Value};
use narthex_promql::{MatrixSeries, QueryStats, QueryValue, VectorSample, bucket_views};

use super::{write_labels, write_seconds, write_string, write_value};

/// A piece is handed on once it has this many bytes.
const PIECE: usize = 64 * 1024;

/// Points written before the piece's size is looked at again.
const POINTS: usize = 512;

/// The `stats` member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics {
    /// What the engine counted.
    pub(crate) samples: QueryStats,
    /// Seconds of waiting for a free slot.
    pub(crate) queued: f64,
    /// Seconds of parsing.
    pub(crate) preparation: f64,
    /// Seconds of evaluation, reading included.
    pub(crate) evaluation: f64,
}

/// Iterator over the pieces of one answer.
pub(crate) struct QueryBody {
    rest: Rest,
    first: bool,
    tail: Vec<u8>,
    head: Vec<u8>,
}

enum Rest {
    Vector(vec::IntoIter<VectorSample>),
    Matrix { waiting: vec::IntoIter<MatrixSeries>, open: Option<OpenSeries> },
    Nothing,
    Done,
}

struct OpenSeries {
    series: MatrixSeries,
    floats: usize,
    histograms: usize,
}

impl QueryBody {
    /// `ends` is what follows the data: warnings and infos with their commas, without the closing brace.
    pub(crate) fn new(value: QueryValue, stats: Option<&Statistics>, ends: &[u8]) -> Self {
        let mut head = b"{\"status\":\"success\",\"data\":{\"resultType\":".to_vec();
        let mut tail = Vec::new();
        let (kind, rest) = match value {
            QueryValue::Vector(samples) => ("vector", Rest::Vector(samples.into_iter())),
            QueryValue::Matrix(series) => {
                ("matrix", Rest::Matrix { waiting: series.into_iter(), open: None })
            }
            QueryValue::Scalar { timestamp, value } => {
                write_pair(&mut tail, timestamp, |out| write_value(out, value));
                ("scalar", Rest::Nothing)
            }
            QueryValue::String { timestamp, value } => {
                write_pair(&mut tail, timestamp, |out| write_string(out, &value));
                ("string", Rest::Nothing)
            }
        };
        write_string(&mut head, kind);
        head.extend_from_slice(b",\"result\":");
        if !matches!(rest, Rest::Nothing) {
            head.push(b'[');
            tail.push(b']');
        }
        if let Some(stats) = stats {
            write_statistics(&mut tail, stats);
        }
        tail.push(b'}');
        tail.extend_from_slice(ends);
        tail.push(b'}');
        Self { rest, first: true, tail, head }
    }

    /// Writes the next part; false once everything is written.
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.rest {
            Rest::Vector(samples) => {
                if let Some(sample) = samples.next() {
                    separate(out, &mut self.first);
                    write_sample(out, &sample);
                    return true;
                }
            }
            Rest::Matrix { waiting, open } => {
                if let Some(series) = open {
                    if !series.write(out) {
                        *open = None;
                    }
                    return true;
                }
                if let Some(series) = waiting.next() {
                    separate(out, &mut self.first);
                    out.extend_from_slice(b"{\"metric\":");
                    write_labels(out, &series.labels);
                    *open = Some(OpenSeries { series, floats: 0, histograms: 0 });
                    return true;
                }
            }
            Rest::Nothing => {}
            Rest::Done => return false,
        }
        out.append(&mut self.tail);
        self.rest = Rest::Done;
        false
    }
}

impl Iterator for QueryBody {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if matches!(self.rest, Rest::Done) {
            return None;
        }
        let mut out = std::mem::take(&mut self.head);
        while out.len() < PIECE && self.step(&mut out) {}
        Some(out.into())
    }
}

impl OpenSeries {
    /// Writes some points, or the closing brace and then says false.
    fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let Self { series, floats, histograms } = self;
        if *floats < series.floats.len() {
            open_points(out, *floats, "values");
            let until = series.floats.len().min(*floats + POINTS);
            for (at, (timestamp, value)) in series.floats[*floats..until].iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_pair(out, *timestamp, |out| write_value(out, *value));
            }
            close_points(out, until, series.floats.len());
            *floats = until;
        } else if let Some((timestamp, histogram)) = series.histograms.get(*histograms) {
            open_points(out, *histograms, "histograms");
            write_pair(out, *timestamp, |out| write_histogram(out, histogram));
            *histograms += 1;
            close_points(out, *histograms, series.histograms.len());
        } else {
            out.push(b'}');
            return false;
        }
        true
    }
}

fn open_points(out: &mut Vec<u8>, written: usize, member: &str) {
    out.push(b',');
    if written == 0 {
        write_string(out, member);
        out.extend_from_slice(b":[");
    }
}

fn close_points(out: &mut Vec<u8>, written: usize, all: usize) {
    if written == all {
        out.push(b']');
    }
}

fn separate(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
}

fn write_sample(out: &mut Vec<u8>, sample: &VectorSample) {
    out.extend_from_slice(b"{\"metric\":");
    write_labels(out, &sample.labels);
    match &sample.value {
        Value::Float(value) => {
            out.extend_from_slice(b",\"value\":");
            write_pair(out, sample.timestamp, |out| write_value(out, *value));
        }
        Value::Histogram(histogram) => {
            out.extend_from_slice(b",\"histogram\":");
            write_pair(out, sample.timestamp, |out| write_histogram(out, histogram));
        }
    }
    out.push(b'}');
}

fn write_pair(out: &mut Vec<u8>, timestamp: i64, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    write_seconds(out, timestamp);
    out.push(b',');
    value(out);
    out.push(b']');
}

/// `{"count":"..","sum":"..","buckets":[[boundaries,"lower","upper","count"],..]}`; no buckets, no member.
fn write_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let total = match &histogram.counts {
        Counts::Int { total, .. } => *total as f64,
        Counts::Float { total, .. } => *total,
    };
    out.extend_from_slice(b"{\"count\":");
    write_value(out, total);
    out.extend_from_slice(b",\"sum\":");
    write_value(out, histogram.sum);
    let mut first = true;
    for bucket in bucket_views(histogram).into_iter().filter(|bucket| bucket.count != 0.0) {
        out.extend_from_slice(if first { b",\"buckets\":[[" } else { b",[" });
        first = false;
        write!(out, "{},", bucket.boundaries as u8).expect("a vector takes every byte");
        write_value(out, bucket.lower);
        out.push(b',');
        write_value(out, bucket.upper);
        out.push(b',');
        write_value(out, bucket.count);
        out.push(b']');
    }
    if !first {
        out.push(b']');
    }
    out.push(b'}');
}

/// `,"stats":{...}`, with the counts per step where the engine kept them.
fn write_statistics(out: &mut Vec<u8>, stats: &Statistics) {
    let Statistics { samples, queued, preparation, evaluation } = stats;
    let total = queued + preparation + evaluation;
    write!(
        out,
        ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{evaluation},\"resultSortTime\":0,\
         \"queryPreparationTime\":{preparation},\"innerEvalTime\":{evaluation},\"execQueueTime\":{queued},\
         \"execTotalTime\":{total}}},\"samples\":{{"
    )
    .expect("a vector takes every byte");
    if !samples.per_step.is_empty() {
        out.extend_from_slice(b"\"totalQueryableSamplesPerStep\":[");
        for (at, (timestamp, count)) in samples.per_step.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_pair(out, *timestamp, |out| {
                write!(out, "{count}").expect("a vector takes every byte");
            });
        }
        out.extend_from_slice(b"],");
    }
    let QueryStats { total_queryable_samples, peak_samples, .. } = samples;
    write!(out, "\"totalQueryableSamples\":{total_queryable_samples},\"peakSamples\":{peak_samples}}}}}")
        .expect("a vector takes every byte");
}
