//! The node of this machine, for commands that work on its database while no server does: the settings of `serve`, the
//! data directory with its lock, catalogue and policy.

use std::path::{Path, PathBuf};

use crate::catalog::Watcher;
use crate::cli::context::environment;
use crate::cli::{Context, Failure};
use crate::config::{self, Database, Problem, Settings, paths};
use crate::domain::refusal::Refusal;
use crate::server::instance::{self, Instance};
use crate::store::Location;
use crate::store::migrate::Unfit;
use crate::targets::{Environment, Installation};

/// Where the node has its settings and its truth; each as `serve` has it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Place {
    /// Where the server keeps its database and its keys
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The folder of portcullis.toml and policy.cedar
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// `sqlite`, or `postgres://user@host/name` for several nodes
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
}

/// A node whose data directory this process holds.
pub(super) struct Node {
    pub settings: Settings,
    pub folder: PathBuf,
    pub instance: Instance,
}

impl Place {
    /// The node's settings, and the folder that they are in.
    pub(super) fn settings(self, context: &Context<'_>) -> Result<(Settings, PathBuf), Failure> {
        let folder = paths::config_dir(self.config_dir.as_deref(), &environment);
        let data_dir = self
            .data_dir
            .map(|path| path.to_string_lossy().into_owned());
        let flags: Vec<(&str, String)> = [("data-dir", data_dir), ("database", self.database)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let config = config::server(&folder, &environment, &flags)
            .map_err(|problems| refused(context, &problems))?;
        Ok((config.settings, folder))
    }

    /// Takes the data directory of the node; refused while its server runs.
    pub(super) fn take(self, context: &Context<'_>) -> Result<Node, Failure> {
        let (settings, folder) = self.settings(context)?;
        let instance = Instance::take(&settings.data_dir).map_err(|error| fault(&error))?;
        Ok(Node {
            settings,
            folder,
            instance,
        })
    }
}

impl Node {
    /// Where its truth is.
    pub(super) fn location(&self) -> Location {
        location_of(&self.settings)
    }

    /// Its catalogue and policy, read with its key.
    pub(super) fn rules(&self, context: &Context<'_>) -> Result<Watcher, Failure> {
        rules(context, &self.folder, &self.instance)
    }
}

/// Where the truth of a node is.
pub(super) fn location_of(settings: &Settings) -> Location {
    match &settings.database {
        Database::Sqlite => Location::Sqlite(instance::database_in(&settings.data_dir)),
        Database::Postgres(url) => Location::Postgres(url.clone()),
    }
}

/// Catalogue and policy, read with the key of the data directory.
pub(super) fn rules(
    context: &Context<'_>,
    folder: &Path,
    instance: &Instance,
) -> Result<Watcher, Failure> {
    let key = instance.key().map_err(|error| fault(&error))?;
    let environment = Environment {
        installation: Installation::of(&key),
        key,
    };
    Watcher::open(folder, environment).map_err(|problems| refused(context, &problems))
}

/// Why the node cannot do its work, with the code and the hint of what is known to happen.
pub(super) fn fault(error: &anyhow::Error) -> Failure {
    let refusal = error.downcast_ref::<Refusal>();
    let unfit = error.downcast_ref::<Unfit>();
    Failure {
        code: refusal.map(Refusal::code).or(unfit.map(Unfit::code)),
        ..Failure::here(
            format!("{error:#}"),
            refusal.and_then(Refusal::hint).unwrap_or_default(),
        )
    }
}

/// Shows every problem with the files but the last, which ends the command.
pub(super) fn refused(context: &Context<'_>, problems: &[Problem]) -> Failure {
    for problem in problems {
        let hint = problem
            .hint
            .as_ref()
            .map(|hint| format!(" (hint: {hint})"))
            .unwrap_or_default();
        context.printer.note(&format!("{problem}{hint}"));
    }
    Failure::here(
        "the configuration is not valid, so the server did not start",
        "check it with `portcullis config check`",
    )
}
