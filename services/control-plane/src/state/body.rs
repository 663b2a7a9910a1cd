//! Files that users upload, compressed: a state with 100,000 of them has to be cheap to copy, to store and to read.
//!
//! The proposer compresses, so that [`super::apply`] stays quick and its outcome never depends on the version of a
//! compressor (C-1). A clone shares the bytes.

use std::{fmt, io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::base64_text;

/// Largest file that is read back; every quota on uploads is below.
const MAX_LENGTH: usize = 16 << 20;

const LEVEL: i32 = 3;

/// A compressed file. In JSON it is base64 of the compressed bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body(#[serde(with = "base64_text")] Arc<[u8]>);

impl Body {
    /// Compresses a file.
    pub fn new(file: &[u8]) -> io::Result<Self> {
        zstd::bulk::compress(file, LEVEL).map(|bytes| Self(bytes.into()))
    }

    /// The file as it was uploaded.
    pub fn file(&self) -> io::Result<Vec<u8>> {
        let length = zstd::bulk::Decompressor::upper_bound(&self.0).unwrap_or(MAX_LENGTH);
        zstd::bulk::decompress(&self.0, length.min(MAX_LENGTH))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes compressed)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_file_comes_back_as_it_was(file: Vec<u8>) {
            let body = Body::new(&file).expect("memory");
            let stored = serde_json::to_vec(&body).expect("text");
            let read: Body = serde_json::from_slice(&stored).expect("ours");
            prop_assert_eq!(&read, &body);
            prop_assert_eq!(read.file().expect("ours"), file);
        }
    }

    #[test]
    fn what_is_not_a_body_is_an_error() {
        assert!(serde_json::from_str::<Body>(r#""!""#).is_err());
        let damaged: Body = serde_json::from_str(r#""AAAA""#).expect("base64");
        assert!(damaged.file().is_err());
    }
}
