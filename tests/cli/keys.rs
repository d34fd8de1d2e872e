//! `portcullis keys`, and servers with names.

use crate::support::person::Person;

fn person(console: &str) -> Person {
    let person = Person::at("http://127.0.0.1:1");
    let folder = person.home().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("console.toml"), console).unwrap();
    person
}

#[tokio::test]
async fn keys_shows_what_is_in_force_and_whose_it_is() {
    let person = person("[keys]\nrequest.approve = [\"F5\"]\n");
    let table = person.does(&["keys"]).await;
    assert!(table.contains("F5 (yours)"), "{table}");
    let keys = person.json(&["keys"]).await;
    let approve = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["action"] == "request.approve")
        .unwrap();
    assert_eq!(approve["keys"], serde_json::json!(["F5"]));
    assert_eq!(approve["shipped"], serde_json::json!(["a"]));
    assert_eq!(approve["asks_first"], true);
    let toml = person.does(&["keys", "--toml"]).await;
    assert!(
        toml.contains("\n\"request.approve\" = [\"F5\"]") && toml.contains("\n# \"grant.revoke\""),
        "{toml}"
    );
}

#[tokio::test]
async fn a_dangerous_key_fails_the_check_with_its_place() {
    let person = person("[keys]\ngrant.revoke = [\"y\"]\n");
    let ran = person.run(&["config", "check"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("console.toml:2:17: `y` of `grant.revoke` would also say yes"),
        "{ran:?}"
    );
    assert!(ran.out.contains("hint: choose another key"), "{ran:?}");
    let ran = person.run(&["keys"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    // The commands do not care about keys.
    let ran = person.run(&["whoami"]).await;
    assert!(ran.err.contains("not signed in"), "{ran:?}");
}

const NAMED: &str = "[[backend]]\nname = \"eu-1\"\nurl = \"http://127.0.0.1:2\"\nenvironment = \"production\"\n\
                     [[backend]]\nname = \"lab\"\nurl = \"http://127.0.0.1:3\"\n";

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let person = person(NAMED);
    let at = async |arguments: &[&str], env: &[(&str, &str)]| {
        let mut command = person.command(arguments);
        command.env_remove("PORTCULLIS_SERVER");
        command.envs(env.iter().copied());
        let output = command.output().await.unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let server = ("PORTCULLIS_SERVER", "http://127.0.0.1:1");
    let lab = ("PORTCULLIS_BACKEND", "lab");
    for (arguments, env, port) in [
        (&["whoami"][..], &[][..], 2),
        (&["whoami"], &[lab], 3),
        (&["whoami"], &[server, lab], 1),
        (&["whoami", "--backend", "lab"], &[server], 3),
        (&["whoami", "--backend", "eu-1"], &[lab], 2),
        (
            &["whoami", "--server", "http://127.0.0.1:4"],
            &[server, lab],
            4,
        ),
        (
            &[
                "whoami",
                "--server",
                "http://127.0.0.1:4",
                "--backend",
                "lab",
            ],
            &[],
            4,
        ),
    ] {
        let said = at(arguments, env).await;
        let wanted = format!("not signed in on `http://127.0.0.1:{port}`");
        assert!(said.contains(&wanted), "{arguments:?} {env:?}: {said}");
    }
    let said = at(&["whoami", "--backend", "eu1"], &[]).await;
    assert!(said.contains("there is no backend `eu1`"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_a_backend_is_said_with_its_place() {
    for (text, wanted) in [
        (
            "[[backend]]\nurl = \"http://127.0.0.1:2\"\n",
            "[[backend]] has no `name`",
        ),
        ("[[backend]]\nname = \"x\"\n", "backend `x` has no `url`"),
        (
            "[[backend]]\nname = \"a b\"\nurl = \"http://127.0.0.1:2\"\n",
            ":2:8: `a b` is not a name",
        ),
        (
            "[[backend]]\nname = \"x\"\nurl = \"nowhere\"\n",
            ":3:7: `nowhere` is not a URL",
        ),
        (
            "[[backend]]\nname = \"x\"\nurl = \"http://127.0.0.1:2\"\nenvironment = \"prodction\"\n",
            ":4:15: `prodction` is no environment",
        ),
        (
            "[[backend]]\nname = \"x\"\nurl = \"http://127.0.0.1:2\"\nreadonly = \"maybe\"\n",
            "`maybe` is neither yes nor no",
        ),
        (
            "[[backend]]\nname = \"x\"\nurll = \"http://127.0.0.1:2\"\n",
            "unknown key `urll` in [[backend]]",
        ),
        (
            &NAMED.replace("lab", "eu-1"),
            "two backends with the name `eu-1`",
        ),
        ("backend = \"x\"\n", "`backend` must be a list of tables"),
        ("default_backend = \"x\"\n", "there is no backend `x`"),
    ] {
        let ran = person(text).run(&["config", "check"]).await;
        assert!(ran.code != 0 && ran.out.contains(wanted), "{text}: {ran:?}");
    }
}
