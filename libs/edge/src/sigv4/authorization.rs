//! The `Authorization` header: `AWS4-HMAC-SHA256 Credential=<key>/<yyyymmdd>/<region>/<service>/aws4_request,
//! SignedHeaders=<a;b>, Signature=<64 hex digits>`. Outside bytes: whatever arrives, the parser answers and never panics.
//! The same three parts come in the query of a presigned URL ([`super::presigned`]).

use std::borrow::Cow;

/// Most headers that one signature may cover.
const MAX_SIGNED_HEADERS: usize = 100;

/// Why a header is not a usable signature. The texts tell a client's author what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// Another scheme.
    #[error("Authorization must use AWS4-HMAC-SHA256; other schemes are not accepted")]
    Scheme,
    /// Something that is not one of the three parts.
    #[error(
        "Authorization has an unknown or repeated part; expected Credential, SignedHeaders and Signature once each"
    )]
    Part,
    /// A part is absent.
    #[error("Authorization requires '{0}' parameter")]
    Missing(&'static str),
    /// A malformed scope.
    #[error("Credential must be <access key id>/<yyyymmdd>/<region>/<service>/aws4_request")]
    Credential,
    /// A malformed list.
    #[error("SignedHeaders must be distinct lower-case header names separated by semicolons, 100 at most")]
    SignedHeaders,
    /// Not 64 hex digits.
    #[error("Signature must be 64 hexadecimal digits")]
    Signature,
}

/// The parts of a signature. Everything in it is the client's claim. Parts of a query may have to be decoded, hence [`Cow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who signs.
    pub access_key_id: Cow<'a, str>,
    /// Day of the signing key, `yyyymmdd`.
    pub date: Cow<'a, str>,
    /// Region of the signing key.
    pub region: Cow<'a, str>,
    /// Service of the signing key.
    pub service: Cow<'a, str>,
    /// The signed headers' names, in the client's order.
    pub signed_headers: Vec<Cow<'a, str>>,
    /// The signature.
    pub signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    /// Reads the three parts.
    pub(super) fn from_parts(
        credential: Cow<'a, str>,
        signed_headers: Cow<'a, str>,
        signature: &str,
    ) -> Result<Self, AuthorizationError> {
        let [access_key_id, date, region, service] = match credential {
            Cow::Borrowed(text) => parse_scope(text)?.map(Cow::Borrowed),
            Cow::Owned(text) => parse_scope(&text)?.map(|part| Cow::Owned(part.to_owned())),
        };
        let signed_headers = match signed_headers {
            Cow::Borrowed(text) => parse_names(text)?.into_iter().map(Cow::Borrowed).collect(),
            Cow::Owned(text) => {
                parse_names(&text)?.into_iter().map(|name| Cow::Owned(name.to_owned())).collect()
            }
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(signature, &mut bytes).map_err(|_| AuthorizationError::Signature)?;
        Ok(Self { access_key_id, date, region, service, signed_headers, signature: bytes })
    }

    /// Whether the signature covers the header of this lower-case name.
    pub fn signs(&self, name: &str) -> bool {
        self.signed_headers.iter().any(|signed| signed == name)
    }
}

/// Reads the header's value.
pub fn parse_authorization(header: &str) -> Result<Authorization<'_>, AuthorizationError> {
    let header = header.trim();
    let (scheme, parts) = header.split_once([' ', '\t']).unwrap_or((header, ""));
    if scheme != "AWS4-HMAC-SHA256" {
        return Err(AuthorizationError::Scheme);
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in parts.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(AuthorizationError::Part)?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(AuthorizationError::Part),
        };
        if slot.replace(value).is_some() {
            return Err(AuthorizationError::Part);
        }
    }
    Authorization::from_parts(
        credential.ok_or(AuthorizationError::Missing("Credential"))?.into(),
        signed_headers.ok_or(AuthorizationError::Missing("SignedHeaders"))?.into(),
        signature.ok_or(AuthorizationError::Missing("Signature"))?,
    )
}

fn parse_scope(text: &str) -> Result<[&str; 4], AuthorizationError> {
    let mut parts = text.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or(AuthorizationError::Credential);
    let (access_key_id, date, region, service, end) = (next()?, next()?, next()?, next()?, next()?);
    let well_formed =
        date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) && end == "aws4_request";
    if !well_formed || parts.next().is_some() {
        return Err(AuthorizationError::Credential);
    }
    Ok([access_key_id, date, region, service])
}

fn parse_names(text: &str) -> Result<Vec<&str>, AuthorizationError> {
    let mut names = Vec::new();
    for name in text.split(';') {
        let is_name = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b':';
        let valid = !name.is_empty() && name.bytes().all(is_name);
        if !valid || names.len() == MAX_SIGNED_HEADERS || names.contains(&name) {
            return Err(AuthorizationError::SignedHeaders);
        }
        names.push(name);
    }
    Ok(names)
}
