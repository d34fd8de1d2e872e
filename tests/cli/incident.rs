//! Locks and incidents, typed by an admin at 3 am.

use portcullis::wire::{IncidentPreview, IncidentView, LockView};

use crate::support::person::Person;
use crate::support::world::{Backend, World};

async fn cast() -> (World, Person, Person) {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let ben = Person::of(&world, "ben", &["admin"], &["reviewers"]).await;
    (world, ada, ben)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_placed_listed_met_and_lifted() {
    let (world, ada, ben) = cast().await;
    let engineer = world.engineer("eve").await;
    let grant = world.granted(&engineer).await;
    let placed = ben
        .does(&[
            "lock",
            "target",
            "bastion",
            "--reason",
            "INC-1 leak",
            "--for",
            "1h",
        ])
        .await;
    assert!(placed.contains(": bastion is locked until 20"), "{placed}");
    assert!(
        placed.ends_with("1 open grant is going: see `portcullis grants`\n"),
        "{placed}"
    );
    world.grant_in(&grant.id, &["revoked"]).await;
    let met = ada
        .run(&[
            "request",
            "bastion",
            "readonly",
            "--for",
            "1h",
            "--reason",
            "INC-4127 look",
        ])
        .await;
    assert_eq!(met.code, 1);
    let id = placed.split(':').next().unwrap();
    assert_eq!(
        met.err,
        format!(
            "error: there is a lock on target `bastion`\nhint: `ben` placed it as `{id}`; a reviewer or an admin can lift it: `portcullis unlock {id}`\n"
        )
    );
    let listed = ben.does(&["locks"]).await;
    assert!(
        listed.contains(id) && listed.contains("in force") && listed.contains("INC-1 leak"),
        "{listed}"
    );
    let done = ben.does(&["unlock", id, "--reason", "calm again"]).await;
    assert_eq!(done, format!("{id} on bastion, placed by ben\nlifted\n"));
    assert_eq!(ben.does(&["locks"]).await, "no locks in force\n");
    assert!(ben.does(&["locks", "--all"]).await.contains("lifted"));
    for on in [
        &["lock", "principal", "ada", "--reason", "INC-1 leak"][..],
        &["lock", "role", "bastion", "admin", "--reason", "INC-1 leak"],
        &["lock", "tag", "env=prod", "--reason", "INC-1 leak"],
        &["lock", "everything", "--reason", "INC-1 leak"],
    ] {
        let lock: LockView = serde_json::from_value(ben.json(on).await).unwrap();
        assert_eq!((lock.state.as_str(), lock.ends_at), ("in_force", None));
        ben.does(&["unlock", &lock.id, "--reason", "calm again"])
            .await;
    }
    let wrong = ben
        .run(&["lock", "tag", "prod", "--reason", "INC-1 leak"])
        .await;
    assert!(
        wrong.code == 2 && wrong.err.contains("write it like `env=prod`"),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_listed_counted_committed_and_followed() {
    let (world, ada, ben) = cast().await;
    let engineer = world.engineer("eve").await;
    let (first, second) = (
        world.granted(&engineer).await,
        world.granted(&engineer).await,
    );
    ada.does(&[
        "request",
        "bastion",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "INC-4127 look",
    ])
    .await;
    let dry = ben
        .does(&[
            "incident",
            "--target",
            "bastion",
            "--deny-pending",
            "--lock",
            "--dry-run",
        ])
        .await;
    assert!(
        dry.contains(&first.id) && dry.contains(&second.id) && dry.contains("R-"),
        "{dry}"
    );
    assert!(dry.contains("locks target `bastion`\nrevokes 2 grants of 1 person and denies 1 request; the list is good until "), "{dry}");
    let preview: IncidentPreview =
        serde_json::from_value(ben.json(&["incident", "--everything", "--dry-run"]).await).unwrap();
    assert_eq!(preview.items.len(), 2);
    assert_eq!(
        world.admin().grant(&first.id).await.unwrap().state,
        "active"
    );

    let start = [
        "incident",
        "--target",
        "bastion",
        "--deny-pending",
        "--lock",
        "--reason",
        "INC-1 leak",
    ];
    let unattended = ben.run(&start).await;
    assert!(
        unattended.code == 2 && unattended.err.contains("add --count 3"),
        "{unattended:?}"
    );
    let with = |count| {
        start
            .iter()
            .copied()
            .chain(["--count", count])
            .collect::<Vec<_>>()
    };
    let miscounted = ben.run(&with("2")).await;
    assert!(
        miscounted.code == 1
            && miscounted
                .err
                .contains("the list has 3, not 2: nothing was done"),
        "{miscounted:?}"
    );
    assert_eq!(world.events(&["incident.started"]).await, [0]);

    let done = ben.does(&with("3")).await;
    for id in [&first.id, &second.id] {
        assert!(
            done.contains(&format!(
                "{id} eve readonly on bastion: revoked, read back at "
            )),
            "{done}"
        );
    }
    assert!(
        done.contains(": denied\n")
            && done.ends_with("bastion is locked (in force)\nall of it is off\n"),
        "{done}"
    );
    let listed = ben.does(&["incidents"]).await;
    assert!(
        listed.contains("done") && listed.contains("INC-1 leak"),
        "{listed}"
    );
    let id = listed
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let shown = ben.does(&["incident", "show", id]).await;
    assert!(
        shown.contains("INC-1 leak") && shown.contains(&second.id),
        "{shown}"
    );
    let view: IncidentView =
        serde_json::from_value(ben.json(&["incident", "show", id]).await).unwrap();
    assert!(view.done && view.items.len() == 3);
    let nothing = ben
        .does(&["incident", "--target", "bastion", "--reason", "INC-1 again"])
        .await;
    assert!(nothing.ends_with("nothing is to be done\n"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_without_a_scope_or_rights_does_nothing() {
    let (_world, ada, ben) = cast().await;
    let vague = ben.run(&["incident", "--reason", "INC-1 leak"]).await;
    assert!(
        vague.code == 1 && vague.err.contains("say what it is about, or `everything`"),
        "{vague:?}"
    );
    let denied = ada.run(&["incident", "--everything", "--dry-run"]).await;
    assert!(
        denied.code == 1 && denied.err.contains("you may not revoke grants"),
        "{denied:?}"
    );
    let reasonless = ben.run(&["incident", "--everything"]).await;
    assert_eq!(reasonless.code, 2, "{reasonless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_listed_as_kept_and_stays() {
    let (world, _ada, ben) = cast().await;
    let engineer = world.engineer("eve").await;
    let (first, second) = (
        world.granted(&engineer).await,
        world.granted(&engineer).await,
    );
    let keep = |last: &[&'static str]| {
        let start = ["incident", "--target", "bastion", "--reason", "INC-1 leak"];
        let all = start.iter().copied().map(str::to_owned);
        let kept = ["--keep".to_owned(), second.id.clone()];
        all.chain(kept)
            .chain(last.iter().map(|word| (*word).to_owned()))
            .collect::<Vec<String>>()
    };
    let words = |all: &[String]| -> Vec<String> { all.to_vec() };
    let run = async |all: Vec<String>| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        ben.run(&all).await
    };
    let dry = run(words(&keep(&["--dry-run"]))).await;
    assert!(
        dry.out.contains(&format!("kept  {}", second.id))
            && dry
                .out
                .contains("revokes 1 grant of 1 person, keeps 1; the list is good until "),
        "{dry:?}"
    );
    let miscounted = run(keep(&["--count", "2"])).await;
    assert!(
        miscounted.code == 1 && miscounted.err.contains("the list has 1, not 2"),
        "{miscounted:?}"
    );
    let stranger = ben
        .run(&[
            "incident",
            "--target",
            "bastion",
            "--keep",
            "G-0000000000",
            "--reason",
            "INC-1 leak",
            "--count",
            "2",
        ])
        .await;
    assert!(
        stranger.code == 1
            && stranger
                .err
                .contains("`G-0000000000` is not on the list, so it cannot be kept"),
        "{stranger:?}"
    );
    assert_eq!(world.events(&["incident.started"]).await, [0]);
    let done = run(keep(&["--count", "1"])).await;
    assert!(
        done.code == 0
            && done
                .out
                .contains(&format!("{} eve readonly on bastion: revoked", first.id)),
        "{done:?}"
    );
    assert_eq!(
        world.admin().grant(&second.id).await.unwrap().state,
        "active"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_are_filtered_as_everywhere() {
    let (_world, _ada, ben) = cast().await;
    for on in [
        &["lock", "target", "bastion"][..],
        &["lock", "principal", "ada"],
    ] {
        let mut all = on.to_vec();
        all.extend(["--reason", "INC-1 leak"]);
        ben.does(&all).await;
    }
    let people = ben.does(&["locks", "--filter", "kind:principal"]).await;
    assert!(
        people.contains("ada") && !people.contains("bastion"),
        "{people}"
    );
    let wrong = ben.run(&["locks", "--filter", "knd:principal"]).await;
    assert!(
        wrong.code == 2 && wrong.err.contains("did you mean `kind`?"),
        "{wrong:?}"
    );
}
