//! ARNs of this service (api-control-plane.md section 8.4): what the tag operations take and what policies are about.
//!
//! A namespace's name stands in its ARN as it is, blanks and slashes included; everything behind the workspace is the name. Only
//! the forms of section 8.4 are ARNs here: no plural `workspaces/`, no other partition than `aws` (TAG-17).

use std::{borrow::Cow, fmt, str::FromStr};

use narthex_model::AccountId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::text::excerpt;

const SHOWN: usize = 200;

/// A resource of an account in a region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    /// Such as `eu-west-1`.
    pub region: String,
    /// The owner.
    pub account: AccountId,
    /// The thing itself.
    pub resource: Resource,
}

/// A thing that has an ARN. Its ids are what the client wrote and may name nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `workspace/<workspace>`
    Workspace {
        /// `ws-...`
        workspace: String,
    },
    /// `rulegroupsnamespace/<workspace>/<name>`
    RuleGroupsNamespace {
        /// `ws-...`
        workspace: String,
        /// As the client chose it.
        name: String,
    },
    /// `scraper/<scraper>`
    Scraper {
        /// `s-...`
        scraper: String,
    },
    /// `anomalydetector/<workspace>/<detector>`
    AnomalyDetector {
        /// `ws-...`
        workspace: String,
        /// `ad-...`
        detector: String,
    },
}

/// A text that is no ARN of this service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not the ARN of a workspace, rule groups namespace, scraper or anomaly detector: {found:?}")]
pub struct NotAnArn {
    found: String,
}

impl Resource {
    /// Its ARN.
    pub fn arn(self, region: &str, account: &AccountId) -> Arn {
        Arn { region: region.to_owned(), account: account.clone(), resource: self }
    }

    /// The workspace that it is or belongs to; a scraper belongs to none.
    pub fn workspace(&self) -> Option<&str> {
        match self {
            Self::Workspace { workspace }
            | Self::RuleGroupsNamespace { workspace, .. }
            | Self::AnomalyDetector { workspace, .. } => Some(workspace),
            Self::Scraper { .. } => None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace { workspace } => write!(f, "workspace/{workspace}"),
            Self::RuleGroupsNamespace { workspace, name } => {
                write!(f, "rulegroupsnamespace/{workspace}/{name}")
            }
            Self::Scraper { scraper } => write!(f, "scraper/{scraper}"),
            Self::AnomalyDetector { workspace, detector } => {
                write!(f, "anomalydetector/{workspace}/{detector}")
            }
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:aps:{}:{}:{}", self.region, self.account, self.resource)
    }
}

impl FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Self, NotAnArn> {
        read(text).ok_or_else(|| NotAnArn { found: excerpt(text, SHOWN) })
    }
}

impl Serialize for Arn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Arn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn read(text: &str) -> Option<Arn> {
    let (region, rest) = text.strip_prefix("arn:aws:aps:")?.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    let in_region = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if region.is_empty() || !region.bytes().all(in_region) {
        return None;
    }
    Some(Arn {
        region: region.to_owned(),
        account: account.parse().ok()?,
        resource: read_resource(resource)?,
    })
}

fn read_resource(text: &str) -> Option<Resource> {
    let (kind, id) = text.split_once('/')?;
    let single = |id: &str| (!id.is_empty() && !id.contains('/')).then(|| id.to_owned());
    let pair = |id: &str| {
        let (workspace, rest) = id.split_once('/')?;
        (!rest.is_empty()).then(|| Some((single(workspace)?, rest.to_owned()))).flatten()
    };
    match kind {
        "workspace" => Some(Resource::Workspace { workspace: single(id)? }),
        "scraper" => Some(Resource::Scraper { scraper: single(id)? }),
        "rulegroupsnamespace" => {
            pair(id).map(|(workspace, name)| Resource::RuleGroupsNamespace { workspace, name })
        }
        "anomalydetector" => pair(id)
            .filter(|(_, detector)| !detector.contains('/'))
            .map(|(workspace, detector)| Resource::AnomalyDetector { workspace, detector }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_as_they_are_written() {
        let (workspace, name) = ("ws-1".to_owned(), "a b/c:d".to_owned());
        for (resource, text) in [
            (Resource::Workspace { workspace: workspace.clone() }, "workspace/ws-1"),
            (
                Resource::RuleGroupsNamespace { workspace: workspace.clone(), name },
                "rulegroupsnamespace/ws-1/a b/c:d",
            ),
            (Resource::Scraper { scraper: "s-1".into() }, "scraper/s-1"),
            (Resource::AnomalyDetector { workspace, detector: "ad-1".into() }, "anomalydetector/ws-1/ad-1"),
        ] {
            let arn = resource.arn("eu-west-1", &"123456789012".parse().expect("digits"));
            let text = format!("arn:aws:aps:eu-west-1:123456789012:{text}");
            assert_eq!((arn.to_string(), text.parse()), (text.clone(), Ok(arn)), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "rn:aws:aps:eu-west-1:123456789012:workspace/ws-1",
            "arn:aws:aps:eu-west-1:123456789012:workspaces/ws-1",
            "arn:aws-cn:aps:eu-west-1:123456789012:workspace/ws-1",
            "arn:aws:s3:eu-west-1:123456789012:workspace/ws-1",
            "arn:aws:aps::123456789012:workspace/ws-1",
            "arn:aws:aps:EU:123456789012:workspace/ws-1",
            "arn:aws:aps:eu-west-1:12345678901:workspace/ws-1",
            "arn:aws:aps:eu-west-1:123456789012:workspace",
            "arn:aws:aps:eu-west-1:123456789012:workspace/",
            "arn:aws:aps:eu-west-1:123456789012:workspace/ws-1/x",
            "arn:aws:aps:eu-west-1:123456789012:rulegroupsnamespace/ws-1",
            "arn:aws:aps:eu-west-1:123456789012:rulegroupsnamespace/ws-1/",
            "arn:aws:aps:eu-west-1:123456789012:rulegroupsnamespace//x",
            "arn:aws:aps:eu-west-1:123456789012:anomalydetector/ws-1/ad-1/x",
        ] {
            let error = text.parse::<Arn>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
