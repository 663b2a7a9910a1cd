//! Secrets that pass through the control plane, and the search for them in everything that it writes for people to
//! read.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use narthex_integration_tests::sandbox::binary;
use narthex_service::Random;
use serde_json::{Value, json};

use super::{
    clients::{Amp, bytes},
    commands::EKS,
    nodes::Nodes,
};
use crate::aws_clients::Client;

/// Secrets by what they are.
pub(crate) struct Secrets {
    random: Random,
    known: BTreeMap<String, String>,
}

impl Secrets {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, known: BTreeMap::new() }
    }

    /// One that Narthex made.
    pub(crate) fn add(&mut self, what: &str, secret: &str) {
        self.known.insert(what.to_owned(), secret.to_owned());
    }

    /// One that a user made up.
    fn fresh(&mut self, what: &str) -> String {
        let secret = format!("hush{:032x}", self.random.bits128());
        self.add(what, &secret);
        secret
    }

    /// Looks for all of them in all logs below a folder; how many logs there are.
    pub(crate) fn search(&self, folder: &Path) -> Result<usize> {
        let mut logs = files(folder)?;
        logs.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
        for log in &logs {
            let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
            for (what, secret) in &self.known {
                for form in forms(secret) {
                    let line = text.lines().find(|line| line.contains(&form));
                    ensure!(line.is_none(), "{what} is in {}: {}", log.display(), line.unwrap_or_default());
                }
            }
        }
        Ok(logs.len())
    }
}

/// A text as it may show: as it is, in base64 at any place of a longer text, as a list of bytes, and in hexadecimal.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let coded = BASE64.encode([&vec![0; before], secret.as_bytes()].concat());
        let (start, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        forms.push(coded[start..end].to_owned());
    }
    let listed = |separator: &str, byte: fn(&u8) -> String| {
        secret.as_bytes().iter().map(byte).collect::<Vec<_>>().join(separator)
    };
    forms.extend([listed(", ", u8::to_string), listed("", |byte| format!("{byte:02x}"))]);
    forms
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Documents with secrets in them: such as are taken, and such as are refused for it.
pub(crate) async fn documents(client: &mut impl Amp, secrets: &mut Secrets) -> Result<()> {
    let created = client.call("create-workspace", json!({ "alias": "secrets" })).await?;
    let id = json!({ "workspaceId": created["workspaceId"] });
    client.wait("workspace-active", id.clone()).await?;
    let secret = secrets.fresh("a secret key of SNS");
    let key = format!("sigv4: {{region: us-east-1, access_key: AKIAEXAMPLE, secret_key: {secret}}}");
    let account = created["arn"].as_str().and_then(|arn| arn.split(':').nth(4)).context("an ARN")?;
    let sns = format!("sns_configs: [{{{key}, topic_arn: 'arn:aws:sns:us-east-1:{account}:t'}}]");
    let definition = |receiver: &str| {
        let config = format!("route: {{receiver: r}}\n  receivers:\n    - name: r\n      {receiver}\n");
        let mut parameters = id.clone();
        parameters["data"] = bytes(&format!("alertmanager_config: |\n  {config}"));
        parameters
    };
    client.call("create-alert-manager-definition", definition(&sns)).await?;
    for (what, receiver) in [
        ("a key of PagerDuty", "pagerduty_configs: [{routing_key: SECRET}]"),
        (
            "the ARN of a secret",
            "pagerduty_configs: [{routing_key: {aws_secrets_manager: {secret_arn: SECRET, secret_key: k}}}]",
        ),
        ("a webhook", "webhook_configs: [{url: 'https://SECRET@example.com/SECRET'}]"),
        (
            "a password",
            "webhook_configs: [{url: 'https://example.com/', http_config: {basic_auth: {password: SECRET}}}]",
        ),
        ("broken YAML", "webhook_configs: [SECRET: SECRET: ["),
        ("an unknown key", "SECRET: 1"),
    ] {
        let receiver = receiver.replace("SECRET", &secrets.fresh(&format!("{what} in a definition")));
        for operation in ["create-alert-manager-definition", "put-alert-manager-definition"] {
            refused(client, operation, definition(&receiver)).await?;
        }
    }
    scrapers(client, &created["arn"], secrets).await
}

