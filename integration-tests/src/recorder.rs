//! Writes while things break, remembers every sample that was acknowledged, and later proves that each is there once.
//!
//! A sample is acknowledged when a zone answered 2xx. A request that fails is sent once more, to the next zone, as a
//! sender behind a load balancer does; what fails twice is counted and told. Values are arbitrary finite bit patterns,
//! so a value that comes back right did not come from anywhere else. Each writer task owns its series, so the samples
//! of a series go out in time order; now and then a writer starts new series.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use narthex_service::Random;
use tokio::task::JoinHandle;

use crate::{
    aws::Api,
    samples::{self, Matrix, Point},
    wire::WriteRequest,
};

const METRIC: &str = "narthex_recorder_value";
const SERIES_PER_WRITER: u64 = 40;
const WRITES_PER_GENERATION: u64 = 25;

/// What was written so far. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    zones: Vec<String>,
    run: String,
    random: Random,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    acknowledged: BTreeMap<(u64, i64), u64>,
    requests: u64,
    retried: u64,
    failed: Vec<String>,
}

/// Tasks that write until they are stopped.
#[derive(Debug)]
pub struct Writing {
    recorder: Recorder,
    tasks: Vec<JoinHandle<Result<()>>>,
}

/// What a recorder counted.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests made, retries not counted.
    pub requests: u64,
    /// Requests that needed the second zone.
    pub retried: u64,
    /// Samples acknowledged.
    pub acknowledged: usize,
    /// Requests that failed in both zones, with both answers.
    pub failed: Vec<String>,
}

