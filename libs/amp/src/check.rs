//! One walk over a value by its shape: finds every problem, and leaves the value in canonical form.
//!
//! Canonical: members that are unknown or null are gone, numbers with nothing behind the point are whole, aliases have no blanks at
//! their ends. Whatever passes deserialises into the typed request. Shapes do not recur, so the walk is as deep as they are,
//! whatever the input is.
//!
//! Where the specification is silent: `1.0` is a whole number, as JSON knows one sort of numbers; a null in a list or map is a
//! value of the wrong type; the same key twice in an object is the later one.

use serde_json::{Map, Value};

use crate::{
    base64,
    invalid::Problems,
    shape::{Entries, Kind, Member, Shape, Text, UNBOUNDED},
    text::excerpt,
};

/// Characters of a key that are shown in a path.
const KEY_SHOWN: usize = 80;

/// A place in the request, written as a path, and what was found wrong so far.
pub(crate) struct Walk<'a> {
    path: String,
    problems: &'a mut Problems,
}

impl<'a> Walk<'a> {
    /// At the request itself.
    pub(crate) fn new(problems: &'a mut Problems) -> Self {
        Self { path: String::new(), problems }
    }

    /// Checks and tidies `value`.
    pub(crate) fn check(&mut self, shape: &Shape, value: &mut Value) {
        let sound = match shape.kind {
            Kind::String(text) => self.string(text, value),
            Kind::Enum(values) => self.one_of(values, value),
            Kind::Integer(min, max) | Kind::Long(min, max) => self.whole(min, max, value),
            Kind::Double(min) => self.double(min, value),
            Kind::Boolean => self.expect(value.is_boolean(), "true or false"),
            Kind::Blob => self.blob(value),
            Kind::Timestamp => self.expect(value.is_number(), "a number of seconds"),
            Kind::List(of, min, max) => self.list(of, (min, max), value),
            Kind::Map(entries) => self.map(entries, value),
            Kind::Structure(members) => self.structure(members, value),
            Kind::Union(members) => self.union(members, value),
        };
        if let Some(breach) = shape.rule.filter(|_| sound).and_then(|rule| rule(value)) {
            self.at(breach.at, |walk| walk.breaks(&breach.message));
        }
    }

    fn breaks(&mut self, message: &str) {
        self.problems.breaks(self.path.trim_start_matches('.'), message);
    }

    /// Says what the value must be if it is not; whether it is.
    fn expect(&mut self, is: bool, what: &str) -> bool {
        if !is {
            self.problems.cannot_parse(self.path.trim_start_matches('.'), format!("must be {what}"));
        }
        is
    }

