//! The calls of the `SeriesSource` service as questions to one source, and how their messages are read. An owner is asked for
//! its partition and a gateway for blocks; the answers look the same.

use std::{collections::BTreeSet, sync::Arc};

use futures::StreamExt;
use narthex_manifest::Entry;
use narthex_model::{
    Labels, MatchOp, Matcher, MetricMetadata, MetricType, PartitionId, RingRevision, TimeRange, WorkspaceId,
};
use narthex_promql::{Reservation, Selection, SeriesData};
use narthex_rpc::v1::{self, label_matcher::Op, series_response::Part};
use tokio::task::yield_now;

use super::{
    Answer, AnswerBuilder, AnswerState, Budget, Failure, Owners,
    failure::OwnerError,
    held::{Held, busy},
    partition::OwnerCall,
};
use crate::reads::Lookup;

/// What all questions of one read share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) owners: Arc<dyn Owners>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) range: TimeRange,
    pub(crate) budget: Budget,
    /// What the query's answers may occupy; those of series take theirs apart from it.
    pub(crate) memory: Reservation,
}

/// What a source is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// An owner for what it holds of a partition, by the ring of a revision.
    Partition(PartitionId, RingRevision),
    /// A gateway for blocks.
    Blocks(Vec<Arc<Entry>>),
}

impl Context {
    pub(crate) fn message(&self, target: Target) -> Option<v1::ReadContext> {
        let (partition, ring, blocks) = match target {
            Target::Partition(partition, ring) => (partition, ring, Vec::new()),
            Target::Blocks(blocks) => (PartitionId(0), RingRevision(0), blocks),
        };
        Some(v1::ReadContext {
            workspace: self.workspace.to_bytes().to_vec().into(),
            partition: partition.0,
            ring_revision: ring.0,
            min_ms: self.range.min.0,
            max_ms: self.range.max.0,
            blocks: blocks.iter().map(|entry| block_ref(entry)).collect(),
        })
    }

    /// Samples of all series that match.
    pub(crate) fn select(self, selection: &Selection, target: Target) -> OwnerCall<Held<Vec<SeriesData>>> {
        self.select_buckets(&selection.matchers, Vec::new(), target)
    }

    /// The same of series of some buckets, or of all if there are none.
    pub(crate) fn select_buckets(
        mut self,
        matchers: &[Matcher],
        buckets: Vec<u32>,
        target: Target,
    ) -> OwnerCall<Held<Vec<SeriesData>>> {
        if matches!(target, Target::Blocks(_)) {
            self.budget = self.budget.for_blocks();
        }
        let limits = self.budget.most();
        let request = v1::SelectRequest {
            context: self.message(target),
            matchers: matchers.iter().map(matcher).collect(),
            max_series: limits.series,
            max_samples: limits.samples,
            max_bytes: limits.bytes,
            buckets,
        };
        Arc::new(move |owner, progress| {
            let (context, request) = (self.clone(), request.clone());
            Box::pin(async move {
                let mut stream = context.owners.select(&owner, request).await?;
                let memory = context.memory.another();
                let mut answer = AnswerBuilder::new(context.range, context.budget).within(memory.clone());
                while let Some(message) = stream.next().await {
                    progress.tick();
                    answer.push(message?)?;
                    // A source in the same process always has the next message ready.
                    yield_now().await;
                }
                let Answer { state, data } = busy(memory.bytes(), || answer.finish())?;
                Ok(Answer { state, data: Held { data, memory } })
            })
        })
    }

    /// Names of labels.
    pub(crate) fn label_names(self, lookup: &Lookup, target: Target) -> OwnerCall<Vec<String>> {
        let request = v1::LabelNamesRequest {
            context: self.message(target),
            selectors: selectors(lookup),
            limit: limit(lookup),
        };
        Arc::new(move |owner, _| {
            let (context, request) = (self.clone(), request.clone());
            Box::pin(async move { context.strings(context.owners.label_names(&owner, request).await?) })
        })
    }

    /// Values of a label.
    pub(crate) fn label_values(self, name: &str, lookup: &Lookup, target: Target) -> OwnerCall<Vec<String>> {
        let request = v1::LabelValuesRequest {
            context: self.message(target),
            selectors: selectors(lookup),
            name: name.to_owned(),
            limit: limit(lookup),
        };
        Arc::new(move |owner, _| {
            let (context, request) = (self.clone(), request.clone());
            Box::pin(async move { context.strings(context.owners.label_values(&owner, request).await?) })
        })
    }

