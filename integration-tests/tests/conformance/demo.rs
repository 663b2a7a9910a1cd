//! What a Prometheus scrapes from three instances of the demo service, made up from a seed.
//!
//! Names, labels, types and the shapes of the curves are those of the public service (<https://github.com/juliusv/prometheus_demo_service>):
//! CPUs, memory, a filling disk, a batch job that sometimes fails, an API with outages, shipped items, and a metric that is there
//! in every second minute only. One instance restarts, another is away for some minutes, and scrapes are a little off their time.

use std::collections::{BTreeMap, BTreeSet};

use narthex_integration_tests::generated::{GeneratedSeries, STALE};
use narthex_service::Random;

use super::durations::Durations;

/// Between scrapes, milliseconds.
pub(crate) const INTERVAL: i64 = 15_000;
const MINUTE: i64 = 60_000;

/// The requests of the service's own clients: method, path, status, requests between scrapes, seconds that one takes.
const REQUESTS: [(&str, &str, &str, f64, f64); 9] = [
    ("GET", "/api/foo", "200", 90.0, 0.010),
    ("GET", "/api/foo", "500", 1.0, 0.010),
    ("POST", "/api/foo", "200", 12.0, 0.020),
    ("POST", "/api/foo", "500", 0.4, 0.020),
    ("GET", "/api/bar", "200", 60.0, 0.015),
    ("GET", "/api/bar", "500", 0.3, 0.015),
    ("POST", "/api/bar", "200", 20.0, 0.050),
    ("POST", "/api/bar", "500", 0.3, 0.050),
    ("GET", "/api/nonexistent", "404", 4.0, 0.0002),
];

type Labels = Vec<(String, String)>;

/// All series of three instances in `start..end`, milliseconds.
pub(crate) fn series(seed: u64, start: i64, end: i64) -> Vec<GeneratedSeries> {
    (0..3).flat_map(|number| Instance::new(seed, number, start).scrapes(start, end)).collect()
}

/// A number in `[0, 1)`.
pub(crate) fn fraction(random: &Random) -> f64 {
    (random.bits64() >> 11) as f64 / (1u64 << 53) as f64
}

/// An instance of the service and what was scraped from it.
struct Instance {
    random: Random,
    number: i64,
    started: i64,
    state: State,
    recorded: BTreeMap<Labels, GeneratedSeries>,
    /// Series of the scrape before this one; those that are not scraped again end.
    before: BTreeSet<Labels>,
    now: BTreeSet<Labels>,
}

/// What the service keeps in memory, and loses when it restarts.
struct State {
    cpu: [f64; 3],
    memory: [f64; 3],
    disk: f64,
    items: f64,
    holiday: bool,
    last_run: f64,
    last_success: f64,
    processed: f64,
    durations: Vec<Durations>,
}

const MEMORY: [f64; 3] = [8e9, 6e9, 3e9];
const DISK: f64 = 160e9;

impl State {
    fn new(at: i64) -> Self {
        let seconds = at as f64 / 1000.0;
        Self {
            cpu: [0.0; 3],
            memory: MEMORY,
            disk: 0.1 * DISK,
            items: 0.0,
            holiday: false,
            last_run: seconds,
            last_success: seconds,
            processed: 0.0,
            durations: REQUESTS.map(|_| Durations::default()).into(),
        }
    }
}

impl Instance {
    fn new(seed: u64, number: i64, start: i64) -> Self {
        Self {
            random: Random::from_seed(seed.wrapping_add(number as u64)),
            number,
            started: start,
            state: State::new(start),
            recorded: BTreeMap::new(),
            before: BTreeSet::new(),
            now: BTreeSet::new(),
        }
    }

    fn scrapes(mut self, start: i64, end: i64) -> Vec<GeneratedSeries> {
        let length = end - start;
        // The first instance restarts once; the last is away for some minutes, where heads and blocks meet as well.
        let restart = start + length / 3;
        let away =
            [start + length / 4..start + length / 4 + 7 * MINUTE, end - 40 * MINUTE..end - 36 * MINUTE];
        let mut at = start + self.number * 4_137;
        while at < end {
            let scraped = at + self.random.below(12) as i64;
            if self.number == 0 && (restart..restart + INTERVAL).contains(&at) {
                (self.started, self.state) = (at, State::new(at));
            }
            self.advance(at);
            let up = self.number != 2 || !away.iter().any(|away| away.contains(&at));
            if up {
                self.expose(scraped);
            }
            self.record("up", &[], scraped, if up { 1.0 } else { 0.0 });
            self.end_of_scrape(scraped);
            at += INTERVAL;
        }
        self.recorded.into_values().collect()
    }

