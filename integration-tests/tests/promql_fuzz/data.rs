//! The series that are queried: counters with resets, gauges with special values, classic and native histograms, gaps, ends.
//!
//! All lies within one of the two-hour ranges of Prometheus's head, so that it cuts its chunks where our source would.

use narthex_integration_tests::generated::{GeneratedSeries, STALE};
use narthex_model::{BucketSpan, CounterResetHint, Counts, Histogram};

use crate::promql_fuzz::dice::Dice;

const MINUTE: i64 = 60_000;
/// A multiple of two hours.
const RANGE: i64 = 1_700_006_400_000;
/// When the first samples are taken, milliseconds.
pub(crate) const START: i64 = RANGE + 10 * MINUTE;
/// When the last are.
pub(crate) const END: i64 = START + 40 * MINUTE;
const INTERVAL: i64 = 30_000;
/// Samples of a series are further apart than this.
pub(crate) const APART: i64 = 15_000;

type Labels<'a> = &'a [(&'a str, &'a str)];

/// How a gauge moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Counter,
    Gauge,
    Special,
}

/// All series of a seed.
pub(crate) fn series(seed: u64) -> Vec<GeneratedSeries> {
    let mut maker = Maker { dice: Dice::new(seed), made: Vec::new() };
    for job in ["api", "db"] {
        for instance in ["a:1", "b:1", "c:1"] {
            for code in ["200", "500"] {
                maker.floats(
                    "requests_total",
                    &[("code", code), ("instance", instance), ("job", job)],
                    Shape::Counter,
                );
            }
            maker.floats("temperature", &[("instance", instance), ("job", job)], Shape::Gauge);
            maker.floats("special", &[("instance", instance), ("job", job)], Shape::Special);
            maker.histograms("duration", &[("instance", instance), ("job", job)], Kind::Exponential);
            let custom = [("instance", instance), ("job", job)];
            maker.histograms("sizes", &custom, Kind::Custom);
            maker.histograms("levels", &[("instance", instance), ("job", job)], Kind::Gauge);
            maker.info(&[
                ("instance", instance),
                ("job", job),
                ("version", if job == "db" { "2" } else { "1" }),
            ]);
        }
        maker.floats("errors_total", &[("instance", "a:1"), ("job", job)], Shape::Counter);
        maker.classic("latency", job);
        maker.mixed("mixed", &[("instance", "a:1"), ("job", job)]);
        maker.typed(job);
    }
    maker.floats("only", &[], Shape::Gauge);
    maker.floats("my.metric", &[("a.b", "x\"y\\z\nw"), ("job", "api")], Shape::Gauge);
    maker.made.sort_by(|a, b| a.labels.cmp(&b.labels));
    maker.made.iter_mut().for_each(begin);
    maker.made
}

