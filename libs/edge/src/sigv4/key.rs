//! Signing keys: four HMACs from the secret, the day, the region and the service. They change once a day, so they are kept.

use std::{collections::HashMap, fmt};

use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

/// Most keys kept; reached only with thousands of active access keys.
const MAX_KEPT: usize = 8192;

/// The key that signs requests of one access key on one day, in one region, for one service.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key; `date` is `yyyymmdd`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let start = [b"AWS4", secret.as_bytes()].concat();
        let day = hmac(&start, date.as_bytes());
        let regional = hmac(&day, region.as_bytes());
        let of_service = hmac(&regional, service.as_bytes());
        Self(hmac(&of_service, b"aws4_request"))
    }

    /// The signature of `text`.
    pub fn sign(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Keys already derived for one region and service. An entry holds for one secret, so a changed secret is never served the
/// old key.
pub struct SigningKeys {
    region: String,
    service: String,
    kept: Mutex<HashMap<(String, String), (String, SigningKey)>>,
}

impl SigningKeys {
    /// Nothing derived yet.
    pub fn new(region: impl Into<String>, service: impl Into<String>) -> Self {
        Self { region: region.into(), service: service.into(), kept: Mutex::default() }
    }

    /// The region of the keys.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service of the keys.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The key of `access_key_id`, whose secret is `secret`, on `date`. Ask only for known access keys.
    pub fn get(&self, access_key_id: &str, secret: &str, date: &str) -> SigningKey {
        let name = (access_key_id.to_owned(), date.to_owned());
        if let Some((of, key)) = self.kept.lock().get(&name)
            && of == secret
        {
            return key.clone();
        }
        let key = SigningKey::derive(secret, date, &self.region, &self.service);
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.retain(|(_, kept_date), _| kept_date == date);
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(name, (secret.to_owned(), key.clone()));
        key
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
