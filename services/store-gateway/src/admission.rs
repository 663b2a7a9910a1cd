//! Who reads now and who waits, so that memory stays bounded and no workspace keeps others out (T-1).
//!
//! A workspace runs so many requests at a time; its others wait in their order, and more than a bounded number are refused.
//! Those that run search blocks a few at a time, out of a number that all share. Before a request reads samples it takes the
//! memory that this will need; one workspace gets at most half of what there is, and a request that needs more than that
//! fails. Every wait ends when its future is dropped.

use std::{collections::HashMap, sync::Arc};

use narthex_model::WorkspaceId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{blocks::ReadError, config::GatewaySettings, metrics::Metrics, workers::Lost};

/// Memory is counted in these.
const UNIT: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Admission {
    max_concurrent: usize,
    max_waiting: usize,
    /// Most units of one workspace.
    share: u32,
    searching: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    lanes: Mutex<HashMap<WorkspaceId, Lane>>,
    metrics: Metrics,
}

/// One workspace's requests. It is forgotten with its last place.
#[derive(Debug)]
struct Lane {
    running: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    waiting: usize,
    places: usize,
}

impl Admission {
    pub(crate) fn new(settings: &GatewaySettings, metrics: Metrics) -> Arc<Self> {
        let units = (settings.memory / UNIT).clamp(2, u64::from(u32::MAX >> 4)) as u32;
        Arc::new(Self {
            max_concurrent: settings.max_concurrent,
            max_waiting: settings.max_waiting,
            share: units / 2,
            searching: Arc::new(Semaphore::new(settings.max_open)),
            memory: Arc::new(Semaphore::new(units as usize)),
            lanes: Mutex::default(),
            metrics,
        })
    }

    /// Waits for a turn of the workspace.
    pub(crate) async fn enter(self: &Arc<Self>, workspace: WorkspaceId) -> Result<Turn, ReadError> {
        let (waiting, running, memory) = self.wait(workspace)?;
        // No semaphore is ever closed.
        let running = running.acquire_owned().await.map_err(|_| Lost)?;
        let place = Place::take(self, workspace);
        drop(waiting);
        self.metrics.running.inc();
        Ok(Turn { _running: running, memory, place })
    }

    /// Waits until one more block may be searched.
    pub(crate) async fn search(&self) -> Result<OwnedSemaphorePermit, Lost> {
        Arc::clone(&self.searching).acquire_owned().await.map_err(|_| Lost)
    }

    fn wait(
        self: &Arc<Self>,
        workspace: WorkspaceId,
    ) -> Result<(Waiting, Arc<Semaphore>, Arc<Semaphore>), ReadError> {
        let (running, memory) = {
            let mut lanes = self.lanes.lock();
            let lane = lanes.entry(workspace).or_insert_with(|| Lane {
                running: Arc::new(Semaphore::new(self.max_concurrent)),
                memory: Arc::new(Semaphore::new(self.share as usize)),
                waiting: 0,
                places: 0,
            });
            // Those that can run at once stand here for a moment too.
            if lane.waiting >= self.max_waiting.saturating_add(lane.running.available_permits()) {
                self.metrics.refused.inc();
                return Err(ReadError::Busy(lane.waiting));
            }
            lane.waiting += 1;
            lane.places += 1;
            (Arc::clone(&lane.running), Arc::clone(&lane.memory))
        };
        self.metrics.waiting.inc();
        let place = Place { admission: Arc::clone(self), workspace };
        Ok((Waiting(place), running, memory))
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

impl Place {
    /// One more place in a lane that the caller keeps already.
    fn take(admission: &Arc<Admission>, workspace: WorkspaceId) -> Self {
        admission.change(workspace, |lane| lane.places += 1);
        Self { admission: Arc::clone(admission), workspace }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.change(self.workspace, |lane| lane.places -= 1);
    }
}

/// A place among those that wait.
#[derive(Debug)]
struct Waiting(Place);

impl Drop for Waiting {
    fn drop(&mut self) {
        let Place { admission, workspace } = &self.0;
        admission.metrics.waiting.dec();
        admission.change(*workspace, |lane| lane.waiting -= 1);
    }
}

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _running: OwnedSemaphorePermit,
    memory: Arc<Semaphore>,
    // After the permit: it keeps the lane that the permit belongs to.
    place: Place,
}

impl Turn {
    /// Waits for memory; fails if it is more than a workspace may ever have.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<Memory, ReadError> {
        let admission = &self.place.admission;
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|units| *units <= admission.share);
        let limit = u64::from(admission.share) * UNIT;
        let units =
            units.ok_or(ReadError::OverBudget { what: "memory of the store-gateway in bytes", limit })?;
        let own = Arc::clone(&self.memory).acquire_many_owned(units).await.map_err(|_| Lost)?;
        let all = Arc::clone(&admission.memory).acquire_many_owned(units).await.map_err(|_| Lost)?;
        let reserved = u64::from(units) * UNIT;
        admission.metrics.memory.inc_by(reserved as i64);
        Ok(Memory { admission: Arc::clone(admission), bytes: reserved as i64, _held: [own, all] })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.place.admission.metrics.running.dec();
    }
}

