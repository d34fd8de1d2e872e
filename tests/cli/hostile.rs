//! Text that others typed, on its way through tables, lines, JSON and errors.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use portcullis::cli::print::Printer;
use portcullis::cli::table::{Cut, Table};
use portcullis::cli::{Exit, Failure};
use portcullis::text::hidden;
use portcullis::wire::{
    Approval, CredentialAsk, CredentialView, Denial, NewRequest, Problem, SessionView,
};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::support::hostile::corpus;
use crate::support::infest::infest;
use crate::support::node::orders_db;
use crate::support::person::Person;
use crate::support::postgres::cluster;
use crate::support::pty::Pty;
use crate::support::tokens::{Allowed, strangers};
use crate::support::world::{Backend, CATALOGUE, World, ask, key, submit};

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn printer(json: bool, width: Option<usize>) -> (Printer, Paper) {
    let paper = Paper::default();
    (
        Printer::new(
            Box::new(paper.clone()),
            Box::new(paper.clone()),
            width,
            json,
        ),
        paper,
    )
}

fn assert_harmless(paper: &Paper, lines: usize, about: &str) {
    let text = paper.text();
    assert!(
        !text.chars().any(|c| c != '\n' && hidden(c)),
        "{about:?} → {text:?}"
    );
    assert_eq!(text.lines().count(), lines, "{about:?} → {text:?}");
}

#[test]
fn hostile_text_cannot_leave_its_cell() {
    for attack in corpus() {
        for width in [None, Some(80), Some(20)] {
            let (printer, paper) = printer(false, width);
            let mut table = Table::new(&[
                ("ID", Cut::Never),
                ("WHO", Cut::Middle),
                ("REASON", Cut::End),
            ]);
            table.row(["R-1".to_owned(), attack.clone(), attack.clone()]);
            printer.table(&table, "none").unwrap();
            assert_harmless(&paper, 2, &attack);
        }
    }
}

#[test]
fn hostile_text_is_harmless_in_lines_errors_and_json() {
    for attack in corpus() {
        let (human, paper) = printer(false, None);
        human.line(&attack).unwrap();
        human.note(&attack);
        human.facts(&[("name", attack.clone())]).unwrap();
        assert_harmless(&paper, 3, &attack);

        let problem = Problem {
            span: None,
            suggestion: None,
            policy: None,
            digest: None,
            ways: None,
            max_age: None,
            kind: "urn:portcullis:problem:x".to_owned(),
            status: 500,
            code: "x".to_owned(),
            title: attack.clone(),
            hint: Some(attack.clone()),
            instance: attack.clone(),
        };
        let failure = Failure {
            problem: Some(Box::new(problem.clone())),
            ..Failure::refused(attack.clone(), attack.clone())
        };
        let (human, paper) = printer(false, None);
        assert_eq!(human.failure(&failure), Exit::REFUSED);
        assert_harmless(&paper, 3, &attack);

        let (json, paper) = printer(true, None);
        json.failure(&failure);
        json.json_line(&attack).unwrap();
        assert_harmless(&paper, 2, &attack);
        let text = paper.text();
        let mut lines = text.lines();
        assert_eq!(
            serde_json::from_str::<Problem>(lines.next().unwrap()).unwrap(),
            problem
        );
        assert_eq!(
            serde_json::from_str::<String>(lines.next().unwrap()).unwrap(),
            attack
        );
    }
}

fn assert_only_text(output: &[u8], about: &[&str]) {
    let found = strangers(output, Allowed::Lines);
    assert!(
        found.is_empty(),
        "{about:?}: {found:#?} in {}",
        String::from_utf8_lossy(output)
    );
}

