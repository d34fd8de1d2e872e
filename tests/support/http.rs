//! Calls as they look on the wire, for tests about what our own client would never send.

use portcullis::client::{Client, ServerUrl, http};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::world::key;

/// Somebody with a token, or nobody.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    base: String,
    client: reqwest::Client,
    pub(crate) token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The stable code of a problem, with its status.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        let status = self.status.as_u16();
        assert!(status >= 400, "{status} is no problem: {}", self.text);
        let kind = self
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        assert_eq!(
            kind,
            Some("application/problem+json"),
            "{status}: {}",
            self.text
        );
        let body = self.json();
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:portcullis:problem:{code}"));
        assert_eq!(
            self.headers["portcullis-trace"],
            body["instance"].as_str().unwrap()
        );
        (status, code)
    }

    /// One text of the body.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        let body = self.json();
        let found = body[name].as_str();
        found
            .unwrap_or_else(|| panic!("no `{name}` in {} {}", self.status, self.text))
            .to_owned()
    }
}

/// One call, before it is sent.
pub(crate) struct Call {
    builder: reqwest::RequestBuilder,
}

impl Http {
    /// Nobody, at this address.
    pub(crate) fn nobody(base: &str) -> Self {
        let server: ServerUrl = base.parse().unwrap();
        Self {
            base: base.to_owned(),
            client: http(&server).unwrap(),
            token: None,
        }
    }

    /// The same person as a client of ours.
    pub(crate) fn of(base: &str, client: &Client) -> Self {
        let token = client.session().tokens().unwrap().access_token;
        Self::nobody(base).with(&token)
    }

    /// Whoever has this token.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// A call with the token and nothing else.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let mut builder = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        Call { builder }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    /// A complete mutation: fresh key, and the version where there is one.
    pub(crate) async fn post(&self, path: &str, version: Option<i64>, body: Value) -> Answer {
        let call = self
            .call(Method::POST, path)
            .key(key().as_str())
            .json(&body);
        let call = match version {
            Some(version) => call.version(version),
            None => call,
        };
        call.send().await
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.builder = self
            .builder
            .header(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn version(self, version: i64) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
            .header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.builder = self.builder.body(body);
        self
    }

    pub(crate) async fn open(self) -> reqwest::Response {
        self.builder.send().await.unwrap()
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.open().await;
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}
