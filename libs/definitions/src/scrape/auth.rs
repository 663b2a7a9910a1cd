//! How a scraper shows who it is: with the credentials of its cluster, or not at all (SCR-40, SCR-41).

use super::SourceKind;
use crate::cursor::{Cursor, Fields};

/// The file that stands for the scraper's credentials in its cluster; no file of this name is read.
pub const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Whether requests carry the credentials of the cluster.
pub(super) fn uses_token(job: &Fields<'_>, source: SourceKind) -> bool {
    let old = job.get("bearer_token_file");
    let new = job.get("authorization");
    if let (Some(_), Some(cursor)) = (&old, &new) {
        cursor.refuse("authorization is not compatible with bearer_token_file");
    }
    for cursor in old.iter().chain(&new) {
        if source == SourceKind::Vpc {
            cursor.refuse("only a Kubernetes source has credentials");
        }
    }
    if let Some(file) = &old {
        check_file(file);
    }
    if let Some(authorization) = &new {
        check(authorization);
    }
    old.is_some() || new.is_some()
}

fn check(cursor: &Cursor<'_>) {
    const REASON: &str = "credentials_file must be the file of the service account";
    let unsupported = [("credentials", REASON), ("credentials_ref", REASON)];
    let Some(fields) = cursor.fields(&["type", "credentials_file"], &unsupported) else { return };
    if let (Some(sort), Some(cursor)) = (fields.text("type"), fields.get("type"))
        && !sort.trim().eq_ignore_ascii_case("bearer")
    {
        cursor.refuse(format!("authorization type {sort:?} is not supported: only Bearer is"));
    }
    match fields.get("credentials_file") {
        Some(file) => check_file(&file),
        None => fields.refuse(format!("credentials_file must be {TOKEN_FILE}")),
    }
}

fn check_file(cursor: &Cursor<'_>) {
    if let Some(file) = cursor.text()
        && file != TOKEN_FILE
    {
        cursor.refuse(format!("{file:?} is not supported: the file must be {TOKEN_FILE}"));
    }
}
