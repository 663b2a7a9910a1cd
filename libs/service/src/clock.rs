//! Time as an argument.
//!
//! A [`Clock`] serves timeouts, signatures and logs; a [`DataClock`] tells the time that samples are judged by (age,
//! windows, retention) and can run apart from it (`--data-clock START,RATE`), so that history loads in time order and
//! days pass in minutes. Simulations hand in their own clock. This module is the one place that reads the system's.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use narthex_model::TimestampMs;

/// A source of time for everything that waits.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> TimestampMs;

    /// Time since an arbitrary fixed point, never going back.
    fn monotonic(&self) -> Duration;

    /// Completes after `duration` of this clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The clock handle that components keep.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A shared system clock.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn shared() -> SharedClock {
        Arc::new(Self { start: Instant::now() })
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
impl Clock for SystemClock {
    fn now(&self) -> TimestampMs {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimestampMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The time limit passed before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {0:?}")]
pub struct Elapsed(pub Duration);

/// Runs `work`, giving up after `limit` of `clock`. The work is dropped, and so cancelled, when time is up.
pub async fn timeout<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = clock.sleep(limit) => Err(Elapsed(limit)),
    }
}

/// The time that samples are judged by: the wall clock, or a clock that started at a chosen time and runs faster or slower.
#[derive(Debug, Clone)]
pub struct DataClock {
    clock: SharedClock,
    shift: Option<Shift>,
}

#[derive(Debug, Clone, Copy)]
struct Shift {
    origin: Duration,
    start: TimestampMs,
    rate: f64,
}

impl DataClock {
    /// The wall clock's time, or the time that `setting` describes, beginning now.
    pub fn new(clock: SharedClock, setting: Option<DataClockSetting>) -> Self {
        let shift =
            setting.map(|DataClockSetting { start, rate }| Shift { origin: clock.monotonic(), start, rate });
        Self { clock, shift }
    }

    /// The present, on the data clock.
    pub fn now(&self) -> TimestampMs {
        match self.shift {
            None => self.clock.now(),
            Some(Shift { origin, start, rate }) => {
                let elapsed = self.clock.monotonic().saturating_sub(origin).as_secs_f64() * 1000.0;
                start.saturating_add((elapsed * rate) as i64)
            }
        }
    }
}

/// `START,RATE`: the first time (milliseconds since the epoch) and how many seconds pass in a real second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataClockSetting {
    /// Time at start-up.
    pub start: TimestampMs,
    /// Speed, above zero.
    pub rate: f64,
}

impl FromStr for DataClockSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("expected START,RATE (Unix milliseconds and a factor above 0), found {text:?}");
        let (start, rate) = text.split_once(',').ok_or_else(fail)?;
        let start = TimestampMs(start.trim().parse().map_err(|_| fail())?);
        let rate: f64 = rate.trim().parse().map_err(|_| fail())?;
        if rate.is_finite() && rate > 0.0 { Ok(Self { start, rate }) } else { Err(fail()) }
    }
}
