//! A service that checks every call as a careful one does, calls that must not be made, and answers that are not believed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response};
use chrono::{DateTime, Utc};
use portcullis::domain::target::{EnforcementClass, TargetKind};
use portcullis::targets::{
    Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole, KindSettings,
    Receipt, SettingsProblem, connector,
};
use ring::hmac;
use serde_json::{Value, json};
use toml::Table;

use super::{Case, Stand, environment};
use crate::support::certificates::Certificates;
use crate::support::https::{Site, nobody};

const SECRET: &str = "the first secret of the doors";
const OTHER: &str = "another secret of the doors!!";

/// One call as it came.
#[derive(Debug, Clone)]
struct Heard {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Value,
}

impl Heard {
    fn key(&self) -> Option<&str> {
        Some(self.headers.get("idempotency-key")?.to_str().unwrap())
    }
}

/// An answer that is given whatever was said.
struct Said {
    status: u16,
    header: Option<(&'static str, String)>,
    body: String,
}

#[derive(Default)]
struct Book {
    secrets: Vec<&'static str>,
    heard: Vec<Heard>,
    answered: BTreeMap<String, (u16, String)>,
    /// How often something was really done.
    done: usize,
    live: BTreeMap<String, (String, Value)>,
    epochs: BTreeMap<String, i64>,
    over: BTreeSet<String>,
    next: VecDeque<Said>,
}

/// A service that gives and takes when it is told to.
#[derive(Default)]
struct Service(Mutex<Book>);

impl Service {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }
}

/// Whether somebody who knows one of the secrets signed this, and lately.
fn is_signed(secrets: &[&str], header: &str, body: &[u8]) -> bool {
    let parts: Vec<(&str, &str)> = header
        .split(',')
        .map(|part| part.split_once('=').unwrap())
        .collect();
    let time = parts.iter().find(|(name, _)| *name == "t").unwrap().1;
    let age = machine_clock().timestamp() - time.parse::<i64>().unwrap();
    let message = [time.as_bytes(), b".", body].concat();
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    };
    let tags = parts.iter().filter(|(name, _)| *name == "v1");
    let known = tags.map(|(_, tag)| bytes(tag)).any(|tag| {
        secrets.iter().any(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hmac::verify(&key, &message, &tag).is_ok()
        })
    });
    age.abs() < 300 && known
}

impl Book {
    fn answer(&mut self, heard: &Heard, raw: &[u8]) -> (u16, String) {
        let header = heard.headers["portcullis-signature"].to_str().unwrap();
        let no = |status, why: &str| (status, json!({ "error": why }).to_string());
        if !is_signed(&self.secrets, header, raw) {
            return no(401, "this is signed by somebody else");
        }
        let body = &heard.body;
        assert_eq!(
            (&heard.method, &body["version"]),
            (&Method::POST, &json!(1))
        );
        if body["kind"] == "observe" {
            let mut objects: Vec<&str> = self.live.keys().map(String::as_str).collect();
            objects.push("something of others");
            return (200, json!({ "objects": objects }).to_string());
        }
        let key = heard.key().unwrap().to_owned();
        if let Some(same) = self.answered.get(&key) {
            return same.clone();
        }
        let object = body["object"].as_str().unwrap().to_owned();
        let epoch = body["epoch"].as_i64().unwrap();
        let last = self.epochs.get(&object).copied().unwrap_or(0);
        let answer = match body["kind"].as_str().unwrap() {
            "up" if self.over.contains(&object) || epoch < last => {
                no(410, "a later change has been made")
            }
            "up" => {
                self.done += 1;
                self.epochs.insert(object.clone(), epoch);
                let holder = body["holder"].as_str().unwrap().to_owned();
                self.live.insert(object, (holder, body["value"].clone()));
                (201, String::new())
            }
            "down" => {
                self.done += 1;
                self.live.remove(&object);
                self.over.insert(object);
                (204, String::new())
            }
            other => no(422, other),
        };
        self.answered.insert(key, answer.clone());
        answer
    }
}

async fn hear(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let raw: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let heard = Heard {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&raw).unwrap(),
    };
    let mut book = service.book();
    book.heard.push(heard.clone());
    let answer = Response::builder();
    if let Some(said) = book.next.pop_front() {
        let answer = match said.header {
            Some((name, value)) => answer.header(name, value),
            None => answer,
        };
        return answer.status(said.status).body(said.body.into()).unwrap();
    }
    let (status, body) = book.answer(&heard, &raw);
    answer.status(status).body(body.into()).unwrap()
}

/// A connector in the making.
struct Made {
    service: Arc<Service>,
    site: Site,
    certificates: Certificates,
    folder: tempfile::TempDir,
    environment: Environment,
    settings: Table,
    value: &'static str,
}

