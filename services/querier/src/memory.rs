//! The memory of queries: bounds for each, for those of a workspace together and for all of the process.
//!
//! What reads, evaluation and answers occupy is taken here before it is used. A query that is over its own bound fails for good;
//! one that finds the workspace's or the process's memory in use by others may be tried again, and says so (T-1).

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use clap::Args;
use narthex_model::WorkspaceId;
use narthex_promql::{Memory, Reservation, SourceError};
use narthex_service::{ByteSize, MemoryPool, OutOfMemory, available_memory};
use parking_lot::Mutex;

use crate::metrics::{Metrics, Reason};

/// Workspaces without queries are forgotten once more than this many are known.
const REMEMBERED: usize = 1024;

const QUERY: &str = "query";
const WORKSPACE: &str = "workspace";
const PROCESS: &str = "process";

/// Settings of the bounds.
#[derive(Debug, Clone, Copy, Args)]
pub struct MemoryArgs {
    /// Memory that all queries together may occupy. Unset: a quarter of the machine's, or of the control group's
    #[arg(long = "query.memory", env = "NARTHEX_QUERY_MEMORY", value_name = "BYTES")]
    pub query_memory: Option<ByteSize>,

    /// Memory that the queries of one workspace may occupy together. Unset: half of --query.memory
    #[arg(
        long = "query.memory-per-workspace",
        env = "NARTHEX_QUERY_MEMORY_PER_WORKSPACE",
        value_name = "BYTES"
    )]
    pub query_memory_per_workspace: Option<ByteSize>,

    /// Memory that one query may occupy. Unset: half of --query.memory-per-workspace
    #[arg(long = "query.memory-per-query", env = "NARTHEX_QUERY_MEMORY_PER_QUERY", value_name = "BYTES")]
    pub query_memory_per_query: Option<ByteSize>,
}

impl MemoryArgs {
    /// The bounds, each no larger than the one above it.
    pub fn limits(&self) -> MemoryLimits {
        let process = self.query_memory.map_or_else(quarter, ByteSize::bytes);
        let workspace = self.query_memory_per_workspace.map_or(process / 2, ByteSize::bytes).min(process);
        let query = self.query_memory_per_query.map_or(workspace / 2, ByteSize::bytes).min(workspace);
        MemoryLimits { process, workspace, query }
    }
}

/// A quarter of what there is; of 4 GiB where that cannot be learnt.
fn quarter() -> u64 {
    available_memory().unwrap_or(4 << 30) / 4
}

/// Bounds in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// All queries of the process.
    pub process: u64,
    /// All queries of one workspace.
    pub workspace: u64,
    /// One query.
    pub query: u64,
}

/// The memory of all queries of a process.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    limits: MemoryLimits,
    process: Arc<MemoryPool>,
    workspaces: Mutex<HashMap<WorkspaceId, Weak<MemoryPool>>>,
    metrics: Metrics,
}

impl QueryMemory {
    pub(crate) fn new(limits: MemoryLimits, metrics: Metrics) -> Self {
        let process = MemoryPool::new(PROCESS, limits.process, metrics.memory.clone());
        Self { limits, process, workspaces: Mutex::default(), metrics }
    }

    /// The budget of one query.
    pub(crate) fn query(&self, workspace: WorkspaceId) -> Arc<dyn Memory> {
        let pool = self.workspace(workspace).below(QUERY, self.limits.query);
        Arc::new(OfQuery { pool, metrics: self.metrics.clone() })
    }

    /// The same as a reservation, of which nothing is taken yet.
    pub(crate) fn reservation(&self, workspace: WorkspaceId) -> Reservation {
        Reservation::of(self.query(workspace))
    }

    fn workspace(&self, workspace: WorkspaceId) -> Arc<MemoryPool> {
        let mut workspaces = self.workspaces.lock();
        if let Some(known) = workspaces.get(&workspace).and_then(Weak::upgrade) {
            return known;
        }
        if workspaces.len() > REMEMBERED {
            workspaces.retain(|_, pool| pool.strong_count() > 0);
        }
        let pool = self.process.below(WORKSPACE, self.limits.workspace);
        workspaces.insert(workspace, Arc::downgrade(&pool));
        pool
    }
}

#[derive(Debug)]
struct OfQuery {
    pool: Arc<MemoryPool>,
    metrics: Metrics,
}

impl Memory for OfQuery {
    fn grow(&self, bytes: usize) -> Result<(), SourceError> {
        self.pool.take(bytes as u64).map_err(|refusal| {
            self.metrics.out_of_memory.get_or_create(&Reason { reason: refusal.level }).inc();
            explained(refusal)
        })
    }

    fn shrink(&self, bytes: usize) {
        self.pool.give_back(bytes as u64);
    }

    fn left(&self) -> usize {
        usize::try_from(self.pool.left()).unwrap_or(usize::MAX)
    }
}

fn explained(refusal: OutOfMemory) -> SourceError {
    let limit = ByteSize(refusal.limit);
    match refusal.level {
        QUERY => SourceError::LimitExceeded(format!(
            "the query needs more than {limit} of memory, its limit (--query.memory-per-query); select fewer series or a \
             shorter time, or take larger steps"
        )),
        WORKSPACE => SourceError::Unavailable(format!(
            "the queries of the workspace that run now use the memory that they may have together, {limit} \
             (--query.memory-per-workspace); run fewer at a time"
        )),
        _ => SourceError::Unavailable(format!(
            "the querier has no memory left for the query: those that run now use all of {limit} (--query.memory); try again later"
        )),
    }
}

#[cfg(test)]
mod tests {
    use narthex_service::Components;

    use super::*;

    #[test]
    fn each_bound_has_its_own_words_and_counter() {
        let metrics = Metrics::register(&mut Components::from_system(None).registry.lock());
        let limits = MemoryLimits { process: 100, workspace: 60, query: 40 };
        let memory = QueryMemory::new(limits, metrics.clone());
        let [one, two] = [1, 2].map(WorkspaceId::from_u128);
        let (first, second, other, last) =
            (memory.query(one), memory.query(one), memory.query(two), memory.query(two));
        let said = |refused: Result<(), SourceError>| refused.expect_err("refused");
        let text = said(first.grow(41));
        assert!(
            matches!(&text, SourceError::LimitExceeded(text) if text.contains("more than 40 of memory")),
            "{text}"
        );
        first.grow(40).expect("within");
        let text = said(second.grow(30));
        assert!(
            matches!(&text, SourceError::Unavailable(text) if text.contains("--query.memory-per-workspace")),
            "{text}"
        );
        other.grow(40).expect("within");
        second.grow(15).expect("within");
        let text = said(last.grow(10));
        assert!(
            matches!(&text, SourceError::Unavailable(text) if text.contains("--query.memory)")),
            "{text}"
        );
        for reason in [QUERY, WORKSPACE, PROCESS] {
            assert_eq!(metrics.out_of_memory.get_or_create(&Reason { reason }).get(), 1, "{reason}");
        }
        assert_eq!(metrics.memory.get(), 95);
        drop((first, second, other, last));
        assert_eq!(metrics.memory.get(), 0, "what a query took returns with it");
    }
}
