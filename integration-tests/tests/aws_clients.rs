//! The unmodified AWS CLI, versions 1 and 2, and boto3 against the control plane, with the environment that a user gets
//! by sourcing `client.env`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use narthex_integration_tests::{
    sandbox::{ClientEnv, Cluster, Sandbox, Standalone, long, scenario},
    tools::{self, Tool},
};
use serde_json::Value;

/// A client with the variables of `client.env` and nothing else of AWS.
#[derive(Debug)]
pub(crate) struct Client {
    tool: Tool,
    env: BTreeMap<String, String>,
    home: PathBuf,
}

impl Client {
    pub(crate) fn new(sandbox: &Sandbox, tool: Tool, env: &ClientEnv) -> Result<Self> {
        eprintln!("{} {}", tool.name, tool.version);
        let home = sandbox.path().join("home");
        fs::create_dir_all(&home)?;
        let env = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let client = Self { tool, env, home };
        Ok(client.with("AWS_PAGER", "").with("AWS_MAX_ATTEMPTS", "2").with("NO_PROXY", "127.0.0.1"))
    }

    /// Sets a variable, also one of `client.env`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What the client is called.
    pub(crate) fn name(&self) -> &'static str {
        self.tool.name
    }

    /// A command in the client's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.tool.command();
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.envs(&self.env).env("HOME", &self.home);
        command
    }

    /// Runs with arguments; the exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("{} cannot be run", self.tool.name))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }

    /// An `aws amp` command that succeeds; its JSON, or null if it printed nothing.
    pub(crate) fn amp(&self, arguments: &[&str]) -> Result<Value> {
        let all: Vec<&str> =
            ["amp"].into_iter().chain(arguments.iter().copied()).chain(["--output", "json"]).collect();
        let (code, out, err) = self.run(&all)?;
        ensure!(code == 0, "{} {arguments:?} ended with {code}: {err}", self.tool.name);
        if out.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&out)?) }
    }

    /// An `aws amp` command that fails; its error text.
    pub(crate) fn amp_fails(&self, arguments: &[&str]) -> Result<String> {
        let all: Vec<&str> = ["amp"].into_iter().chain(arguments.iter().copied()).collect();
        let (code, out, err) = self.run(&all)?;
        ensure!(code != 0, "{} {arguments:?} should fail and printed {out}", self.tool.name);
        Ok(err)
    }
}

pub(crate) fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("expected a string, found {value}"))
}

/// The life of workspaces as `aws amp` tells it. The service allows ten such calls a second; a client process needs
/// longer than that for one.
fn life_of_a_workspace(client: &Client) -> Result<()> {
    let listed = client.amp(&["list-workspaces"])?;
    let default = listed["workspaces"].as_array().context("workspaces")?.iter();
    ensure!(default.into_iter().any(|workspace| workspace["alias"] == "default"), "no default: {listed}");

    let created = client.amp(&["create-workspace", "--alias", "first", "--tags", "team=core,empty="])?;
    let id = text(&created["workspaceId"])?;
    ensure!(id.starts_with("ws-") && id.len() == 39, "{created}");
    let arn = text(&created["arn"])?;
    ensure!(
        arn.starts_with("arn:aws:aps:us-east-1:") && arn.ends_with(&format!(":workspace/{id}")),
        "{created}"
    );
    ensure!(created["tags"] == serde_json::json!({"team": "core", "empty": ""}), "{created}");
    client.amp(&["wait", "workspace-active", "--workspace-id", id])?;

    let described = client.amp(&["describe-workspace", "--workspace-id", id])?["workspace"].clone();
    ensure!(described["workspaceId"] == id && described["alias"] == "first", "{described}");
    ensure!(described["status"]["statusCode"] == "ACTIVE" && described["arn"] == arn, "{described}");
    ensure!(text(&described["prometheusEndpoint"])?.ends_with(&format!("/workspaces/{id}/")), "{described}");
    // Version 1 prints seconds, version 2 a date.
    let created_at = &described["createdAt"];
    let is_time = created_at.as_f64().is_some_and(|at| at > 1e9) || text(created_at)?.starts_with("20");
    ensure!(is_time, "createdAt is no time: {described}");
    ensure!(described["tags"]["team"] == "core", "{described}");

    client.amp(&["update-workspace-alias", "--workspace-id", id, "--alias", "second"])?;
    let described = client.amp(&["describe-workspace", "--workspace-id", id])?["workspace"].clone();
    ensure!(described["alias"] == "second" && described["arn"] == arn, "{described}");

    client.amp(&["delete-workspace", "--workspace-id", id])?;
    client.amp(&["wait", "workspace-deleted", "--workspace-id", id])?;
    let error = client.amp_fails(&["describe-workspace", "--workspace-id", id])?;
    ensure!(error.contains("ResourceNotFoundException"), "{error}");
    Ok(())
}

