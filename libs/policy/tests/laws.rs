//! What holds of every decision, whatever the policies: a Deny always denies, caps only take away, order does not matter.

use std::{net::Ipv4Addr, sync::Arc};

use narthex_policy::{
    Action, Caller, Environment, Kind, Origin, Permissions, Policy, Principal, Request, RequestTags,
    Resource, Tags, Verdict, decide,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const ARN: &str = "arn:aws:aps:us-east-1:123456789012:workspace/ws-1";

/// One statement: effect, principal, action, resource, condition.
#[derive(Debug, Clone)]
struct Statement(&'static str, &'static str, &'static str, &'static str, &'static str);

impl Statement {
    fn json(&self, principals: bool) -> String {
        let Self(effect, principal, action, resource, condition) = self;
        let principal = if principals { format!("\"Principal\":{principal},") } else { String::new() };
        format!(
            r#"{{"Effect":"{effect}",{principal}"Action":"{action}","Resource":"{resource}","Condition":{{{condition}}}}}"#
        )
    }
}

fn policy(statements: &[Statement], kind: Kind) -> Arc<Policy> {
    let statements: Vec<String> = statements.iter().map(|one| one.json(kind.names_principals())).collect();
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    Arc::new(Policy::parse(&text, kind).expect("a policy"))
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let principal = select(vec![
        r#""*""#,
        r#"{"AWS":"123456789012"}"#,
        r#"{"AWS":"444455556666"}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:user/alice"}"#,
        r#"{"AWS":["arn:aws:iam::123456789012:role/R","arn:aws:iam::444455556666:user/bob"]}"#,
        r#"{"Service":"grafana.amazonaws.com"}"#,
    ]);
    let condition = select(vec![
        "",
        r#""StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}"#,
        r#""StringNotEquals":{"aws:PrincipalTag/team":"a"}"#,
        r#""Bool":{"aws:SecureTransport":"false"}"#,
    ]);
    let effect = select(vec!["Allow", "Allow", "Allow", "Deny"]);
    let action = select(vec!["*", "aps:RemoteWrite", "aps:Query*", "aps:Describe*"]);
    let resource = select(vec!["*", ARN, "arn:aws:aps:*:*:workspace/*", "arn:aws:aps:*:*:workspace/ws-2"]);
    let one =
        (effect, principal, action, resource, condition).prop_map(|(a, b, c, d, e)| Statement(a, b, c, d, e));
    vec(one, 1..4)
}

/// Everything that bears on a decision.
#[derive(Debug, Clone)]
struct World {
    caller: &'static str,
    action: &'static str,
    tagged: (bool, bool),
    identity: Vec<Vec<Statement>>,
    boundary: Option<Vec<Statement>>,
    session: Option<Vec<Statement>>,
    control: Option<Vec<Statement>>,
    resource: Option<Vec<Statement>>,
}

fn world() -> impl Strategy<Value = World> {
    let caller = select(vec![
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:assumed-role/R/s",
        "arn:aws:sts::123456789012:federated-user/alice",
        "arn:aws:iam::444455556666:user/bob",
        "arn:aws:iam::444455556666:root",
        "grafana.amazonaws.com",
    ]);
    let action = select(vec!["aps:RemoteWrite", "aps:QueryMetrics", "aps:DescribeWorkspace"]);
    let layer = || option::of(statements());
    let parts =
        (caller, action, any::<(bool, bool)>(), vec(statements(), 0..4), layer(), layer(), layer(), layer());
    parts.prop_map(|(caller, action, tagged, identity, boundary, session, control, resource)| World {
        caller,
        action,
        tagged,
        identity,
        boundary,
        session,
        control,
        resource,
    })
}

impl World {
    fn decide(&self) -> Verdict {
        let mut principal = match self.caller.split_once(':') {
            Some(_) => Principal::from_arn(self.caller).expect("a principal"),
            None => Principal::from_service(self.caller),
        };
        let tags = |tagged: bool| -> Tags { tagged.then_some(("team", "a")).into_iter().collect() };
        principal.tags = tags(self.tagged.0);
        let one = |layer: &Option<Vec<Statement>>, kind| layer.as_ref().map(|layer| policy(layer, kind));
        let permissions = Permissions {
            identity: self.identity.iter().map(|statements| policy(statements, Kind::Managed)).collect(),
            boundary: one(&self.boundary, Kind::Managed),
            session: one(&self.session, Kind::Session).map(|policy| vec![policy]),
            control: one(&self.control, Kind::ServiceControl)
                .map(|policy| vec![policy])
                .into_iter()
                .collect(),
        };
        let (shared, resource_tags) = (one(&self.resource, Kind::Workspace), tags(self.tagged.1));
        let request = Request {
            action: Action::new(self.action),
            resource: Resource {
                tags: Some(&resource_tags),
                policy: shared.as_deref(),
                ..Resource::new(ARN, "123456789012")
            },
            tags: RequestTags::None,
            environment: Environment {
                now: 1_781_524_800_000,
                region: "us-east-1",
                secure: true,
                user_agent: None,
                origin: Origin::Public(Ipv4Addr::LOCALHOST.into()),
                more: &[],
            },
        };
        decide(&Caller { principal, permissions }, &request)
    }
}

const DENY: Statement = Statement("Deny", r#""*""#, "*", "*", "");

proptest! {
    #[test]
    fn a_deny_anywhere_denies(world in world(), layer in 0..5) {
        let mut denied = world;
        match layer {
            0 => denied.identity.push(vec![DENY]),
            1 => denied.boundary.get_or_insert_default().push(DENY),
            2 => denied.session.get_or_insert_default().push(DENY),
            3 => denied.control.get_or_insert_default().push(DENY),
            // A workspace's policy has no effect on management.
            _ if denied.action == "aps:DescribeWorkspace" => return Ok(()),
            _ => denied.resource.get_or_insert_default().push(DENY),
        }
        prop_assert!(matches!(denied.decide(), Verdict::Denied(denial) if denial.explicit));
    }

    #[test]
    fn caps_only_take_away(world in world()) {
        let verdict = world.decide();
        let uncapped = [
            World { boundary: None, ..world.clone() },
            // Without session policy a federated user has nothing, so that theirs are no mere cap.
            World { session: world.session.clone().filter(|_| world.caller.contains("federated")), ..world.clone() },
            World { control: None, ..world.clone() },
        ];
        for uncapped in uncapped {
            prop_assert!(!verdict.is_allowed() || uncapped.decide().is_allowed());
        }
    }

    #[test]
    fn order_does_not_matter(world in world()) {
        let mut turned = world.clone();
        turned.identity.reverse();
        for statements in turned.identity.iter_mut().chain(&mut turned.resource).chain(&mut turned.session) {
            statements.reverse();
        }
        prop_assert_eq!(world.decide(), turned.decide());
    }

    #[test]
    fn other_accounts_get_nothing_without_the_resource(world in world()) {
        let alone = World { resource: None, ..world };
        let home = alone.caller.contains("123456789012");
        prop_assert!(home || !alone.decide().is_allowed());
    }

    #[test]
    fn other_accounts_never_manage(world in world()) {
        let managing = World { action: "aps:DescribeWorkspace", ..world };
        let home = managing.caller.contains("123456789012");
        prop_assert!(home || !managing.decide().is_allowed());
    }
}
