//! Metrics per route, and one trace over two services at a real OTLP receiver.

use std::sync::Mutex;

use axum::{Router, body::Body, routing::get};
use narthex_service::{
    Components, SharedRegistry, SystemClock,
    server::{MAX_GRPC_MESSAGE_BYTES, ServerOptions, bind, label_routes, serve_grpc},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span as OtlpSpan,
};
use tower::ServiceExt;

use super::*;
use crate::{InjectTrace, LogFormat, Telemetry, TelemetrySettings, inject_interceptor};

fn observed(
    router: Router,
    registry: &SharedRegistry,
    service: &str,
    protocol: Protocol,
) -> RequestService<Router> {
    let metrics = RequestMetrics::new(registry, service, protocol);
    RequestLayer::new(protocol, metrics, SystemClock::shared()).layer(label_routes(router))
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("valid")
}

fn encoded(registry: &SharedRegistry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry.lock()).expect("encodes");
    text
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let registry = SharedRegistry::default();
    let router = Router::new().route("/things/{id}", get(async || "thing"));
    let service = observed(router, &registry, "test-service", Protocol::Http);
    for path in ["/things/1", "/things/2", "/nowhere/1", "/nowhere/2"] {
        service.clone().oneshot(request(path)).await.expect("infallible");
    }
    let text = encoded(&registry);
    for line in [
        r#"narthex_test_service_http_requests_total{route="/things/{id}",method="GET",status="200"} 2"#,
        r#"narthex_test_service_http_requests_total{route="unmatched",method="GET",status="404"} 2"#,
        r#"narthex_test_service_http_request_duration_seconds_count{route="/things/{id}"} 2"#,
        "narthex_test_service_http_requests_in_flight 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_is_no_longer_in_flight() {
    let registry = SharedRegistry::default();
    let router = Router::new().route("/", get(std::future::pending::<()>));
    let service = observed(router, &registry, "test", Protocol::Http);
    let mut waiting = Box::pin(service.oneshot(request("/")));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    assert!(encoded(&registry).contains("narthex_test_http_requests_in_flight 1\n"));
    drop(waiting);
    assert!(encoded(&registry).contains("narthex_test_http_requests_in_flight 0\n"));
}

#[tokio::test]
async fn grpc_statuses_are_counted_as_codes_and_unknown_methods_as_one() {
    let registry = SharedRegistry::default();
    let reply = |code: &'static str| async move { [("grpc-status", code)] };
    let router = Router::new()
        .route("/narthex.v1.Push/Push", get(move || reply("14")))
        .route("/narthex.v1.Push/Unknown", get(move || reply("12")));
    let service = observed(router, &registry, "test", Protocol::Grpc);
    for path in ["/narthex.v1.Push/Push", "/narthex.v1.Push/Unknown"] {
        service.clone().oneshot(request(path)).await.expect("infallible");
    }
    let text = encoded(&registry);
    for line in [
        r#"narthex_test_grpc_requests_total{route="/narthex.v1.Push/Push",method="GET",status="14"} 1"#,
        r#"narthex_test_grpc_requests_total{route="unmatched",method="GET",status="12"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// Keeps the spans that it receives.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<(String, OtlpSpan)>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let mut spans = self.0.lock().expect("no panic");
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let name = format!("{:?}", name.and_then(|name| name.value));
            let received = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(received.map(|span| (name.clone(), span)));
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn one_trace_covers_caller_service_and_callee() {
    let components = Components::from_system(None);
    let (receiver, registry) = (Receiver::default(), &components.registry);
    let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let server = TraceServiceServer::new(receiver.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let routes = tonic::service::Routes::new(server);
    let serving = serve_grpc(listener, routes, ServerOptions::grpc(), &components).expect("served");

    let settings = TelemetrySettings {
        log_format: LogFormat::Json,
        otlp_endpoint: Some(format!("http://{}", serving.local_addr())),
        ..TelemetrySettings::default()
    };
    let (dispatch, telemetry) = Telemetry::build("front", &settings).expect("set up");
    let guard = tracing::dispatcher::set_default(&dispatch);
    let callee = Router::new().route("/narthex.v1.Push/Push", get(async || [("grpc-status", "14")]));
    let callee = InjectTrace(observed(callee, registry, "back", Protocol::Grpc));
    let handler = move || async move {
        callee.oneshot(request("/narthex.v1.Push/Push")).await.expect("infallible");
        let intercepted = inject_interceptor(tonic::Request::new(())).expect("passes");
        intercepted.metadata().get("traceparent").expect("injected").to_str().expect("text").to_owned()
    };
    let front = observed(Router::new().route("/write/{id}", get(handler)), registry, "front", Protocol::Http);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut first = request("/write/1");
    let parent = format!("00-{trace}-b7ad6b7169203331-01").parse().expect("a header value");
    first.headers_mut().insert("traceparent", parent);
    let reply = front.oneshot(first).await.expect("infallible");
    let seen = axum::body::to_bytes(reply.into_body(), 200).await.expect("a short body");
    assert!(seen.starts_with(format!("00-{trace}-").as_bytes()), "{seen:?}");
    drop(guard);
    drop(dispatch);
    telemetry.shutdown().await;

    let spans = receiver.0.lock().expect("no panic").clone();
    let find = |name: &str| {
        spans.iter().find(|(_, span)| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let ((service, front), (_, back)) = (find("GET /write/{id}"), find("narthex.v1.Push/Push"));
    assert!(service.contains("front"), "{service}");
    assert_eq!(hex(&front.trace_id), trace);
    assert_eq!(hex(&front.parent_span_id), "b7ad6b7169203331");
    assert_eq!(front.trace_id, back.trace_id);
    assert_eq!(back.parent_span_id, front.span_id);
    let failed = |span: &OtlpSpan| span.status.as_ref().is_some_and(|status| status.code == 2);
    assert!(failed(back) && !failed(front), "{spans:?}");
    components.shutdown.cancel();
    serving.stopped().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