    /// Label sets.
    pub(crate) fn series(self, lookup: &Lookup, target: Target) -> OwnerCall<Vec<Labels>> {
        let request = v1::SeriesRequest {
            context: self.message(target),
            selectors: selectors(lookup),
            limit: limit(lookup),
        };
        Arc::new(move |owner, progress| {
            let (context, request) = (self.clone(), request.clone());
            Box::pin(async move {
                let mut stream = context.owners.series(&owner, request).await?;
                let (mut state, mut found) = (None, Vec::new());
                while let Some(message) = stream.next().await {
                    progress.tick();
                    context.take_series(message?, &mut state, &mut found)?;
                }
                Ok(Answer { state: state.ok_or_else(no_state)?, data: found })
            })
        })
    }

    /// Metric metadata.
    pub(crate) fn metadata(self, metric: &str, target: Target) -> OwnerCall<BTreeSet<MetricMetadata>> {
        let context = self.message(target);
        let request = v1::MetadataRequest { context, metric: metric.to_owned(), limit: 0 };
        Arc::new(move |owner, _| {
            let (context, request) = (self.clone(), request.clone());
            Box::pin(async move {
                let answer = context.owners.metadata(&owner, request).await?;
                let state = answer.state.as_ref().map(AnswerState::from).ok_or_else(no_state)?;
                Ok(Answer { state, data: answer.metadata.into_iter().map(metadata_entry).collect() })
            })
        })
    }

    fn strings(&self, answer: v1::LabelsResponse) -> Result<Answer<Vec<String>>, OwnerError> {
        let state = answer.state.as_ref().map(AnswerState::from).ok_or_else(no_state)?;
        if !answer.values.is_sorted_by(|a, b| a < b) {
            return Err(Failure::Malformed("values out of order".into()).into());
        }
        let bytes = answer.values.iter().map(|value| value.len() + size_of::<String>()).sum();
        self.budget.charge_bytes(bytes).map_err(OwnerError::Fatal)?;
        self.memory.grow(bytes).map_err(OwnerError::Fatal)?;
        Ok(Answer { state, data: answer.values })
    }

    fn take_series(
        &self,
        message: v1::SeriesResponse,
        state: &mut Option<AnswerState>,
        found: &mut Vec<Labels>,
    ) -> Result<(), OwnerError> {
        match message.part {
            Some(Part::State(head)) => *state = Some((&head).into()),
            Some(Part::Series(batch)) => {
                for bytes in batch.labels {
                    self.budget.charge_bytes(bytes.len()).map_err(OwnerError::Fatal)?;
                    self.memory.grow(bytes.len() + 2 * size_of::<Labels>()).map_err(OwnerError::Fatal)?;
                    let labels = Labels::from_canonical(bytes)
                        .map_err(|error| Failure::Malformed(error.to_string()))?;
                    if found.last().is_some_and(|last| *last >= labels) {
                        return Err(Failure::Malformed(format!("series {labels} is out of order")).into());
                    }
                    found.push(labels);
                }
                self.budget.check_answer(found.len(), 0).map_err(OwnerError::Fatal)?;
            }
            None => {}
        }
        Ok(())
    }
}

fn no_state() -> OwnerError {
    Failure::Malformed("answer without a state".into()).into()
}

fn limit(lookup: &Lookup) -> u32 {
    // More than a u32 holds is no limit.
    lookup.limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(0)
}

fn block_ref(entry: &Entry) -> v1::BlockRef {
    v1::BlockRef {
        id: entry.id.as_u128().to_be_bytes().to_vec().into(),
        bytes: entry.bytes,
        footer_bytes: entry.footer_bytes,
    }
}

fn selectors(lookup: &Lookup) -> Vec<v1::LabelMatchers> {
    let alternative =
        |matchers: &Vec<Matcher>| v1::LabelMatchers { matchers: matchers.iter().map(matcher).collect() };
    lookup.selectors.iter().map(alternative).collect()
}

pub(crate) fn matcher(matcher: &Matcher) -> v1::LabelMatcher {
    let op = match matcher.op() {
        MatchOp::Equal => Op::Equal,
        MatchOp::NotEqual => Op::NotEqual,
        MatchOp::Regex => Op::Regex,
        MatchOp::NotRegex => Op::NotRegex,
    };
    v1::LabelMatcher { name: matcher.name().to_owned(), op: op.into(), value: matcher.value().to_owned() }
}

fn metadata_entry(entry: v1::MetricMetadata) -> MetricMetadata {
    let v1::MetricMetadata { metric, r#type, help, unit } = entry;
    MetricMetadata { metric, kind: MetricType::from_wire(i64::from(r#type)), help, unit }
}
