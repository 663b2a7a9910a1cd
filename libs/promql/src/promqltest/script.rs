//! Script text to commands.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    nhcb,
    series::{Point, parse_series_line},
    starts::{self, StartsLine},
    storage::Loaded,
};
use crate::parser::unquote;

/// A script that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// One command of a script.
#[derive(Debug)]
pub(super) enum Command {
    /// Forget all data.
    Clear,
    /// Add data.
    Load(Vec<Loaded>),
    /// Run a query and compare.
    Eval(Box<Eval>),
}

/// A kind of `expect` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpectKind {
    Ordered,
    Fail,
    Warn,
    NoWarn,
    Info,
    NoInfo,
}

/// How an expected text is compared.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Any,
    Exactly(String),
    Matching(Regex),
}

impl Text {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => expected == text,
            Self::Matching(regex) => regex.is_match(text),
        }
    }
}

/// A query with what it must answer. Times are milliseconds.
#[derive(Debug)]
pub(super) struct Eval {
    /// Line, from 1.
    pub(super) line: usize,
    /// The query.
    pub(super) query: String,
    pub(super) is_range: bool,
    pub(super) time: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
    /// The answer is a text or a matrix, which a range query cannot give.
    pub(super) not_as_range: bool,
    pub(super) expects: Vec<(ExpectKind, Text)>,
    pub(super) scalar: Option<f64>,
    pub(super) string: Option<String>,
    /// Expected series with their place among the lines, from 1.
    pub(super) series: Vec<(usize, narthex_model::Labels, Vec<Point>)>,
}

impl Eval {
    pub(super) fn expected(&self, kind: ExpectKind) -> impl Iterator<Item = &Text> {
        self.expects.iter().filter(move |(found, _)| *found == kind).map(|(_, text)| text)
    }

