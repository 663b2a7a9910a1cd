//! From YAML text to a flat list of dotted keys, each with the texts of its values.
//!
//! Numbers, booleans and strings become text: the flag's own parser gives them meaning, so that a value means the same in
//! the file and on the command line. An empty document sets nothing; a key without a value is an error.

use std::{collections::HashSet, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One key of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// Reads a file's settings in their order.
pub(super) fn read_settings(text: &str) -> Result<Vec<Setting>, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let root: Node = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut settings = Vec::new();
    match root {
        Node::Nothing => {}
        Node::Map(entries) => flatten("", entries, &mut settings)?,
        Node::Value(_) | Node::List(_) => return Err("expected keys and values at the top".into()),
    }
    let mut seen = HashSet::new();
    match settings.iter().find(|setting| !seen.insert(setting.key.as_str())) {
        Some(twice) => Err(format!("key {:?} is set twice", twice.key)),
        None => Ok(settings),
    }
}

fn flatten(prefix: &str, entries: Vec<(String, Node)>, into: &mut Vec<Setting>) -> Result<(), String> {
    for (name, node) in entries {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match node {
            Node::Map(entries) => flatten(&key, entries, into)?,
            Node::Value(value) => into.push(Setting { key, values: vec![value] }),
            Node::List(nodes) => {
                let values: Option<Vec<String>> = nodes.into_iter().map(Node::into_value).collect();
                let values =
                    values.ok_or_else(|| format!("key {key:?}: a list may hold plain values only"))?;
                into.push(Setting { key, values });
            }
            Node::Nothing => return Err(format!("key {key:?} has no value")),
        }
    }
    Ok(())
}

enum Node {
    Nothing,
    Value(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn into_value(self) -> Option<String> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list of values or nested keys")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Value(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Value(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = sequence.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Node>()? {
            let key = key.into_value().ok_or_else(|| Error::custom("a key must be a plain value"))?;
            entries.push((key, map.next_value()?));
        }
        Ok(Node::Map(entries))
    }
}
