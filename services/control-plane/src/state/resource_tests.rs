//! Resources by property, and the cases of their lives that are worth reading.

use std::collections::BTreeMap;

use narthex_amp::{CloudWatchLogDestination, Destination, EksConfiguration, Source};
use narthex_cluster::WorkspaceStatus;
use narthex_model::{TimestampMs, WorkspaceId};
use narthex_ring::Replication;
use proptest::prelude::*;

use super::{
    tests::{account, any_command, any_token, create, replay, setup, token},
    *,
};
use crate::quota::Quota;

fn workspace() -> WorkspaceId {
    WorkspaceId::from_u128(1)
}

pub(super) fn namespace(name: &str) -> ResourceId {
    ResourceId::in_workspace(ResourceKind::RuleGroupsNamespace, workspace(), name)
}

fn one(kind: ResourceKind) -> ResourceId {
    ResourceId::in_workspace(kind, workspace(), "")
}

fn scraper_id(name: &str) -> ResourceId {
    ResourceId::of_scraper(ResourceKind::Scraper, name)
}

fn body(text: &str) -> Body {
    Body::new(text.as_bytes()).expect("memory")
}

pub(super) fn rules(text: &str, rules: u32) -> Content {
    Content::Rules(RuleFile { data: body(text), rules })
}

fn detector(alias: &str, ratio: f64) -> Content {
    let random_cut_forest = RandomCutForest {
        query: "avg(up)".into(),
        shingle_size: 8,
        sample_size: 256,
        ignore_near_expected_from_above: Some(Tolerance::Ratio(Exact(ratio))),
        ignore_near_expected_from_below: None,
    };
    Content::AnomalyDetector(Box::new(AnomalyDetector {
        alias: alias.into(),
        evaluation_interval_in_seconds: 60,
        missing_data_action: None,
        random_cut_forest,
        labels: BTreeMap::new(),
    }))
}

fn target(owner: u8, id: u128) -> Target {
    let workspace_arn = format!("arn:aws:aps:r:{}:workspace/{}", account(owner), WorkspaceId::from_u128(id));
    Target {
        destination: Destination::AmpConfiguration(narthex_amp::AmpConfiguration { workspace_arn }),
        workspace: Some((account(owner), WorkspaceId::from_u128(id))),
    }
}

fn scraper(destination: Target, roles: bool) -> Content {
    Content::Scraper(Box::new(Scraper {
        alias: None,
        role_arn: "arn:aws:iam::1:role/r".into(),
        configuration: body("scrape"),
        source: Source::EksConfiguration(EksConfiguration {
            cluster_arn: "arn:aws:eks:r:1:cluster/c".into(),
            security_group_ids: None,
            subnet_ids: vec!["subnet-1".into()],
        }),
        destination,
        role_configuration: roles.then(no_roles),
        exporters: Vec::new(),
    }))
}

fn no_roles() -> narthex_amp::RoleConfiguration {
    narthex_amp::RoleConfiguration { source_role_arn: None, target_role_arn: None }
}

pub(super) fn change(owner: u8, token: Option<ClientToken>, at: i64, what: ChangeKind) -> Command {
    Command::Change(Box::new(Change {
        account: account(owner),
        operation: "Operation".into(),
        token,
        at: TimestampMs(at),
        what,
    }))
}

fn new(id: ResourceId, content: Content) -> ChangeKind {
    ChangeKind::Create { id, content, tags: BTreeMap::new(), limits: Vec::new() }
}

fn put(id: ResourceId, content: Content, expected: Expected) -> ChangeKind {
    ChangeKind::Put { id, content, or_create: false, expected, limits: Vec::new() }
}

fn delete(id: ResourceId) -> ChangeKind {
    ChangeKind::Delete { id, expected: Expected::Anything }
}

fn done(response: &Response) -> Changed {
    match response {
        Response::Changed(changed) => changed.clone(),
        other => panic!("{other:?}"),
    }
}

fn refused(response: &Response) -> Refusal {
    match response {
        Response::Refused(refusal) => refusal.clone(),
        other => panic!("{other:?}"),
    }
}

/// Completes everything that is under way, as the leader does.
fn settle(state: &mut State, failure: Option<&str>) {
    let step = |id: &ResourceId| {
        let revision = state.resources[id].revision;
        Finish { id: id.clone(), revision, failure: failure.map(Into::into) }
    };
    let steps = state.transitions.iter().map(step).collect();
    apply(state, Command::Finish { steps });
}

