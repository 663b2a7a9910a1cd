//! From a request's head to a claim, and from a claim and the received bytes to a verdict.
//!
//! The head is judged first ([`check_claim`]), so that a request of another region, of another time or without the required
//! headers is refused before its body is read.

use std::{borrow::Cow, time::Duration};

use http::HeaderMap;
use narthex_model::TimestampMs;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    Authorization, AuthorizationError, SigningKey,
    canonical::canonical_headers,
    canonical_queries, canonical_uris,
    date::{amz_date, scope_date},
    parse_amz_date, parse_authorization, parse_http_date,
    presigned::{self, Presigned},
};

/// What is signed in place of the body's hash where the body is left open.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The parts of a request that a signature covers, as received.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as received, still encoded.
    pub path: &'a str,
    /// What a proxy in front may have taken off the beginning of the path, such as `/narthex`; empty where nothing is.
    pub prefix: &'a str,
    /// The query as sent, without the question mark.
    pub query: &'a str,
    /// The authority of the request target, where HTTP/2 carries the host.
    pub authority: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl SignedRequest<'_> {
    /// Whether it carries a signature at all, in a header or in the query.
    pub fn is_signed(&self) -> bool {
        self.headers.contains_key("authorization") || self.query.contains("X-Amz-")
    }
}

/// SHA-256 of the body.
pub type PayloadHash = [u8; 32];

/// What a request claims, checked as far as the head allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The signature's parts.
    pub authorization: Authorization<'a>,
    /// The token of temporary credentials, covered by the signature.
    pub session_token: Option<Cow<'a, str>>,
    /// The time of the signature, as it enters the string to sign.
    timestamp: String,
    payload: Payload,
}

/// What a signature says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// Its hash is signed.
    Signed,
    /// Its hash is signed, and declared.
    Declared(PayloadHash),
    /// Nothing: the signer of a URL left it open.
    Open,
    /// One of the two, as a URL need not tell.
    SignedOrOpen,
}

/// Why a request is not accepted as signed. The texts follow those of AWS where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Nothing is signed.
    #[error("Missing Authentication Token")]
    Unsigned,
    /// The header cannot be used.
    #[error("{0}")]
    Authorization(#[from] AuthorizationError),
    /// A way of signing that is not accepted.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A presigned URL whose parameters cannot be used.
    #[error("{0}")]
    Query(String),
    /// A header that must be signed is not.
    #[error("'{0}' must be among the SignedHeaders")]
    NotSigned(&'static str),
    /// A header that is signed is not there.
    #[error("the signed header '{0}' is not in the request; did a proxy remove it?")]
    Absent(String),
    /// No readable time.
    #[error("the request needs a signed X-Amz-Date header in the form yyyymmddThhmmssZ, or a Date header")]
    NoDate,
    /// The scope is of another day, region or service.
    #[error("{0}")]
    Scope(String),
    /// Too old or too new.
    #[error("{0}")]
    Skew(String),
    /// The declared hash is not that of the bytes received.
    #[error("X-Amz-Content-Sha256 is not the SHA-256 of the body that was received")]
    Payload,
    /// The signature is of another request or another secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method."
    )]
    Signature,
}

/// Judges the head: header or query, scope, time, required headers, declared hash.
pub fn check_claim<'a>(
    request: &SignedRequest<'a>,
    region: &str,
    service: &str,
    now: TimestampMs,
    max_skew: Duration,
) -> Result<Claim<'a>, Mismatch> {
    let header = only(request.headers, "authorization")?;
    let token = only(request.headers, "x-amz-security-token")?;
    let presigned = presigned::parse(request.query)?;
    let (authorization, at, session_token, payload) = match (header, presigned) {
        (None, None) => return Err(Mismatch::Unsigned),
        (Some(_), Some(_)) => {
            return Err(Mismatch::Query("sign either by Authorization header or by query, not both".into()));
        }
        (Some(header), None) => {
            let authorization = parse_authorization(header)?;
            let at = signing_time(request.headers, &authorization)?;
            let payload = declared_hash(request.headers)?.map_or(Payload::Signed, Payload::Declared);
            (authorization, at, token.map(Cow::Borrowed), payload)
        }
        (None, Some(Presigned { authorization, at, expires, session_token, payload })) => {
            if token.is_some() && session_token.is_some() {
                return Err(Mismatch::Query("X-Amz-Security-Token is in the query and in a header".into()));
            }
            let payload = match (only(request.headers, "x-amz-content-sha256")?, payload) {
                (None, payload) => payload,
                (Some(text), Payload::SignedOrOpen) => presigned::payload(text)?,
                (Some(_), _) => {
                    return Err(Mismatch::Query(
                        "X-Amz-Content-Sha256 is in the query and in a header".into(),
                    ));
                }
            };
            check_expiry(at, expires.unwrap_or(max_skew), now)?;
            (authorization, at, session_token.or(token.map(Cow::Borrowed)), payload)
        }
    };
    if !authorization.signs("host") {
        return Err(Mismatch::NotSigned("host"));
    }
    if token.is_some() && !authorization.signs("x-amz-security-token") {
        return Err(Mismatch::NotSigned("x-amz-security-token"));
    }
    let day = scope_date(at).ok_or(Mismatch::NoDate)?;
    check_scope(&authorization, &day, region, service)?;
    check_skew(at, now, max_skew, header.is_none())?;
    let timestamp = amz_date(at).ok_or(Mismatch::NoDate)?;
    Ok(Claim { authorization, session_token, timestamp, payload })
}

