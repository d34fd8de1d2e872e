//! Texts that have broken other programs, in everything that a catalogue names and that people type: they stay names and
//! texts, as each target says itself, and nothing happens there that harmless ones would not make happen.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use futures_util::StreamExt as _;
use portcullis::client::Client;
use portcullis::secret::Key;
use portcullis::targets::{Installation, object_of};
use portcullis::wire::{
    Approval, CredentialAsk, CredentialView, GrantView, NewRequest, Revocation,
};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use toml::Value;

use super::Stand as _;
use super::ldap::{LdapStand, SEED};
use crate::support::postgres::{Cluster, Database, PASSWORD, quoted};
use crate::support::slapd::ROOT;
use crate::support::world::{Backend, World, key};

/// Each is at most 63 bytes long, so that it can be a name everywhere.
const ATTACKS: [&str; 30] = [
    "'; drop table canary; --",
    "\"; drop table canary; --",
    "x'); drop role keeper; --",
    "x\"; grant keeper to public; --",
    "\\'; drop table canary; --",
    "'''; drop table canary; --",
    "$$; drop table canary; $$",
    "$do$; drop table canary; $do$",
    "$body$; drop table canary; $body$",
    "/* drop table canary */",
    "*/ drop table canary; /*",
    "-- drop table canary",
    "; alter role keeper password 'x';",
    "E'\\047; drop table canary; --'",
    "U&\"\\0022\"; drop table canary",
    "%I %s %L %1$s %%",
    ":name $1 ? @x #{x} ${x}",
    "\u{ff07}; drop table canary; \u{2019} \u{2bc}",
    "\u{202e}elbat pord\u{202c} \u{200b}\u{feff}",
    "*)(uid=*))(|(uid=*",
    "*)(objectClass=*",
    "\\2a)(\\28 \\",
    "a,ou=groups+b=c;d<e>\"f\"#g=h",
    "$(touch owned)",
    "`touch owned`",
    "| touch owned & touch owned > owned",
    "--help -rf ~ * ? [a-z] !! %PATH%",
    "{object} {holder} {{value}} {",
    "two\nlines; drop table canary",
    "a\ttab and \\ and ' and \" and `",
];

/// Who engineers are may have anything once somebody agrees.
const POLICY: &str = r#"
@id("any")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
permit (principal in Group::"engineers", action == Action::"request", resource);
"#;

/// What is in each reason, and is to arrive on no target.
const MARK: &str = "said-by-people";

fn said(text: &str) -> String {
    format!("{MARK} {text}")
}

async fn world(catalogue: &str) -> World {
    World::with(Backend::Sqlite, POLICY, catalogue, None).await
}

/// Gets a grant, uses it, and loses it again; everybody says hostile things about it.
async fn come_and_go(
    world: &World,
    holder: &Client,
    (target, role): (&str, &str),
    text: &str,
    inside: impl AsyncFn(&GrantView),
) -> GrantView {
    let new = NewRequest {
        target: target.to_owned(),
        role: role.to_owned(),
        duration: "1h".to_owned(),
        reason: said(text),
        ticket: None,
        not_before: None,
    };
    let request = holder.submit(&new, &key()).await.unwrap();
    let approval = Approval {
        comment: Some(said(text)),
        ..Approval::default()
    };
    let admin = world.admin();
    let once = key();
    let approved = admin.approve(&request.id, request.version, &approval, &once);
    let grant = approved.await.unwrap().grant.unwrap();
    let grant = world.grant_in(&grant, &["active"]).await;
    inside(&grant).await;
    let revocation = Revocation { reason: said(text) };
    let once = key();
    let revoked = admin.revoke(&grant.id, grant.version, &revocation, &once);
    revoked.await.unwrap();
    world.grant_in(&grant.id, &["revoked"]).await
}

