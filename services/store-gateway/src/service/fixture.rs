//! A gateway over blocks in memory, with faults on order, and what a plain filter over the same samples gives.

use std::{collections::BTreeMap, sync::Arc};

use narthex_block::{BlockMeta, BlockSchema, BlockWriter, OwnedSamples, WriterSettings};
use narthex_bucket::{
    faulty::{Faults, Faulty},
    layout,
};
use narthex_chunk::check_chunk;
use narthex_cluster::{Cluster, Snapshot};
use narthex_model::{
    BlockId, Labels, MatchOp, Matcher, TimeRange, TimestampMs, Value, WindowLength, WorkspaceId, resolve,
};
use narthex_ring::Replication;
use narthex_rpc::v1::{
    BlockRef, LabelMatcher, LabelMatchers, ReadContext, SelectRequest, SelectResponse, label_matcher::Op,
    select_response::Part, series_source_server::SeriesSource,
};
use narthex_service::Components;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use tempfile::TempDir;
use tonic::{Request, Status};

use futures::StreamExt;

use crate::{BlockArgs, CacheSettings, GatewayService, GatewaySettings, StoreGateway};

/// Samples by series and time.
pub(super) type Content = BTreeMap<Labels, BTreeMap<i64, Value>>;

pub(super) fn workspace() -> WorkspaceId {
    WorkspaceId::from_u128(7)
}

/// A gateway and the bucket behind it.
pub(super) struct TestGateway {
    pub(super) memory: Arc<InMemory>,
    pub(super) faults: Faults,
    pub(super) components: Components,
    pub(super) gateway: StoreGateway,
}

/// Ten-second windows: a few samples cross several.
fn window() -> WindowLength {
    WindowLength::from_millis(10_000).expect("a length")
}

pub(super) fn settings(cache: Option<&TempDir>) -> GatewaySettings {
    let cache =
        cache.map(|directory| CacheSettings { directory: directory.path().to_owned(), bytes: 4 << 20 });
    GatewaySettings { cache, threads: 2, ..GatewaySettings::from(&BlockArgs::new("unused")) }
}

impl TestGateway {
    pub(super) async fn new() -> Self {
        Self::over(Arc::default(), settings(None)).await
    }

    pub(super) async fn over(memory: Arc<InMemory>, settings: GatewaySettings) -> Self {
        let components = Components::from_system(None);
        let store: Arc<dyn ObjectStore> = Arc::clone(&memory) as Arc<dyn ObjectStore>;
        let (store, faults) =
            Faulty::new(store, components.clock.clone(), narthex_service::Random::from_seed(1));
        let cluster = Cluster::new(Snapshot::empty(Replication::One), None);
        let gateway = StoreGateway::open(settings, store, cluster, &components).await.expect("opened");
        Self { memory, faults, components, gateway }
    }

    pub(super) fn service(&self) -> GatewayService {
        self.gateway.service()
    }

    /// Writes a block and gives its reference.
    pub(super) async fn put(&self, number: u128, content: &Content) -> BlockRef {
        put(&self.memory, number, content, small_pages()).await
    }

    pub(super) async fn select(&self, request: SelectRequest) -> Result<Vec<SelectResponse>, Status> {
        let mut stream = self.service().select(Request::new(request)).await?.into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.next().await {
            messages.push(message?);
        }
        Ok(messages)
    }

    /// What a Select gives, checked against the protocol.
    pub(super) async fn content(&self, request: SelectRequest) -> Result<Content, Status> {
        Ok(read_answer(self.select(request).await?))
    }
}

/// Pages and row groups of a few rows.
pub(super) fn small_pages() -> WriterSettings {
    WriterSettings { row_group_rows: 7, label_page_rows: 2, sample_page_rows: 2, ..WriterSettings::default() }
}

pub(super) fn write(content: &Content, settings: WriterSettings) -> (Vec<u8>, BlockMeta) {
    let schema = BlockSchema::with_labels(["job"], |_| true, true);
    let mut writer = BlockWriter::new(schema, window(), settings).expect("a writer");
    for (labels, samples) in content {
        let mut owned = OwnedSamples::default();
        for (at, value) in samples {
            match value {
                Value::Float(value) => {
                    owned.timestamps.push(*at);
                    owned.values.push(*value);
                }
                Value::Histogram(histogram) => owned.histograms.push((*at, Arc::clone(histogram))),
            }
        }
        writer.push(labels, labels.series_hash(), owned.as_samples()).expect("in order");
    }
    writer.finish().expect("finished")
}

pub(super) async fn put(
    store: &InMemory,
    number: u128,
    content: &Content,
    settings: WriterSettings,
) -> BlockRef {
    let (bytes, meta) = write(content, settings);
    let id = BlockId::from_u128(number);
    store.put(&layout::block_data(workspace(), id), bytes.into()).await.expect("stored");
    block_ref(number, meta.bytes, meta.footer_length)
}

