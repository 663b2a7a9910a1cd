//! Range queries: cut, taken from the cache as far as it goes, evaluated where it does not, joined.
//!
//! What may be kept: steps whose reads all end where no sample can arrive any more, by the greatest age of a sample and a slack
//! for pushes under way and clocks that differ. That samples move from heads to blocks changes no answer, and what does is in
//! the [`History`]: it is looked at before an extent is used, and before and after one is made. (A sample that was never
//! acknowledged may be in a block and not in an extent. R-1 promises nothing of those.) Failed queries keep what they had evaluated
//! whole before.
//!
//! Limits hold for the query: kept samples count as if they were read, memory is the query's own.

use std::sync::Arc;

use narthex_model::{MAX_SAMPLE_AGE_MS, TimeRange, TimestampMs, WorkspaceId};
use narthex_promql::{
    Control, Engine, EvalError, Expr, Memory, Notes, QueryResult, Reservation, ast::ValueType,
};
use narthex_service::DataClock;

use super::{
    cache::{Cache, Key},
    extent::{Cover, Extent, Ground, cover},
    merge::{Piece, merge},
    reach::Reach,
    safety::{obstacle, repeats},
    settings::CacheSettings,
    stretch::{Lengths, Stretch, segment_end},
};
use crate::{
    metrics::{Metrics, Reason},
    reads::{History, Reads},
};

/// Answers range queries of all workspaces.
pub(crate) struct Ranges {
    reads: Arc<dyn Reads>,
    cache: Option<Cache>,
    slack_ms: i64,
    data_clock: DataClock,
    metrics: Metrics,
}

/// A range query.
pub(crate) struct Question<'a> {
    pub(crate) workspace: WorkspaceId,
    /// The query as it was sent, and parsed.
    pub(crate) text: &'a str,
    pub(crate) expr: &'a Expr,
    pub(crate) steps: Stretch,
    pub(crate) engine: Engine,
    pub(crate) lookback_ms: i64,
    pub(crate) per_step_stats: bool,
    /// Most samples that the query may process, and points that it may hold.
    pub(crate) max_processed: u64,
    pub(crate) max_points: u64,
    /// The cache is neither looked at nor filled.
    pub(crate) no_store: bool,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) control: &'a Control,
}

/// A query that is cut.
struct Plan<'a> {
    question: &'a Question<'a>,
    resolved: Expr,
    lengths: Lengths,
    /// Parts of it are evaluated again in every stretch.
    repeats: bool,
    keeping: Option<Keeping<'a>>,
}

/// What the cache needs to know.
struct Keeping<'a> {
    cache: &'a Cache,
    history: History,
    /// What is read up to here does not change.
    settled: i64,
    text: Arc<str>,
    ends: Option<(i64, i64)>,
}

/// Steps answered so far.
#[derive(Default)]
struct Progress {
    pieces: Vec<Piece>,
    notes: Notes,
    samples: u64,
    points: u64,
    /// Steps from the cache, and evaluated.
    kept: usize,
    fresh: usize,
}

impl Ranges {
    pub(crate) fn new(
        reads: Arc<dyn Reads>,
        settings: &CacheSettings,
        data_clock: DataClock,
        metrics: Metrics,
    ) -> Self {
        let cache = (settings.process > 0).then(|| Cache::new(settings, &metrics));
        Self { reads, cache, slack_ms: settings.slack_ms, data_clock, metrics }
    }

    /// Forgets workspaces that are no more.
    pub(crate) fn retain(&self, exists: impl Fn(&WorkspaceId) -> bool) {
        if let Some(cache) = &self.cache {
            cache.retain(exists);
        }
    }

    /// The answer, the same as one evaluation of all steps gives.
    pub(crate) async fn answer(&self, question: &Question<'_>) -> Result<QueryResult, EvalError> {
        if let Some(plan) = self.plan(question).await?
            && let Some(result) = self.run(&plan).await?
        {
            return Ok(result);
        }
        let Question { expr, steps, engine, control, .. } = question;
        let engine =
            engine.with_per_step_stats(question.per_step_stats).with_max_processed(question.max_processed);
        let source = self.source(question, *steps);
        let (start, end) = ends(*steps);
        engine.range(&*source, expr, start, end, steps.step, control).await
    }

    fn source(&self, question: &Question<'_>, steps: Stretch) -> Arc<dyn narthex_promql::SeriesSource> {
        let (min, max) = ends(steps);
        let memory = Reservation::of(Arc::clone(&question.memory));
        self.reads.source(question.workspace, TimeRange { min, max }, memory)
    }

