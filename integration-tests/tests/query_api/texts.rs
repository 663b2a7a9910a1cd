//! What is answered in words: formatted queries, syntax trees, and refusals, each as Prometheus has them.

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, Request};
use narthex_integration_tests::sandbox::scenario;
use serde_json::Value;

use crate::query_api::world::{World, data, seconds};

/// Queries in all the parts of the language, written carelessly.
const QUERIES: [&str; 30] = [
    "sum(rate(http_requests_total{job=\"x\"}[5m] offset -1m)) by (a,\"b c\")",
    "a @ -1.5",
    "a*on(x)group_left b",
    "a * ignoring (x) group_right (y, z) b",
    "1e30",
    "0x10",
    "0.00001",
    "a offset 5m @ start()",
    "max_over_time(rate(up[1m])[10m:] @ end() offset 1h)",
    "\"\\a\\u00a0\\x7f\u{e4}\\v\"",
    "'single'",
    "-(a)",
    "+a",
    "-a^2",
    "a[5m:1m] offset 2m",
    "count_values without()(\"x\", a)",
    "{\"a.b\",\"c d\"=~\"x\"}",
    "5m",
    "-5m",
    "rate(a[1h30m])",
    "Inf",
    "NaN",
    "a == bool 1",
    "a and ignoring() b",
    "a unless on(x) b or c",
    "{__name__=\"up\",job!~\"a|b\"}",
    "time() - hour()",
    "round(a, 0.1)",
    "label_join(up, \"foo\", \",\", \"src1\", \"src2\")",
    "quantile by (le) (0.9, a)",
];

fn long_queries() -> Vec<String> {
    let selector = |name: &str| format!("{name}{{job=\"{}\",instance=~\"a.*\"}}", "x".repeat(40));
    let (a, b) = (selector("first_metric"), selector("second_metric"));
    vec![
        format!("topk(5, rate({a}[5m]) / on(job) group_left rate({b}[5m]))"),
        format!("sum by (job) ({a} + {b} * {a})"),
        format!("-({a} + {b})"),
        format!("max_over_time(sum({a} + {b})[1h:5m] offset 1m)"),
        format!("label_replace({a}, \"a\", \"$1\", \"b\", \"(.*)\") > bool ignoring(instance) {b}"),
        format!("({a} or ({b} and {a}))"),
        format!("sum({a}[5m:1m])"),
        a,
    ]
}

/// Takes out the members that releases after the reference's have, and its own that we do not know.
fn without(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !names.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, without(value, names))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| without(item, names)).collect()),
        other => other,
    }
}

const NEWER: [&str; 6] = ["rangeExpr", "offsetExpr", "stepExpr", "anchored", "smoothed", "fillValues"];

#[test]
fn queries_are_formatted_and_parsed_as_prometheus_does() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let mut differences = Vec::new();
        for query in QUERIES.into_iter().map(str::to_owned).chain(long_queries()) {
            let fields = [("query", query.as_str())];
            for endpoint in ["format_query", "parse_query"] {
                let (expected, found) = world.ask(endpoint, &fields).await?;
                if expected.status != 200 && expected.status == found.status {
                    continue;
                }
                let expected = without(expected.json()?["data"].take(), &NEWER);
                let found = without(found.json()?["data"].take(), &NEWER);
                if expected != found {
                    differences
                        .push(format!("{endpoint} {query}\n    expected {expected}\n    found    {found}"));
                }
            }
        }
        ensure!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
        Ok(())
    });
}

type Fields<'a> = &'a [(&'a str, &'a str)];