pub(super) fn block_ref(number: u128, bytes: u64, footer: u64) -> BlockRef {
    let footer_bytes = u32::try_from(footer).expect("a footer");
    BlockRef { id: number.to_be_bytes().to_vec().into(), bytes, footer_bytes }
}

pub(super) fn context(blocks: &[BlockRef], range: TimeRange) -> Option<ReadContext> {
    Some(ReadContext {
        workspace: workspace().to_bytes().to_vec().into(),
        min_ms: range.min.0,
        max_ms: range.max.0,
        blocks: blocks.to_vec(),
        ..ReadContext::default()
    })
}

pub(super) fn select(blocks: &[BlockRef], matchers: &[Matcher], range: TimeRange) -> SelectRequest {
    SelectRequest {
        context: context(blocks, range),
        matchers: wire(matchers).matchers,
        ..SelectRequest::default()
    }
}

pub(super) fn wire(matchers: &[Matcher]) -> LabelMatchers {
    let one = |matcher: &Matcher| LabelMatcher {
        name: matcher.name().to_owned(),
        value: matcher.value().to_owned(),
        op: match matcher.op() {
            MatchOp::Equal => Op::Equal,
            MatchOp::NotEqual => Op::NotEqual,
            MatchOp::Regex => Op::Regex,
            MatchOp::NotRegex => Op::NotRegex,
        } as i32,
    };
    LabelMatchers { matchers: matchers.iter().map(one).collect() }
}

pub(super) fn series(name: &str, job: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("instance", "a:1"), ("job", job)])
}

/// A series of floats at every second from `from` to before `to`; the value is the time.
pub(super) fn seconds(labels: &Labels, from: i64, to: i64) -> Content {
    let samples = (from..to).map(|second| (second * 1_000, Value::Float(second as f64)));
    Content::from([(labels.clone(), samples.collect())])
}

/// What all blocks together hold: of values that compete the preferred one.
pub(super) fn union(blocks: &[Content]) -> Content {
    let mut all = Content::new();
    for (labels, samples) in blocks.iter().flatten() {
        let into = all.entry(labels.clone()).or_default();
        for (at, value) in samples {
            let best = into.entry(*at).or_insert_with(|| value.clone());
            if resolve(value, best).is_gt() {
                *best = value.clone();
            }
        }
    }
    all
}

/// The plainest Select. Series without samples in the range are left out.
pub(super) fn filter(content: &Content, matchers: &[Matcher], range: TimeRange) -> Content {
    let matches = |labels: &Labels| {
        matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
    };
    let inside = |samples: &BTreeMap<i64, Value>| -> BTreeMap<i64, Value> {
        let inside = samples.iter().filter(|(at, _)| range.contains(TimestampMs(**at)));
        inside.map(|(at, value)| (*at, value.clone())).collect()
    };
    let selected = content.iter().filter(|(labels, _)| matches(labels));
    let selected = selected.map(|(labels, samples)| (labels.clone(), inside(samples)));
    selected.filter(|(_, samples)| !samples.is_empty()).collect()
}

/// The samples of an answer. Panics where the stream breaks the protocol: state, labels, chunks; all in order, none twice.
pub(super) fn read_answer(messages: Vec<SelectResponse>) -> Content {
    let mut messages = messages.into_iter().map(|message| message.part.expect("a part"));
    assert!(matches!(messages.next(), Some(Part::State(_))), "the state comes first");
    let (mut labels, mut samples, mut last) = (Vec::<Labels>::new(), Vec::new(), 0);
    for part in messages {
        match part {
            Part::Series(batch) => {
                assert!(samples.is_empty(), "labels come before samples");
                labels.extend(
                    batch.labels.into_iter().map(|bytes| Labels::from_canonical(bytes).expect("sound")),
                );
            }
            Part::Chunks(batch) => {
                samples.resize_with(labels.len(), BTreeMap::new);
                for chunk in batch.chunks {
                    let at = chunk.series as usize;
                    assert!(at >= last, "chunks come in the order of series");
                    last = at;
                    let chunk =
                        check_chunk(chunk.encoding, chunk.samples, chunk.min_ms, chunk.max_ms, chunk.data)
                            .expect("sound");
                    for (time, value) in chunk.samples().expect("sound") {
                        assert!(samples[at].insert(time, value).is_none(), "no sample comes twice");
                    }
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(labels.is_sorted_by(|a, b| a < b), "labels ascend");
    labels.into_iter().zip(samples).filter(|(_, samples)| !samples.is_empty()).collect()
}
