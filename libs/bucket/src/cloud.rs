//! Clients of the providers, from settings and from what the provider's own tools read: environment, pod and machine roles.
//!
//! A process that dies in the middle of a large upload leaves parts that no list shows: let the bucket's lifecycle rules
//! abort multipart uploads that are older than a day.

use std::{fs, sync::Arc, time::Duration};

use http::HeaderValue;
use narthex_service::SharedRegistry;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, S3ConditionalPut},
    azure::{MicrosoftAzure, MicrosoftAzureBuilder},
    client::{HttpConnector, ReqwestConnector},
    gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder},
    list::PaginatedListStore,
    prefix::PrefixStore,
};

use crate::{
    BucketArgs, BucketError,
    http_client::{Budgeted, Retries},
    uniform::{Deletes, Lists, Uniform},
    url::Remote,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// No retry begins later. Below the 5 minutes for which a signature is good.
const LAST_RETRY: Duration = Duration::from_secs(120);

/// Opens an S3 bucket; sends nothing.
pub(crate) fn open_s3(
    place: &Remote,
    args: &BucketArgs,
    registry: &SharedRegistry,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let store = s3(place, args, budgeted(args, registry), environment)?;
    Ok(uniform(store, place, Deletes::Lenient))
}

/// Opens a bucket of Google Cloud Storage; sends nothing.
pub(crate) fn open_gcs(
    place: &Remote,
    args: &BucketArgs,
    registry: &SharedRegistry,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&place.name)
        .with_client_options(client_options(args)?)
        .with_retry(retries(args))
        .with_http_connector(budgeted(args, registry));
    if let Some(endpoint) = endpoint(args)? {
        builder = builder.with_base_url(endpoint);
    }
    let store: GoogleCloudStorage = builder.build().map_err(|error| refused(args, error))?;
    Ok(uniform(store, place, Deletes::Strict))
}

/// Opens a container of Azure Blob Storage; sends nothing.
pub(crate) fn open_azure(
    place: &Remote,
    args: &BucketArgs,
    registry: &SharedRegistry,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&place.name)
        .with_client_options(client_options(args)?)
        .with_retry(retries(args))
        .with_http_connector(budgeted(args, registry));
    if let Some(endpoint) = endpoint(args)? {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    if let Some((account, key)) = credentials(args)? {
        builder = builder.with_account(account).with_access_key(key);
    }
    let store: MicrosoftAzure = builder.build().map_err(|error| refused(args, error))?;
    Ok(uniform(store, place, Deletes::Strict))
}

/// A client of S3. `environment` is what the AWS tools would read; IRSA, pod identity and machine roles are told there.
fn s3(
    place: &Remote,
    args: &BucketArgs,
    connector: impl HttpConnector,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<AmazonS3, BucketError> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in environment.filter(|(name, _)| name.starts_with("AWS_")) {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder = builder
        .with_bucket_name(&place.name)
        .with_client_options(client_options(args)?)
        .with_retry(retries(args))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(connector);
    if let Some(region) = &args.region {
        builder = builder.with_region(region);
    }
    if args.virtual_host {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    if let Some(endpoint) = endpoint(args)? {
        let endpoint =
            if args.virtual_host { with_bucket_in_host(endpoint, &place.name) } else { endpoint.to_owned() };
        // AWS_ENDPOINT_URL_S3, if set, would win over the plain endpoint.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, &endpoint).with_endpoint(endpoint);
    }
    if let Some((key_id, secret_key)) = credentials(args)? {
        // Handed over as a whole, so that a session token of the environment is not sent along with them.
        let credential =
            AwsCredential { key_id: key_id.to_owned(), secret_key: secret_key.to_owned(), token: None };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    builder.build().map_err(|error| refused(args, error))
}

/// `https://HOST` as `https://NAME.HOST`.
fn with_bucket_in_host(endpoint: &str, name: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{name}.{host}"),
        None => endpoint.to_owned(),
    }
}

/// The provider's store, behaving like every other, with the place's prefix before each key.
fn uniform<T: ObjectStore + PaginatedListStore>(
    store: T,
    place: &Remote,
    deletes: Deletes,
) -> Arc<dyn ObjectStore> {
    let store = Arc::new(store);
    let pages: Arc<dyn PaginatedListStore> = Arc::clone(&store) as _;
    let uniform = Uniform::new(store, Lists::Paged(pages), deletes);
    if place.prefix.as_ref().is_empty() {
        Arc::new(uniform)
    } else {
        Arc::new(PrefixStore::new(uniform, place.prefix.clone()))
    }
}

fn budgeted(args: &BucketArgs, registry: &SharedRegistry) -> Budgeted<ReqwestConnector> {
    Budgeted::new(Retries::new(args.retry_budget, registry))
}

fn retries(args: &BucketArgs) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: FIRST_BACKOFF, max_backoff: LONGEST_BACKOFF, base: 2.0 },
        max_retries: usize::try_from(args.max_retries).unwrap_or(usize::MAX),
        retry_timeout: LAST_RETRY,
    }
}

fn client_options(args: &BucketArgs) -> Result<ClientOptions, BucketError> {
    let mut options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("narthex/", env!("CARGO_PKG_VERSION"))))
        .with_allow_http(args.allow_http)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(args.request_timeout.get());
    if let Some(file) = &args.ca_file {
        let pem = fs::read(file).map_err(|error| BucketError::CaFile { file: file.clone(), error })?;
        let wrong = |reason: String| BucketError::Certificates { file: file.clone(), reason };
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("found none".to_owned()));
        }
        for certificate in certificates {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

/// The endpoint that is set, without a slash at its end.
fn endpoint(args: &BucketArgs) -> Result<Option<&str>, BucketError> {
    let Some(endpoint) = &args.endpoint else { return Ok(None) };
    let plain = endpoint.strip_prefix("http://");
    let host = plain.or_else(|| endpoint.strip_prefix("https://")).map(|host| host.trim_end_matches('/'));
    match host {
        None | Some("") => Err(BucketError::Endpoint(endpoint.clone())),
        Some(host) if host.contains(['?', '#', '@', ' ']) => Err(BucketError::Endpoint(endpoint.clone())),
        Some(_) if plain.is_some() && !args.allow_http => Err(BucketError::PlainHttp(endpoint.clone())),
        Some(_) => Ok(Some(endpoint.trim_end_matches('/'))),
    }
}

/// Id and secret, if they are set.
fn credentials(args: &BucketArgs) -> Result<Option<(&str, &str)>, BucketError> {
    match (&args.access_key_id, &args.secret_access_key) {
        (Some(id), Some(secret)) => Ok(Some((id, secret.reveal()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(BucketError::HalfCredentials("the id")),
        (None, Some(_)) => Err(BucketError::HalfCredentials("the secret key")),
    }
}

fn refused(args: &BucketArgs, error: object_store::Error) -> BucketError {
    let url = args.url.as_ref().map(ToString::to_string).unwrap_or_default();
    BucketError::Client { url, error }
}

#[cfg(test)]
mod tests;
