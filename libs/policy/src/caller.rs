//! A principal with everything that says what it may do: compiled once, kept in an `Arc`, asked per request.

use std::sync::Arc;

use crate::{Policy, Principal};

/// Who asks, and what it may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// Its policies.
    pub permissions: Permissions,
}

/// Policies that bear on a principal wherever it goes.
#[derive(Debug, Clone, Default)]
pub struct Permissions {
    /// Of the user and its groups, or of the role: managed and inline.
    pub identity: Vec<Arc<Policy>>,
    /// Permissions boundary.
    pub boundary: Option<Arc<Policy>>,
    /// Passed when the session was made. `Some` of none: allows nothing.
    pub session: Option<Vec<Arc<Policy>>>,
    /// Service control policies of each level above the account; every level has to allow.
    pub control: Vec<Vec<Arc<Policy>>>,
}