impl Made {
    async fn with(certificate: &str) -> Self {
        let certificates = Certificates::for_databases();
        let service = Arc::new(Service::default());
        service.book().secrets.push(SECRET);
        let router = Router::new()
            .fallback(hear)
            .with_state(Arc::clone(&service));
        let site = Site::serve(router, Some(certificates.config(certificate))).await;
        let folder = tempfile::tempdir().unwrap();
        let settings = toml::toml! {
            observe = true
            allow_networks = ["127.0.0.0/8", "::1/128"]
        };
        let mut made = Self {
            service,
            certificates,
            folder,
            environment: environment(),
            settings,
            value: "hall-7",
            site,
        };
        made.write("secret", &format!("{SECRET}\n"));
        let (url, secret) = (url_at(made.site.port), made.path("secret"));
        let authority = made.certificates.authority();
        made.set("url", url)
            .set("secret_file", secret.display().to_string())
            .set("ca_file", authority.display().to_string());
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn set(&mut self, key: &str, value: impl Into<toml::Value>) -> &mut Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    fn connector(&self) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        let settings = toml::Value::Table(self.settings.clone());
        let role = Table::from_iter([("value".to_owned(), self.value.into())]);
        let settings = KindSettings::read(TargetKind::Webhook, settings).unwrap();
        let role = KindRole::read(TargetKind::Webhook, toml::Value::Table(role)).unwrap();
        let roles = BTreeMap::from([("readonly".parse().unwrap(), role)]);
        connector(settings, roles, &self.environment)
    }

    fn stand(self) -> WebhookStand {
        WebhookStand {
            connector: self.connector().unwrap(),
            made: self,
        }
    }
}

pub(crate) struct WebhookStand {
    connector: Box<dyn Connector>,
    made: Made,
}

