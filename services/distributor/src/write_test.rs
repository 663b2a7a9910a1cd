//! Requests through the whole write path, against owners that do as they are told.

use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};
use bytes::Bytes;
use http_body_util::BodyExt;
use narthex_cluster::{CatchUp, Cluster, NotCurrent, Snapshot, Workspace};
use narthex_model::{Epoch, Labels, PartitionId, RingRevision, WorkspaceId, Zone};
use narthex_remote_write::{Encoder, synthetic::synthetic_request};
use narthex_ring::{Owner, Partition, PartitionState, Replication, Ring};
use narthex_rpc::{
    LocalPeer, PeerOptions, Peers,
    frame::Frame,
    v1::{PushRequest, PushResponse, SampleRefusal, push_server::Push, sample_refusal::Reason},
};
use narthex_service::Components;
use parking_lot::Mutex;
use tonic::{Request, Response, Status};

use crate::{PushSettings, Writer, WriterOptions, respond};

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// What an owner does with pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Stores,
    /// Stores all but the sample of this timestamp.
    Refuses(i64, Reason),
    Down,
    Hangs,
    /// Stores after a second.
    Slow,
    /// Refuses pushes of an epoch below this one.
    Epoch(u64),
    /// Stores, and speaks of another epoch.
    Forgetful,
}

#[derive(Debug)]
struct FakeOwner {
    mode: Mutex<Mode>,
    components: Components,
    /// Series and timestamp of every sample stored.
    stored: Mutex<BTreeSet<(String, i64)>>,
    pushes: Mutex<Vec<PushRequest>>,
}

#[tonic::async_trait]
impl Push for FakeOwner {
    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let request = request.into_inner();
        self.pushes.lock().push(request.clone());
        let mode = *self.mode.lock();
        match mode {
            Mode::Down => return Err(Status::unavailable("not ready")),
            Mode::Hangs => pending().await,
            Mode::Slow => self.components.clock.sleep(Duration::from_secs(1)).await,
            Mode::Epoch(epoch) if request.epoch < epoch => {
                return Err(Status::failed_precondition(format!("epoch is {epoch}")));
            }
            Mode::Stores | Mode::Refuses(..) | Mode::Epoch(_) | Mode::Forgetful => {}
        }
        let frame =
            Frame::parse(request.frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut refusals = Vec::new();
        for series in frame.series() {
            let labels =
                series.check_labels().map_err(|error| Status::invalid_argument(error.to_string()))?;
            for (sample, (timestamp, _)) in (series.first_sample..).zip(series.floats()) {
                match mode {
                    Mode::Refuses(refused, reason) if refused == timestamp => {
                        refusals.push(SampleRefusal { sample, reason: reason.into() });
                    }
                    _ => drop(self.stored.lock().insert((labels.to_string(), timestamp))),
                }
            }
        }
        let epoch = if mode == Mode::Forgetful { request.epoch + 1 } else { request.epoch };
        Ok(Response::new(PushResponse { ring_revision: request.ring_revision, epoch, refusals }))
    }
}

/// Installs a snapshot when asked to catch up.
struct Later(Mutex<Option<Snapshot>>);

#[tonic::async_trait]
impl CatchUp for Later {
    async fn catch_up(&self, cluster: &Cluster) -> Result<(), NotCurrent> {
        match self.0.lock().take() {
            Some(snapshot) => cluster.install(snapshot),
            None => return Err(NotCurrent("nobody there".into())),
        }
        Ok(())
    }
}

struct World {
    owners: Vec<Arc<FakeOwner>>,
    writer: Writer,
    later: Arc<Later>,
    components: Components,
    workspace: Workspace,
}

/// Owner `ordinal` of a zone, as the address in the ring and the peers.
fn address(zone: &str, ordinal: u32) -> String {
    format!("{zone}-{ordinal}")
}

