//! `admin identity ...`: accounts, users, roles, policies and keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use narthex_rpc::v1::{
    ApplyIdentities, CreateAccessKey, IdentityCommand, RevokeSessions, SetAccessKey, admin_request,
    identity_command,
};

use super::AdminError;

/// Look at and change who may do what.
#[derive(Debug, Clone, Args)]
pub struct IdentityArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: IdentityAction,
}

/// What can be done about identities.
#[derive(Debug, Clone, Subcommand)]
pub enum IdentityAction {
    /// Print all accounts without secrets, as YAML that `apply` reads
    Show,
    /// Make users, groups, roles, policies, identity providers and keys as a YAML file says. What it does not name stays
    Apply {
        /// The file; - reads standard input
        file: PathBuf,
        /// Remove what the file does not name, in the accounts that it names
        #[arg(long)]
        prune: bool,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Make an access key and print it; the secret is told this once
    CreateAccessKey {
        /// Number of the account
        #[arg(long)]
        account: String,
        /// Name of the user. Unset: the account itself, which may do everything
        #[arg(long)]
        user: Option<String>,
    },
    /// Refuse an access key from now on, without forgetting it
    DisableAccessKey {
        /// Its id
        id: String,
    },
    /// Accept an access key again
    EnableAccessKey {
        /// Its id
        id: String,
    },
    /// Forget an access key
    DeleteAccessKey {
        /// Its id
        id: String,
    },
    /// Refuse all sessions of a role that were issued until now
    RevokeSessions {
        /// Number of the account
        #[arg(long)]
        account: String,
        /// Name of the role
        #[arg(long)]
        role: String,
    },
}

/// The command as it is sent.
pub(super) fn command(action: IdentityAction) -> Result<admin_request::Command, AdminError> {
    use identity_command::Command;
    let command = match action {
        IdentityAction::Show => Command::Show(true),
        IdentityAction::Apply { file, prune, dry_run } => {
            let read = if file.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(&file)
            };
            let document = read
                .map_err(|error| AdminError::Refused(format!("cannot read {}: {error}", file.display())))?;
            Command::Apply(ApplyIdentities { document, prune, dry_run })
        }
        IdentityAction::CreateAccessKey { account, user } => {
            Command::CreateAccessKey(CreateAccessKey { account, user: user.unwrap_or_default() })
        }
        IdentityAction::DisableAccessKey { id } => Command::SetAccessKey(SetAccessKey { id, active: false }),
        IdentityAction::EnableAccessKey { id } => Command::SetAccessKey(SetAccessKey { id, active: true }),
        IdentityAction::DeleteAccessKey { id } => Command::DeleteAccessKey(id),
        IdentityAction::RevokeSessions { account, role } => {
            Command::RevokeSessions(RevokeSessions { account, role })
        }
    };
    Ok(admin_request::Command::Identity(IdentityCommand { command: Some(command) }))
}
