//! Who reads now and who waits, so that memory stays bounded and no workspace keeps others out (T-1).
//!
//! A workspace runs so many requests at a time; its others wait in their order, and more than a bounded number are refused.
//! Those that run share the blocks that may be read at one time, in the order in which they came: since a workspace has only its
//! running requests in that queue, it cannot fill it.

use std::{collections::HashMap, sync::Arc};

use narthex_model::WorkspaceId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{blocks::ReadError, config::GatewaySettings, metrics::Metrics, workers::Lost};

#[derive(Debug)]
pub(crate) struct Admission {
    max_open: u32,
    max_concurrent: usize,
    max_waiting: usize,
    open: Arc<Semaphore>,
    lanes: Mutex<HashMap<WorkspaceId, Lane>>,
    metrics: Metrics,
}

/// One workspace's requests. It is forgotten with its last place.
#[derive(Debug)]
struct Lane {
    running: Arc<Semaphore>,
    waiting: usize,
    places: usize,
}

impl Admission {
    pub(crate) fn new(settings: &GatewaySettings, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            max_open: settings.max_open,
            max_concurrent: settings.max_concurrent,
            max_waiting: settings.max_waiting,
            open: Arc::new(Semaphore::new(settings.max_open as usize)),
            lanes: Mutex::default(),
            metrics,
        })
    }

    /// Waits for a turn to read so many blocks. A request for more blocks than may be read at one time reads them all: it
    /// waits until it is alone. Dropping the future gives up the place.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        blocks: usize,
    ) -> Result<Permit, ReadError> {
        let waiting = self.wait(workspace)?;
        // Neither semaphore is ever closed.
        let running = Arc::clone(&waiting.running).acquire_owned().await.map_err(|_| Lost)?;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX).clamp(1, self.max_open);
        let open = Arc::clone(&self.open).acquire_many_owned(blocks).await.map_err(|_| Lost)?;
        self.metrics.open_blocks.inc_by(i64::from(blocks));
        let place = Place { admission: Arc::clone(self), workspace };
        place.admission.change(workspace, |lane| lane.places += 1);
        Ok(Permit { blocks, _running: running, _open: open, place })
    }

    fn wait(self: &Arc<Self>, workspace: WorkspaceId) -> Result<Waiting, ReadError> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry(workspace).or_insert_with(|| {
            let running = Arc::new(Semaphore::new(self.max_concurrent));
            Lane { running, waiting: 0, places: 0 }
        });
        // Those that can run at once stand here for a moment too.
        if lane.waiting >= self.max_waiting.saturating_add(lane.running.available_permits()) {
            self.metrics.refused.inc();
            return Err(ReadError::Busy(lane.waiting));
        }
        lane.waiting += 1;
        lane.places += 1;
        self.metrics.waiting.inc();
        let running = Arc::clone(&lane.running);
        Ok(Waiting { running, place: Place { admission: Arc::clone(self), workspace } })
    }

    fn change(&self, workspace: WorkspaceId, change: impl FnOnce(&mut Lane)) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(&workspace) {
            change(lane);
            if lane.places == 0 {
                lanes.remove(&workspace);
            }
        }
    }
}

/// Keeps a lane.
#[derive(Debug)]
struct Place {
    admission: Arc<Admission>,
    workspace: WorkspaceId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.change(self.workspace, |lane| lane.places -= 1);
    }
}

/// A place among those that wait.
#[derive(Debug)]
struct Waiting {
    running: Arc<Semaphore>,
    place: Place,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Place { admission, workspace } = &self.place;
        admission.metrics.waiting.dec();
        admission.change(*workspace, |lane| lane.waiting -= 1);
    }
}

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    blocks: u32,
    // Before the place, which keeps the lane that the permit belongs to.
    _running: OwnedSemaphorePermit,
    _open: OwnedSemaphorePermit,
    place: Place,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.place.admission.metrics.open_blocks.dec_by(i64::from(self.blocks));
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;
    use crate::config::BlockArgs;

    fn admission(max_open: u32, max_concurrent: usize, max_waiting: usize) -> Arc<Admission> {
        let settings = GatewaySettings {
            max_open,
            max_concurrent,
            max_waiting,
            ..GatewaySettings::from(&BlockArgs::new("unused"))
        };
        Admission::new(&settings, Metrics::default())
    }

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::from_u128(number)
    }

    #[tokio::test]
    async fn a_workspace_waits_for_itself_and_not_for_others() {
        let admission = admission(100, 1, 1);
        let first = admission.enter(workspace(1), 3).await.expect("free");
        let mut second = Box::pin(admission.enter(workspace(1), 3));
        assert!(poll!(&mut second).is_pending());
        let refused = admission.enter(workspace(1), 3).now_or_never().expect("at once");
        assert_eq!(refused.expect_err("one waits"), ReadError::Busy(1));
        assert_eq!((admission.metrics.refused.get(), admission.metrics.waiting.get()), (1, 1));
        let _other = admission.enter(workspace(2), 3).await.expect("free");
        assert_eq!(admission.metrics.open_blocks.get(), 6);
        drop(first);
        drop(second.await.expect("its turn"));
    }

    #[tokio::test]
    async fn blocks_bound_what_is_read_and_a_large_request_reads_alone() {
        let admission = admission(4, 9, 9);
        let first = admission.enter(workspace(1), 3).await.expect("free");
        let mut large = Box::pin(admission.enter(workspace(2), 1_000));
        assert!(poll!(&mut large).is_pending());
        drop(first);
        let large = large.await.expect("alone");
        assert!(admission.enter(workspace(3), 1).now_or_never().is_none());
        drop(large);
        drop(admission.enter(workspace(3), 0).await.expect("free"));
        assert!(admission.lanes.lock().is_empty(), "an idle workspace costs nothing");
        assert_eq!((admission.metrics.open_blocks.get(), admission.metrics.waiting.get()), (0, 0));
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_makes_room() {
        let admission = admission(4, 1, 1);
        let _first = admission.enter(workspace(1), 1).await.expect("free");
        let mut second = Box::pin(admission.enter(workspace(1), 1));
        assert!(poll!(&mut second).is_pending());
        drop(second);
        assert!(admission.enter(workspace(1), 1).now_or_never().is_none(), "waits, is not refused");
        assert_eq!(admission.metrics.waiting.get(), 0);
    }
}
