use narthex_ring::PartitionState;
use narthex_rpc::v1::{
    AggregateRequest, LabelMatcher, LabelMatchers, LabelNamesRequest, LabelValuesRequest, SelectRequest,
    SeriesRequest, aggregate_response, sample_refusal::Reason, select_response::Part,
    series_source_server::SeriesSource,
};
use tonic::{Code, Request};

use super::{
    Phase,
    fixture::{NOW, TestOwner, eventually, frame, read_context, select_all, snapshot},
};
use crate::recovery::Doubt;

#[tokio::test]
async fn what_was_pushed_is_answered_with_ring_and_epoch() {
    let owner = TestOwner::new(0);
    let answer = owner.push(1, 1, frame("up", &[(0, 1.0), (15_000, 2.0)])).await.expect("stored");
    assert_eq!((answer.epoch, answer.ring_revision, answer.refusals.len()), (1, 1, 0));
    let again = owner.push(1, 1, frame("up", &[(0, 1.0), (15_000, 3.0)])).await.expect("judged");
    let refusals: Vec<_> = again.refusals.iter().map(|refusal| (refusal.sample, refusal.reason())).collect();
    assert_eq!(refusals, vec![(1, Reason::NewValueForTimestamp)], "the same value again is a success (W-2)");

    let parts = owner.select(select_all(1)).await.expect("answered");
    let Part::State(state) = &parts[0] else { panic!("the state comes first: {parts:?}") };
    assert_eq!((state.ring_revision, state.epoch, state.manifest_revision), (1, 1, 0));
    assert_eq!(state.incarnation.len(), 16);
    let samples = owner.samples().await.expect("answered");
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].1, vec![(NOW, 1f64.to_bits()), (NOW + 15_000, 2f64.to_bits())]);
}

#[tokio::test]
async fn only_the_own_partition_epoch_and_known_workspaces_are_served() {
    let owner = TestOwner::new(0);
    let code = |result: Result<_, tonic::Status>| {
        result.map(|_: narthex_rpc::v1::PushResponse| ()).map_err(|s| s.code())
    };
    assert_eq!(code(owner.push(2, 1, frame("up", &[(0, 1.0)])).await), Err(Code::FailedPrecondition));
    assert_eq!(
        code(owner.push(1, 9, frame("up", &[(0, 1.0)])).await),
        Err(Code::Unavailable),
        "a ring never seen"
    );
    assert_eq!(code(owner.push(1, 1, bytes::Bytes::from_static(b"x")).await), Err(Code::InvalidArgument));
    let mut other = select_all(1);
    other.context.as_mut().expect("set").partition = 1;
    assert_eq!(owner.select(other).await.expect_err("not held").code(), Code::FailedPrecondition);

    let mut without = snapshot(2, PartitionState::Active, 1);
    without.workspaces.clear();
    owner.cluster.install(without);
    assert_eq!(code(owner.push(1, 2, frame("up", &[(0, 1.0)])).await), Err(Code::NotFound));
    owner.cluster.install(snapshot(3, PartitionState::Inactive, 1));
    assert_eq!(code(owner.push(1, 3, frame("up", &[(0, 1.0)])).await), Err(Code::FailedPrecondition));
    assert!(owner.samples().await.is_ok(), "an INACTIVE partition is read");
}

#[tokio::test]
async fn phases_refuse_with_their_reason_and_never_answer_empty() {
    let owner = TestOwner::new(0);
    for (phase, writes, text) in [
        (Phase::Replaying("segment 3 of 9".into()), false, "segment 3 of 9"),
        (Phase::Joining, false, "control plane"),
        (Phase::Recovering(Doubt::NewDisk), true, "RECOVERING (new disk)"),
    ] {
        owner.service.phase().set(phase);
        let push = owner.push(1, 1, frame("up", &[(0, 1.0)])).await;
        assert_eq!(push.is_ok(), writes, "{push:?}");
        let read = owner.samples().await.expect_err("not readable");
        assert_eq!(read.code(), Code::Unavailable);
        assert!(read.message().contains(text), "{read:?}");
        let names = LabelNamesRequest { context: Some(read_context(1)), ..LabelNamesRequest::default() };
        assert_eq!(
            owner.service.label_names(Request::new(names)).await.expect_err("neither").code(),
            Code::Unavailable
        );
    }
    owner.service.phase().set(Phase::Broken("fsync failed".into()));
    owner.service.phase().set(Phase::Serving);
    let push = owner.push(1, 1, frame("up", &[(0, 1.0)])).await.expect_err("a broken disk stays broken");
    assert!(push.message().contains("fsync failed"), "{push:?}");
}

#[tokio::test]
async fn a_new_epoch_waits_for_pushes_of_the_old_and_survives_a_restart() {
    let owner = TestOwner::new(0);
    let gate = owner.service.gate().expect("open");
    let pass = gate.enter(narthex_model::RingRevision(1)).await.expect("the first epoch");
    owner.cluster.install(snapshot(5, PartitionState::Active, 5));
    let service = owner.service.clone();
    let reading = tokio::spawn(async move { service.select(Request::new(select_all(5))).await.map(|_| ()) });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!reading.is_finished(), "a push of epoch 1 is still on its way");
    drop(pass);
    reading.await.expect("no panic").expect("answered in epoch 5");
    let old = owner.push(1, 1, frame("up", &[(0, 1.0)])).await.expect_err("epoch 1 is over");
    assert_eq!(old.code(), Code::FailedPrecondition);

    // The restarted owner has only heard of the old ring: it must not accept the old epoch again.
    owner.service.close().await;
    let TestOwner { service, directory, .. } = owner;
    drop(service);
    let owner = TestOwner::with(0, directory, snapshot(1, PartitionState::Active, 1));
    owner.service.phase().set(Phase::Serving);
    let push = owner.push(1, 1, frame("up", &[(0, 1.0)])).await.expect_err("behind its own record");
    assert_eq!(push.code(), Code::Unavailable, "{push:?}");
    owner.cluster.install(snapshot(6, PartitionState::Active, 5));
    owner.push(5, 6, frame("up", &[(0, 1.0)])).await.expect("caught up");
}

