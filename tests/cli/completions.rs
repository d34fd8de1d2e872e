//! Completions that know targets, roles and ids: the scripts, what they call, and TAB in a real bash.

use portable_pty::CommandBuilder;
use portcullis::wire::Approval;

use crate::support::person::Person;
use crate::support::pty::Pty;
use crate::support::world::{Backend, World, key};

/// What could stand at the last of these words.
async fn offered(person: &Person, words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let mut arguments = vec!["complete", "--index", &index, "--"];
    arguments.extend(words);
    let ran = person.run(&arguments).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn scripts_are_there_for_three_shells() {
    let person = Person::at("http://127.0.0.1:1");
    for (shell, mark) in [
        ("bash", "complete -o bashdefault -o default -F"),
        ("zsh", "#compdef portcullis"),
        ("fish", "complete -c portcullis"),
    ] {
        let script = person.does(&["completions", shell]).await;
        let call = format!("portcullis complete --shell {shell} ");
        assert!(script.contains(mark) && script.contains(&call), "{shell}");
    }
    assert_eq!(person.run(&["completions", "tcsh"]).await.code, 2);
}

#[tokio::test]
async fn commands_and_flags_are_offered_to_whoever_is_not_signed_in_and_nothing_is_made() {
    let person = Person::at("http://127.0.0.1:1");
    assert_eq!(offered(&person, &["portcullis", "appr"]).await, ["approve"]);
    let flags = offered(&person, &["portcullis", "connect", "--ro"]).await;
    assert_eq!(flags, ["--role"]);
    let shells = offered(&person, &["portcullis", "completions", ""]).await;
    assert!(shells.contains(&"fish".to_owned()), "{shells:?}");
    assert!(
        offered(&person, &["portcullis", "connect", "x"])
            .await
            .is_empty()
    );
    assert!(offered(&person, &["portcullis", "compl"]).await == ["completions"]);
    assert!(
        offered(&person, &["portcullis", "nonsense", "--", "x", ""])
            .await
            .is_empty()
    );
    assert!(!person.home().join("state").exists());
    let ran = person.run(&["complete", "--index", "7", "--"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let ran = person.run(&["complete", "--refresh"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_roles_and_ids_are_offered_as_this_machine_saw_them() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    ada.does(&["request", "--list"]).await;
    assert_eq!(
        offered(&ada, &["portcullis", "request", "ba"]).await,
        ["bastion"]
    );
    let roles = offered(&ada, &["portcullis", "request", "bastion", "a"]).await;
    assert_eq!(roles, ["admin"]);
    let roles = offered(
        &ada,
        &["portcullis", "connect", "bastion", "--role", "=", "re"],
    )
    .await;
    assert_eq!(roles, ["readonly"]);
    // Only what one holds can be used.
    assert!(
        offered(&ada, &["portcullis", "connect", "ba"])
            .await
            .is_empty()
    );

    let asked = [
        "request", "bastion", "readonly", "--for", "1h", "--reason", "INC-4127",
    ];
    let request = ada.json(&asked).await;
    let id = request["id"].as_str().unwrap();
    assert_eq!(offered(&ada, &["portcullis", "withdraw", "R"]).await, [id]);
    let version = request["version"].as_i64().unwrap();
    let approved = world
        .admin()
        .approve(id, version, &Approval::default(), &key())
        .await
        .unwrap();
    let grant = world.grant_in(&approved.grant.unwrap(), &["active"]).await;
    ada.does(&["status"]).await;
    assert_eq!(
        offered(&ada, &["portcullis", "connect", "ba"]).await,
        ["bastion"]
    );
    assert_eq!(
        offered(&ada, &["portcullis", "extend", "G-"]).await,
        [grant.id.as_str()]
    );
    assert!(
        offered(&ada, &["portcullis", "withdraw", "R"])
            .await
            .is_empty()
    );

    let shown = ["complete", "--shell", "zsh", "--index", "2", "--"];
    let words: Vec<&str> = shown
        .into_iter()
        .chain(["portcullis", "return", "ba"])
        .collect();
    assert_eq!(ada.does(&words).await, "bastion:readonly, active\n");
    ada.does(&["logout"]).await;
    assert!(
        offered(&ada, &["portcullis", "request", "ba"])
            .await
            .is_empty()
    );
}

/// A shell of somebody who has loaded the script that completes for it.
struct Shell {
    pty: Pty,
    _world: World,
    _person: Person,
}

impl Shell {
    async fn start(name: &str, arguments: &[&str], before: &str) -> Self {
        let world = World::start(Backend::Sqlite).await;
        let ada = Person::engineer(&world, "ada").await;
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_portcullis"));
        let script = ada.home().join("completion");
        std::fs::write(&script, ada.does(&["completions", name]).await).unwrap();
        // The first look may take longer than a person waits, so that it is there at the next key.
        ada.does(&["complete", "--refresh"]).await;
        let mut shell = CommandBuilder::new(name);
        shell.args(arguments);
        shell.env_clear();
        let path = std::env::var("PATH").unwrap();
        let folder = program.parent().unwrap().display();
        shell.env("PATH", format!("{folder}:{path}"));
        shell.env("HOME", ada.home());
        shell.env("TERM", "xterm");
        shell.env("PS1", "> ");
        shell.env("LANG", "C.UTF-8");
        shell.env("PORTCULLIS_HOME", ada.home().join("state"));
        shell.env("PORTCULLIS_CONFIG_DIR", ada.home().join("config"));
        shell.env("PORTCULLIS_DEVICE_KEY", "file");
        shell.env("PORTCULLIS_SERVER", world.url());
        let mut pty = Pty::spawn(shell, 24, 80);
        pty.send(before);
        pty.send(format!(". {}\n", script.display()));
        pty.send("echo loa''ded\n");
        pty.wait_for("loaded\n");
        Self {
            pty,
            _world: world,
            _person: ada,
        }
    }

    /// What the line is after these keys; it is thrown away first.
    fn completes(&mut self, typed: &str, whole: &str) {
        self.pty.send(format!("\x15{typed}\t"));
        self.pty.wait_for(&format!("> {whole}"));
    }

    fn leave(mut self) {
        self.pty.send("\x15exit\n");
        assert_eq!(self.pty.wait_exit(), 0, "{}", self.pty.contents());
    }

    /// Commands, targets, roles and flags, as somebody types them who has never asked for anything.
    fn goes_through_a_request(mut self) {
        self.completes("portcullis withd", "portcullis withdraw");
        self.completes("portcullis request ba", "portcullis request bastion ");
        self.completes(
            "portcullis request bastion re",
            "portcullis request bastion readonly ",
        );
        self.completes(
            "portcullis request bastion readonly --fo",
            "portcullis request bastion readonly --for",
        );
        self.leave();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tab_in_bash_completes_a_target_that_no_command_has_shown_yet() {
    let shell = Shell::start("bash", &["--norc", "--noprofile", "-i"], "").await;
    shell.goes_through_a_request();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tab_in_zsh_completes_the_same() {
    let before = "autoload -Uz compinit; compinit -D -u\n";
    let shell = Shell::start("zsh", &["-f", "-i"], before).await;
    shell.goes_through_a_request();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tab_in_fish_completes_the_same() {
    let before = "function fish_prompt; echo -n '> '; end\n";
    let shell = Shell::start("fish", &["--no-config", "--private", "-i"], before).await;
    shell.goes_through_a_request();
}