fn started() -> State {
    replay(&[
        setup(Replication::One),
        create(1, account(1), None, 0),
        Command::FinishCreate { workspace: workspace() },
    ])
}

fn ask(state: &mut State, what: ChangeKind) -> Response {
    apply(state, change(1, None, 10, what)).response
}

fn any_content() -> impl Strategy<Value = (ResourceId, Content)> {
    let log = || CloudWatchLogDestination { log_group_arn: "arn:aws:logs:r:1:log-group:g:*".into() };
    prop_oneof![
        (0u8..3, 0u32..4).prop_map(|(name, count)| (namespace(&format!("n{name}")), rules("file", count))),
        Just((one(ResourceKind::AlertManagerDefinition), Content::AlertManager(body("file")))),
        Just((one(ResourceKind::Logging), Content::Logging(log()))),
        Just((one(ResourceKind::ResourcePolicy), Content::Policy(body("{}")))),
        Just((one(ResourceKind::Logging), rules("of another kind", 1))),
        (0u8..2, proptest::num::f64::NORMAL).prop_map(|(name, ratio)| {
            let id =
                ResourceId::in_workspace(ResourceKind::AnomalyDetector, workspace(), format!("ad-{name}"));
            (id, detector("a", ratio))
        }),
        (0u8..3, 0u8..2, 0u128..3, any::<bool>()).prop_map(|(name, owner, id, roles)| {
            (scraper_id(&format!("s-{name}")), scraper(target(owner, id), roles))
        }),
    ]
}

fn any_what() -> impl Strategy<Value = ChangeKind> {
    let expected = || {
        prop_oneof![
            4 => Just(Expected::Anything),
            1 => Just(Expected::Nothing),
            1 => (0u64..60).prop_map(Expected::Revision)
        ]
    };
    let tags = || proptest::collection::btree_map("[ab]", "[cd]", 0..3);
    let limits = || {
        prop_oneof![
            Just(Vec::new()),
            (0u64..5).prop_map(|limit| {
                let limited = |quota| Limit { quota, limit };
                [Quota::Rules, Quota::Scrapers, Quota::AnomalyDetectors].map(limited).to_vec()
            })
        ]
    };
    let settings = || {
        (proptest::option::of(1u32..5), proptest::option::of(0u32..700)).prop_map(|(days, window)| {
            Configuration {
                retention_period_in_days: days,
                out_of_order_time_window_in_seconds: window,
                ..Configuration::default()
            }
        })
    };
    prop_oneof![
        3 => (any_content(), tags(), limits()).prop_map(|((id, content), tags, limits)| ChangeKind::Create {
            id, content, tags, limits
        }),
        3 => (any_content(), any::<bool>(), expected(), limits()).prop_map(
            |((id, content), or_create, expected, limits)| ChangeKind::Put { id, content, or_create, expected, limits }
        ),
        2 => (any_content(), expected()).prop_map(|((id, _), expected)| ChangeKind::Delete { id, expected }),
        1 => settings().prop_map(|settings| ChangeKind::Configure { workspace: workspace(), settings }),
        1 => (0u8..3, proptest::option::of((0u8..2, 0u128..3)), any::<bool>()).prop_map(|(name, to, roles)| {
            ChangeKind::UpdateScraper {
                scraper: format!("s-{name}"),
                alias: Some("b".into()),
                configuration: None,
                destination: to.map(|(owner, id)| target(owner, id)),
                role_configuration: roles.then(no_roles),
                exporters: Some(Vec::new()),
            }
        }),
        1 => (any_content(), tags()).prop_map(|((id, _), tags)| ChangeKind::Tag {
            target: Tagged::Resource(id), tags, limit: 3
        }),
        1 => tags().prop_map(|tags| ChangeKind::Tag { target: Tagged::Workspace(workspace()), tags, limit: 3 }),
        1 => (any_content(), tags()).prop_map(|((id, _), tags)| ChangeKind::Untag {
            target: Tagged::Resource(id), keys: tags.into_keys().collect()
        }),
    ]
}

