//! The server's own TLS: the real program, its files changed under it, and clients that mean well or do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::certificates::Certificates;
use crate::support::person::{Person, Running};

/// Longer than any limit of the server; a test that waits for it has found one that is missing.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that speaks TLS with files of its own.
struct Node {
    made: Certificates,
    operator: Person,
    running: Running,
    port: u16,
    code: String,
}

fn place(operator: &Person, end: &str) -> PathBuf {
    operator.home().join(format!("server.{end}"))
}

/// Puts a certificate and its key where the server looks for them, each in one step.
fn put(made: &Certificates, operator: &Person, certificate: &str, key: &str) {
    for (name, end) in [(certificate, "pem"), (key, "key")] {
        let fresh = operator.home().join("fresh");
        std::fs::copy(made.name(name, end), &fresh).unwrap();
        std::fs::rename(&fresh, place(operator, end)).unwrap();
    }
}

/// The command line of a server with these files, on any free port of this machine.
fn serve(operator: &Person, listen: &str, more: &[&str]) -> Vec<String> {
    let data = operator.home().join("data");
    let (certificate, key) = (place(operator, "pem"), place(operator, "key"));
    let own = ["serve", "--listen", listen, "--data-dir"].map(str::to_owned);
    own.into_iter()
        .chain(
            [
                data,
                "--tls-certificate".into(),
                certificate,
                "--tls-key".into(),
                key,
            ]
            .map(|path: PathBuf| path.display().to_string()),
        )
        .chain(more.iter().map(|&word| word.to_owned()))
        .collect()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

impl Node {
    async fn start() -> Self {
        let made = Certificates::for_databases();
        made.make(
            "second",
            "DNS:localhost,IP:127.0.0.1",
            "ca",
            &["-days", "1"],
        );
        let operator = Person::at("http://127.0.0.1:1");
        put(&made, &operator, "good", "good");
        let arguments = serve(&operator, "127.0.0.1:0", &[]);
        let mut running = operator.start(&words(&arguments));
        let said = running
            .says("Portcullis listens on https://127.0.0.1:")
            .await;
        let port = said.rsplit(':').next().unwrap().trim().parse().unwrap();
        let said = running.says("--code ").await;
        assert!(
            said.contains(&format!("--server https://127.0.0.1:{port}")),
            "{said}"
        );
        let code = said.split("--code ").nth(1).unwrap().trim().to_owned();
        Self {
            made,
            operator,
            running,
            port,
            code,
        }
    }

    /// Somebody who trusts the authority.
    fn person(&self, host: &str) -> Person {
        Person::at(&format!("https://{host}:{}", self.port))
            .with("SSL_CERT_FILE", self.made.authority().to_str().unwrap())
    }

    async fn root(&self) -> Person {
        let root = self.person("127.0.0.1");
        root.does(&["login", "--name", "root", "--code", &self.code])
            .await;
        root
    }

    /// Agrees on encryption and tells with which version, and with whom.
    async fn agree(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> (ProtocolVersion, CertificateDer<'static>) {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.made.authority()).unwrap())
            .unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap();
        let (_, agreed) = stream.get_ref();
        assert_eq!(agreed.alpn_protocol(), Some(&b"http/1.1"[..]));
        (
            agreed.protocol_version().unwrap(),
            agreed.peer_certificates().unwrap()[0].clone(),
        )
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.made.name(name, "pem")).unwrap()
    }

    /// Waits until it proves itself with this certificate.
    async fn proves_itself_with(&self, name: &str) {
        let wanted = self.certificate(name);
        let waiting = async {
            while self.agree(&rustls::version::TLS13).await.1 != wanted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    fn hang_up(&self) {
        let process = rustix::process::Pid::from_raw(self.running.process()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
    }

    /// Waits until the record says that a pair was refused for this reason.
    async fn refuses(&self, root: &Person, why: &str) {
        let waiting = async {
            while !root.does(&["audit", "--json"]).await.contains(why) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_certificate_is_worked_with_over_tls() {
    let node = Node::start().await;
    let root = node.root().await;
    assert!(
        root.does(&["whoami"])
            .await
            .contains(&format!("https://127.0.0.1:{}", node.port))
    );
    // Through a tunnel it has another name, and its proofs are for that one.
    let invited = root
        .json(&[
            "token",
            "invite",
            "ada",
            "--role",
            "requester",
            "--group",
            "engineers",
        ])
        .await;
    let ada = node.person("localhost");
    ada.does(&["login", "--code", invited["code"].as_str().unwrap()])
        .await;
    ada.does(&["whoami"]).await;
    for (version, agreed) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        assert_eq!(
            node.agree(version).await,
            (agreed, node.certificate("good"))
        );
    }
    // Whoever does not trust the authority says so and sends nothing.
    let stranger = Person::at(&format!("https://127.0.0.1:{}", node.port))
        .with("SSL_CERT_FILE", &node.made.name("stranger", "pem"));
    let ran = stranger.run(&["login", "--code", "x"]).await;
    assert!(
        ran.code == 3 && ran.err.contains("no authority that this machine trusts"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_and_handshakes_that_stall_are_closed() {
    let node = Node::start().await;
    for said in [
        &b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"",
        b"\x16\x03\x01\x02\x00\x01",
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
        socket.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        // Closed, or closed with a reset: in both cases there was no answer.
        let closed = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await;
        assert!(closed.is_ok(), "{said:?} was still open");
        assert!(
            !String::from_utf8_lossy(&heard).contains("HTTP/"),
            "{heard:?}"
        );
    }
    // Others are served while some stall.
    let _stalled = futures_util::future::join_all(
        (0..50).map(|_| TcpStream::connect(("127.0.0.1", node.port))),
    )
    .await;
    node.agree(&rustls::version::TLS13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_taken_over_and_a_bad_one_keeps_the_old() {
    let node = Node::start().await;
    let root = node.root().await;
    put(&node.made, &node.operator, "second", "second");
    node.hang_up();
    node.proves_itself_with("second").await;
    root.does(&["whoami"]).await;
    // A key that is another certificate's, and one that everybody can read.
    put(&node.made, &node.operator, "good", "second");
    node.hang_up();
    node.refuses(&root, "is not that of the certificate").await;
    assert_eq!(
        node.agree(&rustls::version::TLS13).await.1,
        node.certificate("second")
    );
    put(&node.made, &node.operator, "good", "good");
    std::fs::set_permissions(
        place(&node.operator, "key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    node.hang_up();
    node.refuses(&root, "can be read by other people").await;
    assert_eq!(
        node.agree(&rustls::version::TLS13).await.1,
        node.certificate("second")
    );
    // Put right, it is noticed without being told.
    std::fs::set_permissions(
        place(&node.operator, "key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    node.proves_itself_with("good").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_with_a_pair_that_cannot_be_used() {
    let made = Certificates::for_databases();
    let operator = Person::at("http://127.0.0.1:1");
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    let refused = async |why: &str| {
        let ran = operator
            .run(&words(&serve(&operator, "127.0.0.1:0", &["--json"])))
            .await;
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(
            ran.err.contains("\"tls-not-usable\"") && ran.err.contains(why),
            "{why}: {ran:?}"
        );
        assert!(!ran.err.contains("PRIVATE KEY-----"), "{ran:?}");
    };
    refused("reading the certificate in").await;
    put(&made, &operator, "good", "self");
    refused("is not that of the certificate").await;
    put(&made, &operator, "good", "good");
    std::fs::set_permissions(
        place(&operator, "key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    refused("can be read by other people").await;
    put(&made, &operator, "good", "good");
    write(&place(&operator, "pem"), "not a certificate");
    refused("there is no certificate in").await;
    put(&made, &operator, "good", "good");
    write(&place(&operator, "key"), "not a key");
    refused("there is no private key in").await;
    put(&made, &operator, "good", "good");
    std::fs::copy(made.name("good", "key"), place(&operator, "pem")).unwrap();
    refused("there is no certificate in").await;
    // Plain HTTP stays on this machine.
    let data = operator.home().join("data");
    let plain = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let ran = operator.run(&plain).await;
    assert!(
        ran.code == 7 && ran.err.contains("the server would speak plain HTTP"),
        "{ran:?}"
    );
}
