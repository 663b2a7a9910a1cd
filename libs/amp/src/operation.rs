//! The 44 operations (api-control-plane.md section 1) and the errors that each lists (section 7.2).
//!
//! Each error has a status of its own, so the table names them by status, as section 7.2 does.

use crate::shape::Location;

/// What never varies about an operation.
struct Facts {
    name: &'static str,
    action: &'static str,
    method: &'static str,
    path: &'static str,
    success: u16,
    errors: &'static [u16],
}

/// The errors of the API with their statuses (section 7.1).
const ERRORS: [(u16, &str); 7] = [
    (400, "ValidationException"),
    (402, "ServiceQuotaExceededException"),
    (403, "AccessDeniedException"),
    (404, "ResourceNotFoundException"),
    (409, "ConflictException"),
    (429, "ThrottlingException"),
    (500, "InternalServerException"),
];

macro_rules! operations {
    ($($name:ident $method:ident $path:literal $success:literal [$($error:literal)*])*) => {
        /// An operation of the management API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(
                #[doc = concat!("`", stringify!($method), " ", $path, "`")]
                $name,
            )*
        }

        impl Operation {
            /// All of them, by name.
            pub const ALL: [Self; 44] = [$(Self::$name),*];

            const fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$name => &Facts {
                        name: stringify!($name),
                        action: concat!("aps:", stringify!($name)),
                        method: stringify!($method),
                        path: $path,
                        success: $success,
                        errors: &[$($error),*],
                    },)*
                }
            }
        }
    };
}

