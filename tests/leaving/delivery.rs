//! Delivery to places outside: everything, in order, at least once, whoever fails meanwhile.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portcullis::config::siem::{Destination, Siem};
use portcullis::gate::siem::Delivered;
use portcullis::wire::export::Format;
use serde_json::Value;

use super::receivers::{Arrived, http, syslog};
use crate::support::certificates::Certificates;
use crate::support::node::Node;
use crate::support::person::Person;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, on_both, submit};

fn token(folder: &Path) -> String {
    let path = folder.join("token");
    std::fs::write(&path, "s3cret-token\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn collector(port: u16, token: &str) -> String {
    format!(
        "\n[[siem]]\nname = \"splunk\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/services/collector/event\"\ntoken_file = \"{token}\"\n"
    )
}

fn receiver(port: u16, ca: &Path) -> String {
    format!(
        "\n[[siem]]\nname = \"archive\"\nkind = \"syslog\"\naddress = \"127.0.0.1:{port}\"\nca = \"{}\"\n",
        ca.display()
    )
}

async fn work(world: &World, times: usize) {
    for nth in 0..times {
        submit(&world.engineer(&format!("ada{nth}")).await).await;
    }
    world.audit().await;
}

async fn arrives(world: &World, arrived: &Arrived) {
    let size = i64::try_from(world.audit().await.len()).unwrap();
    world
        .until("everything has arrived", async || {
            arrived.is_whole(size).then_some(())
        })
        .await;
}

async fn to_all(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::for_databases();
    let (http_port, by_http) = http(false).await;
    let (tls_port, by_tls) = syslog(made.config("good"), false).await;
    let file = folder.path().join("audit.ndjson");
    let catalogue = format!(
        "{CATALOGUE}{}{}\n[[siem]]\nname = \"shipper\"\nkind = \"file\"\npath = \"{}\"\nformat = \"ocsf\"\n",
        collector(http_port, &token(folder.path())),
        receiver(tls_port, &made.authority()),
        file.display(),
    );
    let world = World::with(backend, POLICY, &catalogue, None).await;
    work(&world, 3).await;
    let all = world.audit().await;
    arrives(&world, &by_http).await;
    arrives(&world, &by_tls).await;
    // Every place says the same as the API does.
    let first: Value = serde_json::from_str(&by_tls.all()[0]).unwrap();
    assert_eq!(
        (&first["event"], &first["id"]),
        (&all[0].event.clone().into(), &all[0].id.clone().into())
    );
    assert_eq!(by_http.tokens.lock().unwrap()[0], "Splunk s3cret-token");
    let lines = world
        .until("the file is whole", async || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            (text.lines().count() >= all.len()).then_some(text)
        })
        .await;
    for (line, event) in lines.lines().zip(&all) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["metadata"]["sequence"], &line["metadata"]["version"]),
            (&event.index.into(), &"1.8.0".into())
        );
    }
    // A file that was moved away is begun anew, and nothing is left out.
    std::fs::rename(&file, folder.path().join("audit.1")).unwrap();
    submit(&world.engineer("zoe").await).await;
    let size = world.audit().await.len();
    let both = async || {
        let text =
            |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let count = text("audit.1").lines().count() + text("audit.ndjson").lines().count();
        (count >= size).then_some(())
    };
    world.until("the rest is in the next file", both).await;
    // Whoever looks after it sees how it stands, and nothing secret.
    let olga = Person::of(&world, "olga", &["operator"], &[]).await;
    let places = olga.json(&["audit", "deliveries"]).await;
    assert_eq!(places["items"].as_array().unwrap().len(), 3);
    assert_eq!(places["items"][0]["name"], "splunk");
    assert!(!places.to_string().contains("s3cret"));
    assert!(olga.does(&["audit", "deliveries"]).await.contains("splunk"));
    let metrics = world.http(world.admin()).get("/metrics").await;
    assert!(
        metrics
            .text
            .contains("portcullis_siem_lag_events{siem=\"splunk\"}"),
        "{}",
        metrics.text
    );
    let ada = Person::engineer(&world, "nosy").await;
    assert_eq!(ada.run(&["audit", "deliveries"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_gets_to_every_kind_of_place_on_sqlite() {
    to_all(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_gets_to_every_kind_of_place_on_postgres() {
    to_all(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_fail_now_and_then_get_everything_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::for_databases();
    let (http_port, by_http) = http(true).await;
    let (tls_port, by_tls) = syslog(made.config("good"), true).await;
    let catalogue = format!(
        "{CATALOGUE}{}{}",
        collector(http_port, &token(folder.path())),
        receiver(tls_port, &made.authority()),
    );
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    work(&world, 2).await;
    arrives(&world, &by_http).await;
    arrives(&world, &by_tls).await;
    work_again(&world).await;
    arrives(&world, &by_http).await;
    arrives(&world, &by_tls).await;
    // What came twice says so by its index.
    let indexes = by_http.indexes();
    let mut once = indexes.clone();
    once.sort_unstable();
    once.dedup();
    assert!(once.len() < indexes.len());
}

async fn work_again(world: &World) {
    submit(&world.engineer("zoe").await).await;
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_prove_to_be_the_receiver_gets_nothing() {
    let made = Certificates::for_databases();
    for bad in ["self", "over", "name"] {
        let (port, arrived) = syslog(made.config(bad), false).await;
        let catalogue = format!("{CATALOGUE}{}", receiver(port, &made.authority()));
        let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
        let failed = async || {
            let seen = world
                .gate()
                .store()
                .read()
                .await
                .unwrap()
                .siem_cursor("archive")
                .await
                .unwrap();
            seen.filter(|cursor| cursor.attempts > 0)
        };
        let cursor = world.until("it was tried", failed).await;
        assert_eq!((cursor.next, arrived.all().len()), (0, 0), "{bad}");
        assert!(cursor.error.unwrap().contains("TLS"), "{bad}");
    }
}

on_both! {
    async fn trouble_that_lasts_is_on_record_once_and_so_is_its_end(world: World, clock by hand) {
        // By hand, so that nobody else delivers: the place is not in the configuration of this server.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not-yet/audit.ndjson");
        let siem = Siem {
            name: "late".to_owned(),
            format: Format::Ndjson,
            from_start: true,
            to: Destination::File { path: path.clone() },
        };
        world.audit().await;
        for _ in 0..4 {
            assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::Failed);
            world.pass(chrono::TimeDelta::seconds(45));
        }
        assert_eq!(world.events(&["delivery.failed", "delivery.resumed"]).await, [1, 0]);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let size = world.audit().await.len();
        assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::Some(size));
        assert_eq!(world.events(&["delivery.failed", "delivery.resumed"]).await, [1, 1]);
        assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::Some(1));
        assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::All);
        // Half a line of a crash is cut off, and the events come again.
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.get(..whole.len() - 9).unwrap()).unwrap();
        world.execute(&format!("update siem_cursors set next_idx = {size}")).await;
        assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::Some(1));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        // While another node has it, this one leaves it alone.
        let (later, now) = (world.now().await.timestamp_millis() + 10_000, "update siem_cursors set lease_owner = 'other'");
        world.execute(&format!("{now}, lease_until = {later}, next_idx = 0")).await;
        assert_eq!(world.gate().deliver(&siem).await.unwrap(), Delivered::Elsewhere);
        world.pass(chrono::TimeDelta::seconds(11));
        assert!(matches!(world.gate().deliver(&siem).await.unwrap(), Delivered::Some(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_for_a_collector_is_compressed_unless_that_is_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(Backend::Sqlite).await;
    work(&world, 3).await;
    let token_file = token(folder.path()).into();
    for gzip in [true, false] {
        let (port, arrived) = http(false).await;
        let siem = Siem {
            name: format!("gzip-{gzip}"),
            format: Format::Ndjson,
            from_start: true,
            to: Destination::Http {
                url: format!("http://127.0.0.1:{port}/services/collector/event"),
                token_file: std::path::PathBuf::clone(&token_file),
                ca: None,
                gzip,
            },
        };
        let size = world.audit().await.len();
        let sent = world.gate().deliver(&siem).await.unwrap();
        assert_eq!(sent, Delivered::Some(size));
        assert!(arrived.is_whole(i64::try_from(size).unwrap()));
        let packed = arrived.packed.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(packed, usize::from(gzip));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let (port, arrived) = http(true).await;
    let file = folder.path().join("audit.ndjson");
    let siem = format!(
        "{CATALOGUE}{}\n[[siem]]\nname = \"file\"\nkind = \"file\"\npath = \"{}\"\n",
        collector(port, &token(folder.path())),
        file.display()
    );
    let run = tokio::task::spawn_blocking(move || {
        let mut node = Node::prepare(&siem, POLICY);
        node.start();
        node.sign_in_root();
        for nth in 0..6 {
            node.invite(&format!("ada{nth}"), "requester", "engineers");
            node.kill();
            node.start();
        }
        assert!(!node.log().contains("s3cret"), "{}", node.log());
        node
    });
    let node = run.await.unwrap();
    let began = std::time::Instant::now();
    let whole = |indexes: &[i64]| {
        let mut all = indexes.to_vec();
        all.sort_unstable();
        all.dedup();
        // Seven starts, six invitations and the sign-ins.
        all.len() >= 20
            && all.first() == Some(&0)
            && all.last() == i64::try_from(all.len() - 1).ok().as_ref()
    };
    let read = || -> Vec<i64> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["index"]
                    .as_i64()
                    .unwrap()
            })
            .collect()
    };
    while !(whole(&read()) && whole(&arrived.indexes())) {
        assert!(
            began.elapsed().as_secs() < 60,
            "{:?} {:?} {}",
            read(),
            arrived.indexes(),
            node.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    drop(node);
}
