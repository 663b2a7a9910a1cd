//! Tags of principals, resources and requests.
//!
//! A tag's key is case-sensitive (tags.md 1), but a condition key that names one is not (IAM User Guide, "Controlling access
//! using tags"): the spelling that fits exactly wins, otherwise the first that differs only in case.

/// Tags in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Box<[(Box<str>, Box<str>)]>);

impl Tags {
    /// Value of the tag that the condition key names.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let exact = self.0.iter().find(|(name, _)| &**name == key);
        let found = exact.or_else(|| self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
        found.map(|(_, value)| &**value)
    }

    /// Keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(tags: I) -> Self {
        Self(tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Tags that a request sets or removes.
#[derive(Debug, Clone, Copy, Default)]
pub enum RequestTags<'a> {
    /// The request is not about tags.
    #[default]
    None,
    /// Tags that it sets: `aws:RequestTag/<key>` and `aws:TagKeys`.
    Set(&'a Tags),
    /// Keys that it removes: `aws:TagKeys` alone.
    Remove(&'a [&'a str]),
}
