//! The loop that brings cuts into the bucket and forgets what is there.
//!
//! Every second it looks at the windows that are held: one that is due is cut when this owner's turn comes, one whose commit is
//! known is forgotten after the keep time. Work runs on blocking threads, a few cuts at a time and paced by bytes, so that
//! pushes do not feel it. Failures are told once per change and counted always; nothing is given up while samples are held.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use futures::StreamExt;
use narthex_bucket::Bucket;
use narthex_cluster::{Member, Snapshot};
use narthex_manifest::Freshness;
use narthex_model::{Cut, ManifestRevision, Window, WorkspaceId};
use narthex_rpc::v1::FlushResponse;
use narthex_service::{Components, Condition, DataClock};
use parking_lot::Mutex;

use super::{
    FlushError, FlushSettings, agenda::Agenda, cutter::Cutter, metrics::FlushMetrics, schedule::turn,
};
use crate::{service::IngesterService, storage::Storage};

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// Between two attempts to reach the bucket at the start.
const VERIFY_PAUSE: Duration = Duration::from_secs(5);
/// For how long a cut may be due before a failure is told in readiness.
const REMARK_AFTER: Duration = Duration::from_secs(30);
/// Reasons that a command's answer holds.
const REASONS: usize = 20;

/// Cuts of one owner.
#[derive(Debug)]
pub(crate) struct Flusher {
    cutter: Cutter,
    bucket: Bucket,
    settings: FlushSettings,
    member: Member,
    data_clock: DataClock,
    metrics: FlushMetrics,
    condition: Condition,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    agenda: Agenda,
    /// When this owner first saw a commit of which it still holds samples.
    committed: BTreeMap<(WorkspaceId, Cut), Duration>,
    /// Until then the byte budget is used up.
    paced_until: Duration,
    /// The last failure since a cut was committed: its kind, so that it is told once, and its text.
    failure: Option<(&'static str, String)>,
}

impl Flusher {
    pub(crate) fn new(
        cutter: Cutter,
        bucket: Bucket,
        settings: FlushSettings,
        member: Member,
        components: &Components,
    ) -> Self {
        let condition = components.health.condition("cuts");
        // Samples are taken in and answered whether or not they can leave.
        condition.ready();
        Self {
            cutter,
            bucket,
            settings,
            member,
            data_clock: components.data_clock.clone(),
            metrics: FlushMetrics::register(&components.registry),
            condition,
            state: Mutex::default(),
        }
    }

    fn service(&self) -> &IngesterService {
        &self.cutter.service
    }

    /// Works for as long as it is polled. Forgetting goes on while a cut takes its time.
    pub(crate) async fn run(&self) -> Infallible {
        self.verify_bucket().await;
        let (never, _) = tokio::join!(self.every_tick(Self::cut), self.every_tick(Self::tidy));
        never
    }

    async fn every_tick(&self, act: impl AsyncFn(&Self, &Storage)) -> Infallible {
        loop {
            if let Ok(storage) = self.service().storage().cloned()
                && self.service().phase().check_reads().is_ok()
            {
                act(self, &storage).await;
            }
            self.cutter.clock.sleep(TICK).await;
        }
    }

    /// Nothing is committed to a bucket that does not do what commits rest on.
    async fn verify_bucket(&self) {
        let mut told = String::new();
        while let Err(error) = self.bucket.verify().await {
            let reason = error.to_string();
            self.metrics.failed("bucket");
            self.condition.remark(format!("{reason}; samples stay on this disk until it does"));
            if reason != told {
                tracing::warn!(
                    reason,
                    "the bucket cannot be used yet; samples stay on this disk until it can"
                );
                told = reason;
            }
            self.cutter.clock.sleep(VERIFY_PAUSE).await;
        }
        self.condition.ready();
    }

    /// Makes the cuts whose turn it is.
    async fn cut(&self, storage: &Storage) {
        let jobs = self.survey(storage).into_iter().map(|(workspace, cut)| self.try_one(workspace, cut));
        let jobs = futures::stream::iter(jobs).buffer_unordered(self.settings.concurrency.max(1));
        jobs.for_each(async |()| {}).await;
        let (pending, oldest) = self.state.lock().agenda.backlog(self.cutter.clock.monotonic());
        self.metrics.pending.set(pending as i64);
        self.metrics.pending_seconds.set(oldest.as_secs().cast_signed());
        self.remark(pending, oldest);
    }

    /// Learns what others committed, and forgets what is in the bucket.
    async fn tidy(&self, storage: &Storage) {
        self.follow_hints(storage).await;
        self.drop_deleted(storage).await;
        self.note_commits(storage);
        self.forget().await;
    }

    /// A backlog that lasts is told where operators look for readiness.
    fn remark(&self, pending: usize, oldest: Duration) {
        match &self.state.lock().failure {
            Some((_, why)) if pending > 0 && oldest >= REMARK_AFTER => self.condition.remark(format!(
                "{pending} cuts are due and not in the bucket, the oldest for {} s; their samples stay on this disk. The last failure: {why}",
                oldest.as_secs()
            )),
            _ => self.condition.ready(),
        }
    }

