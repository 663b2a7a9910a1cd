//! SNS receivers.

use std::collections::BTreeMap;

use super::{DefinitionLimits, secret::Arn, template, template_map, template_or};
use crate::{
    cursor::{Cursor, Fields},
    template::Template,
};

/// Notifications as SNS messages (AM-24).
#[derive(Debug, Clone, PartialEq)]
pub struct Sns {
    /// Also tell when alerts are resolved.
    pub send_resolved: bool,
    /// How requests are signed.
    pub sigv4: Sigv4,
    /// Where messages go.
    pub target: SnsTarget,
    /// Subject of e-mails.
    pub subject: Template,
    /// The message.
    pub message: Template,
    /// Message attributes (AM-26).
    pub attributes: BTreeMap<String, Template>,
}

/// Where messages go. Each may be a template; where it is none, it was checked.
#[derive(Debug, Clone, PartialEq)]
pub enum SnsTarget {
    /// A topic.
    Topic(Template),
    /// An endpoint.
    Target(Template),
    /// A phone.
    Phone(Template),
}

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sigv4 {
    /// The region of the endpoint (AM-17).
    pub region: String,
    /// Access key id and secret key, in place of the service's own identity.
    pub keys: Option<(String, String)>,
    /// The role to take for the request.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
}

const KEYS: [&str; 8] =
    ["send_resolved", "sigv4", "topic_arn", "phone_number", "target_arn", "subject", "message", "attributes"];

const UNSUPPORTED: [(&str, &str); 4] = [
    ("api_url", "the service chooses the endpoint"),
    ("http_config", "external proxies cannot be used"),
    ("use_aws_http_client", "the service chooses its client"),
    ("Http_config", "external proxies cannot be used"),
];

pub(super) fn read(cursor: &Cursor<'_>, limits: &DefinitionLimits) -> Option<Sns> {
    let fields = cursor.fields(&KEYS, &UNSUPPORTED)?;
    let sigv4 = sigv4(&fields);
    let region = sigv4.as_ref().map(|sigv4| sigv4.region.as_str());
    let target = target(&fields, region, limits);
    let subject = template_or(&fields, "subject", "{{ template \"sns.default.subject\" . }}");
    let message = template_or(&fields, "message", "{{ template \"sns.default.message\" . }}");
    let attributes = template_map(&fields, "attributes");
    Some(Sns {
        send_resolved: fields.boolean("send_resolved", true),
        sigv4: sigv4?,
        target: target?,
        subject: subject?,
        message: message?,
        attributes,
    })
}

fn target(fields: &Fields<'_>, region: Option<&str>, limits: &DefinitionLimits) -> Option<SnsTarget> {
    let given = |name: &str| fields.get(name).is_some_and(|cursor| cursor.text() != Some(""));
    match (given("topic_arn"), given("target_arn"), given("phone_number")) {
        (true, false, false) => {
            check_arn(fields, "topic_arn", region, limits);
            template(fields, "topic_arn").map(SnsTarget::Topic)
        }
        (false, true, false) => {
            check_arn(fields, "target_arn", region, limits);
            template(fields, "target_arn").map(SnsTarget::Target)
        }
        (false, false, true) => template(fields, "phone_number").map(SnsTarget::Phone),
        _ => {
            fields.refuse("must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
            None
        }
    }
}

/// A topic is of the workspace's account and lies where the requests are signed for; SNS would refuse others.
fn check_arn(fields: &Fields<'_>, name: &str, region: Option<&str>, limits: &DefinitionLimits) {
    let Some(cursor) = fields.get(name) else { return };
    let Some(text) = cursor.text().filter(|text| !text.contains("{{")) else { return };
    let Some(arn) = Arn::parse(text, "sns") else {
        cursor.refuse(format!("{text:?} is not the ARN of an SNS topic (arn:aws:sns:region:account:name)"));
        return;
    };
    if let Some(region) = region.filter(|region| *region != arn.region) {
        cursor.refuse(format!("the topic is in {}, but sigv4.region is {region}", arn.region));
    }
    arn.check_account(&cursor, limits);
}

const SIGV4_KEYS: [&str; 5] = ["region", "access_key", "secret_key", "role_arn", "external_id"];

const SIGV4_UNSUPPORTED: [(&str, &str); 2] = [
    ("profile", "the service has no credentials file"),
    ("use_fips_sts_endpoint", "the service chooses the endpoint"),
];

fn sigv4(fields: &Fields<'_>) -> Option<Sigv4> {
    let missing = "sigv4 must contain region";
    let Some(cursor) = fields.get("sigv4") else {
        fields.refuse(missing);
        return None;
    };
    let sigv4 = cursor.fields(&SIGV4_KEYS, &SIGV4_UNSUPPORTED)?;
    let (access, secret) = (sigv4.some_text("access_key"), sigv4.some_text("secret_key"));
    if access.is_some() != secret.is_some() {
        sigv4.refuse(
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
        );
    }
    let Some(region) = sigv4.some_text("region") else {
        sigv4.refuse(missing);
        return None;
    };
    Some(Sigv4 {
        region: region.to_owned(),
        keys: access.zip(secret).map(|(access, secret)| (access.to_owned(), secret.to_owned())),
        role_arn: sigv4.some_text("role_arn").map(str::to_owned),
        external_id: sigv4.some_text("external_id").map(str::to_owned),
    })
}
