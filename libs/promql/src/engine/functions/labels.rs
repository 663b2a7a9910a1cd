//! `label_replace` and `label_join`.

use narthex_model::{Labels, LabelsBuilder, METRIC_NAME};
use regex::{Captures, RegexBuilder};

use crate::{
    ast::{Call, Expr, ExprKind},
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
        finish::merge_same,
    },
    error::EvalError,
};

/// Compiled size limit of one expression, as for matchers.
const REGEX_SIZE_LIMIT: usize = 4 << 20;

/// The text of a string argument.
pub(super) fn text(arg: &Expr) -> &str {
    match &arg.unwrapped().kind {
        ExprKind::String(text) => text,
        _ => "",
    }
}

fn fail<T>(message: String) -> Evaluated<T> {
    Err(EvalError::Execution(message))
}

fn with_label(column: &mut Column, name: &str, value: &str) {
    let mut labels = LabelsBuilder::from_labels(&column.labels);
    labels.set(name, value);
    column.labels = labels.build();
    if name == METRIC_NAME {
        column.drop_name = false;
    }
}

/// `label_replace(v, dst, replacement, src, regex)`
pub(super) async fn replace(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let [vector, target, replacement, source, pattern] = &call.args[..] else { return Ok(Vec::new()) };
    let (target, replacement, source, pattern) =
        (text(target), text(replacement), text(source), text(pattern));
    let regex = RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_SIZE_LIMIT).build();
    let Ok(regex) = regex else {
        return fail(format!("invalid regular expression in label_replace(): {pattern}"));
    };
    if target.is_empty() {
        return fail(format!("invalid destination label name in label_replace(): {target}"));
    }
    let mut columns = evaluator.vector(vector, steps).await?;
    for column in &mut columns {
        evaluator.tick(1).await?;
        let value = column.labels.get(source).unwrap_or_default().to_owned();
        if let Some(captures) = regex.captures(&value) {
            let value = expand(replacement, &captures);
            with_label(column, target, &value);
        }
    }
    merge_same(columns)
}

/// Fills `$1`, `$name`, `${name}` and `$$` as Go does: names reach as far as letters, digits and `_` do.
fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, following) = match braced {
            Some(parts) => parts,
            None => {
                let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name {
            out.push('$');
            rest = after;
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = following;
    }
    out.push_str(rest);
    out
}

/// `label_join(v, dst, separator, src...)`
pub(super) async fn join(evaluator: &mut Evaluator<'_>, call: &Call, steps: Steps) -> Evaluated<Vec<Column>> {
    let (target, separator) = (text(&call.args[1]), text(&call.args[2]));
    let sources: Vec<&str> = call.args[3..].iter().map(text).collect();
    if let Some(source) = sources.iter().find(|source| source.is_empty()) {
        return fail(format!("invalid source label name in label_join(): {source}"));
    }
    if target.is_empty() {
        return fail(format!("invalid destination label name in label_join(): {target}"));
    }
    let mut columns = evaluator.vector(&call.args[0], steps).await?;
    for column in &mut columns {
        evaluator.tick(1).await?;
        let of = |labels: &Labels, name: &str| labels.get(name).unwrap_or_default().to_owned();
        let values: Vec<String> = sources.iter().map(|source| of(&column.labels, source)).collect();
        with_label(column, target, &values.join(separator));
    }
    merge_same(columns)
}
