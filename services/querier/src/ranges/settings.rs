//! Settings of the result cache.

use std::path::PathBuf;

use clap::Args;
use narthex_service::{ByteSize, HumanDuration};

use crate::memory::MemoryLimits;

/// The keys.
#[derive(Debug, Clone, Args)]
pub struct CacheArgs {
    /// Memory for results of range queries over times that no sample can be added to any more, beside --query.memory; 0 keeps none.
    /// Requests with `Cache-Control: no-store` or the parameter nocache=1 do without. Unset: an eighth of --query.memory
    #[arg(long = "query.cache-memory", env = "NARTHEX_QUERY_CACHE_MEMORY", value_name = "BYTES")]
    pub query_cache_memory: Option<ByteSize>,

    /// Memory for results of one workspace. Unset: half of --query.cache-memory
    #[arg(
        long = "query.cache-memory-per-workspace",
        env = "NARTHEX_QUERY_CACHE_MEMORY_PER_WORKSPACE",
        value_name = "BYTES"
    )]
    pub query_cache_memory_per_workspace: Option<ByteSize>,

    /// How much longer than samples may be late their time is taken for open, for pushes under way and clocks that are behind; at least
    /// the ingesters' --cut.slack
    #[arg(
        long = "query.cache-slack",
        env = "NARTHEX_QUERY_CACHE_SLACK",
        value_name = "DURATION",
        default_value = "10m"
    )]
    pub query_cache_slack: HumanDuration,

    /// Folder where results for days that are over are kept as well, so that they survive restarts. Unset: in memory alone
    #[arg(long = "query.cache-dir", env = "NARTHEX_QUERY_CACHE_DIR", value_name = "DIRECTORY")]
    pub query_cache_dir: Option<PathBuf>,

    /// Bytes of files in --query.cache-dir; those of one workspace may have half of them
    #[arg(
        long = "query.cache-disk",
        env = "NARTHEX_QUERY_CACHE_DISK",
        value_name = "BYTES",
        default_value = "1GiB"
    )]
    pub query_cache_disk: ByteSize,
}

impl CacheArgs {
    /// The bounds beside those of queries.
    pub(crate) fn settings(&self, memory: MemoryLimits) -> CacheSettings {
        let process = self.query_cache_memory.map_or(memory.process / 8, ByteSize::bytes);
        let workspace =
            self.query_cache_memory_per_workspace.map_or(process / 2, ByteSize::bytes).min(process);
        let slack_ms = i64::try_from(self.query_cache_slack.get().as_millis()).unwrap_or(i64::MAX);
        CacheSettings {
            process,
            workspace,
            slack_ms,
            folder: self.query_cache_dir.clone(),
            disk: self.query_cache_disk.bytes(),
        }
    }
}

/// [`CacheArgs`] as the cache uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Bytes of all results; 0 for no cache.
    pub process: u64,
    /// Bytes of one workspace's results.
    pub workspace: u64,
    /// Milliseconds beyond the greatest age of a sample.
    pub slack_ms: i64,
    /// Where files are kept, if they are.
    pub folder: Option<PathBuf>,
    /// Bytes of files.
    pub disk: u64,
}
