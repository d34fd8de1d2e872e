//! Somebody sits in between: whoever cannot prove to be the one that was asked gets nothing, and the sentence says so.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;

use crate::support::certificates::Certificates;
use crate::support::http::Http;
use crate::support::provider::challenge;
use crate::support::world::{Backend, CATALOGUE, POLICY, World};

/// Answers everything with this, over TLS with that certificate; gives the port.
fn serve(made: &Certificates, name: &str, answer: impl Fn(u16) -> String + Send + 'static) -> u16 {
    let (config, listener) = (made.config(name), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            let mut request = [0; 8192];
            // Whoever does not trust it hangs up here.
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                let body = answer(port);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
                let _ = stream.flush();
            }
        }
    });
    port
}

/// Each certificate, who made it, and whether it is a good one.
fn matrix() -> (Certificates, [(&'static str, &'static str); 4]) {
    let made = Certificates::new();
    made.make("good", "DNS:localhost", "ca", &["-days", "1"]);
    made.make("self", "DNS:localhost", "stranger", &["-days", "1"]);
    made.make(
        "over",
        "DNS:localhost",
        "ca",
        &[
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20200102000000Z",
        ],
    );
    made.make("name", "DNS:evil.example", "ca", &["-days", "1"]);
    (
        made,
        [
            ("good", ""),
            ("self", "no authority"),
            ("over", "expired"),
            ("name", "another name"),
        ],
    )
}

fn discovery(port: u16) -> String {
    let issuer = format!("https://localhost:{port}");
    json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/a"), "token_endpoint": format!("{issuer}/t"),
        "jwks_uri": format!("{issuer}/k"), "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]})
    .to_string()
}

async fn begin(issuer: &str, authority: &Path) -> (u16, String) {
    let catalogue = format!(
        "{CATALOGUE}\n[identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nca = \"{}\"\n[identity.roles]\neng = [\"requester\"]\n",
        authority.display()
    );
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    let start =
        json!({"redirect_uri": "http://127.0.0.1:40000/signed-in", "code_challenge": challenge()});
    let answer = Http::newcomer(&world.url())
        .post("/v1/sign-in/oidc/start", None, start)
        .await;
    if answer.status == 200 {
        return (200, String::new());
    }
    answer.problem()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_cannot_prove_who_it_is_is_not_listened_to() {
    let (made, rows) = matrix();
    for (name, why) in rows {
        let port = serve(&made, name, discovery);
        let (status, code) = begin(&format!("https://localhost:{port}"), &made.authority()).await;
        let wanted = if why.is_empty() {
            (200, "")
        } else {
            (502, "provider-certificate")
        };
        assert_eq!((status, code.as_str()), wanted, "{name}");
    }
    // TLS stripped: somebody answers in clear text.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in plain.incoming() {
            let body = discovery(port);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.unwrap().write_all(answer.as_bytes());
        }
    });
    let refused = begin(&format!("https://localhost:{port}"), &made.authority()).await;
    assert_eq!(refused, (502, "provider-unreachable".to_owned()));
}

#[test]
fn a_command_talks_to_no_server_that_cannot_prove_who_it_is() {
    let (made, rows) = matrix();
    let home = tempfile::tempdir().unwrap();
    let ways = |_: u16| json!({"server": "x", "code": true}).to_string();
    let run = |server: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["login", "--no-browser"])
            .env_clear()
            .env("HOME", home.path())
            .env("PORTCULLIS_DEVICE_KEY", "file")
            .env("PORTCULLIS_HOME", home.path().join("state"))
            .env("SSL_CERT_FILE", made.authority())
            .env("PORTCULLIS_SERVER", server)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (name, why) in rows {
        let said = run(&format!("https://localhost:{}", serve(&made, name, ways)));
        let wanted = if why.is_empty() {
            "has no identity provider"
        } else {
            why
        };
        assert!(said.contains(wanted), "{name}: {said}");
    }
    let said = run("http://portcullis.example.com");
    assert!(said.contains("is not encrypted"), "{said}");
}

#[test]
fn settings_that_let_somebody_in_between_answer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let problems = |text: &str| {
        std::fs::write(folder.path().join("portcullis.toml"), text).unwrap();
        let read = portcullis::config::server(folder.path(), &|_| None, &[]);
        let found = read.err().unwrap_or_default();
        found
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
    };
    for mode in [
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "VERIFY-FULL",
    ] {
        let said = problems(&format!(
            "[server]\ndatabase = \"postgres://pc@db.example.com/pc?sslmode={mode}\"\n"
        ));
        assert!(
            said.iter().any(|text| text.contains("somebody in between")),
            "{mode}: {said:?}"
        );
    }
    for good in [
        "postgres://pc@db.example.com/pc?sslmode=verify-full",
        "postgres://pc@db.example.com/pc",
        "postgres://pc@localhost/pc?sslmode=disable",
        "postgres://pc@127.0.0.1:5433/pc?sslmode=disable",
        "postgres://pc@localhost/pc?host=/run/postgresql",
    ] {
        assert_eq!(
            problems(&format!("[server]\ndatabase = \"{good}\"\n")),
            Vec::<String>::new(),
            "{good}"
        );
    }
    let elsewhere = "postgres://pc@localhost/pc?host=db.example.com&sslmode=disable";
    assert_eq!(
        problems(&format!("[server]\ndatabase = \"{elsewhere}\"\n")).len(),
        1
    );
    for issuer in [
        "http://id.example.com",
        "http://localhost:1",
        "https://a@id.example.com",
        "ftp://id.example.com",
    ] {
        let said = problems(&format!(
            "[identity]\nissuer = \"{issuer}\"\nclient_id = \"p\"\n"
        ));
        assert!(
            said.iter()
                .any(|text| text.contains("not the address of an identity provider")),
            "{issuer}: {said:?}"
        );
    }
}
