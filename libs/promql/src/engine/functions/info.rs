//! `info`: adds the labels of info metrics to other series.
//!
//! Info series meet base series by `instance` and `job`. They are taken at the time at which the first argument looks: its
//! `@` and offset hold for both. Of several info series of one name and identity the newest sample decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use narthex_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use crate::{
    ast::{At, Call, Expr, ExprKind},
    engine::{
        column::{Column, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        finish::same_labelset,
        selector::{View, info_times},
    },
    error::EvalError,
};

/// The labels by which info series meet others.
const IDENTITY: [&str; 2] = ["instance", "job"];

/// What a call of `info` asks for.
#[derive(Debug)]
pub(in crate::engine) struct InfoRequest {
    /// When info series are looked at.
    pub(in crate::engine) view: View,
    /// Conditions on the names of info metrics.
    names: Vec<Matcher>,
    /// Conditions on other labels, which also say which labels are wanted.
    data: Vec<Matcher>,
}

impl InfoRequest {
    /// Reads a prepared call.
    pub(in crate::engine) fn new(call: &Call) -> Self {
        let (at, offset) = reference(&call.args[0]).unwrap_or_default();
        let matchers = match call.args.get(1).map(|arg| &arg.unwrapped().kind) {
            Some(ExprKind::Vector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let (names, data): (Vec<_>, Vec<_>) =
            matchers.into_iter().partition(|matcher| matcher.name() == METRIC_NAME);
        Self { view: View::new(at, offset), names: with_default(names), data }
    }

    /// Selects all info series that could be asked for.
    pub(in crate::engine) fn matchers(&self) -> Vec<Matcher> {
        self.names.iter().chain(&self.data).cloned().collect()
    }

    fn is_wanted(&self, label: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|matcher| matcher.name() == label)
    }
}

/// Without a positive condition on the name, info metrics are those that end in `_info`, or `target_info` alone.
fn with_default(mut names: Vec<Matcher>) -> Vec<Matcher> {
    if names.iter().any(|matcher| matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex)) {
        return names;
    }
    let default = if names.is_empty() {
        Ok(Matcher::equal(METRIC_NAME, "target_info"))
    } else {
        Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info")
    };
    names.insert(0, default.expect("a constant pattern compiles"));
    names
}

/// The `@` and offset of the first selector, those of the subqueries around it included up to the first `@`.
fn reference(expr: &Expr) -> Option<(Option<At>, i64)> {
    match &expr.kind {
        ExprKind::Vector(selector) => Some((selector.at, selector.offset.millis())),
        ExprKind::Matrix(matrix) => Some((matrix.selector.at, matrix.selector.offset.millis())),
        ExprKind::Subquery(subquery) => match reference(&subquery.expr)? {
            (None, offset) => Some((subquery.at, offset.saturating_add(subquery.offset.millis()))),
            found => Some(found),
        },
        _ => expr.children().into_iter().find_map(reference),
    }
}

/// An info series at all steps: when its newest sample was taken.
struct InfoSeries {
    labels: Labels,
    times: Column,
}

fn identity(labels: &Labels) -> Labels {
    labels.filtered(|name| IDENTITY.contains(&name))
}

/// `info(v, {selector})`
pub(super) async fn info(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let base = evaluator.vector(&call.args[0], steps).await?;
    let request = InfoRequest::new(call);
    let is_info =
        |column: &Column| request.names.iter().all(|matcher| matcher.matches(column.labels.metric_name()));
    let found =
        info_series(evaluator, call, &request, base.iter().filter(|column| !is_info(column)), steps).await?;
    let mut out = Output { places: HashMap::new(), columns: Vec::new(), steps };
    for at in 0..steps.count {
        evaluator.tick(base.len() + found.len()).await?;
        let newest = newest(&found, at)?;
        for column in &base {
            let Some(sample) = column.get(at) else { continue };
            let labels = if is_info(column) {
                Some(column.labels.clone())
            } else {
                enrich(&column.labels, newest.get(&identity(&column.labels)), &request)?
            };
            if let Some(labels) = labels {
                out.put(labels, column.drop_name, at, sample)?;
            }
        }
    }
    Ok(out.columns)
}

