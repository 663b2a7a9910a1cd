//! Judging and storing a frame.
//!
//! The order of the questions is part of the contract: a sample that the head already has is a success whatever its age (W-2),
//! another value for its timestamp is refused as such, and only then age, seals and order are asked. So a request that is sent
//! again can never be refused for what it did the first time, as long as the cut is held and the epoch lasts.
//!
//! A sample of a window that is sealed in the push's epoch is refused as SEALED (F-4), which the sender may try again. The head
//! "has" what was sealed in this epoch: two owners that have a sample in their sealed content are enough for any block of
//! the cut. It does not have what an earlier epoch sealed: that copy may be in no block and may be forgotten, so the sample
//! is stored again, above the boundary. What comes from another owner is stored whether or not the window is closed.

use std::ops::Range;

use narthex_model::{Epoch, MAX_SAMPLE_AGE_MS};
use narthex_rpc::{
    frame::{Frame, FrameError, FrameSeries},
    v1::sample_refusal::Reason,
};

use super::{
    ActiveSeries, Head, Log, MAX_SAMPLE_AHEAD_MS, PushLimits, Refusal,
    metadata::Noted,
    sealed::NONE,
    series::{Sample, Seen, resolves_above},
};

/// Series that are looked up together.
const BLOCK: usize = 16;

/// What a push did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Samples that were not stored, by ascending number.
    pub refusals: Vec<Refusal>,
    /// Samples stored now.
    pub stored: u32,
    /// Samples of these that were not the newest of their series.
    pub late: u32,
    /// Samples that were there already with the same value.
    pub known: u32,
    /// Series created.
    pub created: u32,
    /// Metadata entries dropped by a limit.
    pub metadata_dropped: u32,
}

/// The judgement's frame: what is the same for all samples of a push.
#[derive(Clone, Copy)]
struct Judge {
    oldest: i64,
    newest: i64,
    window: i64,
    max_series: u64,
    from_peer: bool,
    epoch: Epoch,
    /// From here on no window is closed.
    open_from: i64,
}

impl Judge {
    fn new(received_ms: i64, epoch: Epoch, open_from: i64, limits: &PushLimits) -> Self {
        let unlimited = limits.from_peer;
        Self {
            oldest: if unlimited {
                i64::MIN
            } else {
                received_ms.saturating_sub(limits.max_age_ms.clamp(0, MAX_SAMPLE_AGE_MS))
            },
            newest: if unlimited { i64::MAX } else { received_ms.saturating_add(MAX_SAMPLE_AHEAD_MS) },
            window: if unlimited {
                i64::MAX
            } else {
                limits.out_of_order_window_ms.clamp(0, limits.max_age_ms.clamp(0, MAX_SAMPLE_AGE_MS))
            },
            max_series: if unlimited { u64::MAX } else { limits.max_series },
            from_peer: unlimited,
            epoch,
            open_from: if unlimited { i64::MIN } else { open_from },
        }
    }

    fn age(&self, timestamp: i64) -> Result<(), Reason> {
        if timestamp < self.oldest {
            Err(Reason::TooOld)
        } else if timestamp > self.newest {
            Err(Reason::TooNew)
        } else {
            Ok(())
        }
    }
}

impl Head {
    /// Stores what of a frame is new and allowed in the epoch that the owner has adopted, telling `log` of every change. Fails for a
    /// series whose labels are not canonical or do not have the stated hash; what came before it in the frame is stored and logged then, and may be sent again.
    pub fn push(
        &mut self,
        frame: &Frame,
        received_ms: i64,
        epoch: Epoch,
        limits: &PushLimits,
        log: &mut impl Log,
    ) -> Result<Pushed, FrameError> {
        self.active.advance(ActiveSeries::minute(received_ms));
        let judge = Judge::new(received_ms, epoch, self.store.windows.open_from(epoch), limits);
        let mut pushed = Pushed::default();
        let mut hints = [NONE; BLOCK];
        for first in (0..frame.series_count()).step_by(BLOCK) {
            let block = first..(first + BLOCK).min(frame.series_count());
            self.warm(frame, block.clone(), &mut hints);
            for (at, hint) in block.zip(hints) {
                let series = frame.at(at);
                let id = match self.recognise(hint, series.hash.0, series.labels) {
                    Some(id) => Ok(id),
                    None => self.admit(&series, &judge, &mut pushed, log)?,
                };
                match id {
                    Ok(id) => self.push_series(id, &series, &judge, &mut pushed, log),
                    Err(reason) => self.refuse_all(&series, &judge, reason, &mut pushed),
                }
            }
        }
        for entry in frame.metadata() {
            match self.metadata.note(entry.metric, entry.kind, entry.help, entry.unit) {
                Noted::Stored => log.metadata(entry.metric, entry.kind, entry.help, entry.unit),
                Noted::Dropped => pushed.metadata_dropped += 1,
                Noted::Known => {}
            }
        }
        Ok(pushed)
    }

    /// Looks up the series of a block by hash alone and reads what appending to them will need, so that the memory's delays
    /// overlap instead of following one another. With a million series this is most of the time. Changes nothing.
    fn warm(&self, frame: &Frame, block: Range<usize>, hints: &mut [u32; BLOCK]) {
        for (at, hint) in block.zip(hints.iter_mut()) {
            *hint = self.find_hash(frame.at(at).hash.0).unwrap_or(NONE);
        }
        let touched =
            hints.iter().filter_map(|hint| self.store.series.get(*hint)).fold(0u64, |touched, series| {
                let pair = self.labels.get(series.labels, usize::from(series.label_count)).last().copied();
                touched ^ u64::from(pair.unwrap_or(0)) ^ u64::from(self.store.open_end(series))
            });
        std::hint::black_box(touched);
    }

