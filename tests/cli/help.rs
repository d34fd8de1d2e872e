//! What `--help` says, and the reference made from it.

use crate::support::person::Person;

const COMMANDS: [&[&str]; 57] = [
    &[],
    &["request"],
    &["requests"],
    &["status"],
    &["history"],
    &["renew"],
    &["withdraw"],
    &["connect"],
    &["exec"],
    &["ssh-config"],
    &["ssh-match"],
    &["grants"],
    &["sessions"],
    &["sessions", "end"],
    &["break-glass"],
    &["break-glass", "list"],
    &["break-glass", "show"],
    &["break-glass", "sign-off"],
    &["break-glass", "seal"],
    &["break-glass", "codes"],
    &["break-glass", "unseal"],
    &["extend"],
    &["return"],
    &["claim"],
    &["approve"],
    &["deny"],
    &["revoke"],
    &["audit"],
    &["console"],
    &["login"],
    &["logout"],
    &["whoami"],
    &["sign-ins"],
    &["sign-ins", "revoke"],
    &["service-account"],
    &["service-account", "create"],
    &["service-account", "list"],
    &["service-account", "rotate"],
    &["token"],
    &["token", "invite"],
    &["token", "list"],
    &["token", "revoke"],
    &["serve"],
    &["migrate"],
    &["copy-database"],
    &["recover"],
    &["config"],
    &["config", "init"],
    &["config", "check"],
    &["config", "show"],
    &["config", "reference"],
    &["target"],
    &["target", "check"],
    &["target", "keys"],
    &["demo"],
    &["completions"],
    &["prompt"],
];

#[tokio::test]
async fn help_of_every_command_is_as_reviewed() {
    let person = Person::at("http://127.0.0.1:1");
    let mut all = String::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = person.does(&arguments).await;
        all.push_str(&format!("$ portcullis {}\n{help}\n", arguments.join(" ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_reference_has_every_command_and_the_exit_codes() {
    let reference = portcullis::cli::reference();
    for command in COMMANDS.iter().filter(|command| {
        !command.is_empty()
            && command != &&["token"]
            && command != &&["config"]
            && command != &&["target"]
    }) {
        let heading = format!("#### `portcullis {}", command.join(" "));
        assert!(reference.contains(&heading), "{heading}\n{reference}");
    }
    assert!(reference.contains("not done within the time to wait"));
    assert!(reference.contains("| `--server URL` |"));
    assert!(reference.contains("| `TARGET\\|GRANT` |"));
    assert!(reference.contains("`pending`, `approved`") && reference.contains("(default `50`)"));
}
