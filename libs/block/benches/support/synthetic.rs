//! Series that look like what exporters give: constants, counters of many speeds, gauges, decimals, classic histograms' buckets,
//! full-mantissa sums and summaries that are NaN. Everything comes from a seed.

use narthex_model::{Labels, METRIC_NAME};

/// A small generator of the xorshift family, so that figures repeat.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound.max(1)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Clone, Copy)]
pub enum Shape {
    Constant,
    RareCounter,
    ByteCounter,
    CpuSeconds,
    MemoryGauge,
    CountGauge,
    Ratio,
    Bucket,
    SecondsSum,
    NanQuantile,
}

/// Shapes with their share in hundredths and how the metric is called.
const SHAPES: [(Shape, u64, &str); 10] = [
    (Shape::Constant, 24, "info"),
    (Shape::RareCounter, 22, "errors_total"),
    (Shape::ByteCounter, 10, "bytes_total"),
    (Shape::CpuSeconds, 8, "cpu_seconds_total"),
    (Shape::MemoryGauge, 8, "memory_bytes"),
    (Shape::CountGauge, 5, "connections"),
    (Shape::Ratio, 3, "load"),
    (Shape::Bucket, 14, "duration_seconds_bucket"),
    (Shape::SecondsSum, 4, "duration_seconds_sum"),
    (Shape::NanQuantile, 2, "gc_seconds"),
];

/// What to make.
pub struct Plan {
    pub series: usize,
    pub targets: usize,
    pub interval_ms: i64,
    pub samples: usize,
    /// Jitter of each scrape of a target, in milliseconds either way.
    pub jitter_ms: i64,
    /// Hundredths of series that end in a stale marker half-way.
    pub ending: u64,
    pub start_ms: i64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            series: 2_000,
            targets: 20,
            interval_ms: 15_000,
            samples: 480,
            jitter_ms: 0,
            ending: 0,
            start_ms: 1_800_000_000_000,
        }
    }
}

pub struct Series {
    pub labels: Labels,
    shape: Shape,
    target: usize,
    seed: u64,
}

impl Series {
    /// A series whose samples come from elsewhere.
    pub fn with_labels(labels: Labels) -> Self {
        Self { labels, shape: Shape::Constant, target: 0, seed: 0 }
    }
}

impl Plan {
    /// The series in block order. Each target exposes the same metrics, as a fleet of equal processes does.
    pub fn series(&self) -> Vec<Series> {
        let per_target = self.series.div_ceil(self.targets).max(1);
        let mut all: Vec<Series> = (0..self.series)
            .map(|at| {
                let (target, metric) = (at / per_target, at % per_target);
                let mut rng = Rng::new(metric as u64 + 77);
                let mut pick = rng.below(100);
                let (shape, name) = SHAPES
                    .iter()
                    .find_map(|(shape, share, name)| {
                        let found = pick < *share;
                        pick = pick.saturating_sub(*share);
                        found.then_some((*shape, *name))
                    })
                    .unwrap_or((Shape::Constant, "info"));
                // Some metrics have many series on a target, as buckets and devices do.
                let family = metric / 8;
                let labels = Labels::from_pairs([
                    (METRIC_NAME, format!("app{family}_{name}")),
                    ("cluster", "eu-1".to_owned()),
                    ("container", "server".to_owned()),
                    ("instance", format!("10.0.{}.{}:9100", target / 250, target % 250)),
                    ("job", "node".to_owned()),
                    ("namespace", format!("team-{}", target % 7)),
                    ("pod", format!("server-{:x}-{target}", Rng::new(target as u64 + 5).next() >> 32)),
                    (
                        "le",
                        if matches!(shape, Shape::Bucket) {
                            format!("0.{:03}", metric % 8 * 25)
                        } else {
                            String::new()
                        },
                    ),
                    ("device", if metric % 3 == 0 { format!("sd{}", metric % 8) } else { String::new() }),
                    ("code", format!("{}", 200 + metric % 8)),
                ]);
                Series { labels, shape, target, seed: at as u64 + 1 }
            })
            .collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all
    }

    /// Timestamps and values of a series, for `samples` scrapes.
    pub fn samples(&self, series: &Series) -> (Vec<i64>, Vec<f64>) {
        // Jitter belongs to the target: all its series share the scrape's time.
        let mut clock = Rng::new(series.target as u64 + 1_000);
        let offset = (clock.below(self.interval_ms as u64)) as i64;
        let mut rng = Rng::new(series.seed);
        let ends = rng.below(100) < self.ending;
        let count = if ends { self.samples / 2 } else { self.samples };
        let mut value = Value::new(series.shape, &mut rng);
        let (mut times, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for at in 0..count {
            let jitter = clock.below(2 * self.jitter_ms as u64 + 1) as i64 - self.jitter_ms;
            times.push(self.start_ms + offset + at as i64 * self.interval_ms + jitter);
            values.push(value.next(&mut rng));
        }
        if let (true, Some(last)) = (ends, values.last_mut()) {
            *last = narthex_model::stale_marker();
        }
        (times, values)
    }
}

struct Value {
    shape: Shape,
    level: f64,
    speed: f64,
}

impl Value {
    fn new(shape: Shape, rng: &mut Rng) -> Self {
        let speed = 10f64.powf(rng.unit() * 4.0);
        let level = match shape {
            Shape::Constant => [0.0, 1.0, 1.0, 4096.0][rng.below(4) as usize],
            Shape::MemoryGauge => (rng.below(1 << 20) * 4096) as f64,
            Shape::ByteCounter => rng.below(1 << 40) as f64,
            _ => rng.below(100_000) as f64,
        };
        Self { shape, level, speed }
    }

    fn next(&mut self, rng: &mut Rng) -> f64 {
        let round = |value: f64, places: f64| (value * places).round() / places;
        match self.shape {
            Shape::Constant => self.level,
            Shape::RareCounter => {
                if rng.below(60) == 0 {
                    self.level += (1 + rng.below(3)) as f64;
                }
                self.level
            }
            Shape::ByteCounter => {
                self.level += (self.speed * (0.8 + 0.4 * rng.unit()) * 100.0).round();
                self.level
            }
            Shape::CpuSeconds => {
                self.level += self.speed / 2_000.0 * (0.7 + 0.6 * rng.unit());
                round(self.level, 100.0)
            }
            Shape::MemoryGauge => {
                if rng.below(3) == 0 {
                    self.level = (self.level + (rng.below(65) as f64 - 32.0) * 4096.0).max(0.0);
                }
                self.level
            }
            Shape::CountGauge => {
                self.level = (self.level + rng.below(5) as f64 - 2.0).max(0.0);
                self.level
            }
            Shape::Ratio => {
                self.level = (self.level + rng.unit() - 0.5).clamp(0.0, 64.0);
                round(self.level, 100.0)
            }
            Shape::Bucket => {
                if rng.below(4) == 0 {
                    self.level += rng.below(self.speed as u64 / 20 + 2) as f64;
                }
                self.level
            }
            Shape::SecondsSum => {
                if rng.below(3) == 0 {
                    self.level += self.speed * rng.unit() / 1_000.0;
                }
                self.level
            }
            Shape::NanQuantile => f64::from_bits(0x7ff8_0000_0000_0001),
        }
    }
}
