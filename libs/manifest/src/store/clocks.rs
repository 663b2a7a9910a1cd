//! Two views of time that err on the safe side.
//!
//! An [`AgeClock`] never runs slower than the bucket: what looks young by it is young. A [`BucketClock`] never runs ahead of the
//! bucket's own dates: what looks old by it is old.

use std::time::Duration;

use narthex_model::TimestampMs;
use narthex_service::SharedClock;
use parking_lot::Mutex;

use crate::BucketTime;

/// Time that goes on while the machine sleeps, if the wall clock tells so, and never goes back.
#[derive(Debug)]
pub(super) struct AgeClock {
    clock: SharedClock,
    start: (Duration, TimestampMs),
    /// How far the wall clock was ever ahead of the monotonic one, which may stand still during a suspension.
    ahead: Mutex<Duration>,
}

impl AgeClock {
    pub(super) fn new(clock: SharedClock) -> Self {
        let start = (clock.monotonic(), clock.now());
        Self { clock, start, ahead: Mutex::default() }
    }

    pub(super) fn now(&self) -> Duration {
        let elapsed = self.clock.monotonic().saturating_sub(self.start.0);
        let wall = BucketTime(self.start.1.0).until(BucketTime(self.clock.now().0));
        let mut ahead = self.ahead.lock();
        *ahead = (*ahead).max(wall.saturating_sub(elapsed));
        elapsed + *ahead
    }
}

/// The bucket's present: the newest date it ever gave, and the time since.
#[derive(Debug)]
pub(super) struct BucketClock {
    clock: SharedClock,
    anchor: Mutex<Option<(BucketTime, Duration)>>,
}

impl BucketClock {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, anchor: Mutex::default() }
    }

    /// The bucket just showed an object of this date: it is at least as late there.
    pub(super) fn observe(&self, date: BucketTime) {
        let now = self.clock.monotonic();
        let mut anchor = self.anchor.lock();
        if anchor.is_none_or(|(time, at)| time.after(now.saturating_sub(at)) < date) {
            *anchor = Some((date, now));
        }
    }

    /// The present, or earlier.
    pub(super) fn now(&self) -> BucketTime {
        let now = self.clock.monotonic();
        let anchor = *self.anchor.lock();
        anchor.map_or(BucketTime::MIN, |(time, at)| time.after(now.saturating_sub(at)))
    }
}
