//! One change at a time: a walk over a sound value by its shape, which at every place says what may stand there and what not.

use serde_json::{Map, Value, json};

use super::{
    Expected,
    sample::{keys, lengths, text, value},
};
use crate::{
    Reason,
    check::step_of_key,
    shape::{Breach, Entries, Kind, Location, Member, Shape, Text, UNBOUNDED},
};

/// A request's members, changed.
pub(super) struct Change {
    pub(super) what: String,
    pub(super) members: Value,
    pub(super) expected: Expected,
}

/// What becomes of a change.
enum Fate {
    /// Within every bound of its kind; rules may have more to say.
    Sound,
    Breaks,
    Mistyped,
}
use Fate::{Breaks, Mistyped, Sound};

struct Changes<'a> {
    root: &'static Shape,
    members: &'a Value,
    found: Vec<Change>,
}

/// Where the walk is.
#[derive(Clone)]
struct Place<'a> {
    /// As problems name it.
    name: String,
    /// JSON pointer.
    pointer: String,
    /// Member that it is or is in.
    member: &'a str,
    location: Location,
}

pub(super) fn changes(root: &'static Shape, members: &Value) -> Vec<Change> {
    let mut changes = Changes { root, members, found: Vec::new() };
    let top = |member: &'static Member| Place {
        name: member.name.to_owned(),
        pointer: format!("/{}", member.name),
        member: member.name,
        location: member.location,
    };
    for member in root.members() {
        changes.member(member, &top(member));
    }
    let body = root.members().iter().any(|member| member.location == Location::Body);
    if body {
        let mut more = members.clone();
        more["unknownMember"] = json!({ "x": [1, null] });
        let expected = Expected::Accepted;
        changes.found.push(Change { what: "an unknown member".into(), members: more, expected });
    }
    changes.found
}

