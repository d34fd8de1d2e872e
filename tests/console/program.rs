//! The real program in a real terminal, talking to a real server.

use portable_pty::CommandBuilder;
use portcullis::client::{Channel, Client, Session, StateDir};
use portcullis::wire::Invitation;
use rustix::process::Signal;

use crate::support::pty::Pty;
use crate::support::world::{Backend, World, key, submit};

/// A console of somebody who may decide, and the world it looks at.
pub(crate) struct Console {
    world: World,
    pty: Pty,
    _home: tempfile::TempDir,
}

impl Console {
    async fn start() -> Self {
        let world = World::start(Backend::Sqlite).await;
        Self::in_world(world).await
    }

    /// A world, and the home of somebody who is signed in there.
    pub(crate) async fn prepare() -> (World, tempfile::TempDir) {
        let world = World::start(Backend::Sqlite).await;
        let home = Self::sign_in(&world).await;
        (world, home)
    }

    async fn sign_in(world: &World) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        let url = world.url().parse().unwrap();
        let session = Session::open(&url, &state).unwrap();
        let invitation = Invitation {
            name: "maya".to_owned(),
            roles: vec!["reviewer".to_owned(), "admin".to_owned()],
            groups: vec!["reviewers".to_owned()],
        };
        let code = world
            .admin()
            .invite(&invitation, &key())
            .await
            .unwrap()
            .code;
        let client = Client::new(session, Channel::Tui).unwrap();
        client.sign_in(&code, None, None).await.unwrap();
        home
    }

    /// The console of that person in a terminal of some rows and columns.
    pub(crate) fn spawn(
        world: &World,
        home: &tempfile::TempDir,
        arguments: &[&str],
        env: &[(&str, &str)],
        size: (u16, u16),
    ) -> Pty {
        Self::spawn_in(home.path(), world, home, arguments, env, size)
    }

    /// The same, started in a folder.
    pub(crate) fn spawn_in(
        folder: &std::path::Path,
        world: &World,
        home: &tempfile::TempDir,
        arguments: &[&str],
        env: &[(&str, &str)],
        (rows, columns): (u16, u16),
    ) -> Pty {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["console", "--server", &world.url()]);
        command.args(arguments);
        command.cwd(folder);
        command.env("PORTCULLIS_DEVICE_KEY", "file");
        command.env("PORTCULLIS_HOME", home.path().join("state"));
        command.env("PORTCULLIS_CONFIG_DIR", home.path());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("NO_COLOR");
        for (name, value) in env {
            command.env(name, value);
        }
        Pty::spawn(command, rows, columns)
    }

    async fn in_world(world: World) -> Self {
        let home = Self::sign_in(&world).await;
        let mut pty = Self::spawn(&world, &home, &[], &[], (40, 120));
        // Keys count from the first picture with data on: it is drawn by the loop that reads them.
        pty.wait_for("LIVE");
        pty.wait_for("maya");
        Self {
            world,
            pty,
            _home: home,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_approved_used_extended_and_revoked_from_the_keyboard() {
    let Console {
        world,
        mut pty,
        _home,
    } = Console::start().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    pty.wait_for(&request.id);
    pty.wait_for("INC-4127 stuck orders");
    pty.send("a");
    pty.wait_for("y approve   n no");
    pty.send("y");
    pty.wait_for(&format!("{} is approved", request.id));
    let grant = ada.request(&request.id).await.unwrap().grant.unwrap();
    world.grant_in(&grant, &["active"]).await;
    pty.send("2");
    pty.wait_for("✓ active");
    pty.wait_for("59m");
    pty.send("e");
    pty.wait_for("y extend   0-9");
    pty.send("y");
    pty.wait_for(&format!("{grant} is extended by 15m"));
    pty.wait_for("1h14m");
    pty.send("x");
    pty.wait_for("y yes, then the reason");
    pty.send("y");
    pty.wait_for("Presets");
    pty.send("1");
    pty.wait_for("Reason    the work is done");
    pty.send("\r");
    pty.wait_for(&format!("{grant} is revoked, the target was read back"));
    assert_eq!(
        ada.grant(&grant).await.unwrap().closed_by.as_deref(),
        Some("maya")
    );
    pty.send("4");
    pty.wait_for("grant.revoked");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_replies_and_torn_escape_sequences_decide_nothing() {
    let Console {
        world,
        mut pty,
        _home,
    } = Console::start().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    pty.wait_for(&request.id);
    for piece in [
        "\x1b]11;rgb:1e1e/adad/2e",
        "2e\x1b\\",
        "\x1b",
        "[A",
        "\x1bP>|kitty(0.4",
        "2)\x1b\\",
        "\x1b[?2026;2",
        "$y\x1b[?62;22c",
    ] {
        pty.send(piece);
    }
    pty.send("\x1b[200~ay\ray\r\x1b[201~");
    pty.send("?");
    pty.wait_for("Keys for Requests");
    pty.send("\x1b");
    pty.wait_until("the list again", |pty| {
        !pty.contents().contains("Keys for Requests")
    });
    assert!(pty.contents().contains("○ pending"), "{}", pty.contents());
    let after = ada.request(&request.id).await.unwrap();
    assert_eq!(
        (after.state.as_str(), after.version),
        ("pending", request.version)
    );
    // A typed-ahead answer is swallowed, too.
    pty.send("ay");
    pty.wait_for("y approve   n no");
    pty.send("\x1b");
    pty.wait_until("no question", |pty| {
        !pty.contents().contains("y approve   n no")
    });
    assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_program_and_gives_the_terminal_back() {
    let Console {
        world,
        mut pty,
        _home,
    } = Console::start().await;
    pty.signal(Signal::TERM);
    assert_eq!(pty.wait_exit(), 143);
    assert!(pty.is_restored());
    let Console { pty, .. } = Console::in_world(world).await;
    assert_eq!(pty.hang_up(), 129);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_it_gives_the_terminal_back_and_takes_it_again() {
    let Console {
        mut pty,
        world,
        _home,
    } = Console::start().await;
    pty.send("\x1a");
    pty.wait_stopped();
    pty.wait_until("the shell's screen", |pty| !pty.is_taken());
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    pty.signal(Signal::CONT);
    pty.wait_until("the console's screen", Pty::is_taken);
    pty.wait_for(&request.id);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_sizes_ends_in_the_right_picture() {
    let Console {
        mut pty,
        world: _world,
        _home,
    } = Console::start().await;
    for step in 0..40 {
        pty.resize(10 + step, 40 + 3 * step);
    }
    pty.resize(15, 60);
    pty.wait_for("needs 80x20, this is 60x15");
    pty.resize(30, 100);
    pty.wait_for("yours first, oldest first");
    let screen = pty.contents();
    let corner = screen.lines().nth(2).unwrap();
    assert_eq!(corner.chars().count(), 100, "{screen}");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_said_and_found_again() {
    let Console {
        mut world,
        mut pty,
        _home,
    } = Console::start().await;
    world.stop().await;
    pty.wait_for("retry in");
    pty.send("a");
    pty.wait_for("nothing is selected");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--server", "http://127.0.0.1:1"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the console needs a terminal for keys and screen"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}
