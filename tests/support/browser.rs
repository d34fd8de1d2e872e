//! A person's browser: headless Chromium, told what to do over two pipes in its own protocol (CDP).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use super::process::{Server, folder};

const PATIENCE: Duration = Duration::from_secs(40);

/// One tab of a running browser. The browser ends with it.
pub(crate) struct Browser {
    _process: Server,
    say: File,
    hear: BufReader<File>,
    calls: u64,
    tab: String,
    /// The authenticator that is built into it, if one is.
    authenticator: Value,
}

/// A pipe with a name, which opens when both ends do.
pub(crate) fn pipe(place: PathBuf) -> PathBuf {
    let made = Command::new("mkfifo").arg(&place).status().unwrap();
    assert!(made.success());
    place
}

impl Browser {
    /// Starts a browser with an empty tab and nobody's cookies.
    pub(crate) fn start() -> Self {
        let home = folder("portcullis-browser-", None);
        let (to, from) = (pipe(home.join("to")), pipe(home.join("from")));
        let log = home.join("log");
        let script = "to=$1 from=$2 home=$3; exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
            --no-first-run --disable-extensions --disable-background-networking --user-data-dir=\"$home/profile\" \
            --window-size=900,700 --remote-debugging-pipe about:blank 3<\"$to\" 4>\"$from\"";
        let texts = [&to, &from, &home].map(|path| path.to_str().unwrap());
        let command = ["sh", "-c", script, "browser", texts[0], texts[1], texts[2]];
        let process = Server::start(&home, &log, "KILL", None, &command);
        let say = File::options().write(true).open(&to).unwrap();
        let hear = BufReader::new(File::open(&from).unwrap());
        let mut browser = Self {
            _process: process,
            say,
            hear,
            calls: 0,
            tab: String::new(),
            authenticator: Value::Null,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        session["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.tab);
        browser
    }

    fn call(&mut self, method: &str, params: impl Into<Value>) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": params.into()});
        if !self.tab.is_empty() {
            call["sessionId"] = json!(self.tab);
        }
        self.say.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.hear.read_until(0, &mut bytes).unwrap();
            assert!(!bytes.is_empty(), "the browser ended during {method}");
            bytes.pop();
            let heard: Value = serde_json::from_slice(&bytes).unwrap();
            // Everything else is an event, or late.
            if heard["id"] == self.calls {
                return heard["result"].clone();
            }
        }
    }

    /// Goes to an address.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression in the page; null where it has none yet.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let evaluate = json!({"expression": expression, "returnByValue": true});
        self.call("Runtime.evaluate", evaluate)["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            assert!(
                began.elapsed() < PATIENCE,
                "{expression} never became true at {}: {}",
                self.value("location.href"),
                self.value("document.documentElement.outerHTML")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text of an element, once it is there.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let element = format!("document.querySelector('{selector}')");
        self.wait_for(&element);
        let text = self.value(&format!("{element}.innerText"));
        text.as_str().unwrap().to_owned()
    }

    /// Types into the field with the focus, as a keyboard does.
    pub(crate) fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Clicks an element, once it is there.
    pub(crate) fn click(&mut self, selector: &str) {
        let element = format!("document.querySelector('{selector}')");
        self.wait_for(&element);
        self.value(&format!("{element}.click()"));
    }

    /// Builds an authenticator in, with a person before it whom it knows, or does not.
    pub(crate) fn authenticator(&mut self, knows: bool) {
        self.call("WebAuthn.enable", json!({}));
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": knows, "automaticPresenceSimulation": true,
        });
        let made = self.call(
            "WebAuthn.addVirtualAuthenticator",
            json!({"options": options}),
        );
        self.authenticator = made["authenticatorId"].clone();
        assert!(self.authenticator.is_string());
    }

    /// From now on the authenticator knows the person before it, or does not.
    pub(crate) fn verifies(&mut self, knows: bool) {
        let told = json!({"authenticatorId": self.authenticator, "isUserVerified": knows});
        self.call("WebAuthn.setUserVerified", told);
    }

    /// Shows pages as somebody sees them who prefers `dark` or `light`.
    pub(crate) fn prefers(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// A picture of the page, for people.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = shot["data"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(data)
            .unwrap()
    }
}
