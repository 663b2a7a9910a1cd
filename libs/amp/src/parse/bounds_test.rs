//! Tables of members: values at their bounds, which pass, and just beyond, which are refused by name.

use serde_json::{Map, Value, json};

use super::parse_test::{WORKSPACE, accepted, refused};
use crate::Reason;

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
