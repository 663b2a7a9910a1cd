//! Identifiers as newtypes, so that a partition can never be passed where an epoch is meant.
//!
//! All are plain data. Those that appear in paths and JSON parse strictly and name the offending text.

use std::{fmt, str::FromStr, sync::Arc};

/// A malformed identifier; the text names the identifier and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {found:?}: expected {expected}")]
pub struct IdError {
    kind: &'static str,
    expected: &'static str,
    found: String,
}

impl IdError {
    fn new(kind: &'static str, expected: &'static str, found: &str) -> Self {
        let found = found.chars().take(100).collect();
        Self { kind, expected, found }
    }
}

/// The tenant: `ws-` and a lower-case UUID (WS-8). Copied freely; 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceId(u128);

impl WorkspaceId {
    /// Makes an id from 128 random bits, setting the version and variant bits of a version 4 UUID (RFC 9562).
    pub const fn from_random(bits: u128) -> Self {
        let version = bits & !(0xF << 76) | (0x4 << 76);
        Self(version & !(0b11 << 62) | (0b10 << 62))
    }

    /// The 128 bits of the UUID, most significant first; inverse of [`Self::from_u128`].
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with exactly these UUID bits, as read back from a message or a file.
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Big-endian bytes, the form used in gRPC messages and logs.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads the 16 bytes of [`Self::to_bytes`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        let bytes: [u8; 16] = bytes
            .try_into()
            .map_err(|_| IdError::new("workspace id", "16 bytes", &format!("{} bytes", bytes.len())))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        write!(
            f,
            "ws-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (b >> 96) as u32,
            (b >> 80) as u16,
            (b >> 64) as u16,
            (b >> 48) as u16,
            b & 0xFFFF_FFFF_FFFF
        )
    }
}

impl fmt::Debug for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WorkspaceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = || IdError::new("workspace id", "ws- and a lower-case UUID", text);
        let uuid = text.strip_prefix("ws-").ok_or_else(fail)?;
        let mut bits = 0u128;
        if uuid.len() != 36 {
            return Err(fail());
        }
        for (at, byte) in uuid.bytes().enumerate() {
            let digit = match byte {
                b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
                _ if matches!(at, 8 | 13 | 18 | 23) => return Err(fail()),
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return Err(fail()),
            };
            bits = bits << 4 | u128::from(digit);
        }
        Ok(Self(bits))
    }
}

/// An AWS-shaped account: exactly 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// The 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::new("account id", "12 digits", text))
        }
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// A partition of the ingest ring. Its owners are the ingesters with this ordinal, one in each zone.
    PartitionId(u32)
);
number!(
    /// The control-plane revision that last made a partition ACTIVE (rule 3). 0 means: never active.
    Epoch(u64)
);
number!(
    /// Revision of the ring as the control plane counts it; grows with every change of any partition.
    RingRevision(u64)
);
number!(
    /// Revision of a workspace's block manifest; 0 means: no manifest yet.
    ManifestRevision(u64)
);
number!(
    /// Identity of an ingester's disk, chosen at random when the disk is first used (rule 2).
    Incarnation(u128)
);
number!(
    /// The kernel's boot id, which tells whether unsynced pages can have been lost (rule 2). 0 means: unknown.
    BootId(u128)
);
number!(
    /// `xxh3_64` of a series' canonical label bytes. It places a series in ring and shards, and never identifies one.
    SeriesHash(u64)
);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as configured.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

name!(
    /// An availability zone, such as `zone-a`.
    Zone
);
name!(
    /// A running process of one service, such as `ingester-zone-a-0`. Stable over restarts.
    InstanceId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_ids_are_version_4_uuids_and_read_back() {
        let id = WorkspaceId::from_random(u128::MAX);
        let text = id.to_string();
        assert_eq!(text, "ws-ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(text.parse::<WorkspaceId>(), Ok(id));
        assert_eq!(WorkspaceId::from_slice(&id.to_bytes()), Ok(id));
    }

    #[test]
    fn malformed_ids_are_refused_with_their_text() {
        for text in [
            "",
            "ws-",
            "ws-FFFFFFFF-ffff-4fff-bfff-ffffffffffff",
            "ws-ffffffffff-ff-4fff-bfff-ffffffffffff",
            "x",
        ] {
            let error = text.parse::<WorkspaceId>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert!("12345678901".parse::<AccountId>().is_err());
        assert!("12345678901a".parse::<AccountId>().is_err());
    }
}
