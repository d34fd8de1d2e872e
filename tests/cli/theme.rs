//! `portcullis theme`: what is listed, shown and found wrong.

use std::process::{Command, Output};

fn theme(arguments: &[&str], folder: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("theme")
        .args(arguments)
        .env("PORTCULLIS_CONFIG_DIR", folder)
        .env("XDG_DATA_DIRS", "/nowhere")
        .env("TERM", "xterm-256color")
        .env("LANG", "C.UTF-8")
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn eight_themes_are_listed_and_an_own_one_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let names = |folder| {
        let said = said(&theme(&["list"], folder));
        said.lines()
            .skip(1)
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(folder.path()).len(), 8);
    std::fs::create_dir(folder.path().join("themes")).unwrap();
    let own = folder.path().join("themes/mine.toml");
    std::fs::write(&own, "schema = 1\nid = \"mine\"\ninherits = \"mono\"").unwrap();
    assert_eq!(names(folder.path()).len(), 9);
    let json = theme(&["list", "--json"], folder.path());
    let listed: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|theme| { theme["name"] == "mine" && theme["from"] == own.display().to_string() })
    );
}

#[test]
fn every_shipped_theme_passes_its_check() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _) in portcullis::console::theme::SHIPPED {
        let output = theme(&["check", name], folder.path());
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).ends_with(&format!("{name}: no mistakes\n")));
    }
}

#[test]
fn a_check_fails_and_says_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faint.toml");
    std::fs::write(
        &file,
        "schema = 1\nid = \"faint\"\ninherits = \"portcullis-dark\"\ncolour = 1\n[roles]\ntext = \"#333333\"\n\
         status-ok = \"#ff7a6b\"\nstatus-dangre = \"red\"\n",
    )
    .unwrap();
    let output = theme(&["check", file.to_str().unwrap()], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    for wanted in [
        "faint: there is no key `colour`",
        "faint: there is no role `status-dangre`; did you mean `status-danger`",
        "faint: `text` on `surface` has a contrast of",
        "faint: `status-ok` and `status-danger` look alike (0.0 apart, 5 is needed) with normal colour vision",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in\n{said}");
    }
    assert_eq!(
        theme(&["check", "nothing-like-it"], folder.path())
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn every_role_is_shown_in_the_colours_asked_for_and_a_pipe_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let plain = said(&theme(&["show", "portcullis-dark"], folder.path()));
    assert!(!plain.contains('\x1b'), "{plain:?}");
    for role in portcullis::console::theme::Role::ALL {
        assert!(
            plain.lines().any(|line| line.starts_with(role.name())),
            "{plain}"
        );
    }
    let show = |depth| {
        said(&theme(
            &["show", "portcullis-dark", "--color", depth],
            folder.path(),
        ))
    };
    assert!(show("truecolor").contains("38;2;143;227;168"));
    assert!(show("256").contains("38;5;") && !show("256").contains("38;2;"));
    assert!(show("16").contains("38;5;2m"), "{:?}", show("16"));
    let mono = show("none");
    assert!(mono.contains("\x1b[1m") && !mono.contains("8;5;") && !mono.contains("8;2;"));
}
