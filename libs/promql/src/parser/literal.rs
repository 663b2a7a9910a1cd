//! Values of number and string literals, read as Go reads them.

use std::str::Chars;

/// The value of a number: decimal, hexadecimal, octal with a leading zero, `Inf`, `NaN`, underscores between digits.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|number| number as f64);
    }
    if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return i64::from_str_radix(&lower, 8).ok().map(|number| number as f64);
    }
    match lower.as_str() {
        "inf" | "+inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => lower.parse().ok(),
    }
}

/// The text between quotes, escapes resolved. None if it is malformed or no UTF-8.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    String::from_utf8(unquote_bytes(quoted)?).ok()
}

/// The bytes between quotes, escapes resolved. None if it is malformed.
pub(super) fn unquote_bytes(quoted: &str) -> Option<Vec<u8>> {
    let quote = quoted.chars().next()?;
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quote == '`' {
        return Some(inner.into());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            escape(&mut chars, &mut out)?;
        } else {
            push_char(&mut out, c);
        }
    }
    Some(out)
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Resolves one escape after its backslash.
fn escape(chars: &mut Chars<'_>, out: &mut Vec<u8>) -> Option<()> {
    let letter = chars.next()?;
    let mut digits = |count: usize, base: u32, first: u32| -> Option<u32> {
        (0..count).try_fold(first, |value, _| Some(value * base + chars.next()?.to_digit(base)?))
    };
    let byte = match letter {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' | '\'' => letter as u8,
        'x' => digits(2, 16, 0)? as u8,
        '0'..='7' => u8::try_from(digits(2, 8, letter.to_digit(8)?)?).ok()?,
        'u' | 'U' => {
            let count = if letter == 'u' { 4 } else { 7 };
            let first = if letter == 'u' { 0 } else { digits(1, 16, 0)? };
            push_char(out, char::from_u32(digits(count, 16, first)?)?);
            return Some(());
        }
        _ => return None,
    };
    out.push(byte);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_go() {
        for (text, value) in
            [("1", 1.0), ("1_000", 1000.0), ("0x1F", 31.0), ("010", 8.0), ("089", 89.0), (".5e1", 5.0)]
        {
            assert_eq!(number(text), Some(value), "{text}");
        }
        assert!(number("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn strings_read_as_in_go() {
        for (text, value) in [
            (r#""a\"b""#, "a\"b"),
            (r"'\x41\u00e4\U0001F600\101'", "Aä😀A"),
            (r"`\n`", r"\n"),
            (r#""\n\t""#, "\n\t"),
        ] {
            assert_eq!(unquote(text).as_deref(), Some(value), "{text}");
        }
        for text in [r#""\q""#, r#""\xff""#, r#""\u12""#, r#""\400""#] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }
}
