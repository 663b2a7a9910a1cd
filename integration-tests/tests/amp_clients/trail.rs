//! What the audit log has to say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{clients::Told, commands::RULES};

/// That no call was done twice: however often a client sent its token, the first answer came back. How many calls were
/// answered more than once.
pub(crate) fn ensure_done_once(events: &[Value]) -> Result<usize> {
    let mut answers: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["errorCode"].is_null()) {
        if let Some(token) = event["requestParameters"]["clientToken"].as_str() {
            let name = event["eventName"].as_str().context("a name")?;
            answers.entry((name, token)).or_default().push(&event["responseElements"]);
        }
    }
    for ((name, token), answers) in &answers {
        let same = answers.iter().all(|answer| *answer == answers[0]);
        ensure!(same, "{name} with the token {token} was answered with {answers:?}");
    }
    Ok(answers.values().filter(|answers| answers.len() > 1).count())
}

/// That each reply has its event, and each event its reply (AUD-1, AUD-9), and that every operation is among them.
pub(crate) fn ensure_complete(events: &[Value], told: &[Told]) -> Result<()> {
    let repeated: Vec<_> = told.iter().filter(|told| told.retries > 0).collect();
    ensure!(repeated.is_empty(), "nothing was killed, and yet calls were repeated: {repeated:?}");
    let mut by_request: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        by_request.entry(event["requestID"].as_str().context("an id")?).or_default().push(event);
    }
    for reply in told {
        let found = by_request.remove(reply.request_id.as_str()).unwrap_or_default();
        ensure!(found.len() == 1, "{reply:?} has the events {found:?}");
        let event = found[0];
        ensure!(event["eventName"] == reply.operation.as_str(), "{reply:?}: {event}");
        ensure!(event["errorCode"].is_null() == (reply.status < 300), "{reply:?}: {event}");
    }
    ensure!(by_request.is_empty(), "events of requests that nobody sent: {by_request:?}");
    let ids: BTreeSet<_> = events.iter().map(|event| event["eventID"].to_string()).collect();
    ensure!(ids.len() == events.len(), "an id of an event is there twice");
    let names: BTreeSet<_> = told.iter().map(|reply| reply.operation.as_str()).collect();
    let all = narthex_amp::Operation::ALL.into_iter().map(narthex_amp::Operation::name).collect();
    ensure!(names == all, "not called: {:?}", all.difference(&names));
    Ok(())
}

/// That every event says who did what and what came of it (AUD-3, AUD-4, AUD-5).
pub(crate) fn ensure_sensible(events: &[Value], access_key_id: &str) -> Result<()> {
    for event in events {
        let who = &event["userIdentity"];
        ensure!(who["type"] == "IAMUser" && who["accessKeyId"] == access_key_id, "{event}");
        for (member, value) in [
            ("eventVersion", "1.08"),
            ("eventSource", "aps.amazonaws.com"),
            ("awsRegion", "us-east-1"),
            ("sourceIPAddress", "127.0.0.1"),
            ("eventType", "AwsApiCall"),
            ("eventCategory", "Management"),
        ] {
            ensure!(event[member] == value, "{member} of {event}");
        }
        ensure!(event["recipientAccountId"] == who["accountId"], "{event}");
        ensure!(event["userAgent"].as_str().is_some_and(|agent| agent.contains("Boto3/")), "{event}");
        let name = event["eventName"].as_str().context("a name")?;
        let reads = ["Describe", "List", "Get"].iter().any(|verb| name.starts_with(verb));
        ensure!(event["readOnly"] == reads && event["managementEvent"] == true, "{event}");
        let elements = &event["responseElements"];
        let failed = !event["errorCode"].is_null();
        ensure!(elements.is_null() == (reads || failed), "{event}");
        ensure!(elements.is_null() || elements["Access-Control-Expose-Headers"].is_string(), "{event}");
        let tagging = ["TagResource", "UntagResource", "UpdateScraperLoggingConfiguration"].contains(&name);
        let token = &event["requestParameters"]["clientToken"];
        ensure!(token.is_string() != (reads || tagging), "{event}");
    }
    Ok(())
}

/// That members of path, query and body are there, and documents only where they can hold no secret.
pub(crate) fn ensure_members(events: &[Value]) -> Result<()> {
    let of = |name: &str| {
        let mut found =
            events.iter().filter(|event| event["eventName"] == name && event["errorCode"].is_null());
        found.next().with_context(|| format!("no event {name}"))
    };
    let created = of("CreateWorkspace")?;
    let (asked, made) = (&created["requestParameters"], &created["responseElements"]);
    ensure!(asked["alias"] == "boto3" && asked["tags"] == json!({ "team": "core" }), "{created}");
    ensure!(made["status"]["statusCode"] == "CREATING" && made["tags"] == asked["tags"], "{created}");
    let (workspace, arn) = (&made["workspaceId"], &made["arn"]);
    for name in ["DeleteWorkspace", "DescribeWorkspace", "PutResourcePolicy", "CreateAnomalyDetector"] {
        let event = of(name)?;
        ensure!(event["requestParameters"]["workspaceId"] == *workspace, "{event}");
    }
    let untagged = &of("UntagResource")?["requestParameters"];
    ensure!(untagged["resourceArn"] == *arn && untagged["tagKeys"] == "Status", "{untagged}");
    let rules = &of("PutRuleGroupsNamespace")?["requestParameters"];
    ensure!(rules["name"] == "rules file/1" && rules["data"] == BASE64.encode(RULES), "{rules}");
    for event in [of("CreateAlertManagerDefinition")?, of("PutAlertManagerDefinition")?] {
        ensure!(event["requestParameters"]["data"] == "HIDDEN_DUE_TO_SECURITY_REASONS", "{event}");
    }
    let scraper = of("CreateScraper")?;
    let blob = &scraper["requestParameters"]["scrapeConfiguration"]["configurationBlob"];
    ensure!(*blob == "HIDDEN_DUE_TO_SECURITY_REASONS", "{scraper}");
    ensure!(scraper["responseElements"]["scraperId"].is_string(), "{scraper}");
    let missing = events.iter().find(|event| !event["errorCode"].is_null()).context("a failed call")?;
    ensure!(missing["errorCode"] == "ResourceNotFoundException", "{missing}");
    ensure!(missing["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{missing}");
    Ok(())
}
