//! Pagination tokens: where the last page ended, sealed so that a client can neither read meaning into it nor change it.
//!
//! The seal also covers the account and the filter, so a token is good only for the listing it was made in.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use narthex_model::{AccountId, TimestampMs, WorkspaceId};
use sha2::Sha256;

const SEAL: usize = 16;
const PLACE: usize = 8 + 16;

/// What a token is bound to.
#[derive(Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) secret: &'a str,
    pub(crate) account: &'a AccountId,
    pub(crate) alias: Option<&'a str>,
}

/// Creation time and id of the last workspace of a page, which is also the order of the list.
pub(crate) type Place = (TimestampMs, WorkspaceId);

impl Listing<'_> {
    fn mac(&self, place: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length of key is good");
        mac.update(b"ListWorkspaces\0");
        mac.update(self.account.as_str().as_bytes());
        mac.update(&[u8::from(self.alias.is_some())]);
        mac.update(self.alias.unwrap_or_default().as_bytes());
        mac.update(&[0]);
        mac.update(place);
        mac
    }

    /// The token after `place`.
    pub(crate) fn seal(&self, (at, id): Place) -> String {
        let mut bytes = Vec::with_capacity(SEAL + PLACE);
        bytes.extend_from_slice(&at.0.to_be_bytes());
        bytes.extend_from_slice(&id.to_bytes());
        let seal = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&seal[..SEAL]);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of a token that this listing gave out, `None` for any other.
    pub(crate) fn open(&self, token: &str) -> Option<Place> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == SEAL + PLACE)?;
        let (place, seal) = bytes.split_at(PLACE);
        self.mac(place).verify_truncated_left(seal).ok()?;
        let (at, id) = place.split_at(8);
        let at = i64::from_be_bytes(at.try_into().ok()?);
        Some((TimestampMs(at), WorkspaceId::from_slice(id).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_opens_only_as_it_was_sealed(at: i64, id: u128, at_bit in 0usize..(SEAL + PLACE) * 8, junk: String) {
            let account = "123456789012".parse().expect("12 digits");
            let listing = Listing { secret: "s", account: &account, alias: Some("a") };
            let place = (TimestampMs(at), WorkspaceId::from_u128(id));
            let token = listing.seal(place);
            prop_assert_eq!(listing.open(&token), Some(place));
            prop_assert_eq!(listing.open(&junk), None);
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).expect("ours");
            bytes[at_bit / 8] ^= 1 << (at_bit % 8);
            prop_assert_eq!(listing.open(&BASE64_URL_SAFE_NO_PAD.encode(bytes)), None);
            let other = "210987654321".parse().expect("12 digits");
            for foreign in [
                Listing { secret: "t", ..listing },
                Listing { account: &other, ..listing },
                Listing { alias: None, ..listing },
                Listing { alias: Some("b"), ..listing },
            ] {
                prop_assert_eq!(foreign.open(&token), None);
            }
        }
    }
}
