//! What other owners hold of the series in which they differ, fetched as the block is written.

use std::{collections::VecDeque, time::Duration};

use futures::StreamExt;
use narthex_model::{Labels, RingRevision, Sample};
use narthex_rpc::{
    Peers,
    v1::{CutRef, FetchRequest},
};

use super::FlushError;
use crate::recovery::Source;

/// Series of one call.
const BATCH: usize = 256;
/// Longest time of one call.
const FETCH_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Another owner's address and the cut to ask it for.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) peers: Peers,
    pub(crate) cut: CutRef,
}

impl Holder {
    /// The samples of some series, in their order; none where the owner has none.
    pub(crate) async fn fetch(&self, labels: &[Labels]) -> Result<Vec<Vec<Sample>>, FlushError> {
        let asked = labels.iter().map(|labels| labels.as_bytes().clone()).collect();
        let request = FetchRequest { cut: Some(self.cut.clone()), labels: asked };
        let answers = self.peers.fetch(&self.address, request, FETCH_LIMIT).await?;
        let fence = RingRevision(self.cut.ring_revision);
        let mut source = Source::open(self.name.clone(), answers.boxed(), fence).await?;
        let mut all = Vec::with_capacity(labels.len());
        for labels in labels {
            all.push(source.take(labels).await?);
        }
        Ok(all)
    }
}

/// The differing series in order, fetched a batch ahead.
#[derive(Debug)]
pub(crate) struct Fetched {
    holder: Option<Holder>,
    labels: VecDeque<Labels>,
    ready: VecDeque<(Labels, Vec<Sample>)>,
}

impl Fetched {
    /// These series of that owner; ascending.
    pub(crate) fn new(holder: Option<Holder>, labels: Vec<Labels>) -> Self {
        Self { holder, labels: labels.into(), ready: VecDeque::new() }
    }

    /// Labels of all series that are left.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &Labels> {
        self.ready.iter().map(|(labels, _)| labels).chain(&self.labels)
    }

    /// The next series if it comes before `end`, or whatever is next without an end.
    pub(crate) async fn next_before(
        &mut self,
        end: Option<&Labels>,
    ) -> Result<Option<(Labels, Vec<Sample>)>, FlushError> {
        self.next_if(|labels| end.is_none_or(|end| labels < end)).await
    }

    /// The samples of a series if it is the next one.
    pub(crate) async fn take(&mut self, labels: &Labels) -> Result<Option<Vec<Sample>>, FlushError> {
        let next = self.next_if(|next| next == labels).await?;
        Ok(next.map(|(_, samples)| samples))
    }

    async fn next_if(
        &mut self,
        wanted: impl Fn(&Labels) -> bool,
    ) -> Result<Option<(Labels, Vec<Sample>)>, FlushError> {
        if !self.labels().next().is_some_and(&wanted) {
            return Ok(None);
        }
        if self.ready.is_empty()
            && let Some(holder) = &self.holder
        {
            let batch: Vec<Labels> = self.labels.drain(..BATCH.min(self.labels.len())).collect();
            let samples = holder.fetch(&batch).await?;
            self.ready.extend(batch.into_iter().zip(samples));
        }
        Ok(self.ready.pop_front())
    }
}
