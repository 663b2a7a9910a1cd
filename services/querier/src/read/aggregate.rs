//! Aggregations answered by the owners of the series: what moves is states of groups, not samples.
//!
//! With one copy of every series its owner answers at once. With three, a quorum first says which samples it holds, in digests of
//! buckets of series; then one of the owners that agree (the next where it is silent) aggregates the buckets on which they do, and the
//! samples of the others, such as are on their way while the query runs, are read and aggregated here. So the answer is of what a
//! quorum holds together, as if all of it had been read.
//!
//! `None` means: read the samples. That is so where blocks may hold samples of the range, where an owner holds series that by the
//! ring belong to another partition too (each series must count once), and where owners go by different rings.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use narthex_model::{PartitionId, RingRevision};
use narthex_promql::{Control, EvalError, Fragment, FragmentAnswer, FragmentRun, SeriesData, SourceError};
use narthex_pushdown::{BUCKETS, Digests, fragment_message};
use narthex_ring::{Owner, Partition, Replication};
use narthex_rpc::v1::{self, aggregate_response::Part};

use super::{
    Answer, AnswerState, BlockFilter, Failure, Reader,
    ask::{Context, Target, matcher},
    failure::OwnerError,
    held::Held,
    partition::{OwnerCall, PartitionError, PartitionRead, Progress},
    reader::Question,
};

/// States are in memory so often at one time, if their owner is in this process: there, in messages, and here.
const COPIES_OF_STATES: usize = 4;

/// What one owner says.
#[derive(Debug)]
pub(crate) struct Piece {
    answer: FragmentAnswer,
    digests: Digests,
    /// Buckets that are to be read.
    differing: Vec<u32>,
    refused: bool,
    series: u64,
    samples: u64,
    /// Bytes of chunks that were looked at.
    bytes: u64,
    partition: PartitionId,
    ring: RingRevision,
    /// Who says so.
    owners: Vec<Owner>,
}

/// The digests of two owners, as one: what both say alike, and the buckets of which they say different things.
fn agree(copies: Vec<Piece>) -> Piece {
    let mut copies = copies.into_iter();
    let mut all = copies.next().expect("a quorum has an answer");
    for other in copies {
        let (same, differing) = all.digests.compare(&other.digests);
        all.digests = same;
        all.differing.extend(differing);
        all.refused |= other.refused || other.ring != all.ring;
        all.samples = all.samples.max(other.samples);
        all.series = all.series.max(other.series);
        all.bytes += other.bytes;
        all.owners.extend(other.owners);
    }
    all.differing.sort_unstable();
    all.differing.dedup();
    all
}

impl Context {
    /// What a partition's owner makes of a fragment, or holds of its series.
    fn aggregate(
        self,
        fragment: &Fragment,
        only_digests: bool,
        agreed: Option<Arc<Digests>>,
        target: Target,
    ) -> OwnerCall<Piece> {
        let limits = self.budget.most();
        let partition = match &target {
            Target::Partition(partition, _) => *partition,
            Target::Blocks(_) => PartitionId(0),
        };
        let request = v1::AggregateRequest {
            context: self.message(target),
            matchers: fragment.matchers.iter().map(matcher).collect(),
            fragment: (!only_digests).then(|| fragment_message(fragment)),
            agreed: None,
            max_series: limits.series,
            max_samples: limits.samples,
            max_bytes: limits.bytes,
            max_state_bytes: (self.memory.left() / COPIES_OF_STATES).max(1) as u64,
        };
        let fragment = Arc::new(fragment.clone());
        Arc::new(move |owner, progress| {
            let (context, fragment) = (self.clone(), Arc::clone(&fragment));
            let agreed = agreed.as_deref().map(v1::Digests::from);
            let request = v1::AggregateRequest { agreed, ..request.clone() };
            Box::pin(async move { context.piece(owner, progress, request, &fragment, partition).await })
        })
    }

