//! The quotas of resources, with the codes that `ServiceQuotaExceededException` names them by (API-C-16).
//!
//! The managed service's codes are in no source, so these are our own: stable words that say what is counted. The numbers
//! are the operator's, see [`crate::Limits`].
//!
//! | quota | code | row of quotas-and-errors.md |
//! |---|---|---|
//! | workspaces of an account | `WorkspacesPerAccount` | QUO-34 |
//! | rules of a workspace | `RulesPerWorkspace` | QUO-31 |
//! | bytes of a rule groups namespace's file | `RuleGroupsNamespaceFileSize` | QUO-30 |
//! | rule groups namespaces of a workspace | `RuleGroupsNamespacesPerWorkspace` | none; bounds files without rules |
//! | bytes of an alert manager definition | `AlertManagerDefinitionSize` | QUO-4 |
//! | templates in it | `AlertManagerTemplates` | QUO-33 |
//! | nodes of its routing tree | `AlertManagerRoutingTreeNodes` | QUO-15 |
//! | inhibition rules in it | `AlertManagerInhibitionRules` | QUO-9 |
//! | label sets with limits in a workspace | `LabelSetLimitsPerWorkspace` | QUO-11 |
//! | out-of-order window of a workspace | `OutOfOrderWindow` | QUO-22 |
//! | scrapers of an account | `ScrapersPerAccount` | section 10 |
//! | anomaly detectors of a workspace | `AnomalyDetectorsPerWorkspace` | none; a bound of our own |

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that there may be only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quota {
    /// Workspaces of an account.
    Workspaces,
    /// Rules of a workspace.
    Rules,
    /// Bytes of a file of rules.
    RuleFileSize,
    /// Rule groups namespaces of a workspace.
    RuleGroupsNamespaces,
    /// Bytes of an alert manager definition.
    DefinitionSize,
    /// Templates in a definition.
    Templates,
    /// Nodes of its routing tree.
    RoutingTreeNodes,
    /// Inhibition rules in it.
    InhibitionRules,
    /// Label sets with limits.
    LabelSets,
    /// Seconds of the out-of-order window.
    OutOfOrderWindow,
    /// Scrapers of an account.
    Scrapers,
    /// Anomaly detectors of a workspace.
    AnomalyDetectors,
}

impl Quota {
    /// The code in errors.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Workspaces => "WorkspacesPerAccount",
            Self::Rules => "RulesPerWorkspace",
            Self::RuleFileSize => "RuleGroupsNamespaceFileSize",
            Self::RuleGroupsNamespaces => "RuleGroupsNamespacesPerWorkspace",
            Self::DefinitionSize => "AlertManagerDefinitionSize",
            Self::Templates => "AlertManagerTemplates",
            Self::RoutingTreeNodes => "AlertManagerRoutingTreeNodes",
            Self::InhibitionRules => "AlertManagerInhibitionRules",
            Self::LabelSets => "LabelSetLimitsPerWorkspace",
            Self::OutOfOrderWindow => "OutOfOrderWindow",
            Self::Scrapers => "ScrapersPerAccount",
            Self::AnomalyDetectors => "AnomalyDetectorsPerWorkspace",
        }
    }
}

/// What is counted, as the end of "Maximum ...".
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workspaces => "workspaces per account",
            Self::Rules => "rules per workspace",
            Self::RuleFileSize => "bytes of a rule groups namespace definition file",
            Self::RuleGroupsNamespaces => "rule groups namespaces per workspace",
            Self::DefinitionSize => "bytes of an alert manager definition file",
            Self::Templates => "templates in an alert manager definition file",
            Self::RoutingTreeNodes => "nodes in the alert manager routing tree",
            Self::InhibitionRules => "inhibition rules in an alert manager definition file",
            Self::LabelSets => "label sets with limits per workspace",
            Self::OutOfOrderWindow => "seconds of the out-of-order window",
            Self::Scrapers => "scrapers per account",
            Self::AnomalyDetectors => "anomaly detectors per workspace",
        })
    }
}
