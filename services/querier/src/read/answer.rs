//! One owner's answer to a Select, put together from its stream.
//!
//! The builder takes messages in their order and refuses what breaks the protocol: series out of order or repeated, chunks
//! of unknown series, chunks that do not hold what they say. What comes out is columnar, complete, within the asked time,
//! ascending and without repetition; overlapping chunks are settled by `resolve`.

use narthex_chunk::{Chunk, Encoding};
use narthex_model::{Epoch, Labels, ManifestRevision, RingRevision, TimeRange};
use narthex_promql::{Reservation, SeriesData};
use narthex_pushdown::Samples;
use narthex_rpc::v1::{self, select_response::Part};

use super::{
    Budget, Failure,
    failure::OwnerError,
    held::{make_room, take_histograms, take_series},
};

/// What an owner says of itself with every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnswerState {
    /// Its ring.
    pub ring_revision: RingRevision,
    /// The partition's epoch as it knows it.
    pub epoch: Epoch,
    /// The newest manifest that it acted on: what it forgot is in the blocks that this one or a newer one names (rule 6).
    pub manifest_revision: ManifestRevision,
}

impl From<&v1::SourceState> for AnswerState {
    fn from(state: &v1::SourceState) -> Self {
        Self {
            ring_revision: RingRevision(state.ring_revision),
            epoch: Epoch(state.epoch),
            manifest_revision: ManifestRevision(state.manifest_revision),
        }
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The owner's state when it answered.
    pub state: AnswerState,
    /// What it holds.
    pub data: T,
}

/// Collects a Select stream.
#[derive(Debug)]
pub struct AnswerBuilder {
    range: TimeRange,
    budget: Budget,
    memory: Reservation,
    state: Option<AnswerState>,
    series: Vec<Samples>,
    samples: u64,
    /// The series that a chunk came of last, and the float samples of the one before it: the series of an answer mostly have about as
    /// many.
    last: (usize, usize),
}

impl AnswerBuilder {
    /// An answer for a time range, within a budget.
    pub fn new(range: TimeRange, budget: Budget) -> Self {
        let memory = Reservation::default();
        Self { range, budget, memory, state: None, series: Vec::new(), samples: 0, last: (0, 0) }
    }

    /// The same, its memory taken from the query's.
    #[must_use]
    pub(crate) fn within(self, memory: Reservation) -> Self {
        Self { memory, ..self }
    }

    /// Takes the next message.
    pub(crate) fn push(&mut self, message: v1::SelectResponse) -> Result<(), OwnerError> {
        let malformed = |text: &str| OwnerError::Failed(Failure::Malformed(text.into()));
        match message.part {
            Some(Part::State(state)) if self.state.is_none() => self.state = Some((&state).into()),
            Some(Part::Series(batch)) if self.state.is_some() => {
                batch.labels.into_iter().try_for_each(|labels| self.push_series(labels))?;
            }
            Some(Part::Chunks(batch)) if self.state.is_some() => {
                batch.chunks.into_iter().try_for_each(|chunk| self.push_chunk(chunk))?;
            }
            Some(Part::Digests(_)) => return Err(malformed("digests in an answer with data")),
            Some(_) => return Err(malformed("state missing, repeated or late")),
            // A part that a newer owner added; what it says is not needed for a complete answer.
            None => {}
        }
        Ok(())
    }

    fn push_series(&mut self, bytes: bytes::Bytes) -> Result<(), OwnerError> {
        self.budget.charge_bytes(bytes.len()).map_err(OwnerError::Fatal)?;
        take_series(bytes.len(), &self.memory).map_err(OwnerError::Fatal)?;
        let labels = Labels::from_canonical(bytes).map_err(|error| Failure::Malformed(error.to_string()))?;
        if self.series.last().is_some_and(|last| last.series().labels >= labels) {
            return Err(Failure::Malformed(format!("series {labels} is out of order")).into());
        }
        self.budget.check_answer(self.series.len() + 1, self.samples).map_err(OwnerError::Fatal)?;
        self.series.push(Samples::new(labels, self.range));
        Ok(())
    }

    fn push_chunk(&mut self, chunk: v1::Chunk) -> Result<(), OwnerError> {
        let charged = self.budget.charge_chunk(chunk.min_ms, chunk.data.len(), chunk.samples);
        charged.map_err(OwnerError::Fatal)?;
        self.samples = self.samples.saturating_add(u64::from(chunk.samples));
        self.budget.check_answer(self.series.len(), self.samples).map_err(OwnerError::Fatal)?;
        let malformed = |text: String| OwnerError::Failed(Failure::Malformed(text));
        let encoding = Encoding::from_tag(chunk.encoding).map_err(|error| malformed(error.to_string()))?;
        let at = chunk.series as usize;
        if at != self.last.0 {
            let before = self.series.get(self.last.0).map_or(0, |series| series.series().timestamps.len());
            self.last = (at, before);
        }
        let series = self.series.get_mut(at);
        let series =
            series.ok_or_else(|| malformed(format!("chunk of the unknown series {}", chunk.series)))?;
        let v1::Chunk { samples, min_ms, max_ms, data, .. } = chunk;
        let room = match encoding {
            Encoding::Histograms => take_histograms(samples, data.len(), &self.memory),
            _ => make_room(series, self.last.1, samples, data.len(), &self.memory),
        };
        room.map_err(OwnerError::Fatal)?;
        let chunk = Chunk { encoding, samples, min_ms, max_ms, data };
        series.add(&chunk).map_err(|fault| malformed(fault.to_string()))
    }

    /// The answer, once the stream ended without an error.
    pub(crate) fn finish(self) -> Result<Answer<Vec<SeriesData>>, OwnerError> {
        let state = self.state.ok_or_else(|| Failure::Malformed("stream without a state".into()))?;
        Ok(Answer { state, data: self.series.into_iter().map(Samples::finish).collect() })
    }
}
