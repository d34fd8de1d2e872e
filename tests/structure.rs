//! The shape of the source: who may use whom, who may write, and that nothing lies about unlisted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What keeps the truth and what shows it. They meet in `domain` and `wire` only.
const SERVICE: [&str; 5] = ["store", "targets", "catalog", "gate", "server"];
const TERMINAL: [&str; 2] = ["client", "console"];

/// A source file: where it is, and its lines without comments.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Lines of code, numbered as an editor does.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(at, line)| (at + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut open = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<Source> {
    let read = |path: PathBuf| Source {
        path: path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    files(folder, "rs").into_iter().map(read).collect()
}

/// The modules in the order in which `lib.rs` lists them.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

/// The modules of this crate that a line names.
fn used(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap()
    })
}

#[track_caller]
fn assert_none(what: &str, found: &str) {
    assert!(found.is_empty(), "{what}:\n{found}");
}

#[test]
fn a_module_uses_only_those_listed_above_it() {
    let order = order();
    assert!(order.len() > 10, "{order:?}");
    let place = |name: &str| order.iter().position(|module| module == name);
    let mut found = String::new();
    for source in sources("src") {
        let own = place(source.module());
        for (line, text) in source.code() {
            for name in used(text) {
                if let (Some(own), Some(other)) = (own, place(name))
                    && other > own
                {
                    writeln!(
                        found,
                        "{}:{line} uses `{name}`, which comes after `{}`",
                        source.path,
                        source.module()
                    )
                    .unwrap();
                }
            }
        }
    }
    assert_none("reading order is dependency order", &found);
}

#[test]
fn the_service_and_the_terminal_never_use_each_other() {
    let mut found = String::new();
    for source in sources("src") {
        let others: &[&str] = match source.module() {
            own if SERVICE.contains(&own) => &TERMINAL,
            own if TERMINAL.contains(&own) => &SERVICE,
            _ => continue,
        };
        for (line, text) in source.code() {
            for name in used(text).filter(|name| others.contains(name)) {
                writeln!(found, "{}:{line} uses `{name}`", source.path).unwrap();
            }
        }
    }
    assert_none("they meet in `domain` and `wire`", &found);
}

#[test]
fn the_rules_do_nothing_but_decide() {
    let banned = [
        "tokio::",
        "sqlx::",
        "axum::",
        "ratatui",
        "std::fs",
        "std::net",
        "std::time::",
        "Utc::now",
        "crate::secret",
        "async fn",
    ];
    let mut found = String::new();
    for source in sources("src/domain") {
        for (line, text) in source.code() {
            for word in banned.iter().filter(|word| text.contains(**word)) {
                writeln!(found, "{}:{line} has `{word}`", source.path).unwrap();
            }
        }
    }
    assert_none("`domain` has no clock, no chance and no I/O", &found);
}

#[test]
fn only_the_gate_opens_a_transaction_to_write() {
    let mut found = String::new();
    for source in sources("src")
        .into_iter()
        .filter(|source| !["gate", "store"].contains(&source.module()))
    {
        // One statement may be over several lines.
        let code: String = source
            .code()
            .flat_map(|(_, line)| line.trim().chars().chain([' ']))
            .collect();
        let code = code.replace(" .", ".");
        for way in ["store.write(", "store().write(", ".commit(tx", "Tx::"] {
            if code.contains(way) {
                writeln!(found, "{} has `{way}`", source.path).unwrap();
            }
        }
    }
    assert_none("every change goes through the gate", &found);
}

#[test]
fn only_apply_changes_requests_and_grants() {
    let mut found = String::new();
    for source in sources("src") {
        for (line, text) in source.code() {
            let lower = text.to_lowercase();
            let changes = ["requests", "reviews", "grants", "audit"]
                .iter()
                .any(|table| {
                    lower.contains(&format!("insert into {table} "))
                        || lower.contains(&format!("update {table} set"))
                        || lower.contains(&format!("delete from {table}"))
                });
            let known = [
                "src/store/requests.rs",
                "src/store/grants.rs",
                "src/store/many.rs",
                "src/store/audit.rs",
                "src/store/sequence.rs",
                // What they take away, and nothing else, and `gate` says so in the same transaction.
                "src/store/erase.rs",
                "src/store/prune.rs",
            ];
            if changes && !known.contains(&source.path.as_str()) {
                writeln!(found, "{}:{line}", source.path).unwrap();
            }
        }
    }
    let callers = [
        "insert_request(",
        "update_request(",
        "insert_review(",
        "insert_grant(",
        "update_grant(",
        "update_credential(",
        "apply_grants(",
        "insert_lock(",
        "update_lock(",
        "insert_incident(",
    ];
    for source in sources("src")
        .into_iter()
        .filter(|source| source.path != "src/store/apply.rs")
    {
        for (line, text) in source.code().filter(|(_, text)| !text.contains("fn ")) {
            for call in callers.iter().filter(|call| text.contains(**call)) {
                writeln!(found, "{}:{line} calls `{call}`", source.path).unwrap();
            }
        }
    }
    assert_none("a change without its event is impossible", &found);
}

