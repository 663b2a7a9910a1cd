//! Accounts, users, groups, roles, policies, identity providers and access keys (security.md 3, SEC-14).
//!
//! [`Identities`] is the part of the replicated state, changed by [`Identities::change`] alone, which is pure and refuses whatever
//! would leave a reference open. [`Document`] is the form that people write: the bootstrap file and `admin identity apply` read it,
//! and [`plan`] turns it into changes. What principals may do is resolved into documents for the edges of all services by
//! [`Identities::principals`].
//!
//! Policies are checked where changes are planned and not where they are applied: two versions of this program could differ in what
//! they accept, and the state must not (C-1).

mod admin;
mod change;
mod document;
mod names;
mod plan;
mod records;
mod resolve;
mod session_keys;
mod show;

#[cfg(test)]
mod tests;

pub(crate) use admin::carry_out;
pub use change::{EntityKind, IdentityChange, Inconsistent};
pub use document::{AccountDocument, Document, DocumentError};
pub use plan::{Fresh, plan};
pub use records::{
    AccountRecord, Attached, GroupRecord, Identities, PolicyRecord, ProviderRecord, RoleRecord, UserRecord,
};
pub use resolve::{ResolvedPrincipal, managed_policy_arn};
pub use session_keys::{SessionKeyRecord, add_session_key, next_session_key, session_key_is_due};
pub(crate) use show::show;
