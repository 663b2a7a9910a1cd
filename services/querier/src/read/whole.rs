//! A whole read: what heads and blocks hold together.
//!
//! [`BlockPlan`] decides; here tasks do what it says and tell it what came of it. Everything of a read runs in one set of
//! tasks, so that it ends when the read is dropped. Blocks of the known manifest are read while owners answer, so that a
//! query pays for the slower of the two and not for both.

use std::sync::Arc;

use narthex_manifest::{Entry, ManifestError};
use narthex_model::{BlockId, ManifestRevision};
use narthex_promql::SourceError;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{
    BlockPlan, BlockStep, Proven, Reader,
    catalogue::Manifests,
    fetch::{Fetch, FetchError, ids},
    heads::Heads,
    reader::Question,
};

/// Something that a read waited for.
enum Event<T> {
    Heads(Result<Heads<T>, SourceError>),
    Found(Result<Proven, ManifestError>),
    Listed(Result<Proven, ManifestError>),
    Fetched(Vec<BlockId>, Result<Vec<T>, FetchError>),
}

/// A read under way.
struct Whole<T> {
    reader: Reader,
    question: Question<T>,
    manifests: Arc<Manifests>,
    fetch: Fetch<T>,
    plan: BlockPlan,
    tasks: JoinSet<Event<T>>,
    /// Ends without an answer at the first block.
    heads_only: bool,
    parts: Option<Vec<T>>,
}

impl Reader {
    /// The parts of the answer: one for each partition, and those of blocks.
    pub(crate) async fn read<T>(&self, question: Question<T>) -> Result<Vec<T>, SourceError>
    where
        T: Send + 'static,
    {
        let parts = self.read_until(question, false).await?;
        parts.ok_or_else(|| SourceError::Internal("a read stopped before its blocks".into()))
    }

    /// The parts of the answer of all partitions; none if blocks hold parts of it too.
    pub(crate) async fn read_heads_only<T>(
        &self,
        question: Question<T>,
    ) -> Result<Option<Vec<T>>, SourceError>
    where
        T: Send + 'static,
    {
        self.read_until(question, true).await
    }

    async fn read_until<T>(
        &self,
        question: Question<T>,
        heads_only: bool,
    ) -> Result<Option<Vec<T>>, SourceError>
    where
        T: Send + 'static,
    {
        let Some(filter) = question.blocks.clone() else {
            return Ok(Some(self.read_heads(&question).await?.parts));
        };
        let Some(manifests) = self.0.manifests.clone() else {
            let heads = self.read_heads(&question).await?;
            return if heads.manifest_revision == ManifestRevision(0) {
                Ok(Some(heads.parts))
            } else {
                Err(SourceError::Unavailable(no_catalogue(heads.manifest_revision)))
            };
        };
        let fetch = Fetch::new(
            Arc::clone(&self.0.gateways),
            question.ask.clone(),
            self.0.clock.clone(),
            self.0.metrics.clone(),
            self.0.hedge_after,
        );
        let reader = self.clone();
        let (plan, tasks, parts) = (BlockPlan::new(filter), JoinSet::new(), Some(Vec::new()));
        Whole { reader, question, manifests, fetch, plan, tasks, heads_only, parts }.run().await
    }
}

impl<T: Send + 'static> Whole<T> {
    async fn run(mut self) -> Result<Option<Vec<T>>, SourceError> {
        self.begin();
        while let Some(done) = self.tasks.join_next().await {
            let fault = |error| SourceError::Internal(format!("a part of the read failed: {error}"));
            self.on(done.map_err(fault)?)?;
            if self.advance()? {
                self.reader.0.metrics.blocks_pruned.inc_by(self.plan.pruned());
                return Ok(self.parts);
            }
        }
        Err(SourceError::Internal("a read waited for nothing".into()))
    }

    fn begin(&mut self) {
        let (reader, question) = (self.reader.clone(), self.question.clone());
        let heads = async move { Event::Heads(reader.read_heads(&question).await) };
        self.tasks.spawn(heads.in_current_span());
        let ring = self.reader.0.cluster.snapshot().ring.clone();
        let departed = self.reader.0.departures.observe(&ring);
        let (manifests, workspace) = (Arc::clone(&self.manifests), self.question.workspace);
        let begin = async move { Event::Found(manifests.begin(workspace, ring.revision(), departed).await) };
        self.tasks.spawn(begin.in_current_span());
    }

    fn on(&mut self, event: Event<T>) -> Result<(), SourceError> {
        match event {
            Event::Heads(heads) => {
                let heads = heads?;
                self.plan.heads(heads.manifest_revision, heads.departed);
                self.parts.get_or_insert_default().extend(heads.parts);
            }
            Event::Found(found) => self.plan.found(found.map_err(no_manifest)?),
            Event::Listed(found) => self.plan.listed(found.map_err(no_manifest)?),
            Event::Fetched(blocks, Ok(data)) => {
                self.plan.read(blocks);
                self.parts.get_or_insert_default().extend(data);
            }
            Event::Fetched(_, Err(FetchError::Fatal(error))) => return Err(error),
            Event::Fetched(asked, Err(FetchError::Blocks(because_of, failure))) => {
                self.plan.failed(&asked, &because_of, &failure);
            }
        }
        Ok(())
    }

    /// Does what the plan says until it waits; whether the read is complete.
    fn advance(&mut self) -> Result<bool, SourceError> {
        let workspace = self.question.workspace;
        loop {
            // A ring that is known now: manifests that are looked for from here on are newer than its departures.
            let ring = self.reader.0.cluster.snapshot().ring.clone();
            let manifests = Arc::clone(&self.manifests);
            match self.plan.step() {
                BlockStep::Ask(_) if self.heads_only => {
                    self.parts = None;
                    return Ok(true);
                }
                BlockStep::Ask(blocks) => self.ask(&blocks)?,
                BlockStep::List => {
                    self.reader.0.metrics.block_replans.inc();
                    let list =
                        async move { Event::Listed(manifests.listed(workspace, ring.revision()).await) };
                    self.tasks.spawn(list.in_current_span());
                }
                BlockStep::Follow(revision) => {
                    let departed = self.reader.0.departures.observe(&ring);
                    let follow = async move {
                        let found = manifests.at_least(workspace, revision, ring.revision(), departed);
                        Event::Found(found.await)
                    };
                    self.tasks.spawn(follow.in_current_span());
                }
                BlockStep::Wait => return Ok(false),
                BlockStep::Complete => return Ok(true),
                BlockStep::Failed(text) => {
                    self.reader.0.metrics.blocks_unreadable.inc();
                    return Err(SourceError::Unavailable(text));
                }
            }
        }
    }

    fn ask(&mut self, blocks: &[Arc<Entry>]) -> Result<(), SourceError> {
        let groups = match self.fetch.groups(blocks) {
            Ok(groups) => groups,
            Err(error) => return self.on(Event::Fetched(ids(blocks), Err(error))),
        };
        for group in groups {
            let (fetch, blocks) = (self.fetch.clone(), ids(&group.1));
            let work = async move { Event::Fetched(blocks, fetch.group(group).await) };
            self.tasks.spawn(work.in_current_span());
        }
        Ok(())
    }
}

fn no_manifest(error: ManifestError) -> SourceError {
    SourceError::Unavailable(format!("the list of blocks cannot be read: {error}"))
}

fn no_catalogue(revision: ManifestRevision) -> String {
    format!(
        "ingesters moved samples to blocks (manifest revision {revision}) and this querier knows no bucket: set --bucket.url to that \
         of the ingesters"
    )
}
