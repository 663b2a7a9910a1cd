//! Signatures in the query, as presigned URLs carry them: `X-Amz-Algorithm`, `X-Amz-Credential`, `X-Amz-Date`,
//! `X-Amz-Expires`, `X-Amz-SignedHeaders`, `X-Amz-Signature`, and perhaps `X-Amz-Security-Token` and `X-Amz-Content-Sha256`.
//!
//! The signature covers the whole query but itself. Of the body it covers the hash, as SDKs do for services other than S3 (the
//! hash of nothing where there is no body), or nothing, where the signer wrote `UNSIGNED-PAYLOAD`: whoever holds such a URL may
//! send any body with it. In a header `UNSIGNED-PAYLOAD` is refused, as there the signer is the sender.
//!
//! A URL without `X-Amz-Expires` is good as long as a signature in a header is. Names are compared as spelled: in another case
//! they are parameters like any other. Texts follow those of AWS where it has one.

use std::{borrow::Cow, time::Duration};

use narthex_model::TimestampMs;
use percent_encoding::percent_decode_str;

use super::{
    Authorization, Mismatch, parse_amz_date,
    verify::{Payload, hash_of},
};

/// A week.
const MAX_EXPIRES: u64 = 604_800;

/// What a URL claims.
#[derive(Debug)]
pub(super) struct Presigned<'a> {
    pub(super) authorization: Authorization<'a>,
    pub(super) at: TimestampMs,
    pub(super) expires: Option<Duration>,
    pub(super) session_token: Option<Cow<'a, str>>,
    pub(super) payload: Payload,
}

/// Reads the query of a presigned URL; `None` where nothing in it is a signature.
pub(super) fn parse(query: &str) -> Result<Option<Presigned<'_>>, Mismatch> {
    if !query.contains("X-Amz-") && !query.contains('%') {
        return Ok(None);
    }
    let parameters = Parameters(query);
    let (algorithm, signature) = (parameters.get("X-Amz-Algorithm")?, parameters.get("X-Amz-Signature")?);
    if algorithm.is_none() && signature.is_none() {
        return Ok(None);
    }
    let algorithm = required(algorithm, "X-Amz-Algorithm")?;
    if algorithm != "AWS4-HMAC-SHA256" {
        return Err(Mismatch::Query("X-Amz-Algorithm only supports AWS4-HMAC-SHA256".into()));
    }
    let credential = required(parameters.get("X-Amz-Credential")?, "X-Amz-Credential")?;
    let names = required(parameters.get("X-Amz-SignedHeaders")?, "X-Amz-SignedHeaders")?;
    let signature = required(signature, "X-Amz-Signature")?;
    let authorization = Authorization::from_parts(credential, names, &signature)
        .map_err(|error| Mismatch::Query(format!("X-Amz parameters of the query: {error}")))?;
    let date = required(parameters.get("X-Amz-Date")?, "X-Amz-Date")?;
    let at = parse_amz_date(&date)
        .ok_or_else(|| Mismatch::Query("X-Amz-Date must be in the form yyyymmddThhmmssZ".into()))?;
    Ok(Some(Presigned {
        authorization,
        at,
        expires: parameters.get("X-Amz-Expires")?.map(|text| expires(&text)).transpose()?,
        session_token: parameters.get("X-Amz-Security-Token")?,
        payload: match parameters.get("X-Amz-Content-Sha256")? {
            None => Payload::SignedOrOpen,
            Some(text) => payload(&text)?,
        },
    }))
}

/// What the signer of a URL declares of the body.
pub(super) fn payload(text: &str) -> Result<Payload, Mismatch> {
    match text.trim() {
        "UNSIGNED-PAYLOAD" => Ok(Payload::Open),
        text => hash_of(text).map(Payload::Declared),
    }
}

/// The query that is signed: all of it but the signature.
pub(super) fn without_signature(query: &str) -> Cow<'_, str> {
    let is_signature = |pair: &&str| decoded(name(pair)) == "X-Amz-Signature";
    if !query.split('&').any(|pair| is_signature(&pair)) {
        return Cow::Borrowed(query);
    }
    let rest: Vec<_> = query.split('&').filter(|pair| !is_signature(pair)).collect();
    Cow::Owned(rest.join("&"))
}

/// The parameters of a query.
struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    /// The only value of the parameter, decoded. A plus sign is one: tokens hold them, and blanks have no place here.
    fn get(&self, wanted: &str) -> Result<Option<Cow<'a, str>>, Mismatch> {
        let mut found = self.0.split('&').filter(|pair| decoded(name(pair)) == wanted);
        let Some(pair) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Mismatch::Query(format!("{wanted} is in the query more than once")));
        }
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        let text = percent_decode_str(value).decode_utf8();
        text.map(Some).map_err(|_| Mismatch::Query(format!("{wanted} is not percent-encoded UTF-8")))
    }
}

fn name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

fn decoded(name: &str) -> Cow<'_, str> {
    percent_decode_str(name).decode_utf8_lossy()
}

fn required<'a>(value: Option<Cow<'a, str>>, name: &str) -> Result<Cow<'a, str>, Mismatch> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        let text = format!(
            "AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
        );
        Mismatch::Query(text)
    })
}

fn expires(text: &str) -> Result<Duration, Mismatch> {
    let wrong = |text: &str| Mismatch::Query(text.to_owned());
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(match text.strip_prefix('-') {
            Some(rest) if rest.parse::<u64>().is_ok() => wrong("X-Amz-Expires must be non-negative"),
            _ => wrong("X-Amz-Expires should be a number"),
        });
    }
    match text.parse::<u64>() {
        Ok(seconds @ 0..=MAX_EXPIRES) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        )),
    }
}
