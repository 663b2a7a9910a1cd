//! The bootstrap file: everybody that the rows are about, and a workspace for each row.

use std::collections::BTreeMap;

use narthex_integration_tests::aws::Signer;
use serde_json::{Map, Value, json};

use super::{
    row::{Caller, Row, workspace_id},
    rows::OWNER,
};

/// Everybody's secret.
const SECRET: &str = "the secret of everybody in tests";

/// The user of an account that assumes its roles.
const ASSUMER: &str = "assumer";

/// A key's id, which names whose it is.
fn key_id(whose: &str, of: &str) -> String {
    format!("AKIA{}{of}", whose.to_uppercase())
}

fn key(id: &str) -> Value {
    json!({ "access_key_id": id, "secret_access_key": SECRET })
}

fn signer(id: &str) -> Signer {
    Signer::new(id, SECRET, "us-east-1")
}

/// The key that a row's caller has, or with which it gets its session.
pub(crate) fn signer_of(row: &Row) -> Signer {
    match &row.caller {
        Caller::Root { account } => signer(&key_id("root", account)),
        Caller::User { .. } => signer(&key_id("row", &row.number.to_string())),
        Caller::Session { account, .. } => signer(&key_id(ASSUMER, account)),
    }
}

/// Name of a managed policy of a row.
pub(crate) fn policy_name(row: &Row, what: &str) -> String {
    format!("{what}-{}", row.number)
}

/// The whole file.
pub(crate) fn bootstrap(rows: &[Row]) -> Value {
    let mut accounts = BTreeMap::<String, Account>::new();
    accounts.entry(OWNER.to_owned()).or_default();
    for row in rows {
        accounts.entry(row.caller.account().to_owned()).or_default().add(row);
    }
    let workspaces = rows.iter().filter(|row| row.workspace.is_some());
    let marker = std::iter::once(workspace_id(rows.len()));
    let ids = marker.chain(workspaces.map(|row| workspace_id(row.number)));
    let mut admin = key("AKIAADMINISTRATOR000");
    admin["user_name"] = json!("admin");
    json!({
        "account_id": OWNER,
        "access_keys": [admin],
        "workspaces": ids.map(|id| json!({ "id": id, "alias": "row" })).collect::<Vec<_>>(),
        "accounts": accounts.into_iter().map(|(id, account)| account.document(&id)).collect::<Vec<_>>(),
    })
}

/// What an account of the file has.
#[derive(Default)]
struct Account {
    policies: Vec<Value>,
    users: Vec<Value>,
    roles: Vec<Value>,
}

impl Account {
    fn add(&mut self, row: &Row) {
        let mut managed = |what: &str, document: &Value| {
            let name = policy_name(row, what);
            self.policies.push(json!({ "name": name, "document": document }));
            name
        };
        let boundary = row.boundary.as_ref().map(|policy| match policy {
            Value::String(name) => name.clone(),
            document => managed("boundary", document),
        });
        for (number, document) in row.session.iter().flatten().enumerate().skip(1) {
            managed(&format!("session-{number}"), document);
        }
        let (names, documents): (Vec<_>, Vec<_>) = row.identity.iter().partition(|policy| policy.is_string());
        let inline =
            documents.into_iter().enumerate().map(|(n, document)| (format!("p{n}"), document.clone()));
        let mut entity = json!({
            "tags": row.principal_tags,
            "policies": names,
            "inline_policies": inline.collect::<Map<_, _>>(),
            "permissions_boundary": boundary,
        });
        match &row.caller {
            Caller::Root { .. } => {}
            Caller::User { path, name, .. } => {
                entity["name"] = json!(name);
                entity["path"] = json!(path);
                entity["access_keys"] = json!([key(&signer_of(row).access_key_id)]);
                self.users.push(entity);
            }
            Caller::Session { account, path, role, .. } => {
                entity["name"] = json!(role);
                entity["path"] = json!(path);
                entity["trust_policy"] = json!({ "Version": "2012-10-17", "Statement": {
                    "Effect": "Allow",
                    "Principal": { "AWS": account },
                    "Action": "sts:AssumeRole",
                } });
                self.roles.push(entity);
            }
        }
    }

    fn document(mut self, id: &str) -> Value {
        let may = json!({ "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*",
        } });
        self.users.push(json!({
            "name": ASSUMER,
            "inline_policies": { "may": may },
            "access_keys": [key(&key_id(ASSUMER, id))],
        }));
        json!({
            "account_id": id,
            "root_access_keys": [key(&key_id("root", id))],
            "policies": self.policies,
            "users": self.users,
            "roles": self.roles,
        })
    }
}
