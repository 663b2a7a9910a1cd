//! Runs a fragment over series.

use super::{Fragment, FragmentAnswer};
use crate::{
    engine::{
        Control,
        aggregate::{Fold, Grouping, Groups, Partial, choose},
        column::Column,
        functions::RangeLeaf,
        leaf::Leaf,
        load::{Form, convert},
        parallel::Work,
        selector::InstantLeaf,
    },
    error::EvalError,
    source::SeriesData,
};

impl Fragment {
    pub(in crate::engine) fn grouping(&self) -> Grouping {
        Grouping { names: self.grouping.clone(), without: self.without }
    }

    fn leaf(&self) -> Result<Leaf, EvalError> {
        Ok(match &self.function {
            None => Leaf::Instant(InstantLeaf::at(self.view(), self.lookback_ms)),
            Some(call) => {
                let scalars = call.scalars.iter().map(|value| vec![*value; self.steps]).collect();
                let position = self.places.argument;
                Leaf::Range(RangeLeaf::at(call.name, self.view(), call.range_ms, scalars, position)?)
            }
        })
    }
}

/// A fragment under way in one place. Runs over different series can work beside each other; their answers merge.
#[derive(Debug)]
pub struct FragmentRun<'a> {
    fragment: &'a Fragment,
    leaf: Leaf,
    fold: Option<Fold>,
    groups: Groups<Partial>,
    columns: Vec<Column>,
    /// Made once, filled for every series.
    column: Column,
    work: Work,
}

impl<'a> FragmentRun<'a> {
    /// Begins; `control` can end it and bounds its memory. Fails for a function that there is not.
    pub fn new(fragment: &'a Fragment, control: &Control) -> Result<Self, EvalError> {
        let steps = fragment.step_times();
        let fold = Fold::adds_up(fragment.op).then(|| Fold {
            op: fragment.op,
            grouping: fragment.grouping(),
            position: fragment.places.aggregated,
        });
        Ok(Self {
            fragment,
            leaf: fragment.leaf()?,
            fold,
            groups: Groups::default(),
            columns: Vec::new(),
            column: Column::new(narthex_model::Labels::EMPTY, false, steps.count),
            work: Work::alone(steps, fragment.per_step_stats, control),
        })
    }

    /// Takes a series with its samples of the fragment's range, as [`SeriesSource`](crate::SeriesSource) promises them. `place` is
    /// that of the series in the order of all series that are here.
    pub fn add(&mut self, place: usize, data: SeriesData) -> Result<(), EvalError> {
        self.work.check()?;
        let steps = self.fragment.step_times();
        let Fragment { function, totals_only, .. } = self.fragment;
        let form = Form { keep_stale: function.is_none(), totals_only: *totals_only };
        let series = convert(data, form);
        self.column.reset(series.labels.clone(), self.leaf.drops_name(&series));
        self.leaf.evaluate(&series, steps, &mut self.column, &mut self.work)?;
        if self.column.is_empty() {
            return Ok(());
        }
        match &self.fold {
            Some(fold) => fold.add(&mut self.groups, place, &self.column, &mut self.work),
            None => {
                self.work.reserve(steps)?;
                self.columns.push(self.column.clone());
                Ok(())
            }
        }
    }

    /// What came of all series.
    pub fn finish(mut self) -> Result<FragmentAnswer, EvalError> {
        let mut chosen = Vec::new();
        if self.fold.is_none() {
            self.columns.sort_by(|a, b| a.labels.cmp(&b.labels));
            chosen = choose::candidates(self.fragment, self.columns, &mut self.work.notes);
        }
        let mut answer = FragmentAnswer::default();
        (answer.groups, answer.chosen) = (self.groups, chosen);
        (answer.notes, answer.stats) = (self.work.notes, self.work.stats);
        Ok(answer)
    }
}
