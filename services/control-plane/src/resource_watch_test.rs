//! What watchers hear of resources, and how they fetch them.

use narthex_model::{TimestampMs, WorkspaceId};
use narthex_rpc::v1::{
    FetchBodyRequest, ResourceKind as Kind, ResourceState, Topic, WatchEvent, WatchRequest,
};
use narthex_service::Components;
use tempfile::TempDir;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::{
    Config, ControlPlane,
    cluster_test::eventually,
    state::{
        Body, Change, ChangeKind, Command, Content, Expected, ResourceId, ResourceKind, Response, RuleFile,
        tests::{account, create},
    },
};

fn namespace() -> ResourceId {
    ResourceId::in_workspace(ResourceKind::RuleGroupsNamespace, WorkspaceId::from_u128(1), "n")
}

fn rules(text: &str) -> Content {
    Content::Rules(RuleFile { data: Body::new(text.as_bytes()).expect("memory"), rules: 7 })
}

async fn change(plane: &ControlPlane, what: ChangeKind) {
    let at = TimestampMs(0);
    let change = Change { account: account(1), operation: "o".into(), token: None, at, what };
    let response = plane.propose(Command::Change(Box::new(change))).await.expect("committed");
    assert!(matches!(response, Response::Changed(_)), "{response:?}");
}

/// The next event with a word of the resource.
async fn heard(watch: &mut narthex_cluster::WatchStream) -> (WatchEvent, Option<ResourceState>) {
    loop {
        let event = watch.next().await.expect("open").expect("an event");
        if !event.resources.is_empty() || !event.removed_resources.is_empty() {
            let state = event.resources.first().cloned();
            return (event, state);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_hear_of_resources_and_fetch_what_is_in_force() {
    let folder = TempDir::new().expect("a folder");
    let components = Components::from_system(None);
    let config = Config::embedded(folder.path().to_owned());
    let plane = ControlPlane::start(&config, None, &components).await.expect("started");
    eventually(&components, async || plane.not_ready().is_none().then_some(())).await;
    plane.propose(create(1, account(1), None, 0)).await.expect("committed");

    let control = plane.control();
    let wanting = |topics: &[Topic]| {
        let topics = topics.iter().map(|topic| i32::from(*topic)).collect();
        Request::new(WatchRequest { from_revision: 0, topics })
    };
    let mut watch = control.watch(wanting(&[Topic::Resources])).await.expect("watching").into_inner();
    let first = watch.next().await.expect("open").expect("an event");
    assert!(first.reset && first.resources.is_empty() && first.workspaces.is_empty());
    let mut others = control.watch(wanting(&[])).await.expect("watching").into_inner();
    others.next().await.expect("open").expect("an event");

    let fetch = |revision| {
        let key = Some(crate::proto::resource_key(&namespace()));
        let (control, request) = (control.clone(), Request::new(FetchBodyRequest { key, revision }));
        async move { control.fetch_body(request).await }
    };
    change(
        &plane,
        ChangeKind::Create { id: namespace(), content: rules("one"), tags: [].into(), limits: Vec::new() },
    )
    .await;
    let (_, state) = heard(&mut watch).await;
    let state = state.expect("its state");
    let key = state.key.clone().expect("a key");
    assert_eq!((key.kind(), key.name.as_str(), key.workspace.len()), (Kind::RuleGroupsNamespace, "n", 16));
    assert_eq!(
        (state.status.as_str(), state.version_revision, state.version_digest.as_str()),
        ("CREATING", 0, "")
    );
    let missing = fetch(state.revision).await.expect_err("nothing is in force");
    assert_eq!(missing.code(), Code::NotFound);

    let (_, active) = heard(&mut watch).await;
    let active = active.expect("its state");
    assert_eq!(active.status, "ACTIVE");
    let body = fetch(active.revision).await.expect("in force").into_inner();
    assert_eq!((&body.document[..], body.settings.as_str()), (&b"one"[..], r#"{"rules":7}"#));
    let told = (active.version_revision, active.version_digest.clone());
    assert_eq!((body.version_revision, body.version_digest), told);

    let put = ChangeKind::Put {
        id: namespace(),
        content: rules("two"),
        or_create: false,
        expected: Expected::Anything,
        limits: Vec::new(),
    };
    change(&plane, put).await;
    let (_, updating) = heard(&mut watch).await;
    let updating = updating.expect("its state");
    assert_eq!((updating.status.as_str(), updating.version_revision), ("UPDATING", told.0));
    let (_, active) = heard(&mut watch).await;
    let active = active.expect("its state");
    assert_ne!((active.version_revision, active.version_digest), told);
    assert_eq!(&fetch(active.revision).await.expect("in force").get_ref().document[..], b"two");

    change(&plane, ChangeKind::Delete { id: namespace(), expected: Expected::Anything }).await;
    let (_, deleting) = heard(&mut watch).await;
    assert_eq!(deleting.expect("its state").status, "DELETING");
    let (removed, _) = heard(&mut watch).await;
    assert_eq!(removed.removed_resources, [key]);
    assert_eq!(fetch(removed.revision).await.expect_err("gone").code(), Code::NotFound);
    let early = fetch(removed.revision + 100).await.expect_err("of the future");
    assert_eq!(early.code(), Code::Unavailable);

    // Who did not ask for the topic heard nothing of it.
    loop {
        let event = others.next().await.expect("open").expect("an event");
        assert!(event.resources.is_empty() && event.removed_resources.is_empty());
        if event.revision >= removed.revision {
            break;
        }
    }
    plane.stop().await;
}
