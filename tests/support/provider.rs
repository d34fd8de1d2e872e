//! A real identity provider, `oidc-provider` from npm, and people who sign in at it as a browser without a screen does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::secret::hash_of;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::process::{Server, folder};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/identity/provider");

/// What a program keeps between begin and finish.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The challenge of that verifier.
pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(hash_of(VERIFIER))
}

/// The provider's program with its packages, installed once from the pinned lockfile.
fn installed() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let lock = std::fs::read(format!("{SOURCE}/package-lock.json")).unwrap();
        let mark = hash_of(&String::from_utf8_lossy(&lock));
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name = format!(
            "oidc-provider-{:02x}{:02x}{:02x}",
            mark[0], mark[1], mark[2]
        );
        let place = base.join(name);
        if !place.join("node_modules").is_dir() {
            let fresh = tempfile::tempdir_in(base).unwrap();
            for file in ["package.json", "package-lock.json"] {
                std::fs::copy(format!("{SOURCE}/{file}"), fresh.path().join(file)).unwrap();
            }
            let npm = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(fresh.path())
                .output()
                .expect("npm is there: `.ci/install` installs it");
            assert!(npm.status.success(), "{npm:?}");
            // Another test process may have been faster.
            let _ = std::fs::rename(fresh.path(), &place);
        }
        place
    })
}

/// A running provider.
pub(crate) struct Provider {
    _server: Server,
    pub(crate) issuer: String,
    http: reqwest::Client,
}

impl Provider {
    /// Starts one that signs ID tokens in this way.
    pub(crate) fn start(algorithm: &str) -> Self {
        let place = installed();
        let run = folder("portcullis-idp-", None);
        let program = run.join("server.mjs");
        std::fs::copy(format!("{SOURCE}/server.mjs"), &program).unwrap();
        std::os::unix::fs::symlink(place.join("node_modules"), run.join("node_modules")).unwrap();
        let log = run.join("log");
        let command = ["node", program.to_str().unwrap(), algorithm];
        let mut server = Server::start(&run, &log, "KILL", None, &command);
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let issuer = || {
            let text = said();
            let line = text.lines().find_map(|line| line.strip_prefix("issuer "));
            line.map(str::to_owned)
        };
        server
            .wait_until(|| issuer().is_some())
            .unwrap_or_else(|| panic!("the provider did not start: {}", said()));
        Self {
            issuer: issuer().unwrap(),
            _server: server,
            http: plain(),
        }
    }

    /// The table that makes a server trust it. Groups `eng` and `leads` have roles.
    pub(crate) fn table(&self, more: &str) -> String {
        format!(
            "\n[identity]\nissuer = \"{}\"\nclient_id = \"portcullis\"\nclient_secret = \"a secret: with / odd % letters+\"\nallow_loopback = true\n{more}\n\
             [identity.roles]\neng = [\"requester\"]\nleads = [\"requester\", \"reviewer\"]\n\
             [identity.groups]\neng = \"engineers\"\nleads = \"reviewers\"\n",
            self.issuer
        )
    }

    /// Adds somebody, or changes what they are.
    pub(crate) async fn person(&self, subject: &str, name: &str, groups: &[&str]) {
        let amr = ["pwd", "otp", "mfa"];
        self.person_by(subject, name, groups, &amr, "").await;
    }

    /// As `person`, who signs in there in these ways and reaches this.
    pub(crate) async fn person_by(
        &self,
        subject: &str,
        name: &str,
        groups: &[&str],
        amr: &[&str],
        acr: &str,
    ) {
        let acr = Some(acr).filter(|acr| !acr.is_empty());
        let person = json!({"name": name, "groups": groups, "email": "boss@example.com", "amr": amr, "acr": acr});
        let call = self.http.put(format!("{}/people/{subject}", self.issuer));
        let answer = call.body(person.to_string()).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// Removes somebody.
    pub(crate) async fn remove(&self, subject: &str) {
        let call = self
            .http
            .delete(format!("{}/people/{subject}", self.issuer));
        assert!(call.send().await.unwrap().status().is_success());
    }
}

fn plain() -> reqwest::Client {
    portcullis::client::http(&"http://127.0.0.1:1".parse().unwrap()).unwrap()
}

/// A browser without a screen: cookies, redirects and forms.
pub(crate) struct Visitor {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        Self {
            http: plain(),
            cookies: BTreeMap::new(),
        }
    }

    /// Signs in as this subject, and gives the address that the browser is sent to at the end.
    pub(crate) async fn sign_in(&mut self, authorize_url: &str, subject: &str) -> Url {
        self.answer(authorize_url, &format!("login={subject}"))
            .await
    }

    /// Says no.
    pub(crate) async fn say_no(&mut self, authorize_url: &str) -> Url {
        self.answer(authorize_url, "no=1").await
    }

    /// As `sign_in`; counts how often the provider asks who somebody is.
    pub(crate) async fn counting(&mut self, address: &str, subject: &str, asked: &mut u32) -> Url {
        let form = format!("login={subject}");
        self.answering(address, &form, asked).await
    }

    async fn answer(&mut self, address: &str, form: &str) -> Url {
        self.answering(address, form, &mut 0).await
    }

    async fn answering(&mut self, address: &str, form: &str, asked: &mut u32) -> Url {
        let mut url: Url = address.parse().unwrap();
        let mut body = None;
        for _ in 0..20 {
            if url.path() == "/signed-in" {
                return url;
            }
            let (status, location, text) = self.visit(&url, body.take()).await;
            match location {
                Some(location) => url = url.join(&location).unwrap(),
                None if text.contains("<form") => {
                    *asked += u32::from(text.contains("Who are you?"));
                    body = Some(form.to_owned());
                }
                None => panic!("{url}: {status} {text}"),
            }
        }
        panic!("the provider never came to an end: {url}")
    }

    async fn visit(&mut self, url: &Url, body: Option<String>) -> (u16, Option<String>, String) {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut call = self
            .http
            .request(method, url.clone())
            .header("cookie", cookies.join("; "));
        if let Some(body) = body {
            call = call
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
        }
        let answer = call.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location");
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        (
            answer.status().as_u16(),
            location,
            answer.text().await.unwrap(),
        )
    }
}

/// The body that finishes a sign-in with what a browser brought.
pub(crate) fn finish(brought: &Url) -> Value {
    let mut body = json!({"code_verifier": VERIFIER});
    for (name, value) in brought.query_pairs() {
        if ["code", "state", "iss", "error"].contains(&&*name) {
            body[&*name] = json!(value);
        }
    }
    body
}
