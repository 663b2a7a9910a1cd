//! What a push to an owner in another process costs, plain and compressed: CPU time of sender and receiver together, through real
//! gRPC on loopback, the frame parsed at the receiver. Throughput is in samples; one sample of ten labels in each series.
//!
//! Time is what all threads of the process spent running (`/proc/self/task/*/schedstat`), so that a busy machine does not blur it.

use std::{fs, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use narthex_distributor::{RequestLimits, Scratch};
use narthex_model::{Epoch, PartitionId, RingRevision};
use narthex_remote_write::synthetic::synthetic_request;
use narthex_ring::{Partition, PartitionState, Replication, Ring};
use narthex_rpc::{
    PeerOptions, Peers,
    frame::{Frame, compress},
    v1::{
        PushRequest, PushResponse,
        push_server::{Push, PushServer},
    },
};
use narthex_service::{
    Components,
    server::{MAX_GRPC_MESSAGE_BYTES, ServerOptions, bind, serve_grpc},
};
use tonic::{Request, Response, Status, service::Routes};

const SERIES: u64 = 2_000;

/// An owner that only looks at what it gets.
#[derive(Debug)]
struct Owner;

#[tonic::async_trait]
impl Push for Owner {
    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let request = request.into_inner();
        let frame =
            Frame::parse(request.frame).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let labels: usize = frame.series().map(|series| series.labels.len()).sum();
        Ok(Response::new(PushResponse {
            ring_revision: labels as u64,
            epoch: request.epoch,
            refusals: vec![],
        }))
    }
}

fn frame() -> Bytes {
    let partition =
        Partition { id: PartitionId(0), state: PartitionState::Active, epoch: Epoch(1), owners: Vec::new() };
    let ring = Ring::new(RingRevision(1), Replication::Three, vec![partition]);
    let block = synthetic_request(0..SERIES, 1_700_000_000_000);
    let prepared = Scratch::new(RequestLimits::default()).prepare(&ring, &block).expect("valid");
    prepared.frames[0].frame.clone()
}

/// Time that the threads of this process have been running.
fn cpu_time() -> Duration {
    let running = |task: fs::DirEntry| {
        let schedstat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    };
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    Duration::from_nanos(tasks.filter_map(Result::ok).map(running).sum())
}

fn push_hop(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let (peers, address) = runtime.block_on(async {
        let components = Components::from_system(None);
        let owner = PushServer::new(Owner).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
        let listener = bind("127.0.0.1:0".parse().expect("address")).await.expect("bind");
        let server =
            serve_grpc(listener, Routes::new(owner), ServerOptions::grpc(), &components).expect("serve");
        (Peers::new(PeerOptions::default(), components.clock.clone()), server.local_addr().to_string())
    });
    let plain = frame();
    let mut group = criterion.benchmark_group("push_hop");
    group.throughput(Throughput::Elements(SERIES));
    group.bench_function("compress", |bencher| bencher.iter(|| compress(&plain).len()));
    for (name, frame) in [("plain", plain.clone()), ("compressed", compress(&plain))] {
        group.bench_function(format!("{name}_{}_bytes", frame.len()), |bencher| {
            bencher.iter_custom(|iterations| {
                let began = cpu_time();
                runtime.block_on(async {
                    for _ in 0..iterations {
                        let request = PushRequest { frame: frame.clone(), ..PushRequest::default() };
                        peers.push(&address, request, Duration::from_secs(10)).await.expect("pushed");
                    }
                });
                cpu_time() - began
            });
        });
    }
    group.finish();
}

criterion_group!(benches, push_hop);
criterion_main!(benches);
