//! The API over samples in memory: envelopes, errors, methods, encodings.

mod asks;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{Method, Request, StatusCode, header};
use narthex_cluster::Workspace;
use narthex_edge::{Authenticated, Circumstances};
use narthex_model::{Labels, Matcher, MetricMetadata, MetricType, TimeRange, TimestampMs, WorkspaceId};
use narthex_policy::{Caller, Permissions, Principal};
use narthex_promql::{Reservation, SelectedSeries, Selection, SeriesData, SeriesSource, SourceError};
use narthex_service::Components;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Lookup, QuerySettings, Reads, routes_over};

const WORKSPACE: WorkspaceId = WorkspaceId::from_u128(1);

/// Samples in memory, or a fault.
#[derive(Clone, Default)]
struct Memory {
    series: Vec<SeriesData>,
    fault: Option<SourceError>,
    hangs: bool,
}

impl Memory {
    fn up() -> Self {
        let one = |instance: &str, values: &[f64]| SeriesData {
            labels: Labels::from_pairs([("__name__", "up"), ("instance", instance)]),
            timestamps: (0..values.len() as i64).map(|at| at * 15_000).collect(),
            values: values.to_vec(),
            ..SeriesData::default()
        };
        Self {
            series: vec![one("a:1", &[1.0, 1.0, 0.5]), one("b:1", &[0.0, 0.0, f64::NAN])],
            ..Self::default()
        }
    }

    async fn matching(&self, selectors: &[Vec<Matcher>]) -> Result<Vec<SeriesData>, SourceError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let fits = |one: &&SeriesData| {
            selectors.is_empty() || selectors.iter().any(|matchers| Matcher::all_match(matchers, &one.labels))
        };
        Ok(self.series.iter().filter(fits).cloned().collect())
    }
}

#[async_trait]
impl SeriesSource for Memory {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        let series = self.matching(std::slice::from_ref(&request.matchers)).await?;
        Ok(SelectedSeries { series, ..SelectedSeries::default() })
    }
}

#[async_trait]
impl Reads for Memory {
    fn source(&self, workspace: WorkspaceId, _: TimeRange, _: Reservation) -> Arc<dyn SeriesSource> {
        assert_eq!(workspace, WORKSPACE);
        Arc::new(self.clone())
    }

    async fn label_names(&self, _: WorkspaceId, lookup: &Lookup) -> Result<Vec<String>, SourceError> {
        let series = self.matching(&lookup.selectors).await?;
        let names: BTreeSet<_> =
            series.iter().flat_map(|one| one.labels.iter().map(|(name, _)| name.to_owned())).collect();
        Ok(names.into_iter().take(lookup.limit.unwrap_or(usize::MAX)).collect())
    }

    async fn label_values(
        &self,
        _: WorkspaceId,
        name: &str,
        lookup: &Lookup,
    ) -> Result<Vec<String>, SourceError> {
        let series = self.matching(&lookup.selectors).await?;
        let values: BTreeSet<_> =
            series.iter().filter_map(|one| one.labels.get(name).map(str::to_owned)).collect();
        Ok(values.into_iter().take(lookup.limit.unwrap_or(usize::MAX)).collect())
    }

    async fn series(&self, _: WorkspaceId, lookup: &Lookup) -> Result<Vec<Labels>, SourceError> {
        let series = self.matching(&lookup.selectors).await?;
        Ok(series.into_iter().map(|one| one.labels).take(lookup.limit.unwrap_or(usize::MAX)).collect())
    }

    async fn metadata(&self, _: WorkspaceId, metric: &str) -> Result<BTreeSet<MetricMetadata>, SourceError> {
        let entry = |metric: &str, help: &str| MetricMetadata {
            metric: metric.into(),
            kind: MetricType::Gauge,
            help: help.into(),
            unit: String::new(),
        };
        let all = [entry("up", "one"), entry("up", "two"), entry("zz", "")];
        Ok(all.into_iter().filter(|entry| metric.is_empty() || entry.metric == metric).collect())
    }
}

