//! From a blob of the API to the text of a document: size, a second base64 layer, UTF-8 and the characters that YAML allows.

use std::borrow::Cow;

use base64::{Engine, alphabet, engine};

use crate::problem::{Position, Problems};

/// Largest rule file and alert manager definition by default (QUO-4, QUO-30); scrape configurations get the same.
pub const MAX_BYTES: usize = 1_000_000;

/// Padded or not: some encoders leave the padding out.
const LENIENT: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The document in a blob, which is the blob itself or, where the blob is base64 text, what that text encodes.
///
/// The guide's recipes for version 1 of the CLI send a file that is encoded already, so it arrives encoded twice. A document of any
/// of the three sorts is a mapping and so has a colon, which base64 has not: the two cannot be confused.
pub fn document(blob: &[u8]) -> Cow<'_, [u8]> {
    decoded(blob).map_or(Cow::Borrowed(blob), Cow::Owned)
}

fn decoded(blob: &[u8]) -> Option<Vec<u8>> {
    let looks_encoded = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || byte.is_ascii_whitespace()
    };
    if !blob.iter().all(looks_encoded) {
        return None;
    }
    let text: Vec<u8> = blob.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = LENIENT.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    std::str::from_utf8(&bytes).is_ok().then_some(bytes)
}

/// The text of a document without a byte order mark, or nothing where `problems` say why it has none.
pub(crate) fn text<'a>(document: &'a [u8], max_bytes: usize, problems: &Problems) -> Option<&'a str> {
    if document.len() > max_bytes {
        let message = format!("the file has {} bytes; at most {max_bytes} are allowed", document.len());
        problems.add(None, "", message);
        return None;
    }
    let text = match std::str::from_utf8(document) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&document[..error.valid_up_to()]);
            problems.add(Some(end_of(&before)), "", "the file is not UTF-8 text");
            return None;
        }
    };
    if let Some((at, wrong)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        let message = format!("the character U+{:04X} is not allowed", u32::from(wrong));
        problems.add(Some(end_of(&text[..at])), "", message);
        return None;
    }
    Some(text)
}

/// What YAML calls printable (YAML 1.2, 5.1), without the byte order mark.
fn is_allowed(c: char) -> bool {
    matches!(c,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// The place behind `text`.
fn end_of(text: &str) -> Position {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: small(line), column: small(column) }
}
