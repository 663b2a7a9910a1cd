//! The folder that keeps what was downloaded, and the lock that keeps parallel test processes from colliding in it.
//!
//! A finished installation is a folder named by its version, made by renaming a complete one into place, and a text
//! file `<name>.current` that tells the version: what `current` names is whole.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The user's cache folder for tools.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the folder and makes it.
    pub(super) fn open() -> Result<Self> {
        let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
            Some(base) => PathBuf::from(base),
            None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
                .join(".cache"),
        };
        let root = base.join("narthex-tools");
        fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
        Ok(Self { root })
    }

    /// A path in the folder.
    pub(super) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Waits for the right to change the folder. The lock ends with the returned file, and with the process.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.path("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(file)
    }

    /// The version of `name` that is installed, if it is whole.
    pub(super) fn current(&self, name: &str) -> Option<(String, PathBuf)> {
        let version = fs::read_to_string(self.path(format!("{name}.current"))).ok()?.trim().to_owned();
        let folder = self.folder(name, &version);
        folder.is_dir().then_some((version, folder))
    }

    /// Where a version of `name` is unpacked. Epochs and tildes of Debian versions are kept out of the file name.
    pub(super) fn folder(&self, name: &str, version: &str) -> PathBuf {
        let safe: String =
            version.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        self.path(name).join(safe)
    }

    /// Declares `version` of `name` complete.
    pub(super) fn set_current(&self, name: &str, version: &str) -> Result<()> {
        let draft = self.path(format!("{name}.current.new"));
        fs::write(&draft, version)?;
        Ok(fs::rename(&draft, self.path(format!("{name}.current")))?)
    }
}
