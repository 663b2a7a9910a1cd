//! Sizes, and documents made of anything.

use std::{net::Ipv4Addr, sync::Arc};

use narthex_policy::{
    ACTIONS, Action, Caller, Environment, Kind, MANAGED_POLICIES, Origin, Permissions, Plane, Policy,
    Principal, Problem, Request, RequestTags, Resource, Tags, counted, decide,
};
use proptest::prelude::*;

const ARN: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-1";

/// Asks under one policy, wherever it may stand; the answer does not matter, but that there is one.
fn ask(policy: Policy, text: &str) {
    let policy = Arc::new(policy);
    let mut principal = Principal::from_arn("arn:aws:iam::123456789012:user/alice").expect("a user");
    principal.tags = [("team", text)].into_iter().collect();
    let permissions = Permissions { identity: vec![policy.clone()], ..Permissions::default() };
    let tags: Tags = [(text, text)].into_iter().collect();
    let request = Request {
        action: Action::new("aps:RemoteWrite"),
        resource: Resource { tags: Some(&tags), policy: Some(&policy), ..Resource::new(ARN, "123456789012") },
        tags: RequestTags::Set(&tags),
        environment: Environment {
            now: i64::MAX,
            region: text,
            secure: true,
            user_agent: Some(text),
            origin: Origin::Public(Ipv4Addr::LOCALHOST.into()),
            more: &[],
        },
    };
    let _ = decide(&Caller { principal, permissions }, &request);
}

const KINDS: [Kind; 5] = [Kind::Managed, Kind::Workspace, Kind::Resource, Kind::Trust, Kind::Endpoint];

#[test]
fn a_policy_may_have_so_many_characters_without_white_space() {
    let frame =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aps:X","Resource":"*"}]}"#;
    for (kind, quota) in [
        (Kind::Managed, 6144),
        (Kind::InlineUser, 2048),
        (Kind::InlineGroup, 5120),
        (Kind::InlineRole, 10240),
        (Kind::Session, 2048),
    ] {
        let full = frame.replace('X', &"X".repeat(quota - counted(frame) + 1));
        assert_eq!(counted(&full), quota);
        assert!(Policy::parse(&full.replace(',', ",  \n\t"), kind).is_ok(), "{kind:?}");
        let more = full.replace("aps:X", "aps:XX");
        let error = Policy::parse(&more, kind).expect_err("too long");
        assert_eq!(error.problem, Problem::TooLong(quota), "{kind:?}");
    }
}

#[test]
fn white_space_has_an_end_too() {
    let text = format!("{{{}}}", " ".repeat(200_000));
    assert!(matches!(Policy::parse(&text, Kind::Managed).map_err(|e| e.problem), Err(Problem::TooLong(_))));
}

#[test]
fn depth_has_an_end() {
    let text = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    assert!(matches!(Policy::parse(&text, Kind::Managed).map_err(|e| e.problem), Err(Problem::Syntax(_))));
}

#[test]
fn many_stars_end_soon() {
    let stars = "a*".repeat(900);
    let text = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringLike":{{"aws:UserAgent":"{stars}b"}}}}}}}}"#
    );
    ask(Policy::parse(&text, Kind::Managed).expect("read"), &"a".repeat(8_000));
    let text = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:aps:*:{}b"}}}}"#,
        "?*".repeat(900)
    );
    ask(Policy::parse(&text, Kind::Managed).expect("read"), "");
}

#[test]
fn the_managed_policies_are_policies() {
    for managed in MANAGED_POLICIES {
        assert!(managed.compile().is_ok(), "{}", managed.name);
    }
}

#[test]
fn the_actions_are_those_of_the_specification() {
    let data: Vec<&str> =
        ACTIONS.iter().filter(|info| info.plane == Plane::Data).map(|info| info.name).collect();
    assert_eq!((data.len(), ACTIONS.len()), (17, 61));
    let mut names: Vec<&str> = ACTIONS.iter().map(|info| info.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ACTIONS.len());
    assert!(Action::new("APS:remotewrite").info().is_some_and(|info| info.name == "aps:RemoteWrite"));
    assert!(Action::new("s3:GetObject").info().is_none());
}

/// JSON that resembles policies closely enough to come far.
fn policy_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("\"*\"".to_owned()),
        Just("\"Allow\"".to_owned()),
        Just("\"Deny\"".to_owned()),
        Just("\"aps:Remote*\"".to_owned()),
        Just("\"sts:AssumeRole\"".to_owned()),
        Just("\"arn:aws:aps:*:*:workspace/${aws:PrincipalTag/team}?*\"".to_owned()),
        Just("\"${aws:username, 'x'}\"".to_owned()),
        Just("\"10.0.0.0/8\"".to_owned()),
        Just("\"2026-01-01\"".to_owned()),
        Just("true".to_owned()),
        Just("12.5".to_owned()),
        Just("null".to_owned()),
        "\\PC{0,12}".prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    let keys = proptest::sample::select(vec![
        "Version",
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
        "AWS",
        "Service",
        "StringLike",
        "ForAnyValue:StringNotEquals",
        "Bool",
        "Null",
        "NotIpAddress",
        "DateLessThan",
        "ArnLike",
        "NumericEquals",
        "aws:UserAgent",
        "aws:ResourceTag/é",
        "aws:TagKeys",
    ]);
    leaf.prop_recursive(6, 48, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((keys.clone(), inner), 0..8).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A whole policy with one condition made of anything.
fn whole() -> impl Strategy<Value = String> {
    let operator = proptest::sample::select(vec![
        "StringEquals",
        "StringNotLike",
        "ForAllValues:StringLike",
        "ForAnyValue:StringNotEquals",
        "ArnLike",
        "ArnNotEqualsIfExists",
        "Bool",
        "DateEquals",
        "NumericLessThan",
        "IpAddress",
        "BinaryEquals",
        "Null",
    ]);
    let key = proptest::sample::select(vec![
        "aws:UserAgent",
        "aws:ResourceTag/team",
        "aws:TagKeys",
        "aws:CurrentTime",
        "aws:SourceIp",
        "aws:RequestedRegion",
    ]);
    let text = prop_oneof!["[a*?${}:é]{0,16}", "\\PC{0,16}", "[0-9T:.Z/-]{0,20}"];
    (operator, key, text.clone(), text).prop_map(|(operator, key, value, resource)| {
        let value = serde_json::Value::String(value);
        let resource = serde_json::Value::String(format!("arn:aws:aps:*:*:{resource}"));
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":{resource},"Condition":{{"{operator}":{{"{key}":{value}}}}}}}}}"#
        )
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        for kind in KINDS {
            let _ = Policy::parse(&text, kind);
        }
    }

    #[test]
    fn anything_like_a_policy_is_read_or_refused(text in policy_like()) {
        for kind in KINDS {
            if let Ok(policy) = Policy::parse(&text, kind) {
                ask(policy, "é*");
            }
        }
        let _ = Policy::for_workspace(&text, ARN);
    }

    #[test]
    fn every_policy_that_is_read_decides(text in whole(), value in "[a:é*?-]{0,16}") {
        if let Ok(policy) = Policy::parse(&text, Kind::Managed) {
            ask(policy, &value);
        }
    }

    #[test]
    fn any_arn_is_a_principal_or_none(text in "(arn:aws:)?(iam|sts)?:{0,3}[0-9]{0,12}:?(user|root|assumed-role)?/?\\PC{0,8}") {
        let _ = Principal::from_arn(&text);
    }
}
