//! Settings of the server and the console: file, then environment, then flag.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use portcullis::config::{self, ConsoleSettings, Database, keys};

use crate::config::{assert_well_said, bare, told, write};

/// Reads a `[server]` table with an environment and flags.
fn server(
    table: &str,
    env: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<config::ServerConfig, String> {
    let env: BTreeMap<_, _> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let flags: Vec<_> = flags
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let text = format!("[server]\n{table}\n");
    let read = config::server_from(
        &text,
        Path::new("/etc/portcullis"),
        &|name| env.get(name).cloned(),
        &flags,
    );
    read.map_err(|problems| told(&problems))
}

#[test]
fn a_server_runs_with_nothing_configured() {
    let config = server("", &[], &[]).unwrap();
    assert_eq!(config.settings.listen.to_string(), "127.0.0.1:7700");
    assert_eq!(config.settings.public_url, "http://127.0.0.1:7700");
    assert_eq!(config.settings.database, Database::Sqlite);
    assert!(config.warnings.is_empty());
    assert!(config.shown.iter().all(|shown| shown.origin == "default"));
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let file = "listen = \"127.0.0.1:1\"\nlog = \"warn\"";
    let origin = |env: &[(&str, &str)], flags: &[(&str, &str)]| {
        let config = server(file, env, flags).unwrap();
        let listen = config
            .shown
            .iter()
            .find(|shown| shown.name == "listen")
            .unwrap();
        (listen.value.clone(), listen.origin.clone())
    };
    let owned = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(origin(&[], &[]), owned("127.0.0.1:1", "file"));
    let env = [("PORTCULLIS_LISTEN", "127.0.0.1:2")];
    assert_eq!(origin(&env, &[]), owned("127.0.0.1:2", "PORTCULLIS_LISTEN"));
    assert_eq!(
        origin(&env, &[("listen", "localhost:3")]),
        owned("127.0.0.1:3", "--listen")
    );
    assert_eq!(
        origin(&[("PORTCULLIS_LISTEN", "")], &[]),
        owned("127.0.0.1:1", "file")
    );
}

#[test]
fn a_data_folder_in_the_file_is_relative_to_the_file() {
    let folder =
        |table: &str, env: &[(&str, &str)]| server(table, env, &[]).unwrap().settings.data_dir;
    assert_eq!(
        folder("data_dir = \"data\"", &[]),
        Path::new("/etc/portcullis/data")
    );
    assert_eq!(
        folder("data_dir = \"~/pc\"", &[("HOME", "/home/ada")]),
        Path::new("/home/ada/pc")
    );
    assert_eq!(
        folder("", &[("PORTCULLIS_DATA_DIR", "here")]),
        Path::new("here")
    );
    assert_eq!(
        folder("", &[("STATE_DIRECTORY", "/var/lib/pc:/x")]),
        Path::new("/var/lib/pc")
    );
}

#[test]
fn passwords_are_not_shown() {
    for url in [
        "postgres://pc:hunter2@db/pc",
        "postgres://db/pc?user=pc&password=hunter2",
    ] {
        let config = server(&format!("database = \"{url}\""), &[], &[]).unwrap();
        assert!(config.settings.database.has_password());
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }
}

#[test]
fn listening_beyond_the_machine_without_tls_is_refused() {
    let refused =
        |table: &str| server(table, &[], &[]).map_or_else(|problems| problems, |_| String::new());
    let beyond = "listen = \"0.0.0.0:7700\"";
    let tls = "tls_certificate = \"a.pem\"\ntls_key = \"a.key\"";
    insta::assert_snapshot!(refused(beyond), @r"
    portcullis.toml: on `0.0.0.0:7700` the server would speak plain HTTP, where tokens can be read on the way
      hint: set `tls_certificate` and `tls_key`, or listen on `127.0.0.1` behind a TLS proxy and set `public_url` to its `https://` address
    ");
    let named = "public_url = \"https://pc.example.com/\"";
    let wrong = [
        (format!("{beyond}\n{named}"), "would speak plain HTTP"),
        (
            format!("{beyond}\n{tls}"),
            "nobody can reach a server as `https://0.0.0.0:7700`",
        ),
        (
            format!("{tls}\npublic_url = \"http://pc.example.com\""),
            "is not how people reach a server that speaks TLS",
        ),
        (
            "tls_key = \"a.key\"".to_owned(),
            "`tls_certificate` is not set",
        ),
        (
            "tls_certificate = \"a.pem\"".to_owned(),
            "`tls_key` is not set",
        ),
        (
            "tls_certificate = \"\"\ntls_key = \"a.key\"".to_owned(),
            "the file has no name",
        ),
    ];
    for (table, why) in wrong {
        assert!(
            refused(&table).contains(why),
            "{table}: {}",
            refused(&table)
        );
    }
    assert_eq!(refused(&format!("{beyond}\n{tls}\n{named}")), "");
    let settings = server(tls, &[], &[]).unwrap().settings;
    assert_eq!(settings.public_url, "https://127.0.0.1:7700");
    let files = settings.tls.unwrap();
    assert!(files.certificate.ends_with("a.pem") && files.key.ends_with("a.key"));
}

#[test]
fn every_bad_setting_is_answered_with_a_place_and_a_sentence() {
    let bad = [
        "listn = \"127.0.0.1:1\"",
        "listen = 7700",
        "listen = \"7700\"",
        "listen = \"127.0.0.1:99999\"",
        "listen = \"example.com:80\"",
        "public_url = \"portcullis.example.com\"",
        "public_url = \"ftp://example.com\"",
        "public_url = \"https://example.com/portcullis\"",
        "public_url = \"https://ada:secret@example.com\"",
        "database = \"sqlight\"",
        "database = \"mysql://db/x\"",
        "database = \"postgres://\"",
        "database = \"postgres://pc:hunter2@[::1/x\"",
        "database = { kind = \"sqlite\" }",
        "data_dir = \"\"",
        "data_dir = \"~/x\"",
        "log = \"loud\"",
        "log = true",
        "password = \"x\"",
    ];
    let mut answers = String::new();
    for table in bad {
        let text = format!("[server]\n{table}\n");
        let problems = config::server_from(&text, Path::new("/"), &bare, &[]).unwrap_err();
        assert_well_said(table, &problems);
        assert!(!told(&problems).contains("hunter2"));
        write!(answers, "{table}\n  {}", told(&problems)).unwrap();
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn a_bad_variable_or_flag_is_named() {
    let told = server(
        "listen = \"x\"",
        &[("PORTCULLIS_LISTEN", "y")],
        &[("listen", "127.0.0.1:1")],
    )
    .unwrap_err();
    insta::assert_snapshot!(told, @r#"
    PORTCULLIS_LISTEN: `y` is not an address with a port
      hint: write it like `127.0.0.1:7700` or `[::]:7700`
    portcullis.toml:2:10: `x` is not an address with a port
      hint: write it like `127.0.0.1:7700` or `[::]:7700`
    "#);
}

#[test]
fn working_hours_come_from_the_file_or_the_environment() {
    let table = "[signals]\nworking_days = \"sun-thu\"\nutc_offset = \"+02:00\"";
    let env = [("PORTCULLIS_WORKING_HOURS", "08:00-16:00")];
    let config = server(table, &env, &[]).unwrap();
    assert_eq!(
        config.settings.hours.to_string(),
        "sun-thu 08:00-16:00 +02:00"
    );
    let usual = server("", &[], &[]).unwrap().settings.hours;
    assert_eq!(usual.to_string(), "mon-fri 07:00-19:00 +00:00");
    let bad = "[signals]\nworking_days = \"mo-fr\"\nworking_hours = \"19:00-07:00\"\nutc_offset = \"CET\"\nholidays = \"x\"";
    insta::assert_snapshot!(server(bad, &[], &[]).unwrap_err());
}

#[test]
fn every_setting_in_the_list_is_understood() {
    for key in keys::SERVER {
        // Of the two files for TLS none is good for anything alone.
        let more = match key.name {
            "tls_certificate" => "tls_key = \"a.key\"",
            "tls_key" => "tls_certificate = \"a.pem\"",
            _ => "",
        };
        let table = format!("{} = {}\n{more}", key.name, key.sample);
        let config = server(&table, &[], &[]).unwrap();
        let shown = config
            .shown
            .iter()
            .find(|shown| shown.name == key.name)
            .unwrap();
        assert_eq!(shown.origin, "file", "{}", key.name);
    }
    for key in keys::SIGNALS {
        let config = server(
            &format!("[signals]\n{} = {}", key.name, key.sample),
            &[],
            &[],
        );
        let shown = config.unwrap().shown;
        let shown = shown.iter().find(|shown| shown.name == key.name).unwrap();
        assert_eq!(shown.origin, "file", "{}", key.name);
    }
    for key in keys::STEP_UP {
        let text = format!("[step_up]\n{} = {}", key.name, key.sample);
        let shown = server(&text, &[], &[]).unwrap().shown;
        let name = format!("step_up.{}", key.name);
        let shown = shown.iter().find(|shown| shown.name == name).unwrap();
        assert_eq!(shown.origin, "file", "{}", key.name);
    }
    for key in keys::TOKENS {
        let config = server(
            &format!("[tokens]\n{} = {}", key.name, key.sample),
            &[],
            &[],
        );
        let shown = config.unwrap().shown;
        let shown = shown.iter().find(|shown| shown.name == key.name).unwrap();
        assert_eq!(shown.origin, "file", "{}", key.name);
    }
    let folder = tempfile::tempdir().unwrap();
    for key in keys::CONSOLE {
        write(
            folder.path(),
            "console.toml",
            &format!(
                "{} = {}\n[[backend]]\nname = \"eu-1\"\nurl = \"https://pc.example.com\"\n",
                key.name, key.sample
            ),
        );
        ConsoleSettings::load(folder.path(), &bare, &[]).unwrap();
    }
}

#[test]
fn the_console_takes_its_settings_from_the_same_three_places() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        ConsoleSettings::load(folder.path(), &bare, &[])
            .unwrap()
            .url,
        "http://127.0.0.1:7700"
    );
    write(
        folder.path(),
        "console.toml",
        "url = \"https://pc.example.com/\"\nmouse = true\n",
    );
    let env = |name: &str| (name == "PORTCULLIS_READ_ONLY").then(|| "1".to_owned());
    let settings =
        ConsoleSettings::load(folder.path(), &env, &[("theme", "mono".to_owned())]).unwrap();
    assert_eq!(settings.url, "https://pc.example.com");
    assert_eq!(
        (settings.mouse, settings.read_only, settings.ascii),
        (true, true, false)
    );
    assert_eq!(settings.theme, "mono");
    write(
        folder.path(),
        "console.toml",
        "urll = \"x\"\nmouse = \"maybe\"\ntheme = \"\\u001b[31m\"\n",
    );
    let problems = ConsoleSettings::load(folder.path(), &bare, &[]).unwrap_err();
    assert_well_said("console.toml", &problems);
    insta::assert_snapshot!(told(&problems), @r#"
    console.toml:1:1: unknown key `urll` in `console.toml`
      hint: did you mean `url`?
    console.toml:2:9: `maybe` is neither yes nor no
      hint: write `true` or `false`
    console.toml:3:9: `\u{1b}[31m` is not the name of a theme
      hint: write for example `portcullis-dark`
    "#);
}
