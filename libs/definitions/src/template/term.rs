//! Numbers and quoted texts as Go writes them.

/// How many bytes of `text` are a number: an optional sign, then digits in base 2, 8, 10 or 16 with underscores, a fraction, an
/// exponent, an imaginary part.
pub(super) fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).map(u8::to_ascii_lowercase);
    let run = |from: usize, set: &dyn Fn(u8) -> bool| {
        from + bytes[from.min(bytes.len())..].iter().take_while(|byte| set(byte.to_ascii_lowercase())).count()
    };
    let sign = usize::from(matches!(at(0), Some(b'+' | b'-')));
    let decimal = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let (start, base) = match (at(sign), at(sign + 1)) {
        (Some(b'0'), Some(b'x')) => (sign + 2, 16),
        (Some(b'0'), Some(b'o')) => (sign + 2, 8),
        (Some(b'0'), Some(b'b')) => (sign + 2, 2),
        _ => (sign, 10),
    };
    let digits = move |byte: u8| byte == b'_' || char::from(byte).is_digit(base);
    let mut end = run(start, &digits);
    let mut any = end > start;
    if at(end) == Some(b'.') {
        let fraction = run(end + 1, &digits);
        any |= fraction > end + 1;
        end = fraction;
    }
    if !any {
        return 0;
    }
    let exponent = match base {
        16 => Some(b'p'),
        10 => Some(b'e'),
        _ => None,
    };
    if exponent.is_some() && at(end) == exponent {
        end += 1 + usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
        end = run(end, &decimal);
    }
    end + usize::from(at(end) == Some(b'i'))
}

/// Whether a number that [`number_length`] found has a value: integers must fit into 64 bits, and those that begin with 0 are octal.
pub(super) fn has_value(number: &str) -> bool {
    let text = number.replace('_', "").to_lowercase();
    let digits = text.trim_start_matches(['+', '-']);
    let (base, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let is_integer = !digits.contains(['.', 'i', 'p']) && (base == 16 || !digits.contains('e'));
    let most = if text.starts_with('-') { 1 << 63 } else { u64::MAX };
    !is_integer || u64::from_str_radix(digits, base).is_ok_and(|value| value <= most)
}

/// Whether a token in single quotes is one character.
pub(super) fn is_character(token: &str) -> bool {
    let Some(body) = token.get(1..token.len().saturating_sub(1)) else { return false };
    match body.strip_prefix('\\') {
        Some("'") => true,
        Some("\"") => false,
        Some(_) => unquoted(&format!("\"{body}\"")).is_some_and(|text| text.chars().count() == 1),
        None => body.chars().count() == 1,
    }
}

/// The text in Go's double quotes or back quotes, if its escapes are Go's.
pub(crate) fn unquoted(token: &str) -> Option<String> {
    let body = token.get(1..token.len().checked_sub(1)?)?;
    if token.starts_with('`') {
        return Some(body.replace('\r', ""));
    }
    let (mut bytes, mut chars) = (Vec::with_capacity(body.len()), body.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escape = chars.next()?;
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' | '"' => bytes.extend([escape as u8]),
            'x' => bytes.push(u8::try_from(code(&mut chars, 2, 16)?).ok()?),
            'u' => bytes.extend(char::from_u32(code(&mut chars, 4, 16)?)?.encode_utf8(&mut [0; 4]).bytes()),
            'U' => bytes.extend(char::from_u32(code(&mut chars, 8, 16)?)?.encode_utf8(&mut [0; 4]).bytes()),
            '0'..='7' => {
                let low = code(&mut chars, 2, 8)?;
                bytes.push(u8::try_from(escape.to_digit(8)? * 64 + low).ok()?);
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize, base: u32) -> Option<u32> {
    (0..digits).try_fold(0u32, |sum, _| Some(sum.checked_mul(base)? + chars.next()?.to_digit(base)?))
}