    /// Reads the manifests of which somebody told something newer, if samples of theirs are held.
    async fn follow_hints(&self, storage: &Storage) {
        let (manifests, hints) = (&self.cutter.manifests, self.service().cluster().hints().clone());
        for workspace in storage.workspaces() {
            let hinted = hints.newest(workspace);
            let known = manifests.known(workspace).map_or(ManifestRevision(0), |known| known.revision());
            if hinted > known
                && let Err(error) = manifests.follow(workspace, Freshness::AtLeast(hinted)).await
            {
                self.tell(&error.into(), "a newer manifest cannot be read");
            }
        }
    }

    /// Workspaces that do not exist any more leave the disk. Their absence must be proven first.
    async fn drop_deleted(&self, storage: &Storage) {
        let cluster = self.service().cluster();
        let unknown = |snapshot: &Snapshot| {
            let held = storage.workspaces().into_iter();
            held.filter(|workspace| !snapshot.workspaces.contains_key(workspace)).collect::<Vec<_>>()
        };
        if unknown(&cluster.snapshot()).is_empty() {
            return;
        }
        let Ok(current) = cluster.catch_up().await else { return };
        for workspace in unknown(&current) {
            match storage.drop_workspace(workspace).await {
                Ok(()) => tracing::info!(%workspace, "the workspace was deleted, its samples are dropped"),
                Err(error) => {
                    tracing::warn!(%workspace, %error, "the samples of a deleted workspace stay for now")
                }
            }
            self.cutter.manifests.forget(workspace);
        }
    }

    /// Looks at every held window and gives the cuts that are up now.
    fn survey(&self, storage: &Storage) -> Vec<(WorkspaceId, Cut)> {
        let (now, data_now) = (self.cutter.clock.monotonic(), self.data_clock.now());
        let snapshot = self.service().cluster().snapshot();
        let place = self.service().place_in(&snapshot).unwrap_or(0);
        let owners = snapshot.ring.replication().copies();
        let schedule = &self.settings.schedule;
        let (mut up, mut due, mut windows) = (Vec::new(), Vec::new(), 0);
        let mut state = self.state.lock();
        for workspace in storage.workspaces() {
            let manifest = self.cutter.manifests.known(workspace);
            for open in storage.open_windows(workspace) {
                windows += 1;
                let Ok((cut, active)) = self.service().cut_of(open.window) else { return Vec::new() };
                let committed = manifest.as_ref().is_some_and(|manifest| manifest.is_committed(&cut));
                if committed || active && schedule.due(workspace, cut.partition, cut.window) > data_now {
                    continue;
                }
                due.push((workspace, cut.window));
                let turn = turn(workspace, cut.partition, cut.window, owners, place);
                let wait = self.settings.take_over.saturating_mul(turn as u32);
                if state.agenda.is_up(workspace, cut.window, wait, now) {
                    up.push((workspace, cut));
                }
            }
        }
        due.sort_unstable();
        state.agenda.retain(|workspace, window| due.binary_search(&(workspace, window)).is_ok());
        self.metrics.windows.set(windows);
        up
    }

    /// Notes which cuts of held windows are known to be committed, and since when.
    fn note_commits(&self, storage: &Storage) {
        let now = self.cutter.clock.monotonic();
        let mut held = Vec::new();
        for workspace in storage.workspaces() {
            let Some(manifest) = self.cutter.manifests.known(workspace) else { continue };
            for open in storage.open_windows(workspace) {
                let Ok((cut, _)) = self.service().cut_of(open.window) else { return };
                let epochs = open.sealed.iter().copied().chain([cut.epoch]);
                let cuts = epochs.map(|epoch| (workspace, Cut { epoch, ..cut }));
                held.extend(cuts.filter(|(_, cut)| manifest.is_committed(cut)));
            }
        }
        held.sort_unstable();
        let mut state = self.state.lock();
        state.committed.retain(|cut, _| held.binary_search(cut).is_ok());
        for cut in held {
            state.committed.entry(cut).or_insert(now);
        }
    }

    /// Forgets cuts whose commit has been known for the keep time, after one more look by a LIST (rule 5).
    async fn forget(&self) {
        let now = self.cutter.clock.monotonic();
        let keep = self.settings.keep;
        let ripe: Vec<_> = {
            let state = self.state.lock();
            let ripe = state.committed.iter().filter(|(_, seen)| now.saturating_sub(**seen) >= keep);
            ripe.map(|(cut, _)| *cut).collect()
        };
        for (workspace, cut) in ripe {
            if let Err(error) = self.forget_one(workspace, cut).await {
                self.tell(&error, "a committed cut cannot be forgotten yet");
            }
        }
    }

    async fn forget_one(&self, workspace: WorkspaceId, cut: Cut) -> Result<(), FlushError> {
        let newest = self.cutter.manifests.newest(workspace).await?;
        if !newest.is_committed(&cut) {
            return Ok(());
        }
        self.service().release_cut(workspace, cut, newest.revision()).await?;
        self.metrics.forgotten.inc();
        self.state.lock().committed.remove(&(workspace, cut));
        tracing::debug!(%workspace, %cut, revision = %newest.revision(), "forgot a committed cut");
        Ok(())
    }

