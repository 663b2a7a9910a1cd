//! One trace id covers a write, from the distributor to three ingesters, and a query, from the querier to ingesters.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use narthex_integration_tests::{
    sandbox::{Cluster, DEADLINE, scenario, until},
    wire::WriteRequest,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// Service names of the spans of each trace, by trace id in hexadecimal.
type Spans = BTreeMap<String, Vec<String>>;

/// An OTLP receiver that keeps what it gets.
#[derive(Debug, Clone, Default)]
struct Receiver(Arc<Mutex<Spans>>);

impl Receiver {
    fn services_of(&self, trace: &str) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(trace).cloned().unwrap_or_default()
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource_spans in request.into_inner().resource_spans {
            let attributes = resource_spans.resource.map(|resource| resource.attributes).unwrap_or_default();
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let name = match name.and_then(|attribute| attribute.value?.value) {
                Some(Value::StringValue(name)) => name,
                _ => "nameless".to_owned(),
            };
            for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let id: String = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                traces.entry(id).or_default().push(name.clone());
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Waits until a trace has spans of `front` and at least `ingesters` of ingesters.
async fn covered(
    sandbox: &narthex_integration_tests::sandbox::Sandbox,
    receiver: &Receiver,
    trace: &str,
    front: &str,
    ingesters: usize,
) -> Result<()> {
    until(&sandbox.clock, &format!("trace {trace}"), DEADLINE, async || {
        let services = receiver.services_of(trace);
        let count = |part: &str| services.iter().filter(|name| name.contains(part)).count();
        let complete = count(front) >= 1 && count("ingester") >= ingesters;
        Ok(if complete { Ok(()) } else { Err(format!("its spans are of {services:?}")) })
    })
    .await
}

#[test]
fn one_trace_id_covers_a_write_and_one_a_query() {
    scenario(async |sandbox| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let receiver = Receiver::default();
        let service = TraceServiceServer::new(receiver.clone());
        let server =
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(server);

        let cluster = Cluster::start_with(sandbox, &[("NARTHEX_TRACING_OTLP_ENDPOINT", &endpoint)]).await?;
        let write = "11111111111111111111111111111111";
        let body = WriteRequest::one(&[("__name__", "traced")], &[(sandbox.clock.now().0, 1.0)]).compressed();
        let mut request = cluster.api.write_request(&cluster.distributors[0], body)?;
        request.headers_mut().insert("traceparent", format!("00-{write}-2222222222222222-01").parse()?);
        let reply = cluster.api.send(request).await?;
        ensure!(reply.status.is_success(), "the write answered {reply}");
        covered(sandbox, &receiver, write, "distributor", 3).await?;

        let query = "33333333333333333333333333333333";
        let uri = cluster.api.url(&cluster.queriers[1], "api/v1/query?query=traced");
        let request =
            http::Request::get(uri).header("traceparent", format!("00-{query}-4444444444444444-01"));
        let reply = cluster.api.send(request.body(bytes::Bytes::new())?).await?;
        ensure!(reply.status == 200, "the query answered {reply}");
        covered(sandbox, &receiver, query, "querier", 2).await?;
        server.abort();
        Ok(())
    });
}
