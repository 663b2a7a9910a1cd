//! Policies as rows write them: by name, as a whole document, or as the statements of one.

use std::{collections::BTreeMap, sync::Arc};

use narthex_policy::{Kind, ManagedPolicy, Policy};
use serde_json::{Value, json};

/// Policies that the rows of a file name.
pub(crate) type Named = BTreeMap<String, Value>;

/// Text of the document that is meant.
pub(crate) fn text(policy: &Value, named: &Named) -> String {
    match policy {
        Value::String(text) if text.trim_start().starts_with('{') => text.clone(),
        Value::String(name) => match (named.get(name), ManagedPolicy::named(name)) {
            (Some(policy), _) => text(policy, named),
            (None, Some(managed)) => managed.document.to_owned(),
            (None, None) => panic!("there is no policy {name}"),
        },
        Value::Object(object) if object.contains_key("Statement") => policy.to_string(),
        statements => json!({ "Version": "2012-10-17", "Statement": statements }).to_string(),
    }
}

/// Compiles it.
pub(crate) fn compile(policy: &Value, named: &Named, kind: Kind) -> Arc<Policy> {
    let text = text(policy, named);
    Arc::new(Policy::parse(&text, kind).unwrap_or_else(|error| panic!("{error}\n{text}")))
}
