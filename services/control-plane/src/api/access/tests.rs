//! The checks of each operation, as a table.

use narthex_amp::{Operation, parse, route};
use narthex_policy::ACTIONS;
use serde_json::{Value, json};

use super::*;
use crate::state::{
    Change, ChangeKind, Command, Content, RuleFile, apply,
    tests::{account, create, replay, setup},
};

const WORKSPACE: &str = "ws-00000000-0000-0000-0000-000000000001";
const ARN: &str = "arn:aws:aps:us-east-1:000000000001";

fn state() -> State {
    let mut state = replay(&[setup(narthex_ring::Replication::One), create(1, account(1), None, 0)]);
    let workspace = WorkspaceId::from_u128(1);
    let rules = RuleFile { data: crate::state::Body::new(b"groups: []").expect("memory"), rules: 0 };
    let what = ChangeKind::Create {
        id: ResourceId::in_workspace(ResourceKind::RuleGroupsNamespace, workspace, "a/b"),
        content: Content::Rules(rules),
        tags: [("Of".to_owned(), "rules".to_owned())].into(),
        limits: Vec::new(),
    };
    let at = narthex_model::TimestampMs(0);
    let change = Change { account: account(1), operation: "o".into(), token: None, at, what };
    apply(&mut state, Command::Change(Box::new(change)));
    state
}

fn needed(method: &str, target: &str, body: &Value) -> Vec<Check> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let route = route(method, path).expect(target);
    let request = parse(&route, query, body.to_string().as_bytes()).expect(target);
    let (state, account) = (state(), account(1));
    checks(&request, &Place { region: "us-east-1", account: &account, state: &state })
}

/// `action resource`, one for each check.
fn shown(checks: &[Check]) -> Vec<String> {
    checks.iter().map(|check| format!("{} {}", check.action, check.target.arn)).collect()
}

#[test]
fn one_resource_is_checked_where_the_path_names_it() {
    let cases = [
        (
            "GET",
            format!("/workspaces/{WORKSPACE}"),
            "aps:DescribeWorkspace",
            format!("{ARN}:workspace/{WORKSPACE}"),
        ),
        ("GET", "/workspaces".into(), "aps:ListWorkspaces", "*".into()),
        ("GET", "/scrapers".into(), "aps:ListScrapers", "*".into()),
        ("GET", "/scraperconfiguration".into(), "aps:GetDefaultScraperConfiguration", "*".into()),
        (
            "DELETE",
            format!("/workspaces/{WORKSPACE}/rulegroupsnamespaces/a%2Fb"),
            "aps:DeleteRuleGroupsNamespace",
            format!("{ARN}:rulegroupsnamespace/{WORKSPACE}/a/b"),
        ),
        ("GET", "/scrapers/s-1".into(), "aps:DescribeScraper", format!("{ARN}:scraper/s-1")),
        (
            "GET",
            format!("/workspaces/{WORKSPACE}/policy"),
            "aps:DescribeResourcePolicy",
            format!("{ARN}:workspace/{WORKSPACE}"),
        ),
    ];
    for (method, path, action, resource) in cases {
        assert_eq!(shown(&needed(method, &path, &json!({}))), [format!("{action} {resource}")]);
    }
}

#[test]
fn detectors_are_checked_with_their_workspace() {
    let checks = needed("GET", &format!("/workspaces/{WORKSPACE}/anomalydetectors/ad-1"), &json!({}));
    let expected = [
        format!("aps:DescribeAnomalyDetector {ARN}:anomalydetector/{WORKSPACE}/ad-1"),
        format!("aps:DescribeAnomalyDetector {ARN}:workspace/{WORKSPACE}"),
    ];
    assert_eq!(shown(&checks), expected);
    assert_eq!(checks[1].target.tags.get("Team").map(String::as_str), Some("a"), "its own tags");
}

