//! A pod with a service account: its token file, its variables, what runs in it; and a token service that hurries.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use narthex_integration_tests::{
    aws::element,
    http::Http,
    http_server::{Answer, HttpServer},
    issuer::Issuer,
    sandbox::{Peer, PrometheusOptions, Sandbox},
};
use serde_json::{Value, json};

use super::{NAMESPACE, REGION};

/// An account with a provider, and a role for each service account, which has the role's name.
pub(super) fn account(id: &str, issuer: &Issuer, roles: &[(&str, &str)]) -> Value {
    let (provider, prefix) = issuer.arn(id);
    let role = |(name, policy): &(&str, &str)| {
        let subject = format!("system:serviceaccount:{NAMESPACE}:{name}");
        json!({
            "name": name, "policies": [policy],
            "trust_policy": {"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {
                    format!("{prefix}:sub"): subject, format!("{prefix}:aud"): "sts.amazonaws.com",
                }},
            }},
        })
    };
    let mut provider = json!({"url": issuer.url, "client_ids": ["sts.amazonaws.com"]});
    if let Some(certificate) = &issuer.certificate {
        provider["certificates"] = json!(certificate);
    }
    json!({
        "account_id": id, "oidc_providers": [provider],
        "roles": roles.iter().map(role).collect::<Vec<_>>(),
    })
}

/// A pod: the files and variables that Kubernetes gives it.
pub(super) struct Pod<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) issuer: &'a Issuer,
    /// Of the service account and of the role.
    pub(super) name: &'a str,
    pub(super) account: &'a str,
    /// Where the token service is.
    pub(super) sts: &'a str,
}

impl Pod<'_> {
    fn token_file(&self) -> PathBuf {
        self.sandbox.path().join(format!("{}.token", self.name))
    }

    pub(super) fn role(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    pub(super) fn token(&self) -> Result<String> {
        let now = self.sandbox.clock.now().0 / 1_000;
        self.issuer.sign(&self.issuer.claims(NAMESPACE, self.name, now))
    }

    /// Puts a new token into the file in one step, as the kubelet does.
    pub(super) fn renew(&self) -> Result<String> {
        let token = self.token()?;
        let draft = self.token_file().with_extension("new");
        fs::write(&draft, &token)?;
        fs::rename(draft, self.token_file())?;
        Ok(token)
    }

    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.sandbox.path().join("home");
        vec![
            ("AWS_ROLE_ARN", self.role()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", self.token_file().display().to_string()),
            ("AWS_ROLE_SESSION_NAME", format!("{}-0", self.name)),
            ("AWS_ENDPOINT_URL_STS", self.sts.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("HOME", home.display().to_string()),
            // Whoever runs the test may have keys and profiles of their own.
            ("AWS_ACCESS_KEY_ID", String::new()),
            ("AWS_SECRET_ACCESS_KEY", String::new()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// A Prometheus in the pod, which scrapes itself and writes to a workspace.
    pub(super) async fn prometheus(&self, url: &str) -> Result<Peer> {
        self.renew()?;
        let config = format!(
            "global: {{scrape_interval: 1s, external_labels: {{pod: {}}}}}\nscrape_configs:\n  - job_name: itself\n    \
             static_configs: [{{targets: ['{{address}}']}}]\nremote_write:\n  - url: {url}\n    \
             sigv4: {{region: {REGION}}}\n    queue_config: {{batch_send_deadline: 1s}}\n",
            self.name
        );
        let options = PrometheusOptions { config, flags: Vec::new() };
        let folder = self.sandbox.path().join(self.name);
        Peer::prometheus_with(self.sandbox, self.name, &folder, &options, &self.environment()).await
    }
}

/// The token service as clients see it that find every session over at once: they ask for another before each request, as
/// they otherwise do once an hour.
pub(super) struct Hurry {
    pub(super) base: String,
    /// Tokens that were sent, and the status that each was answered with.
    seen: Arc<Mutex<Vec<(String, u16)>>>,
    _server: HttpServer,
}

impl Hurry {
    pub(super) async fn start(http: &Http, upstream: &str) -> Result<Self> {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let (http, upstream, told) = (http.clone(), upstream.to_owned(), seen.clone());
        let server = HttpServer::start(move |request: Request<Bytes>| -> Answer {
            let (http, upstream, told) = (http.clone(), upstream.clone(), told.clone());
            Box::pin(async move {
                let token = form_urlencoded::parse(request.body())
                    .find_map(|(name, value)| (name == "WebIdentityToken").then(|| value.into_owned()));
                let request = Request::post(format!("{upstream}/"))
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(request.into_body())?;
                let reply = http.send(request).await?;
                told.lock()
                    .expect("no test panics here")
                    .push((token.unwrap_or_default(), reply.status.as_u16()));
                let text = match element(&reply, "Expiration") {
                    Some(end) => reply.text().replace(&end, "2020-01-01T00:00:00Z"),
                    None => reply.text(),
                };
                let answer = Response::builder().status(reply.status).header("content-type", "text/xml");
                Ok(answer.body(Bytes::from(text))?)
            })
        })
        .await?;
        Ok(Self { base: format!("http://{}", server.address), seen, _server: server })
    }

    /// The last status that a token was answered with.
    pub(super) fn answered(&self, token: &str) -> Option<u16> {
        let seen = self.seen.lock().expect("no test panics here");
        seen.iter().rev().find(|(sent, _)| sent == token).map(|(_, status)| *status)
    }
}