    /// The service lives on for an interval.
    fn advance(&mut self, at: i64) {
        let random = self.random.clone();
        let step = INTERVAL as f64 / 1000.0;
        let state = &mut self.state;
        let shares = [0.3, 0.2].map(|share| share + (fraction(&random) - 0.5) / 5.0);
        for (cpu, share) in state.cpu.iter_mut().zip([shares[0], shares[1], 1.0 - shares[0] - shares[1]]) {
            *cpu += 4.0 * step * share;
        }
        for (memory, base) in state.memory.iter_mut().zip(MEMORY) {
            *memory += ((fraction(&random) - 0.5) * 400e6).round();
            if (*memory - base).abs() > 0.2 * base {
                *memory = base;
            }
        }
        state.disk += (step * 5e6 * (1.5 - fraction(&random))).round();
        if state.disk > 0.9 * DISK {
            state.disk = 0.1 * DISK;
        }
        let since = (at - self.started) as f64 / 1000.0;
        let turn = 2.0 + (1.0 + std::f64::consts::TAU * since / 300.0).sin();
        if (at - self.started) % (5 * MINUTE) < INTERVAL {
            state.holiday = fraction(&random) < 0.2;
        }
        state.items += (step * 10.0 / turn / if state.holiday { 1.8 } else { 1.0 }).round();
        if at % MINUTE < INTERVAL {
            let now = at as f64 / 1000.0 - fraction(&random);
            if fraction(&random) > 0.25 {
                (state.last_success, state.processed) = (now, 1e6 + random.below(100_000) as f64);
            }
            state.last_run = now;
        }
        let load = 2.0 + (std::f64::consts::TAU * since / 3600.0).sin();
        for (durations, (.., requests, seconds)) in state.durations.iter_mut().zip(REQUESTS) {
            let outage = if since % 600.0 < 60.0 { 3.0 } else { 1.0 };
            let count = requests * load / 2.0 + fraction(&random);
            for _ in 0..count as usize {
                // Near enough to a normal distribution.
                let spread: f64 = (0..4).map(|_| fraction(&random) - 0.5).sum();
                durations.observe(seconds * outage * (1.0 + spread / 5.0));
            }
        }
    }

    /// What the service exposes.
    fn expose(&mut self, at: i64) {
        let [used, cached, buffers] = self.state.memory;
        let [user, system, idle] = self.state.cpu;
        for (kind, value) in [
            ("used", used),
            ("cached", cached),
            ("buffers", buffers),
            ("free", 24e9 - used - cached - buffers),
        ] {
            self.record("demo_memory_usage_bytes", &[("type", kind)], at, value);
        }
        for (mode, value) in [("user", user), ("system", system), ("idle", idle)] {
            self.record("demo_cpu_usage_seconds_total", &[("mode", mode)], at, value);
        }
        let state = &self.state;
        let plain = [
            ("demo_num_cpus", 4.0),
            ("demo_disk_usage_bytes", state.disk),
            ("demo_disk_total_bytes", DISK),
            ("demo_items_shipped_total", state.items),
            ("demo_is_holiday", f64::from(u8::from(state.holiday))),
            ("demo_batch_last_run_timestamp_seconds", state.last_run),
            ("demo_batch_last_success_timestamp_seconds", state.last_success),
            ("demo_batch_last_run_duration_seconds", 9.0 + state.last_run.fract()),
            ("demo_batch_last_run_processed_bytes", state.processed),
            ("demo_api_http_requests_in_progress", (at / 1000 % 3) as f64),
        ];
        for (name, value) in plain {
            self.record(name, &[], at, value);
        }
        if at / MINUTE % 2 == 0 {
            self.record("demo_intermittent_metric", &[], at, 1.0);
        }
        for (number, (method, path, status, ..)) in REQUESTS.into_iter().enumerate() {
            let labels = [("method", method), ("path", path), ("status", status)];
            let durations = self.state.durations[number].clone();
            if durations.count() == 0 {
                continue;
            }
            const NAME: &str = "demo_api_request_duration_seconds";
            for (le, count) in durations.classic() {
                let labels = [&labels[..], &[("le", le.as_str())]].concat();
                self.record(&format!("{NAME}_bucket"), &labels, at, count);
            }
            self.record(&format!("{NAME}_sum"), &labels, at, durations.sum());
            self.record(&format!("{NAME}_count"), &labels, at, durations.count() as f64);
            self.series(NAME, &labels).histograms.push((at, durations.native()));
        }
    }

    fn record(&mut self, name: &str, labels: &[(&str, &str)], at: i64, value: f64) {
        self.series(name, labels).floats.push((at, value));
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)]) -> &mut GeneratedSeries {
        let target = format!("demo.promlabs.com:{}", 10_000 + self.number);
        let own = [("__name__", name), ("instance", target.as_str()), ("job", "demo")];
        let pairs = own.iter().chain(labels).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut labels: Labels = pairs.collect();
        labels.sort();
        self.now.insert(labels.clone());
        let series = self.recorded.entry(labels.clone()).or_default();
        series.labels = labels;
        series
    }

    /// Ends the series that were scraped before and not now, as Prometheus does.
    fn end_of_scrape(&mut self, at: i64) {
        let now = std::mem::take(&mut self.now);
        for labels in std::mem::replace(&mut self.before, now.clone()).difference(&now) {
            let series = self.recorded.entry(labels.clone()).or_default();
            match series.histograms.last() {
                None => series.floats.push((at, STALE)),
                Some((_, last)) => {
                    let stale = narthex_model::Histogram { sum: STALE, ..last.clone() };
                    series.histograms.push((at, stale));
                }
            }
        }
    }
}
