use futures::FutureExt;
use narthex_service::{Random, SystemClock};
use object_store::{list::PaginatedListResult, memory::InMemory};
use parking_lot::Mutex;

use super::*;
use crate::{
    Operation,
    faulty::{Faulty, Keys},
};

/// A provider of numbered keys that notes how many keys it was asked for; its own pages have 1,000.
#[derive(Debug)]
struct Provider {
    keys: usize,
    asked: Mutex<Vec<Option<usize>>>,
}

#[async_trait]
impl PaginatedListStore for Provider {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        assert_eq!(prefix, Some("p/"));
        self.asked.lock().push(options.max_keys);
        let start: usize = options.page_token.map_or(0, |token| token.parse().expect("our token"));
        let end = self.keys.min(start + options.max_keys.unwrap_or(1000));
        let objects = (start..end)
            .map(|number| ObjectMeta {
                location: Path::from(format!("p/{number:06}")),
                last_modified: Default::default(),
                size: 1,
                e_tag: None,
                version: None,
            })
            .collect();
        let result = ListResult { common_prefixes: Vec::new(), objects, extensions: Default::default() };
        Ok(PaginatedListResult { result, page_token: (end < self.keys).then(|| end.to_string()) })
    }
}

async fn listed(keys: usize, take: usize) -> (Vec<ObjectMeta>, Vec<Option<usize>>) {
    let provider = Arc::new(Provider { keys, asked: Mutex::default() });
    let inner = Arc::new(InMemory::new());
    let store = Uniform::new(inner, Lists::Paged(provider.clone()), Deletes::Lenient);
    let list = store.list(Some(&Path::from("p"))).take(take);
    let found = list.try_collect().await.expect("listed");
    let asked = provider.asked.lock().clone();
    (found, asked)
}

#[tokio::test]
async fn the_first_key_costs_one_small_request_and_all_keys_few_large_ones() {
    let (found, asked) = listed(5000, 1).await;
    assert_eq!((found.len(), asked), (1, vec![Some(FIRST_PAGE)]));
    let (found, asked) = listed(2500, usize::MAX).await;
    assert!(found.iter().map(|meta| meta.location.to_string()).eq((0..2500).map(|n| format!("p/{n:06}"))));
    assert_eq!(asked, [Some(FIRST_PAGE), None, None, None]);
    assert_eq!(listed(0, 1).await, (Vec::new(), vec![Some(FIRST_PAGE)]));
    assert_eq!(listed(FIRST_PAGE, usize::MAX).await.1, [Some(FIRST_PAGE)]);
}

#[tokio::test]
async fn absent_keys_may_be_deleted_where_the_backend_minds() {
    let directory = tempfile::tempdir().expect("a folder");
    let local = object_store::local::LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
    assert!(local.delete(&Path::from("a")).await.is_err(), "the wrapper has a reason");
    let store = Uniform::new(Arc::new(local), Lists::Sorted, Deletes::Strict);
    store.delete(&Path::from("a")).await.expect("lenient");
}

#[tokio::test]
async fn a_list_is_lazy() {
    let (inner, faults) = Faulty::new(Arc::new(InMemory::new()), SystemClock::shared(), Random::from_seed(1));
    let store = Uniform::new(inner, Lists::Sorted, Deletes::Strict);
    let mut list = store.list(None);
    assert_eq!(faults.count(Operation::List, &Keys::Any), 0);
    assert!(list.next().now_or_never().expect("memory answers at once").is_none());
    assert_eq!(faults.count(Operation::List, &Keys::Any), 1);
}

#[tokio::test]
async fn a_directory_lists_by_bytes_and_not_by_folders() {
    let directory = tempfile::tempdir().expect("a folder");
    let local = object_store::local::LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
    let store = Uniform::new(Arc::new(local), Lists::Sorted, Deletes::Strict);
    let sorted = ["a-b", "a.b", "a/a", "a/b/c", "a0"];
    for key in ["a0", "a/b/c", "a.b", "a/a", "a-b"] {
        store.put(&Path::from(key), "x".into()).await.expect("written");
    }
    let listed: Vec<_> =
        store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.expect("listed");
    assert_eq!(listed, sorted);
    let after = store.list_with_offset(None, &Path::from("a/a")).map_ok(|meta| meta.location.to_string());
    assert_eq!(after.try_collect::<Vec<_>>().await.expect("listed"), sorted[3..]);
}
