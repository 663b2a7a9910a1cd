//! Another owner's sealed cut, series by series: labels and digest, as they come.

use std::{collections::VecDeque, time::Duration};

use narthex_chunk::SetHash;
use narthex_model::{Cut, Labels};
use narthex_rpc::{
    Answers,
    v1::{Digest, SelectResponse, select_response::Part},
};
use narthex_service::{SharedClock, timeout};

use super::FlushError;

/// Longest silence of an owner: it syncs its seal and sorts its series before the first message.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// A stream of Seal while it is read. Memory is bounded by one message of labels and one of digests.
#[derive(Debug)]
pub(crate) struct PeerCut {
    owner: String,
    window: i64,
    messages: Answers<SelectResponse>,
    clock: SharedClock,
    /// Labels whose digests have not come yet.
    labels: VecDeque<Labels>,
    ready: VecDeque<(Labels, SetHash)>,
    last: Option<Labels>,
    next: u32,
}

impl PeerCut {
    /// Waits for the first message, which says that the owner has sealed the cut.
    pub(crate) async fn open(
        owner: String,
        cut: &Cut,
        messages: Answers<SelectResponse>,
        clock: SharedClock,
    ) -> Result<Self, FlushError> {
        let mut peer = Self {
            owner,
            window: cut.window.0,
            messages,
            clock,
            labels: VecDeque::new(),
            ready: VecDeque::new(),
            last: None,
            next: 0,
        };
        match peer.message().await?.and_then(|message| message.part) {
            Some(Part::State(state)) if state.epoch == cut.epoch.0 => {}
            Some(Part::State(_)) => {
                return Err(peer.malformed("it sealed in another epoch than it was asked to"));
            }
            _ => return Err(peer.malformed("it does not begin with the source's state")),
        }
        Ok(peer)
    }

    async fn message(&mut self) -> Result<Option<SelectResponse>, FlushError> {
        let message = timeout(&*self.clock, SILENCE, self.messages.message()).await;
        Ok(message.map_err(|elapsed| FlushError::Silent { owner: self.owner.clone(), elapsed })??)
    }

    /// The next series, which stays.
    pub(crate) async fn peek(&mut self) -> Result<Option<&(Labels, SetHash)>, FlushError> {
        while self.ready.is_empty() {
            match self.message().await? {
                Some(message) => self.take_in(message)?,
                None if self.labels.is_empty() => return Ok(None),
                None => return Err(self.malformed("it ends before the last digest")),
            }
        }
        Ok(self.ready.front())
    }

    /// The next series.
    pub(crate) async fn next(&mut self) -> Result<Option<(Labels, SetHash)>, FlushError> {
        self.peek().await?;
        Ok(self.ready.pop_front())
    }

    fn take_in(&mut self, message: SelectResponse) -> Result<(), FlushError> {
        match message.part {
            Some(Part::Series(batch)) => {
                for bytes in batch.labels {
                    let labels =
                        Labels::from_canonical(bytes).map_err(|error| self.malformed(&error.to_string()))?;
                    if self.last.as_ref().is_some_and(|last| *last >= labels) {
                        return Err(self.malformed("series are not in order"));
                    }
                    self.last = Some(labels.clone());
                    self.labels.push_back(labels);
                }
                Ok(())
            }
            Some(Part::Digests(batch)) => batch.digests.iter().try_for_each(|digest| self.digest(digest)),
            Some(Part::State(_) | Part::Chunks(_)) | None => Err(self.malformed("unexpected message")),
        }
    }

    fn digest(&mut self, digest: &Digest) -> Result<(), FlushError> {
        let Some(labels) = self.labels.pop_front() else {
            return Err(self.malformed("a digest without its series"));
        };
        if digest.series != self.next || digest.window != self.window {
            return Err(self.malformed("a digest of another series or window"));
        }
        self.next += 1;
        let hash = u128::from(digest.hash_high) << 64 | u128::from(digest.hash_low);
        self.ready.push_back((labels, SetHash { hash, samples: digest.samples }));
        Ok(())
    }

    fn malformed(&self, what: &str) -> FlushError {
        FlushError::Malformed { owner: self.owner.clone(), what: what.to_owned() }
    }
}
