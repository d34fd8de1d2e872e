//! The console without a screen: what is read out, and what it takes to change something.

use std::io::Write as _;
use std::process::{Command, Stdio};

use portcullis::console::app::{App, Settings};
use portcullis::console::confirm::{Act, Less, Mutation};
use portcullis::console::linear::{Heard, Talk};
use portcullis::console::msg::Effect;
use proptest::prelude::*;

use super::desk::{Desk, event, grant_id, request, request_id};
use super::program::Console;
use crate::support::hostile::corpus;
use crate::support::world::submit;

/// A conversation over a desk.
struct Line {
    desk: Desk,
    talk: Talk,
    changes: Vec<Mutation>,
}

impl Line {
    fn new(keyboard: bool) -> Self {
        Self::over(Desk::live(120, 40), keyboard)
    }

    fn over(desk: Desk, keyboard: bool) -> Self {
        let mut line = Self {
            desk,
            talk: Talk::new(keyboard),
            changes: Vec::new(),
        };
        line.look();
        line
    }

    /// Types a line and gives what is read out then.
    fn say(&mut self, text: &str) -> String {
        self.hear(text, true)
    }

    fn hear(&mut self, text: &str, alone: bool) -> String {
        let heard = Heard {
            text: text.to_owned(),
            typed: self.desk.now.steady,
            at: self.desk.now,
            alone,
        };
        let effects = self.talk.hear(&mut self.desk.app, &heard);
        self.take(effects);
        self.said()
    }

    fn said(&mut self) -> String {
        let mut out = String::new();
        for line in self.talk.said() {
            out.push_str(line.as_str());
            out.push('\n');
        }
        out
    }

    /// Time passes, and what has changed is told.
    fn wait(&mut self, millis: u64) -> String {
        self.desk.wait(millis);
        self.look();
        self.said()
    }

    fn look(&mut self) {
        let effects = self.talk.look(&mut self.desk.app, self.desk.now);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        let changes = effects.iter().filter_map(|effect| match effect {
            Effect::Mutate(change) => Some(change.clone()),
            _ => None,
        });
        self.changes.extend(changes);
        self.desk.perform(effects);
    }
}

#[test]
fn what_waits_is_read_out_at_the_start_and_has_numbers() {
    let mut line = Line::new(true);
    let said = line.said();
    let (one, two) = (request_id(1), request_id(2));
    for wanted in [
        "Connection: LIVE".to_owned(),
        format!(
            "1. {one} pending, 0 of 1 approvals: alice wants readonly on orders-db for 1h, asked 59m ago. Reason: INC-4127 consumer stuck, payments wait"
        ),
        format!("2. {two} pending"),
    ] {
        assert!(said.contains(&wanted), "no {wanted:?} in\n{said}");
    }
    let grants = line.say("grants");
    assert!(
        grants.contains(&format!(
            "1. {} active: dave as readonly on orders-db, ends",
            grant_id(6)
        )),
        "{grants}"
    );
    assert!(line.say("show 1").contains("At most until"));
    assert!(line.say("audit").contains("grant.activated"));
    assert!(line.say("status").contains("You: maya, admin"));
    assert!(line.say("help").contains("revoke 2"));
    assert!(line.say("frobnicate").contains("no command"));
    assert!(line.say("show 99").contains("neither a number"));
}

#[test]
fn yes_after_reading_the_question_approves_what_was_shown() {
    let mut line = Line::new(true);
    let asked = line.say("approve 2");
    assert!(
        asked.contains(&format!("Approve {}", request_id(2))),
        "{asked}"
    );
    assert!(
        asked.contains("| CHG-9921 rotate webhook secret"),
        "{asked}"
    );
    assert!(
        !asked.contains("yes"),
        "before it counts nobody is asked for it: {asked}"
    );
    let asked = line.wait(400);
    assert!(
        asked.ends_with("Type `yes` to do it, `no` to leave.\n"),
        "{asked}"
    );
    assert!(line.say("yes").contains("Sent."));
    let [change] = line.changes.as_slice() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(
        (change.act(), change.version()),
        (
            &Act::Approve {
                request: request_id(2),
                less: Less::default()
            },
            1
        )
    );
}