/// The info series whose identity occurs among the base series.
async fn info_series<'a>(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    request: &InfoRequest,
    base: impl Iterator<Item = &'a Column>,
    steps: Steps,
) -> Evaluated<Vec<InfoSeries>> {
    let mut values = [BTreeSet::new(), BTreeSet::new()];
    for column in base {
        for (values, name) in values.iter_mut().zip(IDENTITY) {
            values.extend(column.labels.get(name).map(str::to_owned));
        }
    }
    let mut found = Vec::new();
    if values.iter().all(BTreeSet::is_empty) {
        return Ok(found);
    }
    let lookback = evaluator.config.lookback_delta_ms;
    for series in evaluator.loaded.info(call).iter() {
        evaluator.tick(steps.count).await?;
        let meets = IDENTITY.iter().zip(&values).all(|(name, values)| {
            values.is_empty() || values.contains(series.labels.get(name).unwrap_or_default())
        });
        if !meets {
            continue;
        }
        let times = info_times(series, steps, request.view, lookback)?;
        for (at, _) in times.samples() {
            evaluator.stats.count(steps.time(at), 1);
        }
        if !times.is_empty() {
            found.push(InfoSeries { labels: series.labels.clone(), times });
        }
    }
    Ok(found)
}

/// By identity, then name: the info series with the newest sample at a step.
type Newest<'a> = HashMap<Labels, BTreeMap<&'a str, (&'a Labels, f64)>>;

fn newest(found: &[InfoSeries], at: usize) -> Evaluated<Newest<'_>> {
    let mut newest: Newest<'_> = HashMap::new();
    for series in found {
        let Some(time) = series.times.float(at) else { continue };
        let names = newest.entry(identity(&series.labels)).or_default();
        match names.get(series.labels.metric_name()) {
            Some((_, known)) if *known > time => {}
            Some((existing, known)) if *known == time => {
                return Err(EvalError::Execution(format!(
                    "found duplicate series for info metric: existing {existing} @ {known}, new {} @ {time}",
                    series.labels
                )));
            }
            _ => {
                names.insert(series.labels.metric_name(), (&series.labels, time));
            }
        }
    }
    Ok(newest)
}

/// The labels of a base series with those of its info series. None if a wanted label must exist and does not.
fn enrich(
    base: &Labels,
    infos: Option<&BTreeMap<&str, (&Labels, f64)>>,
    request: &InfoRequest,
) -> Evaluated<Option<Labels>> {
    let Some(infos) = infos else {
        let all_may_be_empty = request.data.iter().all(Matcher::matches_empty);
        return Ok(all_may_be_empty.then(|| base.clone()));
    };
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for (info, _) in infos.values() {
        for (name, value) in info.iter().filter(|(name, _)| *name != METRIC_NAME && request.is_wanted(name)) {
            if added.get(name).is_some_and(|known| *known != value) {
                return Err(EvalError::Execution(format!("conflicting label: {name}")));
            }
            if base.get(name).is_none() {
                added.insert(name, value);
            }
        }
    }
    let mut labels = LabelsBuilder::from_labels(base);
    for (name, value) in added {
        labels.set(name, value);
    }
    Ok(Some(labels.build()))
}

struct Output {
    places: HashMap<Labels, usize>,
    columns: Vec<Column>,
    steps: Steps,
}

impl Output {
    fn put(&mut self, labels: Labels, drop_name: bool, at: usize, sample: SampleRef<'_>) -> Evaluated<()> {
        let place = *self.places.entry(labels).or_insert_with_key(|labels| {
            self.columns.push(Column::new(labels.clone(), drop_name, self.steps.count));
            self.columns.len() - 1
        });
        if self.columns[place].has(at) {
            return Err(same_labelset());
        }
        self.columns[place].set(at, sample.to_owned());
        Ok(())
    }
}