impl Changes<'_> {
    /// Puts `new` in a place. Whether rules bear what is otherwise sound is asked of the shape itself and of the whole request.
    fn put(&mut self, place: &Place<'_>, shape: &Shape, what: &str, new: Value, fate: Fate) {
        let mut members = self.members.clone();
        if let Some(spot) = members.pointer_mut(&place.pointer) {
            *spot = new.clone();
        }
        let refused = |reason, name: String| Expected::Refused { reason, name };
        let broken = |breach: Breach, above: &str| {
            let name = format!("{above}{}", breach.at);
            refused(Reason::FieldValidationFailed, name.trim_start_matches('.').to_owned())
        };
        let own = || shape.rule.and_then(|rule| rule(&new)).map(|breach| broken(breach, &place.name));
        let whole = || self.root.rule.and_then(|rule| rule(&members)).map(|breach| broken(breach, ""));
        let expected = match fate {
            Breaks => refused(Reason::FieldValidationFailed, place.name.clone()),
            Mistyped => refused(Reason::CannotParse, place.name.clone()),
            Sound => own().or_else(whole).unwrap_or(Expected::Accepted),
        };
        self.found.push(Change { what: format!("{}: {what}", place.name), members, expected });
    }

    /// A member of a structure: everything about its presence, and its value.
    fn member(&mut self, member: &'static Member, place: &Place<'_>) {
        if member.location != Location::Path {
            let mut without = self.members.clone();
            let (parent, key) = place.pointer.rsplit_once('/').unwrap_or_default();
            if let Some(parent) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(key);
            }
            let broken = self.root.rule.and_then(|rule| rule(&without));
            let name = match (member.required, broken) {
                (true, _) => Some(place.name.clone()),
                (false, broken) => broken.map(|breach| breach.at.trim_start_matches('.').to_owned()),
            };
            let refused = |name| Expected::Refused { reason: Reason::FieldValidationFailed, name };
            let expected = name.map_or(Expected::Accepted, refused);
            let what = format!("{}: missing", place.name);
            self.found.push(Change { what, members: without, expected });
        }
        if place.location == Location::Body {
            let fate = if member.required { Breaks } else { Sound };
            self.put(place, &Shape { rule: None, ..*member.shape }, "null", Value::Null, fate);
        }
        self.value(member.shape, place);
    }

    fn value(&mut self, shape: &'static Shape, place: &Place<'_>) {
        if place.location == Location::Body {
            for wrong in [json!(true), json!(5), json!("1"), json!([]), json!({})] {
                if !is_of(shape.kind, &wrong) {
                    self.put(place, shape, &format!("of the wrong type, {wrong}"), wrong, Mistyped);
                }
            }
            // What is null in a structure is not there; an item or entry cannot be.
            if place.name.ends_with(']') {
                self.put(place, shape, "null", Value::Null, Mistyped);
            }
        }
        match shape.kind {
            Kind::String(text) => self.string(shape, text, place),
            Kind::Enum(values) => {
                for known in values {
                    self.put(place, shape, known, json!(known), Sound);
                }
                self.put(place, shape, "not one of the values", json!("NONE_OF_THEM"), Breaks);
            }
            Kind::Integer(min, max) | Kind::Long(min, max) => self.whole(shape, (min, max), place),
            Kind::Double(min) => {
                self.put(place, shape, "the least", json!(min), Sound);
                self.put(place, shape, "too little", json!(min - 0.001), Breaks);
            }
            Kind::Boolean => self.put(place, shape, "false", json!(false), Sound),
            Kind::Blob => self.put(place, shape, "not base64", json!("a: b"), Mistyped),
            Kind::Timestamp => {}
            Kind::List(of, min, max) => self.list(shape, of, (min, max), place),
            Kind::Map(entries) => self.map(shape, entries, place),
            Kind::Structure(members) => self.structure(members, place),
            Kind::Union(members) => self.union(shape, members, place),
        }
    }

    fn string(&mut self, shape: &'static Shape, bounds: Text, place: &Place<'_>) {
        let (shortest, longest) = lengths(shape, place.member);
        let of = |length| text(shape, place.member, length).map(Value::from);
        let fixed = shape.name == "FilterKey" || place.member == "resourceArn";
        for (what, length) in [("the shortest", shortest), ("the longest", longest)] {
            if let Some(sound) = of(length).filter(|_| !fixed) {
                self.put(place, shape, what, sound, Sound);
            }
        }
        if bounds.max != UNBOUNDED {
            let long = of(bounds.max + 1).unwrap_or_else(|| "a".repeat(bounds.max + 1).into());
            self.put(place, shape, "one character too many", long, Breaks);
        }
        // An empty label is no label: that request has another path.
        if bounds.min > 1 || (bounds.min == 1 && place.location != Location::Path) {
            self.put(place, shape, "one character too few", "a".repeat(bounds.min - 1).into(), Breaks);
        }
        if let Some(pattern) = bounds.pattern {
            let candidates = ["-", "#", "\n"].map(|letter| letter.repeat(bounds.min.max(1)));
            let wrong = candidates.into_iter().find(|text| !pattern.matches(text));
            self.put(place, shape, "against the pattern", wrong.unwrap_or_default().into(), Breaks);
        }
        if place.member == "resourceArn" {
            self.put(place, shape, "no ARN", json!("a"), Sound);
        }
        for wrong in against_rules(shape.name) {
            self.put(place, shape, "against the rule", json!(wrong), Breaks);
        }
    }

    fn whole(&mut self, shape: &'static Shape, (min, max): (i64, i64), place: &Place<'_>) {
        self.put(place, shape, "the least", json!(min), Sound);
        self.put(place, shape, "the most", json!(max), Sound);
        self.put(place, shape, "too little", json!(i128::from(min) - 1), Breaks);
        // A number beyond 64 bits is a float to JSON.
        let more = max.checked_add(1).map_or(json!(9.3e18), |more| json!(more));
        self.put(place, shape, "too much", more, Breaks);
        let fraction = if place.location == Location::Body { Mistyped } else { Breaks };
        self.put(place, shape, "a fraction", json!(1.5), fraction);
    }

    fn list(
        &mut self,
        shape: &'static Shape,
        of: &'static Shape,
        (min, max): (usize, usize),
        place: &Place<'_>,
    ) {
        let items = |count: usize| Value::from(vec![value(of, place.member, true); count]);
        let shown = |count: usize| count > 0 || place.location == Location::Body;
        if shown(min) {
            self.put(place, shape, "the fewest items", items(min), Sound);
        }
        if let Some(few) = min.checked_sub(1).filter(|count| shown(*count)) {
            self.put(place, shape, "an item too few", items(few), Breaks);
        }
        if max != UNBOUNDED {
            self.put(place, shape, "the most items", items(max), Sound);
            self.put(place, shape, "an item too many", items(max + 1), Breaks);
        }
        self.value(of, &place.down("[0]", "0"));
    }

    fn map(&mut self, shape: &'static Shape, entries: Entries, place: &Place<'_>) {
        let of = |key: String| (key, value(entries.value, place.member, true));
        let some = |count: usize| keys(entries.key, count).into_iter().map(of).collect::<Map<_, _>>();
        if place.location == Location::Body {
            self.put(place, shape, "the fewest entries", some(entries.min).into(), Sound);
        }
        if entries.max != UNBOUNDED {
            self.put(place, shape, "the most entries", some(entries.max).into(), Sound);
            self.put(place, shape, "an entry too many", some(entries.max + 1).into(), Breaks);
        }
        // Keys are tried as values are, each in a map of its own.
        let mut of_keys = Changes { root: entries.key, members: &Value::Null, found: Vec::new() };
        let key_place = Place { location: Location::Query, pointer: String::new(), ..place.clone() };
        of_keys.value(entries.key, &key_place);
        for key in of_keys.found {
            let Some(text) = key.members.as_str().map(str::to_owned) else { continue };
            let entry = Place { name: format!("{}{}", place.name, step_of_key(&text)), ..place.clone() };
            let fate = if key.expected == Expected::Accepted { Sound } else { Breaks };
            let map = Value::from(Map::from_iter([of(text)]));
            self.put(&entry, &Shape { rule: None, ..*shape }, &format!("key {}", key.what), map, fate);
        }
        if let Some(key) = keys(entries.key, 1).first() {
            self.value(entries.value, &place.down(&step_of_key(key), key));
        }
    }

    fn structure(&mut self, members: &'static [Member], place: &Place<'_>) {
        for member in members {
            let below =
                Place { member: member.name, ..place.down(&format!(".{}", member.name), member.name) };
            self.member(member, &below);
        }
    }

    fn union(&mut self, shape: &'static Shape, members: &'static [Member], place: &Place<'_>) {
        let of = |member: &Member| (member.name.to_owned(), value(member.shape, member.name, true));
        self.put(place, shape, "no member", json!({}), Breaks);
        self.put(place, shape, "an unknown member alone", json!({ "unknownMember": 1 }), Breaks);
        for member in members {
            let one = Map::from_iter([of(member), ("unknownMember".to_owned(), json!(1))]);
            self.put(place, shape, member.name, one.into(), Sound);
        }
        if members.len() > 1 {
            let all: Map<_, _> = members.iter().map(of).collect();
            self.put(place, shape, "several members", all.into(), Breaks);
        }
        // What is inside of each member: the request is made anew around it.
        for member in members {
            let mut around = self.members.clone();
            if let Some(spot) = around.pointer_mut(&place.pointer) {
                *spot = Map::from_iter([of(member)]).into();
            }
            if self.root.rule.is_some_and(|rule| rule(&around).is_some()) {
                continue;
            }
            let mut inside = Changes { root: self.root, members: &around, found: Vec::new() };
            let below =
                Place { member: member.name, ..place.down(&format!(".{}", member.name), member.name) };
            inside.value(member.shape, &below);
            self.found.append(&mut inside.found);
        }
    }
}

impl<'a> Place<'a> {
    fn down(&self, step: &str, key: &str) -> Place<'a> {
        Place {
            name: format!("{}{step}", self.name),
            pointer: format!("{}/{key}", self.pointer),
            ..self.clone()
        }
    }
}

/// Whether a value has the JSON type of a kind.
fn is_of(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::String(_) | Kind::Enum(_) | Kind::Blob => value.is_string(),
        Kind::Integer(..) | Kind::Long(..) | Kind::Double(_) | Kind::Timestamp => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::List(..) => value.is_array(),
        Kind::Map(_) | Kind::Structure(_) | Kind::Union(_) => value.is_object(),
    }
}

/// Texts within the bounds of a shape that its rule refuses.
fn against_rules(shape: &str) -> &'static [&'static str] {
    match shape {
        "TagKey" | "TagValue" => &["aws:x", "AWS:x", "aWs:"],
        "LabelValue" => &[" ", "é", "\t", "a\u{7F}"],
        "KafkaExporterFilter" => &["a", "^a", "a$", "^", "$", "^($", "^\t$"],
        "FilterKey" => &["colour", "Status"],
        _ => &[],
    }
}
