//! Whether the cases have a value at each bound of the public model, and one beyond it.

use anyhow::{Context, Result, ensure};
use narthex_amp::{
    Operation, Reason,
    example::{Case, Expected, Things},
};
use serde_json::Value;

use super::{
    all_cases,
    model::{Bound, Demand, Location, Model},
    sent,
};

/// A case with what it sends.
struct Sent {
    case: Case,
    members: Value,
}

impl Sent {
    fn accepted(&self) -> bool {
        self.case.expected == Expected::Accepted
    }

    /// Whether it has to be refused for what is at `path`.
    fn refused(&self, path: &str, wanted: Reason) -> bool {
        matches!(&self.case.expected, Expected::Refused { reason, name }
            if *reason == wanted && sent::generic(name) == path)
    }

    fn breaks(&self, path: &str) -> bool {
        self.refused(path, Reason::FieldValidationFailed)
    }

    fn against_pattern(&self) -> bool {
        self.case.what.ends_with("against the pattern")
    }

    /// Whether something at `path` is so.
    fn has(&self, path: &str, is: impl Fn(&Value) -> bool) -> bool {
        sent::at(&self.members, path).into_iter().any(is)
    }
}

/// How many things the cases cover.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) operations: usize,
    pub(crate) members: usize,
    pub(crate) bounds: usize,
    pub(crate) cases: usize,
}

/// Finds what the model says and no case tries.
pub(crate) fn check(document: &Value) -> Result<Counts> {
    let model = Model::of(document)?;
    let mut counts = Counts::default();
    let mut missing = Vec::new();
    for name in model.operations() {
        let known = Operation::ALL.into_iter().find(|operation| operation.name() == name);
        let operation = known.with_context(|| format!("{name} is unknown"))?;
        let sent = |case: Case| Sent { members: sent::members(&model, &case.request), case };
        let all: Vec<Sent> = all_cases(operation, &Things::default()).into_iter().map(sent).collect();
        counts.operations += 1;
        counts.cases += all.len();
        for demand in model.demands(name)? {
            match demand.bound {
                Bound::Member { .. } => counts.members += 1,
                _ => counts.bounds += 1,
            }
            let gaps = gaps(&all, &demand);
            missing.extend(gaps.into_iter().map(|gap| format!("{name} {}: {gap}", demand.path)));
        }
    }
    ensure!(missing.is_empty(), "{} gaps in the cases:\n{}", missing.len(), missing.join("\n"));
    Ok(counts)
}