/// What the edge would have found out.
fn passed() -> Authenticated {
    let account: narthex_model::AccountId = "123456789012".parse().expect("12 digits");
    let workspace = Workspace::new(WORKSPACE, account.clone());
    let principal = Principal::from_arn("arn:aws:iam::123456789012:root").expect("an ARN");
    Authenticated {
        account,
        caller: Arc::new(Caller { principal, permissions: Permissions::default() }),
        access_key_id: None,
        circumstances: Circumstances {
            now: TimestampMs(0),
            region: "us-east-1".into(),
            secure: false,
            user_agent: None,
            source: std::net::Ipv4Addr::LOCALHOST.into(),
            passage: None,
        },
        workspace: Some(Arc::new(workspace)),
        request_id: "1".into(),
    }
}

fn app_with(memory: Memory, settings: QuerySettings) -> Router {
    routes_over(Arc::new(memory), settings, &Components::from_system(None))
}

fn app() -> Router {
    app_with(Memory::up(), QuerySettings::default())
}

async fn send(app: Router, method: Method, path: &str, form: Option<&str>) -> (StatusCode, Value) {
    let uri = format!("/workspaces/{WORKSPACE}/api/v1/{path}");
    let mut request = Request::builder().method(method).uri(uri).extension(passed());
    if form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let body = form.map_or_else(Body::empty, |form| Body::from(form.to_owned()));
    let response = app.oneshot(request.body(body).expect("a request")).await.expect("infallible");
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("not JSON: {body:?}")))
}

async fn get(path: &str) -> (StatusCode, Value) {
    send(app(), Method::GET, path, None).await
}

fn error(kind: &str, text: &str) -> Value {
    json!({"status": "error", "errorType": kind, "error": text})
}

#[tokio::test]
async fn an_instant_query_answers_a_vector() {
    let expected = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"__name__": "up", "instance": "a:1"}, "value": [31.5, "0.5"]},
        {"metric": {"__name__": "up", "instance": "b:1"}, "value": [31.5, "NaN"]},
    ]}});
    assert_eq!(get("query?query=up&time=31.5").await, (StatusCode::OK, expected.clone()));
    let form = send(app(), Method::POST, "query", Some("query=up&time=31.5")).await;
    assert_eq!(form, (StatusCode::OK, expected.clone()));
    let mixed = send(app(), Method::POST, "query?query=wrong&time=31.5", Some("query=up")).await;
    assert_eq!(mixed, (StatusCode::OK, expected.clone()));
    let in_the_url = send(app(), Method::POST, "query?query=up&time=31.5", None).await;
    assert_eq!(in_the_url, (StatusCode::OK, expected));
}

#[tokio::test]
async fn a_query_without_time_is_evaluated_now() {
    let (status, body) = get("query?query=1%2B1").await;
    assert_eq!(
        (status, &body["data"]["resultType"], &body["data"]["result"][1]),
        (StatusCode::OK, &json!("scalar"), &json!("2"))
    );
    assert!(body["data"]["result"][0].as_f64().expect("a time") > 1.6e9);
}

#[tokio::test]
async fn a_range_query_answers_a_matrix_on_aligned_steps() {
    let (status, body) =
        get("query_range?query=up%7Binstance%3D%22a%3A1%22%7D&start=7&end=38&step=15s&stats=all").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["data"]["resultType"], "matrix");
    assert_eq!(body["data"]["result"][0]["values"], json!([[0, "1"], [15, "1"], [30, "0.5"]]));
    assert_eq!(
        body["data"]["stats"]["samples"]["totalQueryableSamplesPerStep"],
        json!([[0, 1], [15, 1], [30, 1]])
    );
    assert_eq!(body["data"]["stats"]["samples"]["totalQueryableSamples"], 3);
    let settings = QuerySettings { align_range: false, ..QuerySettings::default() };
    let exact = "query_range?query=up%7Binstance%3D%22a%3A1%22%7D&start=7&end=38&step=15";
    let (_, body) = send(app_with(Memory::up(), settings), Method::GET, exact, None).await;
    assert_eq!(body["data"]["result"][0]["values"], json!([[7, "1"], [22, "1"], [37, "0.5"]]));
}