pub(super) fn any_change() -> impl Strategy<Value = Command> {
    let finish = (any_content(), 0u64..60, proptest::option::of("because"))
        .prop_map(|((id, _), revision, failure)| Finish { id, revision, failure });
    prop_oneof![
        4 => (1u8..3, any_token(), 0i64..200_000_000, any_what())
            .prop_map(|(owner, token, at, what)| change(owner % 2 + 1, token, at, what)),
        1 => proptest::collection::vec(finish, 1..4).prop_map(|steps| Command::Finish { steps }),
    ]
}

/// Steps that complete something are rare if their revisions are guessed: these take what is there.
#[derive(Debug, Clone)]
enum Step {
    Do(Box<Command>),
    Settle(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_change().prop_map(|command| Step::Do(Box::new(command))),
        1 => any_command().prop_map(|command| Step::Do(Box::new(command))),
        2 => any::<bool>().prop_map(Step::Settle),
    ]
}

proptest! {
    #[test]
    fn resources_keep_their_invariants(log in proptest::collection::vec(any_step(), 0..80)) {
        let mut state = started();
        for step in log {
            let before = state.clone();
            let changed = match step {
                Step::Do(command) => {
                    let stored = serde_json::to_vec(&command).expect("plain data");
                    prop_assert_eq!(&serde_json::from_slice::<Command>(&stored).expect("our own"), &*command);
                    Some(apply(&mut state, *command).changed)
                }
                Step::Settle(good) => {
                    settle(&mut state, (!good).then_some("it failed"));
                    None
                }
            };
            prop_assert_eq!(&decode(&encode(&state)).expect("our own bytes"), &state);
            let waiting = state.resources.iter().filter(|(_, record)| record.status.in_transition());
            prop_assert!(waiting.map(|(id, _)| id).eq(&state.transitions));
            for (id, record) in &state.resources {
                let version = record.newest().expect("something is always there to be shown");
                prop_assert_eq!(version.content.kind(), id.kind);
                prop_assert!(record.revision <= state.revision && version.revision <= record.revision);
                prop_assert!(record.status != Status::Active || (record.in_force.is_some() && record.pending.is_none()));
                prop_assert!(record.status != Status::UpdateFailed || record.status_reason.is_some());
                match id.workspace {
                    Some(workspace) => {
                        prop_assert_eq!(&state.workspaces[&workspace].account, &record.account);
                    }
                    None => prop_assert!(!id.kind.in_workspace()),
                }
                let known = before.resources.get(id);
                let told = |changed: &Vec<Key>| changed.contains(&Key::Resource(id.clone()));
                prop_assert!(known == Some(record) || changed.as_ref().is_none_or(told));
                // A version in force goes only for a newer one (API-C-81).
                if let Some(old) = known.and_then(|known| known.in_force.as_ref()) {
                    let now = record.in_force.as_ref();
                    prop_assert!(now.is_some_and(|now| now == old || now.revision > old.revision));
                }
            }
        }
    }
}

#[test]
fn the_version_in_force_stays_until_the_next_one_is() {
    let mut state = started();
    let id = namespace("a");
    let created = done(&ask(&mut state, new(id.clone(), rules("one", 1))));
    assert_eq!((created.status, created.name.as_str()), (Status::Creating, "a"));
    assert!(state.resources[&id].in_force.is_none());
    let busy = ask(&mut state, put(id.clone(), rules("two", 1), Expected::Anything));
    assert_eq!(refused(&busy), Refusal::ResourceBusy);
    assert_eq!(refused(&ask(&mut state, new(id.clone(), rules("two", 1)))), Refusal::Exists);
    settle(&mut state, None);
    let first = state.resources[&id].in_force.clone().expect("in force");
    assert_eq!(state.resources[&id].status, Status::Active);

    done(&ask(&mut state, put(id.clone(), rules("two", 1), Expected::Anything)));
    let record = &state.resources[&id];
    assert_eq!((record.status, record.in_force.as_ref()), (Status::Updating, Some(&first)));
    assert_eq!(record.newest().map(|version| &version.content), Some(&rules("two", 1)));
    settle(&mut state, Some("no"));
    let record = &state.resources[&id];
    assert_eq!((record.status, record.in_force.as_ref()), (Status::UpdateFailed, Some(&first)));
    assert_eq!((record.status_reason.as_deref(), &record.pending), (Some("no"), &None));

    done(&ask(&mut state, put(id.clone(), rules("three", 1), Expected::Anything)));
    settle(&mut state, None);
    let record = &state.resources[&id];
    assert_eq!((record.status, &record.status_reason), (Status::Active, &None));
    assert_ne!(record.in_force.as_ref().map(|version| &version.digest), Some(&first.digest));

    assert_eq!(done(&ask(&mut state, delete(id.clone()))).status, Status::Deleting);
    assert_eq!(refused(&ask(&mut state, delete(id.clone()))), Refusal::ResourceBusy);
    settle(&mut state, None);
    assert!(!state.resources.contains_key(&id));
    assert_eq!(refused(&ask(&mut state, delete(id))), Refusal::UnknownResource);
}

