//! Packages of Debian's newest suite, downloaded by apt in a directory of its own and unpacked, never installed.
//!
//! The archive's address and key come from the machine's own sources file; only the suite is ours. Nothing of the
//! system's apt state is read or changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{attempts::three_tries, cache::Cache, output_of};

const SUITE: &str = "sid";

/// An unpacked package.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// The folder that stands for `/`.
    pub(super) root: PathBuf,
}

/// The package `name`: as unpacked earlier, or downloaded now.
pub(super) fn package(cache: &Cache, name: &str) -> Result<Package> {
    let from = |(version, root)| Package { name: name.to_owned(), version, root };
    if let Some(found) = cache.current(name) {
        return Ok(from(found));
    }
    let _lock = cache.lock()?;
    if let Some(found) = cache.current(name) {
        return Ok(from(found));
    }
    let apt = Apt::prepare(cache)?;
    let source = "the Debian package source of this machine";
    if !apt.is_updated() {
        three_tries(source, || apt.update())?;
    }
    let version = three_tries(source, || {
        // The list may be older than the archive: a package that is gone needs a fresh one.
        apt.download_and_unpack(cache, name).or_else(|_| {
            apt.update()?;
            apt.download_and_unpack(cache, name)
        })
    })?;
    cache.set_current(name, &version)?;
    cache.current(name).map(from).with_context(|| format!("{name} vanished from the cache folder"))
}

/// An apt that knows one suite only and keeps its state in our folder.
struct Apt {
    sources: PathBuf,
    lists: PathBuf,
    archives: PathBuf,
}

impl Apt {
    fn prepare(cache: &Cache) -> Result<Self> {
        let root = cache.path("apt");
        let (lists, archives) = (root.join("lists"), root.join("cache"));
        fs::create_dir_all(lists.join("partial"))?;
        fs::create_dir_all(archives.join("archives/partial"))?;
        let sources = root.join(format!("{SUITE}.sources"));
        fs::write(&sources, suite_source(&machine_source()?, SUITE)?)?;
        Ok(Self { sources, lists, archives })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        for option in [
            option("Dir::Etc::sourcelist", &self.sources),
            option("Dir::Etc::sourceparts", Path::new("/dev/null")),
            option("Dir::State::lists", &self.lists),
            option("Dir::Cache", &self.archives),
            "Acquire::http::Timeout=60".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command.arg("-q").env("LC_ALL", "C");
        command
    }

    fn is_updated(&self) -> bool {
        let names = fs::read_dir(&self.lists).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| name.to_string_lossy().contains("_Packages"))
    }

    fn update(&self) -> Result<()> {
        // Without Error-Mode a source that does not answer is only a warning.
        output_of(self.command("apt-get").args(["-o", "APT::Update::Error-Mode=any", "update"])).map(drop)
    }

    fn download_and_unpack(&self, cache: &Cache, name: &str) -> Result<String> {
        let work = tempfile::tempdir_in(cache.path("apt"))?;
        output_of(
            self.command("apt-get").current_dir(work.path()).args(["download", &format!("{name}/{SUITE}")]),
        )?;
        let archive = fs::read_dir(work.path())?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get download of {name} left no package"))?;
        let version = output_of(Command::new("dpkg-deb").arg("--field").arg(&archive).arg("Version"))?
            .trim()
            .to_owned();
        let unpacked = work.path().join("root");
        output_of(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))?;
        let folder = cache.folder(name, &version);
        if !folder.exists() {
            fs::create_dir_all(folder.parent().context("a version folder has a parent")?)?;
            fs::rename(&unpacked, &folder)?;
        }
        Ok(version)
    }
}

/// The text of the machine's sources file in the deb822 form.
fn machine_source() -> Result<String> {
    let path = "/etc/apt/sources.list.d/debian.sources";
    fs::read_to_string(path)
        .with_context(|| format!("{path} cannot be read; the tests take Debian's address from it"))
}

/// The first stanza of `machine`, pointed at `suite`.
fn suite_source(machine: &str, suite: &str) -> Result<String> {
    let field = |name: &str| machine.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let Some(address) = field("URIs:").and_then(|all| all.split_whitespace().next()) else {
        bail!("the machine's Debian sources file has no URIs line")
    };
    let mut text = format!("Types: deb\nURIs: {address}\nSuites: {suite}\nComponents: main\n");
    if let Some(key) = field("Signed-By:").filter(|key| !key.is_empty()) {
        text.push_str(&format!("Signed-By: {key}\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_and_the_key_are_the_machines() {
        let machine = "Types: deb\n# a comment\nURIs: http://archive.invalid/debian\nSuites: stable\nSigned-By: /k.gpg\n";
        let ours = suite_source(machine, "sid").unwrap();
        assert_eq!(
            ours,
            "Types: deb\nURIs: http://archive.invalid/debian\nSuites: sid\nComponents: main\nSigned-By: /k.gpg\n"
        );
        assert!(suite_source("Types: deb\n", "sid").is_err());
    }
}
