//! Policy variables: `${aws:username}`, and `${aws:PrincipalTag/team, 'none'}` with a default (IAM User Guide, "Variables and
//! tags").

use std::borrow::Cow;

use crate::{facts::Facts, key::Key};

/// A variable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variable {
    key: Key,
    default: Option<Box<str>>,
}

impl Variable {
    /// From what stands between the braces.
    pub(crate) fn new(inside: &str) -> Option<Self> {
        let (name, default) = match inside.split_once(',') {
            None => (inside, None),
            Some((name, default)) => {
                let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                (name, Some(default.into()))
            }
        };
        let name = name.trim();
        (!name.is_empty()).then(|| Self { key: Key::new(name), default })
    }

    /// Its text. `None`: the request does not have exactly one value for it, and there is no default.
    pub(crate) fn resolve<'a>(&'a self, facts: &Facts<'a>) -> Option<Cow<'a, str>> {
        let value = facts.only(&self.key).map(|value| value.text());
        value.or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }
}
