//! How many replicas there are and how many make a quorum. The factor is 1 or 3 and never changes in place.

use std::{fmt, str::FromStr};

/// The replication factor of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replication {
    /// One copy: the all-in-one.
    One,
    /// A copy in each of three zones.
    Three,
}

/// A factor other than 1 or 3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replication factor must be 1 or 3, found {0:?}")]
pub struct ReplicationError(String);

impl Replication {
    /// Number of copies.
    pub const fn copies(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }

    /// Copies that must agree, for writes as for reads: 1 of 1, 2 of 3.
    pub const fn quorum(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 2,
        }
    }

    /// The factor with this many copies.
    pub fn from_copies(copies: usize) -> Result<Self, ReplicationError> {
        match copies {
            1 => Ok(Self::One),
            3 => Ok(Self::Three),
            other => Err(ReplicationError(other.to_string())),
        }
    }
}

impl FromStr for Replication {
    type Err = ReplicationError;

    fn from_str(text: &str) -> Result<Self, ReplicationError> {
        text.parse().map_err(|_| ReplicationError(text.to_owned())).and_then(Self::from_copies)
    }
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.copies())
    }
}