/// Has a series begin with its end, together with all others: Prometheus's head keeps series in the order in which they came.
fn begin(series: &mut GeneratedSeries) {
    let at = START - 2 * MINUTE;
    if series.floats.is_empty() {
        let floats = matches!(series.histograms[0].1.counts, Counts::Float { .. });
        series.histograms.insert(0, (at, end(floats)));
    } else {
        series.floats.insert(0, (at, STALE));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exponential,
    Custom,
    Gauge,
}

struct Maker {
    dice: Dice,
    made: Vec<GeneratedSeries>,
}

fn labels(name: &str, rest: Labels<'_>) -> Vec<(String, String)> {
    let named = [("__name__", name)].into_iter().chain(rest.iter().copied());
    let mut labels: Vec<_> = named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    labels.sort();
    labels
}

impl Maker {
    /// When samples are taken: with some jitter, gaps, and perhaps later than others or not to the end.
    fn times(&self) -> Vec<i64> {
        let dice = &self.dice;
        let first = if dice.chance(30) { dice.between(0, 15) * MINUTE } else { 0 };
        let last = if dice.chance(30) { dice.between(25, 40) * MINUTE } else { 40 * MINUTE };
        let regular = dice.chance(50);
        let (mut at, mut times) = (first, Vec::new());
        while at <= last {
            let jitter = if regular { 0 } else { dice.between(0, 3_000) };
            times.push(START + at + jitter);
            let gap = if dice.chance(4) { dice.between(2, 14) } else { 1 };
            at += INTERVAL * gap;
        }
        times
    }

    /// Where a series ends for a while.
    fn is_end(&self) -> bool {
        self.dice.chance(2)
    }

    fn floats(&mut self, name: &str, rest: Labels<'_>, shape: Shape) {
        let mut value = self.dice.between(0, 50) as f64;
        let whole = self.dice.chance(60);
        let mut floats = Vec::new();
        for at in self.times() {
            if self.is_end() {
                floats.push((at, STALE));
                continue;
            }
            value = self.step(value, shape, whole);
            floats.push((at, value));
        }
        self.made.push(GeneratedSeries { labels: labels(name, rest), floats, histograms: Vec::new() });
    }

    fn step(&self, value: f64, shape: Shape, whole: bool) -> f64 {
        let dice = &self.dice;
        match shape {
            Shape::Counter if dice.chance(4) => dice.between(0, 5) as f64,
            Shape::Counter if whole => value + dice.between(0, 12) as f64,
            Shape::Counter => value + 10.0 * dice.fraction(),
            Shape::Gauge if whole => value + dice.between(-6, 7) as f64,
            Shape::Gauge => value + 10.0 * (dice.fraction() - 0.5),
            Shape::Special => {
                let special = [
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    0.0,
                    -0.0,
                    1e308,
                    1e-300,
                    -1.5,
                    2.0,
                    2.5,
                    1e10,
                ];
                dice.pick(&special)
            }
        }
    }

    fn info(&mut self, rest: Labels<'_>) {
        let floats = self.times().into_iter().map(|at| (at, 1.0)).collect();
        let labels = labels("target_info", rest);
        self.made.push(GeneratedSeries { labels, floats, histograms: Vec::new() });
    }

    fn typed(&mut self, job: &str) {
        let rest = [("__type__", "counter"), ("__unit__", "bytes"), ("job", job)];
        self.floats("traffic_bytes_total", &rest, Shape::Counter);
    }

    /// Buckets that sometimes are not monotonic, and one with a bound that is no number.
    fn classic(&mut self, name: &str, job: &str) {
        let bounds = ["0.1", "0.5", "1", "2.5", "+Inf"];
        let times = self.times();
        let mut counts = [0.0; 5];
        let mut columns = vec![Vec::new(); 5];
        let (mut sum, mut sums) = (0.0, Vec::new());
        for at in times {
            if self.dice.chance(3) {
                (counts, sum) = ([0.0; 5], 0.0);
            }
            let mut more = 0.0;
            for count in &mut counts {
                more += self.dice.between(0, 5) as f64;
                *count += more;
            }
            sum += more * self.dice.fraction();
            for (column, count) in columns.iter_mut().zip(counts) {
                let wrong = if self.dice.chance(3) { 3.0 } else { 0.0 };
                column.push((at, count + wrong));
            }
            sums.push((at, sum));
        }
        let mut push = |suffix: &str, le: Option<&str>, floats: Vec<(i64, f64)>| {
            let mut rest = vec![("job", job)];
            rest.extend(le.map(|le| ("le", le)));
            let labels = labels(&format!("{name}_{suffix}"), &rest);
            self.made.push(GeneratedSeries { labels, floats, histograms: Vec::new() });
        };
        push("count", None, columns[4].clone());
        push("sum", None, sums);
        if job == "db" {
            push("bucket", Some("wide"), columns[0].clone());
        }
        for (le, column) in bounds.into_iter().zip(columns) {
            push("bucket", Some(le), column);
        }
    }

    /// A series that changes between floats and histograms.
    fn mixed(&mut self, name: &str, rest: Labels<'_>) {
        let times = self.times();
        let mut series = GeneratedSeries { labels: labels(name, rest), ..GeneratedSeries::default() };
        let (mut value, mut state) = (0.0, State::new(&self.dice, Kind::Exponential, 0));
        let mut floats = true;
        for at in times {
            if self.dice.chance(10) {
                floats = !floats;
            }
            if floats {
                value = self.step(value, Shape::Counter, true);
                series.floats.push((at, value));
            } else {
                state.observe(&self.dice);
                series.histograms.push((at, state.histogram()));
            }
        }
        self.made.push(series);
    }

    fn histograms(&mut self, name: &str, rest: Labels<'_>, kind: Kind) {
        let times = self.times();
        let group = if rest.contains(&("job", "db")) { 1 } else { 0 };
        let mut state = State::new(&self.dice, kind, group);
        let mut histograms = Vec::new();
        for at in times {
            if self.is_end() {
                histograms.push((at, end(state.floats)));
                continue;
            }
            if self.dice.chance(4) {
                // Mostly only the counts are lost. Of gauges always: where their buckets change, Prometheus's storage adds empty ones to
                // the other samples of the chunk, so equal histograms of two chunks are a change, and have other quantiles.
                state = match State::new(&self.dice, kind, group) {
                    new if kind == Kind::Gauge || self.dice.chance(90) => State {
                        zero: new.zero,
                        positive: new.positive,
                        below: new.below,
                        sum: new.sum,
                        ..state
                    },
                    new => State { floats: state.floats, ..new },
                };
            }
            state.observe(&self.dice);
            histograms.push((at, state.histogram()));
        }
        self.made.push(GeneratedSeries { labels: labels(name, rest), floats: Vec::new(), histograms });
    }
}

/// The marker that a series of histograms, of floats or integers, ends here.
fn end(floats: bool) -> Histogram {
    let none = Counts::Float { zero: 0.0, total: 0.0, positive: Vec::new(), negative: Vec::new() };
    let counts = if floats { none } else { Counts::default() };
    Histogram { sum: STALE, counts, ..Histogram::default() }
}

const BUCKETS: usize = 6;

/// A native histogram that observes.
struct State {
    kind: Kind,
    schema: i8,
    offset: i32,
    negative: bool,
    zero_threshold: f64,
    bounds: Vec<f64>,
    floats: bool,
    zero: i64,
    positive: [i64; BUCKETS],
    below: [i64; BUCKETS],
    sum: f64,
}

impl State {
    /// Series of a `group` mostly have the same custom bounds. Counters begin high, so that none is extrapolated to zero.
    fn new(dice: &Dice, kind: Kind, group: usize) -> Self {
        let bounds: [&[f64]; 3] =
            [&[0.5, 1.0, 2.0, 4.0, 8.0], &[-1.0, 0.0, 1.0, 2.0, 4.0], &[1.0, 2.0, 5.0, 10.0, 20.0]];
        // No bucket lies within the zero bucket.
        let wide_zero = kind != Kind::Custom && dice.chance(20);
        let bounds = if dice.chance(2) { bounds[2] } else { bounds[group] };
        Self {
            kind,
            schema: if kind == Kind::Custom { -53 } else { dice.pick(&[0, 0, 1, 2, 3, -1]) },
            offset: if wide_zero { 1 } else { dice.between(-2, 3) as i32 },
            negative: kind != Kind::Custom && dice.chance(30),
            zero_threshold: match kind {
                Kind::Custom => 0.0,
                _ if wide_zero => 0.5,
                _ => dice.pick(&[0.0, 0.001]),
            },
            bounds: if kind == Kind::Custom { bounds.to_vec() } else { Vec::new() },
            floats: dice.chance(30),
            zero: 0,
            positive: [dice.between(50, 90); BUCKETS],
            below: [0; BUCKETS],
            sum: 0.0,
        }
    }

    fn observe(&mut self, dice: &Dice) {
        if self.kind == Kind::Gauge {
            (self.zero, self.positive, self.below) = (0, [0; BUCKETS], [0; BUCKETS]);
        }
        for _ in 0..dice.below(6) {
            let at = dice.below(BUCKETS);
            match dice.below(4) {
                0 if self.negative => self.below[at] += dice.between(1, 4),
                1 if self.kind != Kind::Custom => self.zero += 1,
                _ => self.positive[at] += dice.between(1, 5),
            }
            self.sum += 10.0 * dice.fraction() - if self.negative { 5.0 } else { 0.0 };
        }
    }

    fn histogram(&self) -> Histogram {
        let custom = self.kind == Kind::Custom;
        let spans = |used: bool| {
            let offset = if custom { 0 } else { self.offset };
            let span = BucketSpan { offset, length: BUCKETS as u32 };
            if used { vec![span] } else { Vec::new() }
        };
        let negative: Vec<i64> = if self.negative { self.below.to_vec() } else { Vec::new() };
        let positive = self.positive.to_vec();
        let total = self.zero + positive.iter().chain(&negative).sum::<i64>();
        let to_floats = |counts: &[i64]| counts.iter().map(|count| *count as f64 * 1.5).collect();
        Histogram {
            schema: self.schema,
            reset_hint: if self.kind == Kind::Gauge {
                CounterResetHint::Gauge
            } else {
                CounterResetHint::Unknown
            },
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: spans(true),
            negative_spans: spans(self.negative),
            custom_bounds: self.bounds.clone(),
            counts: if self.floats {
                Counts::Float {
                    zero: self.zero as f64 * 1.5,
                    total: total as f64 * 1.5,
                    positive: to_floats(&positive),
                    negative: to_floats(&negative),
                }
            } else {
                Counts::Int { zero: self.zero as u64, total: total as u64, positive, negative }
            },
        }
    }
}
