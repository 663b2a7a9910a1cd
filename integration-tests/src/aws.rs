//! Requests signed with AWS Signature Version 4, by the signer of AWS's own Rust SDK.

mod api;
mod sts;

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::Request;
use narthex_service::Clock;

pub use self::{api::Api, sts::element};

/// An access key and what it signs for. The fields are open so that a test can spoil one.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Token of a session's credentials; signed where there is one.
    pub session_token: Option<String>,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope; `aps` for everything but the security token service.
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
            session_token: None,
            region: region.to_owned(),
            service: "aps".to_owned(),
            skew_ms: 0,
        }
    }

    /// Adds `x-amz-date`, `authorization` and, where there is one, the session's token. Every header that the request has by
    /// now is signed.
    pub fn sign(&self, request: &mut Request<Bytes>, clock: &dyn Clock) -> Result<()> {
        let body = request.body().clone();
        self.sign_body(request, clock, SignableBody::Bytes(&body), SigningSettings::default())
    }

    /// Signs in the query, for a URL that is good for a while: `X-Amz-Signature` and the parameters that go with it.
    pub fn presign(&self, request: &mut Request<Bytes>, clock: &dyn Clock, good_for: Duration) -> Result<()> {
        let body = request.body().clone();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(good_for);
        self.sign_body(request, clock, SignableBody::Bytes(&body), settings)
    }

    /// As [`Self::sign`], for a body whose SHA-256 (lower-case hexadecimal) is known already.
    pub fn sign_hashed(&self, request: &mut Request<Bytes>, clock: &dyn Clock, sha256: &str) -> Result<()> {
        let body = SignableBody::Precomputed(sha256.to_owned());
        self.sign_body(request, clock, body, SigningSettings::default())
    }

    fn sign_body(
        &self,
        request: &mut Request<Bytes>,
        clock: &dyn Clock,
        body: SignableBody<'_>,
        settings: SigningSettings,
    ) -> Result<()> {
        let now = u64::try_from(clock.now().0.saturating_add(self.skew_ms)).unwrap_or_default();
        let identity =
            Credentials::from_keys(&self.access_key_id, &self.secret_access_key, self.session_token.clone());
        let identity = identity.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(UNIX_EPOCH + Duration::from_millis(now))
            .settings(settings)
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
