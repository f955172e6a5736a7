//! What a configuration keeps in the cloud, for `yumen alibaba sync`: one line for each kind of section.

use yumen_cloud::change::Keeper;
use yumen_config::config::Config;

use super::accounts::Accounts;

/// Something that is kept in the cloud.
pub(crate) struct Kept {
    /// The kind of its section: `dynamic_dns`.
    pub(crate) kind: &'static str,
    /// Its name among those of its kind.
    pub(crate) name: String,
    /// Who keeps it; or why it cannot be kept.
    pub(crate) keeper: anyhow::Result<Box<dyn Keeper>>,
}

/// Everything, in the order of kinds and names. Blocks for as long as the disk takes.
pub(crate) fn keepers(config: &Config, accounts: &Accounts) -> Vec<Kept> {
    let mut all = super::dynamic_dns::keepers(config, accounts);
    all.extend(super::nat::keepers(config, accounts));
    all.extend(super::registration::keepers(config, accounts));
    all
}
