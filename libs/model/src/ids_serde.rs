//! How identifiers look in JSON and YAML: names and ids as the text that people see, numbers as numbers.
//!
//! 128-bit values are text, because JSON readers lose their digits.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    AccountId, Epoch, Incarnation, InstanceId, PartitionId, RingRevision, TimestampMs, WorkspaceId, Zone,
};

struct Text<T> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

macro_rules! text {
    ($name:ident, $expected:literal, $parse:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text { expected: $expected, parse: $parse })
            }
        }
    };
}

text!(WorkspaceId, "a workspace id", |text| text.parse().map_err(|error: crate::IdError| error.to_string()));
text!(AccountId, "an account id", |text| text.parse().map_err(|error: crate::IdError| error.to_string()));
text!(Zone, "a zone", |text| Ok(text.into()));
text!(InstanceId, "an instance", |text| Ok(text.into()));

impl Serialize for Incarnation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &str| u128::from_str_radix(text, 16).map(Self).map_err(|error| error.to_string());
        deserializer.deserialize_str(Text { expected: "32 hexadecimal digits", parse })
    }
}

macro_rules! number {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Deserialize::deserialize(deserializer).map(Self)
            }
        }
    )*};
}

number!(PartitionId, Epoch, RingRevision, TimestampMs);
