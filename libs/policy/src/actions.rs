//! The service's actions: what each is checked against and which keys its policies may look at (security.md 4.3, 4.4 and 13.3, from
//! the service authorization reference).
//!
//! The evaluator needs two things of this: which actions are of the data plane, since only those have effect in a workspace's
//! policy, and a number for each, so that a statement can say with one bit whether it is about an action. Everything else is for
//! those who make requests, and for validation.

mod covered;
mod table;

pub(crate) use covered::Covered;
pub use table::ACTIONS;

/// An action, as requests name it.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    name: &'a str,
    /// Its place in the table.
    known: Option<usize>,
}

impl<'a> Action<'a> {
    /// The action of that name, such as `aps:RemoteWrite` or `sts:AssumeRole`. Looks the name up: made once for each route.
    pub fn new(name: &'a str) -> Self {
        Self { name, known: ACTIONS.iter().position(|info| info.name.eq_ignore_ascii_case(name)) }
    }

    /// With its vendor.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What is known of it, if it is one of this service's.
    pub fn info(&self) -> Option<&'static ActionInfo> {
        self.known.and_then(|place| ACTIONS.get(place))
    }

    /// Whether it is an action of the Prometheus-compatible API.
    pub(crate) fn is_data_plane(&self) -> bool {
        self.info().is_some_and(|info| info.plane == Plane::Data)
    }
}

/// One of the service's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    /// `aps:` and the name of the operation.
    pub name: &'static str,
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
