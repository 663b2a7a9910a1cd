//! `Action`, `NotAction`, `Resource` and `NotResource`.

use super::{at::At, node::Node, statement::Rules, texts};
use crate::{
    Kind, PolicyError, Problem,
    pattern::{Pattern, Wildcards},
    policy::{Actions, Names},
};

/// `*`, or `vendor:name` with wildcards in the name.
pub(super) fn actions(
    node: &Node,
    at: At<'_>,
    negated: bool,
    rules: &Rules<'_>,
) -> Result<Actions, PolicyError> {
    let one = |text: &str, at: &At<'_>| {
        if text != "*" {
            let (vendor, name) = text.split_once(':').ok_or_else(|| at.refuse(Problem::NoVendor))?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let pattern = |byte: u8| byte.is_ascii_alphanumeric() || b"*?_-".contains(&byte);
            if vendor.is_empty()
                || name.is_empty()
                || !vendor.bytes().all(plain)
                || !name.bytes().all(pattern)
            {
                return Err(at.refuse(Problem::Action(text.to_owned())));
            }
            if rules.kind == Kind::Trust && !vendor.eq_ignore_ascii_case("sts") {
                return Err(at.refuse(Problem::NotSts));
            }
        }
        Ok((text.to_owned(), Wildcards::Anywhere, false))
    };
    names(node, at, negated, one).map(Actions::new)
}

/// `*`, or an ARN with wildcards, and with variables in its last part.
pub(super) fn resources(
    node: &Node,
    at: At<'_>,
    negated: bool,
    rules: &Rules<'_>,
) -> Result<Names, PolicyError> {
    let one = |text: &str, at: &At<'_>| {
        if text != "*" {
            let mut parts = text.splitn(6, ':');
            let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
            let region_and_account = (parts.next(), parts.next());
            let resource = parts.next();
            // A star at the end of a part may stand for parts that follow as well.
            let complete = resource.is_some_and(|resource| !resource.is_empty())
                || text.ends_with('*')
                || text.contains("*:");
            let named = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
            if arn != Some("arn") || !named(partition) || !named(service) || !complete {
                return Err(at.refuse(Problem::NotAnArn(text.to_owned())));
            }
            let wild = |part: &str| part.contains(['*', '?']);
            let variable =
                |part: Option<&str>| rules.variables && part.is_some_and(|part| part.contains("${"));
            let (region, account) = region_and_account;
            if service.is_some_and(wild) || [partition, service, region, account].into_iter().any(variable) {
                return Err(at.refuse(Problem::ArnPart(text.to_owned())));
            }
        }
        Ok((text.to_owned(), Wildcards::Resource, rules.variables))
    };
    let names = names(node, at, negated, one)?;
    if let Some(workspace) = rules.workspace {
        for (index, pattern) in names.patterns.iter().enumerate() {
            if !pattern.has_variables() && !pattern.matches_constant(workspace, false) {
                let text = texts(node, &at)?[index];
                let at = place(node, &at, index);
                return Err(at.refuse(Problem::OtherWorkspace(text.to_owned())));
            }
        }
    }
    Ok(names)
}

type Compile = (String, Wildcards, bool);

fn names(
    node: &Node,
    at: At<'_>,
    negated: bool,
    check: impl Fn(&str, &At<'_>) -> Result<Compile, PolicyError>,
) -> Result<Names, PolicyError> {
    let compile = |(index, text): (usize, &str)| {
        let at = place(node, &at, index);
        let (text, wildcards, variables) = check(text, &at)?;
        Pattern::new(&text, wildcards, variables).map_err(|_| at.refuse(Problem::Variable(text)))
    };
    let patterns = texts(node, &at)?.into_iter().enumerate().map(compile);
    Ok(Names { negated, patterns: patterns.collect::<Result<_, _>>()? })
}

/// Place of one of several texts, or of the only one.
pub(super) fn place<'a>(node: &Node, at: &'a At<'a>, index: usize) -> At<'a> {
    if matches!(node, Node::List(_)) { At::Item(at, index) } else { *at }
}