/// Nothing that a requester sends in the place of a name or a number gets past the server.
async fn refuses_names(holder: &Client) {
    for attack in ATTACKS.into_iter().chain(["a\0b"]) {
        let ask = |target: &str, role: &str, duration: &str| NewRequest {
            target: target.to_owned(),
            role: role.to_owned(),
            duration: duration.to_owned(),
            reason: "INC-1".to_owned(),
            ticket: None,
            not_before: None,
        };
        for new in [
            ask(attack, "r0", "1h"),
            ask("t", attack, "1h"),
            ask("t", "r0", attack),
            NewRequest {
                ticket: Some(attack.to_owned()),
                ..ask("t", "r0", "1h")
            },
        ] {
            let sent = holder.submit(&new, &key()).await;
            assert!(sent.is_err(), "{attack}");
        }
    }
    let zero = NewRequest {
        target: "t".to_owned(),
        role: "r0".to_owned(),
        duration: "1h".to_owned(),
        reason: "a zero\0byte".to_owned(),
        ticket: None,
        not_before: None,
    };
    assert!(holder.submit(&zero, &key()).await.is_err());
}

// PostgreSQL

/// Every script that is ever sent to a target.
const SCRIPTS: [&str; 10] = [
    include_str!("../../src/targets/postgres/prepare.sql"),
    include_str!("../../src/targets/postgres/up.sql"),
    include_str!("../../src/targets/postgres/close.sql"),
    include_str!("../../src/targets/postgres/finish.sql"),
    include_str!("../../src/targets/postgres/hand_over.sql"),
    include_str!("../../src/targets/postgres/read_back.sql"),
    include_str!("../../src/targets/postgres/observe.sql"),
    include_str!("../../src/targets/postgres/guard.sql"),
    include_str!("../../src/targets/postgres/sessions.sql"),
    include_str!("../../src/targets/postgres/end_session.sql"),
];

/// What the server has logged of the application with this name, without what says when and who.
fn logged(log: &str, application: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        // As the server writes the further lines of an entry.
        match (line.strip_prefix('\t'), entries.last_mut()) {
            (Some(more), Some(entry)) => {
                entry.push('\n');
                entry.push_str(more);
            }
            _ => entries.push(line.to_owned()),
        }
    }
    let prefix = format!("<{application}> ");
    let of_it = entries
        .iter()
        .filter_map(|entry| entry.strip_prefix(&prefix));
    of_it.map(str::to_owned).collect()
}

/// The question that goes with one of our scripts; nothing where the statement is anything else.
fn asked(statement: &str) -> Option<serde_json::Value> {
    let (digits, script) = statement
        .strip_prefix("set local portcullis.ask = '")?
        .split_once("';\n")?;
    let script = script.strip_suffix("\nselect current_setting('portcullis.answer');")?;
    SCRIPTS.contains(&script).then_some(())?;
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    serde_json::from_slice(&bytes?).ok()
}