    /// How the query is cut; none if it is better evaluated whole, or fails whatever is done.
    async fn plan<'a>(&'a self, question: &'a Question<'a>) -> Result<Option<Plan<'a>>, EvalError> {
        let Question { expr, steps, engine, .. } = question;
        // Without a cache a day is evaluated whole, however segments lie.
        if self.cache.is_none() && steps.segments(1).len() < 2 {
            return Ok(None);
        }
        let (start, end) = ends(*steps);
        let Ok(resolved) = Engine::resolve(expr, start, end, steps.step) else { return Ok(None) };
        if !matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector) {
            return Ok(None);
        }
        if let Some(obstacle) = obstacle(&resolved, steps.step) {
            return Ok(self.not_kept(obstacle.as_str()));
        }
        let Ok(lengths) = Reach::new(*engine, &resolved).lengths(*steps).await else { return Ok(None) };
        let Some(lengths) = lengths else { return Ok(self.not_kept("still")) };
        let keeping = self.keeping(question, &resolved).await;
        let repeats = repeats(&resolved);
        Ok(Some(Plan { question, resolved, lengths, repeats, keeping }))
    }

    fn not_kept<T>(&self, reason: &'static str) -> Option<T> {
        self.metrics.range_not_kept.get_or_create(&Reason { reason }).inc();
        None
    }

    async fn keeping<'a>(&'a self, question: &'a Question<'a>, resolved: &Expr) -> Option<Keeping<'a>> {
        let cache = self.cache.as_ref()?;
        if question.no_store {
            return self.not_kept("asked");
        }
        // Before anything is read.
        let now = self.data_clock.now();
        let Some(history) = self.reads.history(question.workspace).await else {
            return self.not_kept("no_history");
        };
        let steps = question.steps;
        Some(Keeping {
            cache,
            history,
            settled: now.saturating_sub(MAX_SAMPLE_AGE_MS).saturating_sub(self.slack_ms).0.saturating_sub(1),
            text: question.text.into(),
            ends: (resolved != question.expr).then_some((steps.start, steps.end())),
        })
    }

    /// The answer of all stretches; none where notes do not tell what one evaluation would note.
    async fn run(&self, plan: &Plan<'_>) -> Result<Option<QueryResult>, EvalError> {
        let mut progress = Progress::default();
        for (number, segment) in plan.question.steps.segments(plan.lengths.days) {
            for cover in plan.covers(number, segment).await {
                let steps = match cover {
                    Cover::Kept(extent, steps) => {
                        progress.kept += steps.len();
                        if !plan.take(Piece::Kept(extent, steps), &mut progress)? {
                            return Ok(self.not_kept("notes"));
                        }
                        continue;
                    }
                    Cover::Missing(steps) => steps,
                };
                for (steps, settled) in plan.stretches(steps).await? {
                    progress.fresh += steps.count;
                    let (result, notes) = self.evaluate(plan, steps, progress.samples).await?;
                    self.keep(plan, number, steps, settled, (&result, &notes)).await;
                    if !plan.take(Piece::Fresh(result, notes), &mut progress)? {
                        return Ok(self.not_kept("notes"));
                    }
                }
            }
        }
        self.count(plan, &progress);
        let Question { per_step_stats, memory, .. } = plan.question;
        let memory = Reservation::of(Arc::clone(memory));
        merge(progress.pieces, progress.notes.finish(), *per_step_stats, memory).map(Some)
    }

    /// Evaluates a stretch of the query's steps, of which others have processed so many samples.
    async fn evaluate(
        &self,
        plan: &Plan<'_>,
        steps: Stretch,
        samples: u64,
    ) -> Result<(QueryResult, Notes), EvalError> {
        let Question { engine, max_processed, per_step_stats, control, .. } = plan.question;
        let engine = engine
            .with_per_step_stats(*per_step_stats || plan.keeping.is_some())
            .with_max_processed(max_processed.saturating_sub(samples));
        let source = self.source(plan.question, steps);
        let (start, end) = ends(steps);
        let done = engine.stretch(&*source, &plan.resolved, start, end, steps.step, control).await;
        done.map_err(|error| match error {
            EvalError::TooManyProcessed(_) => EvalError::TooManyProcessed(*max_processed),
            error => error,
        })
    }

    /// Keeps the first steps of an answer, as many as are settled.
    async fn keep(
        &self,
        plan: &Plan<'_>,
        segment: i64,
        steps: Stretch,
        settled: Option<(usize, TimestampMs)>,
        (result, notes): (&QueryResult, &Notes),
    ) {
        let (Some(keeping), Some((count, reads_from))) = (&plan.keeping, settled) else { return };
        let Keeping { cache, history, .. } = keeping;
        if count < steps.count && !notes.is_empty() {
            return;
        }
        if self.reads.history(plan.question.workspace).await.as_ref() != Some(history) {
            return;
        }
        let ground = Ground { reads_from, history: *history };
        let Some(extent) = Extent::of(result, notes, steps.part(0, count), ground) else { return };
        if extent.bytes() as u64 > cache.most() {
            self.not_kept::<()>("size");
            return;
        }
        if let Some(key) = plan.key(segment) {
            let is_over = segment_end(segment, plan.lengths.days) <= keeping.settled;
            cache.add(plan.question.workspace, key, extent, history, is_over);
        }
    }

    fn count(&self, plan: &Plan<'_>, progress: &Progress) {
        if plan.keeping.is_none() {
            return;
        }
        let outcome = match (progress.kept, progress.fresh) {
            (_, 0) => "hit",
            (0, _) => "miss",
            _ => "partial",
        };
        self.metrics.range_cached.get_or_create(&Reason { reason: outcome }).inc();
        self.metrics.range_steps_kept.inc_by(progress.kept as u64);
        self.metrics.range_steps_read.inc_by(progress.fresh as u64);
    }
}

