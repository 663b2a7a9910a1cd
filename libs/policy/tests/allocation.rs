//! An allowed request allocates nothing, whatever its policies look at as text, address, flag, date or number.
//!
//! The allocator counts, so that the figures are exact; therefore one test, alone in its process.
#![allow(unsafe_code, reason = "a counting allocator has to forward to the system's")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use narthex_policy::{
    Action, Caller, Environment, Kind, Origin, Permissions, Policy, Principal, Request, RequestTags,
    Resource, Tags, decide,
};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is forwarded as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ARN: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-alice-1";

const IDENTITY: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Action": "aps:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}},
    {"Effect": "Allow", "Action": "aps:Remote*", "Resource": "arn:aws:aps:*:123456789012:workspace/ws-${aws:username}-*", "Condition": {
        "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]},
        "Bool": {"aws:SecureTransport": "true"},
        "DateLessThan": {"aws:CurrentTime": "2030-01-01"},
        "NumericGreaterThan": {"aws:EpochTime": "0"},
        "ForAllValues:StringLike": {"aws:TagKeys": ["te*", "env"]},
        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"},
        "Null": {"aws:TokenIssueTime": "true"}}}]}"#;

#[test]
fn an_allowed_request_allocates_nothing() {
    let policy = |text, kind| Arc::new(Policy::parse(text, kind).expect("a policy"));
    let mut principal = Principal::from_arn("arn:aws:iam::123456789012:user/alice").expect("a user");
    principal.tags = [("team", "a")].into_iter().collect();
    let permissions = Permissions {
        identity: vec![policy(IDENTITY, Kind::Managed)],
        boundary: Some(policy(
            r#"{"Statement": {"Effect": "Allow", "Action": "aps:*", "Resource": "*"}}"#,
            Kind::Managed,
        )),
        ..Permissions::default()
    };
    let caller = Caller { principal, permissions };
    let tags: Tags = [("env", "prod"), ("team", "a")].into_iter().collect();
    let shared = policy(
        r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "aps:*", "Resource": "*"}}"#,
        Kind::Workspace,
    );
    let request = Request {
        action: Action::new("aps:RemoteWrite"),
        resource: Resource { tags: Some(&tags), policy: Some(&shared), ..Resource::new(ARN, "123456789012") },
        tags: RequestTags::Set(&tags),
        environment: Environment {
            now: 1_781_524_800_000,
            region: "us-east-1",
            secure: true,
            user_agent: None,
            origin: Origin::Public(Ipv4Addr::new(10, 1, 2, 3).into()),
            more: &[],
        },
    };
    let before = CALLS.load(Ordering::Relaxed);
    let verdict = decide(&caller, &request);
    let calls = CALLS.load(Ordering::Relaxed) - before;
    assert!(verdict.is_allowed(), "{verdict:?}");
    assert_eq!(calls, 0);
}
