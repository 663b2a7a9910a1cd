//! A disk whose syncs fail on command: a library between the process and libc, compiled when a test asks for it.

use std::{fs, io, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::sandbox::Sandbox;

const SOURCE: &str = include_str!("fsync_fault.c");

/// Start processes with [`Self::environment`]; their syncs fail while the fault is armed.
#[derive(Debug)]
pub struct FsyncFault {
    library: PathBuf,
    switch: PathBuf,
}

impl FsyncFault {
    /// Compiles the library with the C compiler that a build of Narthex needs anyway.
    pub fn build(sandbox: &Sandbox) -> Result<Self> {
        let source = sandbox.path().join("fsync_fault.c");
        fs::write(&source, SOURCE)?;
        let library = source.with_extension("so");
        let mut compiler = Command::new("cc");
        let output = compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .output()
            .context("cc")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { library, switch: sandbox.path().join("fsync-fails") })
    }

    /// What a process needs to be exposed to the fault.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("NARTHEX_TEST_FSYNC_FAULT", self.switch.display().to_string()),
        ]
    }

    /// From now on syncs of files fail whose path contains `part`.
    pub fn arm(&self, part: &str) -> Result<()> {
        // In one step, so that no process reads half of it.
        let draft = self.switch.with_extension("new");
        fs::write(&draft, part)?;
        fs::rename(&draft, &self.switch)?;
        Ok(())
    }

    /// From now on syncs succeed again.
    pub fn disarm(&self) -> Result<()> {
        match fs::remove_file(&self.switch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
