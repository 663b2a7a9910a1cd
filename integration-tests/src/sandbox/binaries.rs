//! Where the built binaries of the services are.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, ensure};

/// The path of a binary: in `NARTHEX_BIN_DIR`, or else where cargo put it when it built this executable's workspace.
/// Building is the test command's business (`cargo build --workspace --bins`), not the test's.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("NARTHEX_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            // target/<profile>/deps/<test> or target/<profile>/<binary>.
            let executable = env::current_exe()?;
            let folder = executable.parent().context("an executable lies in a folder")?;
            let is_deps = folder.file_name().is_some_and(|last| last == "deps");
            if is_deps {
                folder.parent().context("deps lies in a folder")?.to_owned()
            } else {
                folder.to_owned()
            }
        }
    };
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is not there; build it first: cargo build --workspace --bins",
        path.display()
    );
    Ok(path)
}
