//! Merging against an oracle of maps, and the majority of three.

use std::{collections::BTreeMap, sync::Arc};

use narthex_model::{Histogram, Labels, Value, resolve, stale_marker};
use narthex_promql::SeriesData;
use narthex_pushdown::tidy;
use proptest::prelude::*;

use super::{Rule, merge_copies, merge_partitions, merge_samples, series_merge::differ};

type Samples = BTreeMap<i64, Value>;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0u8..3).prop_map(|number| Value::Float(f64::from(number))),
        1 => Just(Value::Float(stale_marker())),
        1 => (0u8..2).prop_map(|sum| Value::Histogram(Arc::new(Histogram { sum: f64::from(sum), ..Histogram::default() }))),
        1 => Just(Value::Float(-0.0)),
    ]
}

fn samples() -> impl Strategy<Value = Samples> {
    proptest::collection::btree_map(0i64..12, value(), 0..12)
}

fn series(labels: &Labels, samples: &Samples) -> SeriesData {
    let mut series = SeriesData { labels: labels.clone(), ..SeriesData::default() };
    for (at, value) in samples {
        match value {
            Value::Float(value) => {
                series.timestamps.push(*at);
                series.values.push(*value);
            }
            Value::Histogram(histogram) => series.histograms.push((*at, (&**histogram).into())),
        }
    }
    series
}

fn samples_of(series: &SeriesData) -> Samples {
    let floats = series.timestamps.iter().zip(&series.values).map(|(at, value)| (*at, Value::Float(*value)));
    let histograms =
        series.histograms.iter().map(|(at, histogram)| (*at, Value::Histogram(histogram.decode().into())));
    floats.chain(histograms).collect()
}

fn expected(copies: &[Samples], rule: Rule) -> Samples {
    let mut all: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    copies.iter().flatten().for_each(|(at, value)| all.entry(*at).or_default().push(value.clone()));
    let settle = |values: Vec<Value>| {
        let twice = values.iter().find(|one| values.iter().filter(|other| other == one).count() >= 2);
        match twice {
            Some(winner) if rule == Rule::Majority => winner.clone(),
            _ => values.iter().max_by(|a, b| resolve(a, b)).expect("not empty").clone(),
        }
    };
    all.into_iter().map(|(at, values)| (at, settle(values))).collect()
}

fn well_formed(series: &SeriesData) -> bool {
    series.timestamps.is_sorted_by(|a, b| a < b)
        && series.timestamps.len() == series.values.len()
        && series.histograms.is_sorted_by(|a, b| a.0 < b.0)
        && series.histograms.iter().all(|(at, _)| series.timestamps.binary_search(at).is_err())
}

fn named(name: u8) -> Labels {
    Labels::from_pairs([("__name__", format!("m{}", name % 3)), ("n", format!("{name}"))])
}

fn answer(map: &BTreeMap<u8, Samples>) -> Vec<SeriesData> {
    let mut answer: Vec<_> = map.iter().map(|(name, samples)| series(&named(*name), samples)).collect();
    answer.sort_by(|a, b| a.labels.cmp(&b.labels));
    answer
}

fn answers(count: usize) -> impl Strategy<Value = Vec<BTreeMap<u8, Samples>>> {
    proptest::collection::vec(proptest::collection::btree_map(0u8..6, samples(), 0..5), count)
}

fn merged_map(series: &[SeriesData]) -> BTreeMap<Labels, Samples> {
    series.iter().map(|one| (one.labels.clone(), samples_of(one))).collect()
}

fn expected_map(answers: &[BTreeMap<u8, Samples>], rule: Rule) -> BTreeMap<Labels, Samples> {
    let names = (0u8..6).map(|name| {
        let copies: Vec<Samples> = answers.iter().filter_map(|answer| answer.get(&name).cloned()).collect();
        (named(name), expected(&copies, rule))
    });
    names.filter(|(_, samples)| !samples.is_empty()).collect()
}

