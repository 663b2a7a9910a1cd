//! Tokens of identity providers: JSON Web Tokens (RFC 7519) with signatures that only the issuer can make.

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    jwk::{Jwk, JwkSet},
};
use narthex_edge::QueryError;
use narthex_model::TimestampMs;
use serde::Deserialize;

/// Longest token (AWS STS API Reference, AssumeRoleWithWebIdentity).
const LONGEST: usize = 20_000;

/// How far the issuer's clock may be ahead.
const LEEWAY_S: i64 = 300;

/// Signatures that are made with a key which the verifier does not know: a shared secret proves nothing here.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::EdDSA,
];

/// Claims that matter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: Audience,
    pub(super) exp: i64,
    #[serde(default)]
    pub(super) nbf: Option<i64>,
    #[serde(default)]
    pub(super) iat: Option<i64>,
    #[serde(default)]
    pub(super) azp: Option<String>,
    #[serde(default)]
    pub(super) amr: Option<Vec<String>>,
}

/// One audience or several.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

/// A refusal in STS's words.
pub(super) fn invalid(text: impl Into<String>) -> QueryError {
    QueryError::sender("InvalidIdentityToken", text)
}

/// A token that claims something; nothing of it is proven.
pub(super) struct Unproven<'a> {
    text: &'a str,
    header: Header,
    /// Who is said to have issued it.
    pub(super) issuer: String,
}

impl<'a> Unproven<'a> {
    /// Reads head and claims.
    pub(super) fn read(text: &'a str) -> Result<Self, QueryError> {
        if text.len() > LONGEST {
            return Err(invalid(format!("The token is longer than {LONGEST} characters")));
        }
        let malformed = |_| invalid("The ID Token provided is not a valid JWT.");
        let header = jsonwebtoken::decode_header(text).map_err(malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid(format!("The token is signed with {:?}, which is not accepted", header.alg)));
        }
        let mut validation = Validation::new(header.alg);
        validation.insecure_disable_signature_validation();
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let key = DecodingKey::from_secret(&[]);
        let claims = jsonwebtoken::decode::<Claims>(text, &key, &validation).map_err(malformed)?.claims;
        Ok(Self { text, header, issuer: claims.iss })
    }

    /// Number of the key that is said to have signed.
    pub(super) fn key(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The claims, once the signature and the times hold.
    pub(super) fn prove(&self, keys: &JwkSet, now: TimestampMs) -> Result<Claims, QueryError> {
        let fits = |key: &&Jwk| match self.key() {
            Some(id) => key.common.key_id.as_deref() == Some(id),
            None => true,
        };
        let mut validation = Validation::new(self.header.alg);
        validation.required_spec_claims.clear();
        // The times are checked below, by the clock that is handed in.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let proven = keys.keys.iter().filter(fits).find_map(|key| {
            let key = DecodingKey::from_jwk(key).ok()?;
            jsonwebtoken::decode::<Claims>(self.text, &key, &validation).ok()
        });
        let claims =
            proven.ok_or_else(|| invalid("Couldn't verify signature with provider's public keys"))?.claims;
        let seconds = now.0.div_euclid(1_000);
        if claims.exp <= seconds {
            return Err(QueryError::sender(
                "ExpiredTokenException",
                "Token expired: the web identity token is over",
            ));
        }
        let early = |at: Option<i64>| at.is_some_and(|at| at > seconds.saturating_add(LEEWAY_S));
        if early(claims.nbf) || early(claims.iat) {
            return Err(invalid("The token is not valid yet; do the clocks differ?"));
        }
        Ok(claims)
    }
}
