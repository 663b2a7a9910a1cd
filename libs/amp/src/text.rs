//! Text out of URLs: percent-decoded strictly, because what cannot be read must not be guessed at.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The text that `encoded` stands for; `None` if an escape is cut short or not hexadecimal, or the bytes are not UTF-8.
pub(crate) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    let mut escapes = encoded.split('%').skip(1);
    let sound = |escape: &str| {
        escape.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    escapes.all(sound).then(|| percent_decode_str(encoded).decode_utf8().ok()).flatten()
}

/// The first characters of what a client sent, for a message: input of any length costs bounded memory.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_escapes_of_utf_8_are_decoded() {
        let cases = [
            ("plain", Some("plain")),
            ("", Some("")),
            ("a%2Fb%3a%20", Some("a/b: ")),
            ("%C3%A9", Some("é")),
            ("%", None),
            ("%2", None),
            ("a%2", None),
            ("%zz", None),
            ("%+1", None),
            ("%é1", None),
            ("%C3", None),
            ("%FF", None),
            ("+", Some("+")),
        ];
        for (encoded, expected) in cases {
            assert_eq!(decode(encoded).as_deref(), expected, "{encoded}");
        }
    }

    #[test]
    fn excerpts_count_characters() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü", 2), "äö...");
    }
}
