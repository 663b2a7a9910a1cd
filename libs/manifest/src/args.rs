//! The margins as settings.

use clap::Args;
use narthex_service::HumanDuration;

use crate::{Margins, MarginsError};

/// The keys of margins (rule 10). Every service of a deployment has the same.
#[derive(Debug, Clone, Args)]
pub struct MarginArgs {
    /// How long after a block was put its commit may begin; at most a quarter of --gc.orphan-age
    #[arg(
        long = "gc.commit-within",
        env = "NARTHEX_GC_COMMIT_WITHIN",
        value_name = "DURATION",
        default_value = "6h"
    )]
    pub commit_within: HumanDuration,

    /// How long an object stays that no manifest names (any more)
    #[arg(
        long = "gc.orphan-age",
        env = "NARTHEX_GC_ORPHAN_AGE",
        value_name = "DURATION",
        default_value = "24h"
    )]
    pub orphan_age: HumanDuration,

    /// How long a manifest root stays after a newer one; from --gc.orphan-age to twice as long
    #[arg(long = "gc.root-age", env = "NARTHEX_GC_ROOT_AGE", value_name = "DURATION", default_value = "24h")]
    pub root_age: HumanDuration,
}

impl Default for MarginArgs {
    fn default() -> Self {
        let margins = Margins::DEFAULT;
        Self {
            commit_within: HumanDuration::from_secs(margins.commit_within().as_secs()),
            orphan_age: HumanDuration::from_secs(margins.orphan_age().as_secs()),
            root_age: HumanDuration::from_secs(margins.root_age().as_secs()),
        }
    }
}

impl MarginArgs {
    /// The margins, if they leave enough room.
    pub fn margins(&self) -> Result<Margins, MarginsError> {
        Margins::new(self.commit_within.get(), self.orphan_age.get(), self.root_age.get())
    }
}
