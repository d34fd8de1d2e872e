//! A real `slapd` for the tests: on free ports, in a temporary folder, with a certificate of an authority of its own.

use std::collections::HashSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use ldap3::{Ldap, LdapConnAsync, Mod, Scope, SearchEntry};
use rustix::process::{Signal, kill_process};

use super::certificates::Certificates;
use super::process::{Server, folder, free_port};

/// The root of everything in it.
pub(crate) const ROOT: &str = "dc=example,dc=com";
const ADMIN: &str = "cn=root,dc=example,dc=com";
/// Of the admin, and of the account that Portcullis has.
pub(crate) const PASSWORD: &str = "only for tests";

/// A running server.
pub(crate) struct Slapd {
    /// Clear text, until TLS is asked for.
    pub(crate) port: u16,
    pub(crate) ldaps: u16,
    pub(crate) certificates: Certificates,
    folder: PathBuf,
    server: Mutex<Server>,
}

impl Slapd {
    /// Starts a server with these rules of access and these entries, as LDIF.
    pub(crate) fn start(rules: &str, entries: &str) -> Self {
        Self::start_with(rules, entries, Some("good"))
    }

    /// Starts one with another of `Certificates::for_databases`, or with none.
    pub(crate) fn start_with(rules: &str, entries: &str, certificate: Option<&str>) -> Self {
        let folder = folder("pcl-slapd-", None);
        let certificates = Certificates::for_databases();
        let settings = folder.join("slapd.conf");
        let tls = certificate.map(|name| {
            format!(
                "TLSCACertificateFile {}\nTLSCertificateFile {}\nTLSCertificateKeyFile {}\n",
                certificates.authority().display(),
                certificates.name(name, "pem"),
                certificates.name(name, "key")
            )
        });
        std::fs::create_dir(folder.join("db")).unwrap();
        let text = config(&folder, &tls.unwrap_or_default(), rules);
        std::fs::write(&settings, text).unwrap();
        fill(&folder, &settings, entries);
        let log = folder.join("log");
        let started = (0..5).find_map(|_| {
            let (port, ldaps) = (free_port(), free_port());
            let mut places = format!("ldap://127.0.0.1:{port}/");
            if certificate.is_some() {
                places.push_str(&format!(" ldaps://127.0.0.1:{ldaps}/"));
            }
            let socket = folder
                .join("ldapi")
                .display()
                .to_string()
                .replace('/', "%2F");
            places.push_str(&format!(" ldapi://{socket}"));
            let program = program("slapd");
            let command = [
                program.to_str()?,
                "-d",
                "stats",
                "-f",
                settings.to_str()?,
                "-h",
                &places,
            ];
            let mut server = Server::start(&folder, &log, "TERM", None, &command);
            let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            let ready = || answers(port) && (certificate.is_none() || answers(ldaps));
            if server.wait_until(ready).is_none() {
                server.stop();
                return None;
            }
            Some((port, ldaps, server))
        });
        let Some((port, ldaps, server)) = started else {
            panic!(
                "slapd did not start:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        };
        Self {
            port,
            ldaps,
            certificates,
            folder,
            server: Mutex::new(server),
        }
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.server.lock().unwrap().process(), signal);
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&self) {
        self.server.lock().unwrap().kill();
    }

    /// Starts it as it was.
    pub(crate) fn start_again(&self) {
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let ready = || answers(self.port) && answers(self.ldaps);
        self.server.lock().unwrap().start_again(ready);
    }

    /// From now on it refuses every change, or takes them again.
    pub(crate) async fn refuse(&self, refuses: bool) {
        let mut admin = self.admin().await;
        let filter = format!("(namingContexts={ROOT})");
        let found = admin
            .search("cn=Databases,cn=Monitor", Scope::OneLevel, &filter, ["dn"])
            .await;
        let found = found.unwrap().success().unwrap().0;
        let database = SearchEntry::construct(found.into_iter().next().unwrap()).dn;
        let word = if refuses { "TRUE" } else { "FALSE" };
        let change = Mod::Replace("readOnly", HashSet::from([word]));
        let done = admin.modify(&database, vec![change]).await;
        done.unwrap().success().unwrap();
    }

    /// Where it is reached in clear text.
    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("ldapi")
    }

