//! A database behind a network, and somebody in between: he never sees the admin's password, and nothing is made there.

use crate::support::between::{Between, Trick};
use crate::support::certificates::{Certificates, untrusted};
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER, cluster};

use super::{Made, environment};

/// A target at this port that says nothing of encryption but whom to trust.
fn at(made: &Certificates, port: u16) -> Made {
    let ca = made.authority();
    Made {
        server: format!("host = \"0.0.0.0\"\nca_file = \"{}\"", ca.display()),
        port,
        ..Made::on(cluster())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_between_us_and_a_target_learns_anything() {
    let made = Certificates::for_databases();
    let name = cluster().database().await.name;
    for (trick, why) in untrusted(&made) {
        let between = Between::start(cluster().port, trick).await;
        let connector = at(&made, between.port)
            .connector(&name, &environment())
            .unwrap();
        let failure = connector.observe().await.unwrap_err();
        assert!(failure.message.contains(why), "{why}: {failure}");
        assert!(
            failure.message.contains("the server at `0.0.0.0:"),
            "{failure}"
        );
        assert!(!failure.message.contains(PASSWORD), "{failure}");
        between.heard_nothing();
    }
    let between = Between::start(cluster().port, Trick::Terminate(made.config("good"))).await;
    let connector = at(&made, between.port)
        .connector(&name, &environment())
        .unwrap();
    connector.observe().await.unwrap();
    assert!(between.read().contains("SCRAM-SHA-256"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_with_a_certificate_of_its_authority_is_worked_on_and_overheard_by_nobody() {
    let made = Certificates::for_databases();
    let (certificate, key) = made.for_server("good");
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    let encrypted = Cluster::start(&settings.each_ref().map(String::as_str));
    let name = encrypted.database().await.name;
    let between = Between::start(encrypted.port, Trick::Relay).await;
    let connector = at(&made, between.port)
        .connector(&name, &environment())
        .unwrap();
    connector.observe().await.unwrap();
    let read = between.read();
    assert!(
        !read.is_empty()
            && !read.contains("SCRAM")
            && !read.contains(SUPERUSER)
            && !read.contains(&name)
    );
}
