//! Requests signed by the aws-sigv4 crate, and a clock that stands still.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings},
    sign::v4,
};
use narthex_model::TimestampMs;
use narthex_service::Clock;
use sha2::{Digest, Sha256};

use crate::sigv4::{Mismatch, SERVICE, SignedRequest, SigningKey, check_claim, verify};

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const WORKSPACE: &str = "ws-b226cc2a-a446-46a9-933a-ac50479a5568";
/// 2026-11-23T12:00:00Z.
pub(crate) const NOW: TimestampMs = TimestampMs(1_795_435_200_000);

/// How a request is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer {
    pub(crate) access_key: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
    pub(crate) at: TimestampMs,
    pub(crate) checksum: bool,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            access_key: ACCESS_KEY,
            secret: SECRET,
            region: REGION,
            service: SERVICE,
            at: NOW,
            checksum: false,
        }
    }
}

/// How a URL is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presign {
    /// Seconds until it expires.
    pub(crate) expires: u64,
    /// Whether the body is left open (`UNSIGNED-PAYLOAD`).
    pub(crate) open: bool,
    pub(crate) token: Option<&'static str>,
}

impl Default for Presign {
    fn default() -> Self {
        Self { expires: 60, open: false, token: None }
    }
}

/// Signs as the AWS SDK for Rust does for services other than S3. Needs an absolute URI; adds the host header.
pub(crate) fn sign(request: http::Request<Vec<u8>>, signer: &Signer) -> http::Request<Vec<u8>> {
    let mut settings = SigningSettings::default();
    if signer.checksum {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    apply(request, signer, None, settings, false)
}

/// Signs in the query, as the SDK's presigner does.
pub(crate) fn presign(
    request: http::Request<Vec<u8>>,
    signer: &Signer,
    how: Presign,
) -> http::Request<Vec<u8>> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(how.expires));
    apply(request, signer, how.token, settings, how.open)
}

fn apply(
    mut request: http::Request<Vec<u8>>,
    signer: &Signer,
    token: Option<&str>,
    settings: SigningSettings,
    open: bool,
) -> http::Request<Vec<u8>> {
    let host = request.uri().authority().expect("an absolute URI").to_string();
    request.headers_mut().insert("host", host.parse().expect("a header value"));
    let identity = Credentials::from_keys(signer.access_key, signer.secret, token.map(str::to_owned)).into();
    let at = UNIX_EPOCH + Duration::from_millis(signer.at.0.unsigned_abs());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(signer.region)
        .name(signer.service)
        .time(at)
        .settings(settings)
        .build()
        .expect("complete");
    let (instructions, _) = {
        let headers =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        let body = if open { SignableBody::UnsignedPayload } else { SignableBody::Bytes(request.body()) };
        let signable =
            SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers, body);
        aws_sigv4::http_request::sign(signable.expect("signable"), &params.into())
            .expect("signed")
            .into_parts()
    };
    instructions.apply_to_request_http1x(&mut request);
    request
}

/// The verdict on a request at [`NOW`], for the region and key of the default signer.
pub(crate) fn verdict(request: &http::Request<Vec<u8>>) -> Result<(), Mismatch> {
    let signed = SignedRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        prefix: "",
        query: request.uri().query().unwrap_or(""),
        authority: None,
        headers: request.headers(),
    };
    let claim = check_claim(&signed, REGION, SERVICE, NOW, Duration::from_secs(300))?;
    let key = SigningKey::derive(SECRET, &claim.authorization.date, REGION, SERVICE);
    let body = request.body();
    verify(&claim, &signed, &Sha256::digest(body).into(), body.len(), &key)
}

/// Always [`NOW`]; every sleep is over at once, so whatever waits longer than nothing times out.
#[derive(Debug)]
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> TimestampMs {
        NOW
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}
