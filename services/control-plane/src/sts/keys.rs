//! Keys of identity providers: of a set that the operator gave, or fetched from the issuer as OpenID Connect Discovery 1.0 says.
//!
//! Fetched sets are kept. A token with a key that is not among them, as after a rotation, has them fetched again, but not more often
//! than every [`PAUSE`], so that tokens with made-up keys cause no flood. While an issuer cannot be reached its last keys hold for a day.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jsonwebtoken::jwk::JwkSet;
use narthex_model::TimestampMs;
use reqwest::{Certificate, Client, redirect};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::identity::ProviderRecord;

const PAUSE: Duration = Duration::from_secs(10);
const FRESH: Duration = Duration::from_secs(3_600);
const STALE: Duration = Duration::from_secs(86_400);
const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 << 10;

/// Reads a JSON Web Key Set.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn key_set(text: &str) -> Result<JwkSet, String> {
    let set: JwkSet =
        serde_json::from_str(text).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
    if set.keys.is_empty() { Err("is a JSON Web Key Set without keys".to_owned()) } else { Ok(set) }
}

/// Reads certificates.
///
/// # Errors
/// Says what is wrong with them.
pub(crate) fn certificates(pem: &str) -> Result<Vec<Certificate>, String> {
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(found) if found.is_empty() => Err("holds no certificate".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("holds no PEM certificates: {error}")),
    }
}

#[derive(Clone)]
struct Fetched {
    keys: Option<Arc<JwkSet>>,
    /// When they came.
    at: TimestampMs,
    /// When the issuer was last asked.
    asked: TimestampMs,
}

/// Keys of all issuers that were asked for. One issuer is asked once at a time.
#[derive(Default)]
pub(super) struct Keys {
    issuers: parking_lot::Mutex<HashMap<String, Arc<Mutex<Option<Fetched>>>>>,
}

impl Keys {
    /// The provider's keys; fetched anew if `key` is not among those that are known.
    ///
    /// # Errors
    /// The issuer cannot be reached, or what it says makes no sense; for people.
    pub(super) async fn of(
        &self,
        provider: &ProviderRecord,
        key: Option<&str>,
        now: TimestampMs,
    ) -> Result<Arc<JwkSet>, String> {
        if let Some(text) = &provider.keys {
            return key_set(text).map(Arc::new);
        }
        let place = Arc::clone(self.issuers.lock().entry(provider.url.clone()).or_default());
        let mut place = place.lock().await;
        let age =
            |since: TimestampMs| Duration::from_millis(now.0.saturating_sub(since.0).max(0).unsigned_abs());
        if let Some(Fetched { keys, at, asked }) = &*place {
            let has_key = |keys: &JwkSet| key.is_none_or(|key| keys.find(key).is_some());
            match keys {
                Some(keys) if has_key(keys) && age(*at) < FRESH => return Ok(Arc::clone(keys)),
                _ if age(*asked) >= PAUSE => {}
                Some(keys) if age(*at) < STALE => return Ok(Arc::clone(keys)),
                _ => return Err(format!("{} could not be reached a moment ago", provider.url)),
            }
        }
        // The old ones stay in their place: a client that goes away while the issuer is asked takes nothing with it.
        let old = place.clone();
        match fetch(provider).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                *place = Some(Fetched { keys: Some(Arc::clone(&keys)), at: now, asked: now });
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(
                    issuer = provider.url,
                    error,
                    "the keys of an identity provider cannot be fetched"
                );
                let kept = old.filter(|old| age(old.at) < STALE);
                let keys = kept.as_ref().and_then(|old| old.keys.clone());
                let at = kept.map_or(now, |old| old.at);
                *place = Some(Fetched { keys: keys.clone(), at, asked: now });
                keys.ok_or(error)
            }
        }
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

async fn fetch(provider: &ProviderRecord) -> Result<JwkSet, String> {
    // An Err means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none());
    if let Some(pem) = &provider.certificates {
        builder = certificates(pem)?.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    }
    let client = builder.build().map_err(|error| format!("no HTTP client: {error}"))?;
    let base = provider.url.trim_end_matches('/');
    let discovery = get(&client, &format!("{base}/.well-known/openid-configuration")).await?;
    let discovery: Discovery = serde_json::from_slice(&discovery)
        .map_err(|error| format!("{base} has a malformed openid-configuration: {error}"))?;
    if discovery.issuer.trim_end_matches('/') != base {
        return Err(format!("{base} says that it is the issuer {}", discovery.issuer));
    }
    // A provider over https must not send us to keys that anyone on the way could change.
    if base.starts_with("https://") && !discovery.jwks_uri.starts_with("https://") {
        return Err(format!("{base} names keys without https: {}", discovery.jwks_uri));
    }
    let keys = get(&client, &discovery.jwks_uri).await?;
    let keys = std::str::from_utf8(&keys).map_err(|_| format!("{} is no text", discovery.jwks_uri))?;
    key_set(keys).map_err(|error| format!("{} {error}", discovery.jwks_uri))
}

async fn get(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| format!("cannot get {url}: {error}");
    let mut response = client.get(url).send().await.map_err(failed)?.error_for_status().map_err(failed)?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        if body.len() + part.len() > LARGEST {
            return Err(format!("{url} is larger than {LARGEST} bytes"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

#[cfg(test)]
#[path = "keys_test.rs"]
mod tests;
