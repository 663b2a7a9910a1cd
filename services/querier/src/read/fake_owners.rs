//! Owners in memory: what each holds, and how it misbehaves. Gateways are among them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};
use narthex_chunk::{Encoding, encode_raw};
use narthex_model::{Epoch, InstanceId, Labels, PartitionId, RingRevision, TimeRange, TimestampMs, Zone};
use narthex_promql::{Control, SeriesData};
use narthex_pushdown::{Digests, OwnerRun, bucket_of, parse_fragment};
use narthex_ring::{Owner, Partition, PartitionState, Replication, Ring};
use narthex_rpc::{RpcError, v1};
use parking_lot::Mutex;

use super::{MessageStream, Owners, fake_blocks::FakeGateways};

/// A series and its samples.
pub(super) type Held = (Labels, Vec<(i64, f64)>);

/// What an owner does when it is asked.
#[derive(Debug, Clone, Default)]
pub(super) enum Conduct {
    /// Answers completely.
    #[default]
    Answers,
    /// Answers, then the stream breaks before its end.
    BreaksOff,
    /// Refuses.
    Refuses(RpcError),
    /// Sends its state and then nothing for ever.
    Hangs,
    /// Sends series out of order.
    Confused,
    /// Says what it holds, and hangs when it is asked for an aggregation.
    HangsAggregating,
}

/// One owner.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    pub(super) series: Vec<Held>,
    pub(super) epoch: u64,
    pub(super) ring_revision: u64,
    pub(super) manifest_revision: u64,
    pub(super) conduct: Conduct,
    /// Another partition may hold its series too.
    pub(super) foreign: bool,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            series: Vec::new(),
            epoch: 1,
            ring_revision: 1,
            manifest_revision: 0,
            conduct: Conduct::Answers,
            foreign: false,
        }
    }
}

impl Fake {
    pub(super) fn holding(name: &str, samples: &[(i64, f64)]) -> Self {
        let labels = Labels::from_pairs([("__name__", name)]);
        Self { series: vec![(labels, samples.to_vec())], ..Self::default() }
    }

    pub(super) fn acting(self, conduct: Conduct) -> Self {
        Self { conduct, ..self }
    }

    fn state(&self) -> v1::SourceState {
        let Self { epoch, ring_revision, manifest_revision, .. } = *self;
        v1::SourceState { epoch, ring_revision, manifest_revision, ..v1::SourceState::default() }
    }

    fn aggregated(&self, request: v1::AggregateRequest) -> Vec<v1::aggregate_response::Part> {
        use v1::aggregate_response::Part;
        let fragment =
            request.fragment.map(|message| parse_fragment(message, Vec::new()).expect("a fragment"));
        let agreed = request.agreed.map(Digests::from);
        let context = request.context.expect("every read has one");
        let range = TimeRange { min: TimestampMs(context.min_ms), max: TimestampMs(context.max_ms) };
        let mut series: Vec<&Held> = self.series.iter().collect();
        series.sort_by_key(|(labels, _)| (bucket_of(labels.series_hash()), labels.clone()));
        let control = Control::default();
        let mut run = OwnerRun::new(fragment.as_ref(), agreed.as_ref(), &control).expect("a run");
        for (labels, samples) in series {
            let mut data = SeriesData { labels: labels.clone(), ..SeriesData::default() };
            let within = samples.iter().filter(|(at, _)| range.contains(TimestampMs(*at)));
            (data.timestamps, data.values) = within.copied().unzip();
            let place = self.series.iter().filter(|other| other.0 < *labels).count();
            run.add(labels.series_hash(), place, data).expect("taken");
        }
        let outcome = run.finish().expect("an outcome");
        let differing = agreed.map(|agreed| outcome.differing(&agreed)).unwrap_or_default();
        let end = v1::AggregateEnd {
            digests: Some((&outcome.digests).into()),
            differing,
            refused: self.foreign,
            series: self.series.len() as u64,
            samples: outcome.samples,
            bytes: outcome.samples * 16,
        };
        outcome.answer.encode().into_iter().map(Part::Answer).chain([Part::End(end)]).collect()
    }

    fn messages(&self, buckets: &[u32]) -> Vec<v1::select_response::Part> {
        use v1::select_response::Part;
        let mut series = self.series.clone();
        series.retain(|(labels, _)| buckets.is_empty() || buckets.contains(&bucket_of(labels.series_hash())));
        series.sort_by(|a, b| a.0.cmp(&b.0));
        if matches!(self.conduct, Conduct::Confused) {
            series.reverse();
        }
        let labels = series.iter().map(|(labels, _)| labels.as_bytes().clone()).collect();
        let chunk = |(at, (_, samples)): (usize, &Held)| v1::Chunk {
            series: at as u32,
            encoding: Encoding::RawFloats.tag(),
            samples: samples.len() as u32,
            min_ms: samples[0].0,
            max_ms: samples[samples.len() - 1].0,
            data: encode_raw(samples.iter().copied()).into(),
        };
        let chunks =
            series.iter().enumerate().filter(|(_, (_, samples))| !samples.is_empty()).map(chunk).collect();
        vec![
            Part::State(self.state()),
            Part::Series(v1::SeriesBatch { labels }),
            Part::Chunks(v1::ChunkBatch { chunks }),
        ]
    }
}

