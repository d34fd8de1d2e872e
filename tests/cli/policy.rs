//! What policy decides, would decide and has decided, typed by whoever keeps it.

use std::path::Path;

use crate::support::person::Person;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

/// Two ways to one role: the second is the one that is taken.
const TWO_WAYS: &str = r#"
@id("two-dbas") @threshold("2") @reviewers("dba") @max_duration("4h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { context.role == "readonly" };

@id("one-lead")
@threshold("1") @reviewers("reviewers") @max_duration("1h")
permit (principal in Group::"engineers", action == Action::"request", resource);
"#;

fn write(person: &Person, name: &str, text: &str) -> String {
    let path = person.home().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A policy version and the moments differ from run to run.
fn plain(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.split_once("policy version ") {
            Some((before, rest)) => {
                let after = rest
                    .split_once(',')
                    .map_or(String::new(), |(_, after)| format!(",{after}"));
                format!("{before}policy version …{after}")
            }
            None => line.to_owned(),
        };
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches(':');
            if ["R-", "G-"].iter().any(|kind| bare.starts_with(kind)) {
                word.replace(bare, "ID")
            } else {
                word.to_owned()
            }
        });
        lines.push(words.collect::<Vec<_>>().join(" ").trim_end().to_owned());
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_diff_lists_the_questions_that_are_answered_differently() {
    let person = Person::at("http://127.0.0.1:1");
    let config = write(&person, "config/portcullis.toml", CATALOGUE);
    let old = write(&person, "old.cedar", POLICY);
    let new = write(
        &person,
        "new.cedar",
        &POLICY.replace("@threshold(\"2\")", "@threshold(\"3\")"),
    );
    let folder = Path::new(&config)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let diff = ["policy", "diff", &old, &new, "--config-dir", &folder];
    insta::assert_snapshot!(person.does(&diff).await);
    let body = person.json(&diff).await;
    assert_eq!(body["different"].as_array().unwrap().len(), 4, "{body}");
    // Two texts that say the same: no row, and no error either.
    let same = ["policy", "diff", &old, &old, "--config-dir", &folder];
    insta::assert_snapshot!(person.does(&same).await, @r"
    every question is answered alike
    0 of 1728 questions are answered differently
    ");
    let body = person.json(&same).await;
    assert_eq!(body["different"], serde_json::json!([]));
}

#[tokio::test]
async fn a_diff_of_a_policy_that_cannot_be_read_says_where() {
    let person = Person::at("http://127.0.0.1:1");
    let config = write(&person, "config/portcullis.toml", CATALOGUE);
    let folder = Path::new(&config)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let old = write(&person, "old.cedar", POLICY);
    let new = write(
        &person,
        "new.cedar",
        "@id(\"x\")\npermit (principal, action, resorce);",
    );
    let ran = person
        .run(&["policy", "diff", &old, &new, "--config-dir", &folder])
        .await;
    assert!(
        ran.code != 0 && ran.out.is_empty() && ran.err.contains("2:"),
        "{ran:?}"
    );
    let ran = person
        .run(&["policy", "diff", &old, &old, "--config-dir", "/nowhere"])
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_lists_recorded_requests_that_would_be_decided_differently() {
    let world = World::start(Backend::Sqlite).await;
    let aud = Person::of(&world, "aud", &["auditor"], &[]).await;
    let same = write(&aud, "same.cedar", POLICY);
    // Nothing has been asked yet.
    insta::assert_snapshot!(aud.does(&["policy", "replay", &same]).await, @r"
    nothing would be decided differently
    0 of 0 requests would be decided differently
    ");
    let ada = world.engineer("ada").await;
    submit(&ada).await;
    insta::assert_snapshot!(aud.does(&["policy", "replay", &same]).await, @r"
    nothing would be decided differently
    0 of 1 requests would be decided differently
    ");
    let stricter = write(
        &aud,
        "stricter.cedar",
        &POLICY.replace("@threshold(\"1\")", "@threshold(\"2\")"),
    );
    let body = aud
        .json(&["policy", "replay", &stricter, "--days", "1"])
        .await;
    let row = &body["different"][0];
    assert_eq!(
        row["before"],
        "needs 1 review by `reviewers` (policy `readonly`)"
    );
    assert_eq!(
        row["after"],
        "needs 2 reviews by `reviewers` (policy `readonly`)"
    );
    let nobody = write(&aud, "nobody.cedar", "");
    let said = aud.does(&["policy", "replay", &nobody]).await;
    assert!(
        said.contains("no policy lets `ada` ask for `readonly` on `bastion`"),
        "{said}"
    );
    assert!(
        said.ends_with("1 of 1 requests would be decided differently\n"),
        "{said}"
    );
    // Whoever may not ask for others is told so; a policy that is none is found here.
    let eve = Person::engineer(&world, "eve").await;
    let policy = write(&eve, "same.cedar", POLICY);
    let ran = eve.run(&["policy", "replay", &policy]).await;
    assert_eq!(
        (
            ran.code,
            ran.err.contains("the product role admin or auditor")
        ),
        (1, true),
        "{ran:?}"
    );
    let wrong = write(&aud, "wrong.cedar", "permit (");
    let ran = aud.run(&["policy", "replay", &wrong]).await;
    assert!(ran.code != 0 && ran.err.contains("wrong.cedar"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_names_the_ways_that_lost_beside_the_one_that_decided() {
    let world = World::with(Backend::Sqlite, TWO_WAYS, CATALOGUE, None).await;
    for name in ["dora", "dan"] {
        world.person(name, &["reviewer"], &["dba"]).await;
    }
    let ada = Person::engineer(&world, "ada").await;
    let client = world.engineer("eve").await;
    let request = submit(&client).await;
    let aud = Person::of(&world, "aud", &["auditor"], &[]).await;
    insta::assert_snapshot!("pending", plain(&aud.does(&["why", &request.id]).await));
    let approval = portcullis::wire::Approval::default();
    let done = world
        .admin()
        .approve(&request.id, request.version, &approval, &key())
        .await
        .unwrap();
    let grant = world
        .grant_in(done.grant.as_deref().unwrap(), &["active"])
        .await;
    insta::assert_snapshot!("decided", plain(&aud.does(&["why", &request.id]).await));
    let of_grant = aud.json(&["why", &grant.id]).await;
    let ways = of_grant["ways"].as_array().unwrap();
    let decided: Vec<_> = ways
        .iter()
        .map(|way| (way["policy"].as_str().unwrap(), way["decided"] == true))
        .collect();
    assert_eq!(decided, [("one-lead", true), ("two-dbas", false)]);
    // What is somebody else's is not explained to everybody.
    let ran = ada.run(&["why", &request.id]).await;
    assert!(
        ran.code == 1 && ran.err.contains("there is no request"),
        "{ran:?}"
    );
    let ran = ada.run(&["why", "X-1"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_and_an_explanation_name_the_policies_that_lost() {
    let world = World::with(Backend::Sqlite, TWO_WAYS, CATALOGUE, None).await;
    let ada = Person::engineer(&world, "ada").await;
    let asked = [
        "request",
        "bastion",
        "admin",
        "--for",
        "3h",
        "--reason",
        "INC-4127 look",
    ];
    let ran = ada.run(&asked).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!(plain(&ran.err));
    let ran = ada
        .run(&["policy", "explain", "bastion", "admin", "--for", "3h"])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = plain(&ran.out);
    assert!(
        told.contains("`one-lead` (line 6) would permit it for less time"),
        "{told}"
    );
    assert!(told.contains("`two-dbas` (line 2)"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_what_waits_and_applies_it() {
    let catalogue = format!("[step_up]\npolicy_changes = \"apply\"\n{CATALOGUE}");
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    let admin = Person::of(&world, "adam", &["admin"], &[]).await;
    let said = admin.does(&["policy", "status"]).await;
    assert!(
        said.contains(", 3 policies, since ") && said.ends_with("nothing waits\n"),
        "{said}"
    );
    let before = admin.json(&["policy", "status"]).await["version"]
        .as_str()
        .unwrap()
        .to_owned();
    let next = TWO_WAYS.replace("one-lead", "readonly");
    world.rewrite("policy.cedar", &next);
    world.recorded("policy.waiting", 1).await;
    let waiting = admin.json(&["policy", "status"]).await["waiting"]["version"]
        .as_str()
        .unwrap()
        .to_owned();
    let said = admin.does(&["policy", "status"]).await;
    let lines = format!(
        "waits:  {waiting}, 2 policies, hours of UTC\n  added: two-dbas\n  removed: admin, oncall\n  changed: readonly\n"
    );
    assert!(said.contains(&lines), "{said}");
    assert_eq!(
        admin.does(&["policy", "show", &waiting]).await.trim(),
        next.trim()
    );
    assert_eq!(admin.does(&["policy", "show"]).await.trim(), POLICY.trim());
    let apply = [
        "policy",
        "apply",
        waiting.as_str(),
        "--reason",
        "CHG-77 as agreed",
    ];
    let ran = admin.run(&apply).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("  removed: admin, oncall"), "{ran:?}");
    assert!(
        ran.out
            .starts_with(&format!("in use: {waiting}, 2 policies, applied by adam ")),
        "{ran:?}"
    );
    // Twice is once, and what never was is not there.
    let ran = admin.run(&apply).await;
    assert!(
        ran.code == 1 && ran.err.contains("is in use already"),
        "{ran:?}"
    );
    let ran = admin.run(&["policy", "show", "0123456789ab"]).await;
    assert!(
        ran.code == 1 && ran.err.contains("there is no policy"),
        "{ran:?}"
    );
    // Back to what was.
    admin
        .does(&["policy", "apply", &before, "--reason", "CHG-78 undo"])
        .await;
    let ada = Person::engineer(&world, "ada").await;
    let ran = ada.run(&["policy", "status"]).await;
    assert!(
        ran.code == 1 && ran.err.contains("the product role admin or auditor"),
        "{ran:?}"
    );
}
