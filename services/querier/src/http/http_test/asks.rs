//! What a request may ask for: thresholds, times, methods, trees of queries, and lists of any length.

use super::*;

#[tokio::test]
async fn thresholds_warn_end_and_are_checked() {
    let query = "query?query=count_over_time(up%5B1m%5D)&time=30";
    let (warning, failure) =
        ("max_samples_processed_warning_threshold", "max_samples_processed_error_threshold");
    // Each of the two series has three samples in the window.
    let (status, body) = get(&format!("{query}&{warning}=6&{failure}=6")).await;
    let texts = body["warnings"].as_array().cloned().unwrap_or_default();
    assert_eq!((status, texts.len()), (StatusCode::OK, 1), "{body}");
    assert!(
        texts[0].as_str().is_some_and(|text| text.contains("6 samples") && text.contains(warning)),
        "{body}"
    );
    assert_eq!(get(&format!("{query}&{warning}=7")).await.1.get("warnings"), None);
    let (status, body) = get(&format!("{query}&{failure}=5")).await;
    assert_eq!(
        (status, &body["errorType"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("execution")),
        "{body}"
    );
    let text = body["error"].as_str().unwrap_or_default();
    assert!(text.contains("more than 5 samples") && text.contains(failure), "{text}");
    let form = format!("query=up&start=0&end=30&step=15&{failure}=5");
    let (status, body) = send(app(), Method::POST, "query_range", Some(&form)).await;
    assert_eq!(
        (status, &body["errorType"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("execution")),
        "{body}"
    );
    for (value, reason) in
        [("x", "strconv.Atoi: parsing \"x\": invalid syntax"), ("-1", "must not be negative")]
    {
        let text = format!("invalid parameter \"{failure}\": {reason}");
        let answer = get(&format!("{query}&{failure}={value}")).await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, error("bad_data", &text)));
    }
}

#[tokio::test]
async fn no_more_time_is_looked_at_than_is_allowed() {
    let hour =
        || app_with(Memory::up(), QuerySettings { max_range_ms: 3_600_000, ..QuerySettings::default() });
    let text = "the query time range exceeds the limit (query length: 1h0m1s, limit: 1h0m0s); \
                ask for less time between start and end";
    for path in [
        "query_range?query=up&start=0&end=3601&step=60",
        "labels?start=0&end=3601",
        "label/instance/values?start=0&end=3601",
        "series?match[]=up&start=0&end=3601",
    ] {
        let answer = send(hour(), Method::GET, path, None).await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, error("bad_data", text)), "{path}");
    }
    for path in [
        "query_range?query=up&start=0&end=3600&step=60",
        "query?query=up%5B1y%5D&time=3601",
        "labels",
        "labels?end=3601",
        "series?match[]=up&start=0&end=3600",
    ] {
        assert_eq!(send(hour(), Method::GET, path, None).await.0, StatusCode::OK, "{path}");
    }
    // Without an end it goes on until now.
    assert_eq!(send(hour(), Method::GET, "labels?start=0", None).await.0, StatusCode::BAD_REQUEST);
    let any = app_with(Memory::up(), QuerySettings { max_range_ms: i64::MAX, ..QuerySettings::default() });
    assert_eq!(send(any, Method::GET, "labels?start=0", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_query_without_time_is_refused_before_it_runs() {
    let late = error("timeout", "query timed out in query execution");
    for timeout in ["0", "0s", "-1"] {
        let answer = get(&format!("query?query=up&timeout={timeout}")).await;
        assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, late.clone()), "{timeout}");
    }
    let (status, body) = get("query?query=up%7B&timeout=0").await;
    assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")));
}

#[tokio::test]
async fn refused_methods_are_told_the_right_ones() {
    for (path, method, allow) in [
        ("query", Method::PUT, "GET, HEAD, OPTIONS, POST"),
        ("series", Method::DELETE, "GET, HEAD, OPTIONS, POST"),
        ("label/x/values", Method::POST, "GET, HEAD, OPTIONS"),
        ("status/buildinfo", Method::POST, "GET, HEAD, OPTIONS"),
    ] {
        let uri = format!("/workspaces/{WORKSPACE}/api/v1/{path}");
        let request = Request::builder().method(method).uri(uri).extension(passed()).body(Body::empty());
        let response = app().oneshot(request.expect("a request")).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[header::ALLOW], allow, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{path}");
    }
}

#[tokio::test]
async fn queries_are_parsed_and_laid_out() {
    let (_, body) = get("parse_query?query=-up").await;
    assert_eq!((&body["data"]["type"], &body["data"]["expr"]["name"]), (&json!("unaryExpr"), &json!("up")));
    let long = format!("sum(up{{job=\"{}\"}}%20%2B%20up)", "x".repeat(90));
    let (_, body) = send(app(), Method::POST, "format_query", Some(&format!("query={long}"))).await;
    let text = body["data"].as_str().unwrap_or_default();
    assert_eq!(text.lines().collect::<Vec<_>>()[0], "sum(", "{text}");
    for path in ["parse_query?query=up%7B", "format_query?query="] {
        let (status, body) = get(path).await;
        assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{path}");
    }
}

#[tokio::test]
async fn long_lists_are_whole() {
    let one = |at: usize| SeriesData {
        labels: Labels::from_pairs([("__name__", "up"), ("instance", format!("{at:05}").as_str())]),
        ..SeriesData::default()
    };
    let memory = Memory { series: (0..5_000).map(one).collect(), ..Memory::default() };
    let (_, body) =
        send(app_with(memory.clone(), QuerySettings::default()), Method::GET, "series?match[]=up", None)
            .await;
    let list = body["data"].as_array().cloned().unwrap_or_default();
    assert_eq!((list.len(), &list[4_999]["instance"]), (5_000, &json!("04999")));
    let limited = "label/instance/values?limit=4999";
    let (_, body) = send(app_with(memory, QuerySettings::default()), Method::GET, limited, None).await;
    assert_eq!(body["data"].as_array().map(Vec::len), Some(4_999));
    assert_eq!(body["warnings"], json!(["results truncated due to limit"]));
}
