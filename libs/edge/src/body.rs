//! Reading a body whole: hashed while it arrives, bounded in size, and refused early where its length is declared.
//!
//! Memory grows with what has arrived, not with what is declared. A body in one piece is handed on without a copy.

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use crate::sigv4::PayloadHash;

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Larger than the limit; the size if it was declared.
    TooLarge(Option<u64>),
    /// The client went away or broke the protocol.
    Broken,
}

/// The body's length, as far as it is known before reading: none in a chunked body, or on HTTP/2 where it is not declared.
pub(crate) fn length(headers: &HeaderMap, body: Option<&Body>) -> Option<u64> {
    let declared = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    body.and_then(|body| body.size_hint().exact()).or_else(declared)
}

/// Reads at most `limit` bytes and their hash.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<(Bytes, PayloadHash), BodyError> {
    let mut hash = Sha256::new();
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            return Err(BodyError::TooLarge(None));
        }
        hash.update(&data);
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity((length * 2).min(limit));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
    }
    let bytes = rest.map_or(first, BytesMut::freeze);
    Ok((bytes, hash.finalize().into()))
}

/// Reads and forgets what is left of a refused request, so that the client, still sending, gets to read the reply.
pub(crate) async fn discard(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn in_pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn pieces_are_joined_hashed_and_bounded() {
        for pieces in [&["abcdef"][..], &["abc", "def"], &["", "a", "b", "cde", "f"]] {
            let (bytes, hash) = read(in_pieces(pieces), 6).await.expect("fits");
            assert_eq!(&bytes[..], b"abcdef");
            assert_eq!(hash, <PayloadHash>::from(Sha256::digest(b"abcdef")));
            assert_eq!(read(in_pieces(pieces), 5).await, Err(BodyError::TooLarge(None)));
        }
        assert_eq!(read(Body::empty(), 0).await.expect("empty").0, Bytes::new());
    }
}
