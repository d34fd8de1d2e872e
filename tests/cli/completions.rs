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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tab_in_bash_completes_a_target_that_no_command_has_shown_yet() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let script = ada.home().join("completion");
    std::fs::write(&script, ada.does(&["completions", "bash"]).await).unwrap();
    // The first look may take longer than a person waits, so that it is there at the next key.
    ada.does(&["complete", "--refresh"]).await;
    let mut bash = CommandBuilder::new("bash");
    bash.args(["--norc", "--noprofile", "-i"]);
    bash.env_clear();
    let path = std::env::var("PATH").unwrap();
    let folder = program.parent().unwrap().display();
    bash.env("PATH", format!("{folder}:{path}"));
    bash.env("HOME", ada.home());
    bash.env("TERM", "xterm");
    bash.env("PS1", "> ");
    bash.env("PORTCULLIS_HOME", ada.home().join("state"));
    bash.env("PORTCULLIS_CONFIG_DIR", ada.home().join("config"));
    bash.env("PORTCULLIS_DEVICE_KEY", "file");
    bash.env("PORTCULLIS_SERVER", world.url());
    let mut pty = Pty::spawn(bash, 24, 80);
    pty.send(format!(". {}\n", script.display()));
    pty.send("echo loaded\n");
    pty.wait_for("\nloaded");
    pty.send("portcullis req\t");
    pty.wait_for("> portcullis request");
    pty.send("\x15portcullis request ba\t");
    pty.wait_for("> portcullis request bastion ");
    pty.send("re\t");
    pty.wait_for("> portcullis request bastion readonly ");
    pty.send("--fo\t");
    pty.wait_for("> portcullis request bastion readonly --for ");
    pty.send("\x15exit\n");
    assert_eq!(pty.wait_exit(), 0, "{}", pty.contents());
}
