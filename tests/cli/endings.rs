//! The end of a grant on the command line: its receipt, and the override by two admins.

use chrono::TimeDelta;
use portcullis::domain::grant::OVERDUE;

use crate::support::person::Person;
use crate::support::vpn::Vpn;
use crate::support::world::Backend;

/// The lines of a receipt without their moments.
fn told(receipt: &str) -> Vec<&str> {
    let moment = "  2027-01-15 08:00:00.000  ".len();
    let lines = receipt.lines();
    lines
        .map(|line| match line.strip_prefix("  20") {
            Some(_) => line.get(moment..).unwrap(),
            None => line,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipt_says_each_step_and_by_its_code_whether_the_target_has_confirmed() {
    let vpn = Vpn::new(Backend::Sqlite).await;
    let ben = Person::of(&vpn.world, "ben", &["auditor"], &[]).await;
    let ada = vpn.world.engineer("ada").await;
    let grant = vpn.granted(&ada).await;
    let id = grant.id.as_str();
    let open = ben.run(&["receipt", id]).await;
    assert_eq!(open.code, 1);
    assert!(
        open.out
            .ends_with("nobody has asked for its end, and its time is not over\n")
    );

    let stuck = vpn.stuck(&ada).await;
    let id = stuck.id.as_str();
    let stays = ben.run(&["receipt", id]).await;
    let lines = told(&stays.out);
    assert_eq!(
        (stays.code, lines[0]),
        (1, format!("{id} readonly of ada on vpn: closing").as_str())
    );
    assert_eq!(
        lines[1..4],
        [
            "root takes it away",
            "    laptop stolen",
            "Portcullis refuses every use of it",
        ],
        "{stays:?}"
    );
    assert!(
        lines[4].starts_with("ran `") && lines[5].starts_with("attempt 1 failed: "),
        "{stays:?}"
    );
    assert!(
        stays.out.contains("the target is asked again by "),
        "{stays:?}"
    );
    vpn.answers(&stuck).await;
    let over = ben.run(&["receipt", id]).await;
    let lines = told(&over.out);
    assert_eq!(
        (over.code, lines.last()),
        (0, Some(&"revoked, confirmed by the target"))
    );
    assert_eq!(ben.json(&["receipt", id]).await["state"], "revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_admin_proposes_an_override_and_another_confirms_it() {
    let vpn = Vpn::new(Backend::Sqlite).await;
    let world = &vpn.world;
    let kim = Person::of(world, "kim", &["admin"], &[]).await;
    let lou = Person::of(world, "lou", &["admin", "auditor"], &[]).await;
    let ada = world.engineer("ada").await;
    let stuck = vpn.stuck(&ada).await;
    let id = stuck.id.as_str();
    let propose = ["override", id, "--reason", "host scrapped, CHG-77"];
    let confirm = [
        "override",
        id,
        "--confirm",
        "--reason",
        "saw the scrap note",
    ];
    let early = kim.run(&propose).await;
    assert!(
        early.code == 1 && early.err.contains("is not overdue"),
        "{early:?}"
    );
    world.pass(OVERDUE);
    let listed = lou.does(&["grants", "--filter", "is:overdue"]).await;
    assert!(listed.contains(id), "{listed}");
    let proposed = kim.does(&propose).await;
    assert!(
        proposed.contains(&format!(
            "proposed; another admin confirms within an hour: portcullis override {id} --confirm"
        )),
        "{proposed}"
    );
    let own = kim.run(&confirm).await;
    assert!(
        own.code == 1 && own.err.contains("you proposed it"),
        "{own:?}"
    );
    // Whoever confirms reads first what was proposed, and why.
    let confirmed = lou.does(&confirm).await;
    assert!(
        confirmed.contains("kim proposes that it counts as ended")
            && confirmed.contains("    host scrapped, CHG-77"),
        "{confirmed}"
    );
    assert!(
        confirmed.ends_with("revoked: overridden by kim and lou, its target never confirmed\n"),
        "{confirmed}"
    );
    let receipt = lou.does(&["receipt", id]).await;
    assert!(
        receipt.contains("lou confirms that it counts as revoked: its target never said so"),
        "{receipt}"
    );
    // The record tells the same life of the grant.
    world.pass(TimeDelta::minutes(2));
    lou.does(&["audit", "verify"]).await;
    world
        .execute("update grants set overriding = replace(overriding, 'lou', 'eve')")
        .await;
    let tampered = lou.run(&["audit", "verify"]).await;
    assert!(
        tampered.code == 1 && tampered.err.contains("the override of grant"),
        "{tampered:?}"
    );
}
