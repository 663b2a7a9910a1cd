//! Rates of calls: ten management calls a second of an account, all operations together (QUO-16, API-C-17), and what a workspace may be
//! asked in a second (QUO-17 to QUO-20).

use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::Api,
    http::Reply,
    sandbox::{ControlPlane, DEADLINE, Standalone, scenario, until},
    wire::WriteRequest,
};

/// Calls a second, as documented. Tests are started without rates, so it is set here again.
const RATE: u32 = 10;

async fn list(api: &Api, base: &str) -> Result<Reply> {
    api.control(Method::GET, base, "/workspaces", None).await
}

/// The documented refusal, which says when to come again.
fn is_throttled(reply: &Reply) -> Result<()> {
    let error = reply.header("x-amzn-errortype");
    ensure!(reply.status == 429 && error == "ThrottlingException", "{reply}");
    let seconds: u64 = reply.header("retry-after").parse()?;
    ensure!((1..=2).contains(&seconds), "retry after {seconds} s");
    let body = reply.json()?;
    ensure!(body["message"] == "Rate exceeded" && body["serviceCode"] == "aps", "{reply}");
    ensure!(body["quotaCode"] == "ManagementCallsPerSecond", "{reply}");
    Ok(())
}

#[test]
fn management_calls_keep_their_rate() {
    scenario(async |sandbox| {
        let flag = format!("--edge.management-rate={RATE}");
        let plane = ControlPlane::start(sandbox, &[&flag]).await?;
        let (api, base, clock) = (&plane.api, plane.base.as_str(), &sandbox.clock);

        // At the rate: every call is answered, for as long as it lasts.
        let begun = clock.monotonic();
        for call in 0..3 * RATE {
            let due = begun + Duration::from_secs(1) / RATE * call;
            clock.sleep(due.saturating_sub(clock.monotonic())).await;
            let reply = list(api, base).await?;
            ensure!(reply.status == 200, "call {call} of ten a second: {reply}");
        }

        // Above it: what passes is what the bucket holds and what comes in the meantime.
        let begun = clock.monotonic();
        let (mut passed, mut refused) = (0, 0);
        while clock.monotonic() < begun + Duration::from_secs(2) {
            // Every operation takes from the same bucket; this one names nothing.
            let id = "/workspaces/ws-00000000-0000-4000-8000-000000000000";
            let reply = if (passed + refused) % 2 == 0 {
                list(api, base).await?
            } else {
                api.control(Method::DELETE, base, id, None).await?
            };
            if reply.status == 429 {
                is_throttled(&reply)?;
                refused += 1;
            } else {
                ensure!(matches!(reply.status.as_u16(), 200 | 404), "{reply}");
                passed += 1;
            }
        }
        let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
        let most = f64::from(RATE) * (1.0 + seconds) + 1.0;
        eprintln!("{passed} calls passed and {refused} were refused in {seconds:.2} s");
        ensure!(f64::from(passed) <= most && passed >= RATE && refused > 0, "more than {most}");

        // Another account has a bucket of its own, and so nobody takes from it who cannot sign.
        let reply = list(&plane.stranger, base).await?;
        ensure!(reply.status == 200, "another account: {reply}");
        let mut forger = plane.stranger.clone();
        forger.signer.as_mut().expect("it signs").secret_access_key.push('x');
        for _ in 0..3 * RATE {
            ensure!(list(&forger, base).await?.status == 403);
        }
        let reply = list(&plane.stranger, base).await?;
        ensure!(reply.status == 200, "after forged calls: {reply}");
        Ok(())
    });
}

/// What a workspace may be asked: the flag of a rate, and requests that share it.
const CLASSES: [(&str, &[&str]); 4] = [
    ("labels", &["labels", "series?match%5B%5D=up", "metadata", "label/job/values"]),
    ("query", &["query?query=up", "query_range?query=up&start=1&end=2&step=1"]),
    ("remote-write", &["remote_write"]),
    ("other", &["rules", "alerts"]),
];

#[test]
fn calls_of_a_workspace_keep_their_rates() {
    scenario(async |sandbox| {
        // Three at once, and so slowly more that none comes while the test runs.
        let flags = CLASSES
            .map(|(class, _)| [format!("--edge.{class}-rate=0.001"), format!("--edge.{class}-burst=3")]);
        let flags: Vec<&str> = flags.iter().flatten().map(String::as_str).collect();
        let narthex = Standalone::start_with(sandbox, &flags, &[]).await?;
        let base = narthex.base.as_str();
        let other = narthex.api.create_workspace(base, "other").await?;
        until(&sandbox.clock, "another workspace is active", DEADLINE, async || {
            let path = format!("/workspaces/{}", other.workspace);
            let reply = narthex.api.control(Method::GET, base, &path, None).await?;
            let status = reply.json()?["workspace"]["status"]["statusCode"].clone();
            Ok(if status == "ACTIVE" { Ok(()) } else { Err(reply.to_string()) })
        })
        .await?;
        for api in [&narthex.api, &other] {
            for (class, paths) in CLASSES {
                for call in 0..6 {
                    let reply = ask(api, base, paths[call % paths.len()]).await?;
                    if call < 3 {
                        ensure!(reply.status != 429, "{class}: call {call} of 3: {reply}");
                        continue;
                    }
                    // The text of the managed service, to the byte (ERR-3).
                    let fits = reply.status == 429 && reply.text() == r#"{"message":"Rate exceeded"}"#;
                    ensure!(fits, "{class}: call {call} of 3: {reply}");
                    ensure!(
                        reply.header("retry-after").parse::<u64>()? >= 1,
                        "{class}: no time to come again"
                    );
                }
            }
        }
        Ok(())
    });
}

async fn ask(api: &Api, base: &str, path: &str) -> Result<Reply> {
    if path == "remote_write" {
        let now = api.http.clock().now().0;
        return api.write(base, WriteRequest::one(&[("__name__", "up")], &[(now, 1.0)]).compressed()).await;
    }
    api.control(Method::GET, base, &format!("/workspaces/{}/api/v1/{path}", api.workspace), None).await
}
