//! Why a policy document is refused, and where: in IAM's words as far as it has any.

/// A policy document that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (at {at})")]
pub struct PolicyError {
    /// The offending element, such as `Statement[0].Condition.StringEquals.aws:ResourceTag/team[1]`; `document` for the whole.
    pub at: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Longer than policies of its sort may be, white space not counted.
    #[error("Cannot exceed quota for PolicySize: {0}")]
    TooLong(usize),
    /// No JSON.
    #[error("Syntax errors in policy: {0}")]
    Syntax(String),
    /// Given twice in one object.
    #[error("Syntax errors in policy: the element is given twice")]
    Twice,
    /// No such element.
    #[error("Syntax errors in policy: unknown element")]
    Unknown,
    /// Not of the type or form that it must have.
    #[error("Syntax errors in policy: expected {0}")]
    Expected(&'static str),
    /// Missing.
    #[error("Missing required field {0}")]
    Missing(&'static str),
    /// An element that this sort of policy may not have.
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    /// `Principal` or `NotPrincipal` in a policy that is attached to the principal.
    #[error("Policy document should not specify a principal.")]
    HasPrincipal,
    /// Neither `Action` nor `NotAction`.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// Neither `Resource` nor `NotResource`.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// Two elements of which only one may be there.
    #[error("Syntax errors in policy: {0} and {1} exclude each other")]
    Both(&'static str, &'static str),
    /// `NotPrincipal` with Allow.
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowNotPrincipal,
    /// Two statements have this id.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    SidTwice,
    /// An id with other characters than letters and digits.
    #[error("Statement IDs (SID) should be alpha-numeric.")]
    SidCharacters,
    /// No `vendor:name`.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// Characters that no action has, or a wildcard in the vendor.
    #[error("Invalid Action: {0}")]
    Action(String),
    /// A trust policy about other actions than those of STS.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotSts,
    /// Not an ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    NotAnArn(String),
    /// A wildcard in the service of an ARN, or a variable before its resource part.
    #[error("Resource {0} has a wildcard in its service, or a policy variable before its resource part.")]
    ArnPart(String),
    /// A policy on a workspace that is about another resource.
    #[error("Resource {0} does not match the workspace of the policy.")]
    OtherWorkspace(String),
    /// No principal of this form.
    #[error("Invalid principal in policy: {0}")]
    Principal(String),
    /// No such condition operator.
    #[error("Invalid Condition type : {0}.")]
    Operator(String),
    /// A `${...}` that is no variable.
    #[error("Invalid policy variable in {0}")]
    Variable(String),
}
