use narthex_model::Incarnation;
use narthex_ring::PartitionState;
use narthex_rpc::Peers;
use tonic::Code;

use super::{Doubt, RecordStanding, recover};
use crate::service::{
    Phase,
    fixture::{NOW, TestOwner, eventually, frame, peers, snapshot},
};

/// The owner of zone 2 lost its disk: RECOVERING in epoch 2, which all know of.
fn lost(owners: &[&TestOwner]) -> TestOwner {
    let lost = TestOwner::new(2);
    lost.service
        .record()
        .expect("open")
        .update(|record| record.standing = RecordStanding::Recovering(Doubt::NewDisk))
        .expect("written");
    lost.service.phase().set(Phase::Recovering(Doubt::NewDisk));
    for owner in owners.iter().copied().chain([&lost]) {
        owner.cluster.install(snapshot(2, PartitionState::Active, 2));
    }
    lost
}

fn start(owner: &TestOwner, peers: &Peers) -> tokio::task::JoinHandle<()> {
    let (service, peers, components) = (owner.service.clone(), peers.clone(), owner.components.clone());
    tokio::spawn(async move { recover(&service, &peers, Doubt::NewDisk, &components).await })
}

#[tokio::test]
async fn the_union_of_both_others_is_copied_and_then_served() {
    let (left, right) = (TestOwner::new(0), TestOwner::new(1));
    let many: Vec<_> = (0..400).map(|at| (at * 1_000, at as f64)).collect();
    left.push(1, 1, frame("both", &many)).await.expect("stored");
    right.push(1, 1, frame("both", &many[..390])).await.expect("stored");
    left.push(1, 1, frame("left", &[(0, 1.0)])).await.expect("stored");
    right.push(1, 1, frame("right", &[(0, f64::NAN)])).await.expect("stored");
    let lost = lost(&[&left, &right]);
    lost.push(2, 2, frame("new", &[(0, 5.0)])).await.expect("writes are taken while recovering");
    let peers = peers(&[(0, &left), (1, &right), (2, &lost)]);
    start(&lost, &peers).await.expect("recovered");
    assert_eq!(lost.service.phase().get(), Phase::Serving);
    assert_eq!(lost.service.record().expect("open").get().standing, RecordStanding::Complete);
    let samples = lost.samples().await.expect("served");
    let names: Vec<_> = samples.iter().map(|(labels, _)| labels.metric_name().to_owned()).collect();
    assert_eq!(names, ["both", "left", "new", "right"]);
    assert_eq!(samples[0].1.len(), 400);
    assert_eq!(samples[3].1, vec![(NOW, f64::NAN.to_bits())]);
    let old = left.push(1, 1, frame("both", &[(1_000_000, 1.0)])).await.expect_err("the fence is up");
    assert_eq!(
        old.code(),
        Code::FailedPrecondition,
        "nothing of the lost disk's epoch is stored after the copy"
    );
}

#[tokio::test]
async fn one_source_is_not_enough_and_a_recovering_one_is_none() {
    let (left, right) = (TestOwner::new(0), TestOwner::new(1));
    right.push(1, 1, frame("only", &[(0, 1.0)])).await.expect("stored");
    let lost = lost(&[&left, &right]);
    right.service.phase().set(Phase::Recovering(Doubt::Quarantined));
    let peers = peers(&[(0, &left), (1, &right), (2, &lost)]);
    let running = start(&lost, &peers);
    eventually("two failed attempts", &lost.components, || {
        lost.service.metrics().recovery_failures.get() >= 2
    })
    .await;
    assert!(!running.is_finished(), "the only owner of a sample cannot be asked yet");
    assert_eq!(lost.samples().await.expect_err("not complete").code(), Code::Unavailable);
    right.service.phase().set(Phase::Serving);
    running.await.expect("recovered");
    assert_eq!(lost.samples().await.expect("served").len(), 1);
}

#[tokio::test]
async fn a_source_on_an_older_ring_is_not_copied() {
    let (left, right) = (TestOwner::new(0), TestOwner::new(1));
    let lost = lost(&[&left]);
    let peers = peers(&[(0, &left), (1, &right), (2, &lost)]);
    let running = start(&lost, &peers);
    eventually("a failed attempt", &lost.components, || lost.service.metrics().recovery_failures.get() >= 1)
        .await;
    assert!(!running.is_finished(), "it may still store what the lost disk acknowledged");
    right.cluster.install(snapshot(2, PartitionState::Active, 2));
    running.await.expect("recovered");
}

#[tokio::test]
async fn nothing_is_written_that_the_owner_had() {
    let (left, right) = (TestOwner::new(0), TestOwner::new(1));
    let lost = lost(&[&left, &right]);
    let samples: Vec<_> = (0..50).map(|at| (at * 1_000, at as f64)).collect();
    for owner in [&left, &right, &lost] {
        owner.push(2, 2, frame("all", &samples)).await.expect("stored");
    }
    left.push(2, 2, frame("all", &[(60_000, 1.0)])).await.expect("stored");
    let peers = peers(&[(0, &left), (1, &right), (2, &lost)]);
    start(&lost, &peers).await.expect("recovered");
    assert_eq!(lost.service.metrics().recovery_samples.get(), 1);
    assert_ne!(lost.service.record().expect("open").get().incarnation, Incarnation(0));
}
