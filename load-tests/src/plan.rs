//! What a load sends: bodies in time order, made before the clock starts.

use std::thread;

use anyhow::{Result, ensure};
use bytes::Bytes;
use narthex_integration_tests::wire::{bytes_field, compress, varint};
use sha2::{Digest, Sha256};

use crate::series::{METRIC_NAMES, label_fields, metric_name, value};

/// The shape of a load.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Plan {
    /// How many series.
    pub series: usize,
    /// Samples of each series.
    pub samples: usize,
    /// One-sample series in a request.
    pub series_per_request: usize,
    /// The data clock: milliseconds between two samples of a series.
    pub interval_ms: i64,
    /// The data clock: the timestamp of the last samples, milliseconds since the epoch.
    pub last_ms: i64,
}

/// A request body, ready to send.
#[derive(Debug, Clone)]
pub struct Request {
    /// Remote write 1.0 in a snappy block.
    pub body: Bytes,
    /// SHA-256 of the body in lower-case hexadecimal.
    pub sha256: String,
    /// Samples in it.
    pub samples: usize,
}

/// All requests: for each group of series its requests in time order. A group must be sent in that order.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Requests by group, then tick.
    pub groups: Vec<Vec<Request>>,
}

impl Plan {
    /// The timestamp of a tick.
    pub fn timestamp(&self, tick: usize) -> i64 {
        self.last_ms - (self.samples - 1 - tick) as i64 * self.interval_ms
    }

    /// All samples.
    pub fn total(&self) -> usize {
        self.series * self.samples
    }

    /// A query that counts the raw samples of one metric, and what it must answer when all are there.
    pub fn control_query(&self) -> (String, usize) {
        let window = (self.samples as i64 + 1) * self.interval_ms;
        let series = self.series.div_ceil(METRIC_NAMES);
        (format!("sum(count_over_time({}[{window}ms]))", metric_name(0)), series * self.samples)
    }
}

/// Encodes, compresses and hashes everything, on all cores.
pub fn prepare(plan: &Plan) -> Result<Prepared> {
    ensure!(
        plan.series > 0 && plan.samples > 0 && plan.series_per_request > 0,
        "a load needs series and samples"
    );
    let starts: Vec<usize> = (0..plan.series).step_by(plan.series_per_request).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = starts.len().div_ceil(workers);
    let groups = thread::scope(|scope| {
        let work = |share: &[usize]| share.iter().map(|&first| group(plan, first)).collect::<Vec<_>>();
        let threads: Vec<_> = starts.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("encoding does not panic")).collect()
    });
    Ok(Prepared { groups })
}

fn group(plan: &Plan, first: usize) -> Vec<Request> {
    let members = first..plan.series.min(first + plan.series_per_request);
    let labels: Vec<Vec<u8>> = members.clone().map(label_fields).collect();
    let encode = |tick| {
        let timestamp = plan.timestamp(tick).cast_unsigned();
        let mut message = Vec::with_capacity(labels.iter().map(|fields| fields.len() + 32).sum());
        let mut series = Vec::with_capacity(400);
        for (index, fields) in members.clone().zip(&labels) {
            series.clear();
            series.extend_from_slice(fields);
            let mut sample = Vec::with_capacity(20);
            sample.push(1 << 3 | 1);
            sample.extend_from_slice(&value(index, tick).to_le_bytes());
            sample.push(2 << 3);
            varint(&mut sample, timestamp);
            bytes_field(&mut series, 2, &sample);
            bytes_field(&mut message, 1, &series);
        }
        let body = compress(&message);
        let sha256 = hex::encode(Sha256::digest(&body));
        Request { body, sha256, samples: labels.len() }
    };
    (0..plan.samples).map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_one_request_and_time_ends_at_the_last() {
        let plan =
            Plan { series: 25, samples: 3, series_per_request: 10, interval_ms: 1000, last_ms: 50_000 };
        let prepared = prepare(&plan).unwrap();
        assert_eq!(prepared.groups.len(), 3);
        let samples = prepared.groups.iter().flatten().map(|request| request.samples).sum::<usize>();
        assert_eq!(samples, plan.total());
        assert_eq!((plan.timestamp(0), plan.timestamp(2)), (48_000, 50_000));
    }
}
