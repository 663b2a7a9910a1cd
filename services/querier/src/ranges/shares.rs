//! Things of all workspaces within a bound of bytes.
//!
//! Each workspace has a cache of its own, so what one asks for never pushes out what another keeps (T-1): it may hold its share, and
//! where all together hold too much the one that holds most gives up its coldest. What is read again soon survives what is
//! read once (S3-FIFO, quick_cache).

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc};

use narthex_model::WorkspaceId;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter, unsync};

/// Room for so many entries is made at first.
const ENTRIES: usize = 64;

/// Something of a size.
pub(super) trait Weighs<K> {
    /// Bytes with its key.
    fn bytes(&self, key: &K) -> u64;
}

#[derive(Debug, Clone)]
struct BySize;

impl<K, V: Weighs<K>> Weighter<K, V> for BySize {
    fn weight(&self, key: &K, value: &V) -> u64 {
        value.bytes(key)
    }
}

/// What is done when something goes to make room.
type OnEvict<K> = Arc<dyn Fn(WorkspaceId, &K) + Send + Sync>;

struct Tell<K>(WorkspaceId, OnEvict<K>);

impl<K, V> Lifecycle<K, V> for Tell<K> {
    type RequestState = ();

    fn before_evict(&self, (): &mut (), key: &K, _: &mut V) {
        (self.1)(self.0, key);
    }
}

type Own<K, V> = unsync::Cache<K, V, BySize, DefaultHashBuilder, Tell<K>>;

/// All of them.
pub(super) struct Shares<K, V> {
    /// Bytes of all.
    all: u64,
    /// Bytes of one workspace.
    one: u64,
    on_evict: OnEvict<K>,
    bytes: Gauge,
    workspaces: Mutex<HashMap<WorkspaceId, Own<K, V>>>,
}

impl<K, V> fmt::Debug for Shares<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").field("all", &self.all).field("one", &self.one).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V: Weighs<K> + Clone> Shares<K, V> {
    /// Nothing yet, within `all` bytes, and `one` for a workspace. `bytes` tells how many they are.
    pub(super) fn new(
        all: u64,
        one: u64,
        bytes: Gauge,
        on_evict: impl Fn(WorkspaceId, &K) + Send + Sync + 'static,
    ) -> Self {
        Self { all, one, on_evict: Arc::new(on_evict), bytes, workspaces: Mutex::default() }
    }

    /// The most bytes that one thing may have.
    pub(super) const fn most(&self) -> u64 {
        // A little is for what is new.
        self.one / 10 * 9
    }

    /// What is kept under a key.
    pub(super) fn get(&self, workspace: WorkspaceId, key: &K) -> Option<V> {
        self.workspaces.lock().get(&workspace)?.get(key).cloned()
    }

    /// Takes something out.
    pub(super) fn remove(&self, workspace: WorkspaceId, key: &K) {
        let mut workspaces = self.workspaces.lock();
        workspaces.get_mut(&workspace).and_then(|own| own.remove(key));
        self.measure(&workspaces);
    }

    /// Adds something, or puts it in the place of another.
    pub(super) fn add(&self, workspace: WorkspaceId, key: K, value: V) {
        let mut workspaces = self.workspaces.lock();
        let old = workspaces.get(&workspace).and_then(|own| own.peek(&key)).map_or(0, |old| old.bytes(&key));
        self.make_room(&mut workspaces, workspace, value.bytes(&key).saturating_sub(old));
        // As much as the others leave, which is at least what it has.
        let free = self.all.saturating_sub(workspaces.values().map(Own::weight).sum());
        let own = workspaces.entry(workspace).or_insert_with(|| {
            let tell = Tell(workspace, Arc::clone(&self.on_evict));
            Own::with(ENTRIES, 0, BySize, DefaultHashBuilder::default(), tell)
        });
        own.set_capacity(own.weight().saturating_add(free).min(self.one));
        own.insert(key, value);
        self.measure(&workspaces);
    }

    /// Forgets workspaces that are no more, and tells which.
    pub(super) fn retain(&self, exists: impl Fn(&WorkspaceId) -> bool) -> Vec<WorkspaceId> {
        let mut workspaces = self.workspaces.lock();
        let gone: Vec<WorkspaceId> =
            workspaces.keys().filter(|workspace| !exists(workspace)).copied().collect();
        gone.iter().for_each(|workspace| drop(workspaces.remove(workspace)));
        self.measure(&workspaces);
        gone
    }

    /// Takes from whoever holds most until there is room, or the one that wants it holds most itself.
    fn make_room(&self, workspaces: &mut HashMap<WorkspaceId, Own<K, V>>, wants: WorkspaceId, more: u64) {
        loop {
            let total: u64 = workspaces.values().map(Own::weight).sum();
            let over = total.saturating_add(more).saturating_sub(self.all);
            let own = workspaces.get(&wants).map_or(0, Own::weight);
            let largest = workspaces.iter_mut().max_by_key(|(_, cache)| cache.weight());
            let Some((workspace, largest)) = largest else { return };
            let held = largest.weight();
            if over == 0 || *workspace == wants || held <= own {
                break;
            }
            largest.set_capacity(held.saturating_sub(over));
        }
        workspaces.retain(|workspace, cache| *workspace == wants || !cache.is_empty());
    }

    fn measure(&self, workspaces: &HashMap<WorkspaceId, Own<K, V>>) {
        let bytes: u64 = workspaces.values().map(Own::weight).sum();
        self.bytes.set(bytes.cast_signed());
    }
}
