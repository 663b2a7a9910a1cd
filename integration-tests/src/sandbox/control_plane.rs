//! One control-plane node by itself: the management API, with nothing behind it that stores samples.

use std::fs;

use anyhow::Result;

use super::{Process, Sandbox, binary, process::Command};
use crate::aws::{Api, Signer};

/// A running control plane of one node.
#[derive(Debug)]
pub struct ControlPlane {
    /// The process; killed when dropped.
    pub process: Process,
    /// `http://ADDRESS:PORT` of the management API.
    pub base: String,
    /// A client with the key of an account, which may do everything there.
    pub api: Api,
    /// A client with the key of another account.
    pub stranger: Api,
}

impl ControlPlane {
    /// The account.
    pub const ACCOUNT: &str = "123456789012";

    /// The other account.
    pub const OTHER_ACCOUNT: &str = "210987654321";

    /// Its region.
    pub const REGION: &str = "eu-west-1";

    /// Starts on an empty folder, with further flags, and waits until it is ready.
    pub async fn start(sandbox: &Sandbox, flags: &[&str]) -> Result<Self> {
        let folder = sandbox.path().join("control-plane");
        fs::create_dir_all(&folder)?;
        let bootstrap = folder.join("bootstrap.yaml");
        let secret = "the secret of everybody in tests";
        let key = |id: &str| format!("access_key_id: {id}, secret_access_key: {secret}");
        let (own, others) = ("AKIAROOT000000000000", "AKIASTRANGER00000000");
        let account =
            |id: &str, key: String| format!("{{account_id: '{id}', root_access_keys: [{{{key}}}]}}");
        let accounts =
            [account(Self::ACCOUNT, key(own)), account(Self::OTHER_ACCOUNT, key(others))].join(", ");
        let text = format!("account_id: '{}'\naccess_keys: []\naccounts: [{accounts}]\n", Self::ACCOUNT);
        fs::write(&bootstrap, text)?;
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let grpc = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let command = Command::new(binary("narthex-control-plane")?)
            .args(["--region", Self::REGION, "--listen", &address, "--grpc-listen", &grpc])
            .arg("--bootstrap-file")
            .arg(&bootstrap)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args(flags.iter().copied());
        let mut process = sandbox.start("control-plane", command)?;
        let base = format!("http://{address}");
        sandbox.ready(&mut process, &format!("{base}/ready")).await?;
        let api = |id: &str| {
            let signer = Some(Signer::new(id, secret, Self::REGION));
            Api { http: sandbox.http.clone(), signer, workspace: String::new() }
        };
        let (api, stranger) = (api(own), api(others));
        Ok(Self { process, base, api, stranger })
    }
}
