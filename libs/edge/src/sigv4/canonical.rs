//! Canonical forms of path, query and headers.
//!
//! Paths: dot segments are removed, then the path as sent is percent-encoded once more (`%2F` becomes `%252F`). Some clients
//! also merge slashes, and some do not encode again; the last is tried only where no `%25` is in the path, so that it can
//! never stand for another path's double encoding.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const STRICT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same in a path, where slashes separate.
const PATH: AsciiSet = STRICT.remove(b'/');
/// The same in a path that is encoded already.
const PATH_ENCODED: AsciiSet = PATH.remove(b'%');

/// Canonical forms of the path as sent, the documented one first.
pub fn canonical_uris(path: &str) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    let mut forms = Vec::with_capacity(1);
    let mut add = |form: String| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    let variants = [normalize_path(path, false), normalize_path(path, true), Cow::Borrowed(path)];
    for variant in &variants {
        add(utf8_percent_encode(variant, &PATH).to_string());
    }
    if !path.contains("%25") {
        for variant in &variants {
            add(utf8_percent_encode(variant, &PATH_ENCODED).to_string());
        }
    }
    forms
}

/// Removes dot segments (RFC 3986 section 5.2.4) and, if asked, empty ones.
pub(crate) fn normalize_path(path: &str, merge_slashes: bool) -> Cow<'_, str> {
    let plain = |segment: &str| !matches!(segment, "." | "..");
    if path.split('/').all(plain) && (!merge_slashes || !path.contains("//")) {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            "" if merge_slashes => {}
            segment => segments.push(segment),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    let open_end = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if open_end && !normal.ends_with('/') {
        normal.push('/');
    }
    Cow::Owned(normal)
}

/// Canonical forms of the query: decoded (`+` is a blank) and encoded strictly, then as sent; both sorted.
pub fn canonical_queries(query: &str) -> Vec<String> {
    let pairs = || {
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    };
    let strict = join(pairs().map(|(name, value)| (recode(name), recode(value))).collect());
    let sent = join(pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    if strict == sent { vec![strict] } else { vec![strict, sent] }
}

/// Decodes `%XX` and `+`, then encodes every byte that is not unreserved.
fn recode(text: &str) -> String {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    let bytes: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
    percent_encoding::percent_encode(&bytes, &STRICT).to_string()
}

fn join(mut pairs: Vec<(String, String)>) -> String {
    pairs.sort();
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&name);
        text.push('=');
        text.push_str(&value);
    }
    text
}

/// `name:value` lines of the signed headers, or the name of one that the request lacks. `host` falls back to `authority`,
/// where HTTP/2 puts it, and `content-length` to what was received, as a proxy that passes a body on in chunks takes the header
/// away.
pub(super) fn canonical_headers(
    names: &[impl AsRef<str>],
    headers: &HeaderMap,
    authority: Option<&str>,
    length: usize,
) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    for name in names {
        let name = name.as_ref();
        lines.extend_from_slice(name.as_bytes());
        lines.push(b':');
        let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).peekable();
        match (values.peek(), authority) {
            (None, Some(authority)) if name == "host" => push_trimmed(&mut lines, authority.as_bytes()),
            (None, _) if name == "content-length" => lines.extend_from_slice(length.to_string().as_bytes()),
            (None, _) => return Err(name.to_owned()),
            (Some(_), _) => {
                for (at, value) in values.enumerate() {
                    if at > 0 {
                        lines.push(b',');
                    }
                    push_trimmed(&mut lines, value);
                }
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Appends a value without blanks at its ends, runs of blanks inside it as one.
fn push_trimmed(into: &mut Vec<u8>, value: &[u8]) {
    let mut last = b' ';
    for &byte in value.trim_ascii() {
        if byte != b' ' || last != b' ' {
            into.push(byte);
        }
        last = byte;
    }
}
