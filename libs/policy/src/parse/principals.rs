//! `Principal` and `NotPrincipal`: `*`, or a map from a sort of principals to one or several.

use super::{at::At, names::place, node::Node, object, texts};
use crate::{
    PolicyError, Principal, Problem,
    principals::{Named, Principals},
};

/// Reads the element.
pub(super) fn parse(node: &Node, at: At<'_>, negated: bool) -> Result<Principals, PolicyError> {
    if let Node::Text(text) = node {
        if text != "*" {
            return Err(at.refuse(Problem::Principal(text.clone())));
        }
        return Ok(Principals { negated, named: [Named::Anybody].into() });
    }
    let mut named = Vec::new();
    for (sort, node) in object::distinct(node, &at)? {
        let at = At::Member(&at, sort);
        for (index, text) in texts(node, &at)?.into_iter().enumerate() {
            let found = match sort.as_str() {
                "AWS" => aws(text),
                "Service" => service(text).then(|| Named::Service(text.into())),
                "Federated" => provider(text).then(|| Named::Provider(text.into())),
                _ => return Err(at.refuse(Problem::Unknown)),
            };
            let refuse = || place(node, &at, index).refuse(Problem::Principal(text.to_owned()));
            named.push(found.ok_or_else(refuse)?);
        }
    }
    if named.is_empty() {
        return Err(at.refuse(Problem::Missing("Principal")));
    }
    Ok(Principals { negated, named: named.into() })
}

/// An account, user, role, session or federated user. Groups are no principals, and there are no wildcards within a name.
fn aws(text: &str) -> Option<Named> {
    if text == "*" {
        return Some(Named::Anybody);
    }
    if text.contains(['*', '?']) {
        return None;
    }
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Named::Account(text.into()));
    }
    let id = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if (text.starts_with("AIDA") || text.starts_with("AROA")) && id(text) {
        return Some(Named::Id(text.into()));
    }
    if let Ok(principal) = Principal::from_arn(text) {
        let account = principal.account().filter(|_| principal.is_root());
        return Some(
            account.map_or_else(|| Named::Arn(text.into()), |account| Named::Account(account.into())),
        );
    }
    // A role makes no request itself, so that it is no caller; its ARN is as a user's.
    let as_user = text.replacen(":role/", ":user/", 1);
    Principal::from_arn(&as_user).is_ok().then(|| Named::Arn(text.into()))
}

/// A host name, such as `scraper.aps.amazonaws.com`.
fn service(text: &str) -> bool {
    let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    text.contains('.') && text.bytes().all(host)
}

/// The ARN of a provider, or the host of a well-known one.
fn provider(text: &str) -> bool {
    let resource = text.splitn(6, ':').nth(5).unwrap_or_default();
    let arn = resource.starts_with("oidc-provider/") || resource.starts_with("saml-provider/");
    !text.contains('*') && (text.starts_with("arn:") && arn || service(text))
}