    async fn piece(
        self,
        owner: Owner,
        progress: Progress,
        request: v1::AggregateRequest,
        fragment: &Fragment,
        partition: PartitionId,
    ) -> Result<Answer<Piece>, OwnerError> {
        let malformed = |text: String| OwnerError::Failed(Failure::Malformed(text));
        let charge = |bytes: usize| self.budget.charge_bytes(bytes).map_err(OwnerError::Fatal);
        charge(request.agreed.as_ref().map_or(0, digest_bytes))?;
        let memory = self.memory.another();
        let mut stream = self.owners.aggregate(&owner, request).await?;
        let (mut state, mut answer, mut end) = (None::<AnswerState>, FragmentAnswer::default(), None);
        while let Some(message) = stream.next().await {
            progress.tick();
            match message?.part {
                Some(Part::State(found)) => state = Some((&found).into()),
                Some(Part::Answer(bytes)) => {
                    charge(bytes.len())?;
                    // As they came, and decoded.
                    memory.grow(2 * bytes.len()).map_err(OwnerError::Fatal)?;
                    answer.decode(&bytes, fragment).map_err(|error| malformed(error.to_string()))?;
                }
                Some(Part::End(found)) => end = Some(found),
                None => {}
            }
        }
        let (Some(state), Some(end)) = (state, end) else {
            return Err(malformed("aggregation without a state or an end".into()));
        };
        charge(end.digests.as_ref().map_or(0, digest_bytes))?;
        answer.hold(memory);
        let piece = Piece {
            answer,
            digests: end.digests.unwrap_or_default().into(),
            differing: end.differing,
            refused: end.refused,
            series: end.series,
            samples: end.samples,
            bytes: end.bytes,
            partition,
            ring: state.ring_revision,
            owners: vec![owner],
        };
        Ok(Answer { state, data: piece })
    }
}

fn digest_bytes(digests: &v1::Digests) -> usize {
    digests.buckets.len() * size_of::<u32>() + digests.hashes.len() * size_of::<u64>()
}

impl Reader {
    /// What comes of a fragment, if owners can answer it.
    pub(crate) async fn aggregate(
        &self,
        context: Context,
        fragment: &Fragment,
    ) -> Result<Option<FragmentAnswer>, SourceError> {
        let one_copy = self.0.cluster.snapshot().ring.replication().quorum() == 1;
        let (asked, wanted) = (context.clone(), fragment.clone());
        let question = Question {
            workspace: context.workspace,
            ask: Arc::new(move |target| asked.clone().aggregate(&wanted, !one_copy, None, target)),
            differ: |_| false,
            merge: |copies, _| agree(copies),
            blocks: Some(BlockFilter::new(context.range, std::slice::from_ref(&fragment.matchers))),
        };
        let Some(pieces) = self.read_heads_only(question).await? else { return Ok(None) };
        let rings_differ = pieces.iter().any(|piece| piece.ring != pieces[0].ring);
        if rings_differ || pieces.iter().any(|piece| piece.refused) {
            return Ok(None);
        }
        // Chosen series may turn out not to be enough, and then all are read, and counted.
        if !fragment.op.selects_series() {
            let sum = |of: fn(&Piece) -> u64| pieces.iter().map(of).sum();
            let (series, samples) = (sum(|piece| piece.series), sum(|piece| piece.samples));
            context.budget.settle_newest(series, samples, sum(|piece| piece.bytes))?;
        }
        if one_copy {
            let mut all = FragmentAnswer::default();
            pieces.into_iter().for_each(|piece| all.merge(piece.answer, fragment));
            return Ok(Some(all));
        }
        self.aggregate_agreed(context, fragment, pieces).await
    }

    /// Lets one owner of each partition aggregate what a quorum agreed on, and reads the rest.
    async fn aggregate_agreed(
        &self,
        context: Context,
        fragment: &Fragment,
        pieces: Vec<Piece>,
    ) -> Result<Option<FragmentAnswer>, SourceError> {
        let ask = |piece: Piece| {
            let context = context.clone();
            async move {
                let Piece { digests, mut differing, partition, ring, owners, .. } = piece;
                let mut answer = FragmentAnswer::default();
                if !digests.is_empty() {
                    let target = Target::Partition(partition, ring);
                    let call = context.aggregate(fragment, false, Some(Arc::new(digests)), target);
                    let Some(found) = self.ask_one(partition, ring, owners, call).await? else {
                        return Ok(None);
                    };
                    differing.extend(found.differing);
                    answer = found.answer;
                }
                Ok(Some((partition, differing, answer)))
            }
        };
        let found = futures::future::try_join_all(pieces.into_iter().map(ask)).await?;
        let mut all = FragmentAnswer::default();
        let mut rest = BTreeMap::new();
        for piece in found {
            let Some((partition, differing, answer)) = piece else { return Ok(None) };
            all.merge(answer, fragment);
            rest.insert(partition, differing);
        }
        if rest.values().all(Vec::is_empty) {
            return Ok(Some(all));
        }
        let Some(series) = self.read_buckets(context, fragment, rest).await? else { return Ok(None) };
        all.merge(run(fragment, series)?, fragment);
        Ok(Some(all))
    }