    /// Does something one step further down.
    fn at<T>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let here = self.path.len();
        self.path.push_str(step);
        let done = then(self);
        self.path.truncate(here);
        done
    }

    fn count(&mut self, what: &str, count: usize, (min, max): (usize, usize)) -> bool {
        let fits = (min..=max).contains(&count);
        if !fits {
            let bounds = match (min, max) {
                (_, UNBOUNDED) => format!("at least {min}"),
                (0, _) => format!("at most {max}"),
                _ if min == max => format!("exactly {min}"),
                _ => format!("{min} to {max}"),
            };
            self.breaks(&format!("must have {bounds} {what}, has {count}"));
        }
        fits
    }

    fn string(&mut self, text: Text, value: &mut Value) -> bool {
        if !self.expect(value.is_string(), "a string") {
            return false;
        }
        if let Some(trimmed) = value.as_str().filter(|_| text.trimmed).map(|text| text.trim().to_owned()) {
            *value = Value::String(trimmed);
        }
        let given = value.as_str().unwrap_or_default();
        let fits = self.count("characters", given.chars().count(), (text.min, text.max));
        let wrong = text.pattern.filter(|pattern| fits && !pattern.matches(given));
        if let Some(pattern) = wrong {
            self.breaks(&format!("must match {}", pattern.source()));
        }
        fits && wrong.is_none()
    }

    fn one_of(&mut self, values: &[&str], value: &Value) -> bool {
        let Some(given) = value.as_str() else { return self.expect(false, "a string") };
        let known = values.contains(&given);
        if !known {
            self.breaks(&format!("must be one of {}", values.join(", ")));
        }
        known
    }

    fn whole(&mut self, min: i64, max: i64, value: &mut Value) -> bool {
        let float = value.as_f64().filter(|_| value.is_f64());
        if let Some(whole) = float.filter(|float| float.fract() == 0.0).and_then(to_whole) {
            *value = whole.into();
        }
        // What is whole and fits no 64 bits breaks the bounds; only a fraction is of the wrong type.
        let whole = value.is_number() && float.is_none_or(|float| float.fract() == 0.0);
        if !self.expect(whole, "a whole number") {
            return false;
        }
        let fits = value.as_i64().is_some_and(|number| (min..=max).contains(&number));
        if !fits {
            self.breaks(&format!("must be {min} to {max}"));
        }
        fits
    }

    fn double(&mut self, min: f64, value: &Value) -> bool {
        let Some(number) = value.as_f64() else { return self.expect(false, "a number") };
        let fits = number >= min;
        if !fits {
            self.breaks(&format!("must be at least {min}"));
        }
        fits
    }

    fn blob(&mut self, value: &Value) -> bool {
        let decoded = value.as_str().is_some_and(|text| base64::decode(text).is_some());
        self.expect(decoded, "base64 with padding")
    }

    fn list(&mut self, of: &Shape, (min, max): (usize, usize), value: &mut Value) -> bool {
        let Some(items) = value.as_array_mut() else { return self.expect(false, "a list") };
        let fits = self.count("items", items.len(), (min, max));
        for (at, item) in items.iter_mut().take(max).enumerate() {
            self.at(&format!("[{at}]"), |walk| walk.check(of, item));
        }
        fits
    }

    fn map(&mut self, entries: Entries, value: &mut Value) -> bool {
        let Some(map) = value.as_object_mut() else { return self.expect(false, "an object") };
        let fits = self.count("entries", map.len(), (entries.min, entries.max));
        for (key, value) in map.iter_mut().take(entries.max) {
            self.at(&step_of_key(key), |walk| {
                walk.check(entries.key, &mut Value::from(key.as_str()));
                walk.check(entries.value, value);
            });
        }
        fits
    }

    fn structure(&mut self, members: &[Member], value: &mut Value) -> bool {
        let Some(map) = value.as_object_mut() else { return self.expect(false, "an object") };
        tidy(members, map);
        for member in members {
            self.at(&format!(".{}", member.name), |walk| match map.get_mut(member.name) {
                Some(value) => walk.check(member.shape, value),
                None if member.required => walk.breaks("is missing"),
                None => {}
            });
        }
        true
    }

    fn union(&mut self, members: &[Member], value: &mut Value) -> bool {
        if !self.structure(members, value) {
            return false;
        }
        let given = value.as_object().map_or(0, Map::len);
        if given != 1 {
            let names: Vec<_> = members.iter().map(|member| member.name).collect();
            self.breaks(&format!("must have exactly one of {}, has {given}", names.join(", ")));
        }
        given == 1
    }
}

/// How a path goes on to an entry of a map.
pub(crate) fn step_of_key(key: &str) -> String {
    format!("[{:?}]", excerpt(key, KEY_SHOWN))
}

/// Drops what is not a member, and what is null.
fn tidy(members: &[Member], map: &mut Map<String, Value>) {
    map.retain(|name, value| !value.is_null() && members.iter().any(|member| member.name == name));
}

/// A float that is exactly a number of 64 bits.
fn to_whole(float: f64) -> Option<i64> {
    // From -2^63 up to, not including, 2^63 the conversion is exact.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float).then_some(float as i64)
}

#[cfg(test)]
mod check_test;
