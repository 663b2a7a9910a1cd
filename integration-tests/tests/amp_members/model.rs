//! What the public service model says of requests: a small walk over `service-2.json` itself, which knows nothing of our tables.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

/// One thing that the model says of a place in an operation's request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Demand {
    /// Path of the place, such as `limitsPerLabelSet[0].labelSet[*]`: any key of a map is `[*]`.
    pub(crate) path: String,
    /// Where the request carries it.
    pub(crate) location: Location,
    /// What is said.
    pub(crate) bound: Bound,
}

/// Where a request carries a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Path,
    Query,
    Body,
}

/// A constraint. Sizes are characters, items or entries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    /// A member; whether it must be there.
    Member { required: bool },
    /// JSON of a type.
    Type(&'static str),
    /// At least so large.
    MinSize(usize),
    /// At most so large.
    MaxSize(usize),
    /// Not less.
    Min(f64),
    /// Not more.
    Max(f64),
    /// Matches.
    Pattern(String),
    /// One of the values that there are.
    OneOf(String),
    /// Exactly one of the members below is there.
    Union(Vec<String>),
    /// Of the keys of a map: as of a text.
    Key(Box<Bound>),
}

/// The model.
pub(crate) struct Model<'a> {
    operations: &'a Map<String, Value>,
    shapes: &'a Map<String, Value>,
}

impl<'a> Model<'a> {
    pub(crate) fn of(document: &'a Value) -> Result<Self> {
        let operations = document["operations"].as_object().context("operations")?;
        Ok(Self { operations, shapes: document["shapes"].as_object().context("shapes")? })
    }

    /// Names of all operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'a str> {
        self.operations.keys().map(String::as_str)
    }

    /// Method and path of an operation.
    pub(crate) fn http(&self, operation: &str) -> (&'a str, &'a str) {
        let http = &self.operations[operation]["http"];
        (http["method"].as_str().unwrap_or_default(), http["requestUri"].as_str().unwrap_or_default())
    }

    /// The members of an operation's request, with where each is: name, location, and whether it is a list or a map.
    pub(crate) fn members(&self, operation: &str) -> Vec<(&'a str, Location, &'a str)> {
        let Some(input) = self.input(operation) else { return Vec::new() };
        let members = input["members"].as_object().into_iter().flatten();
        let kind = |member: &Value| self.shape(member).and_then(|shape| shape["type"].as_str()).unwrap_or("");
        members.map(|(name, member)| (name.as_str(), location(member), kind(member))).collect()
    }

    /// Everything that the model says of an operation's request.
    pub(crate) fn demands(&self, operation: &str) -> Result<Vec<Demand>> {
        let mut demands = Vec::new();
        if let Some(input) = self.input(operation) {
            self.structure(input, "", None, &mut demands)?;
        }
        Ok(demands)
    }

    fn input(&self, operation: &str) -> Option<&'a Value> {
        self.shape(&self.operations[operation]["input"])
    }

    fn shape(&self, reference: &Value) -> Option<&'a Value> {
        self.shapes.get(reference["shape"].as_str()?)
    }

    fn structure(
        &self,
        shape: &'a Value,
        path: &str,
        inside: Option<Location>,
        demands: &mut Vec<Demand>,
    ) -> Result<()> {
        let required: Vec<&str> =
            shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, member) in shape["members"].as_object().context("members")? {
            let location = inside.unwrap_or_else(|| location(member));
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let bound = Bound::Member { required: required.contains(&name.as_str()) };
            demands.push(Demand { path: path.clone(), location, bound });
            let shape = self.shape(member).with_context(|| format!("{path} has no shape"))?;
            self.value(shape, &path, location, demands)?;
        }
        Ok(())
    }

    fn value(
        &self,
        shape: &'a Value,
        path: &str,
        location: Location,
        demands: &mut Vec<Demand>,
    ) -> Result<()> {
        let kind = shape["type"].as_str().context("a type")?;
        let json = match kind {
            "string" | "blob" => "string",
            "integer" | "long" | "double" => "number",
            "boolean" => "boolean",
            "list" => "array",
            "map" | "structure" => "object",
            other => anyhow::bail!("{path} is of the unknown type {other}"),
        };
        let mut add = |bound| demands.push(Demand { path: path.to_owned(), location, bound });
        if location == Location::Body {
            add(Bound::Type(json));
        }
        bounds(shape, kind).into_iter().for_each(add);
        let part = |of: &str| self.shape(&shape[of]).with_context(|| format!("{path} has no {of}"));
        match kind {
            "list" => self.value(part("member")?, &format!("{path}[0]"), location, demands),
            "map" => {
                let keys = bounds(part("key")?, "string").into_iter();
                let entry = format!("{path}[*]");
                let of_key =
                    |bound| Demand { path: entry.clone(), location, bound: Bound::Key(Box::new(bound)) };
                demands.extend(keys.map(of_key));
                self.value(part("value")?, &entry, location, demands)
            }
            "structure" => self.structure(shape, path, Some(location), demands),
            _ => Ok(()),
        }
    }
}

fn location(member: &Value) -> Location {
    match member["location"].as_str() {
        Some("uri") => Location::Path,
        Some(_) => Location::Query,
        None => Location::Body,
    }
}

/// The constraints that a shape itself has. A least size of nothing is none.
fn bounds(shape: &Value, kind: &str) -> Vec<Bound> {
    let mut found = Vec::new();
    let sized = matches!(kind, "string" | "list" | "map" | "blob");
    let size = |of: &str| shape[of].as_u64().filter(|_| sized).and_then(|size| usize::try_from(size).ok());
    let number = |of: &str| shape[of].as_f64().filter(|_| !sized);
    found.extend(size("min").filter(|size| *size > 0).map(Bound::MinSize));
    found.extend(size("max").map(Bound::MaxSize));
    found.extend(number("min").map(Bound::Min));
    found.extend(number("max").map(Bound::Max));
    found.extend(shape["pattern"].as_str().map(|pattern| Bound::Pattern(pattern.to_owned())));
    let values = shape["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    found.extend(values.map(|value| Bound::OneOf(value.to_owned())));
    if shape["union"] == true {
        let names = shape["members"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        found.push(Bound::Union(names.collect()));
    }
    found
}

/// The walk finds what is in a document, and nothing else.
#[test]
fn the_walk_finds_every_constraint() -> Result<()> {
    let document = serde_json::json!({
        "operations": { "Do": { "http": { "method": "PUT", "requestUri": "/do/{id}" }, "input": { "shape": "In" } } },
        "shapes": {
            "In": { "type": "structure", "required": ["id"], "members": {
                "id": { "shape": "Id", "location": "uri", "locationName": "id" },
                "tags": { "shape": "Tags" },
            } },
            "Id": { "type": "string", "min": 1, "max": 4, "pattern": "[a-z]+" },
            "Tags": { "type": "map", "key": { "shape": "Id" }, "value": { "shape": "Number" }, "min": 0, "max": 2 },
            "Number": { "type": "integer", "min": -1 },
        },
    });
    let demands = Model::of(&document)?.demands("Do")?;
    let at = |path: &str| demands.iter().filter(|demand| demand.path == path).count();
    ensure!((at("id"), at("tags"), at("tags[*]")) == (4, 3, 5), "{demands:?}");
    ensure!(demands.len() == 12, "{demands:?}");
    ensure!(demands.iter().any(|demand| demand.bound == Bound::Min(-1.0)), "{demands:?}");
    Ok(())
}
