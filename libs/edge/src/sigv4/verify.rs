//! From a request's head to a claim, and from a claim and the received bytes to a verdict.
//!
//! The head is judged first ([`check_claim`]), so that a request of another region, of another time or without the required
//! headers is refused before its body is read.

use std::time::Duration;

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
};

/// The parts of a request that a signature covers, as received.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as sent, still encoded.
    pub path: &'a str,
    /// The query as sent, without the question mark.
    pub query: &'a str,
    /// The authority of the request target, where HTTP/2 carries the host.
    pub authority: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// SHA-256 of the body.
pub type PayloadHash = [u8; 32];

/// What a request claims, checked as far as the head allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The header's parts.
    pub authorization: Authorization<'a>,
    /// The time of the signature, as it enters the string to sign.
    timestamp: String,
    /// The body's hash that the client declares.
    declared: Option<PayloadHash>,
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
    #[error("x-amz-content-sha256 is not the SHA-256 of the body that was received")]
    Payload,
    /// The signature is of another request or another secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method."
    )]
    Signature,
}

/// Judges the head: header, scope, time, required headers, declared hash.
pub fn check_claim<'a>(
    request: &SignedRequest<'a>,
    region: &str,
    service: &str,
    now: TimestampMs,
    max_skew: Duration,
) -> Result<Claim<'a>, Mismatch> {
    let presigned = request.query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or("");
        name.eq_ignore_ascii_case("X-Amz-Signature") || name.eq_ignore_ascii_case("X-Amz-Algorithm")
    });
    if presigned {
        return Err(Mismatch::Unsupported(
            "presigned URLs are not accepted; sign with the Authorization header",
        ));
    }
    let header = only(request.headers, "authorization")?.ok_or(Mismatch::Unsigned)?;
    let authorization = parse_authorization(header)?;
    if request.headers.contains_key("x-amz-security-token") {
        return Err(Mismatch::Unsupported(
            "temporary credentials (x-amz-security-token) are not accepted; sign with a long-term access key",
        ));
    }
    if !authorization.signs("host") {
        return Err(Mismatch::NotSigned("host"));
    }
    let at = signing_time(request.headers, &authorization)?;
    let day = scope_date(at).ok_or(Mismatch::NoDate)?;
    check_scope(&authorization, &day, region, service)?;
    let timestamp = amz_date(at).ok_or(Mismatch::NoDate)?;
    check_skew(&timestamp, at, now, max_skew)?;
    let declared = declared_hash(request.headers)?;
    Ok(Claim { authorization, timestamp, declared })
}

/// Judges the signature, given the hash of the received body and the key that the claim names.
pub fn verify(
    claim: &Claim<'_>,
    request: &SignedRequest<'_>,
    payload: &PayloadHash,
    key: &SigningKey,
) -> Result<(), Mismatch> {
    if claim.declared.is_some_and(|declared| declared != *payload) {
        return Err(Mismatch::Payload);
    }
    let Authorization { date, region, service, signed_headers, signature, .. } = &claim.authorization;
    let headers =
        canonical_headers(signed_headers, request.headers, request.authority).map_err(Mismatch::Absent)?;
    let names = signed_headers.join(";");
    let payload = hex::encode(payload);
    for path in canonical_uris(request.path) {
        for query in canonical_queries(request.query) {
            let mut hash = Sha256::new();
            for part in
                [request.method.as_bytes(), path.as_bytes(), query.as_bytes(), &headers, names.as_bytes()]
            {
                hash.update(part);
                hash.update(b"\n");
            }
            hash.update(&payload);
            let request_hash = hex::encode(hash.finalize());
            let timestamp = &claim.timestamp;
            let text = format!(
                "AWS4-HMAC-SHA256\n{timestamp}\n{date}/{region}/{service}/aws4_request\n{request_hash}"
            );
            if key.sign(text.as_bytes()).ct_eq(signature).into() {
                return Ok(());
            }
        }
    }
    Err(Mismatch::Signature)
}

/// The header's only value; a header that occurs twice could be read in two ways.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Mismatch::Unsupported(
            "authorization, x-amz-date, date and x-amz-content-sha256 must be plain text, once",
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

fn check_skew(
    timestamp: &str,
    at: TimestampMs,
    now: TimestampMs,
    max_skew: Duration,
) -> Result<(), Mismatch> {
    let apart = at.0.abs_diff(now.0);
    if u128::from(apart) <= max_skew.as_millis() {
        return Ok(());
    }
    let minutes = max_skew.as_secs() / 60;
    let here = amz_date(now).unwrap_or_default();
    Err(Mismatch::Skew(if at.0 < now.0 {
        format!(
            "Signature expired: {timestamp} is now earlier than {here} - {minutes} min. Check the client's clock."
        )
    } else {
        format!(
            "Signature not yet current: {timestamp} is still later than {here} + {minutes} min. Check the client's clock."
        )
    }))
}

fn declared_hash(headers: &HeaderMap) -> Result<Option<PayloadHash>, Mismatch> {
    let Some(text) = only(headers, "x-amz-content-sha256")? else { return Ok(None) };
    let text = text.trim();
    if text.starts_with("UNSIGNED-PAYLOAD") || text.starts_with("STREAMING-") {
        return Err(Mismatch::Unsupported(
            "the body must be signed: UNSIGNED-PAYLOAD and chunked signatures are not accepted",
        ));
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| Mismatch::Payload)?;
    Ok(Some(hash))
}
