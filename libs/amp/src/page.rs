//! Pagination tokens (api-control-plane.md section 4): where the last page of a list ended, sealed so that a client can neither
//! read meaning into it nor change it.
//!
//! The seal also covers the account, the operation and everything that chooses what is listed, so a token is good only for the
//! listing it was made in; the size of the page may change from one to the next. Tokens hold no time and do not expire: whoever
//! keeps the order of a list stable may be asked to go on at any time.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use narthex_model::AccountId;
use serde_json::Value;
use sha2::Sha256;

use crate::Request;

const SEAL: usize = 16;

/// Longest place that a token can hold: 1000 characters of base64 less the seal.
pub const LONGEST_PLACE: usize = 1000 / 4 * 3 - SEAL;

/// A list as one client asks for it, from its first page to its last.
#[derive(Clone, Debug)]
pub struct Listing {
    mac: Hmac<Sha256>,
}

impl Listing {
    /// The listing that `request` asks a page of. `secret` is the same at all nodes, and known to no client.
    pub fn new(secret: &[u8], account: &AccountId, request: &Request) -> Self {
        let mut filter = request.parameters();
        if let Value::Object(members) = &mut filter {
            members.retain(|name, _| name != "nextToken" && name != "maxResults");
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length of key is good");
        for part in [request.operation().name(), account.as_str(), &filter.to_string()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Self { mac }
    }

    /// The token that goes on behind `place`, which is the key of the page's last item in the order of the list. `None` if the
    /// place is longer than [`LONGEST_PLACE`].
    pub fn seal(&self, place: &[u8]) -> Option<String> {
        let seal = self.mac.clone().chain_update(place).finalize().into_bytes();
        let token = || BASE64_URL_SAFE_NO_PAD.encode([&seal[..SEAL], place].concat());
        (place.len() <= LONGEST_PLACE).then(token)
    }

    /// The place of a token that this listing gave out, `None` for any other.
    pub fn open(&self, token: &str) -> Option<Vec<u8>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (seal, place) = bytes.split_at_checked(SEAL)?;
        self.mac.clone().chain_update(place).verify_truncated_left(seal).ok()?;
        Some(place.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{parse, route};

    fn listing(secret: &str, account: &str, target: &str) -> Listing {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let route = route("GET", path).expect("routed");
        let request = parse(&route, query, b"").expect("valid");
        Listing::new(secret.as_bytes(), &account.parse().expect("12 digits"), &request)
    }

    proptest! {
        #[test]
        fn a_token_opens_only_as_it_was_sealed(place in vec(any::<u8>(), 0..=LONGEST_PLACE), bit: usize, junk: String) {
            let (account, target) = ("123456789012", "/scrapers?alias=a&status=ACTIVE");
            let ours = listing("s", account, target);
            let token = ours.seal(&place).expect("short enough");
            prop_assert!(token.len() <= 1000);
            prop_assert_eq!(ours.open(&token), Some(place));
            prop_assert_eq!(ours.open(&junk), None);
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).expect("ours");
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(ours.open(&BASE64_URL_SAFE_NO_PAD.encode(bytes)), None);
            for foreign in [
                listing("t", account, target),
                listing("s", "210987654321", target),
                listing("s", account, "/scrapers?alias=a"),
                listing("s", account, "/scrapers?alias=a&status=CREATING"),
                listing("s", account, "/workspaces?alias=a"),
            ] {
                prop_assert_eq!(foreign.open(&token), None);
            }
        }
    }

    #[test]
    fn pages_may_change_their_size() {
        let account = "123456789012";
        let token = listing("s", account, "/workspaces?maxResults=5").seal(b"here").expect("short");
        let next = listing("s", account, &format!("/workspaces?maxResults=9&nextToken={token}"));
        assert_eq!(next.open(&token).as_deref(), Some(&b"here"[..]));
    }

    #[test]
    fn what_would_not_fit_is_not_sealed() {
        let listing = listing("s", "123456789012", "/workspaces");
        assert_eq!(listing.seal(&[0; LONGEST_PLACE]).expect("fits").len(), 1000);
        assert_eq!(listing.seal(&[0; LONGEST_PLACE + 1]), None);
    }

    #[test]
    fn the_same_name_elsewhere_is_another_listing() {
        let account = "123456789012";
        let one = listing("s", account, "/workspaces/ws-1/rulegroupsnamespaces?name=a");
        let token = one.seal(b"a1").expect("short");
        for target in
            ["ws-2/rulegroupsnamespaces?name=a", "ws-1/rulegroupsnamespaces", "ws-1/anomalydetectors"]
        {
            assert_eq!(
                listing("s", account, &format!("/workspaces/{target}")).open(&token),
                None,
                "{target}"
            );
        }
    }
}
