//! `load_with_nhcb`: classic histograms loaded a second time as native ones with custom buckets.

use std::collections::BTreeMap;

use narthex_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::{histogram::Described, series::Point, storage::Loaded};
use crate::histogram::FloatHistogram;

#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl Classic {
    fn convert(mut self) -> FloatHistogram {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = self.count.or(self.buckets.last().map(|(_, count)| *count)).unwrap_or_default();
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut previous = 0.0;
        let mut positive = Vec::new();
        for (index, (_, cumulative)) in self.buckets.iter().enumerate() {
            positive.push((index as i32, cumulative - previous));
            previous = *cumulative;
        }
        let bounds: Vec<f64> =
            self.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
        FloatHistogram {
            schema: -53,
            count,
            sum: self.sum,
            positive,
            custom: bounds.into(),
            ..FloatHistogram::default()
        }
        .compact()
    }
}

/// The native form of all classic histograms among the series.
pub(super) fn convert(series: &[Loaded]) -> Vec<Loaded> {
    let mut found: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for loaded in series {
        let name = loaded.labels.metric_name();
        let Some((base, suffix)) = name.rsplit_once('_') else { continue };
        let bound =
            loaded.labels.get("le").and_then(|le| le.parse::<f64>().ok()).filter(|bound| !bound.is_nan());
        if !matches!(suffix, "bucket" | "count" | "sum") || (suffix == "bucket" && bound.is_none()) {
            continue;
        }
        let mut labels = LabelsBuilder::from_labels(&loaded.labels);
        labels.remove("le").set(METRIC_NAME, base);
        let times = found.entry(labels.build()).or_default();
        for (time, point) in &loaded.points {
            let Point::Float(value) = point else { continue };
            let classic = times.entry(*time).or_default();
            match (suffix, bound) {
                ("count", _) => classic.count = Some(*value),
                ("sum", _) => classic.sum = *value,
                (_, Some(bound)) => classic.buckets.push((bound, *value)),
                _ => {}
            }
        }
    }
    let point = |classic: Classic| {
        Point::Histogram(Box::new(Described { histogram: classic.convert(), hint_given: false }))
    };
    found
        .into_iter()
        .map(|(labels, times)| Loaded {
            labels,
            points: times.into_iter().map(|(time, classic)| (time, point(classic))).collect(),
            starts: BTreeMap::new(),
        })
        .collect()
}
