//! The audit log in a bucket, read as the README says: listed, searched, and no call is missing (AUD-6, AUD-7).

use anyhow::{Result, ensure};
use http::Method;
use narthex_integration_tests::{
    aws::{Api, Signer},
    open_format,
    sandbox::{DEADLINE, Standalone, scenario, until},
};
use serde_json::{Value, json};

#[test]
fn calls_are_found_by_the_lines_of_the_readme() {
    scenario(async |sandbox| {
        let bucket = sandbox.path().join("trail");
        std::fs::create_dir(&bucket)?;
        let url = format!("--audit.bucket-url=file://{}", bucket.display());
        let node = Standalone::start_with(sandbox, &[&url, "--audit.bucket-max-wait=1s"], &[]).await?;
        let made = node.api.create_workspace(&node.base, "watched").await?;
        let path = format!("/workspaces/{}", made.workspace);
        let stranger =
            Api { signer: Some(Signer::new("AKIASTRANGER", "secret", "us-east-1")), ..made.clone() };
        let refused = stranger.control(Method::DELETE, &node.base, &path, None).await?;
        ensure!(refused.status == 403, "{refused}");
        let deleted = node.api.control(Method::DELETE, &node.base, &path, None).await?;
        ensure!(deleted.status == 202, "{deleted}");

        let query = "SELECT call, who, error, parameters->>'workspaceId', address, account FROM events \
                     WHERE call LIKE '%Workspace' ORDER BY call, error";
        let found = until(&sandbox.clock, "three calls in the bucket", DEADLINE, async || {
            // Without a file yet the pattern finds nothing to read.
            let found: Result<Vec<Value>> = open_format::events(&bucket, query);
            Ok(match found {
                Ok(found) if found.len() == 3 => Ok(found),
                Ok(found) => Err(format!("{found:?}")),
                Err(error) => Err(error.to_string()),
            })
        })
        .await?;
        let (who, account) = (found[0][1].clone(), found[0][5].clone());
        ensure!(who.as_str().is_some_and(|arn| arn.ends_with(":user/admin")), "{found:?}");
        let id = &made.workspace;
        let expected = [
            json!(["CreateWorkspace", who, null, null, "127.0.0.1", account]),
            json!(["DeleteWorkspace", null, "UnrecognizedClientException", id, "127.0.0.1", null]),
            json!(["DeleteWorkspace", who, null, id, "127.0.0.1", account]),
        ];
        ensure!(found == expected, "{found:?}");
        Ok(())
    });
}