/// A statement with every name and every text in it as `?`, so that only what it does is left.
fn shape(statement: &str) -> String {
    let mut out = String::new();
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                // A backslash means something in a text that is marked so.
                let marked = letter == '\'' && out.ends_with(['E', 'e']);
                while let Some(next) = letters.next() {
                    if marked && next == '\\' {
                        letters.next();
                    } else if next == letter && letters.next_if_eq(&letter).is_none() {
                        break;
                    }
                }
                if marked {
                    out.pop();
                }
                out.push('?');
            }
            letter => out.push(letter),
        }
    }
    let words = out.split_inclusive(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    words
        .map(|word| {
            if word.starts_with("pcl_") {
                let end = word.trim_start_matches(|letter: char| {
                    letter.is_ascii_alphanumeric() || letter == '_'
                });
                format!("?{end}")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// Makes what a role of the catalogue is about: a group, a schema and in it a table, all with one name.
async fn make(server: &mut PgConnection, name: &str) {
    let q = quoted(name);
    let make = format!(
        "create schema {q}; create table {q}.{q} (id int); create table {q}.other (id int); \
         create sequence {q}.seq; create role {q}"
    );
    server.execute(AssertSqlSafe(make)).await.unwrap();
}

fn postgres_role(role: &str, name: &str) -> String {
    let name = Value::from(name);
    format!(
        "[target.t.role.{role}]\nmember_of = [{name}]\n\
         privileges = [{{ schema = {name}, tables = [\"select\", \"insert\"], only = [{name}], sequences = [\"usage\"] }}]\n"
    )
}

/// Uses what was granted, and nothing more. Answers a session that is still open.
async fn works_in(
    cluster: &Cluster,
    database: &Database,
    credential: CredentialView,
    name: &str,
) -> PgConnection {
    let CredentialView::Postgres { user, password, .. } = credential else {
        panic!("a database gives a password");
    };
    let options = cluster.options(&database.name);
    let options = options.username(&user).password(&password);
    let mut session = options.connect().await.unwrap();
    let q = quoted(name);
    let insert = format!(
        "insert into {q}.{q} values (nextval('{}.seq'))",
        q.replace('\'', "''")
    );
    session.execute(AssertSqlSafe(insert)).await.unwrap();
    for not_given in [
        format!("select * from {q}.other"),
        "select * from canary".to_owned(),
    ] {
        let refused = session.execute(AssertSqlSafe(not_given)).await;
        assert!(refused.is_err(), "{name}");
    }
    session
}

/// The shapes of everything that the server has run for Portcullis, also inside of its scripts.
async fn shapes(server: &mut PgConnection) -> BTreeSet<String> {
    let run: Vec<String> =
        sqlx::query_scalar("select query from pg_stat_statements where userid = 'keeper'::regrole")
            .fetch_all(&mut *server)
            .await
            .unwrap();
    run.iter().map(|statement| shape(statement)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_sent_our_scripts_alone_and_does_the_same_for_any_name() {
    let cluster = Cluster::start(&[
        "log_statement=all",
        "log_line_prefix=<%a> ",
        "shared_preload_libraries=pg_stat_statements",
        "pg_stat_statements.track=all",
        "pg_stat_statements.max=50000",
    ]);
    let database = cluster.database_named(ATTACKS[1]).await;
    let mut server = database.connect().await;
    let start = format!(
        "create extension pg_stat_statements; create table canary (id int); \
         create role keeper superuser login password '{PASSWORD}'"
    );
    server.execute(AssertSqlSafe(start)).await.unwrap();
    make(&mut server, "Harmless One").await;
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    let mut catalogue = format!(
        "[target.t]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = {}\nuser = \"keeper\"\n\
         password_file = \"{}\"\nsslmode = \"disable\"\n{}",
        cluster.port,
        Value::from(database.name.as_str()),
        password.display(),
        postgres_role("harmless", "Harmless One")
    );
    for (number, attack) in ATTACKS.iter().enumerate() {
        make(&mut server, attack).await;
        catalogue.push_str(&postgres_role(&format!("r{number}"), attack));
    }
    let world = world(&catalogue).await;
    let ada = world.engineer("ada").await;
    // What is still open at the end is cut.
    let sessions = Mutex::new(Vec::new());
    let use_it = async |grant: &GrantView, name: &str| {
        let ask = CredentialAsk::default();
        let credential = ada.credential(&grant.id, &ask, &key()).await.unwrap();
        let session = works_in(&cluster, &database, credential, name).await;
        sessions.lock().unwrap().push(session);
        // Both of these are asked at any time, and look at names.
        ada.sessions().await.unwrap();
        world.gate().reconcile().await;
    };
    for _ in 0..2 {
        let inside = async |grant: &GrantView| use_it(grant, "Harmless One").await;
        come_and_go(&world, &ada, ("t", "harmless"), "nothing", inside).await;
    }
    let harmless = shapes(&mut server).await;
    assert!(harmless.len() > 20, "{harmless:#?}");
    assert!(
        harmless
            .iter()
            .any(|shape| shape.starts_with("create role ?")),
        "what scripts run inside is seen, too: {harmless:#?}"
    );

    refuses_names(&ada).await;
    for (number, attack) in ATTACKS.iter().enumerate() {
        let inside = async |grant: &GrantView| use_it(grant, attack).await;
        let role = format!("r{number}");
        come_and_go(&world, &ada, ("t", &role), attack, inside).await;
    }

    let hostile = shapes(&mut server).await;
    let more: Vec<&String> = hostile.difference(&harmless).collect();
    assert!(
        more.is_empty(),
        "a hostile name makes it do more: {more:#?}"
    );
    let log = cluster.log();
    let statements = logged(&log, "portcullis");
    assert!(statements.len() > 6 * ATTACKS.len(), "{}", statements.len());
    for entry in &statements {
        let statement = entry
            .strip_prefix("LOG:  statement: ")
            .unwrap_or_else(|| panic!("{entry}"));
        let ask = asked(statement).unwrap_or_else(|| panic!("not one of ours: {statement}"));
        assert!(!ask.to_string().contains(MARK), "{ask}");
    }
    let left: i64 = sqlx::query_scalar("select count(*) from pg_roles where rolname like 'pcl%'")
        .fetch_one(&mut server)
        .await
        .unwrap();
    assert_eq!(left, 0);
    server.execute("select * from canary").await.unwrap();
    server.close().await.unwrap();
}

#[test]
fn what_is_compared_is_what_a_statement_does() {
    for (statement, right) in [
        (
            "grant \"a\"\"; drop table x\" to pcl_abcdef_0123456789;",
            "grant ? to ?;",
        ),
        (
            "create role pcl_a_b password 'it''s'",
            "create role ? password ?",
        ),
        ("select E'a\\'; drop table x' as b", "select ? as b"),
        ("select 'a\\'; drop table x", "select ?; drop table x"),
    ] {
        assert_eq!(shape(statement), right);
    }
    let log = "<portcullis> LOG:  statement: one\n\ttwo\n<psql> LOG:  statement: three\n";
    assert_eq!(logged(log, "portcullis"), ["LOG:  statement: one\ntwo"]);
    assert!(asked("drop table canary").is_none());
    let ours = |script: &str| {
        format!(
            "set local portcullis.ask = '7b7d';\n{script}\nselect current_setting('portcullis.answer');"
        )
    };
    assert!(asked(&ours(SCRIPTS[1])).is_some());
    assert!(asked(&ours(&format!("{};", SCRIPTS[1]))).is_none());
}

// LDAP

/// As RFC 4514 wants it: every byte may be written so.
fn escaped(text: &str) -> String {
    let digits = |name: String, byte: u8| name + &format!("\\{byte:02x}");
    text.bytes().fold(String::new(), digits)
}

/// What the connections of one account asked a directory for, as its log has it.
fn operations(log: &str, account: &str) -> Vec<String> {
    let parsed = |line: &str| {
        let (_, rest) = line.split_once("conn=")?;
        let (connection, rest) = rest.split_once(" op=")?;
        let (_, what) = rest.split_once(' ')?;
        Some((connection.parse::<u64>().ok()?, what.to_owned()))
    };
    let all: Vec<(u64, String)> = log.lines().filter_map(parsed).collect();
    let bind = format!("BIND dn=\"{account}\"");
    let ours: BTreeSet<u64> = all
        .iter()
        .filter(|(_, what)| what.starts_with(&bind))
        .map(|(connection, _)| *connection)
        .collect();
    let of_ours = all
        .into_iter()
        .filter(|(connection, _)| ours.contains(connection));
    of_ours.map(|(_, what)| what).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_asked_for_what_was_meant_alone() {
    let stand = LdapStand::set_up().await;
    let (people, groups) = (format!("ou=people,{ROOT}"), format!("ou=groups,{ROOT}"));
    let mut catalogue = stand.entry("t", stand.slapd.ldaps, &format!("cn=readers,{groups}"));
    // A directory refuses names with line breaks and tabs itself.
    let attacks: Vec<&str> = ATTACKS
        .into_iter()
        .filter(|attack| !attack.chars().any(char::is_control))
        .collect();
    for (number, attack) in attacks.iter().enumerate() {
        let name = escaped(attack);
        let (person, group) = (format!("cn={name},{people}"), format!("cn={name},{groups}"));
        let uid = format!("p{number}");
        let values = [("cn", *attack), ("sn", attack), ("uid", &uid)];
        stand.slapd.make(&person, "inetOrgPerson", &values).await;
        let values = [("cn", *attack), ("member", SEED)];
        stand.slapd.make(&group, "groupOfNames", &values).await;
        let group = Value::from(group);
        catalogue.push_str(&format!("[target.t.role.r{number}]\ngroup = {group}\n"));
    }
    let before = stand.slapd.all(&groups, "member").await;
    let world = world(&catalogue).await;
    refuses_names(&world.engineer("ada").await).await;
    futures_util::stream::iter(attacks.iter().enumerate())
        .for_each_concurrent(4, async |(number, attack)| {
            let holder = world.engineer(&format!("p{number}")).await;
            let name = escaped(attack);
            let (person, group) = (format!("cn={name},{people}"), format!("cn={name},{groups}"));
            let inside = async |_: &GrantView| {
                assert!(stand.slapd.has(&group, "member", &person).await, "{attack}");
            };
            let role = format!("r{number}");
            come_and_go(&world, &holder, ("t", &role), attack, inside).await;
        })
        .await;
    assert_eq!(stand.slapd.all(&groups, "member").await, before);
    let lines = stand.slapd.all(&groups, "description").await;
    assert!(lines.iter().all(|(_, line)| !line.contains(MARK)));

    let names = stand.slapd.all(ROOT, "objectClass").await;
    let names: BTreeSet<String> = names.into_iter().map(|(name, _)| name).collect();
    let is_group = |name: &str| name.ends_with(&groups) && names.contains(name);
    let asked = operations(&stand.slapd.log(), stand.account());
    let changes = asked.iter().filter(|what| what.starts_with("MOD dn="));
    assert!(changes.count() >= 2 * attacks.len(), "{}", asked.len());
    for what in &asked {
        let quoted = |key: &str| {
            let (_, rest) = what.split_once(&format!("{key}=\""))?;
            Some(rest.trim_end().trim_end_matches('"').to_owned())
        };
        let meant = match what.split(' ').next().unwrap() {
            "BIND" | "RESULT" | "UNBIND" => true,
            "SEARCH" => what.starts_with("SEARCH RESULT "),
            "SRCH" if what.starts_with("SRCH attr=") => true,
            "SRCH" => {
                let (base, filter) = what
                    .strip_prefix("SRCH base=\"")
                    .and_then(|rest| rest.split_once("\" scope="))
                    .unwrap();
                let filter = filter.split_once("filter=").unwrap().1;
                is_meant(filter) && names.contains(base)
            }
            "CMP" => {
                let name = quoted("CMP dn").unwrap();
                let (group, attribute) = name.split_once("\" attr=\"").unwrap();
                is_group(group) && attribute == "member"
            }
            "MOD" if what.starts_with("MOD attr=") => {
                let attributes = what.trim_start_matches("MOD attr=").split_whitespace();
                attributes
                    .into_iter()
                    .all(|attribute| ["description", "member"].contains(&attribute))
            }
            "MOD" => is_group(&quoted("MOD dn").unwrap()),
            _ => false,
        };
        assert!(meant, "{what}");
    }
}

/// One filter about one value: a name of ours, or what a person is called.
fn is_meant(filter: &str) -> bool {
    let inner = filter.trim().trim_matches('"');
    let one = inner.matches('(').count() == 1 && inner.starts_with('(') && inner.ends_with(')');
    let kinds = ["(uid=p", "(entryUUID=", "(description=pcl_"];
    inner == "(objectClass=*)" || one && kinds.iter().any(|kind| inner.starts_with(kind))
}

// Programs

/// Writes down each call, and keeps what there is.
const PROGRAM: &str = r#"#!/bin/sh
printf '%s\0' "$#" "$@" >>"$STATE/calls"
case $1 in
up) : >"$STATE/$2.live" ;;
down) rm -f "$STATE/$2.live" ;;
list) for one in "$STATE"/*.live; do one=${one##*/}; echo "${one%.live}"; done ;;
esac
"#;

/// The arguments of each call.
fn calls(folder: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("calls")).unwrap();
    let mut words = text.strip_suffix('\0').unwrap().split('\0');
    let mut calls = Vec::new();
    while let Some(count) = words.next() {
        let count = count.parse().unwrap();
        calls.push(words.by_ref().take(count).map(str::to_owned).collect());
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_its_arguments_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    // Copied, because what this process has open for writing its other children have for a moment, too.
    std::fs::write(folder.path().join("text"), PROGRAM).unwrap();
    let program = folder.path().join("program");
    let mut copy = std::process::Command::new("cp");
    let copied = copy.arg(folder.path().join("text")).arg(&program).status();
    assert!(copied.unwrap().success());
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    // In an argument of the catalogue `{{` stands for a brace.
    let plain = ATTACKS.map(|attack| attack.replace('{', "{{").replace('}', "}}"));
    let plain = plain.each_ref().map(String::as_str);
    let up = [
        "up",
        "{object}",
        "{holder}",
        "{value}",
        "--as={holder}:{value}",
    ];
    let (up, down) = (
        [&up[..], &plain].concat(),
        [&["down", "{object}"][..], &plain].concat(),
    );
    let mut target = toml::toml! {
        kind = "command"
        observe = ["list"]
        time_limit = "8s"
    };
    target.insert("program".to_owned(), program.display().to_string().into());
    target.insert("up".to_owned(), up.into());
    target.insert("down".to_owned(), down.into());
    let state = folder.path().display().to_string();
    let state = toml::Table::from_iter([("STATE".to_owned(), state.into())]);
    target.insert("environment".to_owned(), state.into());
    let values: Vec<&str> = ATTACKS
        .into_iter()
        .filter(|attack| !attack.chars().any(char::is_control))
        .collect();
    let role = |(number, value): (usize, &&str)| {
        let role = toml::Table::from_iter([("value".to_owned(), Value::from(*value))]);
        (format!("r{number}"), Value::Table(role))
    };
    let roles: toml::Table = values.iter().enumerate().map(role).collect();
    target.insert("role".to_owned(), roles.into());
    let targets = toml::Table::from_iter([("t".to_owned(), Value::Table(target))]);
    let catalogue = toml::Table::from_iter([("target".to_owned(), Value::Table(targets))]);
    let world = world(&toml::to_string(&catalogue).unwrap()).await;
    let ada = world.engineer("ada").await;
    refuses_names(&ada).await;

    let ours = Installation::of(&Key::new([7; 32]));
    let mut right: BTreeSet<Vec<String>> = [vec!["list".to_owned()]].into();
    for (number, value) in values.iter().enumerate() {
        let role = format!("r{number}");
        let grant = come_and_go(&world, &ada, ("t", &role), value, async |_: &GrantView| {}).await;
        let object = object_of(&ours, &grant.id.parse().unwrap());
        let both = format!("--as=ada:{value}");
        let attacks = || ATTACKS.into_iter().map(str::to_owned);
        let up = ["up", &object, "ada", value, &both].map(str::to_owned);
        right.insert(up.into_iter().chain(attacks()).collect());
        let down = ["down", &object].map(str::to_owned);
        right.insert(down.into_iter().chain(attacks()).collect());
    }
    let done: BTreeSet<Vec<String>> = calls(folder.path()).into_iter().collect();
    assert_eq!(done, right);
    for place in [folder.path(), Path::new("/"), Path::new(".")] {
        assert!(!place.join("owned").exists(), "{}", place.display());
    }
}
