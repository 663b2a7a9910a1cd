//! Requests signed with AWS Signature Version 4, by the signer of AWS's own Rust SDK.

mod api;

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::Request;
use narthex_service::Clock;

pub use self::api::Api;

/// An access key and what it signs for. The fields are open so that a test can spoil one.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope; `aps` for everything here.
    pub service: String,
    /// Added to the clock, in milliseconds, to sign in the past or the future.
    pub skew_ms: i64,
}

impl Signer {
    /// Signs for the service `aps`, at the clock's time.
    pub fn new(access_key_id: &str, secret_access_key: &str, region: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            region: region.to_owned(),
            service: "aps".to_owned(),
            skew_ms: 0,
        }
    }

    /// Adds `x-amz-date` and `authorization`. Every header that the request has by now is signed.
    pub fn sign(&self, request: &mut Request<Bytes>, clock: &dyn Clock) -> Result<()> {
        let body = request.body().clone();
        self.sign_body(request, clock, SignableBody::Bytes(&body))
    }

    /// As [`Self::sign`], for a body whose SHA-256 (lower-case hexadecimal) is known already.
    pub fn sign_hashed(&self, request: &mut Request<Bytes>, clock: &dyn Clock, sha256: &str) -> Result<()> {
        self.sign_body(request, clock, SignableBody::Precomputed(sha256.to_owned()))
    }

    fn sign_body(
        &self,
        request: &mut Request<Bytes>,
        clock: &dyn Clock,
        body: SignableBody<'_>,
    ) -> Result<()> {
        let now = u64::try_from(clock.now().0.saturating_add(self.skew_ms)).unwrap_or_default();
        let identity = Credentials::from_keys(&self.access_key_id, &self.secret_access_key, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(UNIX_EPOCH + Duration::from_millis(now))
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = request.uri().to_string();
        let headers = request.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
        let headers = headers.collect::<Result<Vec<_>>>()?;
        let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}
