//! The files that `portcullis config init` writes.

use std::os::unix::fs::PermissionsExt as _;

use portcullis::config::{self, config_init, console_init};
use portcullis::{catalog, domain::policy::Policy};

use crate::config::{bare, told, write};

#[test]
fn the_files_it_writes_pass_the_check_and_only_their_owner_reads_them() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("portcullis");
    let mut written = config_init(&folder).unwrap();
    written.extend(console_init(&folder).unwrap());
    assert_eq!(written.len(), 3);
    for path in written {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let report = catalog::check(&folder, &bare);
    assert_eq!(told(&report.problems), "");
    assert_eq!((report.targets, report.policies), (0, 3));
}

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "// mine");
    let written = config_init(folder.path()).unwrap();
    assert_eq!(written, [folder.path().join("portcullis.toml")]);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("policy.cedar")).unwrap(),
        "// mine"
    );
    assert!(config_init(folder.path()).unwrap().is_empty());
}

#[test]
fn the_samples_in_them_are_valid_once_the_comment_signs_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let toml = config::default_toml();
    let sample = |line: &&str| line.contains(" = ") || line.starts_with("# [");
    let lines: Vec<_> = toml
        .lines()
        .map(|line| {
            if sample(&line) {
                line.trim_start_matches("# ")
            } else {
                line
            }
        })
        .collect();
    write(folder.path(), "portcullis.toml", &lines.join("\n"));
    let policy = config::default_policy();
    let (head, freeze) = policy.split_once("// @id(\"weekend-freeze\")").unwrap();
    let freeze: Vec<_> = freeze
        .lines()
        .map(|line| line.trim_start_matches("// "))
        .collect();
    write(
        folder.path(),
        "policy.cedar",
        &format!("{head}@id(\"weekend-freeze\"){}", freeze.join("\n")),
    );
    let report = catalog::check(folder.path(), &bare);
    assert_eq!(told(&report.problems), "");
    assert_eq!((report.targets, report.policies), (6, 4));
}

#[test]
fn the_policy_it_writes_names_every_annotation() {
    let policy = config::default_policy();
    Policy::parse(&policy).unwrap();
    for annotation in portcullis::domain::policy::ANNOTATIONS {
        assert!(
            policy.contains(&format!("@{}(", annotation.name)),
            "{}",
            annotation.name
        );
    }
}

#[test]
fn the_reference_has_every_key() {
    let reference = config::reference();
    let keys = config::keys::SERVER.iter().chain(&config::keys::SIGNALS);
    let keys = keys.chain(
        config::keys::STEP_UP
            .iter()
            .chain(&config::keys::LOCAL_ACCOUNTS[..1]),
    );
    let keys = keys.chain(&config::keys::TOKENS);
    let keys = keys.chain(&config::keys::BREAK_GLASS);
    let keys = keys.chain(&config::keys::NOTICES);
    let keys = keys.chain(&config::keys::IDENTITY);
    for key in keys.chain(&config::keys::CONSOLE) {
        assert!(
            reference.contains(&format!("| `{}` | `{}` |", key.name, key.env)),
            "{}",
            key.name
        );
    }
    insta::assert_snapshot!(reference);
}
