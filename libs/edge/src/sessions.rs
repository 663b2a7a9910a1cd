//! Opened session tokens, kept so that a client that signs a thousand requests with one token has it opened once.
//!
//! A kept session is only what its token says. Whether it is over, and what its role may do, is asked at each request.

use std::sync::Arc;

use narthex_cluster::{AssumableRole, SessionKey};
use narthex_policy::{Caller, Kind, Permissions, Policy, Principal, Tags};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::session::Session;

/// Sessions kept; a token has at most 8 KiB.
const KEPT: usize = 4_096;

/// Tokens and what they hold.
pub(crate) struct Sessions(Cache<Box<str>, Arc<Opened>>);

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sessions").field(&self.0.len()).finish()
    }
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self(Cache::new(KEPT))
    }

    /// The session of a token; `None` if no key of ours sealed it.
    pub(crate) fn open(&self, token: &str, keys: &[SessionKey]) -> Option<Arc<Opened>> {
        if let Some(opened) = self.0.get(token) {
            // Its key may have gone.
            return keys.iter().any(|key| key.id == opened.key).then_some(opened);
        }
        let (session, key) = Session::open(token, keys)?;
        let opened = Arc::new(Opened::new(session, key)?);
        self.0.insert(token.into(), Arc::clone(&opened));
        Some(opened)
    }
}

/// A session, its policies compiled.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Session,
    /// Number of the key that sealed it.
    key: u32,
    policies: Option<Vec<Arc<Policy>>>,
    /// The caller, as long as its role is the same.
    caller: Mutex<Option<(Arc<AssumableRole>, Arc<Caller>)>>,
}

impl Opened {
    /// `None` if a policy cannot be read: it was checked when the session was made.
    fn new(session: Session, key: u32) -> Option<Self> {
        let policies = match &session.policies {
            None => None,
            Some(texts) => {
                let compiled = texts.iter().map(|text| Policy::parse(text, Kind::Managed).map(Arc::new));
                Some(compiled.collect::<Result<_, _>>().ok()?)
            }
        };
        Some(Self { session, key, policies, caller: Mutex::default() })
    }

    /// Who calls, with what the role may do now; `None` for a role that is not the session's.
    pub(crate) fn caller(&self, role: &Arc<AssumableRole>) -> Option<Arc<Caller>> {
        let mut kept = self.caller.lock();
        if let Some((of, caller)) = &*kept
            && Arc::ptr_eq(of, role)
        {
            return Some(Arc::clone(caller));
        }
        if role.id != self.session.role_id {
            return None;
        }
        let Session { name, issued_at, tags, source_identity, .. } = &self.session;
        let mut principal = Principal::from_arn(&self.session.arn()).ok()?.of_role(&role.arn);
        principal.user_id = Some(format!("{}:{name}", role.id).into());
        principal.token_issued = Some(issued_at.0);
        principal.source_identity = source_identity.as_deref().map(Into::into);
        principal.tags = over(&role.tags, tags.iter());
        let permissions = Permissions { session: self.policies.clone(), ..role.permissions.clone() };
        let caller = Arc::new(Caller { principal, permissions });
        *kept = Some((Arc::clone(role), Arc::clone(&caller)));
        Some(caller)
    }
}

/// The session's tags, and those of the role that they do not replace. Keys are compared without regard to case, as IAM does.
fn over<'a>(role: &Tags, session: impl Iterator<Item = (&'a String, &'a String)> + Clone) -> Tags {
    let kept = role.iter().filter(|(key, _)| !session.clone().any(|(own, _)| own.eq_ignore_ascii_case(key)));
    let own = session.clone().map(|(key, value)| (key.as_str(), value.as_str()));
    kept.chain(own).collect()
}
