//! A file system of a few megabytes that can be filled up.
//!
//! It is a tmpfs mounted in a user and mount namespace of its own, so it needs no root and vanishes with the process that holds
//! the namespace. Everybody else reaches it through that process's `/proc/<id>/root`.

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::sandbox::{Command, DEADLINE, Process, Sandbox, until};

/// Set to skip, by one's own word, the tests that need a file system of their own.
const WITHOUT: &str = "NARTHEX_TEST_WITHOUT_NAMESPACES";

/// A small file system; gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    _holder: Process,
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `mebibytes`. `None` where the system forbids it and the environment says that this is known; where
    /// it does not say so, that is an error, because a test that did not run has not passed.
    pub async fn mount(sandbox: &Sandbox, mebibytes: u32) -> Result<Option<Self>> {
        let point = sandbox.path().join("small-disk");
        fs::create_dir_all(&point)?;
        let script =
            format!("mount -t tmpfs -o size={mebibytes}m none \"$0\" && echo mounted && exec sleep 1800");
        let command =
            Command::new("unshare").args(["--user", "--map-root-user", "--mount", "--", "sh", "-c"]);
        let mut holder = sandbox.start("small-disk", command.arg(script).arg(&point))?;
        let mounted = until(&sandbox.clock, "a mounted file system", DEADLINE, async || {
            let ended = holder.ended()?.is_some();
            match holder.log().contains("mounted") {
                true => Ok(Ok(true)),
                false if ended => Ok(Ok(false)),
                false => Ok(Err("not mounted yet".to_owned())),
            }
        })
        .await?;
        if mounted {
            let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
            let path = root.join(point.strip_prefix("/")?);
            return Ok(Some(Self { _holder: holder, path }));
        }
        if env::var_os(WITHOUT).is_some() {
            eprintln!("IGNORED, because {WITHOUT} is set: no file system can be mounted here");
            return Ok(None);
        }
        bail!(
            "a full disk cannot be tested here: {}; allow user namespaces, run as root, or set {WITHOUT}=1 to ignore this test",
            holder.log().trim()
        )
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all the space that is left.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.path.join("ballast"))?;
        let mut block: &[u8] = &[1; 1 << 16];
        loop {
            match ballast.write(block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull && block.len() > 1 => {
                    block = &block[..block.len() / 2];
                }
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.path.join("ballast"))?)
    }
}