#[test]
fn what_never_came_into_force_is_shown_and_can_be_mended() {
    let mut state = started();
    let id = namespace("a");
    ask(&mut state, new(id.clone(), rules("one", 1)));
    settle(&mut state, Some("no"));
    let record = &state.resources[&id];
    assert_eq!((record.status, record.in_force.is_some()), (Status::CreationFailed, false));
    assert_eq!(record.newest().map(|version| &version.content), Some(&rules("one", 1)));
    done(&ask(&mut state, put(id.clone(), rules("two", 1), Expected::Anything)));
    settle(&mut state, None);
    assert_eq!(state.resources[&id].status, Status::Active);
}

#[test]
fn a_transition_ends_only_as_it_was_decided() {
    let mut state = started();
    let id = namespace("a");
    ask(&mut state, new(id.clone(), rules("one", 1)));
    let revision = state.resources[&id].revision;
    let finish =
        |revision| Command::Finish { steps: vec![Finish { id: namespace("a"), revision, failure: None }] };
    let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    ask(&mut state, ChangeKind::Tag { target: Tagged::Resource(id.clone()), tags, limit: 50 });
    assert!(apply(&mut state, finish(revision)).changed.is_empty(), "the record is another since");
    let newer = state.resources[&id].revision;
    apply(&mut state, finish(newer));
    assert_eq!(state.resources[&id].status, Status::Active);
    assert_eq!(state.resources[&id].tags.len(), 1);
}

#[test]
fn a_token_answers_as_the_first_time_whatever_happened_since() {
    let mut state = started();
    let id = namespace("a");
    let command = |print: &str| change(1, token("t", print), 0, new(namespace("a"), rules("one", 1)));
    let first = apply(&mut state, command("same")).response;
    settle(&mut state, None);
    ask(&mut state, delete(id.clone()));
    settle(&mut state, None);
    assert_eq!(apply(&mut state, command("same")).response, first);
    assert!(!state.resources.contains_key(&id), "no second effect");
    assert_eq!(refused(&apply(&mut state, command("other")).response), Refusal::TokenReused);
    assert_eq!(
        refused(&apply(&mut state, change(2, token("t", "same"), 0, delete(id))).response),
        Refusal::UnknownWorkspace
    );
}

#[test]
fn revisions_guard_policies() {
    let mut state = started();
    let id = one(ResourceKind::ResourcePolicy);
    let put = |text: &str, expected| ChangeKind::Put {
        id: one(ResourceKind::ResourcePolicy),
        content: Content::Policy(body(text)),
        or_create: true,
        expected,
        limits: Vec::new(),
    };
    assert_eq!(refused(&ask(&mut state, put("a", Expected::Revision(3)))), Refusal::StaleRevision);
    let first = done(&ask(&mut state, put("a", Expected::Nothing))).revision;
    assert_eq!(state.resource_policy(workspace()), None, "not in force yet");
    settle(&mut state, None);
    assert_eq!(state.resource_policy(workspace()), Some(&body("a")));
    assert_eq!(refused(&ask(&mut state, put("b", Expected::Nothing))), Refusal::StaleRevision);
    assert_eq!(refused(&ask(&mut state, put("b", Expected::Revision(first + 1)))), Refusal::StaleRevision);
    let second = done(&ask(&mut state, put("b", Expected::Revision(first)))).revision;
    settle(&mut state, None);
    let stale = ChangeKind::Delete { id: id.clone(), expected: Expected::Revision(first) };
    assert_eq!(refused(&ask(&mut state, stale)), Refusal::StaleRevision);
    let current = ChangeKind::Delete { id, expected: Expected::Revision(second) };
    let deleted = apply(&mut state, change(1, None, 10, current));
    done(&deleted.response);
    settle(&mut state, None);
    assert_eq!(state.resource_policy(workspace()), None);
}