/// Memory that is taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    admission: Arc<Admission>,
    bytes: i64,
    _held: [OwnedSemaphorePermit; 2],
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.admission.metrics.memory.dec_by(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;
    use crate::config::BlockArgs;

    fn admission(memory: u64, max_concurrent: usize, max_waiting: usize) -> Arc<Admission> {
        let settings = GatewaySettings {
            memory: memory * UNIT,
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
        let first = admission.enter(workspace(1)).await.expect("free");
        let mut second = Box::pin(admission.enter(workspace(1)));
        assert!(poll!(&mut second).is_pending());
        let refused = admission.enter(workspace(1)).now_or_never().expect("at once");
        assert_eq!(refused.expect_err("one waits"), ReadError::Busy(1));
        assert_eq!((admission.metrics.refused.get(), admission.metrics.waiting.get()), (1, 1));
        let other = admission.enter(workspace(2)).await.expect("free");
        assert_eq!(admission.metrics.running.get(), 2);
        drop((first, other));
        drop(second.await.expect("its turn"));
        assert!(admission.lanes.lock().is_empty(), "an idle workspace costs nothing");
        assert_eq!((admission.metrics.running.get(), admission.metrics.waiting.get()), (0, 0));
    }

    #[tokio::test]
    async fn a_workspace_has_at_most_half_of_the_memory() {
        let admission = admission(10, 9, 9);
        let (greedy, other) = (
            admission.enter(workspace(1)).await.expect("free"),
            admission.enter(workspace(2)).await.expect("free"),
        );
        let limit = 5 * UNIT;
        let refused = greedy.reserve(limit + 1).now_or_never().expect("at once").expect_err("too much");
        assert!(matches!(refused, ReadError::OverBudget { limit: 5_242_880, .. }), "{refused}");
        let first = greedy.reserve(limit).await.expect("its half");
        let mut second = Box::pin(greedy.reserve(1));
        assert!(poll!(&mut second).is_pending());
        let half = other.reserve(limit).await.expect("the other half");
        assert_eq!(admission.metrics.memory.get(), 10 * UNIT as i64);
        drop(first);
        drop((second.await.expect("free again"), half));
        assert_eq!(admission.metrics.memory.get(), 0);
        drop(greedy.reserve(0).await.expect("nothing is always free"));
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_makes_room() {
        let admission = admission(4, 1, 1);
        let _first = admission.enter(workspace(1)).await.expect("free");
        let mut second = Box::pin(admission.enter(workspace(1)));
        assert!(poll!(&mut second).is_pending());
        drop(second);
        assert!(admission.enter(workspace(1)).now_or_never().is_none(), "waits, is not refused");
        assert_eq!(admission.metrics.waiting.get(), 0);
    }
}