    async fn try_one(&self, workspace: WorkspaceId, cut: Cut) {
        let clock = &self.cutter.clock;
        let paced = self.state.lock().paced_until.saturating_sub(clock.monotonic());
        clock.sleep(paced.min(TICK * 60)).await;
        let pending = self.state.lock().agenda.pending_for(workspace, cut.window, clock.monotonic());
        match self.flush(workspace, cut, pending >= self.settings.patience).await {
            Ok(true) => self.state.lock().failure = None,
            // An empty cut is none; what is held of its window belongs to another epoch.
            Ok(false) => self.pause(workspace, cut),
            Err(error) => {
                self.pause(workspace, cut);
                self.tell(&error, "a cut is not committed and is tried again; its samples stay on the disk");
            }
        }
    }

    fn pause(&self, workspace: WorkspaceId, cut: Cut) {
        let noise = self.cutter.random.below(1_001) as u32;
        let now = self.cutter.clock.monotonic();
        self.state.lock().agenda.failed(workspace, cut.window, now, noise);
    }

    /// Flushes one cut on a blocking thread and tells everyone; false if nobody has a sample of it.
    async fn flush(&self, workspace: WorkspaceId, cut: Cut, settle_alone: bool) -> Result<bool, FlushError> {
        let cutter = self.cutter.clone();
        let runtime = tokio::runtime::Handle::current();
        let work = move || runtime.block_on(cutter.flush(workspace, cut, settle_alone));
        let ended = tokio::task::spawn_blocking(work).await;
        let stopping = |_| FlushError::NotNow(tonic::Status::unavailable("the owner is stopping"));
        let Some(flushed) = ended.map_err(stopping)?? else { return Ok(false) };
        let revision = flushed.manifest.revision();
        match flushed.bytes {
            Some(bytes) => {
                self.metrics.committed.inc();
                self.metrics.bytes.inc_by(bytes);
                self.metrics.unsettled.inc_by(flushed.unsettled as u64);
                self.pace(bytes);
                tracing::info!(%workspace, %cut, %revision, bytes, "committed a cut");
                self.member.announce(workspace, revision).await;
            }
            None => {
                self.metrics.found.inc();
            }
        }
        Ok(true)
    }

    fn pace(&self, bytes: u64) {
        let seconds = bytes as f64 / self.settings.bytes_per_second.max(1) as f64;
        let mut state = self.state.lock();
        let from = state.paced_until.max(self.cutter.clock.monotonic());
        state.paced_until = from.saturating_add(Duration::from_secs_f64(seconds.min(3_600.0)));
    }

    /// Counts a failure, and tells it where it is another one than the last.
    fn tell(&self, error: &FlushError, what: &'static str) {
        self.metrics.failed(error.reason());
        let before = self.state.lock().failure.replace((error.reason(), error.to_string()));
        if before.is_none_or(|(reason, _)| reason != error.reason()) {
            tracing::warn!(%error, reason = error.reason(), what);
        }
    }

    /// A command: cuts everything that may be cut, without jitter and turns.
    pub(crate) async fn flush_now(&self, only: Option<WorkspaceId>) -> FlushResponse {
        let mut answer = FlushResponse::default();
        let complain = |answer: &mut FlushResponse, reason: String| {
            answer.pending += 1;
            if answer.reasons.len() < REASONS {
                answer.reasons.push(reason);
            }
        };
        let Ok(storage) = self.service().storage().cloned() else {
            complain(&mut answer, self.service().phase().get().describe());
            return answer;
        };
        let now = self.data_clock.now();
        let wanted = storage.workspaces().into_iter().filter(|id| only.is_none_or(|only| only == *id));
        for workspace in wanted {
            for window in self.windows(&storage, workspace) {
                match self.service().cut_of(window) {
                    Ok((_, true)) if self.settings.schedule.closable(window) > now => answer.open += 1,
                    Ok((cut, _)) => match self.flush(workspace, cut, false).await {
                        Ok(true) => answer.committed += 1,
                        Ok(false) => {}
                        Err(error) => complain(&mut answer, format!("{workspace}, {cut}: {error}")),
                    },
                    Err(status) => complain(&mut answer, status.message().to_owned()),
                }
            }
        }
        answer
    }

    /// Held windows that are not known to be committed.
    fn windows(&self, storage: &Storage, workspace: WorkspaceId) -> Vec<Window> {
        let manifest = self.cutter.manifests.known(workspace);
        let held = storage.open_windows(workspace).into_iter().map(|open| open.window);
        held.filter(|window| {
            let cut = self.service().cut_of(*window).map(|(cut, _)| cut);
            !cut.is_ok_and(|cut| manifest.as_ref().is_some_and(|manifest| manifest.is_committed(&cut)))
        })
        .collect()
    }
}

/// Shared with the service, which passes commands on.
pub(crate) type SharedFlusher = Arc<Flusher>;
