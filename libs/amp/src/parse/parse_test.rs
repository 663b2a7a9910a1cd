//! Tables of requests: each line one that is at a bound, just beyond it, or of another type, with what must be said of it.

use serde_json::json;

use super::*;
use crate::{DeleteWorkspaceRequest, Operation, Problem, UpdateWorkspaceAliasRequest, route};

const WORKSPACE: &str = "/workspaces/ws-1";
const TAG: &str = "/tags/arn%3Aaws%3Aaps%3Aeu-west-1%3A123456789012%3Aworkspace%2Fws-1";

fn ask(line: &str, body: &str) -> Result<Request, Invalid> {
    let (method, target) = line.split_once(' ').expect("method and target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    parse(&route(method, path)?, query, body.as_bytes())
}

fn refused(line: &str, body: &str) -> (Reason, Vec<String>) {
    match ask(line, body) {
        Ok(request) => panic!("accepted {line} {body}: {request:?}"),
        Err(invalid) => (invalid.reason, invalid.fields.into_iter().map(|field| field.name).collect()),
    }
}

fn accepted(line: &str, body: &str) -> Request {
    ask(line, body).unwrap_or_else(|invalid| panic!("{line} {body}: {invalid}"))
}

/// The member `name` of `line`'s body: accepted with each of `good`, refused by name with each of `bad`.
fn member(line: &str, others: &Value, name: &str, good: &[Value], bad: &[Value]) {
    let with = |value: &Value| {
        let mut body = others.clone();
        body[name] = value.clone();
        body.to_string()
    };
    for value in good {
        accepted(line, &with(value));
    }
    for value in bad {
        let (reason, names) = refused(line, &with(value));
        assert_eq!(reason, Reason::FieldValidationFailed, "{name} {value}");
        assert!(names.iter().any(|found| found.starts_with(name)), "{name} {value}: {names:?}");
    }
}

fn long(count: usize) -> Value {
    "é".repeat(count).into()
}

#[test]
fn texts_are_counted_in_characters_and_matched_whole() {
    let none = json!({});
    let ascii = |count: usize| Value::from("x".repeat(count));
    member("POST /workspaces", &none, "alias", &[long(1), long(100)], &[long(101), json!(""), json!(" \t")]);
    member(
        "POST /workspaces",
        &none,
        "clientToken",
        &[json!("!~"), ascii(64)],
        &[json!(""), json!("a b"), json!("é"), json!("a\n"), ascii(65)],
    );
    let key = |id: &str| json!(format!("arn:aws:kms:eu-west-1:123456789012:key/{id}"));
    member(
        "POST /workspaces",
        &none,
        "kmsKeyArn",
        &[key("0"), key(&"a".repeat(2048 - 39)), json!("arn:aws-cn:kms:x:123456789012:key/-")],
        &[key(""), key("g"), key("0/"), key(&"a".repeat(2048 - 38)), json!("x".repeat(20)), json!("x")],
    );
    let required = json!({ "data": "" });
    member(
        &format!("POST {WORKSPACE}/rulegroupsnamespaces"),
        &required,
        "name",
        &[long(127).as_str().map(|text| format!("{text}a")).into(), json!(" 0/ ")],
        &[json!("-é"), json!(""), json!("a\nb"), json!("a".repeat(129))],
    );
    let group = |name: &str| json!(format!("arn:aws:logs:eu-west-1:123456789012:log-group:{name}"));
    member(
        &format!("PUT {WORKSPACE}/logging"),
        &none,
        "logGroupArn",
        &[group("/aws/x#.-_:*"), group(&format!("{}:*", "x".repeat(512)))],
        &[group("x"), group(":*"), group("x:*:*"), group(&format!("{}:*", "x".repeat(513)))],
    );
}

#[test]
fn numbers_keep_to_their_bounds() {
    let line = format!("PATCH {WORKSPACE}/configuration");
    let none = json!({});
    member(
        &line,
        &none,
        "retentionPeriodInDays",
        &[json!(1), json!(1095), json!(7.0)],
        &[json!(0), json!(-1), json!(1096), json!(2_147_483_648_u64), json!(1e300), json!(u64::MAX)],
    );
    member(&line, &none, "ruleQueryOffsetInSeconds", &[json!(0), json!(i32::MAX)], &[json!(-1)]);
    let limit = |most: Value| json!([{ "limits": { "maxSeries": most }, "labelSet": {} }]);
    member(
        &line,
        &none,
        "limitsPerLabelSet",
        &[json!([]), limit(json!(0)), limit(json!(i64::MAX)), limit(Value::Null)],
        &[limit(json!(-1)), limit(json!(9.3e18))],
    );
    let detector = json!({ "configuration": { "randomCutForest": { "query": "avg(up)" } } });
    let line = format!("PUT {WORKSPACE}/anomalydetectors/ad-1");
    member(
        &line,
        &detector,
        "evaluationIntervalInSeconds",
        &[json!(30), json!(86_400)],
        &[json!(29), json!(86_401)],
    );
    let forest = |name: &str, value: Value| {
        let mut forest = json!({ "query": "avg(up)" });
        forest[name] = value;
        json!({ "randomCutForest": forest })
    };
    let ratio = |number: Value| forest("ignoreNearExpectedFromAbove", json!({ "ratio": number }));
    member(
        &line,
        &none,
        "configuration",
        &[
            forest("shingleSize", json!(2)),
            forest("shingleSize", json!(1024)),
            forest("sampleSize", json!(256)),
            forest("query", json!("x".repeat(8192))),
            ratio(json!(0)),
            ratio(json!(1e300)),
        ],
        &[
            forest("shingleSize", json!(1)),
            forest("shingleSize", json!(1025)),
            forest("sampleSize", json!(255)),
            forest("query", json!("x".repeat(8193))),
            forest("query", json!("")),
            ratio(json!(-0.001)),
        ],
    );
}

#[test]
fn lists_maps_and_unions_are_counted() {
    let none = json!({});
    let tags = |count: usize| (0..count).map(|at| (at.to_string(), "v".into())).collect::<Map<_, _>>().into();
    let one = |key: &str, value: &str| json!({ key: value });
    member(
        "POST /workspaces",
        &none,
        "tags",
        &[tags(0), tags(50), one("é _.:/=+-@9", ""), one(&"ä".repeat(128), &"ü".repeat(256))],
        &[
            tags(51),
            one("", "v"),
            one("a#", "v"),
            one("k", "v#"),
            one("AwS:k", "v"),
            one("k", "aws:v"),
            one(&"ä".repeat(129), "v"),
            one("k", &"ü".repeat(257)),
        ],
    );
    let destination = json!({
        "cloudWatchLogs": { "logGroupArn": "arn:aws:logs:eu-west-1:123456789012:log-group:x:*" },
        "filters": { "qspThreshold": 0 },
    });
    let several = |count: usize| Value::from(vec![destination.clone(); count]);
    let line = format!("POST {WORKSPACE}/logging/query");
    member(&line, &none, "destinations", &[several(1)], &[several(0), several(2)]);
    let detector = json!({ "configuration": { "randomCutForest": { "query": "avg(up)" } } });
    member(
        &format!("PUT {WORKSPACE}/anomalydetectors/ad-1"),
        &detector,
        "missingDataAction",
        &[json!({ "skip": true }), json!({ "skip": true, "markAsAnomaly": null, "unknown": 1 })],
        &[json!({}), json!({ "unknown": 1 }), json!({ "skip": true, "markAsAnomaly": true })],
    );
    let labels =
        |count: usize| (0..count).map(|at| (format!("l{at}"), "v".into())).collect::<Map<_, _>>().into();
    let mut detector = detector;
    member(
        &format!("PUT {WORKSPACE}/anomalydetectors/ad-1"),
        &detector,
        "labels",
        &[labels(141), one("_a", "é"), one("a", &"x".repeat(7168))],
        &[one("__a", "v"), one("a-b", "v"), one("1", "v"), one("a", ""), one("a", &"x".repeat(7169))],
    );
    detector["alias"] = "x".into();
    let line = format!("POST {WORKSPACE}/anomalydetectors");
    member(&line, &detector, "labels", &[labels(140)], &[labels(141)]);
    let component = json!([{ "type": "COLLECTOR" }, { "type": "EXPORTER", "config": { "options": {} } }]);
    let logs = json!({ "loggingDestination": { "cloudWatchLogs": destination["cloudWatchLogs"] } });
    member(
        "PUT /scrapers/s-1/logging-configuration",
        &logs,
        "scraperComponents",
        &[component],
        &[json!([]), json!([{ "type": "collector" }]), json!([{}])],
    );
}

#[test]
fn the_prose_is_kept_too() {
    let none = json!({});
    let line = format!("PATCH {WORKSPACE}/configuration");
    assert_eq!(
        refused(&line, r#"{"clientToken": "x"}"#),
        (Reason::FieldValidationFailed, vec!["limitsPerLabelSet".to_owned()])
    );
    let set = |name: &str, value: &str| json!([{ "limits": {}, "labelSet": { name: value } }]);
    member(
        &line,
        &none,
        "limitsPerLabelSet",
        &[set("team", " A~"), set("__name__", "a:b_1")],
        &[
            set("team", ""),
            set("team", "  "),
            set("team", "é"),
            set("team", "a\tb"),
            set("te-am", "a"),
            set("__name__", "a-b"),
        ],
    );
    let (_, names) = refused(&line, &json!({ "limitsPerLabelSet": set("__name__", "a-b") }).to_string());
    assert_eq!(names, [r#"limitsPerLabelSet[0].labelSet["__name__"]"#]);

    let kafka = |topics: &str| {
        let cluster = "arn:aws:kafka:eu-west-1:123456789012:cluster/x";
        json!([{ "kafkaConfiguration": { "clusterArn": cluster, "topicFilter": topics } }])
    };
    let long = |count: usize| format!("^{}$", "x".repeat(count - 2));
    member(
        "PUT /scrapers/s-1",
        &none,
        "exporters",
        &[json!([]), kafka("^$"), kafka(r"^(?i)orders-\d+$"), kafka(&long(256))],
        &[
            kafka("orders"),
            kafka("^orders"),
            kafka("^"),
            kafka("orders$"),
            kafka("^($"),
            kafka("^a\tb$"),
            kafka(&long(257)),
            json!([kafka("^$")[0], kafka("^$")[0]]),
        ],
    );
    let create = |source: &str| {
        json!({
            "scrapeConfiguration": { "configurationBlob": "" },
            "destination": { "ampConfiguration": {
                "workspaceArn": "arn:aws:aps:eu-west-1:123456789012:workspace/ws-1"
            } },
            "source": { source: {
                "clusterArn": "arn:aws:eks:eu-west-1:123456789012:cluster/x",
                "securityGroupIds": ["sg-1"],
                "subnetIds": ["subnet-1"],
            } },
        })
    };
    member("POST /scrapers", &create("vpcConfiguration"), "exporters", &[kafka("^$")], &[]);
    member("POST /scrapers", &create("eksConfiguration"), "exporters", &[json!([])], &[kafka("^$")]);
}

#[test]
fn wrong_types_cannot_be_parsed() {
    let configuration = format!("PATCH {WORKSPACE}/configuration");
    for (line, body, name) in [
        ("POST /workspaces", r#"{"alias": 5}"#, "alias"),
        ("POST /workspaces", r#"{"tags": []}"#, "tags"),
        ("POST /workspaces", r#"{"tags": {"a": null}}"#, r#"tags["a"]"#),
        (&configuration, r#"{"retentionPeriodInDays": "7"}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"retentionPeriodInDays": 1.5}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"retentionPeriodInDays": true}"#, "retentionPeriodInDays"),
        (&configuration, r#"{"limitsPerLabelSet": {}}"#, "limitsPerLabelSet"),
        (&configuration, r#"{"limitsPerLabelSet": [1]}"#, "limitsPerLabelSet[0]"),
        ("PUT /workspaces/w/alertmanager/definition", r#"{"data": "a: b"}"#, "data"),
        ("PUT /workspaces/w/alertmanager/definition", r#"{"data": "YQ"}"#, "data"),
        ("PUT /scrapers/s", r#"{"destination": "x"}"#, "destination"),
        ("GET /workspaces?alias=%FF", "", "alias"),
        ("GET /workspaces/%FF", "", "workspaceId"),
    ] {
        assert_eq!(refused(line, body), (Reason::CannotParse, vec![name.to_owned()]), "{line} {body}");
    }
    let deep = format!(r#"{{"unknown": {}}}"#, "[".repeat(1000) + &"]".repeat(1000));
    for body in ["{", "[]", "null", "\"\"", "{} {}", "{\"alias\": \"\u{1}\"}", "{'a': 1}", &deep] {
        assert_eq!(refused("POST /workspaces", body), (Reason::CannotParse, vec![]), "{body}");
    }
    assert!(parse(&route("POST", "/workspaces").expect("routed"), "", b"{\"alias\": \"\xFF\"}").is_err());
}

#[test]
fn what_is_missing_is_named() {
    for (line, names) in [
        ("POST /scrapers", "scrapeConfiguration source destination"),
        ("POST /workspaces/w/rulegroupsnamespaces", "name data"),
        ("POST /workspaces/w/anomalydetectors", "alias configuration"),
        ("PUT /workspaces/w/policy", "policyDocument"),
        ("PUT /scrapers/s/logging-configuration", "loggingDestination"),
        (&format!("POST {TAG}"), "tags"),
        (&format!("DELETE {TAG}"), "tagKeys"),
    ] {
        let names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        assert_eq!(refused(line, r#"{"name": null}"#), (Reason::FieldValidationFailed, names), "{line}");
    }
}

#[test]
fn members_are_read_from_where_they_belong() {
    let request =
        accepted("DELETE /workspaces/ws-1?clientToken=q", r#"{"clientToken": "b", "workspaceId": "x"}"#);
    let expected = DeleteWorkspaceRequest { workspace_id: "ws-1".into(), client_token: Some("q".into()) };
    assert_eq!(request, Request::DeleteWorkspace(expected));
    let request = accepted("POST /workspaces/ws-1/alias?clientToken=q&alias=q", r#"{"workspaceId": "x"}"#);
    let expected =
        UpdateWorkspaceAliasRequest { workspace_id: "ws-1".into(), alias: None, client_token: None };
    assert_eq!(request, Request::UpdateWorkspaceAlias(expected));
    assert_eq!(
        accepted("GET /workspaces?alias=+a%2Bb+&maxResults=7&nextToken=&other", "not json"),
        accepted("GET /workspaces?nextToken=&maxResults=7&alias=a%2Bb", "")
    );
}

#[test]
fn aliases_lose_their_blanks_and_unknown_members_go() {
    let Request::CreateWorkspace(request) =
        accepted("POST /workspaces", r#"{"alias": " a b\n", "unknown": {"x": [null]}, "alias2": 1}"#)
    else {
        panic!("another operation");
    };
    assert_eq!(request.alias.as_deref(), Some("a b"));
    let Request::UpdateWorkspaceConfiguration(request) = accepted(
        "PATCH /workspaces/w/configuration",
        r#"{"retentionPeriodInDays": 1, "retentionPeriodInDays": 2e1, "limitsPerLabelSet": null}"#,
    ) else {
        panic!("another operation");
    };
    assert_eq!((request.retention_period_in_days, request.limits_per_label_set), (Some(20), None));
}

#[test]
fn queries_hold_lists_maps_and_pages() {
    let Request::UntagResource(request) =
        accepted(&format!("DELETE {TAG}?tagKeys=Status&tagKeys=a%20b&tagKeys=Status"), "")
    else {
        panic!("another operation");
    };
    assert_eq!(request.tag_keys, ["Status", "a b", "Status"]);
    assert_eq!(request.resource_arn.resource.workspace(), Some("ws-1"));
    let Request::ListScrapers(request) =
        accepted("GET /scrapers?status=ACTIVE&status=CREATING&alias=T&maxResults=5&X-Amz-Date=1", "")
    else {
        panic!("another operation");
    };
    assert_eq!(request.filters.len(), 2);
    assert_eq!(request.filters["status"], ["ACTIVE", "CREATING"]);
    assert_eq!((request.page.size(), request.page.token()), (5, None));
    let many = "status=x&".repeat(21);
    for (line, name) in [
        ("GET /scrapers?colour=red", r#"filters["colour"]"#),
        ("GET /scrapers?status=", r#"filters["status"][0]"#),
        (&format!("GET /scrapers?{many}"), r#"filters["status"]"#),
        ("GET /scrapers?maxResults=0", "maxResults"),
        ("GET /workspaces?maxResults=1001", "maxResults"),
        ("GET /workspaces?maxResults=", "maxResults"),
        ("GET /workspaces?maxResults=%2B5", "maxResults"),
        ("GET /workspaces?maxResults=x", "maxResults"),
        ("GET /workspaces?maxResults=5&maxResults=5", "maxResults"),
        ("GET /workspaces?alias=", "alias"),
        (&format!("GET /workspaces?nextToken={}", "x".repeat(1001)), "nextToken"),
        (&format!("DELETE {TAG}?tagKeys=aws:x"), "tagKeys[0]"),
        ("DELETE /scrapers/-", "scraperId"),
        ("GET /workspaces/%2E%2F", "workspaceId"),
        ("GET /workspaces/w/anomalydetectors/x", "anomalyDetectorId"),
        ("GET /tags/arn:aws:s3:::x", "resourceArn"),
    ] {
        assert_eq!(refused(line, ""), (Reason::FieldValidationFailed, vec![name.to_owned()]), "{line}");
    }
    accepted(&format!("GET /workspaces?nextToken={}", "x".repeat(1000)), "");
}

#[test]
fn all_problems_are_told_in_bounded_space() {
    let body = json!({ "alias": "", "clientToken": " ", "kmsKeyArn": 1, "tags": { "#": "ok" } });
    let invalid = ask("POST /workspaces", &body.to_string()).expect_err("all wrong");
    let names: Vec<_> = invalid.fields.iter().map(|Problem { name, .. }| name.as_str()).collect();
    assert_eq!(names, ["alias", "clientToken", r##"tags["#"]"##, "kmsKeyArn"]);
    assert_eq!(invalid.reason, Reason::CannotParse);

    let huge = "\u{10FFFF}".repeat(2_000);
    let sets = vec![json!({ "limits": {}, "labelSet": { huge.as_str(): huge.as_str() } }); 200];
    let invalid = ask("PATCH /workspaces/w/configuration", &json!({ "limitsPerLabelSet": sets }).to_string())
        .expect_err("all wrong");
    let size: usize = invalid.fields.iter().map(|field| field.name.len() + field.message.len()).sum();
    assert_eq!(invalid.fields.len(), 50);
    assert!(size < 100_000 && invalid.message.len() < 10_000, "{size} {}", invalid.message.len());
    assert!(invalid.message.ends_with("and 395 more"), "{}", invalid.message);
}

#[test]
fn repetitions_with_other_tokens_or_spellings_have_the_same_parameters() {
    let parameters = |body| accepted("POST /workspaces", body).parameters();
    let one = parameters(r#"{"alias": " a", "clientToken": "1", "tags": {"x": "1", "y": "2"}}"#);
    assert_eq!(one, parameters(r#"{"tags": {"y": "2", "x": "1"}, "alias": "a", "kmsKeyArn": null}"#));
    assert_ne!(one, parameters(r#"{"alias": "a"}"#));
}

#[test]
fn the_idempotency_token_is_where_section_3_has_it() {
    for operation in Operation::ALL {
        let expected = match operation {
            Operation::TagResource
            | Operation::UntagResource
            | Operation::UpdateScraperLoggingConfiguration => None,
            _ if operation.is_read_only() => None,
            _ if operation.method() == "DELETE" => Some(Location::Query),
            _ => Some(Location::Body),
        };
        assert_eq!(operation.token(), expected, "{operation:?}");
    }
}
