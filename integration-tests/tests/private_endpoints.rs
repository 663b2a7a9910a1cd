//! Private endpoints of a network, as the AWS CLI and writers meet them: a policy beside all others, one API each (SEC-30..33), and
//! their name in the audit log.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use http::Method;
use narthex_integration_tests::{
    sandbox::{DEADLINE, Sandbox, Standalone, scenario, until},
    tools,
    wire::WriteRequest,
};
use serde_json::Value;

use crate::aws_clients::Client;

/// One for each API: writes of this machine's network only, and the guide's sample for looking, with the path in its resource.
fn endpoints(data: u16, control: u16, user: &str) -> String {
    format!(
        r#"
- id: vpce-0data
  network: vpc-555555555555
  service: aps-workspaces
  listen: 127.0.0.1:{data}
  policy:
    Statement:
      - Action: "aps:RemoteWrite"
        Effect: Allow
        Principal: "*"
        Resource: "*"
        Condition:
          IpAddress: {{"aws:VpcSourceIp": "127.0.0.1"}}
          StringEquals: {{"aws:SourceVpc": "vpc-555555555555"}}
- id: vpce-0control
  network: vpc-555555555555
  service: aps
  listen: 127.0.0.1:{control}
  policy: |
    {{"Version": "2012-10-17", "Statement": [{{"Sid": "AmazonManagedPrometheusPermissions", "Effect": "Allow",
      "Action": ["aps:DescribeWorkspace", "aps:ListWorkspaces"], "Resource": "arn:aws:aps:*:*:/workspaces*",
      "Principal": {{"AWS": ["{user}"]}}}}]}}
"#
    )
}

/// The all-in-one with both; the addresses for writing and for managing.
async fn open(sandbox: &Sandbox, log: &Path) -> Result<(Standalone, String, String)> {
    let mut node = Standalone::start(sandbox).await?;
    let path = format!("/workspaces/{}", node.api.workspace);
    let described = node.api.control(Method::GET, &node.base, &path, None).await?.json()?;
    let arn = described["workspace"]["arn"].as_str().context("an ARN")?;
    let account = arn.split(':').nth(4).context("an account")?;
    let (data, control) = (sandbox.ports.one()?, sandbox.ports.one()?);
    let file = sandbox.path().join("endpoints.yaml");
    fs::write(&file, endpoints(data, control, &format!("arn:aws:iam::{account}:user/admin")))?;
    let flags =
        [format!("--edge.private-endpoints={}", file.display()), format!("--audit.log={}", log.display())];
    node.restart_with(sandbox, &flags.each_ref().map(String::as_str)).await?;
    Ok((node, format!("http://127.0.0.1:{data}"), format!("http://127.0.0.1:{control}")))
}

#[test]
fn a_private_endpoint_lets_pass_what_its_policy_allows() {
    scenario(async |sandbox| {
        let log = sandbox.path().join("audit.log");
        let (node, data, control) = open(sandbox, &log).await?;
        let api = &node.api;
        let write =
            || WriteRequest::one(&[("__name__", "sent")], &[(sandbox.clock.now().0, 1.0)]).compressed();
        let reply = api.write(&data, write()).await?;
        ensure!(reply.status == 200, "a write through the endpoint: {reply}");
        let reply = api.get(&data, "query", &[("query", "sent")]).await?;
        let text = "because no VPC endpoint policy allows the aps:QueryMetrics action";
        ensure!(reply.status == 403 && reply.text().contains(text), "a query through it: {reply}");
        until(&sandbox.clock, "the sample", DEADLINE, async || {
            let reply = api.get(&node.base, "query", &[("query", "sent")]).await?;
            let found = reply.json()?["data"]["result"].as_array().map(Vec::len) == Some(1);
            Ok(if found { Ok(()) } else { Err(reply.to_string()) })
        })
        .await?;
        for (base, endpoint) in [(&data, "aps-workspaces"), (&control, "aps")] {
            let reply = api.control(Method::GET, base, "/workspaces", None).await?;
            let expected = if endpoint == "aps" { 200 } else { 404 };
            ensure!(reply.status == expected, "managing at {endpoint}: {reply}");
        }
        ensure!(api.write(&control, write()).await?.status == 404, "a write at the other API");

        let client = Client::new(sandbox, tools::aws_cli_1()?, &node.env)?;
        let client = client.with("AWS_ENDPOINT_URL_AMP", &control).with("AWS_ENDPOINT_URL", &control);
        let listed = client.amp(&["list-workspaces"])?;
        ensure!(listed["workspaces"].as_array().map(Vec::len) == Some(1), "{listed}");
        client.amp(&["describe-workspace", "--workspace-id", &api.workspace])?;
        let refused = client.amp_fails(&["delete-workspace", "--workspace-id", &api.workspace])?;
        let text = "because no VPC endpoint policy allows the aps:DeleteWorkspace action";
        ensure!(refused.contains("AccessDeniedException") && refused.contains(text), "{refused}");

        let event = until(&sandbox.clock, "the refusal in the audit log", DEADLINE, async || {
            let text = fs::read_to_string(&log)?;
            let events = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
            Ok(events.into_iter().find(|event| event["eventName"] == "DeleteWorkspace").ok_or(text))
        })
        .await?;
        ensure!(event["vpcEndpointId"] == "vpce-0control" && event["errorCode"] == "AccessDenied", "{event}");
        Ok(())
    });
}
