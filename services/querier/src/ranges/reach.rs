//! What an evaluation would read: the engine is run over a source that has nothing and takes note of what it is asked for.
//!
//! So there is one place that knows what a query reads, the engine's own; lookback, ranges, offsets, `@` and subqueries are all
//! in its questions.

use std::sync::Mutex;

use async_trait::async_trait;
use narthex_model::{TimeRange, TimestampMs};
use narthex_promql::{
    Control, Engine, EvalError, Expr, SelectedSeries, Selection, SeriesSource, SourceError,
};

use super::stretch::{Lengths, Stretch};

/// What is read, over all selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reads {
    /// The earliest and the latest time.
    pub(super) hull: TimeRange,
    /// Milliseconds of all selectors together.
    width: i128,
}

/// Tells what an expression reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    engine: Engine,
    expr: &'a Expr,
}

#[derive(Debug, Default)]
struct Notepad(Mutex<Vec<TimeRange>>);

#[async_trait]
impl SeriesSource for Notepad {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        if let Ok(mut asked) = self.0.lock() {
            asked.push(request.range);
        }
        Ok(SelectedSeries::default())
    }
}

impl<'a> Reach<'a> {
    /// Of an expression that was resolved.
    pub(super) fn new(engine: Engine, expr: &'a Expr) -> Self {
        let engine = engine.with_push_down(false).with_per_step_stats(false).with_max_processed(u64::MAX);
        Self { engine, expr }
    }

    /// What the steps of a stretch read; none if they read nothing.
    pub(super) async fn of(&self, stretch: Stretch) -> Result<Option<Reads>, EvalError> {
        let notepad = Notepad::default();
        // The first step and the last tell all.
        let (start, end) = (stretch.start, stretch.end());
        let step = end.saturating_sub(start).max(1);
        let (start, end) = (TimestampMs(start), TimestampMs(end));
        self.engine.range(&notepad, self.expr, start, end, step, &Control::default()).await?;
        let asked = notepad.0.into_inner().unwrap_or_default();
        let width = |range: &TimeRange| i128::from(range.max.0) - i128::from(range.min.0) + 1;
        let hull = asked
            .iter()
            .copied()
            .reduce(|all, one| TimeRange { min: all.min.min(one.min), max: all.max.max(one.max) });
        Ok(hull.map(|hull| Reads { hull, width: asked.iter().map(width).sum() }))
    }

    /// How to cut; none if one evaluation of all is as cheap, because it reads nothing or the same at every step. It depends on the
    /// expression, the step and the phase alone.
    pub(super) async fn lengths(&self, steps: Stretch) -> Result<Option<Lengths>, EvalError> {
        let one = Stretch { start: steps.phase(), count: 1, ..steps };
        let next = one.next();
        let (first, second) = (self.of(one).await?, self.of(Stretch { start: next, ..one }).await?);
        let both = self.of(Stretch { count: 2, ..one }).await?;
        let (Some(first), Some(second), Some(both)) = (first, second, both) else { return Ok(None) };
        Ok(Lengths::of(first.width + second.width - both.width, both.width - first.width, steps.step))
    }

    /// How many steps from the beginning read nothing later than a time, and what these read.
    pub(super) async fn until(
        &self,
        stretch: Stretch,
        latest: i64,
    ) -> Result<(usize, Option<Reads>), EvalError> {
        let (mut settled, mut reads, mut open) = (0, None, stretch.count + 1);
        let mut next = stretch.count;
        // A search by halves, but all are tried first and then the first alone: mostly one of the two says it all.
        while settled + 1 < open {
            let found = self.of(stretch.part(0, next)).await?;
            if found.is_none_or(|found| found.hull.max.0 <= latest) {
                (settled, reads) = (next, found);
            } else {
                open = next;
            }
            next = if settled == 0 && open == stretch.count { 1 } else { settled.midpoint(open) };
        }
        Ok((settled, reads))
    }
}

#[cfg(test)]
mod tests {
    use narthex_promql::parse;

    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn expr(query: &str) -> Expr {
        parse(query).expect(query)
    }

    #[tokio::test]
    async fn reads_reach_as_far_as_the_expression_looks() {
        let steps = Stretch::new(100 * MINUTE, 110 * MINUTE, MINUTE);
        for (query, from, to) in [
            ("up", 95, 110),
            ("rate(up[1h])", 40, 110),
            ("up offset 10m", 85, 100),
            ("up offset -10m", 105, 120),
            ("up @ 0", -5, 0),
            ("up + up @ 12000", 95, 200),
            ("max_over_time(rate(up[5m])[30m:1m])", 66, 110),
        ] {
            let expr = expr(query);
            let reads = Reach::new(Engine::default(), &expr).of(steps).await.expect(query).expect(query);
            assert_eq!((reads.hull.min.0 - 1, reads.hull.max.0), (from * MINUTE, to * MINUTE), "{query}");
        }
        let nothing = expr("vector(1)");
        assert_eq!(Reach::new(Engine::default(), &nothing).of(steps).await, Ok(None));
    }

    #[tokio::test]
    async fn segments_are_longer_the_further_back_an_expression_looks() {
        for (query, step, days) in [
            ("up", MINUTE, Some(1)),
            ("sum(rate(a[5m])) / sum(rate(b[5m]))", MINUTE, Some(1)),
            ("rate(up[6h])", MINUTE, Some(1)),
            ("rate(up[1d])", MINUTE, Some(3)),
            ("rate(up[7d])", MINUTE, Some(21)),
            ("increase(up[1d])", DAY, Some(1)),
            ("up offset 30d", MINUTE, Some(1)),
            ("up @ 10", MINUTE, None),
            ("time()", MINUTE, None),
        ] {
            let expr = expr(query);
            let reach = Reach::new(Engine::default(), &expr);
            let lengths = reach.lengths(Stretch::new(3 * DAY + 7, 9 * DAY, step)).await.expect(query);
            assert_eq!(lengths.map(|lengths| lengths.days), days, "{query}");
        }
    }

    #[tokio::test]
    async fn settled_steps_are_those_whose_reads_all_end_before() {
        let steps = Stretch::new(0, 100 * MINUTE, MINUTE);
        for (query, latest, settled) in [
            ("up", 50, 51),
            ("up", 500, 101),
            ("up", -1, 0),
            ("up offset 10m", 50, 61),
            ("up offset -10m", 50, 41),
            ("up and up @ 3060", 50, 0),
            ("up and up @ 3000", 50, 51),
        ] {
            let expr = expr(query);
            let found =
                Reach::new(Engine::default(), &expr).until(steps, latest * MINUTE).await.expect(query);
            assert_eq!(found.0, settled, "{query} until {latest}");
            assert_eq!(found.1.is_some(), settled > 0);
        }
    }
}
