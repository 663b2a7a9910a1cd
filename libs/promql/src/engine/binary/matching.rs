//! Arithmetic and comparison between two vectors: series with the same signature meet.
//!
//! Signatures are found once; each is then worked on alone, step by step. With `group_right` the sides are swapped, so that
//! "many" is always left here.

use std::collections::{HashMap, HashSet};

use narthex_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::{
    element::{Place, samples},
    step_notes::StepNotes,
};
use crate::{
    ast::{Binary, MatchCardinality, VectorMatching},
    engine::{
        column::{Column, Sample, SampleRef, Steps},
        eval::{Evaluated, Evaluator},
        finish::{is_metadata, merge_same},
    },
    error::{EvalError, PositionRange},
};

/// The labels that must agree for two series to meet.
pub(super) fn signature(labels: &Labels, matching: &VectorMatching) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    if matching.on {
        labels.filtered(listed)
    } else {
        labels.filtered(|name| name != METRIC_NAME && !listed(name))
    }
}

/// Series of both sides with one signature.
#[derive(Debug, Default)]
struct Meeting {
    many: Vec<usize>,
    one: Vec<usize>,
}

struct Operation<'a> {
    node: &'a Binary,
    matching: &'a VectorMatching,
    position: PositionRange,
    /// The left side of the query is the "one" side.
    swapped: bool,
    many: Vec<Column>,
    one: Vec<Column>,
    /// Steps at which the whole side is empty, where nothing is checked.
    skip: Vec<bool>,
}

/// The value of an operator that is no set operator.
pub(super) async fn eval(
    evaluator: &mut Evaluator<'_>,
    node: &Binary,
    matching: &VectorMatching,
    position: PositionRange,
    left: Vec<Column>,
    right: Vec<Column>,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let swapped = matching.cardinality == MatchCardinality::OneToMany;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let any = |columns: &[Column], at: usize| columns.iter().any(|column| column.has(at));
    let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
    let skip = (0..steps.count).map(|at| !fills && (!any(&many, at) || !any(&one, at))).collect();
    let operation = Operation { node, matching, position, swapped, many, one, skip };

    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut meetings: Vec<Meeting> = Vec::new();
    for (columns, is_many) in [(&operation.many, true), (&operation.one, false)] {
        for (at, column) in columns.iter().enumerate() {
            let place = *places.entry(signature(&column.labels, matching)).or_insert_with(|| {
                meetings.push(Meeting::default());
                meetings.len() - 1
            });
            let meeting = &mut meetings[place];
            if is_many { meeting.many.push(at) } else { meeting.one.push(at) }
        }
    }
    let mut out = Vec::new();
    let mut notes = StepNotes::default();
    for meeting in &meetings {
        evaluator.tick((meeting.many.len() + meeting.one.len()) * steps.count).await?;
        operation.meet(&mut notes, meeting, steps, &mut out)?;
    }
    notes.finish(&mut evaluator.notes);
    out.retain(|(_, column): &(usize, Column)| !column.is_empty());
    // In the order of the many side.
    out.sort_by_key(|(place, _)| *place);
    merge_same(out.into_iter().map(|(_, column)| column).collect())
}

/// Result columns of one meeting, by the pair of series that made them.
#[derive(Default)]
struct Results {
    places: HashMap<(Option<usize>, Option<usize>), usize>,
    columns: Vec<Column>,
}

