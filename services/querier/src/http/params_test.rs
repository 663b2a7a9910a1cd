//! Parameters by table: what Prometheus accepts, and its words for what it refuses.

use axum::http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use narthex_model::{TimestampMs, WorkspaceId};

use super::{
    call::Call,
    names::unescape,
    params::Params,
    range::Steps,
    time::{MAX, MIN, parse_duration, parse_time},
};

fn params(query: &str) -> Params {
    Params::of_request(&Method::GET, &HeaderMap::new(), Some(query), b"")
}

fn steps(query: &str, align: bool) -> Result<(i64, i64, i64), String> {
    let call = Call {
        workspace: WorkspaceId::from_u128(0),
        label: String::new(),
        params: params(query),
        no_store: false,
    };
    Steps::of(&call, align).map(|s| (s.start.0, s.end.0, s.step)).map_err(|error| error.text)
}

#[test]
fn times_are_seconds_or_rfc_3339() {
    for (text, millis) in [
        ("0", 0),
        ("1652382537", 1_652_382_537_000),
        ("1634937046.322", 1_634_937_046_322),
        ("1.0004", 1_000),
        ("1.0006", 1_001),
        ("-1.5", -1_500),
        ("1e3", 1_000_000),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T01:00:00.123456789+01:00", 123),
        ("-292273086-05-16T16:47:06Z", MIN.0),
        ("292277025-08-18T07:12:54.999999999Z", MAX.0),
    ] {
        assert_eq!(parse_time(text), Ok(TimestampMs(millis)), "{text}");
    }
    for text in ["", "abc", "NaN", "Inf", "1e300", "2020-01-01", "2020-13-01T00:00:00Z", "1s"] {
        assert_eq!(parse_time(text), Err(format!("cannot parse {text:?} to a valid timestamp")));
    }
}

#[test]
fn durations_are_seconds_or_units() {
    for (text, millis) in [
        ("15", 15_000),
        ("0.5", 500),
        ("1e2", 100_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("-1", -1_000),
    ] {
        assert_eq!(parse_duration(text), Ok(millis), "{text}");
    }
    for text in ["", "x", "1.5h", "NaN"] {
        assert_eq!(parse_duration(text), Err(format!("cannot parse {text:?} to a valid duration")));
    }
    let overflow = "cannot parse \"1e30\" to a valid duration. It overflows int64";
    assert_eq!(parse_duration("1e30"), Err(overflow.into()));
}

#[test]
fn form_parameters_come_before_those_of_the_url() {
    let mut headers = HeaderMap::new();
    headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
    let merged = Params::of_request(
        &Method::POST,
        &headers,
        Some("query=url&match[]=c&x=+%2B"),
        b"query=form&match%5B%5D=a&match[]=b",
    );
    assert_eq!(merged.get("query"), "form");
    assert_eq!(merged.get("x"), " +");
    assert_eq!(merged.all("match[]").collect::<Vec<_>>(), ["a", "b", "c"]);
    let not_a_form = Params::of_request(&Method::POST, &HeaderMap::new(), Some("query=url"), b"query=form");
    assert_eq!(not_a_form.get("query"), "url");
    let get = Params::of_request(&Method::GET, &headers, Some("query=url"), b"query=form");
    assert_eq!(get.get("query"), "url");
}

#[test]
fn limits_are_numbers_and_zero_is_none() {
    assert_eq!(params("limit=0").limit(), Ok(None));
    assert_eq!(params("limit=7").limit(), Ok(Some(7)));
    let refused = |query: &str| params(query).limit().expect_err(query).text;
    assert_eq!(refused("limit=-1"), r#"invalid parameter "limit": limit must be non-negative"#);
    assert_eq!(refused("limit=x"), r#"invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax"#);
}

#[test]
fn steps_are_aligned_as_the_managed_service_does() {
    let query = "start=1652382537&end=1652384705&step=1000";
    assert_eq!(steps(query, true), Ok((1_652_382_000_000, 1_652_384_000_000, 1_000_000)));
    assert_eq!(steps(query, false), Ok((1_652_382_537_000, 1_652_384_705_000, 1_000_000)));
    assert_eq!(steps("start=-1&end=1&step=10", true), Ok((-10_000, 0, 10_000)), "down, also before 1970");
    assert_eq!(steps("start=0&end=11000&step=1", false), Ok((0, 11_000_000, 1_000)), "exactly the limit");
}

#[test]
fn ranges_are_refused_in_the_words_of_prometheus() {
    let zero = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer";
    let many = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    for (query, text) in [
        ("end=1&step=1", "invalid parameter \"start\": cannot parse \"\" to a valid timestamp"),
        ("start=1&end=x&step=1", "invalid parameter \"end\": cannot parse \"x\" to a valid timestamp"),
        ("start=2&end=1&step=1", "invalid parameter \"end\": end timestamp must not be before start time"),
        ("start=1&end=2", "invalid parameter \"step\": cannot parse \"\" to a valid duration"),
        ("start=1&end=2&step=0", zero),
        ("start=1&end=2&step=-5", zero),
        ("start=0&end=11001&step=1", many),
        ("start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z&step=1y", many),
    ] {
        assert_eq!(steps(query, true), Err(text.into()), "{query}");
    }
}

#[test]
fn escaped_label_names_are_read_back() {
    for (escaped, name) in [
        ("job", "job"),
        ("U__http_2e_status", "http.status"),
        ("U__a__b", "a_b"),
        ("U___1F600_", "😀"),
        ("U__", ""),
        ("U__http_2e", "U__http_2e"),
        ("U__a_zz_", "U__a_zz_"),
        ("U__a_d800_", "U__a_d800_"),
        ("U__a_1234567_", "U__a_1234567_"),
    ] {
        assert_eq!(unescape(escaped), name, "{escaped}");
    }
}
