//! The AWS CLI, both versions, and boto3 in a pod.

use std::fs;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::{
    issuer::Issuer,
    sandbox::{DEADLINE, scenario, until},
    tools::{self, Tool},
};
use serde_json::Value;

use super::{ACCOUNT, Pod, account, standalone};

/// A tool that ran in a pod: exit code, standard output and standard error.
fn run(pod: &Pod<'_>, amp: &str, tool: &Tool, arguments: &[&str]) -> Result<(i32, String, String)> {
    fs::create_dir_all(pod.sandbox.path().join("home"))?;
    let mut command = tool.command();
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    let given = pod.environment().into_iter().filter(|(_, value)| !value.is_empty());
    command.envs(given).env("AWS_ENDPOINT_URL_AMP", amp).env("AWS_PAGER", "").env("NO_PROXY", "127.0.0.1");
    command.env("AWS_MAX_ATTEMPTS", "2").args(arguments).stdin(std::process::Stdio::null());
    let output = command.output().with_context(|| format!("{} cannot be run", tool.name))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

/// As [`run`], for what must succeed and prints JSON.
fn succeeds(pod: &Pod<'_>, amp: &str, tool: &Tool, arguments: &[&str]) -> Result<Value> {
    let (code, out, err) = run(pod, amp, tool, &[arguments, &["--output", "json"]].concat())?;
    ensure!(code == 0, "{} {arguments:?} ended with {code}: {err}", tool.name);
    Ok(serde_json::from_str(&out)?)
}

/// As [`run`], for what must fail with an error of that name.
fn fails(pod: &Pod<'_>, amp: &str, tool: &Tool, arguments: &[&str], error: &str) -> Result<String> {
    let (code, out, err) = run(pod, amp, tool, arguments)?;
    ensure!(
        code != 0 && err.contains(&format!("({error})")),
        "{} {arguments:?}: {code} {out} {err}",
        tool.name
    );
    Ok(err)
}

const BOTO3: &str = r#"
import boto3, pathlib, os
who = boto3.client("sts").get_caller_identity()
assert who["Arn"].endswith(":assumed-role/manager/manager-0"), who
aliases = [found["alias"] for found in boto3.client("amp").list_workspaces()["workspaces"]]
assert aliases == ["default"], aliases
token = pathlib.Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text()
session = boto3.client("sts").assume_role_with_web_identity(
    RoleArn=os.environ["AWS_ROLE_ARN"], RoleSessionName="short", WebIdentityToken=token, DurationSeconds=900)
seconds = session["Credentials"]["Expiration"].timestamp() - __import__("time").time()
assert 840 < seconds <= 900, seconds
assert session["Provider"] and session["Audience"] == "sts.amazonaws.com", session
assert session["SubjectFromWebIdentityToken"] == "system:serviceaccount:monitoring:manager", session
print("all well")
"#;

#[test]
fn command_lines_and_boto3_act_under_a_service_account_s_token() {
    scenario(async |sandbox| {
        let (one, two, boto3) = (tools::aws_cli_1()?, tools::aws_cli_2()?, tools::boto3()?);
        let issuer = Issuer::start().await?;
        let roles =
            [("manager", "AmazonPrometheusFullAccess"), ("server", "AmazonPrometheusRemoteWriteAccess")];
        let narthex = standalone(sandbox, &[account(ACCOUNT, &issuer, &roles)]).await?;
        let base = narthex.base.as_str();
        let pod = |name| Pod { sandbox, issuer: &issuer, name, account: ACCOUNT, sts: base };
        let (manager, server) = (pod("manager"), pod("server"));
        let old = manager.renew()?;
        server.renew()?;
        for tool in [&one, &two] {
            let who = succeeds(&manager, base, tool, &["sts", "get-caller-identity"])?;
            let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/manager/manager-0");
            ensure!(who["Arn"] == arn && who["Account"] == ACCOUNT, "{who}");
            let listed = succeeds(&manager, base, tool, &["amp", "list-workspaces"])?;
            ensure!(listed["workspaces"][0]["alias"] == "default", "{listed}");
            let error = fails(&server, base, tool, &["amp", "list-workspaces"], "AccessDeniedException")?;
            let words = "assumed-role/server/server-0 is not authorized to perform: aps:ListWorkspaces";
            ensure!(error.contains(words), "{error}");
        }
        let script = |pod: &Pod<'_>| {
            let (code, out, err) = run(pod, base, &boto3, &["-c", BOTO3])?;
            ensure!(code == 0 && out.trim() == "all well", "boto3 ended with {code}: {out} {err}");
            anyhow::Ok(())
        };
        script(&manager)?;

        issuer.rotate()?;
        manager.renew()?;
        until(&sandbox.clock, "a session for the new token", DEADLINE, async || {
            Ok(script(&manager).map_err(|error| error.to_string()))
        })
        .await?;
        let role = manager.role();
        let with_token = |token: &str, tool: &Tool, error: &str| {
            let call =
                ["sts", "assume-role-with-web-identity", "--role-session-name", "pod", "--role-arn", &role];
            fails(&manager, base, tool, &[&call[..], &["--web-identity-token", token]].concat(), error)
        };
        let another = server.token()?;
        for tool in [&one, &two] {
            with_token(&old, tool, "InvalidIdentityToken")?;
            with_token(&another, tool, "AccessDenied")?;
        }
        Ok(())
    });
}
