//! Session tokens: temporary credentials, sealed so that any edge can open them and nobody else can read or change them (SEC-7).
//!
//! A token is `base64(1 | key number | nonce | AES-256-GCM(session as JSON))`; version and key number are authenticated as well. The
//! control plane makes keys and hands them to every service, so that no edge asks anyone about a session, and a session needs no
//! place in the state. What its role may do is looked up at each request, so that a change of the role counts at once.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use narthex_cluster::SessionKey;
use narthex_model::{AccountId, TimestampMs};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 4;

/// Longest token: together with all else it has to fit into a request's head.
pub const LONGEST_TOKEN: usize = 8_192;

/// Temporary credentials of a role. The secret never shows in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `ASIA...`; signatures name it.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: String,
    /// Account of the role.
    pub account: AccountId,
    /// ARN of the role.
    pub role: String,
    /// Unique id of the role: a role that was deleted and made anew is another one.
    pub role_id: String,
    /// Name of the session.
    pub name: String,
    /// When it was issued.
    pub issued_at: TimestampMs,
    /// Until when it works.
    pub expires_at: TimestampMs,
    /// Documents of the policies that were passed; `None` if none was.
    pub policies: Option<Vec<String>>,
    /// Tags of the session, over those of the role.
    pub tags: BTreeMap<String, String>,
    /// `sts:SourceIdentity`.
    pub source_identity: Option<String>,
    /// Identity provider that vouched for the caller.
    pub provider: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("role", &self.role).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Session {
    /// `arn:aws:sts::<account>:assumed-role/<role without path>/<session>` (security.md 3.2).
    pub fn arn(&self) -> String {
        let role = self.role.rsplit('/').next().unwrap_or_default();
        format!("arn:aws:sts::{}:assumed-role/{role}/{}", self.account, self.name)
    }

    /// The token. The nonce must be random and never used with the key again.
    ///
    /// # Errors
    /// With policies and tags it would be longer than [`LONGEST_TOKEN`]; says how long.
    pub fn seal(&self, key: &SessionKey, nonce: [u8; NONCE_LEN]) -> Result<String, usize> {
        let mut token = vec![VERSION];
        token.extend(key.id.to_be_bytes());
        let aad = Aad::from(token.clone());
        token.extend(nonce);
        let mut sealed = serde_json::to_vec(self).expect("plain data with text keys always serialises");
        aead(key)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("far below the longest text of the cipher");
        token.extend(sealed);
        let token = BASE64_STANDARD.encode(token);
        if token.len() > LONGEST_TOKEN { Err(token.len()) } else { Ok(token) }
    }

    /// The session of a token that one of the keys sealed, whether it is over or not, and the number of the key; `None` for any
    /// other text.
    pub fn open(token: &str, keys: &[SessionKey]) -> Option<(Self, u32)> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let mut bytes = BASE64_STANDARD.decode(token).ok()?;
        let (head, rest) = bytes.split_at_mut_checked(HEAD)?;
        let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN)?;
        let id = u32::from_be_bytes(head[1..].try_into().ok()?);
        let key = keys.iter().find(|key| key.id == id).filter(|_| head[0] == VERSION)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = aead(key).open_in_place(nonce, Aad::from(&*head), sealed).ok()?;
        Some((serde_json::from_slice(opened).ok()?, id))
    }
}

fn aead(key: &SessionKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key.secret).expect("32 bytes are the key's length"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: u32, secret: u8) -> SessionKey {
        SessionKey { id, secret: [secret; 32] }
    }

    fn session() -> Session {
        Session {
            access_key_id: "ASIA".into(),
            secret_access_key: "hidden".into(),
            account: "123456789012".parse().expect("12 digits"),
            role: "arn:aws:iam::123456789012:role/team/writer".into(),
            role_id: "AROA".into(),
            name: "s".into(),
            issued_at: TimestampMs(1),
            expires_at: TimestampMs(2),
            policies: Some(vec!["{}".into()]),
            tags: [("a".to_owned(), "b".to_owned())].into(),
            source_identity: None,
            provider: None,
        }
    }

    proptest! {
        #[test]
        fn a_token_opens_only_as_it_was_sealed(nonce: [u8; NONCE_LEN], bit in 0usize..2_000, junk: String) {
            let token = session().seal(&key(7, 1), nonce).expect("short");
            let keys = [key(6, 2), key(7, 1)];
            prop_assert_eq!(Session::open(&token, &keys), Some((session(), 7)));
            prop_assert_eq!(Session::open(&token, &[key(6, 1), key(7, 2)]), None, "other keys");
            prop_assert_eq!(Session::open(&junk, &keys), None);
            let mut bytes = BASE64_STANDARD.decode(&token).expect("ours");
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Session::open(&BASE64_STANDARD.encode(&bytes), &keys), None, "bit {} changed", bit);
            bytes.truncate(bit / 8);
            prop_assert_eq!(Session::open(&BASE64_STANDARD.encode(bytes), &keys), None);
        }
    }

    #[test]
    fn a_session_that_is_too_large_is_refused() {
        let large = Session { policies: Some(vec!["x".repeat(10_000)]), ..session() };
        assert!(large.seal(&key(1, 1), [0; NONCE_LEN]).is_err_and(|length| length > LONGEST_TOKEN));
    }

    #[test]
    fn names_are_those_of_sts() {
        assert_eq!(session().arn(), "arn:aws:sts::123456789012:assumed-role/writer/s");
        assert!(!format!("{:?}", session()).contains("hidden"));
    }
}
