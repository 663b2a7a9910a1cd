//! The service's actions: what each is checked against and which keys its policies may look at (security.md 4.3, 4.4 and 13.3, from
//! the service authorization reference).
//!
//! The evaluator needs one thing of this: which actions are of the data plane, since only those have effect in a workspace's
//! policy. Everything else is for those who make requests, and for validation.

mod table;

pub use table::ACTIONS;

/// An action, as requests name it.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    name: &'a str,
    known: Option<&'static ActionInfo>,
}

impl<'a> Action<'a> {
    /// The action of that name, such as `aps:RemoteWrite` or `sts:AssumeRole`. Looks the name up: made once for each route.
    pub fn new(name: &'a str) -> Self {
        let operation = name.split_once(':').filter(|(vendor, _)| vendor.eq_ignore_ascii_case("aps"));
        let known = operation.and_then(|(_, operation)| {
            ACTIONS.iter().find(|info| info.operation.eq_ignore_ascii_case(operation))
        });
        Self { name, known }
    }

    /// With its vendor.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is known of it, if it is one of this service's.
    pub fn info(&self) -> Option<&'static ActionInfo> {
        self.known
    }

    /// Whether it is an action of the Prometheus-compatible API.
    pub(crate) fn is_data_plane(&self) -> bool {
        self.known.is_some_and(|info| info.plane == Plane::Data)
    }
}

/// One of the service's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    /// Name of the operation; the action is `aps:` and this.
    pub operation: &'static str,
    /// Which API it belongs to.
    pub plane: Plane,
    /// What it does.
    pub access: Access,
    /// What is checked: all of these, or for tagging one of them. None: checked against `*`.
    pub resources: &'static [ResourceType],
    /// Condition keys besides those that every request has.
    pub keys: &'static [&'static str],
    /// Further actions that the caller needs: `aps:TagResource` when tags are given, `iam:PassRole` with a role.
    pub dependent: &'static [&'static str],
}

/// An API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Workspace management.
    Control,
    /// Prometheus-compatible, below a workspace's path.
    Data,
}

/// What an action does, in the words of the service authorization reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads one thing.
    Read,
    /// Lists things.
    List,
    /// Changes things.
    Write,
    /// Changes tags.
    Tagging,
    /// Changes who may do what.
    PermissionsManagement,
}

/// What an ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceType {
    /// `arn:aws:aps:<region>:<account>:workspace/<workspace id>`
    Workspace,
    /// `arn:aws:aps:<region>:<account>:rulegroupsnamespace/<workspace id>/<name>`
    RuleGroupsNamespace,
    /// `arn:aws:aps:<region>:<account>:scraper/<scraper id>`
    Scraper,
    /// `arn:aws:aps:<region>:<account>:anomalydetector/<workspace id>/<anomaly detector id>`
    AnomalyDetector,
    /// `arn:aws:eks:<region>:<account>:cluster/<name>`
    Cluster,
}