#[test]
fn tags_at_creation_need_their_own_permission() {
    assert_eq!(shown(&needed("POST", "/workspaces", &json!({}))), ["aps:CreateWorkspace *"]);
    let checks = needed("POST", "/workspaces", &json!({ "tags": { "k": "v" } }));
    assert_eq!(
        shown(&checks),
        ["aps:CreateWorkspace *".to_owned(), format!("aps:TagResource {ARN}:workspace/*")]
    );
    let given = TagsGiven::Set([("k".to_owned(), "v".to_owned())].into());
    assert!(checks.iter().all(|check| check.tags == given));
    let body = json!({ "name": "new", "data": "Z3JvdXBzOiBbXQ==", "tags": { "k": "v" } });
    let checks = needed("POST", &format!("/workspaces/{WORKSPACE}/rulegroupsnamespaces"), &body);
    let arn = format!("{ARN}:rulegroupsnamespace/{WORKSPACE}/new");
    assert_eq!(
        shown(&checks),
        [format!("aps:CreateRuleGroupsNamespace {arn}"), format!("aps:TagResource {arn}")]
    );
}

#[test]
fn tagging_is_checked_on_what_the_arn_names() {
    let arn = format!("{ARN}:rulegroupsnamespace/{WORKSPACE}/a/b");
    let path = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    let checks = needed("POST", &path, &json!({ "tags": { "k": "v" } }));
    assert_eq!(shown(&checks), [format!("aps:TagResource {arn}")]);
    assert_eq!(checks[0].target.tags.get("Of").map(String::as_str), Some("rules"));
    let checks = needed("DELETE", &format!("{path}?tagKeys=a&tagKeys=b"), &json!({}));
    assert_eq!(checks[0].tags, TagsGiven::Remove(vec!["a".into(), "b".into()]));
    let foreign = "arn:aws:aps:us-east-1:000000000002:workspace/ws-1";
    let checks =
        needed("GET", &format!("/tags/{}", foreign.replace(':', "%3A").replace('/', "%2F")), &json!({}));
    assert_eq!((checks[0].target.account.as_str(), checks[0].target.tags.len()), ("000000000002", 0));
}

#[test]
fn scrapers_are_checked_at_both_ends_and_for_their_roles() {
    let cluster = "arn:aws:eks:us-east-1:000000000001:cluster/c";
    let workspace = format!("{ARN}:workspace/{WORKSPACE}");
    let body = json!({
        "source": { "eksConfiguration": { "clusterArn": cluster, "subnetIds": ["subnet-1"] } },
        "destination": { "ampConfiguration": { "workspaceArn": workspace } },
        "scrapeConfiguration": { "configurationBlob": "YTog" },
        "roleConfiguration": {
            "sourceRoleArn": "arn:aws:iam::000000000001:role/Source",
            "targetRoleArn": "arn:aws:iam::000000000002:role/Target",
        },
        "tags": { "k": "v" },
    });
    let expected = [
        format!("aps:CreateScraper {cluster}"),
        format!("aps:CreateScraper {workspace}"),
        format!("aps:TagResource {ARN}:scraper/*"),
        "iam:PassRole arn:aws:iam::000000000001:role/Source".to_owned(),
    ];
    assert_eq!(shown(&needed("POST", "/scrapers", &body)), expected);
    let moved = json!({ "destination": { "ampConfiguration": { "workspaceArn": workspace } } });
    let expected = [format!("aps:UpdateScraper {ARN}:scraper/s-1"), format!("aps:UpdateScraper {workspace}")];
    assert_eq!(shown(&needed("PUT", "/scrapers/s-1", &moved)), expected);
    assert_eq!(shown(&needed("PUT", "/scrapers/s-1", &json!({ "alias": "a" })))[..], expected[..1]);
}

#[test]
fn every_action_is_one_that_policies_know() {
    for operation in Operation::ALL {
        assert!(ACTIONS.iter().any(|info| info.name == operation.action()), "{operation:?}");
    }
}