fn pages_and_prefixes(client: &Client) -> Result<()> {
    let mut ids = BTreeSet::new();
    for alias in ["page-1", "page-2", "page-3", "page-4", "page-5", "other", "pag"] {
        let created = client.amp(&["create-workspace", "--alias", alias])?;
        ids.insert(text(&created["workspaceId"])?.to_owned());
    }
    ensure!(ids.len() == 7, "ids repeat: {ids:?}");
    let aliases = |listed: &Value| -> Vec<String> {
        let all = listed["workspaces"].as_array().into_iter().flatten();
        let mut aliases: Vec<String> =
            all.filter_map(|item| Some(item["alias"].as_str()?.to_owned())).collect();
        aliases.sort();
        aliases
    };
    let expected = ["page-1", "page-2", "page-3", "page-4", "page-5"];
    let paged = client.amp(&["list-workspaces", "--alias", "page-", "--page-size", "2"])?;
    ensure!(aliases(&paged) == expected, "{paged}");
    let first = client.amp(&["list-workspaces", "--alias", "page-", "--max-items", "3"])?;
    let token = text(&first["NextToken"])?;
    let rest = client.amp(&[
        "list-workspaces",
        "--alias",
        "page-",
        "--max-items",
        "3",
        "--starting-token",
        token,
    ])?;
    let mut both = [aliases(&first), aliases(&rest)].concat();
    both.sort();
    ensure!(both == expected && rest.get("NextToken").is_none(), "{first} {rest}");
    let none = client.amp(&["list-workspaces", "--alias", "nothing-begins-so"])?;
    ensure!(none["workspaces"] == serde_json::json!([]), "{none}");
    // Two workspaces may share an alias.
    client.amp(&["create-workspace", "--alias", "page-1"])?;
    ensure!(aliases(&client.amp(&["list-workspaces", "--alias", "page-1"])?) == ["page-1", "page-1"]);
    for id in &ids {
        client.amp(&["delete-workspace", "--workspace-id", id])?;
    }
    Ok(())
}

fn refusals(client: &Client) -> Result<()> {
    let unknown = "ws-00000000-0000-4000-8000-000000000000";
    for arguments in [
        &["describe-workspace", "--workspace-id", unknown][..],
        &["delete-workspace", "--workspace-id", unknown],
        &["update-workspace-alias", "--workspace-id", unknown, "--alias", "x"],
    ] {
        let error = client.amp_fails(arguments)?;
        ensure!(error.contains("ResourceNotFoundException"), "{arguments:?}: {error}");
    }
    let long = "x".repeat(101);
    for arguments in [
        &["create-workspace", "--alias", &long][..],
        &["create-workspace", "--tags", "aws:reserved=1"],
        &["list-workspaces", "--page-size", "2000"],
        &["list-workspaces", "--starting-token", "bm9uc2Vuc2U="],
    ] {
        let error = client.amp_fails(arguments)?;
        let refused_by_the_client = error.contains("Bad starting token");
        ensure!(error.contains("ValidationException") || refused_by_the_client, "{arguments:?}: {error}");
    }
    let error = client.amp_fails(&["list-workspaces", "--no-sign-request"])?;
    ensure!(
        error.contains("(MissingAuthenticationTokenException)") || error.contains("(AccessDenied"),
        "{error}"
    );
    Ok(())
}

type Part = fn(&Client) -> Result<()>;