/// What is missing, in words.
fn gaps(all: &[Sent], demand: &Demand) -> Vec<String> {
    let path = demand.path.as_str();
    let in_path = demand.location == Location::Path;
    let mut gaps = Vec::new();
    let mut want = |what: String, is: &dyn Fn(&Sent) -> bool| {
        if !all.iter().any(is) {
            gaps.push(what);
        }
    };
    let absent = |sent: &Sent| sent::at(&sent.members, path).is_empty();
    match &demand.bound {
        Bound::Member { .. } if in_path => want("is never there".into(), &|sent| !absent(sent)),
        Bound::Member { required: true } => {
            want("is never missing".into(), &|sent| absent(sent) && sent.breaks(path));
        }
        // Prose may demand what the model calls optional; then a refusal shows that it was tried.
        Bound::Member { required: false } => want("is never left out".into(), &absent),
        Bound::Type(json) => {
            let wrong = |sent: &Sent| sent.refused(path, Reason::CannotParse);
            let other = |value: &Value| kind(value) != *json;
            want(format!("never other than {json}"), &|sent| wrong(sent) && sent.has(path, other));
        }
        Bound::MinSize(min) => {
            let (min, below) = (*min, *min - 1);
            // An empty label is no label: such a request has another path. An empty list in a query is none.
            let parts = |value: &Value| value.is_array() || value.is_object();
            let in_query = demand.location == Location::Query && all.iter().any(|sent| sent.has(path, parts));
            if below > 0 || !(in_path || in_query) {
                let is = |value: &Value| size(value) == Some(below);
                want(format!("never of the size {below}"), &|sent| sent.breaks(path) && sent.has(path, is));
            }
            let is = |value: &Value| size(value) == Some(min);
            want(format!("never of the least size {min}"), &|sent| {
                sent.accepted() && sent.has(path, is) || needs_more(all, path, min)
            });
        }
        Bound::MaxSize(max) => {
            let at = |value: &Value| size(value) == Some(*max);
            let above = |value: &Value| size(value) == Some(*max + 1);
            want(format!("never of the size {max}"), &|sent| sent.accepted() && sent.has(path, at));
            want(format!("never above the size {max}"), &|sent| sent.breaks(path) && sent.has(path, above));
        }
        Bound::Min(min) => {
            let at = |value: &Value| number(value) == Some(*min);
            let below = |value: &Value| number(value).is_some_and(|number| number < *min);
            want(format!("never {min}"), &|sent| sent.has(path, at));
            want(format!("never below {min}"), &|sent| sent.breaks(path) && sent.has(path, below));
        }
        Bound::Max(max) => {
            let at = |value: &Value| number(value) == Some(*max);
            let above = |value: &Value| number(value).is_some_and(|number| number > *max);
            want(format!("never {max}"), &|sent| sent.has(path, at));
            want(format!("never above {max}"), &|sent| sent.breaks(path) && sent.has(path, above));
        }
        Bound::Pattern(pattern) => {
            want(format!("never against {pattern}"), &|sent| sent.breaks(path) && sent.against_pattern());
        }
        Bound::OneOf(value) => {
            let other = |sent: &Sent| sent.breaks(path) && sent.has(path, |found| found != value);
            want(format!("never {value}"), &|sent| sent.accepted() && sent.has(path, |found| found == value));
            want("always one of the values".into(), &other);
        }
        Bound::Union(names) => {
            let count = |wanted: usize| {
                move |value: &Value| names.iter().filter(|name| value.get(name).is_some()).count() == wanted
            };
            want("never without a member".into(), &|sent| sent.breaks(path) && sent.has(path, count(0)));
            for name in names {
                let this = |value: &Value| value.get(name).is_some() && count(1)(value);
                want(format!("never {name}"), &|sent| sent.has(path, this));
            }
            if names.len() > 1 {
                let all = count(names.len());
                want("never with several members".into(), &|sent| sent.breaks(path) && sent.has(path, all));
            }
        }
        Bound::Key(bound) => return key_gaps(all, path, bound),
    }
    gaps
}

/// The same of the keys of a map, whose entries are at `entry`.
fn key_gaps(all: &[Sent], entry: &str, bound: &Bound) -> Vec<String> {
    let map = entry.strip_suffix("[*]").unwrap_or(entry);
    let any = |sent: &Sent, is: &dyn Fn(&str) -> bool| sent::keys(&sent.members, map).into_iter().any(is);
    let tried = |broken: bool, is: &dyn Fn(&str) -> bool| {
        all.iter().any(|sent| any(sent, is) && if broken { sent.breaks(entry) } else { sent.accepted() })
    };
    let sized = |wanted: usize| move |key: &str| key.chars().count() == wanted;
    let (what, found) = match bound {
        Bound::MinSize(min) => ("at or below its least size", tried(true, &sized(min - 1))),
        Bound::MaxSize(max) => {
            // What scrapers can be filtered by are four words.
            let at = entry == "filters[*]" || tried(false, &sized(*max));
            ("at or above its greatest size", at && tried(true, &sized(max + 1)))
        }
        Bound::Pattern(_) => {
            let wrong = |sent: &Sent| sent.breaks(entry) && sent.against_pattern();
            ("against its pattern", all.iter().any(wrong))
        }
        other => return vec![format!("a key with {other:?}, which keys do not have")],
    };
    if found { Vec::new() } else { vec![format!("no key {what}")] }
}

/// Whether nothing so short as `min` can be sound here: the shortest that is has more, and something of less was refused.
fn needs_more(all: &[Sent], path: &str, min: usize) -> bool {
    let sizes = |sent: &Sent| sent::at(&sent.members, path).into_iter().filter_map(size).collect::<Vec<_>>();
    let shortest = all.iter().filter(|sent| sent.accepted()).flat_map(sizes).min();
    let shorter = |sent: &Sent| sent.breaks(path) && sizes(sent).into_iter().any(|size| size <= min);
    shortest.is_some_and(|shortest| shortest > min) && all.iter().any(shorter)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(map) => Some(map.len()),
        _ => None,
    }
}

/// Numbers in a query are text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