/// Endpoints and parameters that are refused, or taken although they look odd.
const ODD: [(&str, Fields<'static>); 38] = [
    ("query", &[("query", "up"), ("time", "x")]),
    ("query", &[("query", "up"), ("time", "1E400")]),
    ("query", &[("query", "up"), ("timeout", "x")]),
    ("query", &[("query", "up"), ("timeout", "-1s")]),
    ("query", &[("query", "up"), ("timeout", "1ns")]),
    ("query", &[("query", "up"), ("timeout", "1e300")]),
    ("query", &[("query", "up"), ("limit", "x")]),
    ("query", &[("query", "up"), ("limit", "-1")]),
    ("query", &[("query", "up"), ("limit", "99999999999999999999")]),
    ("query", &[("query", "up"), ("lookback_delta", "x")]),
    ("query", &[("query", "up"), ("lookback_delta", "-1"), ("time", "5")]),
    ("query", &[("query", "up{")]),
    ("query", &[("query", "1"), ("time", "1.5"), ("unknown", "parameter")]),
    ("query", &[("query", "1"), ("time", "2015-07-01T20:10:51.781+02:00")]),
    ("query", &[("query", "1"), ("time", "2015-07-01T20:10:51Z")]),
    ("query", &[("query", "up"), ("time", "-292273086-05-16T16:47:06Z")]),
    ("query", &[("query", "up"), ("time", "292277025-08-18T07:12:54.999999999Z")]),
    ("query_range", &[("query", "up")]),
    ("query_range", &[("query", "up"), ("start", "2"), ("end", "1"), ("step", "1")]),
    ("query_range", &[("query", "up"), ("start", "1"), ("end", "2"), ("step", "0")]),
    ("query_range", &[("query", "up"), ("start", "1"), ("end", "2"), ("step", "-1")]),
    ("query_range", &[("query", "up"), ("start", "1"), ("end", "2"), ("step", "x")]),
    ("query_range", &[("query", "up"), ("start", "1"), ("end", "2")]),
    ("query_range", &[("query", "up"), ("start", "0"), ("end", "11001"), ("step", "1")]),
    ("query_range", &[("query", "up[1m]"), ("start", "0"), ("end", "1"), ("step", "1")]),
    ("query_exemplars", &[("query", "up"), ("start", "2"), ("end", "1")]),
    ("query_exemplars", &[("query", "up"), ("start", "1"), ("end", "2")]),
    ("query_exemplars", &[("query", "up{")]),
    ("format_query", &[("query", "up{")]),
    ("parse_query", &[("query", "up{")]),
    ("series", &[]),
    ("series", &[("match[]", "{}")]),
    ("series", &[("match[]", "up"), ("start", "x")]),
    ("series", &[("match[]", "up"), ("limit", "-1")]),
    ("labels", &[("match[]", "{x=~\".*\"}")]),
    ("labels", &[("end", "x")]),
    ("labels", &[("limit", "x")]),
    ("labels", &[("match[]", "up{")]),
];

#[test]
fn odd_requests_are_answered_in_the_words_of_prometheus() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let mut differences = Vec::new();
        for (endpoint, fields) in ODD {
            let (expected, found) = world.ask(endpoint, fields).await?;
            let same = expected.status == found.status && expected.json()? == found.json()?;
            if !same {
                differences
                    .push(format!("{endpoint} {fields:?}\n    expected {expected}\n    found    {found}"));
            }
        }
        // Out of time before it begins. (Prometheus may also notice while it parses, in other words.)
        for timeout in ["0", "0s", "-1"] {
            let found = world.narthex("query", &[("query", "up"), ("timeout", timeout)]).await?;
            let text = "query timed out in query execution";
            if found.status != 503
                || found.json()?["error"] != text
                || found.json()?["errorType"] != "timeout"
            {
                differences.push(format!("timeout {timeout}: {found}"));
            }
        }
        ensure!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
        Ok(())
    });
}

#[test]
fn a_limit_cuts_and_says_so() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let (start, end) = (seconds(world.end - 600_000), seconds(world.end));
        let range = [("start", start.as_str()), ("end", end.as_str())];
        let query = [("query", "requests_total"), ("time", end.as_str()), ("step", "60")];
        for (endpoint, fields) in [
            ("query", &query[..2]),
            ("query_range", &[&query[..], &range].concat()),
            ("series", &[&[("match[]", "requests_total")], &range[..]].concat()),
            ("labels", &range[..]),
        ] {
            for limit in ["0", "1", "2", "100"] {
                let fields = [fields, &[("limit", limit)]].concat();
                let (expected, found) = world.ask(endpoint, &fields).await?;
                let (expected, found) = (expected.json()?, found.json()?);
                let count = |json: &Value| {
                    let list =
                        if endpoint.starts_with("query") { &json["data"]["result"] } else { &json["data"] };
                    list.as_array().map(Vec::len)
                };
                ensure!(
                    count(&expected) == count(&found) && expected["warnings"] == found["warnings"],
                    "{endpoint} limit {limit}: expected {expected}, found {found}"
                );
            }
        }
        Ok(())
    });
}

#[test]
fn the_ways_to_send_a_query_are_one() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, &[]).await?;
        let api = &world.narthex.api;
        let time = seconds(world.end);
        let fields = [("query", "sum by (job) (requests_total) + 1"), ("time", time.as_str())];
        let by_form = data(&world.narthex("query", &fields).await?)?;
        ensure!(by_form["result"].as_array().is_some_and(|result| result.len() == 2), "{by_form}");
        ensure!(data(&api.get(&world.narthex.base, "query", &fields).await?)? == by_form);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let uri = api.url(&world.narthex.base, &format!("api/v1/query?{}", query.replace('+', "%20")));
        let url_only = api.send(Request::post(&uri).body(Bytes::new())?).await?;
        ensure!(data(&url_only)? == by_form, "{url_only}");

        let zipped = Request::get(&uri).header("accept-encoding", "gzip").body(Bytes::new())?;
        let zipped = api.send(zipped).await?;
        ensure!(
            zipped.header("content-encoding") == "gzip" && zipped.body.starts_with(&[0x1f, 0x8b]),
            "{zipped}"
        );

        for (endpoint, method, allow) in [
            ("query", Method::PUT, "GET, HEAD, OPTIONS, POST"),
            ("series", Method::DELETE, "GET, HEAD, OPTIONS, POST"),
            ("label/job/values", Method::POST, "GET, HEAD, OPTIONS"),
            ("metadata", Method::POST, "GET, HEAD, OPTIONS"),
        ] {
            let uri = api.url(&world.narthex.base, &format!("api/v1/{endpoint}"));
            let reply = api.send(Request::builder().method(method).uri(uri).body(Bytes::new())?).await?;
            ensure!(
                reply.status == 405 && reply.header("allow") == allow,
                "{endpoint}: {reply} {:?}",
                reply.headers
            );
        }
        let preflight = Request::options(&uri).header("origin", "http://pages.example");
        let preflight = preflight.header("access-control-request-method", "POST").body(Bytes::new())?;
        let reply = sandbox.http.send(preflight).await?;
        ensure!(reply.status == 204 && reply.header("access-control-allow-origin") == "*", "{reply}");
        ensure!(reply.header("access-control-allow-headers").contains("X-Amz-Date"), "{:?}", reply.headers);
        Ok(())
    });
}