#[test]
fn a_yes_that_comes_too_early_or_with_other_lines_does_nothing() {
    let mut line = Line::new(true);
    line.say("approve 1");
    assert!(line.say("yes").contains("too fast"));
    line.wait(400);
    assert!(
        line.hear("yes", false).contains("too fast"),
        "pasted with others"
    );
    line.wait(400);
    assert!(line.say("certainly").contains("nothing was done"));
    assert!(line.desk.app.strip().is_none());
    assert!(line.say("yes").contains("no command"));
    assert!(line.changes.is_empty());
}

#[test]
fn a_row_that_changes_meanwhile_is_read_out_again_and_takes_another_yes() {
    let mut line = Line::new(true);
    line.say("approve 1");
    line.wait(400);
    let changed = &mut line.desk.requests[0];
    changed.version = 2;
    "2h".clone_into(&mut changed.duration_granted);
    let mut heard = event(50, "request.reviewed", "carol");
    heard.request = Some(request_id(1).to_string());
    line.desk.tell(vec![heard]);
    let told = line.wait(300);
    let told = format!("{told}{}", line.wait(300));
    assert!(
        told.contains("Something has changed. Read it again:"),
        "{told}"
    );
    line.wait(400);
    line.say("yes");
    assert_eq!(line.changes.len(), 1);
    assert_eq!(line.changes[0].version(), 2);
}

#[test]
fn a_revocation_takes_yes_and_a_reason() {
    let mut line = Line::new(true);
    line.say("grants");
    line.say("revoke 1");
    line.wait(400);
    line.say("yes");
    let asked = line.wait(400);
    assert!(asked.contains("Reason? Type it"), "{asked}");
    assert!(asked.contains("1 the work is done"), "{asked}");
    assert!(line.changes.is_empty());
    line.say("1");
    let Act::Revoke { grant, reason } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!((grant, reason.as_str()), (&grant_id(6), "the work is done"));
}

