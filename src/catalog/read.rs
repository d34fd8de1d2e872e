//! From the text of `portcullis.toml` to the catalogue: what all targets have is read here, the rest by their kind.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::Arc;

use crate::catalog::{Catalog, Entry};
use crate::config::document::{self, Table};
use crate::config::{self, Notes, Problem, paths};
use crate::domain::ids::{RoleName, TargetName};
use crate::domain::nearest::{list, nearest};
use crate::domain::target::{Target, TargetKind, TargetRole};
use crate::domain::zone::Zone;
use crate::targets::{self, Connector, Environment, KindRole, KindSettings, SettingsProblem};

/// Keys that every target has.
const TARGET_KEYS: [&str; 4] = ["kind", "description", "tags", "role"];
/// Keys that every role has.
const ROLE_KEYS: [&str; 2] = ["description", "includes"];
/// Tables of the file.
const TABLES: [&str; 13] = [
    "server",
    "signals",
    "policy",
    "step_up",
    "tokens",
    "identity",
    "local_accounts",
    "break_glass",
    "audit",
    "siem",
    "witness",
    "notices",
    "target",
];
/// Longer text does not fit where it is shown.
const LONGEST_TEXT: usize = 200;

/// Reads all targets. Those with problems are left out and noted.
pub(super) fn catalog(text: &str, environment: &Environment) -> (Catalog, Zone, Vec<Problem>) {
    let mut notes = Notes::new(paths::SERVER_FILE, text);
    let mut catalog = Catalog::default();
    let Some(mut root) = document::parse(text, &mut notes) else {
        return (catalog, Zone::default(), notes.into_sorted());
    };
    // The server's own settings are understood by `config`.
    drop((
        root.take("server"),
        root.take("signals"),
        root.take("identity"),
        root.take("step_up"),
        root.take("local_accounts"),
        root.take("break_glass"),
        root.take("tokens"),
        root.take("audit"),
        root.take("siem"),
        root.take("witness"),
        root.take("notices"),
    ));
    let table = root
        .take("policy")
        .and_then(|entry| entry.into_table(&mut notes, "[policy]"));
    let (zone, _) = config::policy::understand(table, &mut notes);
    let targets = root
        .take("target")
        .and_then(|entry| entry.into_table(&mut notes, "[target.orders-db]"));
    for entry in targets
        .map(|mut table| table.take_all())
        .unwrap_or_default()
    {
        let at = entry.at;
        let name = match TargetName::from_str(&entry.key) {
            Ok(name) => Some(name),
            Err(error) => {
                notes.error(at, error.to_string(), None);
                None
            }
        };
        let key = entry.key.escape_debug().to_string();
        let Some(table) = entry.into_table(&mut notes, &format!("[target.{key}]")) else {
            continue;
        };
        // A target with a wrong name is read all the same, for its other problems.
        let stand_in = || TargetName::from_str("unnamed").ok();
        let Some(reading) = name.clone().or_else(stand_in) else {
            continue;
        };
        let read = target(reading, &key, table, &mut notes, environment);
        if let (Some(name), Some(entry)) = (name, read) {
            catalog.targets.insert(name, entry);
        }
    }
    root.refuse_rest(&mut notes, "the file", &TABLES);
    (catalog, zone, notes.into_sorted())
}

fn target<'t>(
    name: TargetName,
    key: &str,
    mut table: Table<'t>,
    notes: &mut Notes<'t>,
    environment: &Environment,
) -> Option<Entry> {
    let place = format!("target `{key}`");
    let before = notes.count();
    let at = table.at;
    let kind = kind(&mut table, &place, notes);
    let description = description(&mut table, notes);
    let tags = tags(&mut table, notes);
    let roles = table
        .take("role")
        .and_then(|entry| entry.into_table(notes, &format!("[target.{key}.role.readonly]")));
    let mut read = Roles::default();
    for entry in roles.map(|mut table| table.take_all()).unwrap_or_default() {
        let sample = format!("[target.{key}.role.readonly]");
        let name = RoleName::from_str(&entry.key);
        if let Err(error) = &name {
            notes.error(entry.at, error.to_string(), None);
        }
        let place = format!("role `{}` of target `{key}`", entry.key.escape_debug());
        if let (Some(table), Ok(name)) = (entry.into_table(notes, &sample), name) {
            read.role(name, &place, table, kind, notes);
        }
    }
    read.check_includes(&place, notes);
    let places = Places::of(&table);
    let kind = kind?;
    let settings = table.fit(notes, &place, &TARGET_KEYS, |from| {
        KindSettings::read(kind, from)
    })?;
    if read.found.is_empty() && notes.count() == before {
        let hint = Some(format!("add for example `[target.{key}.role.readonly]`"));
        notes.warning(
            at,
            format!("{place} has no role, so nobody can ask for it"),
            hint,
        );
    }
    let connector: Arc<dyn Connector> =
        match targets::connector(settings, read.settings, environment) {
            Ok(connector) => Arc::from(connector),
            Err(problems) => {
                for problem in problems {
                    note(problem, &places, &read.places, notes);
                }
                return None;
            }
        };
    let target = Target {
        name,
        kind,
        description,
        tags,
        roles: read.found,
        enforcement: connector.class(),
    };
    Some(Entry { target, connector })
}

fn note(
    problem: SettingsProblem,
    own: &Places,
    roles: &BTreeMap<RoleName, Places>,
    notes: &mut Notes<'_>,
) {
    let places = problem
        .role
        .as_ref()
        .and_then(|role| roles.get(role))
        .unwrap_or(own);
    notes.error(
        places.of_key(problem.key),
        problem.message,
        Some(problem.hint),
    );
}

