//! Requests and presigned URLs that are sent again, until their time is over and after that.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use narthex_integration_tests::{
    aws::{Api, Signer},
    issuer::Issuer,
    samples,
    sandbox::{DEADLINE, Standalone, scenario, until},
    wire::WriteRequest,
};

use super::{SKEW_MS, ensure_error, session, signer, start};

#[test]
fn a_request_can_be_sent_again_until_its_time_is_over() {
    scenario(async |sandbox| {
        let narthex = Standalone::start(sandbox).await?;
        let now = sandbox.clock.now().0;
        // Good for a few seconds more.
        let old = Signer { skew_ms: 4_000 - SKEW_MS, ..signer(&narthex.api)?.clone() };
        let body = WriteRequest::one(&[("__name__", "again")], &[(now, 1.0)]).compressed();
        let mut request = narthex.api.write_request(&narthex.base, body)?;
        old.sign(&mut request, &*sandbox.clock)?;
        for time in 1..=2 {
            let reply = narthex.api.http.send(request.clone()).await?;
            ensure!(reply.status.is_success(), "the {time}. time: {reply}");
        }
        let over = until(&sandbox.clock, "the end of a signature", DEADLINE, async || {
            let reply = narthex.api.http.send(request.clone()).await?;
            Ok(if reply.status.is_success() { Err(reply.to_string()) } else { Ok(reply) })
        })
        .await?;
        ensure_error(&over, 403, "InvalidSignatureException", "Signature expired")?;
        let held = narthex.api.get(&narthex.base, "query", &[("query", "again[10m]")]).await?;
        let held = samples::matrix(&held)?;
        ensure!(samples::count(&held) == 1, "sent again, a sample is the same: {held:?}");
        Ok(())
    });
}

/// A GET whose signature stands in its query.
fn presigned(api: &Api, url: &str, seconds: u64) -> Result<Request<Bytes>> {
    let mut request = Request::get(url).body(Bytes::new())?;
    signer(api)?.presign(&mut request, &**api.http.clock(), Duration::from_secs(seconds))?;
    Ok(request)
}

#[test]
fn a_presigned_url_is_good_for_what_it_names_and_as_long_as_it_says() {
    scenario(async |sandbox| {
        let issuer = Issuer::start().await?;
        let narthex = start(sandbox, &issuer, "data").await?;
        let http = &narthex.api.http;
        let url = narthex.api.url(&narthex.base, "api/v1/query?query=vector%281%29");
        let with_session = session(sandbox, &narthex, &issuer).await?;
        for api in [&narthex.api, &with_session] {
            let request = presigned(api, &url, 60)?;
            for _ in 0..2 {
                let reply = http.send(request.clone()).await?;
                ensure!(reply.status == 200, "{}: {reply}", request.uri());
            }
            let target = request.uri().to_string();
            let changed = [
                (target.replace("vector%281%29", "vector%282%29"), "InvalidSignatureException"),
                (target.replace("/query?", "/query_range?"), "InvalidSignatureException"),
                (target.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), "InvalidSignatureException"),
                (target.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"), "IncompleteSignatureException"),
                (target.replace("X-Amz-Signature", "X-Amz-Signatur"), "IncompleteSignatureException"),
                (target.replace("us-east-1", "eu-west-1"), "InvalidSignatureException"),
                (target.replace("%2Faps%2F", "%2Fs3%2F"), "InvalidSignatureException"),
            ];
            for (changed, name) in changed {
                ensure!(changed != target, "{target} is not as expected");
                let reply = http.get(&changed).await?;
                ensure_error(&reply, 403, name, "").context(changed)?;
            }
            let mut both = request.clone();
            signer(api)?.sign(&mut both, &*sandbox.clock)?;
            ensure_error(&http.send(both).await?, 403, "IncompleteSignatureException", "not both")?;
        }
        let short = presigned(&narthex.api, &url, 2)?;
        ensure!(http.send(short.clone()).await?.status == 200, "a URL for two seconds");
        let over = until(&sandbox.clock, "the end of a URL", DEADLINE, async || {
            let reply = http.send(short.clone()).await?;
            Ok(if reply.status == 200 { Err(reply.to_string()) } else { Ok(reply) })
        })
        .await?;
        ensure_error(&over, 403, "InvalidSignatureException", "Signature expired")
    });
}
