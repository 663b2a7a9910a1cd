//! What can be asked of a bucket and how it can fail: the words shared by metrics and fault injection.

use object_store::{Error, PutMode};

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Write, whatever was there.
    Put,
    /// Write if the key is absent.
    PutIfAbsent,
    /// Write if the object is still the one that was read.
    PutIfMatch,
    /// Begin an object of several parts.
    BeginMultipart,
    /// Write one part.
    PutPart,
    /// Make the parts an object.
    CompleteMultipart,
    /// Forget the parts.
    AbortMultipart,
    /// Read an object or one range of it.
    Get,
    /// Read several ranges, where the backend does that itself.
    GetRanges,
    /// Read an object's size and date.
    Head,
    /// Delete one object or several.
    Delete,
    /// List everything below a prefix.
    List,
    /// List one level below a prefix.
    ListLevel,
    /// Copy within the bucket.
    Copy,
    /// Rename within the bucket.
    Rename,
}

impl Operation {
    /// The kind of a put.
    pub const fn of_put(mode: &PutMode) -> Self {
        match mode {
            PutMode::Overwrite => Self::Put,
            PutMode::Create => Self::PutIfAbsent,
            PutMode::Update(_) => Self::PutIfMatch,
        }
    }

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::PutIfAbsent => "put_if_absent",
            Self::PutIfMatch => "put_if_match",
            Self::BeginMultipart => "begin_multipart",
            Self::PutPart => "put_part",
            Self::CompleteMultipart => "complete_multipart",
            Self::AbortMultipart => "abort_multipart",
            Self::Get => "get",
            Self::GetRanges => "get_ranges",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::List => "list",
            Self::ListLevel => "list_level",
            Self::Copy => "copy",
            Self::Rename => "rename",
        }
    }
}

/// The name of a failure in metrics. Those of conditions are answers rather than failures of the bucket.
pub(crate) const fn error_name(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "not_found",
        Error::AlreadyExists { .. } => "already_exists",
        Error::Precondition { .. } => "precondition",
        Error::NotModified { .. } => "not_modified",
        Error::PermissionDenied { .. } => "permission_denied",
        Error::Unauthenticated { .. } => "unauthenticated",
        Error::NotSupported { .. } | Error::NotImplemented { .. } => "not_supported",
        _ => "other",
    }
}