#[test]
fn quotas_count_what_will_be() {
    let mut state = started();
    let limits = |limit| vec![Limit { quota: Quota::Rules, limit }];
    let create = |name: &str, count, limit| ChangeKind::Create {
        id: namespace(name),
        content: rules("file", count),
        tags: BTreeMap::new(),
        limits: limits(limit),
    };
    done(&ask(&mut state, create("a", 3, 5)));
    let over = refused(&ask(&mut state, create("b", 3, 5)));
    assert_eq!(over, Refusal::QuotaExceeded { quota: Quota::Rules, limit: 5 });
    done(&ask(&mut state, create("b", 2, 5)));
    settle(&mut state, None);
    let replace = |count| ChangeKind::Put {
        id: namespace("a"),
        content: rules("new", count),
        or_create: false,
        expected: Expected::Anything,
        limits: limits(5),
    };
    assert!(matches!(refused(&ask(&mut state, replace(4))), Refusal::QuotaExceeded { .. }));
    done(&ask(&mut state, replace(1)));
    // Three are in force until the one is.
    assert!(matches!(refused(&ask(&mut state, create("c", 1, 5))), Refusal::QuotaExceeded { .. }));
    settle(&mut state, None);
    done(&ask(&mut state, create("c", 2, 5)));
}

#[test]
fn a_workspace_takes_along_what_is_in_it_and_leaves_scrapers() {
    let mut state = started();
    done(&ask(&mut state, new(namespace("a"), rules("one", 1))));
    done(&ask(&mut state, new(scraper_id("s-1"), scraper(target(1, 1), false))));
    settle(&mut state, None);
    let settings =
        Configuration { out_of_order_time_window_in_seconds: Some(60), ..Configuration::default() };
    done(&ask(&mut state, ChangeKind::Configure { workspace: workspace(), settings }));
    assert_eq!(state.workspaces[&workspace()].out_of_order_window_ms, 600_000, "not in force yet");
    settle(&mut state, None);
    assert_eq!(state.workspaces[&workspace()].out_of_order_window_ms, 60_000);
    let (account, at) = (account(1), TimestampMs(5));
    apply(&mut state, Command::DeleteWorkspace { workspace: workspace(), account, token: None, at });
    assert_eq!(refused(&ask(&mut state, delete(namespace("a")))), Refusal::WorkspaceBusy);
    let gone = apply(&mut state, Command::FinishDelete { workspace: workspace() });
    assert!(gone.changed.contains(&Key::Resource(namespace("a"))));
    assert_eq!(state.resources.keys().collect::<Vec<_>>(), [&scraper_id("s-1")]);
}

#[test]
fn scrapers_need_roles_where_the_destination_asks_for_them() {
    let mut state = started();
    let mut other = create(2, account(2), None, 0);
    apply(&mut state, other.clone());
    if let Command::CreateWorkspace(create) = &mut other {
        create.id = WorkspaceId::from_u128(3);
        create.record.account = account(1);
        create.record.kms_key_arn = Some("arn:aws:kms:r:1:key/1".into());
    }
    apply(&mut state, other);
    let id = || scraper_id("s-1");
    let missing = ask(&mut state, new(id(), scraper(target(1, 9), false)));
    assert_eq!(refused(&missing), Refusal::UnknownDestination);
    let foreign = ask(&mut state, new(id(), scraper(target(2, 2), false)));
    assert_eq!(refused(&foreign), Refusal::RolesForOtherAccount);
    let with_key = ask(&mut state, new(id(), scraper(target(1, 3), false)));
    assert_eq!(refused(&with_key), Refusal::RolesForCustomerKey);
    done(&ask(&mut state, new(id(), scraper(target(1, 3), true))));
    settle(&mut state, None);

    let update = |destination, role_configuration| ChangeKind::UpdateScraper {
        scraper: "s-1".into(),
        alias: Some("b".into()),
        configuration: None,
        destination,
        role_configuration,
        exporters: None,
    };
    let content = |state: &State| match &state.resources[&id()].newest().expect("there").content {
        Content::Scraper(scraper) => (**scraper).clone(),
        other => panic!("{other:?}"),
    };
    done(&ask(&mut state, update(None, None)));
    assert!(content(&state).role_configuration.is_some(), "left as it is");
    settle(&mut state, None);
    let dropped = ask(&mut state, update(Some(target(1, 3)), None));
    assert_eq!(refused(&dropped), Refusal::RolesForCustomerKey, "a workspace of one's own drops the roles");
    done(&ask(&mut state, update(Some(target(1, 1)), None)));
    assert_eq!(content(&state).role_configuration, None);
    assert_eq!(content(&state).alias.as_deref(), Some("b"));
    settle(&mut state, None);

    // Where it writes to may go; the scraper stays changeable.
    state.workspaces.get_mut(&workspace()).expect("there").status = WorkspaceStatus::Deleting;
    done(&ask(&mut state, update(None, None)));
}

