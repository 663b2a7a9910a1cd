//! Who passes: policies of users, of workspaces and of sessions, at the edge as clients meet it.

use narthex_cluster::{AssumableRole, SessionKey};
use narthex_policy::Tags;

use super::*;
use crate::{session::Session, test_support::NOW};

const WRITES: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:RemoteWrite","Resource":"*"}}"#;
const READS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:QueryMetrics","Resource":"*"}}"#;
const ROLE: &str = "arn:aws:iam::111111111111:role/team/reader";

fn compiled(text: &str) -> Arc<Policy> {
    Arc::new(Policy::parse(text, Kind::InlineRole).expect("a policy"))
}

/// A session of the role until an hour from now, and the key that seals it.
fn session() -> (Session, SessionKey) {
    let session = Session {
        access_key_id: "ASIATEST".into(),
        secret_access_key: "session secret".into(),
        account: "111111111111".parse().expect("12 digits"),
        role: ROLE.into(),
        role_id: "AROATEST".into(),
        name: "worker".into(),
        issued_at: NOW,
        expires_at: TimestampMs(NOW.0 + 3_600_000),
        policies: None,
        tags: [("team".to_owned(), "b".to_owned())].into(),
        source_identity: None,
        provider: None,
    };
    (session, SessionKey { id: 3, secret: [7; 32] })
}

fn role(policies: &[&str]) -> AssumableRole {
    AssumableRole {
        arn: ROLE.into(),
        id: "AROATEST".into(),
        tags: [("team", "a"), ("unit", "c")].into_iter().collect(),
        permissions: Permissions {
            identity: policies.iter().map(|text| compiled(text)).collect(),
            ..Permissions::default()
        },
        sessions_revoked_before: TimestampMs(0),
    }
}

/// A deployment with the role, whose session sends a query.
async fn ask(
    session: &Session,
    role: Option<AssumableRole>,
    key: SessionKey,
    sealed_with: &SessionKey,
) -> Reply {
    let token = session.seal(sealed_with, [1; 12]).expect("short");
    let mut snapshot = snapshot();
    snapshot.session_keys = [key].into();
    snapshot.principals.extend(role.map(|role| (ROLE.to_owned(), Identity::Role(Arc::new(role)))));
    let setup = setup_with(snapshot);
    let signer = Signer { access_key: "ASIATEST", secret: "session secret", ..Signer::default() };
    let mut request = plain("GET", &query(WORKSPACE), b"");
    request.headers_mut().insert("x-amz-security-token", token.parse().expect("text"));
    setup.send(sign(request, &signer)).await
}

#[tokio::test]
async fn a_session_does_what_its_role_may_until_it_is_over() {
    let (session, key) = session();
    let reply = ask(&session, Some(role(&[READS])), key.clone(), &key).await;
    let body =
        format!("111111111111 arn:aws:sts::111111111111:assumed-role/reader/worker {WORKSPACE} 0 bytes");
    assert_eq!((reply.status, reply.body.as_str()), (200, body.as_str()));

    let refused = async |session: Session, role: Option<AssumableRole>, sealed_with: &SessionKey| {
        let reply = ask(&session, role, key.clone(), sealed_with).await;
        (reply.status, reply.error.expect("a refusal"))
    };
    let named = |name: &str| (403, name.to_owned());
    let over = Session { expires_at: NOW, ..session.clone() };
    assert_eq!(refused(over, Some(role(&[READS])), &key).await, named("ExpiredTokenException"));
    let revoked = AssumableRole { sessions_revoked_before: TimestampMs(NOW.0 + 1), ..role(&[READS]) };
    assert_eq!(refused(session.clone(), Some(revoked), &key).await, named("ExpiredTokenException"));
    assert_eq!(refused(session.clone(), None, &key).await, named("UnrecognizedClientException"));
    let anew = AssumableRole { id: "AROAOTHER".into(), ..role(&[READS]) };
    assert_eq!(refused(session.clone(), Some(anew), &key).await, named("UnrecognizedClientException"));
    let forged = SessionKey { id: 3, secret: [8; 32] };
    assert_eq!(
        refused(session.clone(), Some(role(&[READS])), &forged).await,
        named("UnrecognizedClientException")
    );
    let another = Session { access_key_id: "ASIAOTHER".into(), ..session.clone() };
    assert_eq!(refused(another, Some(role(&[READS])), &key).await, named("UnrecognizedClientException"));
    let wrong = Session { secret_access_key: "other".into(), ..session.clone() };
    assert_eq!(refused(wrong, Some(role(&[READS])), &key).await, named("InvalidSignatureException"));
    assert_eq!(refused(session.clone(), Some(role(&[WRITES])), &key).await, named("AccessDeniedException"));
    let limited = Session { policies: Some(vec![WRITES.to_owned()]), ..session };
    assert_eq!(refused(limited, Some(role(&[READS])), &key).await, named("AccessDeniedException"));
}

