use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use super::*;
use crate::cache::BlockKey;

fn settings(directory: &TempDir, bytes: u64) -> CacheSettings {
    CacheSettings { directory: directory.path().to_owned(), bytes }
}

fn open(directory: &TempDir, bytes: u64) -> DiskCache {
    DiskCache::open(&settings(directory, bytes), CacheMetrics::default()).expect("opened")
}

fn write(cache: &DiskCache, pages: &[Page]) {
    cache.queue(pages.to_vec(), 0).expect("room").write();
}

fn key(number: u64) -> PageKey {
    BlockKey::new(narthex_model::WorkspaceId::from_u128(1), narthex_model::BlockId::from_u128(2), 3)
        .page(number)
}

fn page(number: u64, length: usize) -> Page {
    let bytes: Vec<u8> = (0..length).map(|at| (at as u64 * 31 + number) as u8).collect();
    Page { key: key(number), bytes: bytes.into() }
}

fn flip_byte(directory: &TempDir, file: &str, at: u64) {
    let path = directory.path().join(file);
    let file = OpenOptions::new().read(true).write(true).open(path).expect("there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("long enough");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
}

#[test]
fn pages_survive_a_restart() {
    let directory = TempDir::new().expect("made");
    let pages: Vec<Page> =
        [1, 100, PAGE as usize].into_iter().zip(0..).map(|(length, number)| page(number, length)).collect();
    let cache = open(&directory, 1 << 20);
    write(&cache, &pages);
    drop(cache);
    let cache = open(&directory, 1 << 20);
    let read = cache.read(&[key(2), key(0), key(9), key(1)]);
    let expected = [Some(&pages[2]), Some(&pages[0]), None, Some(&pages[1])];
    assert_eq!(read, expected.map(|page| page.map(|page| page.bytes.clone())));
    let metrics = &cache.0.metrics;
    assert_eq!((metrics.hits.get(), metrics.misses.get(), metrics.damaged.get()), (3, 1, 0));
    assert_eq!((metrics.pages.get(), metrics.read_bytes.get()), (3, PAGE + 101));
}

#[test]
fn a_flipped_byte_is_noticed_and_the_page_is_kept_anew() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 1 << 20);
    write(&cache, &[page(0, 500), page(1, 500)]);
    flip_byte(&directory, "pages", 499);
    assert_eq!(cache.read(&[key(0)]), [None]);
    assert_eq!(cache.0.metrics.damaged.get(), 1);
    assert!(cache.read(&[key(1)])[0].is_some(), "its neighbour is sound");
    write(&cache, &[page(0, 500)]);
    assert_eq!(cache.read(&[key(0)]), [Some(page(0, 500).bytes)]);
    drop(cache);

    flip_byte(&directory, "table", record_place(1) + 3);
    let cache = open(&directory, 1 << 20);
    assert_eq!(cache.read(&[key(1)]), [None], "a damaged record is an empty slot");
    assert!(cache.read(&[key(0)])[0].is_some());
}

#[test]
fn bytes_of_another_page_are_not_taken() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 1 << 20);
    write(&cache, &[page(0, 500)]);
    // As if the process had died between the bytes of another page and its record.
    let file = OpenOptions::new().write(true).open(directory.path().join("pages")).expect("there");
    file.write_all_at(&page(7, 500).bytes, 0).expect("written");
    assert_eq!(cache.read(&[key(0)]), [None]);
}

#[test]
fn the_files_stay_within_their_size_and_shrink_with_it() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 2 << 20);
    (0..100).for_each(|number| write(&cache, &[page(number, PAGE as usize)]));
    let length = |name: &str| fs::metadata(directory.path().join(name)).expect("there").len();
    assert!(length("pages") + length("table") <= 2 << 20);
    assert_eq!((cache.0.metrics.evicted.get(), cache.0.metrics.pages.get()), (69, 31));
    assert_eq!(cache.read(&[key(99)]), [Some(page(99, PAGE as usize).bytes)]);
    drop(cache);

    let cache = open(&directory, 1 << 20);
    assert!(length("pages") + length("table") <= 1 << 20);
    let kept = (0..100).filter(|number| cache.read(&[key(*number)])[0].is_some()).count();
    assert_eq!((kept, cache.0.metrics.damaged.get()), (15, 0));
}

#[test]
fn another_format_begins_empty() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 1 << 20);
    write(&cache, &[page(0, 500)]);
    drop(cache);
    flip_byte(&directory, "table", 8);
    let cache = open(&directory, 1 << 20);
    assert_eq!(cache.read(&[key(0)]), [None]);
    write(&cache, &[page(0, 500)]);
    drop(cache);
    assert!(open(&directory, 1 << 20).read(&[key(0)])[0].is_some());
}

#[test]
fn one_process_has_a_directory_and_useless_settings_are_refused() {
    let directory = TempDir::new().expect("made");
    let _cache = open(&directory, 1 << 20);
    let second = DiskCache::open(&settings(&directory, 1 << 20), CacheMetrics::default());
    assert!(matches!(second, Err(CacheError::InUse(_))), "{second:?}");
    let other = TempDir::new().expect("made");
    let small = DiskCache::open(&settings(&other, 1_000), CacheMetrics::default());
    assert!(matches!(small, Err(CacheError::TooSmall(1_000))), "{small:?}");
    let file = other.path().join("file");
    fs::write(&file, "x").expect("written");
    let no_directory = CacheSettings { directory: file.join("below"), bytes: 1 << 20 };
    let refused = DiskCache::open(&no_directory, CacheMetrics::default()).expect_err("no directory");
    assert!(refused.to_string().contains("below"), "{refused}");
}

#[test]
fn a_full_queue_of_writes_keeps_nothing_more() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 1 << 20);
    let first = cache.queue(Vec::new(), WRITE_QUEUE_BYTES).expect("empty");
    assert!(cache.queue(vec![page(0, 500)], 1).is_none());
    assert_eq!((cache.0.metrics.skipped.get(), cache.read(&[key(0)])), (1, vec![None]));
    drop(first);
    assert!(cache.queue(vec![page(0, 500)], 500).is_some());
}

#[test]
fn a_page_is_read_while_it_waits_to_be_written() {
    let directory = TempDir::new().expect("made");
    let cache = open(&directory, 1 << 20);
    let there = |number| cache.read(&[key(number)]) == [Some(page(number, 500).bytes)];
    let pages = vec![page(0, 500), page(1, 500)];
    let (one, other) = (cache.queue(pages.clone(), 1_000), cache.queue(pages, 1_000));
    assert!(there(0) && there(1));
    cache.forget([key(1)].into_iter());
    assert!(there(0) && !there(1));
    one.expect("room").write();
    assert!(there(0) && !there(1), "what was forgotten is not written");
    drop(other);
    assert!(there(0));
    drop(cache.queue(vec![page(2, 500)], 500));
    assert!(!there(2), "given up");
    let queue = cache.0.queue.lock();
    assert_eq!((queue.bytes, queue.pages.len(), cache.0.metrics.pages.get()), (0, 0, 1));
}
