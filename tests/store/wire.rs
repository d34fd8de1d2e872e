//! The database on another machine, and somebody in between: he learns nothing, and the sentence says what is wrong.

use portcullis::store::{Clock, Location, Store};

use crate::support::between::{Between, Trick};
use crate::support::certificates::{Certificates, untrusted};
use crate::support::person::Person;
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER, cluster};

/// A connection string that says nothing of encryption but whom to trust.
fn silent(made: &Certificates, port: u16, name: &str) -> String {
    let (password, ca) = (PASSWORD.replace(' ', "%20"), made.authority());
    format!(
        "postgres://{SUPERUSER}:{password}@0.0.0.0:{port}/{name}?sslrootcert={}",
        ca.display()
    )
}

async fn open(url: String) -> Result<Store, String> {
    let opened = Store::open(&Location::Postgres(url), Clock::Database).await;
    opened.map_err(|error| format!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_between_the_server_and_its_database_learns_anything() {
    let (made, server) = (Certificates::for_databases(), cluster().port);
    let name = cluster().database().await.name;
    for (trick, why) in untrusted(&made) {
        let between = Between::start(server, trick).await;
        let said = open(silent(&made, between.port, &name))
            .await
            .err()
            .unwrap();
        assert!(said.contains(why), "{why}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
        between.heard_nothing();
    }
    // The one that everybody trusts gets through, so it was not the road.
    let between = Between::start(server, Trick::Terminate(made.config("good"))).await;
    open(silent(&made, between.port, &name))
        .await
        .unwrap()
        .close()
        .await;
    assert!(between.read().contains("SCRAM-SHA-256"));
    // On this machine there is nobody in between, and nothing to encrypt for.
    let between = Between::start(server, Trick::Strip).await;
    let local = silent(&made, between.port, &name).replace("0.0.0.0", "127.0.0.1");
    open(local).await.unwrap().close().await;
    assert!(between.read().contains("SCRAM-SHA-256"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_a_certificate_of_its_authority_is_spoken_to_and_overheard_by_nobody() {
    let made = Certificates::for_databases();
    let encrypted = encrypted(&made);
    let name = encrypted.database().await.name;
    let between = Between::start(encrypted.port, Trick::Relay).await;
    open(silent(&made, between.port, &name))
        .await
        .unwrap()
        .close()
        .await;
    let read = between.read();
    assert!(
        !read.is_empty()
            && !read.contains("SCRAM")
            && !read.contains(SUPERUSER)
            && !read.contains(&name)
    );
    // By name, and said aloud.
    let url = silent(&made, between.port, &name).replace("0.0.0.0", "localhost");
    open(format!("{url}&sslmode=verify-full"))
        .await
        .unwrap()
        .close()
        .await;
    // Without its authority it is a stranger.
    let url = silent(&made, between.port, &name);
    let said = open(url.split('?').next().unwrap().to_owned())
        .await
        .err()
        .unwrap();
    assert!(
        said.contains("no authority that this machine trusts"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_cannot_talk_the_server_into_less() {
    let made = Certificates::for_databases();
    let name = cluster().database().await.name;
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        for (trick, why) in [
            (Trick::Strip, "offers no encrypted connection"),
            (
                Trick::Terminate(made.config("self")),
                "no authority that this machine trusts",
            ),
            (Trick::Terminate(made.config("name")), "for another name"),
        ] {
            let between = Between::start(cluster().port, trick).await;
            let person = Person::at("http://127.0.0.1:1").with("PGSSLMODE", mode);
            let data = person.home().join("data");
            let ran = person
                .run(&[
                    "serve",
                    "--listen",
                    "127.0.0.1:0",
                    "--data-dir",
                    data.to_str().unwrap(),
                    "--database",
                    &silent(&made, between.port, &name),
                ])
                .await;
            assert_eq!(ran.code, 7, "{mode}: {ran:?}");
            assert!(ran.err.contains(why), "{mode}: {ran:?}");
            assert!(
                !ran.err.contains("only for tests") && !ran.err.contains("only%20for"),
                "{ran:?}"
            );
            between.heard_nothing();
        }
    }
}

fn encrypted(made: &Certificates) -> Cluster {
    let (certificate, key) = made.for_server("good");
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    Cluster::start(&settings.each_ref().map(String::as_str))
}
