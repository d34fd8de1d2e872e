//! Text that others typed, on its way through tables, lines, JSON and errors.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use portcullis::cli::print::Printer;
use portcullis::cli::table::{Cut, Table};
use portcullis::cli::{Exit, Failure};
use portcullis::text::hidden;
use portcullis::wire::{Denial, Problem};

use crate::support::hostile::corpus;
use crate::support::infest::infest;
use crate::support::person::Person;
use crate::support::pty::Pty;
use crate::support::tokens::{Allowed, strangers};
use crate::support::world::{Backend, World, key, submit};

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
    let denied = "R-0000000003";
    let commands: [&[&str]; 20] = [
        &["requests"],
        &["requests", "--state", "denied,pending"],
        &["requests", "--json"],
        &["grants"],
        &["grants", "--all"],
        &["grants", "--json"],
        &["audit"],
        &["audit", "--limit", "200"],
        &["audit", "--json"],
        &["whoami"],
        &["request", "--list"],
        &["claim", &pending.id],
        &["claim", denied],
        &["approve", denied],
        &["deny", denied, "--comment", "\u{202e}no\u{9b}31m"],
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
    ];
    for command in commands {
        let ran = ben.run(command).await;
        assert_ne!(ran.code, 2, "{command:?}: {ran:?}");
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
    ] {
        let mut typed = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
        typed.args(command);
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
