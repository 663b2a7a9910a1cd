//! The distributor's share of the write path: decode, validate, hash, route and build frames, without network and head.
//!
//! 2,000 series of ten labels with one sample each, as senders batch them. Throughput is in samples.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use narthex_distributor::{RequestLimits, Scratch};
use narthex_model::{Epoch, PartitionId, RingRevision};
use narthex_remote_write::{
    Decompressor, MAX_DECODED_BYTES, Series, WriteRequest, synthetic::synthetic_request,
};
use narthex_ring::{Partition, PartitionState, Replication, Ring};
use narthex_rpc::frame::Frame;

const SERIES: u64 = 2_000;

fn ring(partitions: u32) -> Ring {
    let partition = |id| Partition {
        id: PartitionId(id),
        state: PartitionState::Active,
        epoch: Epoch(1),
        owners: Vec::new(),
    };
    Ring::new(RingRevision(1), Replication::Three, (0..partitions).map(partition).collect())
}

fn write_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write_path");
    group.throughput(Throughput::Elements(SERIES));
    let block = synthetic_request(0..SERIES, 1_700_000_000_000);

    let mut decompressor = Decompressor::new();
    group.bench_function("decompress", |bencher| {
        bencher.iter(|| decompressor.decompress(&block, MAX_DECODED_BYTES).map(<[u8]>::len));
    });
    let body = decompressor.decompress(&block, MAX_DECODED_BYTES).expect("own block").to_vec();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let (mut request, mut series) = (WriteRequest::new(&body), Series::new(150));
            let mut labels = 0;
            while let Ok(Some(_)) = request.next_entry(&mut series) {
                labels += series.labels.len();
            }
            labels
        });
    });
    for partitions in [1, 2, 16] {
        let (ring, mut scratch) = (ring(partitions), Scratch::new(RequestLimits::default()));
        group.bench_function(format!("prepare_{partitions}_partitions"), |bencher| {
            bencher.iter(|| scratch.prepare(&ring, &block).expect("valid").samples);
        });
    }
    let prepared = Scratch::new(RequestLimits::default()).prepare(&ring(1), &block).expect("valid");
    group.bench_function("parse_frame", |bencher| {
        bencher.iter(|| Frame::parse(prepared.frames[0].frame.clone()).expect("own frame").sample_count());
    });
    group.finish();
}

criterion_group!(benches, write_path);
criterion_main!(benches);
