//! Every case of every operation, sent to a real control plane and judged by what comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use narthex_amp::{
    Operation, Reason,
    example::{Case, Expected, RawRequest, Things, check_reply, minimal},
    shape::Location,
};
use narthex_integration_tests::http::Reply;
use serde_json::Value;

use super::{all_cases, sent::generic, stock::Target};

/// Most things that the cases of one operation share.
const MOST_THINGS: usize = 24;

/// Operations whose cases are on their way at the same time.
const AT_ONCE: usize = 8;

/// What a single request came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// It was carried out.
    Done,
    /// It was refused for what it is, as it must be.
    Refused,
    /// It is sound, and the state is in its way.
    InTheWay(String),
}

/// What all cases came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) in_the_way: usize,
    /// Sound values of a member, by operation and path: whether any was carried out, and why others were not.
    members: BTreeMap<(Operation, String), (bool, BTreeSet<String>)>,
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, operation: Operation, case: &Case, came: Result<Came>) {
        self.requests += 1;
        let came = match came {
            Ok(came) => came,
            Err(error) => {
                self.failures.push(format!("{} {}: {error:#}", operation.name(), case.what));
                return;
            }
        };
        let path = case.what.split(": ").next().map(generic).unwrap_or_default();
        let member = self.members.entry((operation, path));
        match came {
            Came::Refused => self.refused += 1,
            Came::Done => {
                self.done += 1;
                member.or_default().0 = true;
            }
            Came::InTheWay(why) => {
                self.in_the_way += 1;
                member.or_default().1.insert(why);
            }
        }
    }

    fn join(mut self, mut other: Self) -> Self {
        self.requests += other.requests;
        self.done += other.done;
        self.refused += other.refused;
        self.in_the_way += other.in_the_way;
        self.members.append(&mut other.members);
        self.failures.append(&mut other.failures);
        self
    }

    /// Nothing was answered wrongly, and of each member some sound value was carried out.
    pub(crate) fn check(&self, excused: impl Fn(Operation, &str) -> bool) -> Result<()> {
        let failures = &self.failures;
        ensure!(failures.is_empty(), "{} wrong answers:\n{}", failures.len(), failures.join("\n"));
        let never: Vec<String> = self
            .members
            .iter()
            .filter(|((operation, path), (done, _))| !done && !excused(*operation, path))
            .map(|((operation, path), (_, why))| format!("{} {path}: {why:?}", operation.name()))
            .collect();
        ensure!(never.is_empty(), "no sound value was carried out of\n{}", never.join("\n"));
        Ok(())
    }
}

/// Sends every case of every operation to things that there are.
pub(crate) async fn all(target: &Target<'_>) -> Result<Tally> {
    let tokens = AtomicU64::new(0);
    let one = async |operation| of_operation(target, operation, &tokens).await;
    let tallies = stream::iter(Operation::ALL).map(one).buffer_unordered(AT_ONCE);
    tallies.try_fold(Tally::default(), async |all, one| Ok(all.join(one))).await
}

/// Sends a sound request of every operation that names something, where there is nothing of that name.
pub(crate) async fn nothing_there(target: &Target<'_>) -> Result<()> {
    for operation in Operation::ALL.into_iter().filter(|operation| operation.path().contains('{')) {
        let reply = target.send(&minimal(operation, &Things::default())).await?;
        let error = reply.header("x-amzn-errortype");
        let fits = if operation.lists("ResourceNotFoundException") {
            reply.status == 404 && error == "ResourceNotFoundException"
        } else {
            reply.status == 400 && reply.json()?["reason"] == Reason::Other.as_str()
        };
        ensure!(fits, "{} of nothing: {reply}", operation.name());
    }
    Ok(())
}

async fn of_operation(target: &Target<'_>, operation: Operation, tokens: &AtomicU64) -> Result<Tally> {
    let sound = |case: &Case| case.expected == Expected::Accepted;
    let wanted = all_cases(operation, &Things::default()).iter().filter(|case| sound(case)).count();
    let count = if operation.is_read_only() { 1 } else { wanted.clamp(1, MOST_THINGS) };
    let things = target.stock(operation, count).await.with_context(|| operation.name())?;
    let by_things: Vec<Vec<Case>> = things.iter().map(|things| all_cases(operation, things)).collect();
    let mut tally = Tally::default();
    let mut used = 0;
    for (number, first) in by_things[0].iter().enumerate() {
        let token = tokens.fetch_add(1, Relaxed);
        let (case, reply) = if sound(first) {
            let case = &by_things[used % count][number];
            used += 1;
            (case, target.when_free(&plain(case, token)).await?)
        } else {
            (first, target.send(&plain(first, token)).await?)
        };
        tally.add(operation, case, judge(case, &reply));
    }
    Ok(tally)
}