    pub(super) fn must_fail(&self) -> bool {
        self.expected(ExpectKind::Fail).next().is_some()
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.expected(ExpectKind::Ordered).next().is_some()
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ScriptError> {
        Err(ScriptError { line: self.at, message: message.into() })
    }

    /// The next line of a block; none at its end.
    fn next_of_block(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied().filter(|line| !line.is_empty())?;
        self.at += 1;
        Some(line)
    }

    fn duration(&self, text: &str) -> Result<i64, ScriptError> {
        match narthex_model::parse_duration(text.trim()) {
            Ok(millis) => Ok(millis),
            Err(error) => self.fail(format!("invalid duration {text:?}: {error}")),
        }
    }
}

/// Reads a script.
pub(super) fn parse_script(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines = text
        .lines()
        .map(|line| line.trim())
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut reader = Reader { lines, at: 0 };
    let mut commands = Vec::new();
    while reader.at < reader.lines.len() {
        let line = reader.lines[reader.at];
        reader.at += 1;
        if line.is_empty() {
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        commands.push(match word.as_str() {
            "clear" => Command::Clear,
            word if word.starts_with("load") => load(&mut reader, line)?,
            word if word.starts_with("eval") => Command::Eval(Box::new(eval(&mut reader, line)?)),
            _ => return reader.fail(format!("invalid command {line:?}")),
        });
    }
    Ok(commands)
}

fn load(reader: &mut Reader<'_>, line: &str) -> Result<Command, ScriptError> {
    let (word, step) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let step = reader.duration(step)?;
    let mut series = Vec::new();
    let mut pending: Option<StartsLine> = None;
    while let Some(line) = reader.next_of_block() {
        let read = match starts::parse_line(line) {
            Some(Ok(starts)) if pending.is_none() => {
                pending = Some(starts);
                continue;
            }
            Some(Ok(_)) => Err("@st line has no following sample line".to_owned()),
            Some(Err(error)) => Err(error),
            None => parse_series_line(line).and_then(|(labels, points)| {
                let starts = pending
                    .take()
                    .map_or(Ok(BTreeMap::new()), |starts| starts.of_samples(&labels, points.len(), step))?;
                let points = points.into_iter().enumerate();
                let points = points.map(|(at, point)| (at as i64 * step, point)).collect();
                Ok(Loaded { labels, points, starts })
            }),
        };
        match read {
            Ok(loaded) => series.push(loaded),
            Err(error) => return reader.fail(error),
        }
    }
    if pending.is_some() {
        return reader.fail("@st line has no following sample line");
    }
    if word.ends_with("_with_nhcb") {
        let converted = nhcb::convert(&series);
        series.extend(converted);
    }
    Ok(Command::Load(series))
}

fn eval(reader: &mut Reader<'_>, line: &str) -> Result<Eval, ScriptError> {
    let mut eval = Eval {
        line: reader.at,
        query: String::new(),
        is_range: false,
        time: 0,
        start: 0,
        end: 0,
        step: 0,
        not_as_range: false,
        expects: Vec::new(),
        scalar: None,
        string: None,
        series: Vec::new(),
    };
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.trim_start_matches("eval") {
        "_fail" => eval.expects.push((ExpectKind::Fail, Text::Any)),
        "_warn" => eval.expects.push((ExpectKind::Warn, Text::Any)),
        "_info" => eval.expects.push((ExpectKind::Info, Text::Any)),
        "_ordered" => eval.expects.push((ExpectKind::Ordered, Text::Any)),
        _ => {}
    }
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix("instant") {
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix("at ") {
            Some(timed) => {
                let (time, query) = timed.trim_start().split_once(char::is_whitespace).unwrap_or((timed, ""));
                eval.time = reader.duration(time)?;
                query
            }
            None => rest,
        };
        (eval.start, eval.end) = (eval.time, eval.time);
        eval.query = rest.trim().to_owned();
    } else if let Some(rest) = rest.strip_prefix("range") {
        let words: Vec<&str> = rest.split_whitespace().take(6).collect();
        let ["from", from, "to", to, "step", step] = words[..] else {
            return reader.fail("invalid range: expected `from <from> to <to> step <step> <query>`");
        };
        eval.is_range = true;
        (eval.start, eval.end, eval.step) =
            (reader.duration(from)?, reader.duration(to)?, reader.duration(step)?);
        let mut query = rest;
        for _ in 0..6 {
            let trimmed = query.trim_start();
            query = trimmed.split_once(char::is_whitespace).map_or("", |(_, after)| after);
        }
        eval.query = query.trim().to_owned();
    } else {
        return reader.fail("invalid evaluation command");
    }
    expectations(reader, &mut eval)?;
    Ok(eval)
}

fn expectations(reader: &mut Reader<'_>, eval: &mut Eval) -> Result<(), ScriptError> {
    let mut place = 0;
    while let Some(line) = reader.next_of_block() {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            eval.expects = vec![(ExpectKind::Fail, Text::Exactly(text.trim().to_owned()))];
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            eval.expects = vec![(ExpectKind::Fail, matching(reader, pattern)?)];
        } else if let Some(range) = line.strip_prefix("expect range vector") {
            let words: Vec<&str> = range.split_whitespace().collect();
            let ["from", from, "to", to, "step", step] = words[..] else {
                return reader.fail("invalid range vector definition");
            };
            (eval.start, eval.end, eval.step) =
                (reader.duration(from)?, reader.duration(to)?, reader.duration(step)?);
            eval.time = eval.end;
            eval.not_as_range = true;
        } else if let Some(text) = line.strip_prefix("expect string") {
            let Some(text) = unquote(text.trim()) else { return reader.fail("expected a quoted string") };
            eval.string = Some(text);
            eval.not_as_range = true;
        } else if line.split(' ').next() == Some("expect") {
            let expect = expect(reader, line)?;
            eval.expects.push(expect);
        } else if let Some(value) = crate::parser::parse_signed_number(line) {
            eval.scalar = Some(value);
        } else {
            place += 1;
            match parse_series_line(line) {
                Ok((labels, points)) => eval.series.push((place, labels, points)),
                Err(error) => return reader.fail(error),
            }
        }
    }
    Ok(())
}

fn matching(reader: &Reader<'_>, pattern: &str) -> Result<Text, ScriptError> {
    match Regex::new(pattern.trim()) {
        Ok(regex) => Ok(Text::Matching(regex)),
        Err(error) => reader.fail(format!("invalid pattern: {error}")),
    }
}

fn expect(reader: &Reader<'_>, line: &str) -> Result<(ExpectKind, Text), ScriptError> {
    let rest = line.trim_start_matches("expect").trim_start();
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let kind = match word {
        "ordered" => ExpectKind::Ordered,
        "fail" => ExpectKind::Fail,
        "warn" => ExpectKind::Warn,
        "no_warn" => ExpectKind::NoWarn,
        "info" => ExpectKind::Info,
        "no_info" => ExpectKind::NoInfo,
        _ => return reader.fail(format!("invalid expectation {word:?}")),
    };
    let rest = rest.trim();
    if let Some(text) = rest.strip_prefix("msg:") {
        return Ok((kind, Text::Exactly(text.trim().to_owned())));
    }
    match rest.strip_prefix("regex:") {
        Some(pattern) => Ok((kind, matching(reader, pattern)?)),
        None => Ok((kind, Text::Any)),
    }
}