operations! {
    CreateAlertManagerDefinition POST "/workspaces/{workspaceId}/alertmanager/definition" 202 [400 402 403 404 409 429 500]
    CreateAnomalyDetector POST "/workspaces/{workspaceId}/anomalydetectors" 202 [400 402 403 409 429 500]
    CreateLoggingConfiguration POST "/workspaces/{workspaceId}/logging" 202 [400 403 404 500]
    CreateQueryLoggingConfiguration POST "/workspaces/{workspaceId}/logging/query" 202 [400 403 404 500]
    CreateRuleGroupsNamespace POST "/workspaces/{workspaceId}/rulegroupsnamespaces" 202 [400 402 403 404 409 429 500]
    CreateScraper POST "/scrapers" 202 [400 402 403 404 409 429 500]
    CreateWorkspace POST "/workspaces" 202 [400 402 403 409 429 500]
    DeleteAlertManagerDefinition DELETE "/workspaces/{workspaceId}/alertmanager/definition" 202 [400 403 404 409 429 500]
    DeleteAnomalyDetector DELETE "/workspaces/{workspaceId}/anomalydetectors/{anomalyDetectorId}" 202 [400 403 404 409 429 500]
    DeleteLoggingConfiguration DELETE "/workspaces/{workspaceId}/logging" 202 [400 403 404 409 500]
    DeleteQueryLoggingConfiguration DELETE "/workspaces/{workspaceId}/logging/query" 202 [400 403 404 409 500]
    DeleteResourcePolicy DELETE "/workspaces/{workspaceId}/policy" 202 [400 403 404 409 429 500]
    DeleteRuleGroupsNamespace DELETE "/workspaces/{workspaceId}/rulegroupsnamespaces/{name}" 202 [400 403 404 409 429 500]
    DeleteScraper DELETE "/scrapers/{scraperId}" 202 [400 403 404 409 429 500]
    DeleteScraperLoggingConfiguration DELETE "/scrapers/{scraperId}/logging-configuration" 202 [400 403 404 409 500]
    DeleteWorkspace DELETE "/workspaces/{workspaceId}" 202 [400 403 404 409 429 500]
    DescribeAlertManagerDefinition GET "/workspaces/{workspaceId}/alertmanager/definition" 200 [400 403 404 429 500]
    DescribeAnomalyDetector GET "/workspaces/{workspaceId}/anomalydetectors/{anomalyDetectorId}" 200 [400 403 404 429 500]
    DescribeLoggingConfiguration GET "/workspaces/{workspaceId}/logging" 200 [400 403 404 500]
    DescribeQueryLoggingConfiguration GET "/workspaces/{workspaceId}/logging/query" 200 [400 403 404 500]
    DescribeResourcePolicy GET "/workspaces/{workspaceId}/policy" 200 [400 403 404 429 500]
    DescribeRuleGroupsNamespace GET "/workspaces/{workspaceId}/rulegroupsnamespaces/{name}" 200 [400 403 404 429 500]
    DescribeScraper GET "/scrapers/{scraperId}" 200 [400 403 404 429 500]
    DescribeScraperLoggingConfiguration GET "/scrapers/{scraperId}/logging-configuration" 200 [400 403 404 500]
    DescribeWorkspace GET "/workspaces/{workspaceId}" 200 [400 403 404 429 500]
    DescribeWorkspaceConfiguration GET "/workspaces/{workspaceId}/configuration" 200 [400 403 404 429 500]
    GetDefaultScraperConfiguration GET "/scraperconfiguration" 200 [403 429 500]
    ListAnomalyDetectors GET "/workspaces/{workspaceId}/anomalydetectors" 200 [400 403 404 429 500]
    ListRuleGroupsNamespaces GET "/workspaces/{workspaceId}/rulegroupsnamespaces" 200 [400 403 404 429 500]
    ListScrapers GET "/scrapers" 200 [400 403 429 500]
    ListTagsForResource GET "/tags/{resourceArn}" 200 [400 403 404 429 500]
    ListWorkspaces GET "/workspaces" 200 [400 403 429 500]
    PutAlertManagerDefinition PUT "/workspaces/{workspaceId}/alertmanager/definition" 202 [400 402 403 404 409 429 500]
    PutAnomalyDetector PUT "/workspaces/{workspaceId}/anomalydetectors/{anomalyDetectorId}" 202 [400 402 403 409 429 500]
    PutResourcePolicy PUT "/workspaces/{workspaceId}/policy" 202 [400 403 404 409 429 500]
    PutRuleGroupsNamespace PUT "/workspaces/{workspaceId}/rulegroupsnamespaces/{name}" 202 [400 402 403 404 409 429 500]
    TagResource POST "/tags/{resourceArn}" 200 [400 403 404 429 500]
    UntagResource DELETE "/tags/{resourceArn}" 200 [400 403 404 429 500]
    UpdateLoggingConfiguration PUT "/workspaces/{workspaceId}/logging" 202 [400 403 404 409 500]
    UpdateQueryLoggingConfiguration PUT "/workspaces/{workspaceId}/logging/query" 202 [400 403 404 409 500]
    UpdateScraper PUT "/scrapers/{scraperId}" 202 [400 402 403 404 409 429 500]
    UpdateScraperLoggingConfiguration PUT "/scrapers/{scraperId}/logging-configuration" 202 [400 403 404 409 500]
    UpdateWorkspaceAlias POST "/workspaces/{workspaceId}/alias" 204 [400 402 403 404 409 429 500]
    UpdateWorkspaceConfiguration PATCH "/workspaces/{workspaceId}/configuration" 202 [400 402 403 404 409 429 500]
}

impl Operation {
    /// Such as `CreateWorkspace`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What policies call it: `aps:CreateWorkspace` (section 2.2).
    pub const fn action(self) -> &'static str {
        self.facts().action
    }

    /// The HTTP method, in capitals.
    pub const fn method(self) -> &'static str {
        self.facts().method
    }

    /// The path, each label in braces and named as its member: `/workspaces/{workspaceId}`.
    pub const fn path(self) -> &'static str {
        self.facts().path
    }

    /// The status of a success.
    pub const fn success(self) -> u16 {
        self.facts().success
    }

    /// Whether it changes nothing: exactly the operations with GET.
    pub fn is_read_only(self) -> bool {
        self.method() == "GET"
    }

    /// Where the idempotency token is read (section 3); `None`: it takes none.
    pub fn token(self) -> Option<Location> {
        self.input().member("clientToken").map(|member| member.location)
    }

    /// The errors that it may answer with, in the order of their statuses. Typed clients know no others on it.
    pub fn errors(self) -> impl Iterator<Item = &'static str> {
        let listed = self.facts().errors;
        ERRORS.into_iter().filter(|(status, _)| listed.contains(status)).map(|(_, name)| name)
    }

    /// Whether it may answer with the error of this name, such as `ConflictException`.
    pub fn lists(self, error: &str) -> bool {
        self.errors().any(|name| name == error)
    }
}
