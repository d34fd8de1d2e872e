//! The calls that are made to a cluster, and what its answers mean.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::Kubernetes;
use super::binding::{Binding, GROUP, INSTALLATION, OBJECT, Place};
use crate::egress::{Answer, Client, Limits};
use crate::secret::read_private;
use crate::targets::Failure;

const LIMITS: Limits = Limits {
    whole: Duration::from_secs(4),
    // A page of bindings, however much others write on them.
    answer: 8 * 1024 * 1024,
};
/// Bindings on one page.
const PAGE: &str = "500";

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    Done,
    /// Somebody was faster: what it was worked out from is not so any more.
    Outdated,
}

#[derive(Debug, Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    items: Vec<Binding>,
}

#[derive(Debug, Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

impl Kubernetes {
    /// The bindings of ours, or those of one object, wherever they are.
    pub(super) async fn bindings(&self, object: Option<&str>) -> Result<Vec<Binding>, Failure> {
        let mut found = self.list("rolebindings", object).await?.unwrap_or_default();
        match self.list("clusterrolebindings", object).await? {
            Some(more) => found.extend(more),
            // Whoever binds nothing in the whole cluster needs no right to look there.
            None if self
                .roles
                .values()
                .all(|role| role.place() != Place::Cluster) => {}
            None => return Err(self.no("may not list clusterrolebindings")),
        }
        Ok(found)
    }

    /// All pages of one kind; `None` where we may not look.
    async fn list(
        &self,
        resource: &str,
        object: Option<&str>,
    ) -> Result<Option<Vec<Binding>>, Failure> {
        let mut selector = format!("{INSTALLATION}={}", self.installation);
        if let Some(object) = object {
            selector = format!("{selector},{OBJECT}={object}");
        }
        let mut all = Vec::new();
        let mut next = String::new();
        loop {
            let mut url = self.url(&[resource]);
            url.query_pairs_mut()
                .append_pair("labelSelector", &selector)
                .append_pair("limit", PAGE);
            if !next.is_empty() {
                url.query_pairs_mut().append_pair("continue", &next);
            }
            let answer = self.call(Method::GET, url, None).await?;
            if answer.status == StatusCode::FORBIDDEN && resource == "clusterrolebindings" {
                return Ok(None);
            }
            if answer.status != StatusCode::OK {
                return Err(self.refused(&answer));
            }
            let list: List = serde_json::from_slice(&answer.body).map_err(|_| {
                Failure::passing(format!(
                    "`{}` gave an answer that makes no sense",
                    self.place()
                ))
            })?;
            all.extend(list.items);
            next = list.metadata.next;
            if next.is_empty() {
                return Ok(Some(all));
            }
        }
    }

    pub(super) async fn create(&self, binding: &Binding) -> Result<Wrote, Failure> {
        let url = self.url_of(&binding.place(), None);
        self.write(Method::POST, url, &binding.body()).await
    }

    pub(super) async fn replace(&self, binding: &Binding) -> Result<Wrote, Failure> {
        let url = self.url_of(&binding.place(), Some(binding.name()));
        self.write(Method::PUT, url, &binding.body()).await
    }

    /// Removes exactly what was seen.
    pub(super) async fn remove(&self, binding: &Binding) -> Result<Wrote, Failure> {
        let url = self.url_of(&binding.place(), Some(binding.name()));
        self.write(Method::DELETE, url, &binding.preconditions())
            .await
    }

    async fn write(&self, method: Method, url: Url, body: &Value) -> Result<Wrote, Failure> {
        let creates = method == Method::POST;
        let answer = self.call(method, url, Some(body)).await?;
        match answer.status {
            status if status.is_success() => Ok(Wrote::Done),
            StatusCode::CONFLICT => Ok(Wrote::Outdated),
            // A binding that is gone; when one is made, it is the namespace.
            StatusCode::NOT_FOUND if !creates => Ok(Wrote::Outdated),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        // Read each time: a token of a service account is replaced now and then.
        let token = read_private(&self.settings.token_file)
            .map_err(|error| Failure::passing(format!("{error:#}")))?;
        let header = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()));
        let mut header = header.map_err(|_| {
            Failure::permanent(format!(
                "`{}` has letters that no token has",
                self.settings.token_file.display()
            ))
        })?;
        header.set_sensitive(true);
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, header);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        self.client()?.send(request).await.map_err(|fault| Failure {
            permanent: fault.stays(),
            ..Failure::passing(fault.to_string())
        })
    }

    fn client(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let ca = Some(self.settings.ca_file.as_path());
        let made = Client::to(&self.server, &self.settings.reach(), ca, LIMITS)
            .map_err(|error| Failure::passing(format!("{error:#}")))?;
        Ok(self.client.get_or_init(|| made))
    }

    fn url_of(&self, place: &Place, name: Option<&str>) -> Url {
        let mut parts = match place {
            Place::Namespace(namespace) => vec!["namespaces", namespace, "rolebindings"],
            Place::Cluster => vec!["clusterrolebindings"],
        };
        parts.extend(name);
        self.url(&parts)
    }

    /// An address below the server's. Each part stays one part, whatever letters it has.
    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["apis", GROUP, "v1"])
                .extend(parts);
        }
        url
    }

    fn place(&self) -> &str {
        self.server.host_str().unwrap_or_default()
    }

    fn no(&self, why: &str) -> Failure {
        Failure::permanent(format!("`{}` refused: Portcullis {why}", self.place()))
    }

    /// The cluster has answered, and the answer is no.
    fn refused(&self, answer: &Answer) -> Failure {
        let status: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let message = status
            .as_ref()
            .and_then(|status| status.get("message")?.as_str())
            .unwrap_or("it does not say why");
        let place = self.place();
        match answer.status {
            // A token that is over is replaced by somebody.
            StatusCode::UNAUTHORIZED => Failure::passing(format!(
                "`{place}` does not accept the token in `{}`",
                self.settings.token_file.display()
            )),
            StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNPROCESSABLE_ENTITY => {
                Failure::permanent(format!("`{place}` refused: {message}"))
            }
            code => Failure::passing(format!(
                "`{place}` answered with {}: {message}",
                code.as_u16()
            ))
            .not_before(answer.retry_after()),
        }
    }
}
