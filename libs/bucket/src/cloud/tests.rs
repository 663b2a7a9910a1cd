use async_trait::async_trait;
use narthex_service::Components;
use object_store::{
    ObjectStoreExt,
    client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService},
    path::Path,
};
use parking_lot::Mutex;

use super::*;
use crate::{BucketUrl, open};

/// Answers STS's question for a role and every put, and keeps the requests.
#[derive(Debug, Clone, Default)]
struct Provider(Arc<Mutex<Vec<http::request::Parts>>>);

const ROLE: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>\
<SessionToken>role-session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

#[async_trait]
impl HttpService for Provider {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, _) = request.into_parts();
        let sts = parts.uri.host().is_some_and(|host| host.starts_with("sts"));
        self.0.lock().push(parts);
        let body = HttpResponseBody::from(if sts { ROLE.to_owned() } else { String::new() });
        Ok(http::Response::builder().header("etag", "\"1\"").body(body).expect("valid"))
    }
}

impl HttpConnector for Provider {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn args(url: &str) -> BucketArgs {
    BucketArgs::new(url.parse().expect("a place"))
}

fn with_keys(mut args: BucketArgs) -> BucketArgs {
    args.access_key_id = Some("AKIASTATIC".into());
    // Azure wants base64.
    args.secret_access_key = Some("c3RhdGljLXNlY3JldA==".into());
    args
}

/// Writes one object to S3 and returns the requests that this took.
async fn put(args: &BucketArgs, environment: &[(&str, &str)]) -> Vec<http::request::Parts> {
    let Some(BucketUrl::S3(place)) = &args.url else { panic!("not S3") };
    let provider = Provider::default();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let store = s3(place, args, provider.clone(), environment).expect("opens");
    let store = uniform(store, place, Deletes::Lenient);
    store.put(&Path::from("key"), "x".into()).await.expect("written");
    provider.0.lock().drain(..).collect()
}

fn header<'a>(request: &'a http::request::Parts, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn the_bucket_stands_in_the_path_or_in_the_host() {
    let url = |requests: &[http::request::Parts]| requests.last().expect("a request").uri.to_string();
    let mut args = with_keys(args("s3://metrics/prod"));
    assert_eq!(url(&put(&args, &[]).await), "https://s3.us-east-1.amazonaws.com/metrics/prod/key");
    args.region = Some("eu-central-1".into());
    assert_eq!(url(&put(&args, &[]).await), "https://s3.eu-central-1.amazonaws.com/metrics/prod/key");
    args.virtual_host = true;
    assert_eq!(url(&put(&args, &[]).await), "https://metrics.s3.eu-central-1.amazonaws.com/prod/key");
    args.endpoint = Some("https://s3.example.com:9000/".into());
    assert_eq!(url(&put(&args, &[]).await), "https://metrics.s3.example.com:9000/prod/key");
    args.virtual_host = false;
    let elsewhere = [("AWS_ENDPOINT_URL", "https://a.invalid"), ("AWS_ENDPOINT_URL_S3", "https://b.invalid")];
    assert_eq!(url(&put(&args, &elsewhere).await), "https://s3.example.com:9000/metrics/prod/key");
}

#[tokio::test]
async fn keys_of_settings_win_over_the_environment_as_a_whole() {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIAENV"),
        ("AWS_SECRET_ACCESS_KEY", "env-secret"),
        ("AWS_SESSION_TOKEN", "env-session"),
        ("AWS_REGION", "eu-north-1"),
    ];
    let plain = args("s3://metrics");
    let request = put(&plain, &environment).await.remove(0);
    assert!(header(&request, "authorization").contains("Credential=AKIAENV/"), "{request:?}");
    assert!(header(&request, "authorization").contains("/eu-north-1/s3/"), "{request:?}");
    assert_eq!(header(&request, "x-amz-security-token"), "env-session");
    let request = put(&with_keys(plain), &environment).await.remove(0);
    assert!(header(&request, "authorization").contains("Credential=AKIASTATIC/"), "{request:?}");
    assert_eq!(header(&request, "x-amz-security-token"), "");
}

#[tokio::test]
async fn a_pod_with_a_role_exchanges_its_token_for_keys() {
    let token = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&token, "pod-token").expect("writable");
    let environment = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/narthex"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().expect("text")),
        ("AWS_REGION", "eu-north-1"),
    ];
    let requests = put(&args("s3://metrics"), &environment).await;
    let [sts, write] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(sts.uri.host(), Some("sts.eu-north-1.amazonaws.com"));
    let query = sts.uri.query().unwrap_or_default();
    assert!(query.contains("Action=AssumeRoleWithWebIdentity"), "{query}");
    assert!(query.contains("pod-token") && query.contains("role%2Fnarthex"), "{query}");
    assert!(header(write, "authorization").contains("Credential=ASIAROLE/"), "{write:?}");
    assert_eq!(header(write, "x-amz-security-token"), "role-session");
}

#[test]
fn a_wrong_setting_is_named() {
    let fails = |args: &BucketArgs| {
        let error = open(args, &Components::from_system(None)).expect_err("wrong");
        error.to_string()
    };
    let change = |url: &str, change: fn(&mut BucketArgs)| {
        let mut args = args(url);
        change(&mut args);
        fails(&args)
    };
    let mut nowhere = args("memory:");
    nowhere.url = None;
    for (error, part) in [
        (fails(&nowhere), "--bucket.url is needed"),
        (change("s3://b", |a| a.access_key_id = Some("x".into())), "only the id is set"),
        (change("s3://b", |a| a.secret_access_key = Some("x".into())), "only the secret key is set"),
        (change("s3://b", |a| a.endpoint = Some("s3.example.com".into())), "must be https://HOST"),
        (change("s3://b", |a| a.endpoint = Some("https://".into())), "must be https://HOST"),
        (change("s3://b", |a| a.endpoint = Some("http://s3.local".into())), "set --bucket.allow-http"),
        (
            change("s3://b", |a| a.ca_file = Some("/no/such".into())),
            "--bucket.ca-file /no/such cannot be read",
        ),
        (change("s3://b", |a| a.ca_file = Some("/dev/null".into())), "holds no certificates"),
        (change("gs://b", |a| a.region = Some("x".into())), "--bucket.region is set, but gs://b has no such"),
        (change("azure://b", |a| a.virtual_host = true), "--bucket.virtual-host is set, but azure://b"),
        (change("memory:", |a| a.allow_http = true), "--bucket.allow-http is set, but memory: has"),
        (change("file:///proc/x", |_| {}), "the bucket's directory /proc/x cannot be used"),
        (change("azure://b", |_| {}), "azure://b cannot be opened: "),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// Opening asks nothing of a provider, and finds TLS.
#[test]
fn providers_open_without_a_request() {
    for url in ["s3://metrics/prod", "azure://box"] {
        let bucket = open(&with_keys(args(url)), &Components::from_system(None)).expect(url);
        assert_eq!(bucket.url().to_string(), url);
    }
    let bucket = open(&args("gs://metrics"), &Components::from_system(None)).expect("opens");
    assert!(bucket.store().to_string().contains("metrics"), "{}", bucket.store());
}

/// A real connection that cannot be made is told with its cause.
#[tokio::test]
async fn a_closed_port_is_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let mut args = with_keys(args("s3://metrics"));
    args.endpoint = Some(format!("https://{port}"));
    args.max_retries = 0;
    let bucket = open(&args, &Components::from_system(None)).expect("opens");
    let error = bucket.verify().await.expect_err("nobody listens").to_string();
    assert!(error.contains("s3://metrics cannot write") && error.contains("Connection refused"), "{error}");
}
