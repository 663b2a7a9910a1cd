//! How the table's files are read.

pub(crate) mod document;
pub(crate) mod policies;
pub(crate) mod request;
pub(crate) mod row;