#[tokio::test]
async fn a_plan_is_shown_without_reading_anything() {
    let broken = Memory { hangs: true, ..Memory::up() };
    let ask = async |path: &'static str| {
        send(app_with(broken.clone(), QuerySettings::default()), Method::GET, path, None).await
    };
    let (status, body) =
        ask("query_range?query=sum(rate(up%5B1m%5D))&start=60&end=120&step=30&explain=1").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let plan = &body["data"]["explanation"];
    assert_eq!(plan["steps"], json!({"firstMs": 60_000, "lastMs": 120_000, "stepMs": 30_000, "count": 3}));
    let selector = json!({"name": "range selector", "expr": "up[1m]", "once": false, "read": "read 0"});
    let rate = json!({"name": "rate", "expr": "rate(up[1m])", "once": false, "children": [selector]});
    let sum = json!({"name": "sum", "expr": "sum(rate(up[1m]))", "once": false, "fragment": "fragment 0", "children": [rate]});
    assert_eq!(plan["plan"], sum);
    let read = json!({
        "name": "read 0", "selector": "{__name__=\"up\"}", "minMs": 1, "maxMs": 120_000, "used": 1, "onlyIfRefused": true,
    });
    assert_eq!(plan["reads"], json!([read]));
    assert_eq!(plan["fragments"][0]["ifRefused"], json!(["read 0"]));
    assert!(plan["limits"]["memoryBytes"].as_u64() > Some(0), "{plan}");
    assert!(plan["text"].as_str().expect("a text").contains("asked for as fragment 0"), "{plan}");
    let (status, body) = ask("query?query=stddev(up)&time=60&explain=true").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let plan = &body["data"]["explanation"];
    assert!(plan["plan"]["notPushedDown"].is_string(), "{plan}");
    let (status, body) = get("query?query=up&explain=maybe").await;
    let text = "invalid parameter \"explain\": cannot parse \"maybe\" to a boolean";
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, error("bad_data", text)));
}