    /// The series with these labels; `hint` is a series of the same hash, or [`NONE`] if there was none when it was looked up.
    #[inline]
    fn recognise(&self, hint: u32, hash: u64, labels: &[u8]) -> Option<u32> {
        match self.store.series.get(hint) {
            Some(series) if self.has_labels(series, labels) => Some(hint),
            _ => self.find(hash, labels),
        }
    }

    /// Creates a series that the head does not know, if one of its samples will be stored.
    fn admit(
        &mut self,
        series: &FrameSeries<'_>,
        judge: &Judge,
        pushed: &mut Pushed,
        log: &mut impl Log,
    ) -> Result<Result<u32, Reason>, FrameError> {
        let mut ages = series
            .floats()
            .map(|(at, _)| at)
            .chain(series.histograms().map(|(at, _)| at))
            .map(|at| self.may_come(at, judge));
        let Some(first) = ages.next() else { return Ok(Err(Reason::TooOld)) };
        if let Err(reason) = first
            && ages.all(|age| age.is_err())
        {
            return Ok(Err(reason));
        }
        let labels = series.check_labels()?;
        if u64::from(self.active.count()) >= judge.max_series {
            return Ok(Err(Reason::SeriesLimit));
        }
        let Some(id) = self.create(series.hash.0, labels.as_bytes()) else {
            return Ok(Err(Reason::SeriesLimit));
        };
        log.series(id, series.hash.0, labels.as_bytes());
        pushed.created += 1;
        Ok(Ok(id))
    }

    #[inline]
    fn push_series(
        &mut self,
        id: u32,
        series: &FrameSeries<'_>,
        judge: &Judge,
        pushed: &mut Pushed,
        log: &mut impl Log,
    ) {
        let mut number = series.first_sample;
        for (timestamp, value) in series.floats() {
            let bits = value.to_bits();
            match self.judge(id, timestamp, Sample::Float(bits), judge, pushed) {
                Ok(true) => log.float(id, timestamp, bits),
                Ok(false) => pushed.known += 1,
                Err(reason) => pushed.refusals.push(Refusal { sample: number, reason }),
            }
            number += 1;
        }
        for (timestamp, bytes) in series.histograms() {
            match self.judge(id, timestamp, Sample::Histogram(bytes), judge, pushed) {
                Ok(true) => log.histogram(id, timestamp, bytes),
                Ok(false) => pushed.known += 1,
                Err(reason) => pushed.refusals.push(Refusal { sample: number, reason }),
            }
            number += 1;
        }
    }

    /// Stores a sample if it is new and allowed; `Ok(false)` if it was there already.
    #[inline]
    fn judge(
        &mut self,
        id: u32,
        timestamp: i64,
        sample: Sample<'_>,
        judge: &Judge,
        pushed: &mut Pushed,
    ) -> Result<bool, Reason> {
        let newest = self.store.newest(id);
        match newest {
            Some(newest) if timestamp <= newest => {
                match self.store.seen(id, timestamp, sample, judge.epoch) {
                    Seen::Equal => return Ok(false),
                    Seen::Other(other) => {
                        if !judge.from_peer {
                            return Err(Reason::NewValueForTimestamp);
                        }
                        if resolves_above(&other, &sample.keep()) {
                            return Ok(false);
                        }
                    }
                    Seen::Nothing => {}
                }
                self.may_come(timestamp, judge)?;
                if newest.saturating_sub(timestamp) > judge.window {
                    return Err(Reason::OutOfOrder);
                }
                self.may_write(id, judge)?;
                pushed.late += 1;
            }
            _ => {
                self.may_come(timestamp, judge)?;
                self.may_write(id, judge)?;
            }
        }
        self.touch(id);
        self.store.store(id, timestamp, sample);
        pushed.stored += 1;
        Ok(true)
    }

    /// Age first: what is too old never becomes storable by trying again.
    #[inline]
    fn may_come(&self, timestamp: i64, judge: &Judge) -> Result<(), Reason> {
        judge.age(timestamp)?;
        if timestamp >= judge.open_from {
            return Ok(());
        }
        let windows = &self.store.windows;
        if windows.is_closed(judge.epoch, windows.of(timestamp)) { Err(Reason::Sealed) } else { Ok(()) }
    }

    /// W-3: only a series that is not active can be refused for the limit.
    #[inline]
    fn may_write(&self, id: u32, judge: &Judge) -> Result<(), Reason> {
        let minute = self.store.series.at(id).minute;
        if u64::from(self.active.count()) < judge.max_series || self.active.is_active(minute) {
            Ok(())
        } else {
            Err(Reason::SeriesLimit)
        }
    }

    fn refuse_all(&self, series: &FrameSeries<'_>, judge: &Judge, reason: Reason, pushed: &mut Pushed) {
        let times = series.floats().map(|(at, _)| at).chain(series.histograms().map(|(at, _)| at));
        for (number, timestamp) in times.enumerate() {
            let reason = self.may_come(timestamp, judge).err().unwrap_or(reason);
            pushed.refusals.push(Refusal { sample: series.first_sample + number as u32, reason });
        }
    }
}
