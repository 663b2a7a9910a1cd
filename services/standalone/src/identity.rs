//! The first account, access key and workspace of a deployment, made at random.

use narthex_model::WorkspaceId;
use narthex_service::Random;

/// Who may use a fresh deployment, and the workspace that it begins with.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// 12 digits.
    pub(crate) account: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) workspace: WorkspaceId,
}

impl Identity {
    /// A new identity: keys have AWS's lengths and alphabets, so that every client takes them.
    pub(crate) fn generate(random: &Random) -> Self {
        const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const BASE62: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let text = |alphabet: &[u8], length| -> String {
            (0..length).map(|_| char::from(alphabet[random.below(alphabet.len() as u64) as usize])).collect()
        };
        Self {
            account: text(b"123456789", 1) + &text(b"0123456789", 11),
            access_key_id: format!("AKIA{}", text(BASE32, 16)),
            secret_access_key: text(BASE62, 40),
            workspace: WorkspaceId::from_random(random.bits128()),
        }
    }

    /// The control plane's bootstrap file.
    pub(crate) fn bootstrap_yaml(&self) -> String {
        let Self { account, access_key_id, secret_access_key, workspace } = self;
        format!(
            "# Read by the control plane at its very first start; later changes have no effect.
account_id: '{account}'
access_keys:
  - user_name: admin
    access_key_id: {access_key_id}
    secret_access_key: {secret_access_key}
workspaces:
  - id: {workspace}
    alias: default
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_shape_that_aws_clients_expect() {
        let identity = Identity::generate(&Random::from_seed(1));
        assert!(identity.account.parse::<narthex_model::AccountId>().is_ok());
        assert_eq!((identity.access_key_id.len(), identity.secret_access_key.len()), (20, 40));
        assert_ne!(identity.access_key_id, Identity::generate(&Random::from_seed(2)).access_key_id);
    }
}
