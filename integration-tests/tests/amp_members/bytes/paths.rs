//! Paths and queries that say one thing and could be taken for another.

use anyhow::{Context, Result, ensure};
use narthex_amp::{Operation, example::Things};

use super::{super::stock::Target, invalid};

/// What a request must get.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Done(u16),
    /// No operation has this path.
    Nowhere,
    /// It is sound and names nothing.
    Missing,
    /// The member breaks a constraint.
    Breaks(&'static str),
    /// The member cannot be read.
    Unreadable(&'static str),
}
use Wanted::{Breaks, Done, Missing, Nowhere, Unreadable};

pub(crate) async fn check(target: &Target<'_>, things: &Things) -> Result<()> {
    let (id, arn) = (&things.workspace, &things.workspace_arn);
    let escape = |text: &str, plain: fn(char) -> bool, lower: bool| -> String {
        let hex = |letter: char| {
            let code = u32::from(letter);
            if lower { format!("%{code:02x}") } else { format!("%{code:02X}") }
        };
        text.chars().map(|letter| if plain(letter) { letter.to_string() } else { hex(letter) }).collect()
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let once = escape(arn, plain, false);
    let twice = escape(&once, plain, false);
    let cases = [
        ("GET", format!("/tags/{once}"), Done(200)),
        ("GET", format!("/tags/{}", escape(arn, plain, true)), Done(200)),
        ("GET", format!("/tags/{}", escape(arn, |_| false, false)), Done(200)),
        ("GET", format!("/tags/{arn}"), Nowhere),
        ("GET", format!("/tags/{twice}"), Breaks("resourceArn")),
        ("GET", format!("/tags/{once}%2F"), Breaks("resourceArn")),
        ("GET", format!("/tags/{once}%00"), Missing),
        ("GET", "/tags/%FF".into(), Unreadable("resourceArn")),
        ("GET", "/tags/%zz".into(), Unreadable("resourceArn")),
        ("GET", "/tags/%2".into(), Unreadable("resourceArn")),
        ("GET", "/tags/".into(), Nowhere),
        ("GET", format!("/workspaces/{id}"), Done(200)),
        ("GET", format!("//workspaces//{id}"), Done(200)),
        ("GET", format!("/workspaces/x/../{id}"), Done(200)),
        ("GET", format!("/workspaces/{id}/"), Nowhere),
        ("GET", format!("/workspaces/{id}%2F"), Missing),
        ("GET", format!("/workspaces/{id}%2Fconfiguration"), Missing),
        ("GET", format!("/workspaces/%2E%2E%2F{id}"), Missing),
        ("GET", format!("/workspaces/{id}%0A"), Breaks("workspaceId")),
        ("GET", format!("/%77orkspaces/{id}"), Nowhere),
        ("GET", format!("/Workspaces/{id}"), Nowhere),
        ("BREW", format!("/workspaces/{id}"), Nowhere),
        ("GET", "/workspaces?maxResults=%31".into(), Done(200)),
        ("GET", "/workspaces?maxResults=1&maxResults=2".into(), Breaks("maxResults")),
        ("GET", "/workspaces?maxResults=1&maxResults=1".into(), Breaks("maxResults")),
        ("GET", "/workspaces?maxResults=".into(), Breaks("maxResults")),
        ("GET", "/workspaces?maxResults".into(), Breaks("maxResults")),
        ("GET", "/workspaces?maxResults=1e1".into(), Breaks("maxResults")),
        ("GET", "/workspaces?maxResults=99999999999999999999".into(), Breaks("maxResults")),
        ("GET", "/workspaces?alias=a&alias=b".into(), Breaks("alias")),
        ("GET", "/workspaces?unknown=1&unknown=2&&=".into(), Done(200)),
        ("GET", "/workspaces?MaxResults=x".into(), Done(200)),
        ("DELETE", format!("/tags/{once}?tagKeys=a&tagKeys=b"), Done(200)),
        ("DELETE", format!("/tags/{once}?tagkeys=a"), Breaks("tagKeys")),
        ("DELETE", format!("/tags/{once}"), Breaks("tagKeys")),
        ("GET", format!("/scrapers?{}", "colour=1&".repeat(5_000)), Breaks("filters[\"colour\"]")),
    ];
    for (method, path, wanted) in cases {
        let reply = target.bytes(method, &path, "").await?;
        let shown = || format!("{method} {}: {wanted:?}", path.chars().take(200).collect::<String>());
        match wanted {
            Done(status) => ensure!(reply.status.as_u16() == status, "{}: {reply}", shown()),
            Missing => ensure!(reply.status == 404, "{}: {reply}", shown()),
            Nowhere => invalid(&reply, "UNKNOWN_OPERATION", None).with_context(shown)?,
            Breaks(member) => {
                invalid(&reply, "FIELD_VALIDATION_FAILED", Some(member)).with_context(shown)?;
            }
            Unreadable(member) => invalid(&reply, "CANNOT_PARSE", Some(member)).with_context(shown)?,
        }
    }
    every_other_method(target).await
}

/// Each path with every method that no operation has on it.
async fn every_other_method(target: &Target<'_>) -> Result<()> {
    for operation in Operation::ALL {
        let path = narthex_amp::example::full(operation, &Things::default()).path;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let taken = |other: &Operation| other.path() == operation.path() && other.method() == method;
            if Operation::ALL.iter().any(taken) {
                continue;
            }
            let reply = target.bytes(method, &path, "").await?;
            invalid(&reply, "UNKNOWN_OPERATION", None).with_context(|| format!("{method} {path}"))?;
        }
    }
    Ok(())
}
