//! The data sets: how large a world, over what time, and what stretches of it the questions of dashboards are about.
//!
//! Time is fixed, so that a set is the same in every run and can be kept on disk. It ends in the middle of a window of two
//! hours.

/// The end of all data, milliseconds since the epoch: 2026-01-01 13:00 UTC.
pub const END_MS: i64 = 1_767_272_400_000;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Which data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// A thousand series over 40 minutes every 15 s: for tests of the comparison itself.
    Tiny,
    /// 100,000 series over 2 hours every 15 s, in heads.
    #[value(name = "heads-100k")]
    Heads100k,
    /// 1,000,000 series over 10 minutes every 15 s, in heads.
    #[value(name = "heads-1m")]
    Heads1m,
    /// 10,000 series over 7 days every 60 s, in blocks.
    #[value(name = "blocks-10k")]
    Blocks10k,
}

/// A stretch of time before the end, and how far apart its points are.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// How long, milliseconds.
    pub length_ms: i64,
    /// Between points, milliseconds.
    pub step_ms: i64,
}

/// A data set's shape.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// Its name, as the command line has it.
    pub name: &'static str,
    /// Nodes of the cluster; about a thousand series each.
    pub nodes: usize,
    /// Between two samples of a series.
    pub interval_ms: i64,
    /// From the first sample to the end.
    pub length_ms: i64,
    /// Whether everything is in blocks before anything is asked.
    pub in_blocks: bool,
    /// Seconds of data that pass in a second while it is loaded.
    pub pace: f64,
    /// What a dashboard shows at first.
    pub recent: Span,
    /// A day and a week, where there are so much data.
    pub longer: [Option<Span>; 2],
    /// What comparisons with the past go back by.
    pub offset: &'static str,
}

const fn span(length_ms: i64, step_ms: i64) -> Span {
    Span { length_ms, step_ms }
}

impl Scale {
    /// Its shape.
    pub fn data(self) -> DataSet {
        let heads = |name, nodes, length_ms, pace, recent, offset| DataSet {
            name,
            nodes,
            interval_ms: 15_000,
            length_ms,
            in_blocks: false,
            pace,
            recent,
            longer: [None, None],
            offset,
        };
        match self {
            Self::Tiny => heads("tiny", 1, 40 * MINUTE, 60.0, span(20 * MINUTE, MINUTE), "15m"),
            Self::Heads100k => heads("heads-100k", 100, 2 * HOUR, 30.0, span(HOUR, 15_000), "1h"),
            Self::Heads1m => heads("heads-1m", 1_000, 10 * MINUTE, 1.0, span(5 * MINUTE, 15_000), "5m"),
            Self::Blocks10k => DataSet {
                name: "blocks-10k",
                nodes: 10,
                interval_ms: MINUTE,
                length_ms: 7 * DAY,
                in_blocks: true,
                pace: 400.0,
                recent: span(6 * HOUR, MINUTE),
                longer: [Some(span(DAY, 5 * MINUTE)), Some(span(7 * DAY, 30 * MINUTE))],
                offset: "1d",
            },
        }
    }
}

impl DataSet {
    /// The time from which there are samples.
    pub fn start_ms(&self) -> i64 {
        END_MS - self.length_ms
    }
}
