//! How many requests run and wait at a time, per process and per workspace.
//!
//! A workspace takes its own slot before one of the process, so that one workspace can fill neither the process nor the
//! line in front of it (T-1).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use narthex_model::WorkspaceId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ApiError, ErrorKind};
use crate::metrics::{Metrics, Reason};

/// Idle workspaces are forgotten once more than this many are known.
const REMEMBERED: usize = 1024;

/// Upper bounds of [`Gate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateLimits {
    /// Running requests of the process.
    pub(crate) running: usize,
    /// Running requests of one workspace.
    pub(crate) running_per_workspace: usize,
    /// Waiting requests of one workspace; more are refused.
    pub(crate) waiting_per_workspace: usize,
}

/// The gate before every read.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: GateLimits,
    process: Arc<Semaphore>,
    workspaces: Mutex<HashMap<WorkspaceId, Arc<Lane>>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Lane {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// The right to run, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    _workspace: OwnedSemaphorePermit,
    _process: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.running.dec();
    }
}

/// One request in the line; leaves it on drop, also when the request is cancelled.
struct Waiting<'a>(&'a Lane, &'a Metrics);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.1.waiting.dec();
    }
}

impl Gate {
    pub(crate) fn new(limits: GateLimits, metrics: Metrics) -> Self {
        let process = Arc::new(Semaphore::new(limits.running.max(1)));
        Self { limits, process, workspaces: Mutex::default(), metrics }
    }

    /// Waits for a slot; fails at once where too many wait already.
    pub(crate) async fn enter(&self, workspace: WorkspaceId) -> Result<Slot, ApiError> {
        let lane = self.lane(workspace);
        let before = lane.waiting.fetch_add(1, Ordering::Relaxed);
        self.metrics.waiting.inc();
        let waiting = Waiting(&lane, &self.metrics);
        let bound = self.limits.waiting_per_workspace + lane.slots.available_permits();
        if before >= bound {
            self.metrics.refused.get_or_create(&Reason { reason: "too_many_waiting" }).inc();
            let text = format!(
                "too many queries of the workspace are waiting already (limit: {bound}), try again later"
            );
            return Err(ApiError::new(ErrorKind::TooManyRequests, text));
        }
        let closed = |_| ApiError::new(ErrorKind::Unavailable, "the querier is shutting down, ask another");
        let own = lane.slots.clone().acquire_owned().await.map_err(closed)?;
        let process = self.process.clone().acquire_owned().await.map_err(closed)?;
        drop(waiting);
        self.metrics.running.inc();
        Ok(Slot { _workspace: own, _process: process, metrics: self.metrics.clone() })
    }

    fn lane(&self, workspace: WorkspaceId) -> Arc<Lane> {
        let mut workspaces = self.workspaces.lock();
        if workspaces.len() > REMEMBERED {
            let all = self.limits.running_per_workspace.max(1);
            workspaces.retain(|_, lane| Arc::strong_count(lane) > 1 || lane.slots.available_permits() < all);
        }
        let fresh = || {
            let slots = Arc::new(Semaphore::new(self.limits.running_per_workspace.max(1)));
            Arc::new(Lane { slots, waiting: AtomicUsize::new(0) })
        };
        workspaces.entry(workspace).or_insert_with(fresh).clone()
    }
}