async fn scrapers(client: &mut impl Amp, arn: &Value, secrets: &mut Secrets) -> Result<()> {
    let create = |job: &str| {
        let file = format!("scrape_configs:\n  - job_name: j\n    {job}\n");
        json!({
            "source": { "eksConfiguration": { "clusterArn": EKS, "subnetIds": ["subnet-1"] } },
            "destination": { "ampConfiguration": { "workspaceArn": arn } },
            "scrapeConfiguration": { "configurationBlob": bytes(&file) },
        })
    };
    let targets = "kubernetes_sd_configs: [{role: pod}]";
    let token = secrets.fresh("a parameter of a scrape");
    let made = create(&format!("params: {{token: [{token}]}}\n    {targets}"));
    let created = client.call("create-scraper", made).await?;
    client.wait("scraper-active", json!({ "scraperId": created["scraperId"] })).await?;
    for (what, job) in [
        ("a password", "basic_auth: {username: u, password: SECRET}"),
        ("a bearer token", "authorization: {credentials: SECRET}"),
        ("a bearer token in the wrong place", "authorization: {type: Bearer SECRET}"),
        ("the old bearer token", "bearer_token: SECRET"),
        ("a file's text", "bearer_token_file: SECRET"),
        ("a target", "static_configs: [{targets: ['u:SECRET@10.0.0.1:80']}]"),
    ] {
        let secret = secrets.fresh(&format!("{what} in a scrape configuration"));
        let mut parameters = create(&format!("{}\n    {targets}", job.replace("SECRET", &secret)));
        refused(client, "create-scraper", parameters.clone()).await?;
        for member in ["source", "destination"] {
            parameters.as_object_mut().context("an object")?.remove(member);
        }
        parameters["scraperId"] = created["scraperId"].clone();
        refused(client, "update-scraper", parameters).await?;
    }
    Ok(())
}

async fn refused(client: &mut impl Amp, operation: &str, parameters: Value) -> Result<()> {
    match client.ask(operation, parameters).await? {
        Err(error) if error.contains("ValidationException") => Ok(()),
        other => anyhow::bail!("{operation} should be refused as invalid: {other:?}"),
    }
}

/// A session of a role with its keys and token, and another access key of the administrator.
pub(crate) fn keys(nodes: &Nodes<'_>, python: &Client, secrets: &mut Secrets) -> Result<()> {
    const ASSUME: &str = r#"
import boto3, json, os
endpoint = os.environ["AWS_ENDPOINT_URL_AMP"]
sts = boto3.client("sts", endpoint_url=endpoint)
account = sts.get_caller_identity()["Account"]
made = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/reader", RoleSessionName="session")["Credentials"]
session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
session.client("amp", endpoint_url=endpoint).list_workspaces()
print(json.dumps([made["SecretAccessKey"], made["SessionToken"]]))
"#;
    let env = &nodes.cluster.env;
    secrets.add("the administrator's key", env.get("AWS_SECRET_ACCESS_KEY")?);
    let file = nodes.cluster.dir.join("identities.yaml");
    let shown = admin(nodes, &["identity", "show"])?;
    let account = shown.lines().find_map(|line| line.split_once("account_id: ")).context("an account")?.1;
    let account = account.trim_matches(['"', '\'']);
    let user_key = secrets.fresh("a user's key");
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:user/admin") },
            "Action": "sts:AssumeRole",
        }],
    });
    let access_key = json!({ "access_key_id": "AKIAIOSFODNN7SECRETS", "secret_access_key": user_key });
    let document = json!({ "accounts": [{
        "account_id": account,
        "users": [{ "name": "someone", "access_keys": [access_key] }],
        "roles": [{ "name": "reader", "trust_policy": trust, "policies": ["AmazonPrometheusFullAccess"] }],
    }] });
    fs::write(&file, document.to_string())?;
    let file = file.display().to_string();
    admin(nodes, &["identity", "apply", &file])?;
    let (code, out, err) = python.run(&["-c", ASSUME])?;
    ensure!(code == 0, "assuming a role: {err}");
    let [secret, token]: [String; 2] = serde_json::from_str(&out)?;
    secrets.add("a session's key", &secret);
    secrets.add("a session's token", &token);
    Ok(())
}

fn admin(nodes: &Nodes<'_>, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(binary("narthex-control-plane")?);
    let output =
        command.args(["admin", "--addresses", &nodes.cluster.control_planes()]).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Secrets that Narthex keeps to itself, read from a disk: what seals page tokens and sessions.
pub(crate) fn kept(data_dir: &Path, secrets: &mut Secrets) -> Result<()> {
    let mut disk = Vec::new();
    for file in files(data_dir)? {
        disk.extend(fs::read(file)?);
    }
    let disk = String::from_utf8_lossy(&disk);
    for (what, before) in
        [("what seals page tokens", "\"page_secret\":\""), ("what seals sessions", "\"secret\":\"")]
    {
        let mut found = 0;
        for (at, _) in disk.match_indices(before) {
            let secret: String =
                disk[at + before.len()..].chars().take_while(char::is_ascii_hexdigit).collect();
            if secret.len() == 64 {
                found += 1;
                secrets.add(&format!("{what} ({found})"), &secret);
            }
        }
        ensure!(found > 0, "{what} is not on the disk in {}", data_dir.display());
    }
    Ok(())
}
