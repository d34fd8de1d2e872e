//! Where files are looked for when nobody says where.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::config::layers::Env;

/// The server's settings and the catalogue.
pub const SERVER_FILE: &str = "portcullis.toml";
/// The policy, beside it.
pub const POLICY_FILE: &str = "policy.cedar";
/// The settings of the console and the commands.
pub const CONSOLE_FILE: &str = "console.toml";
/// Names another folder for all three.
pub const FOLDER_ENV: &str = "PORTCULLIS_CONFIG_DIR";

/// The folder of the configuration: the flag, else the environment, else `portcullis` in the user's settings.
pub fn config_dir(flag: Option<&Path>, env: Env<'_>) -> PathBuf {
    if let Some(folder) = flag {
        return folder.to_owned();
    }
    if let Some(folder) = env(FOLDER_ENV).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let own = etcetera::choose_base_strategy().map(|base| base.config_dir());
    own.map_or_else(
        |_| PathBuf::from("/etc/portcullis"),
        |folder| folder.join("portcullis"),
    )
}

/// The folder of the server's data: `portcullis` in the user's data, or the system's place for a user without a home.
pub(super) fn data_dir(env: Env<'_>) -> PathBuf {
    // systemd's `StateDirectory=` names the folder it has made; it may list several.
    if let Some(first) =
        env("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from))
    {
        return first;
    }
    let own = etcetera::choose_base_strategy().map(|base| base.data_dir());
    own.map_or_else(
        |_| PathBuf::from("/var/lib/portcullis"),
        |folder| folder.join("portcullis"),
    )
}