impl WebhookStand {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.made.service.book()
    }

    fn will_say(&self, status: u16, header: Option<(&'static str, String)>, body: &str) {
        self.book().next.push_back(Said {
            status,
            header,
            body: body.to_owned(),
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a service has no clock but the machine's"
)]
fn machine_clock() -> DateTime<Utc> {
    Utc::now()
}

impl Stand for WebhookStand {
    async fn set_up() -> Self {
        Made::with("good").await.stand()
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        let mut settings = self.made.settings.clone();
        let url = url_at(nobody());
        settings.insert("url".to_owned(), url.into());
        let settings = KindSettings::read(TargetKind::Webhook, toml::Value::Table(settings));
        let role = KindRole::read(TargetKind::Webhook, toml::Value::Table(Table::new()));
        let roles = BTreeMap::from([("readonly".parse().unwrap(), role.unwrap())]);
        connector(settings.unwrap(), roles, &self.made.environment).unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        machine_clock()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::Password
    }

    async fn opens(&self, _credential: &Credential) -> bool {
        let right = ("ada".to_owned(), json!("hall-7"));
        self.book().live.values().any(|live| *live == right)
    }

    async fn traces(&self) -> Vec<String> {
        self.book().live.keys().cloned().collect()
    }
}

fn gone(ended: Result<Down, Failure>) -> Receipt {
    match ended.unwrap() {
        Down::Gone(receipt) => receipt,
        Down::Until(..) => unreachable!("a service ends at once"),
    }
}

#[tokio::test]
async fn a_call_says_what_is_needed_and_a_verified_end_what_was_read_back() {
    let stand = WebhookStand::set_up().await;
    let case = Case::on(&stand).await;
    assert_eq!(stand.connector.class(), EnforcementClass::C);
    let access = case.access(1);
    let up = stand.connector.up(access).await.unwrap();
    let object = up.object.unwrap();
    let plan = stand.connector.plan(&access).steps;
    assert!(
        plan[0].contains("tell `localhost` to give `ada` the role `readonly` (`hall-7`)"),
        "{plan:?}"
    );
    let receipt = gone(stand.connector.down(case.end(2, None)).await);
    assert_eq!(receipt.steps.len(), 2);
    assert_eq!(
        receipt.steps[1].what,
        format!("read back: it does not list `{object}`")
    );
    assert_eq!(receipt.unproved, None);
    let installation = stand.made.environment.installation.as_str();
    let grant = case.grant.to_string();
    let heard = stand.book().heard.clone();
    let bodies: Vec<&Value> = heard.iter().map(|heard| &heard.body).collect();
    let observe = json!({"version": 1, "kind": "observe", "installation": installation});
    let up = json!({"version": 1, "kind": "up", "installation": installation, "object": object,
        "grant": grant, "epoch": 1, "holder": "ada", "role": "readonly", "value": "hall-7",
        "ends_at": access.ends_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()});
    let down = json!({"version": 1, "kind": "down", "installation": installation, "object": object,
        "grant": grant, "epoch": 2});
    assert_eq!(bodies, [&up, &observe, &down, &observe]);
    let keys: Vec<Option<&str>> = heard.iter().map(Heard::key).collect();
    let (up, down) = (format!("{grant}:1:up"), format!("{grant}:2:down"));
    assert_eq!(keys, [Some(up.as_str()), None, Some(&down), None]);
    assert!(heard.iter().all(|heard| heard.path == "/doors"));
}

#[tokio::test]
async fn the_same_change_comes_with_the_same_key_and_is_done_once() {
    let stand = WebhookStand::set_up().await;
    let case = Case::on(&stand).await;
    // The answer is lost on the way, and the change was made.
    stand.connector.up(case.access(1)).await.unwrap();
    stand.will_say(502, None, "");
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(!failure.permanent, "{failure}");
    stand.connector.up(case.access(1)).await.unwrap();
    assert_eq!(stand.book().done, 1);
    // Another end of the same grant is another change.
    stand.connector.up(case.access(2)).await.unwrap();
    assert_eq!(stand.book().done, 2);
    let heard = stand.book().heard.clone();
    let keys: BTreeSet<&str> = heard.iter().filter_map(Heard::key).collect();
    let right = [1, 2].map(|epoch| format!("{}:{epoch}:up", case.grant));
    assert_eq!(keys, right.iter().map(String::as_str).collect());
    let failure = stand.connector.up(case.access(0)).await.unwrap_err();
    assert!(
        failure.permanent
            && failure
                .message
                .ends_with("410: a later change has been made"),
        "{failure}"
    );
}

#[tokio::test]
async fn without_a_list_an_end_is_called_unverified() {
    let mut made = Made::with("good").await;
    made.settings.remove("observe");
    let stand = made.stand();
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let receipt = gone(stand.connector.down(case.end(2, None)).await);
    assert!(receipt.unproved.unwrap().starts_with("unverified end"));
    let warnings = stand.connector.observe().await.unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_service_that_says_done_and_lists_otherwise_is_not_believed() {
    let stand = WebhookStand::set_up().await;
    let case = Case::on(&stand).await;
    let object = stand.connector.plan(&case.access(1)).object.unwrap();
    let listed = |objects: &[&str]| json!({ "objects": objects }).to_string();
    stand.will_say(200, None, "");
    stand.will_say(200, None, &listed(&["pcl_zzzzzz_0123456789", "x"]));
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(failure.message.contains("does not list"), "{failure}");
    stand.will_say(200, None, "");
    stand.will_say(200, None, &listed(&[&object]));
    let failure = stand.connector.down(case.end(2, None)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("still lists"),
        "{failure}"
    );
    // What cannot be read is not an empty list.
    for body in ["", "[]", "{}", r#"{"objects": null}"#, "<html>"] {
        stand.will_say(200, None, "");
        stand.will_say(200, None, body);
        let failure = stand.connector.down(case.end(2, None)).await.unwrap_err();
        assert!(failure.message.contains("does not say"), "{failure}");
    }
    let endless = "x".repeat(2 << 20);
    stand.will_say(200, None, &endless);
    let failure = stand.connector.observe().await.unwrap_err();
    assert!(failure.message.contains("too long"), "{failure}");
}

#[tokio::test]
async fn while_a_secret_takes_the_place_of_another_both_are_good() {
    let mut made = Made::with("good").await;
    made.write("other", OTHER);
    made.set(
        "previous_secret_file",
        made.path("other").display().to_string(),
    );
    let stand = made.stand();
    let case = Case::on(&stand).await;
    for secrets in [vec![SECRET], vec![OTHER], vec![OTHER, SECRET]] {
        stand.book().secrets = secrets;
        stand.connector.up(case.access(1)).await.unwrap();
    }
    stand.book().secrets = vec!["a third one"];
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.permanent
            && failure
                .message
                .contains("401: this is signed by somebody else"),
        "{failure}"
    );
    // A secret is replaced under the server, too.
    stand.book().secrets = vec!["a third one, a longer one"];
    stand.made.write("secret", "a third one, a longer one\n");
    stand.connector.up(case.access(1)).await.unwrap();
    let heard = stand.book().heard.len();
    stand.made.write("secret", "short");
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(failure.message.contains("is shorter than"), "{failure}");
    stand.made.write("secret", SECRET);
    let open = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(stand.made.path("secret"), open).unwrap();
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.message.contains("can be read by other people"),
        "{failure}"
    );
    assert_eq!(stand.book().heard.len(), heard, "nothing was sent");
}

#[tokio::test]
async fn answers_say_whether_trying_again_helps_and_when() {
    let stand = WebhookStand::set_up().await;
    let case = Case::on(&stand).await;
    for (status, stays) in [
        (400, true),
        (401, true),
        (403, true),
        (404, true),
        (408, false),
        (409, false),
        (410, true),
        (422, true),
        (425, false),
        (429, false),
        (500, false),
        (503, false),
        (300, false),
    ] {
        let header = Some(("retry-after", "7".to_owned()));
        stand.will_say(status, header, r#"{"error": "why \u001b[31mred\n"}"#);
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert_eq!(failure.permanent, stays, "{failure}");
        let wait = (!stays).then_some(Duration::from_secs(7));
        assert_eq!(failure.not_before, wait, "{status}");
        assert!(failure.message.contains(&format!("answered with {status}")));
        assert!(!failure.message.contains('\u{1b}'), "{failure}");
    }
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn nobody_is_sent_on_to_another_address() {
    let stand = WebhookStand::set_up().await;
    let case = Case::on(&stand).await;
    let aim = Arc::new(Service::default());
    let router = Router::new().fallback(hear).with_state(Arc::clone(&aim));
    let site = Site::serve(router, None).await;
    for to in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://127.0.0.1:{}/", site.port),
        url_at(stand.made.site.port),
        "//[::ffff:169.254.169.254]/".to_owned(),
        "/doors".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let heard = stand.book().heard.len();
            stand.will_say(status, Some(("location", to.clone())), "");
            let failure = stand.connector.up(case.access(1)).await.unwrap_err();
            assert!(failure.message.ends_with("nobody is sent on"), "{failure}");
            assert_eq!(stand.book().heard.len(), heard + 1);
        }
    }
    assert!(aim.book().heard.is_empty());
}

#[tokio::test]
async fn what_is_not_on_the_internet_is_not_called_unless_it_was_named() {
    let mut made = Made::with("good").await;
    // The name is one that anybody may own; what it means is this machine.
    made.set("allow_networks", vec!["10.0.0.0/8".to_owned()]);
    let stand = made.stand();
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.permanent && failure.message.contains("in no network that may be called"),
        "{failure}"
    );
    assert!(stand.book().heard.is_empty());
}