/// The request with a client token of its own, and without what names an earlier answer, unless the case is about that.
fn plain(case: &Case, number: u64) -> RawRequest {
    let mut raw = case.request.clone();
    let about = |member: &str| case.what.starts_with(&format!("{member}:"));
    let token = format!("token-{number}");
    let body = serde_json::from_str::<Value>(&raw.body);
    if let Ok(Value::Object(mut body)) = body {
        for member in ["revisionId", "nextToken"].into_iter().filter(|member| !about(member)) {
            body.remove(member);
        }
        if !about("clientToken") && body.contains_key("clientToken") {
            body.insert("clientToken".to_owned(), token.as_str().into());
        }
        raw.body = Value::Object(body).to_string();
    }
    let kept = raw.query.split('&').filter_map(|pair| match pair.split('=').next().unwrap_or_default() {
        name @ ("revisionId" | "nextToken") if !about(name) => None,
        "clientToken" if !about("clientToken") => Some(format!("clientToken={token}")),
        _ => Some(pair.to_owned()),
    });
    raw.query = kept.collect::<Vec<_>>().join("&");
    raw
}

fn judge(case: &Case, reply: &Reply) -> Result<Came> {
    let operation = case.request.operation;
    let status = reply.status.as_u16();
    ensure!(status < 500, "{reply}");
    ensure!(reply.header("x-amzn-requestid").len() == 36, "no request id: {reply}");
    if reply.status.is_success() {
        ensure!(case.expected == Expected::Accepted, "accepted, not {:?}: {reply}", case.expected);
        ensure!(status == operation.success(), "not {}: {reply}", operation.success());
        check_reply(operation, &reply.text()).with_context(|| format!("the reply {reply}"))?;
        return Ok(Came::Done);
    }
    let error = reply.header("x-amzn-errortype").to_owned();
    let body = reply.json()?;
    ensure!(reply.header("content-type") == "application/json", "not JSON: {reply}");
    ensure!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "no message: {reply}");
    ensure!(operation.lists(&error), "{error:?} is not listed: {reply}");
    match &case.expected {
        Expected::Refused { reason, name } => {
            ensure!(status == 400 && error == "ValidationException", "not refused for {name}: {reply}");
            let names = fields(&body)?;
            ensure!(body["reason"] == reason.as_str(), "not {}: {reply}", reason.as_str());
            ensure!(names.contains(name), "{name} is not among {names:?}: {reply}");
            Ok(Came::Refused)
        }
        Expected::Accepted => {
            let known = match status {
                402 => error == "ServiceQuotaExceededException" && body["quotaCode"].is_string(),
                404 => error == "ResourceNotFoundException" && body["resourceId"].is_string(),
                409 => error == "ConflictException" && body["resourceId"].is_string(),
                400 => may_be_refused(&body, operation)?,
                _ => false,
            };
            ensure!(known, "sound, and refused: {reply}");
            Ok(Came::InTheWay(format!("{error} {}", body["message"].as_str().unwrap_or_default())))
        }
    }
}

/// The members that a refusal names, each with a text.
fn fields(body: &Value) -> Result<Vec<String>> {
    let fields = body["fieldList"].as_array().context("no fieldList")?;
    let name = |field: &Value| {
        ensure!(field["message"].as_str().is_some_and(|text| !text.is_empty()), "no message: {field}");
        Ok(field["name"].as_str().context("no name")?.to_owned())
    };
    fields.iter().map(name).collect()
}

/// Sound by the model, and refused as invalid all the same: for what the model's types cannot say.
fn may_be_refused(body: &Value, operation: Operation) -> Result<bool> {
    // Operations that list no error for it answer so when something is not found or exists already.
    if body["reason"] == Reason::Other.as_str() {
        return Ok(!operation.lists("ResourceNotFoundException") || !operation.lists("ConflictException"));
    }
    let names = fields(body)?;
    // Tokens of pages are made here, and no text of another is one.
    Ok(names == ["nextToken"])
}

/// Whether no sound value of a member can be carried out: another id than that of what there is names nothing.
pub(crate) fn excused(operation: Operation, path: &str) -> bool {
    let in_path = operation.input().member(path).is_some_and(|member| member.location == Location::Path);
    in_path || matches!(path, "nextToken" | "destination.ampConfiguration.workspaceArn")
}