impl Operation<'_> {
    fn meet(
        &self,
        notes: &mut StepNotes,
        meeting: &Meeting,
        steps: Steps,
        out: &mut Vec<(usize, Column)>,
    ) -> Evaluated<()> {
        let one_to_one = self.matching.cardinality == MatchCardinality::OneToOne;
        // Prometheus does not swap these with the sides: after `group_right`, `fill_left` stands in for the many side.
        let (fill_many, fill_one) = (self.matching.fill_left, self.matching.fill_right);
        let mut results = Results::default();
        let mut seen: HashSet<Labels> = HashSet::new();
        for at in (0..steps.count).filter(|at| !self.skip[*at]) {
            let mut present = meeting.one.iter().copied().filter(|one| self.one[*one].has(at));
            let one = present.next();
            if let (Some(first), Some(second)) = (one, present.next()) {
                return Err(self.duplicate(first, second));
            }
            seen.clear();
            let mut matched = 0;
            for many in meeting.many.iter().copied().filter(|many| self.many[*many].has(at)) {
                if one.is_none() && fill_one.is_none() {
                    continue;
                }
                let done = self.combine(notes, (Some(many), one), (None, fill_one), at, &mut results);
                notes.settle(at, many);
                let Some(place) = done else { continue };
                matched += 1;
                if one_to_one {
                    if matched > 1 {
                        return Err(EvalError::Execution(
                            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                                .into(),
                        ));
                    }
                } else if !seen.insert(results.columns[place].labels.clone()) {
                    return Err(EvalError::Execution(
                        "multiple matches for labels: grouping labels must ensure unique matches".into(),
                    ));
                }
            }
            if let Some(one) = one.filter(|_| matched == 0 && fill_many.is_some()) {
                self.combine(notes, (None, Some(one)), (fill_many, None), at, &mut results);
                notes.settle(at, self.place((None, Some(one))));
            }
        }
        let mut places: Vec<(usize, usize)> =
            results.places.iter().map(|(pair, column)| (*column, self.place(*pair))).collect();
        places.sort_unstable();
        out.extend(places.into_iter().map(|(_, place)| place).zip(results.columns));
        Ok(())
    }

    /// Where a pair is among all: those without a series of the many side come last.
    fn place(&self, (many, one): (Option<usize>, Option<usize>)) -> usize {
        many.unwrap_or_else(|| self.many.len() + one.unwrap_or_default())
    }

    /// Puts the operator's value into the pair's column. None if the samples cannot meet.
    fn combine(
        &self,
        notes: &mut StepNotes,
        pair: (Option<usize>, Option<usize>),
        fill: (Option<f64>, Option<f64>),
        at: usize,
        results: &mut Results,
    ) -> Option<usize> {
        let sample = |columns: &[Column], place: Option<usize>, fill: Option<f64>| -> Option<Sample> {
            place.map_or(fill.map(Sample::Float), |place| columns[place].get(at).map(SampleRef::to_owned))
        };
        let many = sample(&self.many, pair.0, fill.0)?;
        let one = sample(&self.one, pair.1, fill.1)?;
        let (left, right) = if self.swapped { (&one, &many) } else { (&many, &one) };
        let mut place = Place { notes: &mut notes.scratch, position: self.position };
        let (value, holds) = samples(self.node.op, borrow(left), borrow(right), &mut place)?;
        let column = match results.places.get(&pair) {
            Some(column) => *column,
            None => {
                let steps = self.skip.len();
                results.columns.push(Column::new(self.labels(pair), self.node.return_bool, steps));
                results.places.insert(pair, results.columns.len() - 1);
                results.columns.len() - 1
            }
        };
        if self.node.return_bool {
            results.columns[column].set_float(at, f64::from(u8::from(holds)));
        } else if holds {
            results.columns[column].set(at, value);
        }
        Some(column)
    }

    /// The labels of the result of two series; one that was filled in has the labels of the signature.
    fn labels(&self, (many, one): (Option<usize>, Option<usize>)) -> Labels {
        let of = |columns: &[Column], place: Option<usize>| place.map(|place| columns[place].labels.clone());
        let (many, one) = (of(&self.many, many), of(&self.one, one));
        let filled = |other: &Option<Labels>| match_labels(&other.clone().unwrap_or_default(), self.matching);
        let (many, one) =
            (many.clone().unwrap_or_else(|| filled(&one)), one.unwrap_or_else(|| filled(&many)));
        let mut labels = many;
        if !self.node.op.keeps_metric_name() {
            labels = labels.filtered(|name| !is_metadata(name));
        }
        if self.matching.cardinality == MatchCardinality::OneToOne {
            let listed = |name: &str| self.matching.labels.iter().any(|label| label == name);
            labels = labels.filtered(|name| listed(name) == self.matching.on);
        }
        if self.matching.include.is_empty() {
            return labels;
        }
        let mut labels = LabelsBuilder::from_labels(&labels);
        for name in &self.matching.include {
            labels.set(name, one.get(name).unwrap_or_default());
        }
        labels.build()
    }

    fn duplicate(&self, first: usize, second: usize) -> EvalError {
        let (first, second) = (&self.one[first].labels, &self.one[second].labels);
        let group = match_labels(second, self.matching);
        let mut names = [first.to_string(), second.to_string()];
        names.sort();
        let side = if self.swapped { "left" } else { "right" };
        let [first, second] = names;
        EvalError::Execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, \
             {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }
}

/// The labels by which a series meets others.
fn match_labels(labels: &Labels, matching: &VectorMatching) -> Labels {
    signature(labels, matching)
}

fn borrow(sample: &Sample) -> SampleRef<'_> {
    match sample {
        Sample::Float(value) => SampleRef::Float(*value),
        Sample::Histogram(histogram) => SampleRef::Histogram(histogram),
    }
}