/// Commands that print nothing that others wrote, and why, or where else they are tried.
const APART: [(&str, &str); 19] = [
    ("account", "prints that a password is set, and nothing else"),
    ("console", "console::hostile"),
    ("completions", "made from what clap knows"),
    ("config", "the operator's own file"),
    (
        "copy-database",
        "names of tables, which are part of the program",
    ),
    ("demo", "a world of its own"),
    ("evidence", "leaving::evidence; what it prints is below"),
    (
        "factor",
        "names that the person gave to factors of their own",
    ),
    ("keys", "the person's own file"),
    ("login", "names are checked when they are made"),
    ("logout", "prints the server's address"),
    (
        "migrate",
        "numbers, and names of files that are part of the program",
    ),
    (
        "recover",
        "numbers, and a name that was checked when it was made",
    ),
    (
        "request",
        "a_command_that_waits_prints_the_comment_of_a_denial_as_text",
    ),
    ("serve", "the operator's own terminal: logs"),
    (
        "sessions",
        "what_people_run_under_their_grants_is_listed_as_text",
    ),
    (
        "target",
        "the host's own files; what sshd says is cleaned as every line is",
    ),
    ("theme", "the person's own files"),
    ("token", "sign-ins are listed below"),
];

/// What is run against the poisoned server, with ids that are known beforehand.
const POISONED: [&[&str]; 68] = [
    &["status"],
    &["status", "--json"],
    &["prompt"],
    &["history"],
    &["history", "--json"],
    &["renew", "G-0000000003", "--reason", "INC-1 once more"],
    &["exec", "G-0000000003", "--", "true"],
    &["ssh-config"],
    &["ssh-config", "--json"],
    &["ssh-match", "--folder", "/proc/no-such-folder", "bastion"],
    &["requests"],
    &["requests", "--state", "denied,pending"],
    &["requests", "--json"],
    &["requests", "--filter", "\u{1b}]0;x\u{7} usr:\u{202e}x"],
    &["grants"],
    &["grants", "--all"],
    &["grants", "--json"],
    &["receipt", "G-0000000003"],
    &["receipt", "G-0000000003", "--json"],
    &["override", "G-0000000003", "--reason", "\u{1b}[2J scrapped"],
    &["audit"],
    &["audit", "--limit", "200"],
    &["audit", "--json"],
    &["audit", "export", "--format", "ndjson"],
    &["audit", "export", "--format", "csv"],
    &["audit", "export", "--format", "ocsf"],
    &["locks", "--all"],
    &["locks", "--all", "--json"],
    &["locks", "--all", "--filter", "kind:tag env:*"],
    &["lock", "tag", "env=\u{1b}[2J", "--reason", "INC-1 leak"],
    &["unlock", "L-0000000003", "--reason", "\u{9b}31m calm again"],
    &["standing"],
    &["standing", "--all", "--json"],
    &[
        "standing",
        "ignore",
        "A-0000000003",
        "--reason",
        "\u{9b}31m nightly",
    ],
    &[
        "standing",
        "reopen",
        "A-0000000003",
        "--reason",
        "INC-1 \u{202e}leak",
    ],
    &["incidents"],
    &["incidents", "--json"],
    &["incident", "show", "I-0000000003"],
    &["incident", "show", "I-0000000003", "--json"],
    &["incident", "--everything", "--deny-pending", "--dry-run"],
    &["incident", "--everything", "--dry-run", "--json"],
    &["whoami"],
    &["token", "list"],
    &["token", "list", "--json"],
    &["sign-ins", "list"],
    &["sign-ins", "list", "--json"],
    &["service-account", "list"],
    &["device", "list"],
    &["notices"],
    &["notices", "show", "--json"],
    &["why", "R-0000000003"],
    &["why", "R-0000000003", "--json"],
    &["why", "G-0000000003"],
    &["policy", "explain", "bastion", "readonly", "--for", "1h"],
    &["policy", "status"],
    &["policy", "show"],
    &["policy", "apply", "0123456789ab", "--reason", "CHG-77"],
    &["request", "--list"],
    &["claim", "R-0000000003"],
    &["approve", "R-0000000003"],
    &["connect", "G-0000000003", "--print"],
    &["break-glass", "list"],
    &["break-glass", "list", "--all", "--json"],
    &["break-glass", "list", "--all"],
    &["break-glass", "show", "R-0000000003"],
    &["break-glass", "show", "R-0000000003", "--json"],
    &["break-glass", "codes"],
    &["deny", "R-0000000003", "--comment", "\u{202e}no\u{9b}31m"],
];

