//! Delivery to a real rsyslogd over TLS: it reads what we write, and misses nothing when it was away.

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::certificates::Certificates;
use crate::support::process::{Server, folder, free_port};
use crate::support::world::{Backend, CATALOGUE, POLICY, World, submit};

/// A server on a port of its own, with everything that it has written in one file.
struct Rsyslogd {
    folder: PathBuf,
    port: u16,
    server: Option<Server>,
}

/// What it has understood of a message.
struct Message {
    severity: String,
    host: String,
    app: String,
    id: String,
    data: String,
    event: Value,
}

impl Rsyslogd {
    fn new(made: &Certificates, driver: &str) -> Self {
        let folder = folder("pcl-rsyslog-", None);
        let started = (0..5).find_map(|_| {
            let port = free_port();
            std::fs::write(folder.join("conf"), settings(&folder, made, (driver, port))).unwrap();
            Some((port, Self::run(&folder, port)?))
        });
        let Some((port, server)) = started else {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("rsyslogd did not start (`.ci/install` installs it):\n{log}");
        };
        Self {
            folder,
            port,
            server: Some(server),
        }
    }

    fn run(folder: &Path, port: u16) -> Option<Server> {
        let (settings, id) = (folder.join("conf"), folder.join("pid"));
        let command = [
            "/usr/sbin/rsyslogd",
            "-n",
            "-f",
            settings.to_str()?,
            "-i",
            id.to_str()?,
        ];
        let mut server = Server::start(folder, &folder.join("log"), "TERM", None, &command);
        let ready = server.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        if ready.is_none() {
            server.stop();
            return None;
        }
        Some(server)
    }

    fn stop(&mut self) {
        self.server.take().unwrap().stop();
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn start(&mut self) {
        self.server = Some(Self::run(&self.folder, self.port).unwrap());
    }

    /// What has arrived, each event as often as it did.
    fn messages(&self) -> Vec<Message> {
        let text = std::fs::read_to_string(self.folder.join("out")).unwrap_or_default();
        // The last one may still be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| {
            let parts: Vec<&str> = line.splitn(6, '\t').collect();
            let text = parts[5].trim_start().trim_start_matches('\u{feff}');
            let event = serde_json::from_str(text);
            Message {
                severity: parts[0].to_owned(),
                host: parts[1].to_owned(),
                app: parts[2].to_owned(),
                id: parts[3].to_owned(),
                data: parts[4].to_owned(),
                event: event.unwrap_or_else(|error| panic!("{error}: {line}")),
            }
        };
        whole.lines().map(read).collect()
    }

    /// Whether every event up to a size is there.
    fn is_whole(&self, size: usize) -> bool {
        let indexes = self.messages().into_iter();
        let mut all: Vec<i64> = indexes
            .filter_map(|one| one.event["index"].as_i64())
            .collect();
        all.sort_unstable();
        all.dedup();
        all.len() >= size
    }
}

/// Its own settings, of which none is the system's.
fn settings(folder: &Path, made: &Certificates, (driver, port): (&str, u16)) -> String {
    let folder = folder.display();
    let (ca, pem, key) = (
        made.authority(),
        made.name("good", "pem"),
        made.name("good", "key"),
    );
    format!(
        r#"global(
  workDirectory="{folder}"
  maxMessageSize="256k"
  defaultNetstreamDriver="{driver}"
  defaultNetstreamDriverCAFile="{}"
  defaultNetstreamDriverCertFile="{pem}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="fields" type="string" string="%syslogseverity-text%\t%hostname%\t%app-name%\t%msgid%\t%structured-data%\t%msg%\n")
if $app-name == "portcullis" then {{
  action(type="omfile" file="{folder}/out" template="fields")
}}
"#,
        ca.display()
    )
}

async fn arrives(world: &World, receiver: &Rsyslogd, size: usize) {
    world
        .until("everything has arrived", async || {
            receiver.is_whole(size).then_some(())
        })
        .await;
}

async fn reads_everything(driver: &str) {
    let made = Certificates::for_databases();
    let mut receiver = Rsyslogd::new(&made, driver);
    let catalogue = format!(
        "{CATALOGUE}\n[[siem]]\nname = \"archive\"\nkind = \"syslog\"\naddress = \"127.0.0.1:{}\"\nca = \"{}\"\nenterprise = \"32473\"\n",
        receiver.port,
        made.authority().display()
    );
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    // Quotes, brackets and what is not ASCII in what somebody typed.
    let ada = world.engineer("ada").await;
    let mut ask = crate::support::world::ask();
    ask.reason = "INC-1 \"so]\" \\ naïve ☃".to_owned();
    ada.submit(&ask, &crate::support::world::key())
        .await
        .unwrap();
    let size = world.audit().await.len();
    arrives(&world, &receiver, size).await;
    let (all, seen) = (world.audit().await, receiver.messages());
    for event in &all[..size] {
        let here = |one: &&Message| one.event["id"] == event.id.as_str();
        let message = seen.iter().find(here).unwrap();
        assert_eq!(message.event["reason"].as_str(), event.reason.as_deref());
        assert_eq!(
            (message.app.as_str(), &message.id),
            ("portcullis", &event.event)
        );
        assert!(!message.host.is_empty());
        let severity = if event.outcome == "denied" {
            "warning"
        } else {
            "info"
        };
        assert!(message.severity == severity || event.outcome == "error");
        let sequence = format!("[meta sequenceId=\"{}\"]", event.index + 1);
        assert!(message.data.contains(&sequence), "{}", message.data);
        let id = format!(
            "[portcullis@32473 index=\"{}\" id=\"{}\"",
            event.index, event.id
        );
        assert!(message.data.contains(&id), "{}", message.data);
    }
    // It is stopped and started, and everything of meanwhile arrives; of before nothing is gone.
    for name in ["ben", "cyd"] {
        receiver.stop();
        submit(&world.engineer(name).await).await;
        let failed = async || {
            let mut tx = world.gate().store().read().await.unwrap();
            let cursor = tx.siem_cursor("archive").await.unwrap()?;
            (cursor.attempts > 0).then_some(())
        };
        world.until("it was tried", failed).await;
        receiver.start();
        submit(&world.engineer(&format!("{name}2")).await).await;
        let size = world.audit().await.len();
        arrives(&world, &receiver, size).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_rsyslogd_with_openssl_reads_every_event_and_misses_none_when_it_was_away() {
    reads_everything("ossl").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_rsyslogd_with_gnutls_reads_every_event_and_misses_none_when_it_was_away() {
    reads_everything("gtls").await;
}
