//! Private endpoints: listeners that stand for the interface endpoints of a network, each with a policy of its own (security.md 6,
//! SEC-30..33).
//!
//! A file lists them. Each process opens those of the API that it serves, with the TLS of its public listener, and serves nothing
//! else there: no other API, no security token service, no endpoints for operators.
//!
//! ```yaml
//! - id: vpce-0a1b2c3d                  # aws:SourceVpce, and vpcEndpointId in the audit log
//!   network: vpc-555555555555          # aws:SourceVpc
//!   service: aps-workspaces            # the Prometheus-compatible API; aps is the management API
//!   listen: 10.0.0.5:9443
//!   policy:                            # in YAML or its JSON text; without one everything may pass
//!     Statement:
//!       - {Effect: Allow, Principal: "*", Action: "aps:*", Resource: "*"}
//! ```
//!
//! What comes through an endpoint has `aws:VpcSourceIp` in place of `aws:SourceIp`, and needs the endpoint's policy to allow it besides
//! all others. Behind a trusted proxy the address is the one that the proxy names, as on public listeners. The file is read at the start:
//! a policy that changes is a restart, as all settings are.

use std::{collections::HashSet, fs, io, net::SocketAddr, path::Path, sync::Arc};

use axum::{Extension, Router};
use narthex_policy::{Kind, Plane, Policy};
use narthex_service::{
    Components, PublicSettings,
    server::{Serving, bind, serve_public},
};
use serde::Deserialize;
use serde_json::Value;

/// A listener of a network (6.6).
#[derive(Debug, Clone, PartialEq)]
pub struct PrivateEndpoint {
    /// Its id, such as `vpce-0a1b2c3d`.
    pub id: Box<str>,
    /// The network it stands in, such as `vpc-555555555555`.
    pub network: Box<str>,
    /// The API that it serves.
    pub plane: Plane,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What may pass; everything, without one.
    pub policy: Option<Policy>,
}

/// All that a file lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrivateEndpoints(Vec<Arc<PrivateEndpoint>>);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateEndpointError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It is not as described above.
    #[error("{0}")]
    Malformed(String),
    /// One of them cannot be.
    #[error("private endpoint {id}: {reason}")]
    Endpoint {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
}

/// An entry, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    network: String,
    service: Service,
    listen: SocketAddr,
    policy: Option<Value>,
}

/// The end of a service's name, `com.amazonaws.<region>.aps` or `com.amazonaws.<region>.aps-workspaces` (6.1).
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Service {
    Aps,
    ApsWorkspaces,
}

impl PrivateEndpoints {
    /// Reads a file; as a parser of settings.
    ///
    /// # Errors
    /// The line that is wrong, or the endpoint and what is wrong with it.
    pub fn read(path: &str) -> Result<Self, PrivateEndpointError> {
        Self::parse(&fs::read_to_string(Path::new(path))?)
    }

    fn parse(text: &str) -> Result<Self, PrivateEndpointError> {
        let entries: Vec<Entry> = serde_saphyr::from_str(text)
            .map_err(|error| PrivateEndpointError::Malformed(error.to_string()))?;
        let mut ids = HashSet::new();
        let endpoints = entries.into_iter().map(|entry| {
            let id = entry.id.clone();
            let known = !ids.insert(id.clone());
            let endpoint = if known { Err("is listed twice".to_owned()) } else { entry.endpoint() };
            endpoint.map(Arc::new).map_err(|reason| PrivateEndpointError::Endpoint { id, reason })
        });
        Ok(Self(endpoints.collect::<Result<_, _>>()?))
    }

    /// Serves `api`, which an [`Edge`](crate::Edge) stands around, at each of the endpoints of `planes`.
    ///
    /// # Errors
    /// An address that cannot be listened on, or that is not on loopback where nothing is signed.
    pub async fn serve(
        &self,
        planes: &[Plane],
        api: &Router,
        public: &PublicSettings,
        components: &Components,
    ) -> io::Result<Vec<Serving>> {
        let mut servers = Vec::new();
        for endpoint in self.0.iter().filter(|endpoint| planes.contains(&endpoint.plane)) {
            public.check_listen(endpoint.listen).map_err(io::Error::other)?;
            let listener = bind(endpoint.listen).await?;
            let router = api.clone().layer(Extension(Arc::clone(endpoint)));
            let serving = serve_public(listener, router, public, components)?;
            tracing::info!(endpoint = %endpoint.id, network = %endpoint.network, listen = %serving.local_addr(),
                "serving a private endpoint");
            servers.push(serving);
        }
        Ok(servers)
    }
}

impl Entry {
    fn endpoint(self) -> Result<PrivateEndpoint, String> {
        let Self { id, network, service, listen, policy } = self;
        for (member, text) in [("id", &id), ("network", &network)] {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
                return Err(format!("{member}: {text:?} is not 1 to 64 letters, digits and hyphens"));
            }
        }
        let text = policy.map(|policy| match policy {
            Value::String(text) => text,
            document => document.to_string(),
        });
        let compiled = text.map(|text| Policy::parse(&text, Kind::Endpoint)).transpose();
        Ok(PrivateEndpoint {
            id: id.into(),
            network: network.into(),
            plane: match service {
                Service::Aps => Plane::Control,
                Service::ApsWorkspaces => Plane::Data,
            },
            listen,
            policy: compiled.map_err(|error| format!("policy: {error}"))?,
        })
    }
}

impl PrivateEndpoint {
    /// The last part of the name of the service that it stands for.
    pub fn service(&self) -> &'static str {
        match self.plane {
            Plane::Control => "aps",
            Plane::Data => "aps-workspaces",
        }
    }
}

#[cfg(test)]
#[path = "private_test.rs"]
mod tests;
