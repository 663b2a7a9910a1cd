//! What the prose of the API demands beyond the traits of its model, as far as one request shows it.
//!
//! Each rule names its source. Counts that an operator may change (label sets, scrapers, workspaces) are quotas, and no rules.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    Arn,
    shape::{Breach, pattern},
};

/// Longest retention in days (API-C-73, WS-22).
const MOST_DAYS: i64 = 1095;

/// Parameters by which scrapers can be filtered (API-C-53). Another one is refused rather than ignored: an answer that a filter
/// should have shortened is wrong.
const FILTERS: [&str; 4] = ["status", "sourceArn", "destinationArn", "alias"];

fn breach(message: impl Into<Cow<'static, str>>) -> Option<Breach> {
    Some(Breach { at: "", message: message.into() })
}

/// Keys and values of tags do not begin with `aws:` in any spelling (TAG-12).
pub(crate) fn tag_text(value: &Value) -> Option<Breach> {
    let prefix = value.as_str()?.get(..4)?;
    prefix.eq_ignore_ascii_case("aws:").then(|| breach("must not begin with aws:"))?
}

/// Values in label sets are ASCII, not blank, and without control characters (API-C-75).
pub(crate) fn label_value(value: &Value) -> Option<Breach> {
    let text = value.as_str()?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return breach("must be ASCII without control characters");
    }
    text.bytes().all(|byte| byte == b' ').then(|| breach("must not be blank"))?
}

/// A metric in a label set must be a metric's name.
pub(crate) fn label_set(value: &Value) -> Option<Breach> {
    let metric = value.get("__name__")?.as_str()?;
    let legal = pattern!("[a-zA-Z_:][a-zA-Z0-9_:]*").matches(metric);
    let message = Cow::from("must be the name of a metric: [a-zA-Z_:][a-zA-Z0-9_:]*");
    (!legal).then_some(Breach { at: r#"["__name__"]"#, message })
}

/// Something must be asked for (API-C-72). Each of the four settings will do, although the text, older than two of them, names
/// only the first two.
pub(crate) fn some_setting(value: &Value) -> Option<Breach> {
    const SETTINGS: [&str; 4] = [
        "limitsPerLabelSet",
        "retentionPeriodInDays",
        "outOfOrderTimeWindowInSeconds",
        "ruleQueryOffsetInSeconds",
    ];
    let none = SETTINGS.into_iter().all(|name| value.get(name).is_none());
    let message = || Cow::from(format!("at least one of {} must be given", SETTINGS.join(", ")));
    none.then(|| Breach { at: ".limitsPerLabelSet", message: message() })
}

/// Metrics are kept for three years at most.
pub(crate) fn retention(value: &Value) -> Option<Breach> {
    (value.as_i64()? > MOST_DAYS).then(|| breach(format!("must be at most {MOST_DAYS}")))?
}

/// Filters of topics and consumer groups are whole-text RE2 expressions without control characters (API-C-86).
pub(crate) fn kafka_filter(value: &Value) -> Option<Breach> {
    let text = value.as_str()?;
    if text.chars().any(char::is_control) {
        return breach("must not have control characters");
    }
    let anchored = text.strip_prefix('^').is_some_and(|rest| rest.ends_with('$'));
    if !anchored {
        return breach("must begin with ^ and end with $");
    }
    let error = regex_syntax::parse(text).err()?;
    breach(format!("is no regular expression: {}", last_line(&error.to_string())))
}

/// The part of a parser's message that says what is wrong, without the drawing above it.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// What scrapers can be filtered by.
pub(crate) fn filter_key(value: &Value) -> Option<Breach> {
    let known = FILTERS.contains(&value.as_str()?);
    (!known).then(|| breach(format!("scrapers can be filtered by {} only", FILTERS.join(", "))))?
}

/// A Kafka exporter reaches its brokers through a VPC (API-C-50).
pub(crate) fn kafka_needs_vpc(value: &Value) -> Option<Breach> {
    let kafka = value.get("exporters")?.get(0)?.get("kafkaConfiguration").is_some();
    let elsewhere = value.get("source")?.get("vpcConfiguration").is_none();
    let message = Cow::from("a Kafka exporter needs a source with vpcConfiguration");
    (kafka && elsewhere).then_some(Breach { at: ".exporters[0].kafkaConfiguration", message })
}

/// Tags are of a resource of this service, named by its ARN (TAG-17).
pub(crate) fn tagged(value: &Value) -> Option<Breach> {
    let error = value.get("resourceArn")?.as_str()?.parse::<Arn>().err()?;
    Some(Breach { at: ".resourceArn", message: error.to_string().into() })
}
