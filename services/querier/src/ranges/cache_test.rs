//! Bounds of the cache: shares of workspaces, and who gives up what.

use std::sync::Arc;

use futures::FutureExt;
use narthex_model::{Labels, ManifestRevision, TimestampMs, WorkspaceId};
use narthex_promql::{Annotations, MatrixSeries, Notes, QueryResult, QueryStats, QueryValue, Reservation};
use narthex_service::Components;

use super::{
    CacheSettings,
    cache::{Cache, Key},
    extent::{Extent, Ground},
    stretch::Stretch,
};
use crate::{metrics::Metrics, reads::History};

const NOW: History = History { lost: ManifestRevision(0), retained_from: TimestampMs(i64::MIN) };
/// Bytes of an extent of [`extent`], more or less.
const ONE: u64 = 1_000 * 16;

fn extent(first: i64) -> Extent {
    let steps = Stretch { start: first, step: 1, count: 1_000 };
    let floats = (0..1_000).map(|at| (first + at, at as f64)).collect();
    let labels = Labels::from_pairs([("__name__", "up")]);
    let per_step = (0..1_000).map(|at| (first + at, 1)).collect();
    let result = QueryResult {
        value: QueryValue::Matrix(vec![MatrixSeries { labels, floats, histograms: Vec::new() }]),
        annotations: Annotations::default(),
        stats: QueryStats { total_queryable_samples: 1_000, per_step, peak_samples: 1 },
        memory: Reservation::default(),
    };
    let ground = Ground { reads_from: TimestampMs(first), history: NOW };
    Extent::of(&result, &Notes::default(), steps, ground).expect("a complete answer")
}

fn key(segment: i64) -> Key {
    Key { text: Arc::from("up"), lookback_ms: 1, step_ms: 1, phase_ms: 0, ends: None, segment }
}

fn cache(extents_of_all: u64, extents_of_one: u64) -> (Cache, Metrics) {
    let metrics = Metrics::register(&mut Components::from_system(None).registry.lock());
    let settings = CacheSettings {
        process: extents_of_all * (ONE + 1_000),
        workspace: extents_of_one * (ONE + 1_000),
        slack_ms: 0,
        folder: None,
        disk: 0,
    };
    (Cache::new(&settings, &metrics), metrics)
}

fn held(cache: &Cache, workspace: WorkspaceId) -> usize {
    (0..1_000)
        .filter(|segment| cache.get(workspace, &key(*segment)).now_or_never().flatten().is_some())
        .count()
}

#[test]
fn a_workspace_holds_no_more_than_its_share() {
    let (cache, metrics) = cache(20, 10);
    let workspace = WorkspaceId::from_u128(1);
    for segment in 0..100 {
        cache.add(workspace, key(segment), extent(0), &NOW, false);
    }
    let held = held(&cache, workspace);
    assert!((8..=11).contains(&held), "{held} extents");
    assert!(metrics.range_bytes.get() as u64 <= 10 * (ONE + 1_000), "{}", metrics.range_bytes.get());
    assert!(metrics.range_evictions.get() >= 80);
}

#[test]
fn a_greedy_workspace_does_not_push_out_what_a_modest_one_keeps() {
    let (cache, metrics) = cache(20, 15);
    let [modest, greedy, newcomer] = [1, 2, 3].map(WorkspaceId::from_u128);
    for segment in 0..3 {
        cache.add(modest, key(segment), extent(0), &NOW, false);
    }
    for segment in 0..200 {
        cache.add(greedy, key(segment), extent(0), &NOW, false);
    }
    assert_eq!(held(&cache, modest), 3);
    let before = held(&cache, greedy);
    assert!(before >= 12, "{before}: most of what the other leaves");
    for segment in 0..4 {
        cache.add(newcomer, key(segment), extent(0), &NOW, false);
    }
    assert_eq!((held(&cache, modest), held(&cache, newcomer)), (3, 4), "the greedy one gives up its own");
    assert!(held(&cache, greedy) < before);
    assert!(metrics.range_bytes.get() as u64 <= 20 * (ONE + 1_000), "{}", metrics.range_bytes.get());
    cache.retain(|workspace| *workspace != greedy);
    assert_eq!((held(&cache, greedy), held(&cache, modest)), (0, 3));
}

#[test]
fn neighbours_become_one_and_strangers_do_not() {
    let (cache, _) = cache(100, 100);
    let workspace = WorkspaceId::from_u128(1);
    let starts = || {
        let extents = cache.get(workspace, &key(0)).now_or_never().flatten().expect("some");
        extents.iter().map(|extent| (extent.steps.start, extent.steps.count)).collect::<Vec<_>>()
    };
    for first in [2_000, 0, 5_000, 1_000] {
        cache.add(workspace, key(0), extent(first), &NOW, false);
    }
    assert_eq!(starts(), [(0, 3_000), (5_000, 1_000)]);
    cache.add(workspace, key(0), extent(500), &NOW, false);
    assert_eq!(starts(), [(0, 3_000), (5_000, 1_000)], "nothing new");
    let later = History { lost: ManifestRevision(9), ..NOW };
    cache.add(workspace, key(0), extent(7_000), &later, false);
    assert_eq!(starts(), [(7_000, 1_000)], "what stands on another past is gone");
}