impl Plan<'_> {
    fn key(&self, segment: i64) -> Option<Key> {
        let Keeping { text, ends, .. } = self.keeping.as_ref()?;
        let Question { steps, lookback_ms, .. } = self.question;
        Some(Key {
            text: Arc::clone(text),
            lookback_ms: *lookback_ms,
            step_ms: steps.step,
            phase_ms: steps.phase(),
            ends: *ends,
            segment,
        })
    }

    /// Where the answers of a segment's steps are.
    async fn covers(&self, number: i64, segment: Stretch) -> Vec<Cover> {
        if let (Some(Keeping { cache, history, .. }), Some(key)) = (&self.keeping, self.key(number))
            && let Some(extents) = cache.get(self.question.workspace, &key).await
        {
            return cover(segment, &extents, history);
        }
        vec![Cover::Missing(segment)]
    }

    /// The evaluations of steps that are missing: of each how many of its first steps are settled, and since when they read. What is
    /// settled is evaluated apart where that is worth it, so that notes on the rest do not keep it from being kept.
    async fn stretches(
        &self,
        steps: Stretch,
    ) -> Result<Vec<(Stretch, Option<(usize, TimestampMs)>)>, EvalError> {
        let Some(Keeping { settled, .. }) = &self.keeping else { return Ok(vec![(steps, None)]) };
        let reach = Reach::new(self.question.engine, &self.resolved);
        let (count, reads) = reach.until(steps, *settled).await?;
        let settled = reads.map(|reads| (count, reads.hull.min)).filter(|(count, _)| *count > 0);
        let length = steps.at(count).saturating_sub(steps.start);
        if settled.is_none() || count == steps.count || length < self.lengths.least {
            return Ok(vec![(steps, settled)]);
        }
        Ok(vec![(steps.part(0, count), settled), (steps.part(count, steps.count), None)])
    }

    /// Adds a piece; false where its notes do not fit to those before.
    fn take(&self, piece: Piece, progress: &mut Progress) -> Result<bool, EvalError> {
        let Question { max_processed, max_points, .. } = self.question;
        let counts_twice = self.repeats && !progress.pieces.is_empty();
        if counts_twice && (piece.notes().count_samples() || progress.notes.count_samples()) {
            return Ok(false);
        }
        progress.samples += piece.samples();
        progress.points += piece.points() as u64;
        if progress.samples > *max_processed {
            return Err(EvalError::TooManyProcessed(*max_processed));
        }
        if progress.points > *max_points {
            return Err(EvalError::TooManySamples);
        }
        let fits = progress.notes.join(piece.notes());
        progress.pieces.push(piece);
        Ok(fits)
    }
}

fn ends(steps: Stretch) -> (TimestampMs, TimestampMs) {
    (TimestampMs(steps.start), TimestampMs(steps.end()))
}
