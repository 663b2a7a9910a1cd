//! Settings of the store-gateway.

use std::{net::SocketAddr, path::PathBuf, thread};

use clap::{Args, Parser};
use narthex_bucket::{BucketArgs, BucketUrl};
use narthex_service::{AdminSettings, ByteSize, MemberSettings};
use narthex_telemetry::TelemetrySettings;

/// Serves blocks from the bucket: answers queriers over gRPC from the samples that ingesters have cut.
#[derive(Debug, Clone, Parser)]
#[command(name = "narthex-store-gateway", version)]
pub struct Config {
    /// Address of the gRPC service for queriers
    #[arg(
        long = "grpc-listen",
        env = "NARTHEX_GRPC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9096"
    )]
    pub grpc_listen: SocketAddr,

    /// Address of /ready, /live and /metrics unless --admin-listen is set
    #[arg(
        long = "listen",
        env = "NARTHEX_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9011"
    )]
    pub listen: SocketAddr,

    /// Who this process is in the cluster.
    #[command(flatten)]
    pub member: MemberSettings,

    /// Where operators look.
    #[command(flatten)]
    pub admin: AdminSettings,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// The bucket that holds the blocks.
    #[command(flatten)]
    pub bucket: BucketArgs,

    /// How blocks are read and kept.
    #[command(flatten)]
    pub blocks: BlockArgs,
}

/// The store-gateway's own keys, shared with the all-in-one.
#[derive(Debug, Clone, Args)]
pub struct BlockArgs {
    /// Directory of the disk cache. What is in it survives restarts and may be deleted while the process is down. Unset:
    /// data/store-gateway; in the all-in-one, store-gateway in its data directory
    #[arg(long = "cache.dir", env = "NARTHEX_CACHE_DIR", value_name = "DIRECTORY")]
    pub cache_dir: Option<PathBuf>,

    /// Most bytes of the disk cache; about a thousandth of it is used as memory besides. 0: no disk cache. Unset: 10GiB, or 0
    /// where the bucket is a directory, of which a copy would save nothing
    #[arg(long = "cache.size", env = "NARTHEX_CACHE_SIZE", value_name = "BYTES")]
    pub cache_size: Option<ByteSize>,

    /// Memory for parsed footers of blocks, which every read of a block begins with
    #[arg(
        long = "cache.footers",
        env = "NARTHEX_CACHE_FOOTERS",
        value_name = "BYTES",
        default_value_t = DEFAULT_CACHE_FOOTERS
    )]
    pub cache_footers: ByteSize,

    /// Memory for what matchers found in blocks, which is what a repeated question about few series spends its time on
    #[arg(
        long = "cache.found-series",
        env = "NARTHEX_CACHE_FOUND_SERIES",
        value_name = "BYTES",
        default_value_t = DEFAULT_CACHE_FOUND
    )]
    pub cache_found: ByteSize,

    /// Blocks searched for series at one time by all requests together; the others wait
    #[arg(
        long = "blocks.max-open",
        env = "NARTHEX_BLOCKS_MAX_OPEN",
        value_name = "NUMBER",
        default_value_t = DEFAULT_MAX_OPEN
    )]
    pub max_open: usize,

    /// Memory for samples on their way, of all requests together. A request takes what it is going to need before it begins to
    /// send; one workspace gets at most half
    #[arg(
        long = "blocks.memory",
        env = "NARTHEX_BLOCKS_MEMORY",
        value_name = "BYTES",
        default_value_t = DEFAULT_MEMORY
    )]
    pub block_memory: ByteSize,

    /// Requests of one workspace answered at a time
    #[arg(
        long = "blocks.max-concurrent-per-workspace",
        env = "NARTHEX_BLOCKS_MAX_CONCURRENT_PER_WORKSPACE",
        value_name = "NUMBER",
        default_value_t = DEFAULT_MAX_CONCURRENT
    )]
    pub max_block_requests: usize,

    /// Requests of one workspace that may wait; more are refused, and the querier asks another gateway
    #[arg(
        long = "blocks.max-waiting-per-workspace",
        env = "NARTHEX_BLOCKS_MAX_WAITING_PER_WORKSPACE",
        value_name = "NUMBER",
        default_value_t = DEFAULT_MAX_WAITING
    )]
    pub max_waiting: usize,

    /// Most series one request may select, those that are in several blocks counted once for each: each takes about 250 bytes
    /// until the blocks are merged
    #[arg(
        long = "blocks.max-series",
        env = "NARTHEX_BLOCKS_MAX_SERIES",
        value_name = "NUMBER",
        default_value_t = DEFAULT_MAX_SERIES
    )]
    pub max_block_series: u64,

    /// Most bytes one request may read from each block
    #[arg(
        long = "blocks.max-read",
        env = "NARTHEX_BLOCKS_MAX_READ",
        value_name = "BYTES",
        default_value_t = DEFAULT_MAX_READ
    )]
    pub max_read: ByteSize,

    /// Threads that read and decode blocks. Unset: one for each processor
    #[arg(long = "blocks.threads", env = "NARTHEX_BLOCKS_THREADS", value_name = "NUMBER")]
    pub block_threads: Option<usize>,
}

const DEFAULT_CACHE_DIR: &str = "data/store-gateway";
const DEFAULT_CACHE_SIZE: ByteSize = ByteSize::mib(10 << 10);
const DEFAULT_CACHE_FOOTERS: ByteSize = ByteSize::mib(256);
const DEFAULT_CACHE_FOUND: ByteSize = ByteSize::mib(128);
const DEFAULT_MAX_OPEN: usize = 256;
const DEFAULT_MEMORY: ByteSize = ByteSize::mib(1 << 10);
const DEFAULT_MAX_CONCURRENT: usize = 20;
const DEFAULT_MAX_WAITING: usize = 200;
const DEFAULT_MAX_SERIES: u64 = 4_000_000;
const DEFAULT_MAX_READ: ByteSize = ByteSize::mib(4 << 10);