    /// What one of the owners says, if one does by the ring: the first, and the next where it fails or is silent.
    async fn ask_one(
        &self,
        partition: PartitionId,
        ring: RingRevision,
        owners: Vec<Owner>,
        call: OwnerCall<Piece>,
    ) -> Result<Option<Piece>, SourceError> {
        let snapshot = self.0.cluster.snapshot();
        let Some(known) = snapshot.ring.partition(partition) else { return Ok(None) };
        let read = PartitionRead {
            clock: self.0.clock.clone(),
            metrics: self.0.metrics.clone(),
            hedge_after: self.0.hedge_after,
            // One answer is enough of those who hold the same.
            replication: Replication::One,
            partition: Partition { owners, ..known.clone() },
            planned: Some(ring),
            call,
            differ: |_| false,
        };
        match read.run().await {
            Ok(counted) => {
                let found = counted.copies.into_iter().next();
                Ok(found.filter(|found| found.ring == ring && !found.refused))
            }
            Err(PartitionError::Fatal(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The samples of some buckets of each partition.
    async fn read_buckets(
        &self,
        context: Context,
        fragment: &Fragment,
        buckets: BTreeMap<PartitionId, Vec<u32>>,
    ) -> Result<Option<Held<Vec<SeriesData>>>, SourceError> {
        let all: usize = buckets.values().map(Vec::len).sum();
        if all > buckets.len() * BUCKETS as usize / 4 {
            // Most series would be read after all, and the others twice.
            return Ok(None);
        }
        let (selection, blocks) = (context.clone(), context.range);
        let matchers = fragment.matchers.clone();
        let filter = BlockFilter::new(blocks, std::slice::from_ref(&matchers));
        let ask = move |target: Target| match &target {
            Target::Partition(partition, _) => match buckets.get(partition) {
                Some(buckets) if buckets.is_empty() => nothing(),
                Some(buckets) => selection.clone().select_buckets(&matchers, buckets.clone(), target),
                // A partition that came meanwhile.
                None => moved(),
            },
            Target::Blocks(_) => nothing(),
        };
        let question = Question { blocks: Some(filter), ..super::reader::samples(context.workspace, ask) };
        let Some(parts) = self.read_heads_only(question).await? else { return Ok(None) };
        Ok(Some(super::reader::join(parts)))
    }
}

/// The answer of an owner that is not asked, because nothing is wanted of it.
fn nothing() -> OwnerCall<Held<Vec<SeriesData>>> {
    Arc::new(|_, _| {
        let data = Held { data: Vec::new(), memory: narthex_promql::Reservation::default() };
        Box::pin(async { Ok(Answer { state: AnswerState::default(), data }) })
    })
}

/// The answer where it is not known what is wanted.
fn moved() -> OwnerCall<Held<Vec<SeriesData>>> {
    let text = "the ring moved while the query ran, try again";
    Arc::new(move |_, _| {
        Box::pin(async move { Err(OwnerError::Fatal(SourceError::Unavailable(text.into()))) })
    })
}

/// Runs a fragment here.
fn run(fragment: &Fragment, series: Held<Vec<SeriesData>>) -> Result<FragmentAnswer, SourceError> {
    let fault = |error: EvalError| match error {
        EvalError::LimitExceeded(text) => SourceError::LimitExceeded(text),
        EvalError::Unavailable(text) => SourceError::Unavailable(text),
        error => SourceError::Internal(error.to_string()),
    };
    let control = Control::default();
    let control = match series.memory.memory() {
        Some(memory) => control.with_memory(memory),
        None => control,
    };
    let mut run = FragmentRun::new(fragment, &control).map_err(fault)?;
    for (place, series) in series.data.into_iter().enumerate() {
        run.add(place, series).map_err(fault)?;
    }
    run.finish().map_err(fault)
}
