//! Label names in paths: names that are not plain are escaped as `U__` and hexadecimal code points (Prometheus 3).

/// Reverts the escaping `U__`: `_` doubled stands for itself, `_HEX_` for a code point. A text that is not well-formed
/// comes back as it is, as in Prometheus.
pub(crate) fn unescape(name: &str) -> String {
    match name.strip_prefix("U__").and_then(decode) {
        Some(decoded) => decoded,
        None => name.to_owned(),
    }
}

fn decode(escaped: &str) -> Option<String> {
    let mut decoded = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            decoded.push('_');
            rest = after;
            continue;
        }
        let end = rest.find('_').filter(|end| (1..=6).contains(end))?;
        let hex = &rest[..end];
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = &rest[end + 1..];
    }
    decoded.push_str(rest);
    Some(decoded)
}