impl BlockArgs {
    /// Defaults for a cache directory.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: Some(cache_dir.into()),
            cache_size: None,
            cache_footers: DEFAULT_CACHE_FOOTERS,
            cache_found: DEFAULT_CACHE_FOUND,
            max_open: DEFAULT_MAX_OPEN,
            block_memory: DEFAULT_MEMORY,
            max_block_requests: DEFAULT_MAX_CONCURRENT,
            max_waiting: DEFAULT_MAX_WAITING,
            max_block_series: DEFAULT_MAX_SERIES,
            max_read: DEFAULT_MAX_READ,
            block_threads: None,
        }
    }

    /// The settings over a bucket: reads are joined as its own say, and what is on this machine already is not cached unless
    /// that was asked for.
    pub fn settings(&self, bucket: &BucketArgs) -> GatewaySettings {
        let joined = Joined { gap: bucket.read_gap.bytes(), size: bucket.read_size.bytes() };
        let here = matches!(bucket.url, Some(BucketUrl::Directory(_) | BucketUrl::Memory));
        let settings = GatewaySettings { joined, ..GatewaySettings::from(self) };
        let cache = settings.cache.filter(|_| self.cache_size.is_some() || !here);
        GatewaySettings { cache, ..settings }
    }
}

/// Which ranges of a block are read with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Most bytes between two ranges.
    pub gap: u64,
    /// Most bytes of the whole.
    pub size: u64,
}

/// Where the disk cache is and how large it may grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Its directory.
    pub directory: PathBuf,
    /// Most bytes.
    pub bytes: u64,
}

/// [`BlockArgs`] as the gateway uses them.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The disk cache, if there is one.
    pub cache: Option<CacheSettings>,
    /// Bytes of parsed footers in memory.
    pub footer_bytes: u64,
    /// Bytes of what matchers found, in memory.
    pub found_bytes: u64,
    /// Blocks searched at one time.
    pub max_open: usize,
    /// Bytes of memory for samples on their way.
    pub memory: u64,
    /// Requests of one workspace at a time.
    pub max_concurrent: usize,
    /// Requests of one workspace that wait.
    pub max_waiting: usize,
    /// Series of one request, counted once for each block.
    pub max_series: u64,
    /// Bytes read from one block by one request.
    pub max_read: u64,
    /// Threads of their own for reading blocks.
    pub threads: usize,
    /// How reads are joined.
    pub joined: Joined,
}

impl From<&BlockArgs> for GatewaySettings {
    fn from(args: &BlockArgs) -> Self {
        let cache = CacheSettings {
            directory: args.cache_dir.clone().unwrap_or_else(|| DEFAULT_CACHE_DIR.into()),
            bytes: args.cache_size.unwrap_or(DEFAULT_CACHE_SIZE).bytes(),
        };
        let processors = || thread::available_parallelism().map_or(2, usize::from);
        Self {
            cache: Some(cache).filter(|cache| cache.bytes > 0),
            footer_bytes: args.cache_footers.bytes(),
            found_bytes: args.cache_found.bytes(),
            max_open: args.max_open.max(1),
            memory: args.block_memory.bytes(),
            max_concurrent: args.max_block_requests.max(1),
            max_waiting: args.max_waiting,
            max_series: args.max_block_series,
            max_read: args.max_read.bytes(),
            threads: args.block_threads.unwrap_or_else(processors).max(1),
            joined: Joined { gap: 256 << 10, size: 8 << 20 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Config {
        let args = ["narthex-store-gateway"].into_iter().chain(args.iter().copied());
        narthex_service::config::parse_from(args).expect("valid")
    }

    #[test]
    fn flags_default_to_those_of_a_directory() {
        let parsed = parse(&["--bucket.url=s3://metrics"]);
        let defaults = BlockArgs { cache_dir: None, ..BlockArgs::new("unused") };
        assert_eq!(format!("{:?}", parsed.blocks), format!("{defaults:?}"));
        let settings = parsed.blocks.settings(&parsed.bucket);
        assert_eq!(settings.joined, Joined { gap: 256 << 10, size: 8 << 20 });
        let cache = CacheSettings { directory: DEFAULT_CACHE_DIR.into(), bytes: DEFAULT_CACHE_SIZE.bytes() };
        assert!(settings.threads >= 1 && settings.cache == Some(cache));
    }

    #[test]
    fn a_cache_of_no_bytes_is_none() {
        let parsed = parse(&["--bucket.url=s3://metrics", "--cache.size=0", "--bucket.read-gap=1MiB"]);
        let settings = parsed.blocks.settings(&parsed.bucket);
        assert_eq!((settings.cache, settings.joined.gap), (None, 1 << 20));
    }

    #[test]
    fn what_is_on_this_machine_is_cached_only_if_asked_for() {
        let cache = |args: &[&str]| {
            let parsed = parse(args);
            parsed.blocks.settings(&parsed.bucket).cache.map(|cache| cache.bytes)
        };
        assert_eq!(cache(&["--bucket.url=file:///bucket"]), None);
        assert_eq!(cache(&["--bucket.url=memory:"]), None);
        assert_eq!(cache(&["--bucket.url=file:///bucket", "--cache.size=1MiB"]), Some(1 << 20));
    }
}
