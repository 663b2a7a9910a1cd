//! Installs every tool that the tests use and prints versions and paths, so that a CI step can do it ahead of the
//! tests and an outage of a package source shows there.

use anyhow::Result;
use narthex_integration_tests::tools;

fn main() -> Result<()> {
    for tool in tools::all()? {
        println!("{:<18} {:<18} {}", tool.name, tool.version, tool.program.display());
    }
    Ok(())
}
