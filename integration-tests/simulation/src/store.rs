//! The real head behind the simulation, and the real merge of recovery.
//!
//! Sealing and forgetting change a head turn by turn, each of which is logged, as the storage of an ingester does it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use narthex_chunk::{Chunk, SetHash};
use narthex_ingester::{
    head::{Boundary, Head, Log, PushLimits, Seal},
    recovery,
};
use narthex_model::{
    Epoch, ManifestRevision, MetricType, Sample, TimeRange, TimestampMs, Value, Window, WindowLength,
};
use narthex_rpc::{
    frame::{Frame, FrameBuilder},
    v1::sample_refusal::Reason,
};

use crate::{
    labels,
    message::{Batch, Data, SealedCut, Write},
};

/// What one owner holds.
#[derive(Debug)]
pub(crate) struct Store {
    head: Head,
}

/// Samples of a push that were not stored, by their places.
#[derive(Debug, Default)]
pub(crate) struct NotStored {
    /// For good.
    pub(crate) refused: Vec<u32>,
    /// Because their window is sealed.
    pub(crate) sealed: Vec<u32>,
}

/// What the log of an ingester keeps of a push: series and samples by id, those that were stored and no others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    received_ms: i64,
    series: Vec<(u32, u64, Vec<u8>)>,
    samples: Vec<(u32, i64, u64)>,
}

impl Log for Stored {
    fn series(&mut self, id: u32, hash: u64, labels: &[u8]) {
        self.series.push((id, hash, labels.to_vec()));
    }

    fn float(&mut self, id: u32, timestamp: i64, bits: u64) {
        self.samples.push((id, timestamp, bits));
    }

    fn histogram(&mut self, _id: u32, _timestamp: i64, _bytes: &[u8]) {}

    fn metadata(&mut self, _metric: &str, _kind: MetricType, _help: &str, _unit: &str) {}
}

/// One turn of sealing or forgetting; the bounds are ids of series.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Pushes of an epoch are refused in a window from now on; the second is the adopted epoch.
    Close(Epoch, Epoch, Window),
    /// Open chunks of a window end.
    EndChunks(Window, u32, u32),
    /// What ended is the cut.
    Sealed(Window, Seal),
    /// All seals are void.
    VoidSeals,
    /// What is forgotten from now on is in blocks of this revision.
    Act(ManifestRevision),
    /// Chunks of a window below a boundary go.
    ForgetChunks(Window, Boundary, u32, u32),
    /// They are gone; whether with them all of the window is.
    Forgotten(Window, Boundary, bool),
}

/// Size of chunk files, which stay in memory here.
const CHUNK_FILE_BYTES: usize = 1 << 20;

/// Length of windows.
pub(crate) const WINDOW: WindowLength = match WindowLength::from_millis(20 * 60 * 1_000) {
    Ok(length) => length,
    Err(_) => WindowLength::DEFAULT,
};

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

/// The samples of a series, as the real parts take them.
pub(crate) fn samples(data: &Data, series: u32) -> Vec<Sample> {
    let found = data.get(&series).map_or(&[][..], Vec::as_slice);
    found.iter().map(|(at, value)| Sample { timestamp: TimestampMs(*at), value: value.clone() }).collect()
}

/// The other way round.
pub(crate) fn pairs(samples: Vec<Sample>) -> Vec<(i64, Value)> {
    samples.into_iter().map(|sample| (sample.timestamp.0, sample.value)).collect()
}

/// What a recovering owner has to write, by the real rules.
pub(crate) fn missing(own: &Data, left: &Data, right: &Data) -> Data {
    let series: BTreeSet<_> = left.keys().chain(right.keys()).copied().collect();
    let write = series.into_iter().map(|series| {
        let others = [samples(left, series), samples(right, series)];
        (series, pairs(recovery::missing(&samples(own, series), [&others[0], &others[1]])))
    });
    write.filter(|(_, write)| !write.is_empty()).collect()
}

/// (series, timestamp) of all samples.
pub(crate) fn keys(data: &Data) -> BTreeSet<(u32, i64)> {
    data.iter().flat_map(|(series, samples)| samples.iter().map(|(at, _)| (*series, *at))).collect()
}

fn read(chunks: &[Chunk]) -> Vec<Sample> {
    let samples = chunks.iter().flat_map(|chunk| chunk.samples().expect("memory is not damaged"));
    let mut samples: Vec<_> =
        samples.map(|(at, value)| Sample { timestamp: TimestampMs(at), value }).collect();
    recovery::normalise(&mut samples);
    samples
}