fn snapshot(revision: u64, partitions: u32, epoch: u64) -> Snapshot {
    let owner = |zone: &str, id| Owner {
        instance: address(zone, id).into(),
        zone: Zone::from(zone),
        address: address(zone, id),
    };
    let partition = |id| Partition {
        id: PartitionId(id),
        state: PartitionState::Active,
        epoch: Epoch(epoch),
        owners: ZONES.map(|zone| owner(zone, id)).to_vec(),
    };
    let ring =
        Ring::new(RingRevision(revision), Replication::Three, (0..partitions).map(partition).collect());
    Snapshot { revision, ring: Arc::new(ring), ..Snapshot::empty(Replication::Three) }
}

impl World {
    /// Two partitions in three zones; `modes` are those of the zones' owners.
    fn new(modes: [Mode; 3]) -> Self {
        let components = Components::from_system(None);
        let peers = Peers::new(PeerOptions::default(), components.clock.clone());
        let mut owners = Vec::new();
        for (zone, mode) in ZONES.iter().zip(modes) {
            for ordinal in 0..3 {
                let owner = Arc::new(FakeOwner {
                    mode: Mutex::new(mode),
                    components: components.clone(),
                    stored: Mutex::default(),
                    pushes: Mutex::default(),
                });
                peers.add_local(
                    address(zone, ordinal),
                    LocalPeer { push: Some(owner.clone()), ..LocalPeer::default() },
                );
                owners.push(owner);
            }
        }
        let later = Arc::new(Later(Mutex::new(None)));
        let cluster = Cluster::new(snapshot(1, 2, 1), Some(later.clone()));
        let options = WriterOptions {
            push: PushSettings { timeout: Duration::from_millis(300), linger: Duration::from_secs(5) },
            ..WriterOptions::default()
        };
        let writer = Writer::new(options, cluster, peers, &components);
        let account = "123456789012".parse().expect("account");
        let workspace = Workspace::new(WorkspaceId::from_random(1), account);
        Self { owners, writer, later, components, workspace }
    }

    async fn post(&self, body: Vec<u8>) -> (u16, String) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        let response = respond(&self.writer, &self.workspace, &headers, Bytes::from(body)).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// In how many zones a sample is.
    fn copies(&self, series: &str, timestamp: i64) -> usize {
        let sample = (series.to_owned(), timestamp);
        self.owners.iter().filter(|owner| owner.stored.lock().contains(&sample)).count()
    }

    async fn wait_for_copies(&self, series: &str, timestamp: i64, copies: usize) {
        for _ in 0..500 {
            if self.copies(series, timestamp) == copies {
                return;
            }
            self.components.clock.sleep(Duration::from_millis(10)).await;
        }
        panic!("{} copies of {series}@{timestamp}, expected {copies}", self.copies(series, timestamp));
    }
}

fn samples(timestamps: &[i64]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for timestamp in timestamps {
        encoder.floats([("__name__", "up"), ("job", "x")], &[(*timestamp, 1.0)]);
    }
    encoder.finish()
}

const UP: &str = r#"{__name__="up", job="x"}"#;

#[tokio::test]
async fn a_write_is_acknowledged_with_every_sample_in_three_zones() {
    let world = World::new([Mode::Stores; 3]);
    assert_eq!(world.post(synthetic_request(0..200, 7)).await, (200, String::new()));
    for number in 0..200 {
        let series = narthex_remote_write::synthetic::SyntheticSeries::new(number);
        world.wait_for_copies(&Labels::from_pairs(series.labels()).to_string(), 7, 3).await;
    }
    let received: BTreeSet<_> = world
        .owners
        .iter()
        .flat_map(|owner| owner.pushes.lock().iter().map(|p| p.received_ms).collect::<Vec<_>>())
        .collect();
    assert_eq!(received.len(), 1, "the receive time is stamped once");
}