/// Judges the signature, given hash and length of the received body and the key that the claim names.
pub fn verify(
    claim: &Claim<'_>,
    request: &SignedRequest<'_>,
    payload: &PayloadHash,
    length: usize,
    key: &SigningKey,
) -> Result<(), Mismatch> {
    let hash = hex::encode(payload);
    let payloads: &[&str] = match claim.payload {
        Payload::Declared(declared) if declared != *payload => return Err(Mismatch::Payload),
        Payload::Declared(_) | Payload::Signed => &[hash.as_str()],
        Payload::Open => &[UNSIGNED],
        Payload::SignedOrOpen => &[hash.as_str(), UNSIGNED],
    };
    let Authorization { date, region, service, signed_headers, signature, .. } = &claim.authorization;
    let headers = canonical_headers(signed_headers, request.headers, request.authority, length)
        .map_err(Mismatch::Absent)?;
    let names = signed_headers.join(";");
    let timestamp = &claim.timestamp;
    let signed_query = presigned::without_signature(request.query);
    for path in paths(request) {
        for query in canonical_queries(&signed_query) {
            let mut hash = Sha256::new();
            for part in
                [request.method.as_bytes(), path.as_bytes(), query.as_bytes(), &headers, names.as_bytes()]
            {
                hash.update(part);
                hash.update(b"\n");
            }
            for payload in payloads {
                let request_hash = hex::encode(hash.clone().chain_update(payload).finalize());
                let text = format!(
                    "AWS4-HMAC-SHA256\n{timestamp}\n{date}/{region}/{service}/aws4_request\n{request_hash}"
                );
                if key.sign(text.as_bytes()).ct_eq(signature).into() {
                    return Ok(());
                }
            }
        }
    }
    Err(Mismatch::Signature)
}

/// Canonical forms of the path: with what a proxy may have taken off its beginning, then as received. A path that begins with
/// the prefix was not shortened: both readings of it would be one of two requests.
fn paths(request: &SignedRequest<'_>) -> Vec<String> {
    let SignedRequest { path, prefix, .. } = *request;
    let mut forms = match prefix {
        "" => Vec::new(),
        prefix if path.starts_with(prefix) => Vec::new(),
        prefix => canonical_uris(&format!("{prefix}{path}")),
    };
    forms.extend(canonical_uris(path));
    forms
}

/// The header's only value; a header that occurs twice could be read in two ways.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Mismatch::Unsupported(
            "authorization, x-amz-date, date, x-amz-content-sha256 and x-amz-security-token must be plain text, once",
        )),
    }
}

fn signing_time(headers: &HeaderMap, authorization: &Authorization<'_>) -> Result<TimestampMs, Mismatch> {
    if let Some(date) = only(headers, "x-amz-date")? {
        if !authorization.signs("x-amz-date") {
            return Err(Mismatch::NotSigned("x-amz-date"));
        }
        return parse_amz_date(date.trim()).ok_or(Mismatch::NoDate);
    }
    let date = only(headers, "date")?.ok_or(Mismatch::NoDate)?.trim();
    if !authorization.signs("date") {
        return Err(Mismatch::NotSigned("date"));
    }
    parse_http_date(date).or_else(|| parse_amz_date(date)).ok_or(Mismatch::NoDate)
}

fn check_scope(claim: &Authorization<'_>, day: &str, region: &str, service: &str) -> Result<(), Mismatch> {
    if claim.service != service {
        return Err(Mismatch::Scope(format!("Credential should be scoped to correct service: '{service}'.")));
    }
    if claim.region != region {
        return Err(Mismatch::Scope(format!("Credential should be scoped to a valid region: '{region}'.")));
    }
    if claim.date != day {
        let text = format!(
            "Date in Credential scope does not match the date of the request: {} is not {day}.",
            claim.date
        );
        return Err(Mismatch::Scope(text));
    }
    Ok(())
}

/// Neither too old nor of the future; of a URL its expiry tells whether it is too old.
fn check_skew(at: TimestampMs, now: TimestampMs, max_skew: Duration, expires: bool) -> Result<(), Mismatch> {
    let apart = u128::from(at.0.abs_diff(now.0));
    if apart <= max_skew.as_millis() || (expires && at.0 < now.0) {
        return Ok(());
    }
    let minutes = max_skew.as_secs() / 60;
    let (then, here) = (amz_date(at).unwrap_or_default(), amz_date(now).unwrap_or_default());
    Err(Mismatch::Skew(if at.0 < now.0 {
        format!(
            "Signature expired: {then} is now earlier than {here} - {minutes} min. Check the client's clock."
        )
    } else {
        format!(
            "Signature not yet current: {then} is still later than {here} + {minutes} min. Check the client's clock."
        )
    }))
}

/// A URL serves until its time is up, to the second and without allowance.
fn check_expiry(at: TimestampMs, expires: Duration, now: TimestampMs) -> Result<(), Mismatch> {
    let end = TimestampMs(at.0.saturating_add(i64::try_from(expires.as_millis()).unwrap_or(i64::MAX)));
    if now <= end {
        return Ok(());
    }
    let (end, here) = (amz_date(end).unwrap_or_default(), amz_date(now).unwrap_or_default());
    Err(Mismatch::Skew(format!("Signature expired: the URL was good until {end}, and it is {here} now.")))
}

fn declared_hash(headers: &HeaderMap) -> Result<Option<PayloadHash>, Mismatch> {
    let Some(text) = only(headers, "x-amz-content-sha256")? else { return Ok(None) };
    let text = text.trim();
    if text.starts_with(UNSIGNED) || text.starts_with("STREAMING-") {
        return Err(Mismatch::Unsupported(
            "the body must be signed: UNSIGNED-PAYLOAD and chunked signatures are not accepted",
        ));
    }
    hash_of(text).map(Some)
}

/// A hash in hex digits.
pub(super) fn hash_of(text: &str) -> Result<PayloadHash, Mismatch> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| Mismatch::Payload)?;
    Ok(hash)
}