impl Store {
    /// An empty head.
    pub(crate) fn new() -> Self {
        Self { head: Head::new(CHUNK_FILE_BYTES, WINDOW) }
    }

    /// The head, to look at.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Appends a push; what it changed is to be logged.
    pub(crate) fn push(&mut self, batch: &Batch, epoch: Epoch) -> (NotStored, Stored) {
        let frame = Frame::parse(batch.frame.clone()).expect("the simulation builds whole frames");
        let limits = PushLimits { out_of_order_window_ms: 3_600_000, ..PushLimits::default() };
        let mut log = Stored { received_ms: batch.received_ms, ..Stored::default() };
        let pushed = self.head.push(&frame, batch.received_ms, epoch, &limits, &mut log);
        let mut lacking = NotStored::default();
        for refusal in pushed.expect("the simulation's labels are canonical").refusals {
            match refusal.reason {
                Reason::Sealed => lacking.sealed.push(refusal.sample),
                _ => lacking.refused.push(refusal.sample),
            }
        }
        (lacking, log)
    }

    /// Writes what recovery found to be missing; what that changed is to be logged.
    pub(crate) fn recovered(&mut self, data: &Data, now: i64, epoch: Epoch) -> Stored {
        let writes = data.iter().flat_map(|(series, samples)| {
            samples.iter().filter_map(|(at, value)| match value {
                Value::Float(value) => Some(Write { series: *series, at: *at, value: *value }),
                Value::Histogram(_) => None,
            })
        });
        let frame = Frame::parse(frame(&writes.collect::<Vec<_>>())).expect("whole frames");
        let mut log = Stored { received_ms: now, ..Stored::default() };
        self.head
            .push(&frame, now, epoch, &PushLimits::FROM_PEER, &mut log)
            .expect("the simulation's labels are canonical");
        log
    }

    /// Makes logged changes again.
    pub(crate) fn redo(&mut self, stored: &Stored) {
        self.head.redo_received(stored.received_ms);
        for (id, hash, labels) in &stored.series {
            self.head.redo_series(*id, *hash, labels);
        }
        for (id, timestamp, bits) in &stored.samples {
            // Where the log was damaged the series may be lost.
            let _ = self.head.redo_float(*id, *timestamp, *bits);
        }
    }

    /// Makes a logged change.
    pub(crate) fn apply(&mut self, turn: Turn) {
        let head = &mut self.head;
        match turn {
            Turn::Close(epoch, adopted, window) => head.close(epoch, adopted, window),
            Turn::EndChunks(window, first, end) => drop(head.end_chunks(window, first..end, |_| false)),
            Turn::Sealed(window, seal) => head.sealed(window, seal),
            Turn::VoidSeals => head.void_seals(),
            Turn::Act(revision) => head.act(revision),
            Turn::ForgetChunks(window, boundary, first, end) => {
                head.forget_chunks(window, boundary, first..end, |_| false);
            }
            Turn::Forgotten(window, boundary, gone) => head.forgotten(window, boundary, gone),
        }
    }

    /// What is sealed of a cut: digests of all series, and the samples of some. `None` if it is not sealed here.
    pub(crate) fn cut(
        &self,
        epoch: Epoch,
        window: Window,
        wanted: impl Fn(u32) -> bool,
    ) -> Option<SealedCut> {
        let mut cut = SealedCut { digests: BTreeMap::new(), data: Data::new() };
        let Some(seal) = self.head.seal_of(epoch, window) else {
            let empty = self.head.is_closed(epoch, window) && !self.head.holds(window);
            return empty.then_some(cut);
        };
        for id in self.head.cut_series(window, seal.boundary, 0..self.head.id_bound()) {
            let chunks = self.head.cut_chunks(id, window, seal.boundary).expect("memory is not damaged");
            let (series, samples) = (self.series(id), read(&chunks));
            let mut digest = SetHash::default();
            for Sample { timestamp, value } in &samples {
                if let Value::Float(value) = value {
                    digest.add_float(timestamp.0, *value);
                }
            }
            cut.digests.insert(series, digest);
            if wanted(series) {
                cut.data.insert(series, pairs(samples));
            }
        }
        Some(cut)
    }

    fn series(&self, id: u32) -> u32 {
        let labels = self.head.labels_of(id);
        labels.get("series").and_then(|number| number.parse().ok()).expect("a simulated series")
    }

    /// All samples.
    pub(crate) fn data(&self) -> Data {
        let ids = self.head.matching(&[]).into_iter();
        let series = ids.map(|id| {
            let chunks = self.head.chunks_of(id, TimeRange::ALL).expect("memory is not damaged");
            (self.series(id), pairs(read(&chunks)))
        });
        series.collect()
    }
}
