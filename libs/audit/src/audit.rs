//! The handle that takes events, and the workers that write them.
//!
//! Each place has its own bounded queue and worker, so that a slow bucket does not delay the file. When a queue is full a
//! management call waits for up to a second; then its record is lost, and so are records of data calls at once: an audit log
//! that cannot be written does not stop the service, but it is seen in `narthex_audit_records{outcome="lost"}` and in the log.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use narthex_bucket::BucketError;
use narthex_model::{AccountId, WorkspaceId};
use narthex_service::{Components, Random, SharedClock, timeout};
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    AuditSettings, DataEvents, Event, Kind, LogTarget,
    metrics::Metrics,
    sink::{BucketSink, LogFile, Place, Trail},
};

/// How long a management call waits for room in a queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the end waits for what is still to be written.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be written.
    #[error("--audit.log: cannot write {}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bucket's settings are wrong.
    #[error("--audit.bucket-url: {0}")]
    Bucket(#[from] BucketError),
}

/// A record on its way.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// JSON without a line break.
    pub(crate) line: Bytes,
    pub(crate) account: Option<AccountId>,
}

/// Takes events. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Vec<Queue>,
    data_events: Vec<DataEvents>,
    metrics: Metrics,
    clock: SharedClock,
    random: Random,
    closing: CancellationToken,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Queue {
    target: &'static str,
    records: mpsc::Sender<Record>,
}

impl Audit {
    /// Records nothing.
    pub fn off(components: &Components) -> Self {
        Self::over(Vec::new(), 1, Vec::new(), Metrics::default(), components)
    }

    /// Opens what is set and starts to write; a process without a place for records records nothing. `region` names log files.
    /// A process has one audit log: it registers `narthex_audit_records`.
    pub fn start(
        settings: &AuditSettings,
        region: &str,
        components: &Components,
    ) -> Result<Self, AuditError> {
        let mut places: Vec<Box<dyn Place>> = Vec::new();
        match &settings.log {
            None | Some(LogTarget::None) => {}
            Some(LogTarget::Stdout) => places.push(Box::new(LogFile::stdout())),
            Some(LogTarget::File(file)) => {
                let limits = settings.into();
                let log = LogFile::open(file.clone(), limits, components.clock.clone())
                    .map_err(|source| AuditError::File { file: file.clone(), source })?;
                places.push(Box::new(log));
            }
        }
        if let Some(args) = settings.bucket.args() {
            // The process's own bucket counts under the same names.
            let apart = Components { registry: Arc::default(), ..components.clone() };
            let bucket = narthex_bucket::open(&args, &apart)?;
            let trail = Trail {
                region: region.to_owned(),
                batch_bytes: settings.bucket.batch_size.as_usize(),
                max_wait: settings.bucket.max_wait.get(),
            };
            places.push(Box::new(BucketSink::new(bucket.store(), trail, components)));
        }
        if places.is_empty() {
            return Ok(Self::off(components));
        }
        let metrics = Metrics::new(&components.registry);
        Ok(Self::over(places, settings.queue_size, settings.data_events.clone(), metrics, components))
    }

    pub(crate) fn over(
        places: Vec<Box<dyn Place>>,
        queue_size: usize,
        data_events: Vec<DataEvents>,
        metrics: Metrics,
        components: &Components,
    ) -> Self {
        let closing = CancellationToken::new();
        let mut workers = Vec::new();
        let mut queues = Vec::new();
        for place in places {
            let (records, queued) = mpsc::channel(queue_size.max(1));
            queues.push(Queue { target: place.name(), records });
            let worker = Worker {
                place,
                queued,
                metrics: metrics.clone(),
                clock: components.clock.clone(),
                closing: closing.clone(),
            };
            workers.push(tokio::spawn(worker.run()));
        }
        Self(Arc::new(Inner {
            queues,
            data_events,
            metrics,
            clock: components.clock.clone(),
            random: components.random.clone(),
            closing,
            workers: workers.into(),
        }))
    }

    /// Whether management calls are recorded.
    pub fn is_on(&self) -> bool {
        !self.0.queues.is_empty()
    }

    /// Whether the data calls of a workspace are.
    pub fn wants_data(&self, workspace: WorkspaceId) -> bool {
        let chosen =
            |events: &DataEvents| matches!(events, DataEvents::All) || *events == DataEvents::Of(workspace);
        self.is_on() && self.0.data_events.iter().any(chosen)
    }

    /// An id for an event: a version 4 UUID.
    pub fn event_id(&self) -> String {
        let id = WorkspaceId::from_random(self.0.random.bits128()).to_string();
        id.trim_start_matches("ws-").to_owned()
    }

    /// Hands an event to every place. Returns when it is queued, or lost.
    pub async fn record(&self, event: Event) {
        if !self.is_on() {
            return;
        }
        let patient = event.kind == Kind::Management;
        let record = Record { account: event.account().cloned(), line: event.to_json().to_string().into() };
        for queue in &self.0.queues {
            let queued = match queue.records.try_send(record.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(record)) if patient => {
                    let sending = queue.records.send(record);
                    matches!(timeout(self.0.clock.as_ref(), PATIENCE, sending).await, Ok(Ok(())))
                }
                Err(_) => false,
            };
            if !queued {
                self.0.metrics.lost(queue.target, 1);
                tracing::warn!(
                    to = queue.target,
                    operation = event.operation,
                    request_id = event.request_id,
                    "a record of the audit log is lost: too many wait to be written"
                );
            }
        }
    }

    /// Writes what is queued and ends; for when the last request was answered. What comes later is lost.
    pub async fn close(&self) {
        self.0.closing.cancel();
        let workers = std::mem::take(&mut *self.0.workers.lock());
        let ended = async {
            for worker in workers {
                let _ = worker.await;
            }
        };
        if timeout(self.0.clock.as_ref(), CLOSE_WITHIN, ended).await.is_err() {
            tracing::warn!("the audit log was not written to its end within {CLOSE_WITHIN:?}");
        }
    }
}

/// Writes what one queue holds.
struct Worker {
    place: Box<dyn Place>,
    queued: mpsc::Receiver<Record>,
    metrics: Metrics,
    clock: SharedClock,
    closing: CancellationToken,
}

impl Worker {
    /// So many records are taken at once.
    const AT_ONCE: usize = 1024;

    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let pause = self.place.next_flush(self.clock.monotonic()).unwrap_or(Duration::from_secs(3600));
            let count = tokio::select! {
                biased;
                count = self.queued.recv_many(&mut batch, Self::AT_ONCE) => count,
                () = self.closing.cancelled(), if !self.queued.is_closed() => {
                    self.queued.close();
                    continue;
                }
                () = self.clock.sleep(pause) => {
                    let outcome = self.place.flush(false).await;
                    self.count(outcome);
                    continue;
                }
            };
            let outcome = self.place.write(std::mem::take(&mut batch)).await;
            self.count(outcome);
            // None is left, and none will come.
            if count == 0 {
                let outcome = self.place.flush(true).await;
                return self.count(outcome);
            }
        }
    }

    fn count(&self, (written, lost): (usize, usize)) {
        self.metrics.written(self.place.name(), written);
        self.metrics.lost(self.place.name(), lost);
    }
}

#[cfg(test)]
#[path = "audit_test.rs"]
mod tests;
