//! The tables of the management API against the public service model, as the unmodified clients carry it: every operation, member
//! and constraint, in both directions.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use narthex_amp::{
    Operation,
    shape::{Kind, Location, Member, Shape, UNBOUNDED},
};
use narthex_integration_tests::tools;
use serde_json::{Map, Value};

#[test]
fn the_tables_are_the_public_model() -> Result<()> {
    let model = tools::service_model()?;
    let mut differences = Differences::default();
    differences.operations(&model)?;
    ensure!(
        differences.found.is_empty(),
        "the tables differ from the model:\n{}",
        differences.found.join("\n")
    );
    // Walking both sides of each pair from the operations on must have come past nearly everything.
    ensure!(differences.seen.len() > 150, "only {} shapes were compared", differences.seen.len());
    Ok(())
}

#[derive(Default)]
struct Differences {
    found: Vec<String>,
    seen: BTreeSet<String>,
}

impl Differences {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, theirs: T) {
        if ours != theirs {
            self.found.push(format!("{what}: ours {ours:?}, the model's {theirs:?}"));
        }
    }

    fn operations(&mut self, model: &Value) -> Result<()> {
        let operations = model["operations"].as_object().context("no operations")?;
        let shapes = model["shapes"].as_object().context("no shapes")?;
        let names: BTreeSet<_> = Operation::ALL.into_iter().map(Operation::name).collect();
        self.same("operations", names, operations.keys().map(String::as_str).collect());
        for operation in Operation::ALL {
            self.operation(operation, &operations[operation.name()], shapes);
        }
        Ok(())
    }

    fn operation(&mut self, operation: Operation, theirs: &Value, shapes: &Map<String, Value>) {
        let name = operation.name();
        let http = &theirs["http"];
        self.same(name, operation.method().into(), http["method"].clone());
        self.same(name, operation.path().into(), http["requestUri"].clone());
        self.same(name, operation.success().into(), http["responseCode"].clone());
        self.same(name, operation.is_read_only(), theirs["readonly"] == true);
        let errors = theirs["errors"].as_array().into_iter().flatten();
        let errors = errors.filter_map(|error| error["shape"].as_str()).collect::<BTreeSet<_>>();
        self.same(name, operation.errors().collect(), errors);
        let input = theirs["input"]["shape"].as_str();
        self.same(name, Some(operation.input().name), input);
        self.shape(operation.input(), shapes);
        self.same(name, operation.output().map(|output| output.name), theirs["output"]["shape"].as_str());
        if let Some(output) = operation.output() {
            self.shape(output, shapes);
        }
        let members = &shapes[operation.input().name]["members"];
        self.same(name, operation.token().is_some(), members["clientToken"]["idempotencyToken"] == true);
    }

    fn shape(&mut self, ours: &Shape, shapes: &Map<String, Value>) {
        let name = ours.name;
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some(theirs) = shapes.get(name) else {
            self.found.push(format!("{name} is no shape of the model"));
            return;
        };
        let kind = match ours.kind {
            Kind::String(_) | Kind::Enum(_) => "string",
            Kind::Integer(..) => "integer",
            Kind::Long(..) => "long",
            Kind::Double(_) => "double",
            Kind::Boolean => "boolean",
            Kind::Blob => "blob",
            Kind::Timestamp => "timestamp",
            Kind::List(..) => "list",
            Kind::Map(_) => "map",
            Kind::Structure(_) | Kind::Union(_) => "structure",
        };
        self.same(name, Value::from(kind), theirs["type"].clone());
        self.constraints(ours, theirs);
        match ours.kind {
            Kind::List(of, ..) => self.part(name, of, &theirs["member"], shapes),
            Kind::Map(entries) => {
                self.part(name, entries.key, &theirs["key"], shapes);
                self.part(name, entries.value, &theirs["value"], shapes);
            }
            Kind::Structure(members) | Kind::Union(members) => self.members(ours, members, theirs, shapes),
            _ => {}
        }
    }

    fn constraints(&mut self, ours: &Shape, theirs: &Value) {
        let name = ours.name;
        let size = |of: &str| theirs[of].as_u64().map(|bound| bound as usize);
        let whole = |of: &str, otherwise: i64| theirs[of].as_i64().unwrap_or(otherwise);
        let sizes = (size("min").unwrap_or(0), size("max").unwrap_or(UNBOUNDED));
        let pattern = match ours.kind {
            Kind::String(text) => {
                self.same(name, (text.min, text.max), sizes);
                text.pattern.map(|pattern| pattern.source())
            }
            Kind::List(_, min, max) => {
                self.same(name, (min, max), sizes);
                None
            }
            Kind::Map(entries) => {
                self.same(name, (entries.min, entries.max), sizes);
                None
            }
            Kind::Integer(min, max) => {
                let bounds = (whole("min", i32::MIN.into()), whole("max", i32::MAX.into()));
                self.same(name, (min, max), bounds);
                None
            }
            Kind::Long(min, max) => {
                self.same(name, (min, max), (whole("min", i64::MIN), whole("max", i64::MAX)));
                None
            }
            Kind::Double(min) => {
                self.same(name, (Some(min), true), (theirs["min"].as_f64(), theirs["max"].is_null()));
                None
            }
            _ => None,
        };
        self.same(name, pattern, theirs["pattern"].as_str());
        let values = match ours.kind {
            Kind::Enum(values) => values.iter().map(|value| Value::from(*value)).collect(),
            _ => Value::Null,
        };
        self.same(name, values, theirs["enum"].clone());
        self.same(name, matches!(ours.kind, Kind::Union(_)), theirs["union"] == true);
    }

    fn part(&mut self, name: &str, ours: &'static Shape, theirs: &Value, shapes: &Map<String, Value>) {
        self.same(name, Some(ours.name), theirs["shape"].as_str());
        self.shape(ours, shapes);
    }

    fn members(
        &mut self,
        ours: &Shape,
        members: &'static [Member],
        theirs: &Value,
        shapes: &Map<String, Value>,
    ) {
        let name = ours.name;
        let their_members = theirs["members"].as_object();
        let their_names = their_members.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        self.same(name, members.iter().map(|member| member.name).collect::<BTreeSet<_>>(), their_names);
        let required = members.iter().filter(|member| member.required).map(|member| member.name);
        let their_required = theirs["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        self.same(name, required.collect::<BTreeSet<_>>(), their_required.collect());
        for member in members {
            let theirs = &theirs["members"][member.name];
            let full = format!("{name}.{}", member.name);
            let (location, on_the_wire) = match member.location {
                Location::Body => (None, None),
                Location::Path => (Some("uri"), Some(member.name)),
                Location::Query => (Some("querystring"), Some(member.name)),
                Location::QueryRest => (Some("querystring"), None),
            };
            let their_place = (theirs["location"].as_str(), theirs["locationName"].as_str());
            self.same(&full, (location, on_the_wire), their_place);
            self.part(&full, member.shape, theirs, shapes);
        }
    }
}
