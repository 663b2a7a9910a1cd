//! Budgets, limits of label interfaces, streams that are given up, and large answers.

use std::collections::BTreeMap;

use narthex_model::{TimeRange, Value};
use narthex_rpc::v1::{
    LabelNamesRequest, LabelValuesRequest, MetadataRequest, SelectRequest, select_response::Part,
    series_source_server::SeriesSource,
};
use tonic::{Code, Request};

use futures::StreamExt;

use super::super::fixture::{Content, TestGateway, context, put, seconds, select, series, settings, union};
use crate::GatewaySettings;

#[tokio::test]
async fn a_budget_is_refused_and_one_that_suffices_is_not() {
    let gateway = TestGateway::new().await;
    let (a, b) = (series("up", "a"), series("up", "b"));
    let blocks = [
        gateway.put(1, &union(&[seconds(&a, 0, 30), seconds(&b, 0, 30)])).await,
        gateway.put(2, &union(&[seconds(&a, 20, 60), seconds(&b, 20, 60)])).await,
    ];
    let request = |series, samples, bytes| SelectRequest {
        max_series: series,
        max_samples: samples,
        max_bytes: bytes,
        ..select(&blocks, &[], TimeRange::ALL)
    };
    let all = gateway.content(request(2, 120, 0)).await.expect("enough");
    assert_eq!(all.values().map(BTreeMap::len).sum::<usize>(), 120, "samples of two blocks count once");
    for (request, text) in [
        (request(1, 0, 0), "series limit exceeded: more than 1"),
        (request(2, 119, 0), "samples limit exceeded: more than 119"),
        (request(0, 0, 20), "bytes limit exceeded: more than 20"),
    ] {
        let refused = gateway.content(request).await.expect_err("too much");
        assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, text));
    }
}

#[tokio::test]
async fn the_gateways_own_bounds_hold_whatever_the_caller_allows() {
    let bounded = GatewaySettings { max_series: 3, ..settings(None) };
    let gateway = TestGateway::over(Default::default(), bounded).await;
    let content = union(&[seconds(&series("up", "a"), 0, 3), seconds(&series("up", "b"), 0, 3)]);
    let blocks = [gateway.put(1, &content).await, gateway.put(2, &content).await];
    let refused =
        gateway.content(select(&blocks, &[], TimeRange::ALL)).await.expect_err("4 series of blocks");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("series of blocks limit exceeded: more than 3"), "{refused}");
    assert_eq!(gateway.content(select(&blocks[..1], &[], TimeRange::ALL)).await.expect("fits"), content);

    let no_memory = GatewaySettings { memory: 0, ..settings(None) };
    let gateway = TestGateway::over(Default::default(), no_memory).await;
    let block = [put(&gateway.memory, 1, &large(), Default::default()).await];
    let refused = gateway.content(select(&block, &[], TimeRange::ALL)).await.expect_err("over a MiB");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("memory of the store-gateway"), "{refused}");

    let no_reads = GatewaySettings { max_read: 10, ..settings(None) };
    let gateway = TestGateway::over(Default::default(), no_reads).await;
    let block = [gateway.put(1, &content).await];
    let refused = gateway.content(select(&block, &[], TimeRange::ALL)).await.expect_err("over 10 bytes");
    assert!(refused.message().contains("bytes read from a block limit exceeded: more than 10"), "{refused}");
}

#[tokio::test]
async fn label_interfaces_stop_at_their_limit() {
    let gateway = TestGateway::new().await;
    let blocks = [
        gateway.put(1, &seconds(&series("up", "b"), 0, 3)).await,
        gateway.put(2, &seconds(&series("up", "a"), 0, 3)).await,
    ];
    let (service, context) = (gateway.service(), context(&blocks, TimeRange::ALL));
    let names = LabelNamesRequest { context: context.clone(), selectors: Vec::new(), limit: 2 };
    let names = service.label_names(Request::new(names)).await.expect("answered").into_inner();
    assert_eq!(names.values, ["__name__", "instance"]);
    assert!(names.state.is_some());
    let values =
        LabelValuesRequest { context: context.clone(), selectors: Vec::new(), name: "job".into(), limit: 1 };
    let values = service.label_values(Request::new(values)).await.expect("answered").into_inner();
    assert_eq!(values.values, ["a"]);
    let metadata = MetadataRequest { context, metric: String::new(), limit: 0 };
    let metadata = service.metadata(Request::new(metadata)).await.expect("answered").into_inner();
    assert!(metadata.metadata.is_empty() && metadata.state.is_some(), "blocks have none");
}

#[tokio::test]
async fn no_blocks_are_an_empty_answer() {
    let gateway = TestGateway::new().await;
    assert_eq!(gateway.content(select(&[], &[], TimeRange::ALL)).await.expect("answered"), Content::new());
}

/// Series enough for many messages.
fn large() -> Content {
    let samples = |number: usize| -> BTreeMap<i64, Value> {
        // No decimals and no repetition, so that chunks stay large.
        (0..600).map(|at| (at, Value::Float(((at * 7 + number as i64) as f64).sqrt()))).collect()
    };
    (0..2_000).map(|number| (series(&format!("m{number:04}"), "a"), samples(number))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_comes_in_messages_of_bounded_size() {
    let gateway = TestGateway::new().await;
    let content = large();
    let block = put(&gateway.memory, 1, &content, Default::default()).await;
    let messages = gateway.select(select(&[block], &[], TimeRange::ALL)).await.expect("answered");
    let chunks = messages.iter().filter_map(|message| match &message.part {
        Some(Part::Chunks(batch)) => Some(batch.chunks.iter().map(|chunk| chunk.data.len()).sum::<usize>()),
        _ => None,
    });
    let sizes: Vec<usize> = chunks.collect();
    assert!(sizes.len() >= 3 && sizes.iter().all(|size| *size < 2 << 20), "{sizes:?}");
    assert_eq!(super::super::fixture::read_answer(messages), content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_given_up_ends_its_work() {
    let gateway = TestGateway::new().await;
    let block = put(&gateway.memory, 1, &large(), Default::default()).await;
    let metrics = gateway.service().metrics().clone();
    let request = select(&[block], &[], TimeRange::ALL);
    let mut stream = gateway.service().select(Request::new(request)).await.expect("answered").into_inner();
    stream.next().await.expect("the state").expect("sent");
    assert_eq!(metrics.running.get(), 1, "a slow reader holds its place");
    assert!(metrics.memory.get() > 1 << 20, "and its memory");
    drop(stream);
    let clock = gateway.components.clock.clone();
    for _ in 0..500 {
        if metrics.running.get() == 0 {
            break;
        }
        clock.sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((metrics.running.get(), metrics.memory.get()), (0, 0));
    assert!(metrics.samples.get() < 1_200_000, "the rest was not read: {}", metrics.samples.get());
}