#[tokio::test]
async fn addresses_that_mean_something_else_are_refused_when_they_are_read() {
    let mut made = Made::with("good").await;
    for url in [
        "http://hooks.example.com/",
        "https://169.254.169.254/latest/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://2852039166/",
        "https://0xa9.0xfe.0xa9.0xfe/",
        "https://[fd00:ec2::254]/",
        "https://hooks.example.com@169.254.169.254/",
        "https://hooks.example.com:x@localhost/",
        "https://hooks.example.com\\@localhost/",
        "https://hooks.example.com/\r\nHost: localhost",
        "https://hooks.example.com/#@localhost/",
        "file:///etc/passwd",
    ] {
        let problems = made.set("url", url).connector().err().unwrap();
        assert_eq!(problems.len(), 1, "{url}: {problems:?}");
        assert_eq!(problems[0].key, "url", "{url}: {problems:?}");
        let said = format!("{} {}", problems[0].message, problems[0].hint);
        assert!(!said.contains(['\r', '\n']), "{said}");
    }
    let url = url_at(made.site.port);
    made.set("url", url);
    made.value = "hall\r\nX-Admin: yes";
    let problems = made.connector().err().unwrap();
    assert_eq!(problems[0].key, "value", "{problems:?}");
}

#[tokio::test]
async fn what_a_role_is_called_arrives_as_it_was_written() {
    let mut made = Made::with("good").await;
    made.value = r#"","admin":true,"x":"{holder} ${x} %0d%0a \u0000 ä"#;
    let stand = made.stand();
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let heard = stand.book().heard[0].clone();
    assert_eq!(heard.body["value"], stand.made.value);
    assert_eq!(heard.body.as_object().unwrap().len(), 10, "{heard:?}");
}

#[tokio::test]
async fn only_who_can_prove_to_be_the_service_is_told() {
    for (certificate, why) in [
        ("self", "no authority that this machine trusts"),
        ("over", "has expired"),
        ("name", "is for another name"),
    ] {
        let stand = Made::with(certificate).await.stand();
        let case = Case::on(&stand).await;
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert!(failure.message.contains(why), "{certificate}: {failure}");
        assert!(stand.book().heard.is_empty());
    }
}

fn url_at(port: u16) -> String {
    format!("https://localhost:{port}/doors?of=hall")
}
