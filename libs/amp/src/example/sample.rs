//! Sound values of shapes.

use serde_json::{Map, Value, json};

use crate::shape::{Kind, Shape, UNBOUNDED};

/// Longest text that is made where the model sets no bound.
const LONG: usize = 600;

const RULES: &str = "Z3JvdXBzOgotIG5hbWU6IGcKICBydWxlczoKICAtIHJlY29yZDogcgogICAgZXhwcjogdXAK";
const DEFINITION: &str =
    "YWxlcnRtYW5hZ2VyX2NvbmZpZzogfAogIHJvdXRlOgogICAgcmVjZWl2ZXI6IGQKICByZWNlaXZlcnM6CiAgLSBuYW1lOiBkCg==";
const SCRAPES: &str = "Z2xvYmFsOgogIHNjcmFwZV9pbnRlcnZhbDogMzBzCnNjcmFwZV9jb25maWdzOgotIGpvYl9uYW1lOiBqCiAgc3RhdGljX2NvbmZpZ3M6CiAgLSB0YXJnZXRzOiBbJzEwLjAuMC4xOjgwJ10K";

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "aps:QueryMetrics", "Principal": {"AWS": "123456789012"}, "Resource": "*"}]}"#;

/// How texts of a shape are made in any length: a head, as often as needed a letter, a tail.
struct Stem(&'static str, char, &'static str);

fn stem(shape: &Shape, member: &str) -> Stem {
    match (shape.name, member) {
        ("KmsKeyArn", _) => Stem("arn:aws:kms:eu-west-1:123456789012:key/0", '0', ""),
        ("LogGroupArn", _) => Stem("arn:aws:logs:eu-west-1:123456789012:log-group:x", 'x', ":*"),
        ("WorkspaceArn", _) => Stem(
            "arn:aws:aps:eu-west-1:123456789012:workspace/ws-00000000-0000-4000-8000-000000000001",
            '0',
            "",
        ),
        ("CloudWatchDatasetArn", _) => Stem("arn:aws:cloudwatch:eu-west-1:123456789012:dataset/d", 'd', ""),
        ("ClusterArn", _) => Stem("arn:aws:eks:eu-west-1:123456789012:cluster/c", 'c', ""),
        ("MskClusterArn", _) => Stem("arn:aws:kafka:eu-west-1:123456789012:cluster/c", 'c', ""),
        ("OpenSearchDomainArn", _) => Stem("arn:aws:es:eu-west-1:123456789012:domain/d", 'd', ""),
        ("IamRoleArn", _) => Stem("arn:aws:iam::123456789012:role/r", 'r', ""),
        ("WorkspaceId", _) => Stem("w", '0', ""),
        ("AnomalyDetectorId", _) => Stem("ad-0", '0', ""),
        ("SecurityGroupId", _) => Stem("sg-0", '0', ""),
        ("SubnetId", _) => Stem("subnet-0", '0', ""),
        ("KafkaExporterFilter", _) => Stem("^", 'a', "$"),
        ("RandomCutForestQuery", _) => Stem("avg(up", ' ', ")"),
        ("PaginationToken", _) => Stem("", 'a', ""),
        (_, "resourceArn") => Stem(
            "arn:aws:aps:eu-west-1:123456789012:workspace/ws-00000000-0000-4000-8000-000000000001",
            '0',
            "",
        ),
        (_, "policyDocument") => Stem(POLICY, ' ', ""),
        _ => Stem("a", 'a', ""),
    }
}

/// A sound text of so many characters, unless it would be too short to be sound.
pub(super) fn text(shape: &Shape, member: &str, characters: usize) -> Option<String> {
    let Stem(head, letter, tail) = stem(shape, member);
    let padding = characters.checked_sub(head.len() + tail.len())?;
    Some(format!("{head}{}{tail}", letter.to_string().repeat(padding)))
}

/// The lengths worth a try: the shortest sound text, and the longest there may be.
pub(super) fn lengths(shape: &Shape, member: &str) -> (usize, usize) {
    let Stem(head, _, tail) = stem(shape, member);
    match shape.kind {
        Kind::String(text) => {
            let most = if text.max == UNBOUNDED { LONG } else { text.max };
            // A log group's name has a bound inside of its ARN.
            let most = if shape.name == "LogGroupArn" { head.len() + tail.len() + 511 } else { most };
            ((head.len() + tail.len()).max(text.min), most)
        }
        _ => (0, 0),
    }
}

/// Keys of a map, as many as wanted.
pub(super) fn keys(shape: &Shape, count: usize) -> Vec<String> {
    let known = ["alias", "status", "sourceArn", "destinationArn"];
    let key = |at: usize| match shape.name {
        "FilterKey" => known.get(at).map_or_else(|| format!("filter{at}"), ToString::to_string),
        _ => format!("a{at}"),
    };
    (0..count).map(key).collect()
}

/// The source that a Kafka exporter needs.
pub(super) fn vpc_source() -> Value {
    let ids = |id: &str| Value::from(vec![id]);
    json!({ "vpcConfiguration": { "securityGroupIds": ids("sg-0"), "subnetIds": ids("subnet-0") } })
}

/// A sound value: with `full` every member, otherwise those that must be there.
pub(super) fn value(shape: &Shape, member: &str, full: bool) -> Value {
    match shape.kind {
        Kind::String(_) => text(shape, member, lengths(shape, member).0).unwrap_or_default().into(),
        Kind::Enum(values) => values.first().copied().into(),
        Kind::Integer(min, max) | Kind::Long(min, max) => min.max(30).min(max).into(),
        Kind::Double(min) => (min + 0.5).into(),
        Kind::Boolean => true.into(),
        Kind::Blob => match shape.name {
            "RuleGroupsNamespaceData" => RULES.into(),
            "AlertManagerDefinitionData" => DEFINITION.into(),
            _ => SCRAPES.into(),
        },
        Kind::Timestamp => 1_696_965_739.014.into(),
        Kind::List(of, min, _) => vec![value(of, member, full); min.max(1)].into(),
        Kind::Map(entries) => keys(entries.key, entries.min.max(1))
            .into_iter()
            .map(|key| (key, value(entries.value, member, full)))
            .collect::<Map<_, _>>()
            .into(),
        Kind::Structure(members) => members
            .iter()
            .filter(|member| full || member.required)
            .map(|member| (member.name.to_owned(), value(member.shape, member.name, full)))
            .collect::<Map<_, _>>()
            .into(),
        Kind::Union(members) => members
            .iter()
            .take(1)
            .map(|member| (member.name.to_owned(), value(member.shape, member.name, full)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
