//! Condition keys: their names, told apart once when a policy is parsed.
//!
//! Names are compared without regard to case (security.md 4.6). There is no key with prefix `aps:`. A key that is not known here is
//! looked for among the values that come with the request ([`Environment::more`](crate::Environment::more)), where the keys of
//! STS, IAM and KMS are found as well as `aws:SourceArn`.

/// A condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    CurrentTime,
    EpochTime,
    MultiFactorAuthAge,
    MultiFactorAuthPresent,
    PrincipalAccount,
    PrincipalArn,
    PrincipalIsAwsService,
    PrincipalOrgId,
    PrincipalServiceName,
    PrincipalTag(Box<str>),
    PrincipalType,
    RequestTag(Box<str>),
    RequestedRegion,
    ResourceAccount,
    ResourceTag(Box<str>),
    SecureTransport,
    SourceIdentity,
    SourceIp,
    SourceVpc,
    SourceVpce,
    TagKeys,
    TokenIssueTime,
    UserAgent,
    UserId,
    UserName,
    VpcSourceIp,
    Other(Box<str>),
}

impl Key {
    /// The key of that name.
    pub(crate) fn new(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        // A tag's name keeps its case: the same bytes of the name as written.
        let tag = |prefix: &str| lower.starts_with(prefix).then(|| name[prefix.len()..].into());
        if let Some(tag) = tag("aws:principaltag/") {
            return Self::PrincipalTag(tag);
        }
        if let Some(tag) = tag("aws:requesttag/") {
            return Self::RequestTag(tag);
        }
        if let Some(tag) = tag("aws:resourcetag/") {
            return Self::ResourceTag(tag);
        }
        match lower.as_str() {
            "aws:currenttime" => Self::CurrentTime,
            "aws:epochtime" => Self::EpochTime,
            "aws:multifactorauthage" => Self::MultiFactorAuthAge,
            "aws:multifactorauthpresent" => Self::MultiFactorAuthPresent,
            "aws:principalaccount" => Self::PrincipalAccount,
            "aws:principalarn" => Self::PrincipalArn,
            "aws:principalisawsservice" => Self::PrincipalIsAwsService,
            "aws:principalorgid" => Self::PrincipalOrgId,
            "aws:principalservicename" => Self::PrincipalServiceName,
            "aws:principaltype" => Self::PrincipalType,
            "aws:requestedregion" => Self::RequestedRegion,
            "aws:resourceaccount" => Self::ResourceAccount,
            "aws:securetransport" => Self::SecureTransport,
            "aws:sourceidentity" => Self::SourceIdentity,
            "aws:sourceip" => Self::SourceIp,
            "aws:sourcevpc" => Self::SourceVpc,
            "aws:sourcevpce" => Self::SourceVpce,
            "aws:tagkeys" => Self::TagKeys,
            "aws:tokenissuetime" => Self::TokenIssueTime,
            "aws:useragent" => Self::UserAgent,
            "aws:userid" => Self::UserId,
            "aws:username" => Self::UserName,
            "aws:vpcsourceip" => Self::VpcSourceIp,
            _ => Self::Other(lower.into()),
        }
    }
}