#[tokio::test]
async fn a_limit_cuts_and_warns() {
    let (_, body) = get("query?query=up&time=30&limit=1").await;
    assert_eq!(body["data"]["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["warnings"], json!(["results truncated due to limit"]));
    let (_, body) = get("labels?limit=1").await;
    assert_eq!(
        body,
        json!({"status": "success", "data": ["__name__"], "warnings": ["results truncated due to limit"]})
    );
    let (_, body) = get("series?match[]=up&limit=1").await;
    assert_eq!((body["data"].as_array().map(Vec::len), body["warnings"].is_array()), (Some(1), true));
}

#[tokio::test]
async fn labels_values_and_series_are_listed() {
    assert_eq!(get("labels").await.1, json!({"status": "success", "data": ["__name__", "instance"]}));
    assert_eq!(get("labels?match[]=nothing").await.1, json!({"status": "success", "data": []}));
    let values = json!({"status": "success", "data": ["a:1", "b:1"]});
    assert_eq!(get("label/instance/values").await.1, values);
    assert_eq!(get("label/U__instance/values").await.1, values);
    assert_eq!(get("label/instance/values?match[]=up{instance=~%22b.*%22}").await.1["data"], json!(["b:1"]));
    let series = json!({"status": "success", "data": [{"__name__": "up", "instance": "a:1"}]});
    let form = Some("match[]=up%7Binstance%3D%22a%3A1%22%7D&start=1634936400&end=1634939100");
    assert_eq!(send(app(), Method::POST, "series", form).await.1, series);
}

#[tokio::test]
async fn metadata_is_grouped_by_metric() {
    let entry = |help: &str| json!({"type": "gauge", "help": help, "unit": ""});
    let all = json!({"up": [entry("one"), entry("two")], "zz": [entry("")]});
    assert_eq!(get("metadata").await.1, json!({"status": "success", "data": all}));
    assert_eq!(get("metadata?limit=1&limit_per_metric=1").await.1["data"], json!({"up": [entry("one")]}));
    assert_eq!(get("metadata?metric=zz").await.1["data"], json!({"zz": [entry("")]}));
    assert_eq!(
        get("metadata?limit=x").await,
        (StatusCode::BAD_REQUEST, error("bad_data", "limit must be a number"))
    );
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_words_of_prometheus() {
    let step = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer";
    let empty = "match[] must contain at least one non-empty matcher";
    for (path, text) in [
        ("query?query=up&time=x", "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp".to_owned()),
        ("query?query=up&timeout=x", "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration".into()),
        ("query?query=up&lookback_delta=x", "error parsing lookback delta duration: cannot parse \"x\" to a valid duration".into()),
        ("query_range?query=up&start=1&end=2&step=0", step.into()),
        ("series", "no match[] parameter provided".into()),
        ("series?match[]={x=~%22.*%22}", format!("invalid parameter \"match[]\": {empty}")),
        ("labels?match[]={x=~%22.*%22}", empty.into()),
    ] {
        assert_eq!(get(path).await, (StatusCode::BAD_REQUEST, error("bad_data", &text)), "{path}");
    }
    for query in ["", "up%7B", "sum(", "%7B%7D", "%7Bx%3D~%22.*%22%7D"] {
        let (status, body) = get(&format!("query?query={query}")).await;
        let text = body["error"].as_str().unwrap_or_default();
        assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{query}");
        assert!(
            text.starts_with("invalid parameter \"query\": ") && text.contains("parse error"),
            "{query}: {text}"
        );
    }
    let (_, body) = get("query?query=%7Bx%3D~%22.*%22%7D").await;
    let text = body["error"].as_str().unwrap_or_default();
    assert!(text.ends_with("vector selector must contain at least one non-empty matcher"), "{text}");
    assert_eq!(get("query?query=%7B__name__!%3D%22%22%7D&time=0").await.0, StatusCode::OK);
}

#[tokio::test]
async fn faults_of_storage_have_their_status() {
    for (fault, status, kind) in [
        (SourceError::Unavailable("partition 3".into()), 503, "unavailable"),
        (SourceError::LimitExceeded("too many".into()), 422, "execution"),
        (SourceError::Internal("bug".into()), 500, "internal"),
    ] {
        for path in ["query?query=up", "labels", "label/x/values", "series?match[]=up"] {
            let memory = Memory { fault: Some(fault.clone()), ..Memory::up() };
            let answer = send(app_with(memory, QuerySettings::default()), Method::GET, path, None).await;
            assert_eq!(
                answer,
                (StatusCode::from_u16(status).expect("a status"), error(kind, &fault.to_string())),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_query_over_its_time_is_ended() {
    let hanging = || Memory { hangs: true, ..Memory::up() };
    let timeout = error("timeout", "query timed out in expression evaluation");
    let path = "query?query=up&timeout=10ms";
    let answer = send(app_with(hanging(), QuerySettings::default()), Method::GET, path, None).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, timeout.clone()));
    let settings = QuerySettings { timeout: Duration::from_millis(10), ..QuerySettings::default() };
    let answer = send(app_with(hanging(), settings), Method::GET, "query?query=up&timeout=1h", None).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, timeout), "the parameter only shortens");
}

#[tokio::test]
async fn too_many_queries_are_refused() {
    let settings = QuerySettings {
        max_concurrent: 1,
        max_concurrent_per_workspace: 1,
        max_waiting_per_workspace: 0,
        ..QuerySettings::default()
    };
    let app = app_with(Memory { hangs: true, ..Memory::up() }, settings);
    // The first is polled first, so it holds the slot when the second comes.
    let (status, body) = tokio::select! {
        biased;
        _ = send(app.clone(), Method::GET, "query?query=up", None) => panic!("hangs"),
        second = send(app.clone(), Method::GET, "query?query=up", None) => second,
    };
    assert_eq!(
        (status, &body["errorType"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("unavailable")),
        "{body}"
    );
}

#[tokio::test]
async fn methods_and_paths_are_checked() {
    let (status, _) = send(app(), Method::POST, "label/instance/values", None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let unchecked =
        Request::get(format!("/workspaces/{WORKSPACE}/api/v1/query?query=up")).body(Body::empty());
    let response = app().oneshot(unchecked.expect("a request")).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "without the edge nothing is answered");
    assert_eq!(
        get("query_exemplars?query=up&start=0&end=1").await.1,
        json!({"status": "success", "data": []})
    );
    assert_eq!(get("format_query?query=sum%20%20(up)").await.1["data"], "sum(up)");
    assert_eq!(get("status/buildinfo").await.1["data"]["version"], "3.14.0");
}

#[tokio::test]
async fn replies_are_compressed_for_whom_that_suits() {
    let uri = format!("/workspaces/{WORKSPACE}/api/v1/query?query=up&time=30");
    let request = Request::get(&uri).header(header::ACCEPT_ENCODING, "gzip").extension(passed());
    let response = app().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    assert_eq!(&body[..2], [0x1F, 0x8B]);
}
