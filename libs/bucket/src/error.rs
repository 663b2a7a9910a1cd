//! Why a bucket cannot be used. Each text is whole: it tells the causes beneath, and none is chained to it besides.

use std::{error::Error as _, io, path::PathBuf};

use object_store::path::Path;

/// A bucket that cannot be opened. Each names the setting or the part of the machine that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Nothing says where the bucket is.
    #[error("no bucket is set: --bucket.url is needed")]
    NoUrl,
    /// The endpoint is no `http://` or `https://` address.
    #[error("--bucket.endpoint {0:?} must be https://HOST or http://HOST, without a query")]
    Endpoint(String),
    /// Plain HTTP without leave.
    #[error("--bucket.endpoint {0:?} has no TLS; set --bucket.allow-http if that is meant")]
    PlainHttp(String),
    /// One half of the credentials.
    #[error("--bucket.access-key-id and --bucket.secret-access-key belong together; only {0} is set")]
    HalfCredentials(&'static str),
    /// A setting that the place does not have.
    #[error("{setting} is set, but {url} has no such setting")]
    Unused {
        /// The flag.
        setting: &'static str,
        /// The bucket's place.
        url: String,
    },
    /// The file of certificates cannot be read.
    #[error("--bucket.ca-file {} cannot be read: {error}", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file of certificates holds none, or broken ones.
    #[error("--bucket.ca-file {} holds no certificates in PEM: {reason}", file.display())]
    Certificates {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The directory cannot be made or opened.
    #[error("the bucket's directory {} cannot be used: {error}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The provider's client refuses its settings, often an environment variable.
    #[error("{url} cannot be opened: {}", explain(error))]
    Client {
        /// The bucket's place.
        url: String,
        /// Why.
        error: object_store::Error,
    },
}

/// A bucket that does not do what commits rest on.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A request failed.
    #[error("{bucket} cannot {step}: {}", explain(error))]
    Request {
        /// The bucket's place.
        bucket: String,
        /// What was tried.
        step: &'static str,
        /// Why.
        error: object_store::Error,
    },
    /// A second put-if-absent of one key succeeded.
    #[error(
        "{bucket} ignores If-None-Match: it wrote {key} twice although the second write asked for the key to be absent. \
         Manifests cannot be kept there; use a server with conditional writes"
    )]
    Overwrites {
        /// The bucket's place.
        bucket: String,
        /// The probe's key.
        key: Path,
    },
    /// What was written is not what is read or listed.
    #[error("{bucket} is not consistent: {what} {key}")]
    Inconsistent {
        /// The bucket's place.
        bucket: String,
        /// What was seen.
        what: &'static str,
        /// The probe's key.
        key: Path,
    },
}

/// What an operation's failure was, down to its cause: a provider's client says "error sending request" and keeps to itself
/// whether the host is unknown, the port closed or the certificate foreign.
pub fn explain(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(beneath) = cause {
        let beneath_text = beneath.to_string();
        // Most texts repeat those beneath them.
        if !text.contains(&beneath_text) {
            text = format!("{text}: {beneath_text}");
        }
        cause = beneath.source();
    }
    text
}
