//! Events against the samples of security.md 11.4 to 11.6, and what those do not show.

use crate::Issuer;

use super::*;

const SAMPLES: [&str; 3] = [
    include_str!("testdata/create_workspace.json"),
    include_str!("testdata/create_alert_manager_definition.json"),
    include_str!("testdata/create_rule_groups_namespace.json"),
];

fn at(text: &str) -> TimestampMs {
    let moment = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a time");
    TimestampMs(moment.unix_timestamp() * 1000)
}

/// The event that a sample shows, taken from its facts and not from its shape.
fn event_of(sample: &Value) -> Event {
    let text = |pointer: &str| sample.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
    let members = |name: &str| sample[name].as_object().expect("an object").clone();
    Event {
        kind: Kind::Management,
        who: UserIdentity::AssumedRole {
            account: text("/userIdentity/accountId").parse().expect("digits"),
            arn: text("/userIdentity/arn"),
            id: text("/userIdentity/principalId"),
            access_key_id: Some(text("/userIdentity/accessKeyId")),
            issuer: Issuer {
                arn: text("/userIdentity/sessionContext/sessionIssuer/arn"),
                id: text("/userIdentity/sessionContext/sessionIssuer/principalId"),
            },
            created: at(&text("/userIdentity/sessionContext/attributes/creationDate")),
            multi_factor: false,
            provider: None,
        },
        at: at(&text("/eventTime")),
        operation: text("/eventName"),
        region: text("/awsRegion"),
        source: Some(text("/sourceIPAddress").parse().expect("an address")),
        endpoint: None,
        user_agent: Some(text("/userAgent")),
        request_parameters: members("requestParameters"),
        outcome: Outcome::Done(Some(members("responseElements"))),
        request_id: text("/requestID"),
        event_id: text("/eventID"),
        read_only: false,
        recipient: Some(text("/recipientAccountId").parse().expect("digits")),
    }
}

fn sample() -> Event {
    event_of(&serde_json::from_str(SAMPLES[0]).expect("JSON"))
}

/// AUD-2, but for the text of a definition, which may hold secrets.
#[test]
fn the_samples_are_met_member_by_member_and_in_their_order() {
    for text in SAMPLES {
        let mut sample: Value = serde_json::from_str(text).expect("JSON");
        let record = event_of(&sample).to_json();
        if sample["eventName"] == "CreateAlertManagerDefinition" {
            sample["requestParameters"]["data"] = "HIDDEN_DUE_TO_SECURITY_REASONS".into();
        }
        assert_eq!(record, sample);
        let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&record), keys(&sample));
        assert_eq!(keys(&record["userIdentity"]), keys(&sample["userIdentity"]));
    }
}

/// AUD-10.
#[test]
fn a_refused_call_names_its_error_and_answers_nothing() {
    let outcome =
        Outcome::Failed { code: "AccessDeniedException".into(), message: "User: x is not authorized".into() };
    let record = Event { outcome, ..sample() }.to_json();
    assert_eq!(record["errorCode"], "AccessDenied");
    assert_eq!(record["errorMessage"], "User: x is not authorized");
    assert_eq!(record["responseElements"], Value::Null);
    assert_eq!(record["requestParameters"]["alias"], "alias-example");
}

/// AUD-11.
#[test]
fn a_data_call_is_no_management_event_and_names_its_workspace() {
    let workspace = "arn:aws:aps:us-west-2:123456789012:workspace/ws-1".to_owned();
    let kind = Kind::Data { workspace: workspace.clone() };
    let event = Event {
        kind,
        operation: "QueryMetrics".into(),
        read_only: true,
        outcome: Outcome::Done(None),
        ..sample()
    };
    let record = event.to_json();
    assert_eq!((&record["managementEvent"], &record["eventCategory"]), (&false.into(), &"Data".into()));
    assert_eq!(record["resources"][0]["ARN"], workspace);
    assert_eq!(record["responseElements"], Value::Null);
    assert_eq!(record["readOnly"], true);
}

/// AUD-3.
#[test]
fn callers_are_told_apart() {
    let account: AccountId = "123456789012".parse().expect("digits");
    let user = UserIdentity::from_arn(
        account.clone(),
        "arn:aws:iam::123456789012:user/team/mateo",
        Some("AIDA".into()),
        Some("AKIA".into()),
    );
    let user = user.to_json();
    assert_eq!(user["principalId"], "AIDA");
    assert_eq!((&user["type"], &user["userName"]), (&"IAMUser".into(), &"mateo".into()));
    assert_eq!(user["accessKeyId"], "AKIA");
    let root =
        UserIdentity::from_arn(account.clone(), "arn:aws:iam::123456789012:root", None, None).to_json();
    assert_eq!((&root["type"], &root["principalId"]), (&"Root".into(), &"123456789012".into()));
    assert!(root.get("accessKeyId").is_none());
    let federated =
        UserIdentity::from_arn(account.clone(), "arn:aws:sts::123456789012:federated-user/bob", None, None);
    let federated = federated.to_json();
    assert_eq!(
        (&federated["type"], &federated["principalId"]),
        (&"FederatedUser".into(), &"123456789012:bob".into())
    );
    let local = UserIdentity::from_arn(account, "local", None, None);
    assert_eq!((local.to_json()["type"].clone(), local.account().is_some()), ("Unknown".into(), true));
    let service = UserIdentity::Service { name: "scraper.aps.amazonaws.com".into() };
    assert_eq!((service.to_json()["type"].clone(), service.account()), ("AWSService".into(), None));
    let nobody =
        UserIdentity::Unknown { account: None, principal: None, access_key_id: Some("AKIDX".into()) };
    let record = Event { who: nobody, recipient: None, ..sample() }.to_json();
    assert_eq!(record["userIdentity"]["accessKeyId"], "AKIDX");
    assert!(record.get("recipientAccountId").is_none());
}

#[test]
fn secrets_long_texts_and_large_members_stay_out() {
    let mut event = sample();
    event.request_parameters.insert("sessionToken".into(), "hush".into());
    event.user_agent = Some("x".repeat(5000));
    let record = event.to_json();
    assert!(!record.to_string().contains("hush"));
    assert_eq!(record["userAgent"].as_str().map(str::len), Some(MAX_HEADER));
    event.request_parameters.insert("data".into(), "x".repeat(MAX_MEMBERS).into());
    assert_eq!(event.to_json()["requestParameters"]["omitted"], true);
    event.request_parameters.clear();
    assert_eq!(event.to_json()["requestParameters"], Value::Null);
}
