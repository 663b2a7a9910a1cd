//! The table's files, and which of their rows can be told over the wire.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::row::Row;

/// The account that owns every workspace: the one that a deployment begins with.
pub(crate) const OWNER: &str = "123456789012";

/// Rows to run, and how many are not for which reason.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) passed_over: BTreeMap<&'static str, usize>,
}

/// Reads the whole table.
pub(crate) fn read() -> Result<Rows> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../libs/policy/tests/table"));
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut found = Rows { rows: Vec::new(), passed_over: BTreeMap::new() };
    for path in files {
        let name = path.display().to_string();
        let file: Value = serde_saphyr::from_str(&fs::read_to_string(&path)?).context(name)?;
        let topic = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        for row in file["rows"].as_array().context("rows")? {
            let whole = whole(&file, row);
            match Row::read(topic, found.rows.len(), whole) {
                Ok(row) => found.rows.push(row),
                Err(reason) => *found.passed_over.entry(reason).or_default() += 1,
            }
        }
    }
    Ok(found)
}

/// A row with the file's defaults, and with documents in place of names of policies.
fn whole(file: &Value, row: &Value) -> Map<String, Value> {
    let mut whole = file["defaults"].as_object().cloned().unwrap_or_default();
    whole.extend(row.as_object().cloned().unwrap_or_default());
    let named = &file["policies"];
    for member in ["identity", "session"] {
        if let Some(policies) = whole.get_mut(member).and_then(Value::as_array_mut) {
            policies.iter_mut().for_each(|policy| *policy = document(policy, named));
        }
    }
    for member in ["boundary", "resource_policy"] {
        if let Some(policy) = whole.get_mut(member).filter(|policy| !policy.is_null()) {
            *policy = document(policy, named);
        }
    }
    whole
}

/// The document that is meant: by name, as its text, whole, or as the statements of one. A name that the file does not explain is one
/// of a managed policy.
fn document(policy: &Value, named: &Value) -> Value {
    match policy {
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).unwrap_or_else(|_| policy.clone())
        }
        Value::String(name) => match named.get(name) {
            Some(policy) => document(policy, named),
            None => policy.clone(),
        },
        Value::Object(object) if object.contains_key("Statement") => policy.clone(),
        statements => serde_json::json!({ "Version": "2012-10-17", "Statement": statements }),
    }
}
