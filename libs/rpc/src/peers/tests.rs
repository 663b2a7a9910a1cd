//! The pool against a server in this process, called directly and over the network.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use narthex_service::{
    Components, SystemClock,
    server::{MAX_GRPC_MESSAGE_BYTES, ServerOptions, bind, serve_grpc},
};
use tonic::service::Routes;

use super::*;
use crate::v1::{
    SeriesBatch, push_server::PushServer, select_response::Part, series_source_server::SeriesSourceServer,
};

/// Counts pushes; answers a Select with as many batches as `max_series` says, and never ends if that is 0.
#[derive(Debug, Default)]
struct Fake(AtomicUsize);

#[tonic::async_trait]
impl Push for Fake {
    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let request = request.into_inner();
        match request.epoch {
            0 => Err(Status::failed_precondition("epoch 0")),
            1 => std::future::pending().await,
            epoch => {
                self.0.fetch_add(1, Ordering::Relaxed);
                Ok(Response::new(PushResponse { ring_revision: 7, epoch, refusals: vec![] }))
            }
        }
    }
}

#[tonic::async_trait]
impl SeriesSource for Fake {
    type AggregateStream = AggregateStream;
    type SelectStream = SelectStream;
    type SeriesStream = SeriesStream;

    async fn aggregate(&self, _: Request<AggregateRequest>) -> Result<Response<AggregateStream>, Status> {
        Err(Status::unimplemented("no aggregations"))
    }

    async fn select(&self, request: Request<SelectRequest>) -> Result<Response<SelectStream>, Status> {
        let batch = || Ok(SelectResponse { part: Some(Part::Series(SeriesBatch::default())) });
        let batches = stream::iter((0..request.into_inner().max_series).map(move |_| batch()));
        Ok(Response::new(if batches.size_hint().0 == 0 {
            Box::pin(stream::pending())
        } else {
            Box::pin(batches)
        }))
    }

    async fn label_names(&self, _: Request<LabelNamesRequest>) -> Result<Response<LabelsResponse>, Status> {
        Ok(Response::new(LabelsResponse { state: None, values: vec!["a".into()] }))
    }

    async fn label_values(&self, _: Request<LabelValuesRequest>) -> Result<Response<LabelsResponse>, Status> {
        Err(Status::resource_exhausted("too many"))
    }

    async fn series(&self, _: Request<SeriesRequest>) -> Result<Response<SeriesStream>, Status> {
        Ok(Response::new(Box::pin(stream::iter([Err(Status::unavailable("replaying"))]))))
    }

    async fn metadata(&self, _: Request<MetadataRequest>) -> Result<Response<MetadataResponse>, Status> {
        Ok(Response::new(MetadataResponse::default()))
    }
}

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

fn pool() -> Peers {
    Peers::new(PeerOptions::default(), SystemClock::shared())
}

async fn behaves(peers: &Peers, address: &str) {
    let push = |epoch, frame: Vec<u8>, deadline| {
        peers.push(address, PushRequest { epoch, frame: frame.into(), ..PushRequest::default() }, deadline)
    };
    assert_eq!(push(9, vec![0; 8 << 20], LONG).await.expect("stored").ring_revision, 7);
    assert_eq!(push(0, vec![], LONG).await, Err(RpcError::StaleRing("epoch 0".into())));
    assert!(matches!(push(1, vec![], SHORT).await, Err(RpcError::DeadlineExceeded(_))));

    let select = |max_series, deadline| {
        peers.select(address, SelectRequest { max_series, ..SelectRequest::default() }, deadline)
    };
    assert_eq!(select(3, LONG).await.expect("stream").collect::<Vec<_>>().await.len(), 3);
    let mut endless = select(0, SHORT).await.expect("stream");
    assert!(matches!(endless.message().await, Err(RpcError::DeadlineExceeded(_))));
    assert_eq!(endless.message().await, Ok(None), "nothing follows an error");

    let mut series = peers.series(address, SeriesRequest::default(), LONG).await.expect("stream");
    assert_eq!(series.message().await, Err(RpcError::Unavailable("replaying".into())));
    let names = peers.label_names(address, LabelNamesRequest::default(), LONG).await.expect("names");
    assert_eq!(names.values, ["a"]);
    let values = peers.label_values(address, LabelValuesRequest::default(), LONG).await;
    assert_eq!(values, Err(RpcError::OverBudget("too many".into())));
    assert!(peers.metadata(address, MetadataRequest::default(), LONG).await.is_ok());
}

#[tokio::test]
async fn a_local_peer_behaves() {
    let (peers, fake) = (pool(), Arc::new(Fake::default()));
    peers.add_local("local", LocalPeer { push: Some(fake.clone()), source: Some(fake.clone()), cuts: None });
    behaves(&peers, "local").await;
    peers.retain(|_| false);
    behaves(&peers, "local").await;
}

#[tokio::test]
async fn a_remote_peer_behaves_in_the_same_way() {
    let components = Components::from_system(None);
    let fake = Arc::new(Fake::default());
    let routes =
        Routes::new(PushServer::from_arc(fake.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES))
            .add_service(SeriesSourceServer::from_arc(fake));
    let listener = bind("127.0.0.1:0".parse().expect("address")).await.expect("bind");
    let server = serve_grpc(listener, routes, ServerOptions::grpc(), &components).expect("serve");
    let peers = pool();
    behaves(&peers, &server.local_addr().to_string()).await;
    components.shutdown.cancel();
    server.stopped().await;
}

#[tokio::test]
async fn nobody_there_is_unavailable_at_once() {
    let listener = bind("127.0.0.1:0".parse().expect("address")).await.expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    drop(listener);
    let peers = pool();
    let refused = peers.push(&address, PushRequest::default(), LONG).await;
    assert!(matches!(refused, Err(RpcError::Unavailable(_))), "{refused:?}");
    let nonsense = peers.push("not an address", PushRequest::default(), LONG).await;
    assert!(matches!(nonsense, Err(RpcError::Internal(_))), "{nonsense:?}");
}
