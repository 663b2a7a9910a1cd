//! Forms that a difference between two answers can have.

use std::collections::{BTreeMap, BTreeSet};

use narthex_integration_tests::compare_answers::{Answer, Histogram, Point, TOLERANCE};
use narthex_promql::{Expr, ast::ExprKind};

/// Whether all differences between what was expected and what was found are of one kind.
pub(super) type Form = fn(&Answer, &Answer) -> bool;

const HISTOGRAMS: [&str; 4] = ["duration", "sizes", "levels", "mixed"];

/// Whether an expression reads one of these metrics.
pub(super) fn reads(expr: &Expr, metrics: &[&str]) -> bool {
    let named = |name: &str| metrics.contains(&name);
    match &expr.kind {
        ExprKind::Vector(selector) => {
            selector.matchers.iter().any(|matcher| matcher.name() == "__name__" && named(matcher.value()))
        }
        ExprKind::Matrix(matrix) => {
            let matchers = &matrix.selector.matchers;
            matchers.iter().any(|matcher| matcher.name() == "__name__" && named(matcher.value()))
        }
        _ => expr.children().into_iter().any(|child| reads(child, metrics)),
    }
}

/// Whether an expression reads histograms.
pub(super) fn is_histogram(expr: &Expr) -> bool {
    reads(expr, &HISTOGRAMS)
}

/// All points of both answers side by side; none if one of them failed.
type Pairs<'a> = Vec<(Option<&'a Point>, Option<&'a Point>)>;

fn pairs<'a>(expected: &'a Answer, found: &'a Answer) -> Option<Pairs<'a>> {
    fn points(answer: &Answer) -> Option<BTreeMap<(&str, i64), &Point>> {
        let series = &answer.outcome.as_ref().ok()?.series;
        let point = series.iter().flat_map(|series| {
            series.points.iter().map(move |(at, point)| ((series.labels.as_str(), *at), point))
        });
        Some(point.collect())
    }
    let (expected, found) = (points(expected)?, points(found)?);
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    Some(keys.into_iter().map(|key| (expected.get(key).copied(), found.get(key).copied())).collect())
}

/// Whether all points that differ fulfil a condition.
fn differ_only(
    expected: &Answer,
    found: &Answer,
    condition: impl Fn(Option<&Point>, Option<&Point>) -> bool,
) -> bool {
    let same = |left: Option<&Point>, right: Option<&Point>| {
        left.zip(right).is_some_and(|(left, right)| left.is_close(right, TOLERANCE))
    };
    pairs(expected, found).is_some_and(|pairs| {
        pairs.into_iter().all(|(left, right)| same(left, right) || condition(left, right))
    })
}

/// There are points more.
pub(super) fn more(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, _| expected.is_none())
}

/// There are points less.
pub(super) fn less(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |_, found| found.is_none())
}

fn floats(expected: Option<&Point>, found: Option<&Point>) -> Option<(f64, f64)> {
    match (expected, found) {
        (Some(Point::Float(expected)), Some(Point::Float(found))) => Some((*expected, *found)),
        _ => None,
    }
}

/// Floats are no further apart than a bound that they have.
pub(super) fn within(expected: &Answer, found: &Answer, bound: impl Fn(f64, f64) -> f64) -> bool {
    differ_only(expected, found, |expected, found| {
        floats(expected, found)
            .is_some_and(|(expected, found)| (expected - found).abs() <= bound(expected, found))
    })
}

/// What was without end is just not.
pub(super) fn overflow(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| {
        floats(expected, found).is_some_and(|(expected, found)| {
            expected.is_infinite() && found.abs() > f64::MAX / 2.0 && expected.signum() == found.signum()
        })
    })
}

/// Both are logarithms of less than the least normal number, about.
pub(super) fn subnormal(expected: &Answer, found: &Answer) -> bool {
    let least = f64::MIN_POSITIVE.ln() + 1.0;
    differ_only(expected, found, |expected, found| {
        floats(expected, found).is_some_and(|(expected, found)| expected < least && found < least)
    })
}

/// The same points, with other values.
pub(super) fn same_keys(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| expected.is_some() && found.is_some())
}

/// What differs is no number now.
pub(super) fn nan(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| {
        expected.is_some() && matches!(found, Some(Point::Float(value)) if value.is_nan())
    })
}

/// What differs is without end, or no number, on one side.
pub(super) fn not_finite(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| match (expected, found) {
        (Some(Point::Float(expected)), Some(Point::Float(found))) => {
            !expected.is_finite() || !found.is_finite()
        }
        _ => false,
    })
}

fn histograms<'a>(
    expected: Option<&'a Point>,
    found: Option<&'a Point>,
) -> Option<(&'a Histogram, &'a Histogram)> {
    match (expected, found) {
        (Some(Point::Histogram(expected)), Some(Point::Histogram(found))) => Some((expected, found)),
        _ => None,
    }
}

