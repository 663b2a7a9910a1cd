//! Successful replies: XML as the query protocol has it (AWS STS API Reference).

use std::fmt::Write;

use axum::{
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use narthex_edge::{escape, session::Session};
use narthex_model::TimestampMs;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An element: a name, and text or further elements.
pub(super) enum Element {
    Text(&'static str, String),
    Group(&'static str, Vec<Element>),
}

/// The reply to an action.
pub(super) fn reply(action: &str, result: &[Element], request_id: &str) -> Response {
    let mut body =
        format!("<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>");
    result.iter().for_each(|element| write_to(&mut body, element));
    let id = escape(request_id);
    let _ = writeln!(
        body,
        "</{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    ([(CONTENT_TYPE, HeaderValue::from_static("text/xml"))], body).into_response()
}

fn write_to(body: &mut String, element: &Element) {
    match element {
        Element::Text(name, text) => {
            let _ = write!(body, "<{name}>{}</{name}>", escape(text));
        }
        Element::Group(name, elements) => {
            let _ = write!(body, "<{name}>");
            elements.iter().for_each(|element| write_to(body, element));
            let _ = write!(body, "</{name}>");
        }
    }
}

/// `Credentials` and `AssumedRoleUser` of a new session.
pub(super) fn session_elements(session: &Session, token: String) -> Vec<Element> {
    use Element::{Group, Text};
    let credentials = vec![
        Text("AccessKeyId", session.access_key_id.clone()),
        Text("SecretAccessKey", session.secret_access_key.clone()),
        Text("SessionToken", token),
        Text("Expiration", date(session.expires_at)),
    ];
    let user = vec![
        Text("AssumedRoleId", format!("{}:{}", session.role_id, session.name)),
        Text("Arn", session.arn()),
    ];
    let mut elements = vec![Group("Credentials", credentials), Group("AssumedRoleUser", user)];
    if let Some(identity) = &session.source_identity {
        elements.push(Text("SourceIdentity", identity.clone()));
    }
    elements
}

/// `2026-11-26T12:00:00Z`
fn date(at: TimestampMs) -> String {
    let date = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000)).ok();
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default()
}
