//! Driving a commit.

use std::{sync::Arc, time::Duration};

use narthex_model::WorkspaceId;

use super::{ManifestError, ManifestStore, objects::PutRoot};
use crate::{Action, Committer, Edit, Event, Manifest, Nonce, Outcome, Writer};

/// The first wait is up to this long; every further one up to twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl ManifestStore {
    /// Commits an edit: see [`Committer`] for what is promised. Never answers [`Outcome::Undecided`], which is
    /// [`ManifestError::Undecided`] here. May be dropped at any moment, and tried again later with the same edit.
    pub async fn commit(&self, workspace: WorkspaceId, edit: Edit) -> Result<Outcome, ManifestError> {
        let shelf = self.shelf(workspace);
        let _turn = shelf.committing.lock().await;
        let settings = self.settings();
        let writer = Writer {
            nonce: Nonce(self.0.random.bits128()),
            window_length: settings.window_length,
            limits: settings.limits,
            margins: settings.margins,
        };
        let base = shelf.known.lock().clone();
        let committer = Committer::new(edit, workspace, base, writer);
        let mut drive = Drive { store: self, workspace, listed_at: Duration::ZERO, last: None, shared: None };
        let (outcome, listed_at) = (drive.run(committer).await?, drive.listed_at);
        if let Outcome::Committed(newest) | Outcome::Refused { newest, .. } = &outcome {
            // It was found newest by a LIST that began then.
            shelf.reader.lock().await.adopt(newest, listed_at);
            shelf.place(newest);
        }
        Ok(outcome)
    }
}

struct Drive<'a> {
    store: &'a ManifestStore,
    workspace: WorkspaceId,
    listed_at: Duration,
    /// The last failure, for whoever must be told.
    last: Option<ManifestError>,
    /// The last manifest that was read or written, for its segments.
    shared: Option<Arc<Manifest>>,
}

impl Drive<'_> {
    async fn run(&mut self, mut committer: Committer) -> Result<Outcome, ManifestError> {
        self.shared = self.store.known(self.workspace);
        let mut action = committer.start(self.store.0.ages.now());
        loop {
            let event = match action {
                Action::Done(outcome) => {
                    self.store.0.metrics.committed(&outcome, committer.tally());
                    return self.end(outcome);
                }
                action => self.perform(action).await?,
            };
            action = committer.on(event, self.store.0.ages.now());
        }
    }

    fn end(&mut self, outcome: Outcome) -> Result<Outcome, ManifestError> {
        let Outcome::Undecided = outcome else { return Ok(outcome) };
        let why = self.last.take().map_or_else(|| "too many writers".to_owned(), |error| error.to_string());
        Err(ManifestError::Undecided { workspace: self.workspace, why })
    }

    /// Does what is asked. Errors are those that trying again does not mend.
    async fn perform(&mut self, action: Action) -> Result<Event, ManifestError> {
        let inner = &*self.store.0;
        let event = match action {
            Action::ListNewest => {
                self.listed_at = inner.ages.now();
                inner.list_newest(self.workspace).await.map(Event::Newest)
            }
            Action::Load(revision) => {
                let found = inner.load(self.workspace, revision, self.shared.as_deref()).await;
                found.map(|found| found.map_or(Event::Absent, |manifest| self.loaded(manifest)))
            }
            Action::Head(block) => {
                let put = inner.head(self.workspace, block).await;
                let event = |put| Event::Headed { put, now: inner.bucket_clock.now() };
                put.map(|put| put.map_or(Event::Absent, event))
            }
            Action::PutSegment(new) => {
                let written = inner.put_segment(self.workspace, new.segment.id(), new.file).await;
                written.map(|()| Event::Written)
            }
            Action::PutRoot { manifest, file } => match inner.put_root(&manifest, file).await? {
                PutRoot::Written => {
                    self.shared = Some(manifest);
                    Ok(Event::Written)
                }
                PutRoot::Exists => Ok(Event::Exists),
                PutRoot::Unknown(error) => {
                    tracing::debug!(workspace = %self.workspace, %error, "the outcome of a commit is unknown");
                    self.last = Some(error);
                    Ok(Event::Unknown)
                }
            },
            Action::Wait(tries) => {
                self.wait(tries).await;
                Ok(Event::Waited)
            }
            Action::Done(_) => Ok(Event::Waited),
        };
        match event {
            Err(error @ (ManifestError::Bucket(_) | ManifestError::Timeout(_))) => {
                self.last = Some(error);
                Ok(Event::Failed)
            }
            event => event,
        }
    }

    fn loaded(&mut self, manifest: Arc<Manifest>) -> Event {
        self.shared = Some(Arc::clone(&manifest));
        Event::Loaded(manifest)
    }

    async fn wait(&self, tries: u32) {
        let inner = &*self.store.0;
        let longest = FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT);
        let millis = inner.random.below(longest.as_millis() as u64) + 1;
        inner.clock.sleep(Duration::from_millis(millis)).await;
    }
}
