//! Judging and storing a frame.
//!
//! The order of the questions is part of the contract: a sample that the head already has is a success whatever its age (W-2),
//! another value for its timestamp is refused as such, and only then age and order are asked. So a request that is sent
//! again can never be refused for what it did the first time.

use narthex_rpc::{
    frame::{Frame, FrameError, FrameSeries},
    v1::sample_refusal::Reason,
};

use super::{
    ActiveSeries, Head, Log, MAX_SAMPLE_AGE_MS, MAX_SAMPLE_AHEAD_MS, PushLimits, Refusal,
    metadata::Noted,
    series::{Sample, Seen, resolves_above},
};

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
}

impl Judge {
    fn new(received_ms: i64, limits: &PushLimits) -> Self {
        let unlimited = limits.from_peer;
        Self {
            oldest: if unlimited { i64::MIN } else { received_ms.saturating_sub(MAX_SAMPLE_AGE_MS) },
            newest: if unlimited { i64::MAX } else { received_ms.saturating_add(MAX_SAMPLE_AHEAD_MS) },
            window: if unlimited {
                i64::MAX
            } else {
                limits.out_of_order_window_ms.clamp(0, MAX_SAMPLE_AGE_MS)
            },
            max_series: if unlimited { u64::MAX } else { limits.max_series },
            from_peer: unlimited,
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
    /// Stores what of a frame is new and allowed, telling `log` of every change. Fails for a series whose labels are not canonical
    /// or do not have the stated hash; what came before it in the frame is stored and logged then, and may be sent again.
    pub fn push(
        &mut self,
        frame: &Frame,
        received_ms: i64,
        limits: &PushLimits,
        log: &mut impl Log,
    ) -> Result<Pushed, FrameError> {
        self.active.advance(ActiveSeries::minute(received_ms));
        let judge = Judge::new(received_ms, limits);
        let mut pushed = Pushed::default();
        for series in frame.series() {
            let known = self.find(series.hash.0, series.labels);
            let id = match known {
                Some(id) => Ok(id),
                None => self.admit(&series, &judge, &mut pushed, log)?,
            };
            match id {
                Ok(id) => self.push_series(id, &series, &judge, &mut pushed, log),
                Err(reason) => refuse_all(&series, &judge, reason, &mut pushed),
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
            .map(|at| judge.age(at));
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
                match self.store.seen(id, timestamp, sample) {
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
                judge.age(timestamp)?;
                if newest.saturating_sub(timestamp) > judge.window {
                    return Err(Reason::OutOfOrder);
                }
                self.may_write(id, judge)?;
                pushed.late += 1;
            }
            _ => {
                judge.age(timestamp)?;
                self.may_write(id, judge)?;
            }
        }
        self.touch(id);
        self.store.store(id, timestamp, sample);
        pushed.stored += 1;
        Ok(true)
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
}

fn refuse_all(series: &FrameSeries<'_>, judge: &Judge, reason: Reason, pushed: &mut Pushed) {
    let times = series.floats().map(|(at, _)| at).chain(series.histograms().map(|(at, _)| at));
    for (number, timestamp) in times.enumerate() {
        let reason = judge.age(timestamp).err().unwrap_or(reason);
        pushed.refusals.push(Refusal { sample: series.first_sample + number as u32, reason });
    }
}