/// Where the keys of a table stand, kept for problems that are found after it was read.
#[derive(Debug, Default)]
struct Places {
    at: usize,
    keys: BTreeMap<String, usize>,
}

impl Places {
    fn of(table: &Table<'_>) -> Self {
        Self {
            at: table.at,
            keys: table.places(),
        }
    }

    fn of_key(&self, key: &str) -> usize {
        self.keys.get(key).copied().unwrap_or(self.at)
    }
}

fn kind<'t>(table: &mut Table<'t>, place: &str, notes: &mut Notes<'t>) -> Option<TargetKind> {
    let known = TargetKind::ALL.map(TargetKind::as_str);
    let Some(entry) = table.take("kind") else {
        notes.error(
            table.at,
            format!("{place} has no `kind`"),
            Some(format!(
                "add `kind = …` below it: known are {}",
                list(known)
            )),
        );
        return None;
    };
    let at = entry.value_at();
    let word = entry.into_text(notes)?;
    let found = TargetKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word);
    if found.is_none() {
        let hint = match nearest(&word, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", list(known)),
        };
        notes.error(
            at,
            format!("`{}` is not a kind of target", word.escape_debug()),
            Some(hint),
        );
    }
    found
}

fn description<'t>(table: &mut Table<'t>, notes: &mut Notes<'t>) -> String {
    let Some(entry) = table.take("description") else {
        return String::new();
    };
    let at = entry.value_at();
    let text = entry.into_text(notes).unwrap_or_default();
    check_text("the description", &text, at, notes);
    text
}

fn check_text(what: &str, text: &str, at: usize, notes: &mut Notes<'_>) {
    if text.chars().any(char::is_control) {
        notes.error(
            at,
            format!("{what} must be one line without control characters"),
            None,
        );
    } else if text.chars().count() > LONGEST_TEXT {
        notes.error(
            at,
            format!("{what} is longer than {LONGEST_TEXT} characters"),
            Some("shorten it".to_owned()),
        );
    }
}

fn tags<'t>(table: &mut Table<'t>, notes: &mut Notes<'t>) -> BTreeMap<String, String> {
    let sample = "tags = { env = \"prod\" }";
    let found = table
        .take("tags")
        .and_then(|entry| entry.into_table(notes, sample));
    let mut tags = BTreeMap::new();
    for entry in found.map(|mut table| table.take_all()).unwrap_or_default() {
        let (at, value_at, key) = (entry.at, entry.value_at(), entry.key.clone());
        if RoleName::from_str(&key).is_err() {
            let hint = "use 1 to 63 of `a-z 0-9 . _ -`, starting with a letter or digit".to_owned();
            notes.error(
                at,
                format!("`{}` is not a tag", key.escape_debug()),
                Some(hint),
            );
            continue;
        }
        let Some(value) = entry.into_text(notes) else {
            continue;
        };
        check_text("the value of a tag", &value, value_at, notes);
        tags.insert(key, value);
    }
    tags
}

/// The roles of one target while they are read.
#[derive(Default)]
struct Roles {
    found: BTreeMap<RoleName, TargetRole>,
    settings: BTreeMap<RoleName, KindRole>,
    places: BTreeMap<RoleName, Places>,
    /// Each `includes`, with its place.
    includes: Vec<(RoleName, usize, RoleName)>,
}

impl Roles {
    fn role<'t>(
        &mut self,
        name: RoleName,
        place: &str,
        mut table: Table<'t>,
        kind: Option<TargetKind>,
        notes: &mut Notes<'t>,
    ) {
        let description = description(&mut table, notes);
        let mut includes = BTreeSet::new();
        let listed = table
            .take("includes")
            .and_then(|entry| entry.into_texts(notes));
        for (at, lesser) in listed.unwrap_or_default() {
            match RoleName::from_str(&lesser) {
                Ok(lesser) => {
                    self.includes.push((name.clone(), at, lesser.clone()));
                    includes.insert(lesser);
                }
                Err(error) => notes.error(at, error.to_string(), None),
            }
        }
        self.places.insert(name.clone(), Places::of(&table));
        if let Some(kind) = kind
            && let Some(settings) =
                table.fit(notes, place, &ROLE_KEYS, |from| KindRole::read(kind, from))
        {
            self.settings.insert(name.clone(), settings);
        }
        self.found.insert(
            name,
            TargetRole {
                description,
                includes,
            },
        );
    }

    /// A role that contains itself would make every role lesser than itself, and narrowing would mean nothing.
    fn check_includes(&mut self, place: &str, notes: &mut Notes<'_>) {
        let names: Vec<&str> = self.found.keys().map(RoleName::as_str).collect();
        for (name, at, lesser) in &self.includes {
            if !self.found.contains_key(lesser) {
                let hint = match nearest(
                    lesser.as_str(),
                    names
                        .iter()
                        .copied()
                        .filter(|other| *other != name.as_str()),
                ) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its roles are {}", list(&names)),
                };
                notes.error(*at, format!("{place} has no role `{lesser}`"), Some(hint));
            } else if lesser == name || self.reaches(lesser, name) {
                let message = if lesser == name {
                    format!("role `{name}` includes itself")
                } else {
                    format!("role `{name}` includes `{lesser}`, which includes `{name}` again")
                };
                notes.error(
                    *at,
                    message,
                    Some("let only the greater role include the lesser one".to_owned()),
                );
            }
        }
    }

    fn reaches(&self, from: &RoleName, wanted: &RoleName) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if name == wanted {
                return true;
            }
            if seen.insert(name) {
                open.extend(
                    self.found
                        .get(name)
                        .into_iter()
                        .flat_map(|role| &role.includes),
                );
            }
        }
        false
    }
}
