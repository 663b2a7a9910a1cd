//! AWS's own test suite of signatures, as its Rust SDK ships it: requests, and what they are in canonical form.
//!
//! The suite signs in 2015 for a service that does not exist, so each request gets another date, key and service here, and
//! the suite's own canonical form, with just these exchanged, is what is signed. No canonical form is made here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use super::raw::Scope;

/// What no request line can hold.
const RAW: AsciiSet = CONTROLS.add(b' ');
const STRICT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// When, where and for what the suite signs.
const AT: &str = "20150830T123600Z";

/// A case: a folder of the suite.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    folder: PathBuf,
}

/// A request to send.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    /// The same with another signature.
    pub(super) forged: Vec<u8>,
}

/// A request of the suite: its head's lines and its body.
struct Stored {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Every case of the suite.
pub(super) fn cases() -> Result<Vec<Case>> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()?;
    let package = metadata.packages.iter().find(|package| package.name.as_str() == "aws-sigv4");
    let package = package.context("aws-sigv4 is no dependency any more")?;
    let root = package.manifest_path.parent().context("a folder")?.join("aws-signing-test-suite/v4");
    let mut cases = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("the suite is not at {root}"))? {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        cases.push(Case { name, folder });
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(cases)
}

impl Case {
    fn read(&self, file: &str) -> Result<Option<String>> {
        let path = self.folder.join(file);
        if path.exists() { Ok(Some(read(&path)?)) } else { Ok(None) }
    }

    /// Whether our HMACs make the suite's signature of the suite's text, where it has both.
    pub(super) fn ensure_signer(&self) -> Result<()> {
        let scope = Scope {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            at: AT.to_owned(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        };
        for kind in ["header", "query"] {
            let parts = (
                self.read(&format!("{kind}-canonical-request.txt"))?,
                self.read(&format!("{kind}-signature.txt"))?,
            );
            if let (Some(canonical), Some(signature)) = parts {
                ensure!(scope.sign(&canonical) == signature.trim(), "{}: {kind}", self.name);
            }
        }
        Ok(())
    }

    /// Whether the token of a session stands in the request, and whether the signature covers it.
    pub(super) fn token(&self) -> Result<Option<bool>> {
        let named = |text: &str| text.to_lowercase().contains("x-amz-security-token");
        let request = self.read("header-signed-request.txt")?.context("a request")?;
        let canonical = self.read("header-canonical-request.txt")?.context("a canonical request")?;
        Ok(named(&request).then(|| named(&canonical)))
    }

    /// Whether it is a form for the token service, which has its own name in scopes.
    pub(super) fn is_sts(&self) -> Result<bool> {
        let stored = self.stored("header-signed-request.txt")?;
        Ok(stored.method == "POST" && stored.target.split('?').next() == Some("/"))
    }

    /// The request with its signature in a header.
    pub(super) fn by_header(&self, scope: &Scope, token: &str) -> Result<Made> {
        let stored = self.stored("header-signed-request.txt")?;
        let canonical = self.read("header-canonical-request.txt")?.context("a canonical request")?;
        let dated = |name: &str| name.eq_ignore_ascii_case("x-amz-date");
        let canonical: Vec<String> = canonical
            .lines()
            .map(|line| match line.split_once(':') {
                Some((name, _)) if dated(name) => format!("{name}:{}", scope.at),
                Some((name @ "x-amz-security-token", _)) => format!("{name}:{token}"),
                _ => line.to_owned(),
            })
            .collect();
        let names = canonical.iter().rev().nth(1).context("names of headers")?;
        let signature = scope.sign(&canonical.join("\n"));
        let made = |signature: &str| {
            let mut head = format!("{} {} HTTP/1.1\r\n", stored.method, stored.target);
            for (name, value) in &stored.headers {
                let value = match name.to_lowercase().as_str() {
                    "x-amz-date" => scope.at.clone(),
                    "x-amz-security-token" => token.to_owned(),
                    "authorization" => format!(
                        "AWS4-HMAC-SHA256 Credential={}, SignedHeaders={names}, Signature={signature}",
                        scope.credential()
                    ),
                    _ => value.clone(),
                };
                head.push_str(&format!("{name}:{value}\r\n"));
            }
            stored.ended(head)
        };
        Ok(Made { bytes: made(&signature), forged: made(&spoilt(&signature)) })
    }

    /// The request with its signature in the query, if the suite has it so.
    pub(super) fn by_query(&self, scope: &Scope, token: &str) -> Result<Option<Made>> {
        let Some(canonical) = self.read("query-canonical-request.txt")? else { return Ok(None) };
        let stored = self.stored("query-signed-request.txt")?;
        let credential = utf8_percent_encode(&scope.credential(), &STRICT).to_string();
        let token = utf8_percent_encode(token, &STRICT).to_string();
        let exchanged = |query: &str, signature: &str| {
            let pair = |pair: &str| match pair.split_once('=') {
                Some((name @ "X-Amz-Credential", _)) => format!("{name}={credential}"),
                Some((name @ "X-Amz-Date", _)) => format!("{name}={}", scope.at),
                Some((name @ "X-Amz-Security-Token", _)) => format!("{name}={token}"),
                Some((name @ "X-Amz-Signature", _)) => format!("{name}={signature}"),
                _ => pair.to_owned(),
            };
            query.split('&').map(pair).collect::<Vec<_>>().join("&")
        };
        let mut lines: Vec<String> = canonical.lines().map(str::to_owned).collect();
        lines[2] = exchanged(&lines[2], "");
        let signature = scope.sign(&lines.join("\n"));
        let (path, query) = stored.target.split_once('?').context("a query")?;
        let made = |signature: &str| {
            let mut head = format!("{} {path}?{} HTTP/1.1\r\n", stored.method, exchanged(query, signature));
            for (name, value) in &stored.headers {
                head.push_str(&format!("{name}:{value}\r\n"));
            }
            stored.ended(head)
        };
        Ok(Some(Made { bytes: made(&signature), forged: made(&spoilt(&signature)) }))
    }

    fn stored(&self, file: &str) -> Result<Stored> {
        let text = self.read(file)?.with_context(|| format!("{} has no {file}", self.name))?;
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let first = lines.next().context("a request line")?.trim_end_matches(" HTTP/1.1");
        let (method, target) = first.split_once(' ').context("a target")?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if let (true, Some((_, value))) = (line.starts_with(' '), headers.last_mut()) {
                // A value on several lines, which HTTP has given up, is one line.
                value.push(' ');
                value.push_str(line.trim());
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        // As every HTTP client does with what no request line can hold.
        let target = percent_encode(target.as_bytes(), &RAW).to_string();
        Ok(Stored {
            method: method.to_owned(),
            target,
            headers,
            body: body.trim_end_matches('\n').to_owned(),
        })
    }
}

impl Stored {
    /// Ends the head of a request, and adds the body.
    fn ended(&self, mut head: String) -> Vec<u8> {
        let has_length = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if !self.body.is_empty() && !has_length {
            head.push_str(&format!("Content-Length:{}\r\n", self.body.len()));
        }
        head.push_str("Connection:close\r\n\r\n");
        head.push_str(&self.body);
        head.into_bytes()
    }
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.replace("\r\n", "\n"))
}

/// Another signature.
fn spoilt(signature: &str) -> String {
    let last = if signature.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &signature[..signature.len() - 1])
}
