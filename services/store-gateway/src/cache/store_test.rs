use narthex_bucket::{Operation, faulty::Faulty};
use narthex_model::{BlockId, WorkspaceId};
use narthex_service::{Random, SystemClock};
use object_store::memory::InMemory;
use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;

use super::*;
use crate::{
    config::CacheSettings,
    metrics::{CacheMetrics, ReadMetrics},
};

const SIZE: usize = 300_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| ((at * 2_654_435_761) >> 13) as u8).collect()
}

async fn object(cache: Option<DiskCache>) -> (BlockObject, narthex_bucket::faulty::Faults) {
    let memory = Arc::new(InMemory::new());
    let path = Path::from("workspaces/x/blocks/y/data.parquet");
    memory.put(&path, content().into()).await.expect("stored");
    let (inner, faults) = Faulty::new(memory, SystemClock::shared(), Random::from_seed(1));
    let key = BlockKey::new(WorkspaceId::from_u128(1), BlockId::from_u128(2), SIZE as u64);
    let joined = Joined { gap: 10_000, size: 1 << 20 };
    let metrics = ReadMetrics::default();
    (BlockObject { inner, path, size: SIZE as u64, key, cache, joined, metrics }, faults)
}

fn disk(directory: &TempDir) -> DiskCache {
    let settings = CacheSettings { directory: directory.path().to_owned(), bytes: 4 << 20 };
    DiskCache::open(&settings, CacheMetrics::default()).expect("opened")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn range() -> impl Strategy<Value = Range<u64>> {
    (0..SIZE as u64, 0..100_000u64).prop_map(|(start, length)| start..(start + length).min(SIZE as u64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_range_is_what_the_object_holds(reads in vec(vec(range(), 1..6), 1..8), cached: bool) {
        let directory = TempDir::new().expect("made");
        block_on(async {
            let (object, _) = object(cached.then(|| disk(&directory))).await;
            let content = content();
            for ranges in reads {
                let parts = object.get_ranges(&object.path, &ranges).await.expect("read");
                for (range, part) in ranges.iter().zip(parts) {
                    assert_eq!(part, content[range.start as usize..range.end as usize]);
                }
                if let Some(range) = ranges.first().filter(|range| !range.is_empty()) {
                    let part = object.get_range(&object.path, range.clone()).await.expect("read");
                    assert_eq!(part, content[range.start as usize..range.end as usize]);
                }
            }
        });
    }
}

#[test]
fn what_was_read_is_not_asked_for_again() {
    let directory = TempDir::new().expect("made");
    block_on(async {
        let (object, faults) = object(Some(disk(&directory))).await;
        object.get_range(&object.path, 70_000..70_010).await.expect("read");
        assert_eq!(faults.totals()[&Operation::Get], 1);
        object.get_ranges(&object.path, &[65_536..131_072, 80_000..80_001]).await.expect("read");
        assert_eq!(faults.totals()[&Operation::Get], 1, "the whole page was kept");
        object.get_range(&object.path, 131_071..131_073).await.expect("read");
        assert_eq!(faults.totals()[&Operation::Get], 2, "one page was missing");
        assert_eq!((object.metrics.bucket_reads.get(), object.metrics.bucket_bytes.get()), (2, 2 * PAGE));
    });
}

#[test]
fn other_keys_and_conditions_pass_by() {
    let directory = TempDir::new().expect("made");
    block_on(async {
        let (object, faults) = object(Some(disk(&directory))).await;
        let other = Path::from("other");
        object.put(&other, "abc".into()).await.expect("stored");
        assert_eq!(object.get_range(&other, 1..2).await.expect("read"), "b");
        assert_eq!(object.get_ranges(&other, &[0..1, 1..3]).await.expect("read"), ["a", "bc"]);
        assert_eq!(object.head(&object.path).await.expect("there").size, SIZE as u64);
        assert_eq!(object.get(&object.path).await.expect("whole").bytes().await.expect("read").len(), SIZE);
        assert_eq!(faults.totals().values().sum::<u64>(), 5);
        let behind = object.get_ranges(&object.path, &[0..1, 0..SIZE as u64 + 1]).await;
        assert!(behind.is_err(), "{behind:?}");
    });
}