#[tokio::test]
async fn empty_and_metadata_only_requests_succeed() {
    for modes in [[Mode::Stores; 3], [Mode::Down; 3]] {
        let world = World::new(modes);
        assert_eq!(world.post(vec![0]).await.0, 200);
        let mut encoder = Encoder::new();
        encoder.metadata(&narthex_model::MetricMetadata { metric: "up".into(), ..Default::default() });
        assert_eq!(world.post(encoder.finish()).await.0, 200);
    }
}

#[tokio::test]
async fn one_zone_less_is_not_noticed_and_two_are_named() {
    for missing in [Mode::Down, Mode::Hangs, Mode::Forgetful] {
        let world = World::new([Mode::Stores, missing, Mode::Stores]);
        assert_eq!(world.post(samples(&[1])).await, (200, String::new()), "{missing:?}");
        assert!(world.copies(UP, 1) >= 2);

        let world = World::new([Mode::Stores, missing, Mode::Down]);
        let (status, text) = world.post(samples(&[1])).await;
        assert_eq!(status, 503);
        for part in ["partition ", "zone-b: ", "zone-c: unavailable: not ready"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
async fn a_slow_third_zone_gets_the_write_after_the_reply() {
    let world = World::new([Mode::Stores, Mode::Stores, Mode::Slow]);
    // Longer than the owner takes, so that only the lingering push can end it.
    let began = world.components.clock.monotonic();
    let world = World {
        writer: {
            let options = WriterOptions {
                push: PushSettings { timeout: Duration::from_secs(5), linger: Duration::from_secs(5) },
                ..WriterOptions::default()
            };
            let peers = Peers::new(PeerOptions::default(), world.components.clock.clone());
            for (at, owner) in world.owners.iter().enumerate() {
                let (zone, ordinal) = (ZONES[at / 3], at as u32 % 3);
                peers.add_local(
                    address(zone, ordinal),
                    LocalPeer { push: Some(owner.clone()), ..LocalPeer::default() },
                );
            }
            Writer::new(options, Cluster::new(snapshot(1, 2, 1), None), peers, &Components::from_system(None))
        },
        ..world
    };
    assert_eq!(world.post(samples(&[1])).await.0, 200);
    assert!(
        world.components.clock.monotonic() - began < Duration::from_millis(900),
        "the third is not waited for"
    );
    world.wait_for_copies(UP, 1, 3).await;
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_take_its_pushes_along() {
    let world = World::new([Mode::Stores; 3]);
    let request = world.writer.write(&world.workspace, samples(&[1]).into());
    tokio::select! {
        biased;
        _ = request => {}
        () = async { tokio::task::yield_now().await } => {}
    }
    world.wait_for_copies(UP, 1, 3).await;
}

#[tokio::test]
async fn samples_refused_by_a_quorum_are_named_and_the_rest_is_stored() {
    let refuses = Mode::Refuses(1, Reason::OutOfOrder);
    let world = World::new([refuses, refuses, Mode::Stores]);
    let (status, text) = world.post(samples(&[1, 2])).await;
    assert_eq!(status, 400);
    assert_eq!(
        text,
        format!("out of order sample: timestamp 1, series {UP} (1 out-of-order samples refused)\n")
    );
    world.wait_for_copies(UP, 2, 3).await;
}

#[tokio::test]
async fn a_sample_that_one_owner_refuses_waits_for_the_third() {
    let refuses = Mode::Refuses(1, Reason::NewValueForTimestamp);
    let world = World::new([refuses, Mode::Stores, Mode::Stores]);
    assert_eq!(world.post(samples(&[1])).await.0, 200);
    let world = World::new([refuses, Mode::Stores, Mode::Down]);
    assert_eq!(world.post(samples(&[1])).await.0, 503, "neither stored nor refused by two");
}

#[tokio::test]
async fn an_owner_that_sealed_the_window_counts_as_missing_for_the_sample() {
    let sealed = Mode::Refuses(1, Reason::Sealed);
    let world = World::new([sealed, Mode::Stores, Mode::Stores]);
    assert_eq!(world.post(samples(&[1, 2])).await.0, 200, "two others stored it");
    let world = World::new([sealed, sealed, Mode::Stores]);
    let (status, text) = world.post(samples(&[1, 2])).await;
    assert_eq!(status, 503, "never 400: {text}");
    assert!(text.contains("sealed"), "{text}");
    world.wait_for_copies(UP, 2, 3).await;
    let world = World::new([sealed, sealed, sealed]);
    assert_eq!(world.post(samples(&[1])).await.0, 503);
    let too_old = Mode::Refuses(1, Reason::TooOld);
    let world = World::new([sealed, too_old, too_old]);
    assert_eq!(world.post(samples(&[1])).await.0, 400, "two refuse it for good");
}

#[tokio::test]
async fn a_missing_quorum_outweighs_refusals() {
    let world = World::new([Mode::Stores, Mode::Down, Mode::Down]);
    let mut encoder = Encoder::new();
    encoder.floats([("job", "nameless")], &[(1, 1.0)]);
    encoder.floats([("__name__", "up"), ("job", "x")], &[(1, 1.0)]);
    assert_eq!(world.post(encoder.finish()).await.0, 503, "the sender must come again");
}

#[tokio::test]
async fn invalid_series_are_named_and_the_rest_is_stored() {
    let world = World::new([Mode::Stores; 3]);
    let mut encoder = Encoder::new();
    encoder.floats([("job", "nameless")], &[(1, 1.0)]);
    encoder.floats([("job", "x"), ("__name__", "up")], &[(1, 1.0)]);
    let (status, text) = world.post(encoder.finish()).await;
    assert_eq!((status, text.lines().count()), (400, 1));
    assert!(text.starts_with("invalid metric name or labels, got {job=\"nameless\"}"), "{text}");
    world.wait_for_copies(UP, 1, 3).await;
}

#[tokio::test]
async fn a_malformed_request_stores_nothing() {
    let world = World::new([Mode::Stores; 3]);
    let mut body = Encoder::new();
    body.floats([("__name__", "up"), ("job", "x")], &[(1, 1.0)]);
    let mut protobuf = body.body().to_vec();
    protobuf.extend_from_slice(&[0x0A, 0x7F]);
    let block = snap::raw::Encoder::new().compress_vec(&protobuf).expect("compresses");
    let (status, text) = world.post(block).await;
    assert_eq!(status, 400);
    assert!(text.contains("malformed write request at byte"), "{text}");
    assert_eq!(world.post(b"not snappy".to_vec()).await.0, 400);
    let (status, text) = world.post(vec![0x81, 0x80, 0x80, 0x10, 0]).await;
    assert_eq!(status, 413);
    assert!(text.contains("exceeds the limit of 33554432 bytes"), "{text}");
    assert!(world.owners.iter().all(|owner| owner.pushes.lock().is_empty()));
}

#[tokio::test]
async fn a_changed_ring_is_noticed_and_the_write_goes_to_the_new_one() {
    let world = World::new([Mode::Epoch(2); 3]);
    *world.later.0.lock() = Some(snapshot(2, 3, 2));
    assert_eq!(world.post(synthetic_request(0..50, 7)).await, (200, String::new()));
    for number in 0..50 {
        let series = narthex_remote_write::synthetic::SyntheticSeries::new(number);
        world.wait_for_copies(&Labels::from_pairs(series.labels()).to_string(), 7, 3).await;
    }
    let third: usize = (0..3).map(|zone| world.owners[zone * 3 + 2].stored.lock().len()).sum();
    assert!(third > 0, "the new partition has its share");
}

#[tokio::test]
async fn owners_that_stay_behind_are_unavailable_after_one_retry() {
    let world = World::new([Mode::Epoch(9); 3]);
    let (status, text) = world.post(samples(&[1])).await;
    assert_eq!(status, 503);
    assert!(text.contains("stale ring: epoch is 9"), "{text}");
    let pushes = world.owners.iter().map(|owner| owner.pushes.lock().len()).max();
    assert_eq!(pushes, Some(2));
}