#[test]
fn a_denial_takes_a_comment() {
    let mut line = Line::new(true);
    line.say(&format!("deny {}", request_id(1)));
    let asked = line.wait(400);
    assert!(asked.contains("Comment? Type it"), "{asked}");
    line.say("use the replica");
    let Act::Deny { comment, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(comment, "use the replica");
}

#[test]
fn an_extension_shows_its_length_before_it_is_confirmed() {
    let mut line = Line::new(true);
    line.say("grants");
    line.say("extend 1 30m");
    let asked = line.wait(400) + &line.wait(400);
    assert!(
        asked.ends_with("Extend by 30m. Type `yes` to do it, `no` to leave.\n"),
        "{asked}"
    );
    line.say("yes");
    let Act::Extend { by, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(by.to_string(), "30m");
}

#[test]
fn a_pipe_may_read_and_nothing_else() {
    let mut line = Line::new(false);
    assert!(line.say("requests").contains("2 requests"));
    assert!(line.say("approve 1").contains("somebody at a keyboard"));
    line.wait(400);
    line.say("yes");
    assert!(line.changes.is_empty());
}

#[test]
fn read_only_is_said() {
    let mut line = Line::over(Desk::readonly(120, 40), true);
    let said = line.say("approve 1");
    assert!(said.contains("--readonly"), "{said}");
    assert!(line.desk.app.strip().is_none());
}

#[test]
fn what_happens_is_told_once() {
    let mut line = Line::new(true);
    line.said();
    line.desk
        .requests
        .push(request(30, "zoe", "ledger", "readonly", "1h", "let me in"));
    let mut heard = event(60, "request.submitted", "zoe");
    heard.request = Some(request_id(30).to_string());
    line.desk.tell(vec![heard]);
    let told = format!("{}{}{}", line.wait(300), line.wait(300), line.wait(2_000));
    let new = format!("New: {} pending", request_id(30));
    assert_eq!(told.matches(&new).count(), 1, "{told}");
}

#[test]
fn nothing_typed_by_others_leaves_its_line_or_reaches_the_terminal_raw() {
    for attack in corpus() {
        let mut desk = Desk::new(120, 40);
        let mut asked = request(1, &attack, &attack, &attack, "1h", &attack);
        asked.verdict.clone_from(&attack);
        desk.requests = vec![asked];
        desk.connect();
        let mut line = Line::over(desk, true);
        let mut said = line.said();
        said.push_str(&line.say("show 1"));
        said.push_str(&line.say("approve 1"));
        said.push_str(&line.say("no"));
        said.push_str(&line.say(&format!("show {attack}")));
        for text in said.lines() {
            assert!(
                !text.chars().any(portcullis::text::hidden),
                "{attack:?} → {text:?}"
            );
            assert!(!text.starts_with("APPROVED"), "{attack:?} forges a line");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Type(String, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let words = prop_oneof![
        Just("requests"),
        Just("grants"),
        Just("approve 1"),
        Just("approve 2 10m"),
        Just("deny 1"),
        Just("revoke 1"),
        Just("extend 1"),
        Just("yes"),
        Just("y"),
        Just("no"),
        Just("1"),
        Just(""),
        Just("why not"),
        Just("show 1"),
    ];
    prop_oneof![
        3 => (words, any::<bool>()).prop_map(|(text, alone)| Step::Type(text.to_owned(), alone)),
        1 => (".{0,20}", any::<bool>()).prop_map(|(text, alone)| Step::Type(text, alone)),
        2 => (0_u64..600).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every change was asked about before, on the row that was named, and answered alone and after the pause.
    #[test]
    fn no_lines_change_anything_without_a_question_answered_in_time(steps in prop::collection::vec(step(), 1..60)) {
        let mut line = Line::new(true);
        let mut quiet = 0;
        for step in steps {
            match step {
                Step::Wait(millis) => {
                    line.wait(millis);
                    quiet += millis;
                }
                Step::Type(text, alone) => {
                    let open = line.desk.app.strip().map(|strip| strip.subject().clone());
                    let before = line.changes.len();
                    line.hear(&text, alone);
                    if let Some(change) = line.changes.get(before) {
                        prop_assert_eq!(change.subject(), open);
                        prop_assert!(alone && quiet >= 350, "{text:?} after {quiet} ms");
                        prop_assert_eq!(line.changes.len(), before + 1);
                    }
                    quiet = 0;
                }
            }
        }
    }
}

#[test]
fn a_conversation_needs_no_screen_settings() {
    let mut app = App::new(
        &Settings::default(),
        ratatui::layout::Size::new(120, 40),
        Desk::new(80, 24).now,
    );
    let mut talk = Talk::new(true);
    let effects = talk.look(&mut app, Desk::new(80, 24).now);
    assert!(effects.is_empty() && !talk.said().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_talked_to_line_by_line_in_a_terminal() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &[("TERM", "dumb")], (24, 80));
    pty.wait_for("help");
    assert!(!pty.is_taken());
    pty.send(format!("approve {}\n", request.id));
    pty.wait_for("`no` to leave");
    pty.send("yes\n");
    pty.wait_for("is approved");
    assert!(
        !pty.output.contains(&0x1b),
        "{:?}",
        String::from_utf8_lossy(&pty.output)
    );
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_from_a_pipe_are_answered_into_a_pipe_and_may_not_change_anything() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--linear", "--server", &world.url()])
        .env("PORTCULLIS_HOME", home.path().join("state"))
        .env("PORTCULLIS_CONFIG_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = format!("requests\napprove {}\nyes\nquit\n", request.id);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("1. {} pending", request.id)),
        "{said}"
    );
    assert!(said.contains("somebody at a keyboard"), "{said}");
    assert!(!said.contains('\u{1b}'));
    assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
}

#[test]
fn a_dumb_terminal_is_told_of_the_lines() {
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["console", "--server", "http://127.0.0.1:1"]);
    command.env("TERM", "dumb");
    let mut pty = crate::support::pty::Pty::spawn(command, 24, 80);
    pty.wait_for("portcullis console --linear");
    assert_eq!(pty.wait_exit(), 7);
}
