//! Catalogues: bad ones are answered, good ones are read whole, and names in the policy are held against them.

use std::fmt::Write as _;

use portcullis::catalog;
use portcullis::config::Severity;
use proptest::prelude::*;

use crate::config::{assert_well_said, bare, cases, told, write};

const GOOD: &str = r#"
[target.orders-db]
kind = "postgres"
description = "Orders, production"
tags = { env = "prod", team = "orders" }
host = "db.example.com"
database = "orders"
user = "portcullis"

[target.orders-db.role.readonly]
description = "Read every table"
member_of = ["pg_read_all_data"]

[target.orders-db.role.admin]
includes = ["readonly"]
member_of = ["orders_owner"]

[target.web-1]
kind = "ssh"
host = "web-1.example.com"
tags = { env = "prod" }
role.deploy = { user = "deploy" }
"#;

#[test]
fn every_bad_catalogue_is_answered_with_a_place_and_a_sentence() {
    let corpus = cases(include_str!("bad_catalogues.txt"));
    assert!(corpus.len() >= 40, "{}", corpus.len());
    let mut answers = String::new();
    for (title, text) in corpus {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "policy.cedar", "");
        write(folder.path(), "portcullis.toml", text);
        let report = catalog::check(folder.path(), &bare);
        assert!(!report.is_ok(), "{title}: it was accepted");
        assert_well_said(title, &report.problems);
        writeln!(
            answers,
            "== {title}\n{text}\n---\n{}",
            told(&report.problems)
        )
        .unwrap();
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn the_catalogues_that_the_readme_shows_are_good() {
    let readme = include_str!("../../README.md");
    let shown = readme.split("```toml\n").skip(1);
    let shown = shown.filter_map(|rest| rest.split("```").next());
    let shown: String = shown.filter(|text| text.starts_with("[target.")).collect();
    assert!(shown.contains("kind = \"ldap\""), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "");
    write(folder.path(), "portcullis.toml", &shown);
    let report = catalog::check(folder.path(), &bare);
    assert!(report.is_ok(), "{}", told(&report.problems));
}

#[test]
fn a_good_catalogue_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "");
    write(folder.path(), "portcullis.toml", GOOD);
    let report = catalog::check(folder.path(), &bare);
    assert_eq!(told(&report.problems), "");
    assert_eq!((report.targets, report.policies), (2, 0));
}

#[test]
fn names_in_the_policy_that_nobody_has_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "portcullis.toml", GOOD);
    write(
        folder.path(),
        "policy.cedar",
        r#"@id("a") @threshold("0") @max_duration("1h")
permit (principal, action, resource == Target::"ordes-db")
when { context.role == "read-only" };

@id("b")
forbid (principal, action, resource)
when { resource.hasTag("evn") && resource.getTag("evn") == "prod" && !["admin", "deploy"].contains(context.role) };
"#,
    );
    let report = catalog::check(folder.path(), &bare);
    assert!(report.is_ok());
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    );
    insta::assert_snapshot!(told(&report.problems), @r#"
    policy.cedar:2:48: there is no target `ordes-db`
      hint: did you mean `orders-db`?
    policy.cedar:3:24: no target has a role `read-only`
      hint: did you mean `readonly`?
    policy.cedar:7:24: no target has a tag `evn`
      hint: did you mean `env`?
    policy.cedar:7:50: no target has a tag `evn`
      hint: did you mean `env`?
    "#);
}

#[test]
fn a_file_that_is_not_text_is_answered_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "");
    std::fs::write(
        folder.path().join("portcullis.toml"),
        b"[server]\nlog = \"\xff\"\n",
    )
    .unwrap();
    let report = catalog::check(folder.path(), &bare);
    assert_eq!(
        told(&report.problems),
        "portcullis.toml:2:8: the file is not UTF-8 from here on\n  hint: save it as UTF-8\n"
    );
}

#[test]
fn a_file_that_everybody_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "");
    let path = folder.path().join("policy.cedar");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let report = catalog::check(folder.path(), &bare);
    assert!(!report.is_ok());
    assert!(
        told(&report.problems).contains("everybody on this machine can change"),
        "{}",
        told(&report.problems)
    );
}

#[test]
fn no_files_at_all_are_an_empty_rulebook_that_permits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = catalog::check(folder.path(), &bare);
    assert!(report.is_ok());
    insta::assert_snapshot!(told(&report.problems), @r#"
    policy.cedar: there is no policy file, so nobody can ask for anything
      hint: run `portcullis config init` for a commented one
    "#);
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_catalogue_is_read_or_answered_with_places(at in 0..GOOD.len(), cut in 0_usize..12, put in "[\\PC\n]{0,6}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + cut).min(GOOD.len()), &put);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "policy.cedar", "");
        write(folder.path(), "portcullis.toml", &text);
        let report = catalog::check(folder.path(), &bare);
        if !report.is_ok() {
            assert_well_said(&text, &report.problems);
        }
        for place in report.problems.iter().filter_map(|problem| problem.place) {
            prop_assert!(place.line <= text.lines().count() + 1);
        }
    }
}
