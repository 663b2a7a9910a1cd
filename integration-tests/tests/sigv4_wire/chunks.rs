//! A proxy that passes bodies on in chunks of unknown length: what is signed of the length holds all the same.

use std::{convert::Infallible, fs};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::stream;
use http::{Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use narthex_integration_tests::{
    http_server::{Answer, HttpServer},
    sandbox::{DEADLINE, Peer, PrometheusOptions, Standalone, scenario, until},
    wire::WriteRequest,
};

use super::{ensure_error, signer};

/// Passes every request on with its body in chunks of unknown length, as some proxies do.
async fn chunking_proxy(upstream: &str) -> Result<HttpServer> {
    let upstream = upstream.to_owned();
    let client = Client::builder(TokioExecutor::new()).build_http();
    HttpServer::start(move |request: Request<Bytes>| -> Answer {
        let (client, upstream) = (client.clone(), upstream.clone());
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            head.headers.remove(header::CONTENT_LENGTH);
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            head.uri = format!("{upstream}{target}").parse()?;
            let chunk = |chunk: &[u8]| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk)));
            let chunks: Vec<_> = body.chunks(100).map(chunk).collect();
            let body = StreamBody::new(stream::iter(chunks));
            let reply = client.request(Request::from_parts(head, body)).await?;
            let (head, body) = reply.into_parts();
            let mut answer = Response::new(body.collect().await?.to_bytes());
            *answer.status_mut() = head.status;
            *answer.headers_mut() = head.headers;
            answer.headers_mut().remove(header::TRANSFER_ENCODING);
            Ok(answer)
        })
    })
    .await
}

#[test]
fn a_proxy_that_cuts_bodies_into_chunks_costs_no_signature() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let proxy = chunking_proxy(&narthex.base).await?;
        let base = format!("http://{}", proxy.address);
        let now = sandbox.clock.now().0;
        let body =
            WriteRequest::one(&[("__name__", "chunked"), ("padding", &"x".repeat(1_000))], &[(now, 1.0)]);
        for length in [false, true] {
            let mut request = narthex.api.write_request(&base, body.compressed())?;
            if length {
                let size = request.body().len();
                request.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            }
            let reply = narthex.api.send(request).await?;
            ensure!(reply.status.is_success(), "with content-length signed {length}: {reply}");
        }
        // Another body, of the same length and of another one.
        for other in [b'y', b'z'] {
            let mut request = narthex.api.write_request(&base, body.compressed())?;
            let size = request.body().len();
            request.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            signer(&narthex.api)?.sign(&mut request, &*sandbox.clock)?;
            let mut changed = request.body().to_vec();
            changed.extend((other == b'z').then_some(other));
            changed[10] ^= other;
            request.headers_mut().insert(header::CONTENT_LENGTH, changed.len().into());
            *request.body_mut() = changed.into();
            let reply = narthex.api.http.send(request).await?;
            ensure_error(&reply, 403, "InvalidSignatureException", "does not match")?;
        }
        // Prometheus signs the length.
        let written = fs::read_to_string(narthex.data_dir.join("prometheus.yml"))?;
        ensure!(written.contains(&narthex.base), "no URL to exchange in {written}");
        let config = written
            .replace(&narthex.base, &base)
            .replace("localhost:9090", "{address}")
            .replace("scrape_interval: 15s", "scrape_interval: 1s");
        let options = PrometheusOptions { config, flags: Vec::new() };
        let _prometheus = Peer::prometheus(sandbox, "prometheus", &options).await?;
        until(&sandbox.clock, "samples of Prometheus", DEADLINE, async || {
            let held = narthex.api.get(&narthex.base, "query", &[("query", "prometheus_build_info")]).await?;
            let held = held.json()?["data"]["result"].as_array().map_or(0, Vec::len);
            Ok(if held > 0 { Ok(()) } else { Err("none".to_owned()) })
        })
        .await
    });
}