/// All owners of a cluster, by name. Counts the calls and the streams that are still open.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeOwners {
    pub(super) owners: Arc<Mutex<HashMap<InstanceId, Fake>>>,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) gateways: FakeGateways,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeOwners {
    /// Owners `a`, `b`, `c` of every partition, named like `a-0`.
    pub(super) fn new(owners: impl IntoIterator<Item = (&'static str, Fake)>) -> Self {
        let owners = owners.into_iter().map(|(name, fake)| (InstanceId::from(name), fake)).collect();
        Self { owners: Arc::new(Mutex::new(owners)), ..Self::default() }
    }

    fn find(&self, owner: &Owner, context: Option<v1::ReadContext>) -> Result<Fake, RpcError> {
        let blocks = context.expect("every read has one").blocks;
        let fake = if blocks.is_empty() {
            self.asked.lock().push(owner.instance.to_string());
            let fake = self.owners.lock().get(&owner.instance).cloned();
            fake.ok_or_else(|| RpcError::Unavailable("nobody there".into()))?
        } else {
            self.gateways.find(&owner.instance, &blocks)?
        };
        match fake.conduct {
            Conduct::Refuses(error) => Err(error),
            _ => Ok(fake),
        }
    }

    fn strings(
        &self,
        owner: &Owner,
        context: Option<v1::ReadContext>,
        limit: u32,
    ) -> Result<v1::LabelsResponse, RpcError> {
        let fake = self.find(owner, context)?;
        let mut values: Vec<String> =
            fake.series.iter().map(|(labels, _)| labels.metric_name().to_owned()).collect();
        values.sort();
        values.truncate(if limit == 0 { usize::MAX } else { limit as usize });
        Ok(v1::LabelsResponse { state: Some(fake.state()), values })
    }
}

#[async_trait]
impl Owners for FakeOwners {
    async fn select(
        &self,
        owner: &Owner,
        request: v1::SelectRequest,
    ) -> Result<MessageStream<v1::SelectResponse>, RpcError> {
        let fake = self.find(owner, request.context.clone())?;
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(self.open.clone());
        let mut parts = fake.messages(&request.buckets);
        if matches!(fake.conduct, Conduct::Hangs) {
            parts.truncate(1);
        }
        let messages = stream::iter(parts).map(|part| Ok(v1::SelectResponse { part: Some(part) }));
        let broken = || Err(RpcError::Unavailable("connection lost".into()));
        let end = match fake.conduct {
            Conduct::BreaksOff => stream::iter([broken()]).boxed(),
            Conduct::Hangs => std::future::pending().into_stream().boxed(),
            _ => stream::empty().boxed(),
        };
        let all = messages.chain(end).map(move |message| {
            let _ = &open;
            message
        });
        Ok(all.boxed())
    }

    async fn aggregate(
        &self,
        owner: &Owner,
        request: v1::AggregateRequest,
    ) -> Result<MessageStream<v1::AggregateResponse>, RpcError> {
        use v1::aggregate_response::Part;
        let fake = self.find(owner, request.context.clone())?;
        if matches!(fake.conduct, Conduct::HangsAggregating) && request.fragment.is_some() {
            return std::future::pending().await;
        }
        let parts = fake.aggregated(request).into_iter();
        let parts = [Part::State(fake.state())].into_iter().chain(parts);
        let messages: Vec<_> = parts.map(|part| Ok(v1::AggregateResponse { part: Some(part) })).collect();
        Ok(stream::iter(messages).boxed())
    }

    async fn label_names(
        &self,
        owner: &Owner,
        request: v1::LabelNamesRequest,
    ) -> Result<v1::LabelsResponse, RpcError> {
        self.strings(owner, request.context, request.limit)
    }

    async fn label_values(
        &self,
        owner: &Owner,
        request: v1::LabelValuesRequest,
    ) -> Result<v1::LabelsResponse, RpcError> {
        self.strings(owner, request.context, request.limit)
    }

    async fn series(
        &self,
        owner: &Owner,
        request: v1::SeriesRequest,
    ) -> Result<MessageStream<v1::SeriesResponse>, RpcError> {
        use v1::series_response::Part;
        let fake = self.find(owner, request.context)?;
        let labels = fake.series.iter().map(|(labels, _)| labels.as_bytes().clone()).collect();
        let parts = [Part::State(fake.state()), Part::Series(v1::SeriesBatch { labels })];
        Ok(stream::iter(parts.map(|part| Ok(v1::SeriesResponse { part: Some(part) }))).boxed())
    }

    async fn metadata(
        &self,
        owner: &Owner,
        request: v1::MetadataRequest,
    ) -> Result<v1::MetadataResponse, RpcError> {
        let fake = self.find(owner, request.context)?;
        let entry = v1::MetricMetadata {
            metric: request.metric,
            r#type: 1,
            help: owner.instance.to_string(),
            unit: String::new(),
        };
        Ok(v1::MetadataResponse { state: Some(fake.state()), metadata: vec![entry] })
    }
}

/// A ring of ACTIVE partitions in epoch 1 with owners `a-N`, `b-N`, `c-N` in zones `a`, `b`, `c`.
pub(super) fn ring(revision: u64, partitions: u32) -> Ring {
    let owner = |zone: &str, id: u32| Owner {
        instance: format!("{zone}-{id}").into(),
        zone: Zone::from(zone),
        address: format!("{zone}-{id}:1"),
    };
    let partition = |id| Partition {
        id: PartitionId(id),
        state: PartitionState::Active,
        epoch: Epoch(1),
        owners: ["a", "b", "c"].map(|zone| owner(zone, id)).into(),
    };
    Ring::new(RingRevision(revision), Replication::Three, (0..partitions).map(partition).collect())
}