/// What is run on rows that the test makes, by command.
const ON_ROWS: [&str; 7] = [
    "claim", "extend", "approve", "revoke", "return", "incident", "withdraw",
];

#[test]
fn no_command_is_forgotten_by_these_tests() {
    let reference = portcullis::cli::reference();
    let verbs: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| {
            let usage = line.strip_prefix("#### `portcullis ")?;
            usage.split([' ', '`']).next()
        })
        .collect();
    let apart = APART.iter().map(|(verb, _)| *verb);
    let tried: BTreeSet<&str> = POISONED
        .iter()
        .map(|command| command[0])
        .chain(ON_ROWS)
        .chain(apart)
        .collect();
    let forgotten: Vec<_> = verbs.difference(&tried).collect();
    assert!(
        forgotten.is_empty(),
        "no hostile text is sent through {forgotten:?}"
    );
    let gone: Vec<_> = tried.difference(&verbs).collect();
    assert!(gone.is_empty(), "there is no {gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_prints_what_a_poisoned_server_says_as_text() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    let eve = world.engineer("eve").await;
    let (grant, pending) = (world.granted(&eve).await, submit(&eve).await);
    ada.does(&[
        "request",
        "bastion",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "INC-1 mine",
    ])
    .await;
    infest(&world, &corpus()).await;
    let on_rows: [&[&str]; 8] = [
        &["claim", &pending.id],
        &[
            "extend",
            &grant.id,
            "--by",
            "15m",
            "--reason",
            "\u{1b}[2J more time",
        ],
        &["extend", &grant.id, "--by", "15m", "--reason", "more time"],
        &["approve", &pending.id],
        &["revoke", &grant.id, "--reason", "enough \u{2066}now"],
        &["return", &grant.id],
        &["withdraw", &pending.id],
        &[
            "incident",
            "--everything",
            "--deny-pending",
            "--keep",
            &pending.id,
            "--reason",
            "\u{1b}c INC-1",
            "--count",
            "0",
        ],
    ];
    for command in POISONED.into_iter().chain(on_rows) {
        let ran = ben.run(command).await;
        let filter = command.contains(&"--filter");
        assert!(ran.code != 2 || filter, "{command:?}: {ran:?}");
        assert_only_text(ran.out.as_bytes(), command);
        assert_only_text(ran.err.as_bytes(), command);
    }
    let shown = ben.does(&["requests", "--state", "denied"]).await;
    assert!(
        shown.contains("\\x1b["),
        "nothing hostile was printed: {shown}"
    );
    for command in [
        &["requests", "--state", "denied"][..],
        &["grants", "--all"],
        &["audit"],
        &["locks", "--all"],
        &["incidents"],
        &["incident", "show", "I-0000000003"],
        &["token", "list"],
    ] {
        let mut typed = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
        typed.args(command);
        typed.env("PORTCULLIS_DEVICE_KEY", "file");
        typed.env("PORTCULLIS_HOME", ben.home().join("state"));
        typed.env("PORTCULLIS_SERVER", world.url());
        let mut pty = Pty::spawn(typed, 24, 80);
        assert_eq!(pty.wait_exit(), 0, "{}", pty.contents());
        assert_only_text(&pty.output, command);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_prints_the_comment_of_a_denial_as_text() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    // What the server lets through; several attacks in one comment, because each takes a request.
    let harmful: Vec<String> = corpus()
        .iter()
        .map(|attack| attack.chars().filter(|c| !c.is_control()).collect())
        .filter(|attack: &String| !attack.is_empty() && attack.chars().count() < 300)
        .collect();
    let mut comment = String::new();
    let mut comments = Vec::new();
    for attack in harmful {
        if comment.chars().count() + attack.chars().count() > 1_900 {
            comments.push(std::mem::take(&mut comment));
        }
        comment.push_str(&attack);
        comment.push(' ');
    }
    comments.push(comment);
    for comment in comments {
        let mut waiting = ada.start(&[
            "request", "bastion", "readonly", "--for", "1h", "--reason", &comment, "--wait",
        ]);
        let first = waiting.says("asks for readonly on bastion").await;
        let id = first.split_whitespace().next().unwrap().to_owned();
        let version = world.admin().request(&id).await.unwrap().version;
        let denial = Denial {
            comment: comment.clone(),
        };
        world
            .admin()
            .deny(&id, version, &denial, &key())
            .await
            .unwrap();
        let ran = waiting.ends().await;
        assert_eq!(ran.code, 1, "{ran:?}");
        for printed in [first, ran.out, ran.err] {
            assert_only_text(printed.as_bytes(), &["request", "--wait"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_run_under_their_grants_is_listed_as_text() {
    let cluster = cluster();
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.database().await);
    let catalogue = orders_db(cluster, &database.name, &folder.path().join("password"))
        .replace("sslmode =", "connection_limit = 30\nsslmode =");
    let world = World::with_targets(Backend::Sqlite, &format!("{CATALOGUE}\n{catalogue}")).await;
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    let eve = world.engineer("eve").await;
    let asked = NewRequest {
        target: "orders-db".to_owned(),
        ..ask()
    };
    let request = eve.submit(&asked, &key()).await.unwrap();
    let approved = world
        .admin()
        .approve(&request.id, request.version, &Approval::default(), &key())
        .await
        .unwrap();
    let grant = world.grant_in(&approved.grant.unwrap(), &["active"]).await;
    // PostgreSQL tells the first kilobyte of what each connection runs.
    let mut chunks = vec![String::new()];
    for attack in corpus() {
        if attack.contains('\0') || attack.len() > 900 {
            continue;
        }
        if chunks.last().unwrap().len() + attack.len() > 900 {
            chunks.push(String::new());
        }
        chunks
            .last_mut()
            .unwrap()
            .push_str(&attack.replace('\'', "''"));
    }
    let mut open = Vec::new();
    for chunk in &chunks {
        let credential = eve
            .credential(&grant.id, &CredentialAsk::default(), &key())
            .await
            .unwrap();
        let CredentialView::Postgres {
            host,
            port,
            database,
            user,
            password,
            ..
        } = credential
        else {
            panic!("a database gives a password")
        };
        let mut connection = PgConnectOptions::new_without_pgpass()
            .host(&host)
            .port(port)
            .database(&database)
            .username(&user)
            .password(&password)
            .application_name("\u{1b}[2Jreport")
            .ssl_mode(PgSslMode::Disable)
            .connect()
            .await
            .unwrap();
        connection
            .execute(sqlx::AssertSqlSafe(format!("select '{chunk}'")))
            .await
            .unwrap();
        open.push(connection);
    }
    let all = world
        .until("every session is reported", async || {
            let sessions = world.admin().sessions().await.unwrap();
            let running = |session: &SessionView| {
                session
                    .command
                    .as_deref()
                    .unwrap_or_default()
                    .starts_with("select '")
            };
            (sessions
                .items
                .iter()
                .filter(|session| running(session))
                .count()
                == chunks.len())
            .then_some(sessions)
        })
        .await;
    let id = all.items[0].id.clone();
    let commands: [&[&str]; 5] = [
        &["sessions"],
        &["sessions", "--json"],
        &["sessions", "--filter", "user:eve is:idle"],
        &["sessions", "--filter", "nobody:\u{9d}0;x\u{9c}"],
        &[
            "sessions",
            "end",
            &grant.id,
            &id,
            "--reason",
            "\u{1b}[2J enough",
        ],
    ];
    for command in commands {
        let ran = ben.run(command).await;
        assert_only_text(ran.out.as_bytes(), command);
        assert_only_text(ran.err.as_bytes(), command);
        let mut typed = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
        typed.args(command);
        typed.env("PORTCULLIS_DEVICE_KEY", "file");
        typed.env("PORTCULLIS_HOME", ben.home().join("state"));
        typed.env("PORTCULLIS_SERVER", world.url());
        let mut pty = Pty::spawn(typed, 24, 300);
        pty.wait_exit();
        assert_only_text(&pty.output, command);
    }
    let shown = ben.does(&["sessions", "--filter", "user:eve"]).await;
    assert!(
        shown.contains("\\x1b["),
        "nothing hostile was printed: {shown}"
    );
}
