//! Blocks that are missing, damaged or cut off, and a bucket that is away: with their names, and only who needs them.

use std::sync::Arc;

use narthex_bucket::{
    Operation,
    faulty::{Failure, Fault, Keys, Rule},
    layout,
};
use narthex_model::{BlockId, MatchOp, Matcher, TimeRange};
use narthex_rpc::v1::{BlockRef, LabelNamesRequest, series_source_server::SeriesSource};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use tempfile::TempDir;
use tonic::{Code, Request};

use super::super::fixture::{
    TestGateway, block_ref, context, seconds, select, series, settings, union, workspace,
};
use crate::metrics::{KindLabel, Outcome, RequestLabels};

fn path(number: u128) -> Path {
    layout::block_data(workspace(), BlockId::from_u128(number))
}

async fn bytes(memory: &InMemory, number: u128) -> Vec<u8> {
    memory.get(&path(number)).await.expect("there").bytes().await.expect("read").to_vec()
}

/// Three blocks, of which a test breaks the second.
async fn gateway(cache: Option<&TempDir>) -> (TestGateway, Vec<BlockRef>) {
    let gateway = TestGateway::over(Arc::default(), settings(cache)).await;
    let mut blocks = Vec::new();
    for number in 1..=3 {
        let from = number as i64 * 100;
        blocks.push(gateway.put(number, &seconds(&series("up", "a"), from, from + 50)).await);
    }
    (gateway, blocks)
}

async fn expect_named(gateway: &TestGateway, blocks: &[BlockRef], code: Code) -> String {
    let id = BlockId::from_u128(2).to_string();
    let names = LabelNamesRequest { context: context(blocks, TimeRange::ALL), ..Default::default() };
    let names = gateway.service().label_names(Request::new(names)).await;
    let select = gateway.content(select(blocks, &[], TimeRange::ALL)).await;
    for status in [names.expect_err("needs the block"), select.expect_err("needs the block")] {
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(&id), "{status}");
    }
    let sound = [blocks[0].clone(), blocks[2].clone()];
    let others = gateway.content(super::super::fixture::select(&sound, &[], TimeRange::ALL)).await;
    assert_eq!(others.expect("the others answer").len(), 1);
    id
}

#[tokio::test]
async fn a_missing_block_is_named_and_all_others_answer() {
    let (gateway, blocks) = gateway(None).await;
    gateway.memory.delete(&path(2)).await.expect("deleted");
    expect_named(&gateway, &blocks, Code::NotFound).await;
    let metrics = gateway.service().metrics().clone();
    assert_eq!(metrics.errors.get_or_create(&KindLabel { kind: "missing" }).get(), 2);
    let labels = RequestLabels { method: "select", outcome: Outcome::Missing };
    assert_eq!(metrics.requests.get_or_create(&labels).get(), 1);
}

#[tokio::test]
async fn a_damaged_block_is_named_and_read_anew_once_it_is_repaired() {
    // In the length of the footer, and in the footer.
    for from_end in [5, 40] {
        let directory = TempDir::new().expect("made");
        let (gateway, blocks) = gateway(Some(&directory)).await;
        let sound = bytes(&gateway.memory, 2).await;
        let mut damaged = sound.clone();
        damaged[sound.len() - from_end] ^= 0xFF;
        gateway.memory.put(&path(2), damaged.into()).await.expect("stored");
        expect_named(&gateway, &blocks, Code::DataLoss).await;
        gateway.memory.put(&path(2), sound.clone().into()).await.expect("stored");
        let answer = gateway.content(select(&blocks, &[], TimeRange::ALL)).await.expect("repaired");
        assert_eq!(answer.values().next().expect("a series").len(), 150);
    }
}

#[tokio::test]
async fn damage_among_the_samples_ends_the_stream_with_an_error() {
    let (gateway, blocks) = gateway(None).await;
    let sound = bytes(&gateway.memory, 2).await;
    let footer = blocks[1].footer_bytes as usize;
    // Whatever lies before the footer: label pages, sample pages, bloom filters.
    let right = gateway.content(select(&blocks, &[], TimeRange::ALL)).await.expect("sound");
    let (mut refused, step) = (0, (sound.len() - footer) / 24);
    for at in (4..sound.len() - footer).step_by(step.max(1)) {
        let mut damaged = sound.clone();
        damaged[at..(at + 8).min(sound.len() - footer)].fill(0xA5);
        gateway.memory.put(&path(2), damaged.into()).await.expect("stored");
        // Another question each time: what was found for one is not read again.
        let all = Matcher::new("none", MatchOp::NotEqual, &at.to_string()).expect("compiles");
        match gateway.content(select(&blocks, &[all], TimeRange::ALL)).await {
            // Bytes that nobody reads for this answer, or that still decode: what those mean only the block's format can tell.
            Ok(answer) => assert_eq!(answer.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>()),
            Err(status) => {
                assert_eq!(status.code(), Code::DataLoss, "{status}");
                refused += 1;
            }
        }
    }
    assert!(refused > 5, "{refused}");
    gateway.memory.put(&path(2), sound.into()).await.expect("stored");
    assert_eq!(gateway.content(select(&blocks, &[], TimeRange::ALL)).await.expect("sound"), right);
}

#[tokio::test]
async fn a_block_of_another_size_is_damaged() {
    let (gateway, mut blocks) = gateway(None).await;
    let sound = bytes(&gateway.memory, 2).await;
    // Cut so far that the footer's place is behind the end, and cut by a byte.
    for length in [20, sound.len() - 1] {
        gateway.memory.put(&path(2), sound[..length].to_vec().into()).await.expect("stored");
        expect_named(&gateway, &blocks, Code::DataLoss).await;
    }
    gateway.memory.put(&path(2), sound.clone().into()).await.expect("stored");
    blocks[1] = block_ref(2, sound.len() as u64 - 10, 30);
    expect_named(&gateway, &blocks, Code::DataLoss).await;
}

#[tokio::test]
async fn a_bucket_that_is_away_is_unavailable_and_what_is_cached_still_answers() {
    let directory = TempDir::new().expect("made");
    let (gateway, blocks) = gateway(Some(&directory)).await;
    let answer = gateway.content(select(&blocks[..1], &[], TimeRange::ALL)).await.expect("there");
    let clock = gateway.components.clock.clone();
    let written = gateway.service().metrics().cache.pages.clone();
    for _ in 0..500 {
        if written.get() > 0 {
            break;
        }
        clock.sleep(std::time::Duration::from_millis(5)).await;
    }
    let away = gateway.faults.add(Rule::new(Fault::Before(Failure::Unavailable)));
    let refused = gateway.content(select(&blocks, &[], TimeRange::ALL)).await.expect_err("away");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("503"), "{refused}");
    let again = gateway.content(select(&blocks[..1], &[], TimeRange::ALL)).await.expect("cached");
    assert_eq!(again, answer);
    gateway.faults.remove(away);
    assert!(gateway.content(select(&blocks, &[], TimeRange::ALL)).await.is_ok());

    let forbidden =
        Rule::new(Fault::Before(Failure::PermissionDenied)).on([Operation::Get]).keys(Keys::Blocks);
    gateway.faults.add(forbidden);
    let other = gateway.put(4, &union(&[seconds(&series("up", "b"), 0, 9)])).await;
    let refused = gateway.content(select(&[other], &[], TimeRange::ALL)).await.expect_err("forbidden");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}
