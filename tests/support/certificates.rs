//! Authorities and certificates for tests: good ones, and each kind of bad one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::between::Trick;
use super::postgres::give_to_server;

/// An authority, and certificates of it and not of it.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        for authority in ["ca", "stranger"] {
            let (key, certificate) = (made.name(authority, "key"), made.name(authority, "pem"));
            let subject = format!("/CN={authority}");
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &subject,
                "-keyout",
                &key,
                "-out",
                &certificate,
            ]);
        }
        made
    }

    pub(crate) fn name(&self, name: &str, end: &str) -> String {
        self.0
            .path()
            .join(format!("{name}.{end}"))
            .display()
            .to_string()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("openssl is there: `.ci/install` installs it");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A certificate for this host by that authority, good for so many days.
    pub(crate) fn make(&self, name: &str, host: &str, authority: &str, dates: &[&str]) {
        let (key, ask, out) = (
            self.name(name, "key"),
            self.name(name, "csr"),
            self.name(name, "pem"),
        );
        let (ca, ca_key) = (self.name(authority, "pem"), self.name(authority, "key"));
        let extensions = self.name(name, "ext");
        std::fs::write(
            &extensions,
            format!("subjectAltName={host}\nbasicConstraints=CA:FALSE\n"),
        )
        .unwrap();
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=server",
            "-keyout",
            &key,
            "-out",
            &ask,
        ]);
        let (settings, index) = (self.name(name, "cnf"), self.name(name, "index"));
        std::fs::write(&index, "").unwrap();
        let folder = self.0.path().display();
        std::fs::write(
            &settings,
            format!(
                "[ca]\ndefault_ca=d\n[d]\ndatabase={index}\nnew_certs_dir={folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
            ),
        )
        .unwrap();
        let mut sign = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            &settings,
            "-cert",
            &ca,
            "-keyfile",
            &ca_key,
            "-extfile",
            &extensions,
            "-in",
            &ask,
            "-out",
            &out,
        ];
        sign.extend(dates);
        self.openssl(&sign);
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// An authority's certificates for a database at `0.0.0.0` and `localhost`, and bad ones.
    pub(crate) fn for_databases() -> Self {
        let made = Self::new();
        let here = "DNS:localhost,IP:0.0.0.0,IP:127.0.0.1";
        made.make("good", here, "ca", &["-days", "1"]);
        made.make("self", here, "stranger", &["-days", "1"]);
        let past = [
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20200102000000Z",
        ];
        made.make("over", here, "ca", &past);
        made.make("name", "DNS:evil.example", "ca", &["-days", "1"]);
        made
    }

    /// A certificate and its key as a PostgreSQL server takes them, which may run as somebody else.
    pub(crate) fn for_server(&self, name: &str) -> (String, String) {
        let (certificate, key) = (self.name(name, "pem"), self.name(name, "key"));
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.0.path(), open).unwrap();
        give_to_server(Path::new(&key));
        (certificate, key)
    }

    /// What a server with this certificate speaks TLS with.
    pub(crate) fn config(&self, name: &str) -> Arc<rustls::ServerConfig> {
        let chain = CertificateDer::from_pem_file(self.name(name, "pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.name(name, "key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        Arc::new(config)
    }
}

/// Every trick that has to fail, and what is said about it.
pub(crate) fn untrusted(made: &Certificates) -> Vec<(Trick, &'static str)> {
    let terminate = |name| Trick::Terminate(made.config(name));
    vec![
        (terminate("self"), "no authority that this machine trusts"),
        (terminate("stranger"), "certificate"),
        (terminate("over"), "certificate has expired"),
        (terminate("name"), "certificate is for another name"),
        (Trick::Stuff(made.config("good")), ""),
        (Trick::Strip, "offers no encrypted connection"),
        // A server that really has none.
        (Trick::Relay, "offers no encrypted connection"),
        (Trick::Error, ""),
    ]
}
