//! Documents, plans and changes: what is refused, what stays, and that every plan leads to its document.

use std::collections::BTreeMap;

use narthex_model::{AccountId, TimestampMs};
use narthex_service::Random;
use proptest::prelude::*;

use super::*;
use crate::state::CredentialRecord;

const DOCUMENT: &str = r#"
accounts:
  - account_id: "123456789012"
    policies:
      - name: own
        path: /team/
        document: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "aps:*", Resource: "*"}]}
    groups:
      - name: readers
        policies: [AmazonPrometheusQueryAccess]
        inline_policies:
          deny: '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"aps:GetSeries","Resource":"*"}}'
    users:
      - name: alice
        tags: {team: a}
        groups: [readers]
        policies: [own, "arn:aws:iam::aws:policy/AmazonPrometheusRemoteWriteAccess"]
        permissions_boundary: own
        access_keys:
          - {access_key_id: AKIAALICE, secret_access_key: hidden}
    oidc_providers:
      - url: https://oidc.example.com/cluster
        client_ids: [sts.amazonaws.com]
    roles:
      - name: ingest
        policies: [AmazonPrometheusRemoteWriteAccess]
        trust_policy:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "123456789012"}, Action: sts:AssumeRole}
"#;

const ALICE: &str = "arn:aws:iam::123456789012:user/alice";

type Keys = BTreeMap<String, CredentialRecord>;

fn account() -> AccountId {
    "123456789012".parse().expect("12 digits")
}

fn planned(
    text: &str,
    identities: &Identities,
    keys: &Keys,
    prune: bool,
) -> Result<Vec<IdentityChange>, String> {
    let random = Random::from_seed(1);
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let fresh = Fresh { random: &random, now: TimestampMs(5) };
    plan(&document, identities, keys, prune, fresh).map_err(|error| error.to_string())
}

fn made(text: &str) -> (Identities, Keys) {
    let (mut identities, mut keys) = (Identities::default(), Keys::new());
    let changes = planned(text, &identities, &keys, false).expect("a good document");
    identities.change(&mut keys, changes).expect("nothing open");
    (identities, keys)
}

#[test]
fn a_principal_has_the_policies_of_itself_and_its_groups() {
    let (identities, keys) = made(DOCUMENT);
    let alice = identities.principal(ALICE).expect("made");
    assert_eq!(alice.policies.len(), 4, "own, remote write, and two of the group");
    assert!(alice.boundary.is_some_and(|document| document.contains("aps:*")));
    assert_eq!(alice.tags.map(|tags| tags["team"].as_str()), Some("a"));
    let arns: Vec<_> = identities.principals().map(|(arn, _)| arn).collect();
    let root = "arn:aws:iam::123456789012:root";
    assert_eq!(arns, [root, ALICE, "arn:aws:iam::123456789012:role/ingest"]);
    assert_eq!(keys["AKIAALICE"].principal, ALICE);
    assert_eq!(
        identities.principal("arn:aws:iam::123456789012:user/team/alice"),
        None,
        "the path is part of it"
    );
    assert_eq!(identities.principal("nonsense"), None);
}

#[test]
fn what_is_there_keeps_its_id_and_what_is_the_same_is_left_alone() {
    let (mut identities, mut keys) = made(DOCUMENT);
    assert_eq!(planned(DOCUMENT, &identities, &keys, true), Ok(Vec::new()));
    let shown = serde_saphyr::to_string(&show(&identities, &keys)).expect("plain data");
    assert!(!shown.contains("hidden"), "{shown}");
    assert_eq!(planned(&shown, &identities, &keys, true), Ok(Vec::new()), "{shown}");

    let before = identities.clone();
    let other = DOCUMENT.replace("team: a", "team: b");
    let changes = planned(&other, &identities, &keys, false).expect("a good document");
    assert!(matches!(&changes[..], [IdentityChange::PutUser(..)]), "{changes:?}");
    identities.change(&mut keys, changes).expect("nothing open");
    let users = |identities: &Identities| identities.accounts[&account()].users["alice"].clone();
    assert_eq!(users(&identities).id, users(&before).id);
    assert_eq!(users(&identities).tags["team"], "b");
}

#[test]
fn pruning_removes_what_the_document_does_not_name() {
    let (mut identities, mut keys) = made(DOCUMENT);
    let changes =
        planned("accounts: [{account_id: '123456789012'}]", &identities, &keys, true).expect("good");
    identities.change(&mut keys, changes).expect("nothing open");
    assert!(keys.is_empty());
    assert_eq!(identities.accounts[&account()], AccountRecord::default());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let good = Identities::default();
    let cases = [
        ("name: alice", "name: 'a b'", "user a b"),
        ("groups: [readers]", "groups: [readers]\n        colour: red", "unknown field"),
        ("policies: [own, ", "policies: [nothing, ", "there is no managed policy \"nothing\""),
        ("Action: \"aps:*\"", "Actoin: \"aps:*\"", "policy own"),
        ("Action: sts:AssumeRole", "Action: aps:RemoteWrite", "role ingest, trust_policy"),
        ("https://oidc", "http://oidc", "loopback"),
        ("client_ids: [sts.amazonaws.com]", "client_ids: []", "client_ids"),
        (", secret_access_key: hidden", "", "secret_access_key"),
        ("path: /team/", "path: team", "slash"),
        ("policies: [own, ", "policies: [AmazonPrometheusScraperServiceRolePolicy, ", "managed policy"),
    ];
    for (from, to, said) in cases {
        assert!(DOCUMENT.contains(from), "{from}");
        let error = planned(&DOCUMENT.replacen(from, to, 1), &good, &Keys::new(), false).expect_err(to);
        assert!(error.contains(said), "{to}: {error}");
    }
    let twice = format!("{DOCUMENT}  - account_id: '123456789012'\n");
    assert!(planned(&twice, &good, &Keys::new(), false).is_err_and(|error| error.contains("twice")));
}

