//! The security token service as a client sees it: forms in, XML out.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;

use super::{Api, Signer};
use crate::http::Reply;

/// Text of the first element of that name in an XML reply.
pub fn element(reply: &Reply, name: &str) -> Option<String> {
    let text = reply.text();
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}

impl Api {
    /// Posts a form to the security token service at `base`, signed if there is a signer.
    pub async fn sts(&self, base: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Version", "2011-06-15")
            .extend_pairs(form)
            .finish();
        let request = Request::post(format!("{base}/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))?;
        let signer = self.signer.clone().map(|signer| Signer { service: "sts".to_owned(), ..signer });
        Self { signer, ..self.clone() }.send(request).await
    }

    /// A client with the credentials of the session that a reply of the security token service holds.
    pub fn with_session(&self, reply: &Reply) -> Result<Self> {
        ensure!(reply.status == 200, "the security token service answered {reply}");
        let part = |name: &str| element(reply, name).with_context(|| format!("no {name} in {reply}"));
        let region = self.signer.as_ref().map_or("us-east-1", |signer| signer.region.as_str());
        let mut signer = Signer::new(&part("AccessKeyId")?, &part("SecretAccessKey")?, region);
        signer.session_token = Some(part("SessionToken")?);
        Ok(Self { signer: Some(signer), ..self.clone() })
    }
}
