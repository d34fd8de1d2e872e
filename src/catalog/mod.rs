//! The catalogue of targets and the policy beside it: one consistent pair, loaded together and replaced together.
//!
//! What is loaded has been checked whole; a server never runs with half of a file. It decides nothing: `policy` says
//! who may, `targets` make it so.
//!
//! To add a key that all targets have: `read.rs`. Keys of one kind belong to that kind's file in `targets`.

mod cross;
mod read;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Env, Problem, Severity, files, paths};
use crate::domain::ids::TargetName;
use crate::domain::policy::Policy;
use crate::domain::target::Target;
use crate::domain::zone::Zone;
use crate::secret::{Key, hash_of};
use crate::targets::{Connector, Environment, Installation};

pub use watch::{Reloaded, Status, Watcher};

/// One target with what makes access on it real.
#[derive(Clone)]
pub struct Entry {
    pub target: Target,
    pub connector: Arc<dyn Connector>,
}

/// Every target that access can be asked for.
#[derive(Clone, Default)]
pub struct Catalog {
    pub targets: BTreeMap<TargetName, Entry>,
    /// Targets that a reload has taken out of the file. Nobody can ask for them, but what is open there must still close.
    pub retired: BTreeMap<TargetName, Entry>,
}

impl Catalog {
    /// A target that can be asked for.
    pub fn target(&self, name: &TargetName) -> Option<&Target> {
        self.targets.get(name).map(|entry| &entry.target)
    }

    /// What makes access on a target real and unreal, also on one that was taken out while the server runs.
    pub fn connector(&self, name: &TargetName) -> Option<&Arc<dyn Connector>> {
        let entry = self.targets.get(name).or_else(|| self.retired.get(name))?;
        Some(&entry.connector)
    }
}

/// The catalogue and the policy, as loaded at one moment.
#[derive(Clone)]
pub struct Rulebook {
    pub catalog: Catalog,
    pub policy: Policy,
    /// Changes with the catalogue's file and with the policy in use, and with nothing else.
    pub version: String,
    pub loaded_from: PathBuf,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
}

/// The texts of the two files; a file that does not exist has no text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Texts {
    server: Option<String>,
    policy: Option<String>,
}

impl Texts {
    fn read(folder: &Path) -> Result<Self, Vec<Problem>> {
        let read = |name| files::read(folder, name);
        match (read(paths::SERVER_FILE), read(paths::POLICY_FILE)) {
            (Ok(server), Ok(policy)) => Ok(Self { server, policy }),
            (server, policy) => Err([server.err(), policy.err()].into_iter().flatten().collect()),
        }
    }

    fn version(&self) -> String {
        self.version_with(self.policy.as_deref().unwrap_or_default())
    }

    /// The version with another policy than that of the file.
    fn version_with(&self, policy: &str) -> String {
        let server = self.server.as_deref().unwrap_or_default();
        // The hashes have one length, so a line that moves from one file to the other makes another version.
        let both: String = [hash_of(server), hash_of(policy)]
            .iter()
            .flatten()
            .map(|byte| char::from(*byte))
            .collect();
        hash_of(&both)
            .iter()
            .take(6)
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Loads both files of a folder, or says everything that is wrong with them. A file that does not exist is empty.
pub fn load(folder: &Path, environment: &Environment) -> Result<Rulebook, Vec<Problem>> {
    understand(&Texts::read(folder)?, folder, environment)
}

fn understand(
    texts: &Texts,
    folder: &Path,
    environment: &Environment,
) -> Result<Rulebook, Vec<Problem>> {
    let server = texts.server.as_deref().unwrap_or_default();
    let policy = texts.policy.as_deref().unwrap_or_default();
    let (catalog, zone, mut problems) = read::catalog(server, environment);
    match Policy::parse(policy) {
        Ok(policy) => {
            let policy = policy.in_zone(zone);
            problems.extend(cross::check(&catalog, &policy));
            if texts.policy.is_none() {
                let hint = Some("run `portcullis config init` for a commented one".to_owned());
                let message = "there is no policy file, so nobody can ask for anything";
                problems.push(Problem {
                    severity: Severity::Warning,
                    ..Problem::of(paths::POLICY_FILE, message, hint)
                });
            }
            if problems
                .iter()
                .all(|problem| problem.severity == Severity::Warning)
            {
                let loaded_from = folder.to_owned();
                return Ok(Rulebook {
                    catalog,
                    policy,
                    version: texts.version(),
                    loaded_from,
                    warnings: problems,
                });
            }
        }
        Err(found) => problems.extend(
            found
                .into_iter()
                .map(|problem| Problem::in_policy(paths::POLICY_FILE, problem)),
        ),
    }
    Err(problems)
}

/// The targets of a folder's catalogue and the time zone of its policy, without the policy.
pub fn targets(folder: &Path) -> Result<(Vec<Target>, Zone), Vec<Problem>> {
    let text = files::read(folder, paths::SERVER_FILE).map_err(|problem| vec![problem])?;
    let key = Key::new([0; 32]);
    let environment = Environment {
        installation: Installation::of(&key),
        key,
    };
    let (catalog, zone, problems) =
        read::catalog(text.as_deref().unwrap_or_default(), &environment);
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(problems);
    }
    let targets = catalog.targets.into_values().map(|entry| entry.target);
    Ok((targets.collect(), zone))
}

/// What `portcullis config check` found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    pub folder: PathBuf,
    pub targets: usize,
    pub policies: usize,
    /// The version that a server would load, if it would.
    pub version: Option<String>,
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether a server would start with these files.
    pub fn is_ok(&self) -> bool {
        self.version.is_some()
            && self
                .problems
                .iter()
                .all(|problem| problem.severity == Severity::Warning)
    }
}

/// Checks every file of a folder against everything that can be known without asking a target.
pub fn check(folder: &Path, env: Env<'_>) -> Report {
    let mut problems = match config::server(folder, env, &[]) {
        Ok(server) => server.warnings,
        Err(problems) => problems,
    };
    if let Err(found) = config::ConsoleSettings::load(folder, env, &[]) {
        problems.extend(found);
    }
    // Connectors are made to check their settings and then dropped; no key has to exist for that.
    let key = Key::new([0; 32]);
    let environment = Environment {
        installation: Installation::of(&key),
        key,
    };
    let (mut targets, mut policies, mut version) = (0, 0, None);
    match load(folder, &environment) {
        Ok(rulebook) => {
            targets = rulebook.catalog.targets.len();
            policies = rulebook.policy.rules().count();
            version = Some(rulebook.version);
            problems.extend(rulebook.warnings);
        }
        Err(found) => problems.extend(found),
    }
    // Syntax errors are found by both readers of the one file.
    problems
        .sort_by(|a, b| (&a.origin, a.place, &a.message).cmp(&(&b.origin, b.place, &b.message)));
    problems.dedup();
    Report {
        folder: folder.to_owned(),
        targets,
        policies,
        version,
        problems,
    }
}