#[test]
fn no_change_leaves_a_reference_open() {
    let (identities, keys) = made(DOCUMENT);
    let refused = |change: IdentityChange| {
        let (mut identities, mut keys) = (identities.clone(), keys.clone());
        let before = (identities.clone(), keys.clone());
        let error = identities.change(&mut keys, vec![change]).expect_err("refused");
        assert_eq!((identities, keys), before, "all or nothing");
        error.to_string()
    };
    let delete = |kind, name: &str| IdentityChange::Delete(account(), kind, name.to_owned());
    assert!(refused(delete(EntityKind::Policy, "own")).contains("alice"));
    assert!(refused(delete(EntityKind::Group, "readers")).contains("alice"));
    assert!(refused(delete(EntityKind::User, "bob")).contains("bob"));
    assert!(refused(IdentityChange::DeleteKey("AKIABOB".into())).contains("AKIABOB"));
    let stray = CredentialRecord {
        principal: "arn:aws:iam::123456789012:user/bob".into(),
        ..keys["AKIAALICE"].clone()
    };
    assert!(refused(IdentityChange::PutKey("AKIABOB".into(), stray)).contains("does not exist"));

    let (mut identities, mut keys) = (identities, keys);
    identities.change(&mut keys, vec![delete(EntityKind::User, "alice")]).expect("nobody refers to a user");
    assert!(keys.is_empty(), "a user's keys go with it");
}

#[test]
fn revocation_never_goes_back() {
    let (mut identities, mut keys) = made(DOCUMENT);
    for (at, expected) in [(9, 9), (3, 9)] {
        let change = IdentityChange::RevokeSessions(account(), "ingest".into(), TimestampMs(at));
        identities.change(&mut keys, vec![change]).expect("a role");
        let role = identities.principal("arn:aws:iam::123456789012:role/ingest").expect("made");
        assert_eq!(role.sessions_revoked_before, TimestampMs(expected));
    }
}

#[test]
fn keys_without_users_bring_administrators() {
    let key = CredentialRecord {
        secret_access_key: "s".into(),
        account: account(),
        principal: "arn:aws:iam::123456789012:user/team/admin".into(),
        active: true,
        created_at: TimestampMs(1),
    };
    let keys = Keys::from([("AKIAADMIN".to_owned(), key)]);
    let mut identities = Identities::default();
    identities.adopt(&keys);
    let admin = identities.principal("arn:aws:iam::123456789012:user/team/admin").expect("made");
    assert_eq!((admin.id, admin.policies.len()), ("AIDAADMIN", 1));
    let before = identities.clone();
    identities.adopt(&keys);
    assert_eq!(identities, before);
}

proptest! {
    #[test]
    fn no_document_panics(text in ".{0,200}") {
        let _ = planned(&text, &Identities::default(), &Keys::new(), true);
    }

    /// Whatever was there, after a plan with pruning the account is as the document says.
    #[test]
    fn a_plan_leads_to_its_document(first in any_document(), second in any_document()) {
        let (mut identities, mut keys) = made(&first);
        let changes = planned(&second, &identities, &keys, true).expect("a good document");
        identities.change(&mut keys, changes).expect("nothing open");
        prop_assert_eq!(planned(&second, &identities, &keys, true), Ok(Vec::new()));
        let (expected, _) = made(&second);
        let names = |identities: &Identities| -> Vec<String> { identities.principals().map(|(arn, _)| arn).collect() };
        prop_assert_eq!(names(&identities), names(&expected));
    }
}

/// Documents of few names, so that two have much in common.
fn any_document() -> impl Strategy<Value = String> {
    let users = proptest::collection::btree_map("[a-c]", (any::<bool>(), any::<bool>()), 0..3);
    let policies = proptest::collection::btree_set("[p-r]", 0..3);
    (users, policies).prop_map(|(users, policies)| {
        let statement =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aps:*","Resource":"*"}}"#;
        let policies: Vec<_> = policies.into_iter().collect();
        let mut text = "accounts:\n  - account_id: '123456789012'\n    groups: [{name: g}]\n".to_owned();
        text += "    policies:\n";
        text = if policies.is_empty() { text.replace("    policies:\n", "") } else { text };
        for name in &policies {
            text += &format!("      - {{name: {name}, document: '{statement}'}}\n");
        }
        for (index, (name, (in_group, attached))) in users.iter().enumerate() {
            if index == 0 {
                text += "    users:\n";
            }
            let groups = if *in_group { "[g]" } else { "[]" };
            let attached =
                policies.first().filter(|_| *attached).map_or("[]".to_owned(), |name| format!("[{name}]"));
            text += &format!("      - {{name: {name}, groups: {groups}, policies: {attached}}}\n");
        }
        text
    })
}
