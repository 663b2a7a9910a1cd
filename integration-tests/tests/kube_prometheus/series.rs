//! Series that satisfy every selector of a demand.
//!
//! For every entity a metric gets a series that each of its selectors matches, where the conditions allow one: natural values
//! first, and otherwise a value made from the condition. Values follow one of some curves, chosen by metric and entity, so that
//! most comparisons hold for some entity and not for all.

use std::collections::{BTreeMap, BTreeSet};

use narthex_integration_tests::generated::GeneratedSeries;
use narthex_model::{MatchOp, Matcher};

use super::{
    curve::{Curve, hash},
    demand::{Demand, Metric},
    regex_text::matching,
    world::{ENTITIES, natural},
};

type Labels = BTreeMap<String, String>;

/// Buckets of every classic histogram, beside those that selectors name.
const BUCKETS: [&str; 9] = ["0.005", "0.05", "0.1", "0.5", "1", "5", "30", "60", "+Inf"];

/// The series of all metrics at `times`, milliseconds.
pub(crate) fn series(seed: u64, demand: &Demand, times: &[i64]) -> Vec<GeneratedSeries> {
    let mut all = Vec::new();
    for (name, metric) in &demand.0 {
        for (number, (labels, entity)) in label_sets(name, metric).into_iter().enumerate() {
            // Series of one entity that differ in what selectors ask for go their own ways.
            let entity = entity + number / ENTITIES * ENTITIES;
            if labels.contains_key("le") {
                all.extend(buckets(seed, name, &labels, entity, times));
            } else {
                let curve = Curve::of(seed, name, metric.counter, entity);
                all.push(with_values(name, &labels, |at| curve.value(at), times));
            }
        }
    }
    all
}

fn with_values(name: &str, labels: &Labels, value: impl Fn(i64) -> f64, times: &[i64]) -> GeneratedSeries {
    let pairs = labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    let mut labels: Vec<(String, String)> = pairs.chain([("__name__".to_owned(), name.to_owned())]).collect();
    labels.sort();
    let floats = times.iter().map(|at| (*at, value(*at))).collect();
    GeneratedSeries { labels, floats, histograms: Vec::new() }
}

/// A classic histogram: each bucket counts a larger share of the observations than the one before.
fn buckets(seed: u64, name: &str, labels: &Labels, entity: usize, times: &[i64]) -> Vec<GeneratedSeries> {
    let base = name.strip_suffix("_bucket").unwrap_or(name);
    let curve = Curve::of(seed, &format!("{base}_count"), true, entity);
    // How fast the shares grow differs, so that some histograms are slow.
    let slowness = 0.3 + (hash(seed, base, entity) % 5) as f64;
    let series = BUCKETS.iter().zip(1..).map(|(le, number)| {
        let share = (f64::from(number) / BUCKETS.len() as f64).powf(slowness);
        let labels: Labels = labels
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .chain([("le".to_owned(), (*le).to_owned())])
            .collect();
        with_values(name, &labels, |at| (curve.value(at) * share).floor(), times)
    });
    series.collect()
}

/// The label sets of a metric, each with the entity that it is about.
fn label_sets(name: &str, metric: &Metric) -> Vec<(Labels, usize)> {
    let defaults = defaults(name, metric);
    let mut selectors: Vec<&Vec<Matcher>> = metric.selectors.iter().collect();
    // The strictest first: what it needs satisfies others too.
    selectors.sort_by_key(|matchers| std::cmp::Reverse(matchers.len()));
    let mut sets: Vec<(Labels, usize)> = Vec::new();
    for matchers in selectors {
        for entity in fitting(matchers) {
            let satisfied = |labels: &Labels| {
                let text = |name: &str| labels.get(name).map_or("", String::as_str);
                matchers
                    .iter()
                    .filter(|m| m.name() != "le")
                    .all(|matcher| matcher.matches(text(matcher.name())))
            };
            if sets.iter().any(|(labels, of)| *of == entity && satisfied(labels)) {
                continue;
            }
            let mut labels = Labels::new();
            for label in &metric.labels {
                let own: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name() == label).collect();
                let first = defaults.get(label).map(|values| values[entity % values.len()].clone());
                let value = choose(&own, first.into_iter().chain([natural(label, entity)]), entity);
                labels.insert(label.clone(), value.unwrap_or_default());
            }
            labels.retain(|_, value| !value.is_empty());
            // Every bucket comes later.
            if let Some(le) = labels.get_mut("le") {
                le.clear();
            }
            let known: BTreeSet<&Labels> = sets.iter().map(|(labels, _)| labels).collect();
            if satisfied(&labels) && !known.contains(&labels) {
                sets.push((labels, entity));
            }
        }
    }
    sets
}

/// The entities whose natural values satisfy the conditions that some entity's natural values satisfy.
fn fitting(matchers: &[Matcher]) -> Vec<usize> {
    let satisfies = |matcher: &Matcher, entity: usize| matcher.matches(&natural(matcher.name(), entity));
    let natural: Vec<&Matcher> =
        matchers.iter().filter(|matcher| (0..ENTITIES).any(|entity| satisfies(matcher, entity))).collect();
    (0..ENTITIES).filter(|entity| natural.iter().all(|matcher| satisfies(matcher, *entity))).collect()
}

/// Values that a metric's selectors ask for and that no entity has by nature: where a selector does not care, its series have
/// them as well, so that it needs no series of its own.
fn defaults(name: &str, metric: &Metric) -> BTreeMap<String, Vec<String>> {
    let mut defaults: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for matcher in metric.selectors.iter().flatten() {
        let wanted = matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex) && !matcher.matches("");
        let natural = (0..ENTITIES).any(|entity| matcher.matches(&natural(matcher.name(), entity)));
        if wanted && !natural {
            let values = defaults.entry(matcher.name().to_owned()).or_default();
            values.extend(choose(&[matcher], std::iter::empty(), 0).filter(|value| !values.contains(value)));
        }
    }
    if metric.labels.contains("job") {
        // Everything has a job; metrics of one exporter, which begin alike, have the same.
        let exporter = name.split(['_', ':']).next().unwrap_or(name);
        defaults.entry("job".to_owned()).or_insert_with(|| vec![format!("{exporter}-exporter")]);
    }
    // Only a label that is the same for all entities may be chosen for those that do not care.
    for values in defaults.values_mut() {
        values.truncate(1);
    }
    defaults
}

/// The first value that satisfies conditions on one label.
fn choose(matchers: &[&Matcher], first: impl Iterator<Item = String>, turn: usize) -> Option<String> {
    let made = matchers.iter().filter_map(|matcher| match matcher.op() {
        MatchOp::Equal => Some(matcher.value().to_owned()),
        MatchOp::Regex => matching(matcher.value(), turn),
        _ => None,
    });
    let last = ["other".to_owned(), String::new()];
    first.chain(made).chain(last).find(|value| matchers.iter().all(|matcher| matcher.matches(value)))
}