    /// What it has logged: one line per operation.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A connection that may do everything.
    pub(crate) async fn admin(&self) -> Ldap {
        let (connection, mut ldap) = LdapConnAsync::new(&self.url()).await.unwrap();
        tokio::spawn(async move { drop(connection.drive().await) });
        ldap.simple_bind(ADMIN, PASSWORD)
            .await
            .unwrap()
            .success()
            .unwrap();
        ldap
    }

    /// Every value of one attribute below an entry, each with the entry's name.
    pub(crate) async fn all(&self, below: &str, attribute: &str) -> Vec<(String, String)> {
        let mut admin = self.admin().await;
        let found = admin
            .search(below, Scope::Subtree, "(objectClass=*)", vec![attribute])
            .await;
        let (found, _) = found.unwrap().success().unwrap();
        let mut all: Vec<(String, String)> = found
            .into_iter()
            .map(SearchEntry::construct)
            .flat_map(|entry| {
                let values = entry.attrs.into_values().flatten();
                values
                    .map(move |value| (entry.dn.clone(), value))
                    .collect::<Vec<_>>()
            })
            .collect();
        all.sort();
        all
    }

    /// Whether an entry has this value.
    pub(crate) async fn has(&self, entry: &str, attribute: &str, value: &str) -> bool {
        let answer = self
            .admin()
            .await
            .compare(entry, attribute, value)
            .await
            .unwrap();
        // Without any value the server does not even compare.
        answer.0.rc == 6
    }

    pub(crate) async fn add(&self, entry: &str, attribute: &str, value: &str) {
        let change = Mod::Add(attribute, HashSet::from([value]));
        self.admin()
            .await
            .modify(entry, vec![change])
            .await
            .unwrap()
            .success()
            .unwrap();
    }

    pub(crate) async fn remove(&self, entry: &str, attribute: &str, value: &str) {
        let change = Mod::Delete(attribute, HashSet::from([value]));
        self.admin()
            .await
            .modify(entry, vec![change])
            .await
            .unwrap()
            .success()
            .unwrap();
    }

    pub(crate) async fn rename(&self, entry: &str, name: &str) {
        let done = self.admin().await.modifydn(entry, name, true, None).await;
        done.unwrap().success().unwrap();
    }

    /// Makes an entry.
    pub(crate) async fn make(&self, entry: &str, class: &str, values: &[(&str, &str)]) {
        let mut attributes: Vec<(String, HashSet<String>)> =
            vec![("objectClass".to_owned(), HashSet::from([class.to_owned()]))];
        for (attribute, value) in values {
            let value = HashSet::from([(*value).to_owned()]);
            attributes.push(((*attribute).to_owned(), value));
        }
        self.admin()
            .await
            .add(entry, attributes)
            .await
            .unwrap()
            .success()
            .unwrap();
    }
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/libexec"].map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("`{name}` is missing: `.ci/install` installs it (Debian: slapd)"))
}

fn fill(folder: &Path, settings: &Path, entries: &str) {
    let file = folder.join("entries");
    std::fs::write(&file, entries).unwrap();
    let mut command = Command::new(program("slapadd"));
    let output = command
        .arg("-f")
        .arg(settings)
        .arg("-l")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "slapadd: {said}");
}

fn config(folder: &Path, tls: &str, rules: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let schemas = ["core", "cosine", "nis", "inetorgperson"];
    let schemas = schemas
        .map(|name| format!("include /etc/ldap/schema/{name}.schema\n"))
        .concat();
    let (process, database) = (at("slapd.pid"), at("db"));
    format!(
        "{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\npidfile {process}\n{tls}\
         database mdb\nsuffix \"{ROOT}\"\nrootdn \"{ADMIN}\"\nrootpw \"{PASSWORD}\"\ndirectory {database}\n\
         maxsize 67108864\ndbnosync\n{rules}\n\
         access to attrs=userPassword by anonymous auth by * none\naccess to * by * none\noverlay memberof\n\
         database monitor\nrootdn \"{ADMIN}\"\n"
    )
}