#[tokio::test]
async fn a_push_that_waits_for_a_newer_ring_is_taken_when_it_comes() {
    let owner = TestOwner::new(0);
    owner.cluster.install(snapshot(2, PartitionState::Active, 2));
    owner.push(2, 2, frame("up", &[(0, 1.0)])).await.expect("adopted on the way");
    eventually("adoption", &owner.components, || {
        owner.service.record().expect("open").get().adopted.epoch == narthex_model::Epoch(2)
    })
    .await;
}

#[tokio::test]
async fn budgets_end_an_answer_before_the_data_beyond_them() {
    let owner = TestOwner::new(0);
    let samples: Vec<_> = (0..500).map(|at| (at * 1_000, at as f64)).collect();
    owner.push(1, 1, frame("a", &samples)).await.expect("stored");
    owner.push(1, 1, frame("b", &samples)).await.expect("stored");
    for (request, ok) in [
        (SelectRequest { max_series: 1, ..select_all(1) }, false),
        (SelectRequest { max_samples: 999, ..select_all(1) }, false),
        (SelectRequest { max_bytes: 10, ..select_all(1) }, false),
        (SelectRequest { max_series: 2, max_samples: 1_000, max_bytes: 1 << 20, ..select_all(1) }, true),
    ] {
        let answer = owner.select(request.clone()).await;
        match answer {
            Ok(_) => assert!(ok, "{request:?}"),
            Err(status) => assert_eq!((ok, status.code()), (false, Code::ResourceExhausted), "{request:?}"),
        }
    }
}

#[tokio::test]
async fn aggregations_stay_in_the_budget_of_what_they_look_at() {
    let owner = TestOwner::new(0);
    let samples: Vec<_> = (0..500).map(|at| (at * 1_000, at as f64)).collect();
    for name in ["a", "b"] {
        owner.push(1, 1, frame(name, &samples)).await.expect("stored");
    }
    // Without a fragment: what is held, as digests.
    let request = AggregateRequest { context: Some(read_context(1)), ..AggregateRequest::default() };
    let ask = async |request: &AggregateRequest| {
        let stream = owner.service.aggregate(Request::new(request.clone())).await?.into_inner();
        let messages: Vec<_> = futures::StreamExt::collect(stream).await;
        match messages.into_iter().next_back().expect("a message")?.part {
            Some(aggregate_response::Part::End(end)) => Ok(end),
            part => panic!("the end comes last: {part:?}"),
        }
    };
    let end = ask(&request).await.expect("answered");
    assert_eq!((end.series, end.samples, end.refused), (2, 1_000, false));
    assert!(end.bytes > 1_000, "{} bytes", end.bytes);
    for (request, ok) in [
        (AggregateRequest { max_series: 1, ..request.clone() }, false),
        (AggregateRequest { max_samples: 999, ..request.clone() }, false),
        (AggregateRequest { max_bytes: end.bytes - 1, ..request.clone() }, false),
        (AggregateRequest { max_series: 2, max_samples: 1_000, max_bytes: end.bytes, ..request }, true),
    ] {
        let refused = ask(&request).await.err().map(|status: tonic::Status| status.code());
        assert_eq!(refused, (!ok).then_some(Code::ResourceExhausted), "{request:?}");
    }
}

#[tokio::test]
async fn names_values_and_series_are_sorted_and_limited() {
    let owner = TestOwner::new(0);
    for name in ["b", "a", "c"] {
        owner.push(1, 1, frame(name, &[(0, 1.0)])).await.expect("stored");
    }
    let matcher = |name: &str| LabelMatchers {
        matchers: vec![LabelMatcher { name: "__name__".into(), op: 0, value: name.into() }],
    };
    let values = LabelValuesRequest {
        context: Some(read_context(1)),
        name: "__name__".into(),
        selectors: vec![matcher("c"), matcher("a")],
        limit: 0,
    };
    let answer =
        owner.service.label_values(Request::new(values.clone())).await.expect("answered").into_inner();
    assert_eq!(answer.values, ["a", "c"]);
    let answer = owner.service.label_values(Request::new(LabelValuesRequest { limit: 1, ..values })).await;
    assert_eq!(answer.expect("answered").into_inner().values, ["a"]);
    let series = SeriesRequest { context: Some(read_context(1)), ..SeriesRequest::default() };
    let stream = owner.service.series(Request::new(series)).await.expect("answered").into_inner();
    let messages: Vec<_> = futures::StreamExt::collect(stream).await;
    assert_eq!(messages.len(), 2, "the state and one batch");
    let bad = LabelMatchers { matchers: vec![LabelMatcher { name: "a".into(), op: 2, value: "(".into() }] };
    let series = SeriesRequest { context: Some(read_context(1)), selectors: vec![bad], limit: 0 };
    let refused = owner.service.series(Request::new(series)).await.map(|_| ()).expect_err("no expression");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