proptest! {
    #[test]
    fn samples_merge_as_the_oracle_says(copies in proptest::collection::vec(samples(), 1..4), majority: bool) {
        let rule = if majority { Rule::Majority } else { Rule::Greatest };
        let labels = Labels::from_pairs([("a", "b")]);
        let data: Vec<SeriesData> = copies.iter().map(|copy| series(&labels, copy)).collect();
        let views: Vec<&SeriesData> = data.iter().collect();
        let merged = merge_samples(&views, rule);
        prop_assert!(well_formed(&merged));
        prop_assert_eq!(samples_of(&merged), expected(&copies, rule));
        let conflict = (0..12).any(|at| {
            let mut values = copies.iter().filter_map(|copy| copy.get(&at));
            let first = values.next();
            values.any(|value| Some(value) != first)
        });
        prop_assert_eq!(differ(&views), conflict);
    }

    #[test]
    fn the_order_of_copies_does_not_matter(answers in answers(3), turn in 0usize..3) {
        let lists: Vec<_> = answers.iter().map(answer).collect();
        let mut turned = lists.clone();
        turned.rotate_left(turn);
        prop_assert_eq!(merged_map(&merge_copies(lists).series), merged_map(&merge_copies(turned).series));
    }

    #[test]
    fn answers_of_two_owners_merge_by_resolve(answers in answers(2)) {
        let merged = merge_copies(answers.iter().map(answer).collect());
        prop_assert!(merged.series.is_sorted_by(|a, b| a.labels < b.labels));
        prop_assert!(merged.series.iter().all(well_formed));
        prop_assert_eq!(merged_map(&merged.series), expected_map(&answers, Rule::Greatest));
    }

    #[test]
    fn answers_of_three_owners_merge_by_majority(answers in answers(3)) {
        let merged = merge_copies(answers.iter().map(answer).collect());
        prop_assert_eq!(merged_map(&merged.series), expected_map(&answers, Rule::Majority));
    }

    #[test]
    fn partitions_merge_by_resolve(answers in answers(3)) {
        let merged = merge_partitions(answers.iter().map(answer).collect());
        prop_assert!(merged.is_sorted_by(|a, b| a.labels < b.labels));
        prop_assert_eq!(merged_map(&merged), expected_map(&answers, Rule::Greatest));
    }

    #[test]
    fn overlapping_chunks_become_one_column(chunks in proptest::collection::vec(samples(), 1..4)) {
        let labels = Labels::from_pairs([("a", "b")]);
        let mut raw = SeriesData { labels: labels.clone(), ..SeriesData::default() };
        for chunk in &chunks {
            let one = series(&labels, chunk);
            raw.timestamps.extend(one.timestamps);
            raw.values.extend(one.values);
            raw.histograms.extend(one.histograms);
        }
        let tidied = tidy(raw);
        prop_assert!(well_formed(&tidied));
        prop_assert_eq!(samples_of(&tidied), expected(&chunks, Rule::Greatest));
    }
}

#[test]
fn what_two_of_three_hold_wins_over_the_greater() {
    let labels = Labels::from_pairs([("a", "b")]);
    let copy = |value| vec![series(&labels, &Samples::from([(1, Value::Float(value))]))];
    let merged = merge_copies(vec![copy(1.0), copy(9.0), copy(1.0)]);
    assert_eq!((merged.series[0].values.clone(), merged.conflicts), (vec![1.0], 1));
    assert_eq!(merge_copies(vec![copy(1.0), copy(9.0)]).series[0].values, [9.0]);
}

#[test]
fn series_without_samples_are_left_out() {
    let labels = Labels::from_pairs([("a", "b")]);
    let nothing = vec![series(&labels, &Samples::new())];
    assert!(merge_copies(vec![nothing.clone(), nothing]).series.is_empty());
    assert!(merge_partitions(vec![]).is_empty());
}
