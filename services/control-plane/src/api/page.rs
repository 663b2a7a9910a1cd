//! Pages of lists, and the tokens between them: where the last page ended, sealed so that a client can neither read meaning into
//! one nor change it.
//!
//! The seal also covers operation, account and filters, so a token is good only for the listing it was made in. A list may
//! change between pages: what stays in it is told exactly once (API-C-21).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use narthex_amp::Page;
use narthex_edge::AwsError;
use narthex_model::{AccountId, TimestampMs};
use sha2::Sha256;

const SEAL: usize = 16;

/// What a token is bound to.
#[derive(Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) secret: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) account: &'a AccountId,
    /// Everything that chooses items, in one form.
    pub(crate) filters: &'a str,
}

/// Where an item stands in the order of its list: bytes that sort like it. No two items have the same.
pub(crate) type Place = Vec<u8>;

/// A place in order of creation.
pub(crate) fn created(at: TimestampMs, id: &[u8]) -> Place {
    let mut place = at.0.max(0).to_be_bytes().to_vec();
    place.extend_from_slice(id);
    place
}

impl Listing<'_> {
    fn mac(&self, place: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length of key is good");
        for part in [self.operation, self.account.as_str(), self.filters] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(place);
        mac
    }

    /// The token after `place`.
    fn seal(&self, place: &[u8]) -> String {
        let seal = self.mac(place).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([place, &seal[..SEAL]].concat())
    }

    /// The place of a token that this listing gave out, `None` for any other.
    fn open(&self, token: &str) -> Option<Place> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let seal = bytes.split_off(bytes.len().checked_sub(SEAL)?);
        self.mac(&bytes).verify_truncated_left(&seal).ok()?;
        Some(bytes)
    }

    /// The items of a page, and the token of the next if there is one.
    pub(crate) fn page<T>(
        &self,
        asked: &Page,
        mut items: Vec<(Place, T)>,
    ) -> Result<(Vec<T>, Option<String>), AwsError> {
        items.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let start = match asked.token() {
            None => 0,
            Some(token) => {
                let after = self.open(token).ok_or_else(|| {
                    AwsError::field("nextToken", "is not a token of this listing; begin again without it")
                })?;
                items.partition_point(|(place, _)| *place <= after)
            }
        };
        let end = items.len().min(start + asked.size());
        let next = (end < items.len() && end > start).then(|| self.seal(&items[end - 1].0));
        Ok((items.drain(start..end).map(|(_, item)| item).collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_opens_only_as_it_was_sealed(place: Vec<u8>, bit: prop::sample::Index, junk: String) {
            let account = "123456789012".parse().expect("12 digits");
            let listing = Listing { secret: "s", operation: "ListScrapers", account: &account, filters: "a" };
            let token = listing.seal(&place);
            prop_assert_eq!(listing.open(&token), Some(place));
            prop_assert_eq!(listing.open(&junk), None);
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).expect("ours");
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(listing.open(&BASE64_URL_SAFE_NO_PAD.encode(bytes)), None);
            let other = "210987654321".parse().expect("12 digits");
            for foreign in [
                Listing { secret: "t", ..listing },
                Listing { operation: "ListWorkspaces", ..listing },
                Listing { account: &other, ..listing },
                Listing { filters: "", ..listing },
                Listing { filters: "b", ..listing },
            ] {
                prop_assert_eq!(foreign.open(&token), None);
            }
        }

        #[test]
        fn pages_tell_every_item_once(mut numbers in prop::collection::hash_set(0u16..500, 0..60), size in 1u16..20) {
            let account = "123456789012".parse().expect("12 digits");
            let listing = Listing { secret: "s", operation: "L", account: &account, filters: "" };
            let items = || numbers.iter().map(|number| (number.to_be_bytes().to_vec(), *number)).collect();
            let mut told = Vec::new();
            let mut token = None::<String>;
            loop {
                let page = serde_json::json!({ "maxResults": size, "nextToken": token });
                let page: Page = serde_json::from_value(page).expect("a page");
                let (items, next) = listing.page(&page, items()).expect("our token");
                told.extend(items);
                prop_assert!(next.is_none() || next != token);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            prop_assert!(told.is_sorted());
            for number in told {
                prop_assert!(numbers.remove(&number));
            }
            prop_assert!(numbers.is_empty());
        }
    }
}
