//! Random PromQL against a real Prometheus that holds the same samples.
//!
//! Samples come from a seed, each expression from the seed and its number, so that any of them can be asked again alone:
//! `NARTHEX_FUZZ_SEED=7 NARTHEX_FUZZ_ONLY=1234` before the test's command. `NARTHEX_FUZZ_COUNT` sets how many there are, and
//! `NARTHEX_FUZZ_QUERY` asks one query of one's own at the middle of the data. What differs and no rule explains fails the test,
//! as does a feature that was hardly tried.

mod culprits;
mod data;
mod dice;
mod features;
mod grammar;
mod ours;
mod rules;
mod verdict;

use std::{collections::BTreeSet, env, ops::Range};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use narthex_integration_tests::{
    compare_answers::Answer,
    generated,
    reference::{Question, Reference},
    sandbox::{Sandbox, long, number, scenario},
};
use narthex_promql::promqltest::MemorySource;

use self::{
    culprits::{Findings, When},
    dice::Dice,
    features::Feature,
    grammar::{Expression, expression},
    verdict::{Coverage, Verdict},
};

/// Questions on their way to the reference at one time.
const PARALLEL: usize = 12;

/// An expression, and both answers to it.
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) expression: Expression,
    pub(crate) when: When,
    pub(crate) expected: Answer,
    pub(crate) found: Answer,
}

/// How many questions are asked again.
const MOST_DOUBTS: usize = 400;

/// How often the reference is asked for what may be by chance: few orders of series occur.
const DRAWS: usize = 40;

struct Fuzz<'a> {
    sandbox: &'a Sandbox,
    prometheus: Reference,
    source: MemorySource,
    seed: u64,
    features: Vec<Feature>,
    known: BTreeSet<Feature>,
}

#[test]
fn expressions_mean_what_they_mean_in_prometheus() {
    scenario(async |sandbox| {
        let seed = number("NARTHEX_FUZZ_SEED")?.unwrap_or(1);
        let count = number("NARTHEX_FUZZ_COUNT")?.unwrap_or(if long() { 100_000 } else { 4_000 });
        let fuzz = Fuzz::start(sandbox, seed).await?;
        if let Ok(query) = env::var("NARTHEX_FUZZ_QUERY") {
            return fuzz.show(&query).await;
        }
        let numbers = match number("NARTHEX_FUZZ_ONLY")? {
            Some(only) => only..only + 1,
            None => 0..count,
        };
        fuzz.run(numbers).await
    });
}

impl<'a> Fuzz<'a> {
    async fn start(sandbox: &'a Sandbox, seed: u64) -> Result<Self> {
        let prometheus = Reference::start(sandbox).await?;
        let series = data::series(seed);
        // In time order, as scrapes would come: in one request floats would come before histograms.
        let times = (data::START - 180_000..data::END + 60_000).step_by(data::APART as usize);
        for body in times.flat_map(|from| generated::requests(&series, from, from + data::APART)) {
            prometheus.write(sandbox, body).await?;
        }
        let source = ours::source(&series);
        let features = features::all();
        let known = features.iter().copied().collect();
        let mut fuzz = Self { sandbox, prometheus, source, seed, features, known };
        fuzz.learn().await?;
        Ok(fuzz)
    }

    /// Leaves out what the reference cannot parse.
    async fn learn(&mut self) -> Result<()> {
        let mut unknown = Vec::new();
        for feature in &self.features {
            let Some(query) = feature.probe() else { continue };
            let question = Question::Instant { query: &query, at: data::START };
            let answer = self.prometheus.ask(self.sandbox, &question).await?;
            if answer.outcome.is_err_and(|failure| failure.kind == "bad_data") {
                unknown.push(*feature);
            }
        }
        self.known.retain(|feature| !unknown.contains(feature));
        self.features.retain(|feature| !unknown.contains(feature));
        let names: Vec<&str> = unknown.iter().map(|feature| feature.name()).collect();
        eprintln!("seed {}; the reference does not know {}", self.seed, names.join(", "));
        Ok(())
    }

    async fn ask(&self, number: u64) -> Result<Asked> {
        let dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let feature = self.features[number as usize % self.features.len()];
        let expression = expression(&dice, feature, &self.known);
        let at = dice.between(data::START + 60_000, data::END + 4 * 60_000) / 500 * 500;
        let query = &expression.text;
        let when = if dice.chance(50) {
            When::Instant(at)
        } else {
            let step = dice.pick(&[15_000, 30_000, 60_000, 77_000, 300_000]);
            When::Range { start: at, end: at + step * dice.between(0, 10), step }
        };
        let question = when.question(query);
        let expected = self.prometheus.ask(self.sandbox, &question).await?;
        let found = ours::ask(&self.source, &question).await;
        Ok(Asked { number, when, expected, found, expression })
    }

    async fn run(mut self, numbers: Range<u64>) -> Result<()> {
        let mut verdict = Verdict::new(self.prometheus.version()?);
        let mut coverage = Coverage::default();
        let mut doubtful = Vec::new();
        let count = numbers.end - numbers.start;
        let mut questions = stream::iter(numbers).map(|number| self.ask(number)).buffered(PARALLEL);
        while let Some(asked) = questions.try_next().await? {
            coverage.count(&asked);
            if self.judge(&asked, &mut verdict).await?.is_err() {
                doubtful.push(asked.number);
            }
        }
        drop(questions);
        self.ask_anew(&doubtful, &mut verdict).await?;
        coverage.report();
        if count > 1 {
            coverage.check(&self.features)?;
        }
        verdict.finish()
    }

    /// Judges an answer: an error is what no rule explains.
    async fn judge(
        &self,
        asked: &Asked,
        verdict: &mut Verdict,
    ) -> Result<std::result::Result<(), Vec<String>>> {
        let findings = if asked.data_differ() {
            self.culprits(&asked.expression.text, asked.when, &asked.expected, &asked.found).await?
        } else {
            Findings::default()
        };
        Ok(verdict.judge(asked, &findings))
    }

    /// Asks again what differed, of a Prometheus that was just started: version 3.5 mixes up the buckets of histograms whose memory
    /// it takes over from earlier queries. And it goes through results in any order: what depends on that is no difference if
    /// one of its answers to a question is ours.
    async fn ask_anew(&mut self, doubtful: &[u64], verdict: &mut Verdict) -> Result<()> {
        eprintln!("{} questions are asked again", doubtful.len());
        for number in doubtful.iter().take(MOST_DOUBTS) {
            self.prometheus.restart(self.sandbox).await?;
            let mut draws = 1;
            let failed = loop {
                let asked = self.ask(*number).await?;
                match self.judge(&asked, verdict).await? {
                    Ok(()) => break None,
                    Err(lines) if draws == DRAWS => break Some((asked, lines)),
                    Err(_) => draws += 1,
                }
            };
            let again = format!("NARTHEX_FUZZ_SEED={} NARTHEX_FUZZ_ONLY={number}", self.seed);
            match failed {
                Some((asked, lines)) => verdict.fail(&asked, &again, &lines),
                None => eprintln!("  {again} is explained the {draws}. time"),
            }
        }
        ensure!(doubtful.len() <= MOST_DOUBTS, "more than {MOST_DOUBTS} answers differ");
        Ok(())
    }

    /// Prints both answers to a query.
    async fn show(&self, query: &str) -> Result<()> {
        let question = Question::Instant { query, at: (data::START + data::END) / 2 };
        let expected = self.prometheus.ask(self.sandbox, &question).await?;
        eprintln!("expected {expected:#?}\nfound {:#?}", ours::ask(&self.source, &question).await);
        Ok(())
    }
}
