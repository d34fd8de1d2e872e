//! Calls as they look on the wire, for tests about what our own client would never send.

use portcullis::client::{Client, ServerUrl, Session, http};
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
    /// Whose device proves the calls; without one the token is sent as a bearer's.
    device: Option<Session>,
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
    method: Method,
    /// Without its query, as a proof names it.
    address: String,
    token: Option<String>,
    device: Option<Session>,
}

impl Http {
    /// Nobody, at this address.
    pub(crate) fn nobody(base: &str) -> Self {
        let server: ServerUrl = base.parse().unwrap();
        Self {
            base: base.to_owned(),
            client: http(&server).unwrap(),
            token: None,
            device: None,
        }
    }

    /// The same person as a client of ours, on the same device.
    pub(crate) fn of(base: &str, client: &Client) -> Self {
        let token = client.session().tokens().unwrap().access_token;
        Self {
            device: Some(client.session().clone()),
            ..Self::nobody(base).with(&token)
        }
    }

    /// Whoever has this token, on the same device if there is one.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// Whoever has copied the token and not the key of the device.
    pub(crate) fn bearer(&self) -> Self {
        Self {
            device: None,
            ..self.clone()
        }
    }

    /// Nobody, on a device of their own.
    pub(crate) fn newcomer(base: &str) -> Self {
        let server: ServerUrl = base.parse().unwrap();
        Self {
            device: Some(Session::in_memory(&server)),
            ..Self::nobody(base)
        }
    }

    /// Nobody, on the device of this client.
    pub(crate) fn device_of(base: &str, client: &Client) -> Self {
        Self {
            device: Some(client.session().clone()),
            ..Self::nobody(base)
        }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A call with the token and nothing else.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let address = format!("{}{path}", self.base);
        Call {
            builder: self.client.request(method.clone(), &address),
            method,
            address: address.split('?').next().unwrap().to_owned(),
            token: self.token.clone(),
            device: self.device.clone(),
        }
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
        let Some(device) = &self.device else {
            let builder = match &self.token {
                Some(token) => self.builder.bearer_auth(token),
                None => self.builder,
            };
            return builder.send().await.unwrap();
        };
        let again = self.builder.try_clone();
        let prove = async |builder: reqwest::RequestBuilder| {
            let token = self.token.as_deref();
            let proof = device
                .prove(self.method.as_str(), &self.address, token)
                .await
                .unwrap();
            let builder = builder.header("dpop", proof);
            match token {
                Some(token) => builder.header("authorization", format!("DPoP {token}")),
                None => builder,
            }
        };
        let reply = prove(self.builder).await.send().await.unwrap();
        match reply.headers().get("portcullis-clock-ahead") {
            Some(ahead) => {
                device.is_ahead(ahead.to_str().unwrap().parse().unwrap());
                prove(again.unwrap()).await.send().await.unwrap()
            }
            None => reply,
        }
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
