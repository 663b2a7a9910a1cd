//! The data plane and the control plane of one Narthex as a client with a key sees them.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::{
    aws::Signer,
    http::{Http, Reply},
};

/// A client of one workspace that signs every request.
#[derive(Debug, Clone)]
pub struct Api {
    /// Sends.
    pub http: Http,
    /// Signs; `None` sends unsigned.
    pub signer: Option<Signer>,
    /// The workspace that data-plane paths name.
    pub workspace: String,
}

impl Api {
    /// Signs, if there is a signer, and sends.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Reply> {
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, &**self.http.clock())?;
        }
        self.http.send(request).await
    }

    /// A request of the AWS-shaped API with an optional JSON body.
    pub async fn control(
        &self,
        method: Method,
        base: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply> {
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(request.body(Bytes::from(body))?).await
    }

    /// Creates a workspace and returns a client of it. It may not be active yet.
    pub async fn create_workspace(&self, base: &str, alias: &str) -> Result<Self> {
        let body = serde_json::json!({ "alias": alias });
        let reply = self.control(Method::POST, base, "/workspaces", Some(&body)).await?;
        ensure!(reply.status == 202, "CreateWorkspace answered {reply}");
        let workspace = reply.json()?["workspaceId"].as_str().context("no workspaceId")?.to_owned();
        Ok(Self { workspace, ..self.clone() })
    }

    /// The URL of a data-plane path (`api/v1/...`) of the workspace.
    pub fn url(&self, base: &str, path: &str) -> String {
        format!("{base}/workspaces/{}/{path}", self.workspace)
    }

    /// A remote write 1.0 request with this compressed body.
    pub fn write_request(&self, base: &str, body: Bytes) -> Result<Request<Bytes>> {
        let request = Request::post(self.url(base, "api/v1/remote_write"))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "0.1.0")
            .header("user-agent", "narthex-integration-tests");
        Ok(request.body(body)?)
    }

    /// Writes this compressed body.
    pub async fn write(&self, base: &str, body: Bytes) -> Result<Reply> {
        self.send(self.write_request(base, body)?).await
    }

    /// A query endpoint (`query`, `query_range`, `labels`, ...) by form POST.
    pub async fn post_form(&self, base: &str, endpoint: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(self.url(base, &format!("api/v1/{endpoint}")))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Bytes::from(body))?).await
    }

    /// A query endpoint by GET.
    pub async fn get(&self, base: &str, endpoint: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        // SigV4 canonicalises %20, so a space is sent that way and not as a plus.
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().replace('+', "%20");
        let uri = self.url(base, &format!("api/v1/{endpoint}?{query}"));
        self.send(Request::get(uri).body(Bytes::new())?).await
    }
}