#[test]
fn tags_change_all_or_nothing() {
    let mut state = started();
    let tags =
        |count: usize| (0..count).map(|n| (format!("k{n}"), "v".to_owned())).collect::<BTreeMap<_, _>>();
    let tag =
        |count| ChangeKind::Tag { target: Tagged::Workspace(workspace()), tags: tags(count), limit: 50 };
    assert_eq!(ask(&mut state, tag(49)), Response::Done { revision: state.revision }, "one was there");
    assert_eq!(refused(&ask(&mut state, tag(50))), Refusal::TooManyTags { limit: 50 });
    assert_eq!(state.workspaces[&workspace()].tags.len(), 50);
    let keys = tags(49).into_keys().collect();
    ask(&mut state, ChangeKind::Untag { target: Tagged::Workspace(workspace()), keys });
    assert_eq!(state.workspaces[&workspace()].tags.keys().collect::<Vec<_>>(), ["Team"]);
    let revision = state.revision;
    ask(
        &mut state,
        ChangeKind::Untag { target: Tagged::Workspace(workspace()), keys: ["x".to_owned()].into() },
    );
    assert_eq!(state.revision, revision, "what is not there goes silently");
}

/// A state of version 1, as it was stored before there were resources.
const VERSION_1: &str = r#"{"version":1,"state":{"revision":7,"ring_revision":2,"setup":{"replication":"One","zones":["zone-a"],
    "page_secret":"00"},"instances":{},"partitions":{},"retired":[],"workspaces":{"ws-00000000-0000-0000-0000-000000000001":
    {"account":"000000000001","alias":"a","status":"ACTIVE","kms_key_arn":null,"tags":{"k":"v"},"created_at":1,"changed_at":2,
    "out_of_order_window_ms":600000,"max_active_series":50}},"credentials":{"AKIA":{"secret_access_key":"s",
    "account":"000000000001","principal":"arn:aws:iam::000000000001:user/a"}},"tokens":{"000000000001 CreateWorkspace t":
    {"at":1,"fingerprint":"f","answer":{"Done":{"revision":3}}}}}}"#;

#[test]
fn a_state_of_the_version_before_is_read() {
    let mut state = decode(VERSION_1.as_bytes()).expect("version 1");
    assert_eq!((state.revision, state.workspaces.len(), state.tokens.len()), (7, 1, 1));
    assert!(state.resources.is_empty() && state.transitions.is_empty());
    done(&ask(&mut state, new(namespace("a"), rules("one", 1))));
    assert!(encode(&state).starts_with(br#"{"version":2,"#));
}

#[test]
fn commands_of_the_version_before_are_read() {
    for stored in [
        r#"{"UpdateAlias":{"workspace":"ws-00000000-0000-0000-0000-000000000001","account":"000000000001","alias":"b",
            "token":{"token":"t","fingerprint":"f"},"at":5}}"#,
        r#"{"DeleteWorkspace":{"workspace":"ws-00000000-0000-0000-0000-000000000001","account":"000000000001","token":null,"at":5}}"#,
        r#"{"ExpireTokens":{"before":5}}"#,
    ] {
        let command: Command = serde_json::from_str(stored).expect(stored);
        let mut state = decode(VERSION_1.as_bytes()).expect("version 1");
        assert_eq!(
            apply(&mut state, command).changed.len(),
            if stored.contains("token\":{") { 2 } else { 1 },
            "{stored}"
        );
    }
}