impl Recorder {
    /// A recorder that spreads its requests over one base URL per zone. The seed is printed, so that a run with the
    /// same values can be made again.
    pub fn new(api: Api, zones: Vec<String>, random: Random) -> Self {
        let run = format!("{:016x}", random.bits64());
        eprintln!("recorder run {run}");
        let shared = Shared {
            api,
            zones,
            run,
            random,
            stop: AtomicBool::new(false),
            state: Mutex::new(State::default()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts `writers` tasks.
    pub fn start(&self, writers: u64) -> Writing {
        self.shared.stop.store(false, Relaxed);
        let tasks =
            (0..writers).map(|writer| tokio::spawn(self.clone().write_until_stopped(writer))).collect();
        Writing { recorder: self.clone(), tasks }
    }

    /// The counts up to now.
    pub fn tally(&self) -> Tally {
        let state = self.state();
        Tally {
            requests: state.requests,
            retried: state.retried,
            acknowledged: state.acknowledged.len(),
            failed: state.failed.clone(),
        }
    }

    async fn write_until_stopped(self, writer: u64) -> Result<()> {
        let clock = self.shared.api.http.clock().clone();
        let (mut turn, mut last) = (0, 0);
        while !self.shared.stop.load(Relaxed) {
            let now = clock.now().0.max(last + 1);
            last = now;
            let generation = turn / WRITES_PER_GENERATION;
            self.write_once(writer + turn, now, writer * 1_000_000 + generation * SERIES_PER_WRITER).await?;
            turn += 1;
            clock.sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Writes one sample at `now` to each of the series from `first` on.
    async fn write_once(&self, turn: u64, now: i64, first: u64) -> Result<()> {
        let Shared { api, zones, random, .. } = &*self.shared;
        let mut request = WriteRequest::default();
        let mut batch = Vec::new();
        for series in first..first + SERIES_PER_WRITER {
            let value = finite(random);
            let id = series.to_string();
            request
                .series(&[("__name__", METRIC), ("run", &self.shared.run), ("series", &id)], &[(now, value)]);
            batch.push(((series, now), value.to_bits()));
        }
        let body = request.compressed();
        let mut failures = Vec::new();
        for attempt in 0..2 {
            let zone = &zones[(turn as usize + attempt) % zones.len()];
            match api.write(zone, body.clone()).await {
                Ok(reply) if reply.status.is_success() => break,
                Ok(reply) => failures.push(format!("{zone}: {reply}")),
                Err(error) => failures.push(format!("{zone}: {error:#}")),
            }
        }
        let mut state = self.state();
        state.requests += 1;
        state.retried += u64::from(!failures.is_empty());
        if failures.len() < 2 {
            state.acknowledged.extend(batch);
        } else {
            state.failed.push(format!("at {now}: {}", failures.join("; then ")));
        }
        Ok(())
    }

    /// Asks `querier` (a base URL) for everything and compares: every sample acknowledged by now is there once, with
    /// its bits. 503 is waited out for at most `patience`; a wrong answer is final at once.
    pub async fn verify(&self, querier: &str, patience: Duration) -> Result<usize> {
        let (count, missing) = self.compare(querier, patience).await?;
        ensure!(missing == 0, "{missing} of {count} acknowledged samples are missing");
        Ok(count)
    }

    /// As [`Self::verify`] where the operator gave up what is lost: returns how many samples are there and how many are not;
    /// those that are there have their bits.
    pub async fn verify_rest(&self, querier: &str, patience: Duration) -> Result<(usize, usize)> {
        let (count, missing) = self.compare(querier, patience).await?;
        Ok((count - missing, missing))
    }

    /// As [`Self::verify`] for the samples of the last time only, for readers that ask again and again.
    pub async fn verify_last(&self, querier: &str, last: Duration, patience: Duration) -> Result<usize> {
        let from = self.shared.api.http.clock().now().0 - last.as_millis() as i64;
        // The query begins later, so its range may begin after a sample of the first second.
        let range = last.as_secs() + 2;
        let (count, missing) = self.compare_since(querier, patience, from, &format!("{range}s")).await?;
        ensure!(missing == 0, "{missing} of {count} acknowledged samples are missing");
        Ok(count)
    }

    /// How many samples were acknowledged, and how many of them are missing. Another value than was written is an error.
    async fn compare(&self, querier: &str, patience: Duration) -> Result<(usize, usize)> {
        self.compare_since(querier, patience, i64::MIN, "50m").await
    }

    /// As [`Self::compare`], for samples from a time on, which all lie in `range` before the query.
    async fn compare_since(
        &self,
        querier: &str,
        patience: Duration,
        from: i64,
        range: &str,
    ) -> Result<(usize, usize)> {
        // What is acknowledged after the query began is not its business.
        let acknowledged: BTreeMap<_, _> = {
            let state = self.state();
            state
                .acknowledged
                .iter()
                .filter(|((_, at), _)| *at >= from)
                .map(|(key, bits)| (*key, *bits))
                .collect()
        };
        let (found, until) =
            self.read(querier, patience, range).await.context("the recorder cannot read its samples back")?;
        // A query that had to be asked again for long begins later than some of the samples.
        let acknowledged: BTreeMap<_, _> =
            acknowledged.into_iter().filter(|((_, at), _)| *at > until).collect();
        let mut wrong = Vec::new();
        let mut missing = 0;
        for (&(series, at), &bits) in &acknowledged {
            match found.get(&self.key(series)).and_then(|points| points.get(&at)) {
                Some(&Point::Float(there)) if there == bits => {}
                Some(other) => {
                    wrong.push(format!("series {series} at {at}: wrote {bits:#x}, {querier} has {other:x?}"));
                }
                None => {
                    if missing < 10 {
                        eprintln!("{querier} lacks series {series} at {at}");
                    }
                    missing += 1;
                }
            }
        }
        if wrong.is_empty() {
            return Ok((acknowledged.len(), missing));
        }
        let count = wrong.len();
        wrong.truncate(10);
        bail!("{count} of {} acknowledged samples are wrong:\n  {}", acknowledged.len(), wrong.join("\n  "))
    }

    /// Everything in `range` before the present, and the time after which that begins.
    async fn read(&self, querier: &str, patience: Duration, range: &str) -> Result<(Matrix, i64)> {
        let clock = self.shared.api.http.clock().clone();
        let deadline = clock.monotonic() + patience;
        let query = format!("{METRIC}{{run=\"{}\"}}[{range}]", self.shared.run);
        let length = range.trim_end_matches(['s', 'm']).parse::<i64>()?
            * if range.ends_with('m') { 60_000 } else { 1_000 };
        loop {
            // One second ahead, because the newest samples may carry the present millisecond.
            let now = clock.now().0 + 1000;
            let time = format!("{}", now as f64 / 1000.0);
            let reply =
                self.shared.api.post_form(querier, "query", &[("query", &query), ("time", &time)]).await;
            match reply {
                Ok(reply) if reply.status != 503 => return Ok((samples::matrix(&reply)?, now - length)),
                Ok(reply) => ensure!(clock.monotonic() < deadline, "{querier} still answers {reply}"),
                Err(error) => ensure!(clock.monotonic() < deadline, "{querier} still fails: {error:#}"),
            }
            clock.sleep(Duration::from_millis(200)).await;
        }
    }

    fn key(&self, series: u64) -> String {
        format!("__name__=\"{METRIC}\",run=\"{}\",series=\"{series}\"", self.shared.run)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    /// Waits until `more` further samples were acknowledged.
    pub async fn acknowledged(&self, more: usize) -> Result<()> {
        let clock = self.recorder.shared.api.http.clock().clone();
        let goal = self.recorder.tally().acknowledged + more;
        let deadline = clock.monotonic() + Duration::from_secs(60);
        while self.recorder.tally().acknowledged < goal {
            ensure!(clock.monotonic() < deadline, "too few acknowledgements: {:?}", self.recorder.tally());
            clock.sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Stops the tasks, each after the request that it is at.
    pub async fn stop(self) -> Result<Tally> {
        self.recorder.shared.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await??;
        }
        Ok(self.recorder.tally())
    }
}

fn finite(random: &Random) -> f64 {
    loop {
        let value = f64::from_bits(random.bits64());
        if value.is_finite() {
            return value;
        }
    }
}
