//! Prometheus's scenario files: `load` data, `eval` queries, compare.
//!
//! The format is that of Prometheus's `promqltest` package. Every `eval` is one case. It is run with aggregations answered in three
//! places and with all series read, to the same bits. As in that package, an instant query is run in
//! other ways that must give the same: as the middle of a short range query, and with `@` at every selector at other times.
//! Used by tests and by the example of the same name.

mod check;
mod histogram;
mod nhcb;
mod pin;
mod script;
mod series;
mod starts;
mod storage;

pub use script::ScriptError;
pub use storage::MemorySource;

use script::{Command, Eval, parse_script};

use narthex_model::TimestampMs;

use crate::{
    engine::{Control, Engine, EngineConfig},
    parser::parse,
    result::QueryResult,
};

/// What came of one `eval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Line of the `eval`, from 1.
    pub line: usize,
    /// The query.
    pub query: String,
    /// What was wrong; none if the case passed.
    pub failure: Option<String>,
}

/// Runs a whole script. Fails only if the script itself cannot be read.
pub async fn run(text: &str) -> Result<Vec<Outcome>, ScriptError> {
    let engine = Engine::new(EngineConfig { max_samples: 1_000_000, ..EngineConfig::default() });
    let mut source = MemorySource::default();
    let mut outcomes = Vec::new();
    for command in parse_script(text)? {
        match command {
            Command::Clear => source = MemorySource::default(),
            Command::Load(series) => series.into_iter().for_each(|series| source.add(series)),
            Command::Eval(eval) => {
                let failure = run_eval(&engine, &source, &eval).await.err();
                outcomes.push(Outcome { line: eval.line, query: eval.query.clone(), failure });
            }
        }
    }
    Ok(outcomes)
}

/// The data that a script's `load` commands leave behind.
pub fn load(text: &str) -> Result<MemorySource, ScriptError> {
    let mut source = MemorySource::default();
    for command in parse_script(text)? {
        match command {
            Command::Clear => source = MemorySource::default(),
            Command::Load(series) => series.into_iter().for_each(|series| source.add(series)),
            Command::Eval(_) => {}
        }
    }
    Ok(source)
}

async fn query(
    engine: &Engine,
    source: &MemorySource,
    eval: &Eval,
    range: Option<(i64, i64, i64)>,
) -> Result<QueryResult, String> {
    let expr = parse(&eval.query).map_err(|error| error.to_string())?;
    let control = Control::default();
    let result = match range {
        Some((start, end, step)) => {
            engine.range(source, &expr, TimestampMs(start), TimestampMs(end), step, &control).await
        }
        None => engine.instant(source, &expr, TimestampMs(eval.time), &control).await,
    };
    result.map_err(|error| error.to_string())
}

async fn run_eval(engine: &Engine, source: &MemorySource, eval: &Eval) -> Result<(), String> {
    let range = eval.is_range.then_some((eval.start, eval.end, eval.step));
    let result = match (query(engine, source, eval, range).await, eval.must_fail()) {
        (Err(error), true) => return check::failure(eval, &error),
        (Err(error), false) => return Err(format!("unexpected error: {error}")),
        (Ok(_), true) => return Err("expected an error but got none".into()),
        (Ok(result), false) => result,
    };
    check::annotations(eval, &result.annotations)?;
    check::value(eval, &result.value)?;
    let reading = engine.with_push_down(false);
    let read = query(&reading, source, eval, range).await.map_err(|error| format!("reading all: {error}"))?;
    check::same(&result, &read)?;
    if !eval.is_range {
        pinned(engine, source, eval).await.map_err(|error| format!("with @ at every selector: {error}"))?;
    }
    let depends_on_range =
        ["start()", "end()", "range()", "step()"].iter().any(|call| eval.query.contains(call));
    if eval.is_range || eval.not_as_range || depends_on_range {
        return Ok(());
    }
    let minute = 60_000;
    let around = (eval.time - minute, eval.time + minute, minute);
    let result =
        query(engine, source, eval, Some(around)).await.map_err(|error| format!("in range mode: {error}"))?;
    if eval.is_ordered() {
        return Ok(());
    }
    check::middle(eval, &result.value).map_err(|error| format!("in range mode: {error}"))
}

/// With every selector pinned to the time of the query, the time of evaluation must not matter.
async fn pinned(engine: &Engine, source: &MemorySource, eval: &Eval) -> Result<(), String> {
    let expr = parse(&eval.query).map_err(|error| error.to_string())?;
    let Some(expr) = pin::pin(expr, eval.time) else { return Ok(()) };
    let others = if eval.time == 0 {
        vec![-1000, 1000]
    } else {
        vec![-10 * eval.time, 0, eval.time / 5, eval.time, 10 * eval.time]
    };
    for time in others {
        let result = engine.instant(source, &expr, TimestampMs(time), &Control::default()).await;
        let result = result.map_err(|error| format!("{expr} at {time}: {error}"))?;
        check::value(eval, &result.value).map_err(|error| format!("{expr} at {time}: {error}"))?;
    }
    Ok(())
}