/// Histograms that differ are the same but for one factor below one.
pub(super) fn smaller_histograms(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| {
        histograms(expected, found).is_some_and(|(expected, found)| {
            let factor = found.count / expected.count;
            let scaled = Histogram {
                count: expected.count * factor,
                sum: expected.sum * factor,
                buckets: expected
                    .buckets
                    .iter()
                    .map(|&(ends, low, up, count)| (ends, low, up, count * factor))
                    .collect(),
            };
            (0.0..1.0).contains(&factor)
                && Point::Histogram(scaled).is_close(&Point::Histogram(found.clone()), 1e-9)
        })
    })
}

/// Histograms that differ have other buckets but the same count and sum, or are without end.
pub(super) fn same_totals(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| {
        histograms(expected, found).is_some_and(|(expected, found)| {
            let close = |left, right| Point::Float(left).is_close(&Point::Float(right), 1e-9);
            close(expected.count, found.count) && close(expected.sum, found.sum)
                || !expected.count.is_finite()
        })
    })
}

/// The points by time and by the labels but `without`.
fn points_without<'a>(
    answer: &'a Answer,
    without: &[&str],
) -> Option<BTreeMap<(String, i64), Vec<&'a Point>>> {
    let mut points = BTreeMap::<_, Vec<&Point>>::new();
    for series in &answer.outcome.as_ref().ok()?.series {
        let labels = series.pairs.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let labels = format!("{:?}", labels.collect::<Vec<_>>());
        for (at, point) in &series.points {
            points.entry((labels.clone(), *at)).or_default().push(point);
        }
    }
    Some(points)
}

/// The same points, if some labels do not count. Some may be on one side alone.
fn same_without(expected: &Answer, found: &Answer, without: &[&str], may_lack: bool) -> bool {
    let (Some(expected), Some(found)) = (points_without(expected, without), points_without(found, without))
    else {
        return false;
    };
    let covers = |these: &BTreeMap<_, Vec<&Point>>, those: &BTreeMap<_, Vec<&Point>>| {
        these.iter().all(|(key, points)| match those.get(key) {
            Some(others) => {
                points.iter().all(|point| others.iter().any(|other| point.is_close(other, TOLERANCE)))
            }
            None => may_lack,
        })
    };
    covers(&expected, &found) && covers(&found, &expected)
}

/// What goes with the name.
const NAME: [&str; 3] = ["__name__", "__type__", "__unit__"];

/// The same but for names.
pub(crate) fn same_but_names(expected: &Answer, found: &Answer) -> bool {
    same_without(expected, found, &NAME, false)
}

/// Other values, and other series.
pub(super) fn succeed(expected: &Answer, found: &Answer) -> bool {
    expected.outcome.is_ok() && found.outcome.is_ok()
}

/// Failed where names are dropped, and does no more.
pub(super) fn no_more_same_labels(expected: &Answer, found: &Answer) -> bool {
    fails(expected, "vector cannot contain metrics with the same labelset") && found.outcome.is_ok()
}

/// The same but for what info adds, and whether there is a series to add something to.
pub(super) fn same_but_info(expected: &Answer, found: &Answer) -> bool {
    same_without(expected, found, &["__name__", "__type__", "__unit__", "version"], true)
}

/// The same where both have something.
pub(super) fn same_where_both(expected: &Answer, found: &Answer) -> bool {
    differ_only(expected, found, |expected, found| expected.is_none() || found.is_none())
}

/// As many points at each time.
pub(super) fn as_many(expected: &Answer, found: &Answer) -> bool {
    counted(expected, |_| String::new()) == counted(found, |_| String::new())
}

/// The same values at each time, of whichever series. Both zeros are equal.
pub(super) fn same_values(expected: &Answer, found: &Answer) -> bool {
    let shown = |point: &Point| match point {
        Point::Float(value) => format!("{:?}", value + 0.0),
        other => format!("{other:?}"),
    };
    counted(expected, shown) == counted(found, shown)
}

fn counted(answer: &Answer, shown: impl Fn(&Point) -> String) -> Option<BTreeMap<(i64, String), usize>> {
    let mut counts = BTreeMap::new();
    for (at, point) in answer.outcome.as_ref().ok()?.series.iter().flat_map(|series| &series.points) {
        *counts.entry((*at, shown(point))).or_default() += 1;
    }
    Some(counts)
}

/// Fails with a text that ends so.
pub(super) fn fails(answer: &Answer, end: &str) -> bool {
    answer.outcome.as_ref().is_err_and(|failure| failure.message.ends_with(end))
}

/// Fails with a text that begins so.
pub(super) fn starts_failing(answer: &Answer, start: &str) -> bool {
    answer.outcome.as_ref().is_err_and(|failure| failure.message.starts_with(start))
}
