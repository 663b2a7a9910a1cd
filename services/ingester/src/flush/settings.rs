//! Settings of cuts.

use std::time::Duration;

use clap::Args;
use narthex_manifest::MarginArgs;
use narthex_model::{WindowLength, WindowLengthError};
use narthex_service::{ByteSize, HumanDuration};

use super::Schedule;

/// The keys of cuts, shared with the all-in-one. Every ingester of a deployment has the same.
#[derive(Debug, Clone, Args)]
pub struct CutArgs {
    /// Length of the windows whose samples become one block; chosen before the first start, never changed. At most two hours
    #[arg(long = "cut.window", env = "NARTHEX_CUT_WINDOW", value_name = "DURATION", default_value = "2h")]
    pub window: HumanDuration,

    /// Oldest sample that is accepted, before the time of its arrival. At most an hour; less lets windows be cut earlier
    #[arg(long = "cut.max-age", env = "NARTHEX_CUT_MAX_AGE", value_name = "DURATION", default_value = "1h")]
    pub max_age: HumanDuration,

    /// How much longer than samples may be late a window stays open, for pushes under way and clocks that are behind
    #[arg(long = "cut.slack", env = "NARTHEX_CUT_SLACK", value_name = "DURATION", default_value = "10m")]
    pub slack: HumanDuration,

    /// Cuts of one window are spread over this long, so that not all workspaces are cut at once
    #[arg(long = "cut.jitter", env = "NARTHEX_CUT_JITTER", value_name = "DURATION", default_value = "30m")]
    pub jitter: HumanDuration,

    /// How long an owner has before the next one cuts in its place
    #[arg(
        long = "cut.take-over",
        env = "NARTHEX_CUT_TAKE_OVER",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub take_over: HumanDuration,

    /// How long samples stay on this owner after their block was committed, for queries that began before
    #[arg(long = "cut.keep", env = "NARTHEX_CUT_KEEP", value_name = "DURATION", default_value = "10m")]
    pub keep: HumanDuration,

    /// After this long a cut whose owners contradict each other is settled without the third, if it still does not answer
    #[arg(
        long = "cut.patience",
        env = "NARTHEX_CUT_PATIENCE",
        value_name = "DURATION",
        default_value = "1h"
    )]
    pub patience: HumanDuration,

    /// Cuts that are made at the same time
    #[arg(
        long = "cut.concurrency",
        env = "NARTHEX_CUT_CONCURRENCY",
        value_name = "COUNT",
        default_value_t = 1
    )]
    pub concurrency: usize,

    /// Bytes of blocks a second, on average: a backlog is worked off at this pace, so that pushes do not feel it
    #[arg(long = "cut.pace", env = "NARTHEX_CUT_PACE", value_name = "BYTES", default_value = "64MiB")]
    pub pace: ByteSize,

    /// What a commit must keep to.
    #[command(flatten)]
    pub margins: MarginArgs,
}

impl Default for CutArgs {
    fn default() -> Self {
        Self {
            window: HumanDuration::from_secs(2 * 3_600),
            max_age: HumanDuration::from_secs(3_600),
            slack: HumanDuration::from_secs(600),
            jitter: HumanDuration::from_secs(1_800),
            take_over: HumanDuration::from_secs(300),
            keep: HumanDuration::from_secs(600),
            patience: HumanDuration::from_secs(3_600),
            concurrency: 1,
            pace: ByteSize::mib(64),
            margins: MarginArgs::default(),
        }
    }
}

impl CutArgs {
    /// The window length, if chunks can express it.
    pub fn window_length(&self) -> Result<WindowLength, WindowLengthError> {
        WindowLength::from_millis(i64::try_from(self.window.get().as_millis()).unwrap_or(i64::MAX))
    }

    /// What the flusher is told.
    pub(crate) fn settings(&self) -> Result<FlushSettings, WindowLengthError> {
        let schedule = Schedule {
            length: self.window_length()?,
            max_age: self.max_age.get(),
            slack: self.slack.get(),
            jitter: self.jitter.get(),
        };
        Ok(FlushSettings {
            schedule,
            take_over: self.take_over.get(),
            keep: self.keep.get(),
            patience: self.patience.get(),
            concurrency: self.concurrency,
            bytes_per_second: self.pace.bytes(),
        })
    }
}

/// How cuts are made.
#[derive(Debug, Clone, Copy)]
pub struct FlushSettings {
    /// When.
    pub schedule: Schedule,
    /// How long an owner has before the next one takes over.
    pub take_over: Duration,
    /// How long a committed cut is kept.
    pub keep: Duration,
    /// After this long competing values are settled without the third owner.
    pub patience: Duration,
    /// Cuts at the same time.
    pub concurrency: usize,
    /// Bytes of blocks a second on average.
    pub bytes_per_second: u64,
}
