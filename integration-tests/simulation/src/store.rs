//! The real head behind the simulation, and the real merge of recovery.

use std::collections::BTreeSet;

use bytes::Bytes;
use narthex_ingester::{
    head::{Head, PushLimits, Pushed},
    recovery,
};
use narthex_model::{Epoch, Sample, TimeRange, TimestampMs, Value, WindowLength};
use narthex_rpc::frame::{Frame, FrameBuilder};

use crate::{
    labels,
    message::{Batch, Data, Write},
};

/// What one owner holds.
#[derive(Debug)]
pub(crate) struct Store {
    head: Head,
}

/// Heads tell epochs apart by their seals only, and nothing is sealed here.
const EPOCH: Epoch = Epoch(0);
/// Size of chunk files, which stay in memory here.
const CHUNK_FILE_BYTES: usize = 1 << 20;

/// The frame of some writes, which are ordered by series.
pub(crate) fn frame(writes: &[Write]) -> Bytes {
    let mut builder = FrameBuilder::new();
    for (at, write) in writes.iter().enumerate() {
        if at == 0 || writes[at - 1].series != write.series {
            let labels = labels(write.series);
            builder.series(labels.series_hash(), labels.as_bytes());
        }
        builder.float(write.at, write.value);
    }
    builder.finish()
}

/// What a recovering owner has to write, by the real rules.
pub(crate) fn missing(own: &Data, left: &Data, right: &Data) -> Data {
    let empty = Vec::new();
    let samples = |data: &Data, series: &u32| -> Vec<Sample> {
        let found = data.get(series).unwrap_or(&empty);
        found.iter().map(|(at, value)| Sample { timestamp: TimestampMs(*at), value: value.clone() }).collect()
    };
    let series: BTreeSet<_> = left.keys().chain(right.keys()).copied().collect();
    let write = series.into_iter().map(|series| {
        let others = [samples(left, &series), samples(right, &series)];
        let write = recovery::missing(&samples(own, &series), [&others[0], &others[1]]);
        (series, write.into_iter().map(|sample| (sample.timestamp.0, sample.value)).collect::<Vec<_>>())
    });
    write.filter(|(_, write)| !write.is_empty()).collect()
}

impl Store {
    /// An empty head.
    pub(crate) fn new() -> Self {
        Self { head: Head::new(CHUNK_FILE_BYTES, WindowLength::DEFAULT) }
    }

    /// Appends a push; the places of refused samples.
    pub(crate) fn push(&mut self, batch: &Batch) -> Vec<u32> {
        let pushed = self.append(&batch.frame, batch.received_ms, &PushLimits::default());
        pushed.refusals.iter().map(|refusal| refusal.sample).collect()
    }

    /// Writes what recovery found to be missing.
    pub(crate) fn recovered(&mut self, data: &Data, now: i64) {
        let writes = data.iter().flat_map(|(series, samples)| {
            samples.iter().filter_map(|(at, value)| match value {
                Value::Float(value) => Some(Write { series: *series, at: *at, value: *value }),
                Value::Histogram(_) => None,
            })
        });
        self.append(&frame(&writes.collect::<Vec<_>>()), now, &PushLimits::FROM_PEER);
    }

    fn append(&mut self, frame: &Bytes, received_ms: i64, limits: &PushLimits) -> Pushed {
        let frame = Frame::parse(frame.clone()).expect("the simulation builds whole frames");
        self.head
            .push(&frame, received_ms, EPOCH, limits, &mut ())
            .expect("the simulation's labels are canonical")
    }

    /// All samples.
    pub(crate) fn data(&self) -> Data {
        let mut data = Data::new();
        for id in self.head.matching(&[]) {
            let labels = self.head.labels_of(id);
            let series =
                labels.get("series").and_then(|number| number.parse().ok()).expect("a simulated series");
            let chunks = self.head.chunks_of(id, TimeRange::ALL).expect("memory is not damaged");
            let mut samples: Vec<_> = chunks
                .iter()
                .flat_map(|chunk| chunk.samples().expect("memory is not damaged"))
                .map(|(at, value)| Sample { timestamp: TimestampMs(at), value })
                .collect();
            recovery::normalise(&mut samples);
            data.insert(
                series,
                samples.into_iter().map(|sample| (sample.timestamp.0, sample.value)).collect(),
            );
        }
        data
    }

    /// (series, timestamp) of all samples.
    pub(crate) fn keys(&self) -> BTreeSet<(u32, i64)> {
        self.data()
            .iter()
            .flat_map(|(series, samples)| samples.iter().map(|(at, _)| (*series, *at)))
            .collect()
    }
}