#[test]
fn every_file_says_first_what_it_is() {
    let mut found = String::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            if !source.text.starts_with("//! ") {
                writeln!(found, "{}", source.path).unwrap();
            }
        }
    }
    assert_none("one or two sentences at the head", &found);
}

#[test]
fn every_file_is_part_of_the_program_or_its_tests() {
    let mut found = String::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let path = Path::new(&source.path);
        let (folder, stem) = (
            path.parent().unwrap(),
            path.file_stem().unwrap().to_str().unwrap(),
        );
        let (folder, name) = match (stem, folder.to_str().unwrap()) {
            ("lib" | "main", "src" | "tests") => continue,
            ("mod", _) => (
                folder.parent().unwrap(),
                folder.file_name().unwrap().to_str().unwrap(),
            ),
            _ => (folder, stem),
        };
        let parents =
            ["mod.rs", "lib.rs", "main.rs"].map(|parent| root().join(folder).join(parent));
        let text: String = parents
            .iter()
            .filter_map(|parent| std::fs::read_to_string(parent).ok())
            .collect();
        let listed = text.lines().any(|line| {
            line.trim_end_matches(';')
                .split(' ')
                .rev()
                .take(2)
                .eq([name, "mod"])
        });
        if !listed {
            writeln!(found, "{}", source.path).unwrap();
        }
    }
    assert_none("what nobody lists is not compiled", &found);
}

#[test]
fn nothing_prints_past_the_printer() {
    let mut found = String::new();
    for source in sources("src") {
        for (line, text) in source.code() {
            let prints = [
                "println!(",
                "print!(",
                "eprint!(",
                "dbg!(",
                "todo!(",
                "unimplemented!(",
            ];
            for word in prints.iter().filter(|word| text.contains(**word)) {
                writeln!(found, "{}:{line} has `{word}`", source.path).unwrap();
            }
        }
    }
    assert_none(
        "text of others reaches a terminal only after cleaning",
        &found,
    );
}

#[test]
fn names_are_imported_and_not_climbed_to() {
    let mut found = String::new();
    for source in sources("src") {
        for (line, _) in source
            .code()
            .filter(|(_, text)| text.contains("super::super::"))
        {
            writeln!(found, "{}:{line}", source.path).unwrap();
        }
    }
    assert_none("`crate::` says where something is", &found);
}

#[test]
fn every_theme_file_is_shipped() {
    let shipped: BTreeSet<&str> = portcullis::console::theme::SHIPPED
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let there: Vec<PathBuf> = files("themes", "toml");
    let there: BTreeSet<&str> = there
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(there, shipped);
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let all: Vec<Source> = sources("src").into_iter().chain(sources("tests")).collect();
    let code: String = all
        .iter()
        .flat_map(Source::code)
        .map(|(_, line)| line)
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = String::new();
    for source in all.iter().filter(|source| source.path.starts_with("src/")) {
        let mut inside = false;
        for (line, text) in source.text.lines().enumerate() {
            let comment = text.trim_start().starts_with("//");
            inside = comment && (inside || text.contains("INVARIANT:"));
            let quoted = text.split('`').skip(1).step_by(2).filter(|_| inside);
            for name in quoted.filter(|name| name.matches('_').count() > 3) {
                let there = ["(", "<"].map(|next| code.contains(&format!("fn {name}{next}")));
                if !there.contains(&true) {
                    writeln!(found, "{}:{} names `{name}`", source.path, line + 1).unwrap();
                }
            }
        }
    }
    assert_none("a promise without a test", &found);
}