#[tokio::test]
async fn tags_of_a_session_stand_over_those_of_its_role() {
    let tagged = |key: &str, value: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"aps:*","Resource":"*",
               "Condition":{{"StringEquals":{{"aws:PrincipalTag/{key}":"{value}"}}}}}}}}"#
        )
    };
    let (session, key) = session();
    for (name, value, status) in [("team", "b", 200), ("team", "a", 403), ("unit", "c", 200)] {
        let reply = ask(&session, Some(role(&[&tagged(name, value)])), key.clone(), &key).await;
        assert_eq!(reply.status, status, "{name}={value}: {}", reply.body);
    }
}

#[tokio::test]
async fn users_do_what_their_policies_say_and_learn_nothing_else() {
    let mut snapshot = snapshot();
    snapshot.principals.extend([user("tester", &[WRITES])]);
    let setup = setup_with(snapshot);
    let write = format!("/workspaces/{WORKSPACE}/api/v1/remote_write");
    assert_eq!(setup.signed("POST", &write, b"").await.status, 204);
    for id in [WORKSPACE, "ws-00000000-0000-4000-8000-00000000000f", "nonsense"] {
        let reply = setup.signed("GET", &query(id), b"").await;
        assert_eq!((reply.status, reply.error.as_deref()), (403, Some("AccessDeniedException")), "{id}");
        assert!(
            reply.message().contains("not authorized to perform: aps:QueryMetrics"),
            "{}",
            reply.message()
        );
    }
    let unrouted = format!("/workspaces/{WORKSPACE}/api/v1/status/buildinfo");
    assert_eq!(
        setup.signed("GET", &unrouted, b"").await.status,
        403,
        "what AMP does not have needs QueryMetrics"
    );
}

#[tokio::test]
async fn a_workspace_s_policy_lets_other_accounts_in_and_its_tags_count() {
    let foreign = "ws-00000000-0000-4000-8000-000000000002";
    let arn = format!("arn:aws:aps:us-east-1:222222222222:workspace/{foreign}");
    let grant = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"111111111111"}},
           "Action":"aps:QueryMetrics","Resource":"{arn}"}}}}"#
    );
    let shared = |tags: Tags| {
        let mut snapshot = snapshot();
        let id = foreign.parse().expect("an id");
        let policy = Some(Arc::new(Policy::for_workspace(&grant, &arn).expect("a policy")));
        let workspace =
            Workspace { policy, tags, ..Workspace::new(id, "222222222222".parse().expect("12 digits")) };
        snapshot.workspaces.insert(id, Arc::new(workspace));
        snapshot
    };
    let setup = setup_with(shared(Tags::default()));
    assert_eq!(setup.signed("GET", &query(foreign), b"").await.status, 200);
    let write = format!("/workspaces/{foreign}/api/v1/remote_write");
    assert_eq!(setup.signed("POST", &write, b"").await.status, 403, "only what is granted");

    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*",
        "Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    for (tag, status) in [("a", 200), ("b", 403)] {
        let mut snapshot = shared([("team", tag)].into_iter().collect());
        snapshot.principals.extend([user("tester", &[tagged])]);
        assert_eq!(setup_with(snapshot).signed("GET", &query(foreign), b"").await.status, status, "{tag}");
    }
}