/// A command is a process that takes a second, so that CI asks each version for a part; the long form asks both for all.
fn command_line(tool: fn() -> Result<Tool>, part: &[Part]) {
    let all: &[Part] = &[life_of_a_workspace, pages_and_prefixes, refusals];
    scenario(async |sandbox| {
        let tool = tool()?;
        let narthex = Standalone::start(sandbox).await?;
        let client = Client::new(sandbox, tool, &narthex.env)?;
        let parts = if long() { all } else { part };
        parts.iter().try_for_each(|part| part(&client))
    });
}

#[test]
fn aws_cli_1_manages_workspaces() {
    command_line(tools::aws_cli_1, &[pages_and_prefixes]);
}

#[test]
fn aws_cli_2_manages_workspaces() {
    command_line(tools::aws_cli_2, &[life_of_a_workspace, refusals]);
}

const BOTO3: &str = r#"
import boto3
amp = boto3.client("amp")
made = amp.create_workspace(alias="from boto3", tags={"a": "b"}, clientToken="token-1")
again = amp.create_workspace(alias="from boto3", tags={"a": "b"}, clientToken="token-1")
assert made["workspaceId"] == again["workspaceId"], (made, again)
assert made["ResponseMetadata"]["RequestId"] and made["ResponseMetadata"]["HTTPStatusCode"] == 202
id = made["workspaceId"]
amp.get_waiter("workspace_active").wait(workspaceId=id, WaiterConfig={"Delay": 1})
found = amp.describe_workspace(workspaceId=id)["workspace"]
assert found["alias"] == "from boto3" and found["tags"] == {"a": "b"}, found
assert abs(found["createdAt"].timestamp() - __import__("time").time()) < 300, found
assert amp.update_workspace_alias(workspaceId=id, alias="again")["ResponseMetadata"]["HTTPStatusCode"] == 204
others = [amp.create_workspace(alias="many")["workspaceId"] for _ in range(5)]
pages = list(amp.get_paginator("list_workspaces").paginate(alias="many", PaginationConfig={"PageSize": 2}))
assert [len(page["workspaces"]) for page in pages] == [2, 2, 1], pages
assert {item["workspaceId"] for page in pages for item in page["workspaces"]} == set(others)
for other in others + [id]:
    assert amp.delete_workspace(workspaceId=other)["ResponseMetadata"]["HTTPStatusCode"] == 202
amp.get_waiter("workspace_deleted").wait(workspaceId=id, WaiterConfig={"Delay": 1})
try:
    amp.describe_workspace(workspaceId=id)
    raise SystemExit("a deleted workspace was described")
except amp.exceptions.ResourceNotFoundException as error:
    assert error.response["resourceType"] == "WORKSPACE" and error.response["resourceId"] == id, error.response
    assert error.response["ResponseMetadata"]["RequestId"]
try:
    amp.create_workspace(alias="x" * 101)
    raise SystemExit("a long alias was accepted")
except amp.exceptions.ValidationException as error:
    assert error.response["reason"] == "FIELD_VALIDATION_FAILED", error.response
    assert error.response["fieldList"][0]["name"] == "alias", error.response
print("all well")
"#;

#[test]
fn boto3_manages_workspaces() {
    scenario(async |sandbox| {
        let tool = tools::boto3()?;
        let narthex = Standalone::start(sandbox).await?;
        let client = Client::new(sandbox, tool, &narthex.env)?;
        let (code, out, err) = client.run(&["-c", BOTO3])?;
        if code != 0 || out.trim() != "all well" {
            bail!("boto3 ended with {code}: {out} {err}");
        }
        Ok(())
    });
}

#[test]
fn a_shell_that_sourced_client_env_lists_the_clusters_workspaces() {
    scenario(async |sandbox| {
        let tool = tools::aws_cli_1()?;
        let cluster = Cluster::start(sandbox).await?;
        let script = format!(
            ". '{}' && '{}' amp list-workspaces --query 'workspaces[0].workspaceId' --output text",
            cluster.dir.join("client.env").display(),
            tool.program.display()
        );
        let output = Command::new("sh").args(["-c", &script]).env("HOME", sandbox.path()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(printed == cluster.api.workspace, "{printed:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
}
