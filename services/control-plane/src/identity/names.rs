//! Names and paths, as IAM takes them (IAM User Guide, "IAM and AWS STS quotas").

use super::document::DocumentError;

/// Letters, digits and `_+=,.@-`, up to a length.
pub(super) fn name(at: &str, name: &str, longest: usize) -> Result<(), DocumentError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if (1..=longest).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let text = format!("{name:?} must have 1 to {longest} letters, digits and _+=,.@- characters");
    Err(DocumentError::new(at, text))
}

/// Path of the roles that a service acts by. They come and go with what needs them (SEC-37), never by hand.
const SERVICE_PATH: &str = "/aws-service-role/";

/// Begins and ends with a slash, up to 512 characters.
pub(super) fn path(at: &str, path: &str) -> Result<(), DocumentError> {
    if path.starts_with(SERVICE_PATH) {
        let text =
            format!("the path {SERVICE_PATH} is for the roles of services, which are not made by hand");
        return Err(DocumentError::new(at, text));
    }
    let shaped = path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && !path.contains("//");
    if shaped && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Ok(());
    }
    Err(DocumentError::new(at, format!("the path {path:?} must begin and end with a slash, such as /team/")))
}

/// 16 to 128 letters, digits and underscores, as the parameter `AccessKeyId` of IAM's and STS's APIs.
pub(super) fn access_key_id(at: &str, id: &str) -> Result<(), DocumentError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (4..=128).contains(&id.len()) && id.bytes().all(allowed) && !id.starts_with("ASIA") {
        return Ok(());
    }
    let text =
        format!("{id:?} must have 4 to 128 letters and digits, and not begin with ASIA as temporary keys do");
    Err(DocumentError::new(at, text))
}

/// At most 50, with the lengths that IAM has.
pub(super) fn tags<'a>(
    at: &str,
    tags: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Result<(), DocumentError> {
    if tags.len() > 50 {
        return Err(DocumentError::new(at, format!("has {} tags, at most 50 are allowed", tags.len())));
    }
    for (key, value) in tags {
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            let text =
                format!("the tag {key:?} must have a key of 1 to 128 and a value of up to 256 characters");
            return Err(DocumentError::new(at, text));
        }
    }
    Ok(())
}
