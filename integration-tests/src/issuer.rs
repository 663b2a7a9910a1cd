//! An identity provider of a test's own: OpenID Connect Discovery 1.0 over HTTP or HTTPS, and tokens as a Kubernetes API
//! server signs them for service accounts.
//!
//! The first key is RSA, as that of most clusters; later ones are of the curve P-256.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, anyhow};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::http_server::{Answer, HttpServer};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";
/// As long as Kubernetes gives a projected token by default, in seconds.
const TOKEN_LIFE: i64 = 3_600;

/// A running issuer; it ends when it is dropped.
#[derive(Debug)]
pub struct Issuer {
    /// What stands in tokens as their issuer.
    pub url: String,
    /// The certificate (PEM) of an issuer over HTTPS.
    pub certificate: Option<String>,
    state: Arc<State>,
    _server: HttpServer,
}

#[derive(Debug)]
struct State {
    /// Filled once the address is known.
    url: Mutex<String>,
    key: Mutex<Arc<Key>>,
    asked: Mutex<BTreeMap<String, u64>>,
}

/// A key pair.
struct Key {
    id: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    public: Value,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer over HTTP, which Narthex accepts on loopback alone.
    pub async fn start() -> Result<Self> {
        Self::start_with("http", None, None).await
    }

    /// An issuer over HTTPS, with a certificate that nobody knows yet.
    pub async fn start_tls() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(|error| anyhow!("{error}"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Self::start_with("https", Some(Arc::new(config).into()), Some(made.cert.pem())).await
    }

    async fn start_with(scheme: &str, tls: Option<TlsAcceptor>, certificate: Option<String>) -> Result<Self> {
        let state = Arc::new(State {
            url: Mutex::default(),
            key: Mutex::new(Arc::new(Key::rsa()?)),
            asked: Mutex::default(),
        });
        let answering = state.clone();
        let answer = move |request: Request<Bytes>| -> Answer {
            let answer = answering.answer(request.uri().path());
            Box::pin(std::future::ready(answer))
        };
        let server = HttpServer::start_with(tls, answer).await?;
        let url = format!("{scheme}://{}", server.address);
        url.clone_into(&mut lock(&state.url));
        Ok(Self { url, certificate, state, _server: server })
    }

    /// The ARN that trust policies name, and the prefix of its condition keys.
    pub fn arn(&self, account: &str) -> (String, &str) {
        let host = self.url.split_once("://").map_or(self.url.as_str(), |(_, host)| host);
        (format!("arn:aws:iam::{account}:oidc-provider/{host}"), host)
    }

    /// Signs with a new key from now on, and vouches for that alone. The keys before it are gone.
    pub fn rotate(&self) -> Result<()> {
        *lock(&self.state.key) = Arc::new(Key::p256()?);
        Ok(())
    }

    /// How often the keys were fetched.
    pub fn fetches(&self) -> u64 {
        lock(&self.state.asked).get(KEYS).copied().unwrap_or_default()
    }

    /// The claims of a service account's token at `now` (seconds).
    pub fn claims(&self, namespace: &str, account: &str, now: i64) -> Value {
        json!({
            "aud": ["sts.amazonaws.com"], "exp": now + TOKEN_LIFE, "iat": now, "nbf": now, "iss": self.url,
            "jti": "5f0d2a9c-0a8e-4a3f-9f0e-4c2f2d9f8f10",
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node-1", "uid": "0f6a7c51-3f8f-4f6e-9c5e-52d0f4b7a001"},
                "pod": {"name": format!("{account}-0"), "uid": "0f6a7c51-3f8f-4f6e-9c5e-52d0f4b7a002"},
                "serviceaccount": {"name": account, "uid": "0f6a7c51-3f8f-4f6e-9c5e-52d0f4b7a003"},
            },
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
        })
    }

    /// Signs claims with the newest key.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(claims, None)
    }

    /// As [`Self::sign`], with another name of the key in the token's head.
    pub fn sign_as(&self, claims: &Value, key_id: Option<&str>) -> Result<String> {
        let key = lock(&self.state.key).clone();
        let id = key_id.unwrap_or(&key.id).to_owned();
        let header = Header { kid: Some(id), ..Header::new(key.algorithm) };
        jsonwebtoken::encode(&header, claims, &key.signing).context("a token")
    }
}

impl State {
    fn answer(&self, path: &str) -> Result<Response<Bytes>> {
        *lock(&self.asked).entry(path.to_owned()).or_default() += 1;
        let url = lock(&self.url).clone();
        let body = match path {
            DISCOVERY => json!({
                "issuer": url, "jwks_uri": format!("{url}{KEYS}"), "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            }),
            KEYS => json!({"keys": [lock(&self.key).public]}),
            _ => return Ok(Response::builder().status(StatusCode::NOT_FOUND).body(Bytes::new())?),
        };
        let reply = Response::builder().header("content-type", "application/json");
        Ok(reply.body(Bytes::from(body.to_string()))?)
    }
}

impl Key {
    /// The RSA key of all tests.
    fn rsa() -> Result<Self> {
        let stored: Value = serde_json::from_str(include_str!("issuer/rs256.json"))?;
        let der = BASE64.decode(stored["pkcs1"].as_str().context("the key")?)?;
        let id = "rsa".to_owned();
        let public = json!({
            "use": "sig", "kty": "RSA", "kid": id, "alg": "RS256", "n": stored["n"], "e": stored["e"],
        });
        Ok(Self { id, algorithm: Algorithm::RS256, signing: EncodingKey::from_rsa_der(&der), public })
    }

    /// A new key.
    fn p256() -> Result<Self> {
        let random = SystemRandom::new();
        let refused = |error: &dyn fmt::Display| anyhow!("a P-256 key: {error}");
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|error| refused(&error))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random)
            .map_err(|error| refused(&error))?;
        // 4, then both coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
        let id = x[..12].to_owned();
        let public = json!({
            "use": "sig", "kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "x": x, "y": y,
        });
        let signing = EncodingKey::from_ec_der(der.as_ref());
        Ok(Self { id, algorithm: Algorithm::ES256, signing, public })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
