//! The AWS CLI and boto3 behind one seam: an operation by the name of its command and the members of its request, in
//! the form that each client wants them in.

use std::{fs, path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use narthex_integration_tests::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::aws_clients::Client;

/// The member that marks bytes in the parameters of a call.
const BYTES: &str = "$bytes";

/// Members of a reply, or the text of the error that a client shows.
pub(crate) type Answer = Result<Value, String>;

/// A client that is told what to do.
pub(crate) trait Amp {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Calls an operation, such as `create-workspace`, with the members of its request.
    async fn ask(&mut self, operation: &str, parameters: Value) -> Result<Answer>;

    /// Runs a waiter, such as `workspace-active`, to its end.
    async fn wait(&mut self, waiter: &str, parameters: Value) -> Result<()>;

    /// The text of bytes in a reply.
    fn file(&self, shown: &Value) -> Result<String> {
        Ok(shown.as_str().context("a text")?.to_owned())
    }

    /// As [`Self::ask`], where it succeeds.
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value> {
        let answer = self.ask(operation, parameters).await?;
        answer.map_err(|error| anyhow::anyhow!("{} {operation}: {error}", self.name()))
    }
}

/// Bytes in the parameters of a call.
pub(crate) fn bytes(text: &str) -> Value {
    json!({ BYTES: text })
}

/// The `aws` command, a process for each call.
pub(crate) struct CommandLine {
    client: Arc<Client>,
    /// Bytes inside JSON are in base64, as version 2 has it. Version 1 takes and shows them as they are.
    base64: bool,
    folder: PathBuf,
    files: usize,
}

impl CommandLine {
    /// Version 1.
    pub(crate) fn one(sandbox: &Sandbox, client: Client) -> Result<Self> {
        Self::new(sandbox, client, false)
    }

    /// Version 2.
    pub(crate) fn two(sandbox: &Sandbox, client: Client) -> Result<Self> {
        Self::new(sandbox, client, true)
    }

    fn new(sandbox: &Sandbox, client: Client, base64: bool) -> Result<Self> {
        let folder = sandbox.path().join(client.name());
        fs::create_dir_all(&folder)?;
        Ok(Self { client: Arc::new(client), base64, folder, files: 0 })
    }

    async fn run(&self, arguments: Vec<String>) -> Result<(i32, String, String)> {
        let client = self.client.clone();
        let run = move || client.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await?
    }

    /// `--workspace-id ws-...`, and so on.
    fn options(&mut self, parameters: &Value) -> Result<Vec<String>> {
        let mut options = Vec::new();
        for (member, value) in parameters.as_object().into_iter().flatten() {
            options.push(format!("--{}", kebab(member)));
            match value {
                Value::String(text) => options.push(text.clone()),
                Value::Object(members) if members.contains_key(BYTES) => {
                    self.files += 1;
                    let file = self.folder.join(format!("{}.yaml", self.files));
                    fs::write(&file, members[BYTES].as_str().context("text")?)?;
                    options.push(format!("fileb://{}", file.display()));
                }
                Value::Object(members) if members.values().all(Value::is_string) => {
                    let pairs =
                        members.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
                    options.push(pairs.collect::<Vec<_>>().join(","));
                }
                Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => {
                    options.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                other => options.push(self.encoded(other.clone()).to_string()),
            }
        }
        Ok(options)
    }

    /// Bytes inside JSON.
    fn encoded(&self, value: Value) -> Value {
        match value {
            Value::Object(members) => match members.get(BYTES).and_then(Value::as_str) {
                Some(text) if self.base64 => BASE64.encode(text).into(),
                Some(text) => text.into(),
                None => members.into_iter().map(|(name, value)| (name, self.encoded(value))).collect(),
            },
            Value::Array(items) => items.into_iter().map(|item| self.encoded(item)).collect(),
            plain => plain,
        }
    }
}

impl Amp for CommandLine {
    fn name(&self) -> &'static str {
        self.client.name()
    }

    fn file(&self, shown: &Value) -> Result<String> {
        let text = shown.as_str().context("a text")?;
        Ok(if self.base64 { String::from_utf8(BASE64.decode(text)?)? } else { text.to_owned() })
    }

    async fn ask(&mut self, operation: &str, parameters: Value) -> Result<Answer> {
        let mut arguments = vec!["amp".to_owned(), operation.to_owned()];
        arguments.extend(self.options(&parameters)?);
        arguments.extend(["--output", "json"].map(str::to_owned));
        let (code, out, err) = self.run(arguments).await?;
        if code != 0 {
            return Ok(Err(format!("ended with {code}: {}", err.trim())));
        }
        Ok(Ok(if out.trim().is_empty() { Value::Null } else { serde_json::from_str(&out)? }))
    }

    async fn wait(&mut self, waiter: &str, parameters: Value) -> Result<()> {
        let mut arguments = ["amp", "wait", waiter].map(str::to_owned).to_vec();
        arguments.extend(self.options(&parameters)?);
        let (code, _, err) = self.run(arguments).await?;
        ensure!(code == 0, "{} wait {waiter} ended with {code}: {err}", self.name());
        Ok(())
    }
}

/// `workspaceId` as `workspace-id`.
fn kebab(member: &str) -> String {
    let mut name = String::new();
    for letter in member.chars() {
        if letter.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// A Python that carries out calls with boto3: a line of JSON for each on its standard input, and one for each on its
/// output.
const DRIVER: &str = r#"
import datetime, json, sys
import boto3

amp = boto3.client("amp")
replies = []


def note(http_response, parsed, model, **_):
    metadata = parsed["ResponseMetadata"]
    replies.append([model.name, metadata["RequestId"], http_response.status_code, metadata["RetryAttempts"]])


def given(members):
    return members["$bytes"].encode() if "$bytes" in members else members


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value.decode() if isinstance(value, bytes) else str(value)


amp.meta.events.register("after-call.amp", note)
for line in sys.stdin:
    asked = json.loads(line, object_hook=given)
    said = {"replies": replies}
    try:
        if "waiter" in asked:
            amp.get_waiter(asked["waiter"]).wait(**asked["parameters"])
            said["reply"] = None
        else:
            said["reply"] = getattr(amp, asked["operation"])(**asked["parameters"])
    except Exception as error:
        said["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(said, default=plain), flush=True)
    replies.clear()
"#;

/// One reply to boto3.
#[derive(Debug)]
pub(crate) struct Told {
    /// Such as `CreateWorkspace`.
    pub(crate) operation: String,
    /// The id of its request.
    pub(crate) request_id: String,
    /// Its status.
    pub(crate) status: u64,
    /// How often boto3 had asked before.
    pub(crate) retries: u64,
}

/// boto3 in a Python of its own.
pub(crate) struct Boto3 {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Every reply so far, those that waiters got included.
    pub(crate) told: Vec<Told>,
    _process: Child,
}

impl Boto3 {
    pub(crate) fn start(client: &Client) -> Result<Self> {
        let mut command = Command::from(client.command());
        command.args(["-c", DRIVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (input, output) = input.zip(output).context("both are piped")?;
        Ok(Self { input, output: BufReader::new(output).lines(), told: Vec::new(), _process: process })
    }

    /// How often boto3 asked again.
    pub(crate) fn retries(&self) -> u64 {
        self.told.iter().map(|told| told.retries).sum()
    }

    async fn tell(&mut self, asked: Value) -> Result<Answer> {
        self.input.write_all(format!("{asked}\n").as_bytes()).await?;
        let line = self.output.next_line().await?.context("boto3's Python ended")?;
        let said: Value = serde_json::from_str(&line)?;
        for reply in said["replies"].as_array().context("replies")? {
            let text = |index: usize| reply[index].as_str().map(str::to_owned).context("text");
            let number = |index: usize| reply[index].as_u64().context("a number");
            let (operation, request_id) = (text(0)?, text(1)?);
            self.told.push(Told { operation, request_id, status: number(2)?, retries: number(3)? });
        }
        Ok(match said["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(said["reply"].clone()),
        })
    }
}

impl Amp for Boto3 {
    fn name(&self) -> &'static str {
        "boto3"
    }

    async fn ask(&mut self, operation: &str, parameters: Value) -> Result<Answer> {
        self.tell(json!({ "operation": operation.replace('-', "_"), "parameters": parameters })).await
    }

    async fn wait(&mut self, waiter: &str, parameters: Value) -> Result<()> {
        let asked = json!({ "waiter": waiter.replace('-', "_"), "parameters": parameters });
        match self.tell(asked).await? {
            Ok(_) => Ok(()),
            Err(error) => bail!("boto3 waits for {waiter}: {error}"),
        }
    }
}
