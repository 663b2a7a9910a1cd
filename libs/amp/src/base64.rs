//! Blobs in JSON: the standard alphabet with padding (api-control-plane.md section 2.5).
//!
//! Line ends inside are skipped, where the specification is silent: programs that make base64 of files break lines, and the
//! guide's recipes use them. Anything else that is not of the alphabet is refused. Whether the bytes are base64 once more
//! (section 9, item 9) is for whoever reads the document.

use std::{borrow::Cow, fmt};

use ::base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Bytes that travel as base64, such as a rules file.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Blob(pub Bytes);

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let broken = text.contains(['\r', '\n']);
    let text = if broken { Cow::from(text.replace(['\r', '\n'], "")) } else { Cow::from(text) };
    BASE64_STANDARD.decode(&*text).ok()
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        decode(&text).map(|bytes| Self(bytes.into())).ok_or_else(|| D::Error::custom("is not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_padded_standard_base64_is_read() {
        let cases: [(&str, Option<&[u8]>); 9] = [
            ("", Some(b"")),
            ("Z3JvdXBz", Some(b"groups")),
            ("Z3Jv\r\ndXBz\n", Some(b"groups")),
            ("Zw==", Some(b"g")),
            ("Zw", None),
            ("Zx==", None),
            ("Z3Jv dXBz", None),
            ("-_8=", None),
            ("groups: []", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(decode(text).as_deref(), bytes, "{text:?}");
        }
    }
}
