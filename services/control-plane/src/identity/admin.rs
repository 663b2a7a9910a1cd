//! What operators do about identities, carried out: a plan over the newest state, proposed as one command.
//!
//! Two operators at once do not overwrite each other unseen: what a plan does not mention stays as it is, and a plan that would leave a
//! reference open on the state that it meets is refused.

use narthex_model::AccountId;
use narthex_rpc::v1::{
    ApplyIdentities, CreateAccessKey, RevokeSessions, SetAccessKey, identity_command::Command,
};
use narthex_service::Random;
use tonic::Status;

use super::{Document, EntityKind, Fresh, IdentityChange, plan, records::root_arn, show};
use crate::{
    desk::Desk,
    state::{self, CredentialRecord, Refusal, Response},
};

/// Carries a command out and says what came of it.
pub(crate) async fn carry_out(desk: &Desk, random: &Random, command: Command) -> Result<String, Status> {
    desk.catch_up().await?;
    let fresh = Fresh { random, now: desk.clock().now() };
    match command {
        Command::Show(_) => {
            let document = {
                let view = desk.machine().view();
                show(&view.state.identities, &view.state.credentials)
            };
            serde_saphyr::to_string(&document).map_err(|error| Status::internal(error.to_string()))
        }
        Command::Apply(ApplyIdentities { document, prune, dry_run }) => {
            let changes = {
                let document = Document::parse(&document).map_err(refused)?;
                let state = &desk.machine().view().state;
                plan(&document, &state.identities, &state.credentials, prune, fresh).map_err(refused)?
            };
            let lines: Vec<_> = changes.iter().map(describe).collect();
            if changes.is_empty() {
                return Ok("nothing to change".to_owned());
            }
            if dry_run {
                return Ok(format!("would change:\n{}", lines.join("\n")));
            }
            propose(desk, changes).await?;
            Ok(format!("changed:\n{}", lines.join("\n")))
        }
        Command::CreateAccessKey(CreateAccessKey { account, user }) => {
            let account = account_id(&account)?;
            let principal = principal(desk, &account, &user)?;
            let id: String = fresh.id("AKIA").chars().take(20).collect();
            let secret = fresh.secret();
            let record = CredentialRecord {
                secret_access_key: secret.clone(),
                account,
                principal,
                active: true,
                created_at: fresh.now,
            };
            propose(desk, vec![IdentityChange::PutKey(id.clone(), record)]).await?;
            // The one time that the secret is told.
            Ok(format!("access_key_id: {id}\nsecret_access_key: {secret}"))
        }
        Command::SetAccessKey(SetAccessKey { id, active }) => {
            propose(desk, vec![IdentityChange::SetKey(id.clone(), active)]).await?;
            Ok(format!("the access key {id} {}", if active { "works" } else { "is refused" }))
        }
        Command::DeleteAccessKey(id) => {
            propose(desk, vec![IdentityChange::DeleteKey(id.clone())]).await?;
            Ok(format!("the access key {id} is gone"))
        }
        Command::RevokeSessions(RevokeSessions { account, role }) => {
            let account = account_id(&account)?;
            propose(desk, vec![IdentityChange::RevokeSessions(account, role.clone(), fresh.now)]).await?;
            Ok(format!("sessions of the role {role} that were issued until now are refused"))
        }
    }
}

fn refused(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn account_id(text: &str) -> Result<AccountId, Status> {
    text.parse().map_err(refused)
}

/// The ARN of a user, or of the root where no user is named.
fn principal(desk: &Desk, account: &AccountId, user: &str) -> Result<String, Status> {
    let view = desk.machine().view();
    let record = view.state.identities.accounts.get(account);
    let record = record.ok_or_else(|| Status::not_found(format!("there is no account {account}")))?;
    if user.is_empty() {
        return Ok(root_arn(account));
    }
    let found = record.users.get(user).map(|found| found.arn(account, user));
    found.ok_or_else(|| Status::not_found(format!("account {account} has no user {user:?}")))
}

async fn propose(desk: &Desk, changes: Vec<IdentityChange>) -> Result<(), Status> {
    match desk.propose(state::Command::Identity { changes }).await? {
        Response::Refused(Refusal::Identity(text)) => Err(Status::failed_precondition(text)),
        Response::Refused(refusal) => Err(Status::failed_precondition(refusal.to_string())),
        _ => Ok(()),
    }
}

/// One line, without secrets.
fn describe(change: &IdentityChange) -> String {
    use IdentityChange::*;
    let put = |kind: EntityKind, account: &AccountId, name: &str| {
        format!("  put {kind} {name} of account {account}")
    };
    match change {
        PutAccount(account) => format!("  put account {account}"),
        PutUser(account, name, _) => put(EntityKind::User, account, name),
        PutGroup(account, name, _) => put(EntityKind::Group, account, name),
        PutRole(account, name, _) => put(EntityKind::Role, account, name),
        PutPolicy(account, name, _) => put(EntityKind::Policy, account, name),
        PutProvider(account, name, _) => put(EntityKind::Provider, account, name),
        Delete(account, kind, name) => format!("  delete {kind} {name} of account {account}"),
        PutKey(id, key) => format!("  put access key {id} of {}", key.principal),
        SetKey(id, active) => {
            format!("  set access key {id} {}", if *active { "active" } else { "inactive" })
        }
        DeleteKey(id) => format!("  delete access key {id}"),
        RevokeSessions(account, role, _) => format!("  revoke sessions of role {role} of account {account}"),
    }
}
