//! A FAKE of the API of Kubernetes, not a real one: bindings alone, with the rules and the words of the API reference.
//!
//! No registry offers an API server that runs here. What is said to it and what it says is held against the schema that
//! Kubernetes publishes, by the types that `k8s-openapi` makes from that: a field that it does not know is refused, as by
//! `fieldValidation=Strict`. What the API does was written down from its reference (`rbac.authorization.k8s.io/v1`): names and
//! labels are validated, `roleRef` never changes, `resourceVersion` and `uid` are preconditions, nobody binds what they may not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use k8s_openapi::List;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::https::Site;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Where a binding is: its namespace, if it has one, and its name.
type Key = (Option<String>, String);

/// An answer that is given whatever was asked: a status, and how long to wait.
type Said = (u16, Option<&'static str>);

#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) token: String,
    pub(crate) namespaces: BTreeSet<String>,
    /// What our account may bind, as `ClusterRole/view`.
    pub(crate) bindable: BTreeSet<String>,
    /// Whether our account may see and change what holds in the whole cluster.
    pub(crate) everywhere: bool,
    pub(crate) bindings: BTreeMap<Key, Value>,
    /// So many things are on one page, whatever was asked for.
    pub(crate) page: usize,
    pub(crate) next: VecDeque<Said>,
    /// Method, path and query of every call.
    pub(crate) heard: Vec<String>,
    version: u64,
}

/// A running one.
pub(crate) struct FakeKubernetes {
    cluster: Arc<Mutex<Cluster>>,
    pub(crate) site: Site,
}

/// What is asked for.
struct Asked {
    method: String,
    namespace: Option<String>,
    resource: String,
    name: Option<String>,
    query: BTreeMap<String, String>,
    body: Value,
}

type Answer = (u16, Value);

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    (code, body)
}

impl FakeKubernetes {
    pub(crate) async fn start(tls: Arc<rustls::ServerConfig>) -> Self {
        let cluster = Cluster {
            token: "token-of-portcullis".to_owned(),
            namespaces: BTreeSet::from(["shop".to_owned(), "stock".to_owned()]),
            bindable: BTreeSet::from(["ClusterRole/view".to_owned(), "Role/deployer".to_owned()]),
            everywhere: true,
            page: 500,
            ..Cluster::default()
        };
        let cluster = Arc::new(Mutex::new(cluster));
        let router = Router::new()
            .fallback(hear)
            .with_state(Arc::clone(&cluster));
        Self {
            site: Site::serve(router, Some(tls)).await,
            cluster,
        }
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }
}

impl Cluster {
    /// Every name that some binding gives a role to, with the role.
    pub(crate) fn given(&self) -> Vec<String> {
        let all = self.bindings.iter().flat_map(|((namespace, _), binding)| {
            let place = namespace.as_deref().unwrap_or("*");
            let role = binding["roleRef"]["name"].as_str().unwrap();
            let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
            subjects.into_iter().map(move |subject| {
                let part = |name| subject[name].as_str().unwrap().to_owned();
                format!("{} {} has {role} in {place}", part("kind"), part("name"))
            })
        });
        all.collect()
    }

    /// Somebody else changes a binding.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        self.version += 1;
        let version = self.version.to_string();
        let found = self.bindings.iter_mut().find(|((_, own), _)| own == name);
        let (_, binding) = found.unwrap();
        change(binding);
        binding["metadata"]["resourceVersion"] = version.into();
    }

    fn answer(&mut self, headers: &HeaderMap, asked: &Asked) -> Answer {
        let token = format!("Bearer {}", self.token);
        if headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            != Some(&token)
        {
            return status(401, "Unauthorized", "Unauthorized");
        }
        let wide = asked.resource == "clusterrolebindings";
        if wide && !self.everywhere {
            let message = "clusterrolebindings.rbac.authorization.k8s.io is forbidden: User \"system:serviceaccount:portcullis:portcullis\" cannot list resource";
            return status(403, "Forbidden", message);
        }
        match (asked.method.as_str(), &asked.name) {
            ("GET", None) => self.list(asked, wide),
            ("POST", None) => self.create(asked, wide),
            ("PUT", Some(name)) => self.replace(asked, name, wide),
            ("DELETE", Some(name)) => self.delete(asked, name),
            _ => status(
                405,
                "MethodNotAllowed",
                "the server does not allow this method",
            ),
        }
    }

    fn list(&self, asked: &Asked, wide: bool) -> Answer {
        let wanted: Vec<(&str, &str)> = asked.query["labelSelector"]
            .split(',')
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        let fits = |(namespace, _): &Key, binding: &Value| {
            namespace.is_none() == wide
                && (asked.namespace.is_none() || *namespace == asked.namespace)
                && wanted
                    .iter()
                    .all(|(name, value)| binding["metadata"]["labels"][*name] == **value)
        };
        let all: Vec<&Value> = self
            .bindings
            .iter()
            .filter(|(key, binding)| fits(key, binding))
            .map(|(_, binding)| binding)
            .collect();
        let from: usize = asked
            .query
            .get("continue")
            .map_or(0, |text| text.parse().unwrap());
        let limit: usize = asked.query["limit"].parse().unwrap();
        let until = (from + limit.min(self.page)).min(all.len());
        let next = (until < all.len()).then(|| until.to_string());
        let kind = if wide {
            "ClusterRoleBindingList"
        } else {
            "RoleBindingList"
        };
        let body = json!({"kind": kind, "apiVersion": format!("{GROUP}/v1"),
            "metadata": {"resourceVersion": self.version.to_string(), "continue": next.unwrap_or_default()},
            "items": all[from..until]});
        (200, body)
    }

    fn create(&mut self, asked: &Asked, wide: bool) -> Answer {
        let name = asked.body["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(namespace) = &asked.namespace
            && !self.namespaces.contains(namespace)
        {
            return status(
                404,
                "NotFound",
                &format!("namespaces \"{namespace}\" not found"),
            );
        }
        if let Err(no) = self.check(asked, wide) {
            return no;
        }
        let key = (asked.namespace.clone(), name.to_owned());
        if self.bindings.contains_key(&key) {
            let message = format!("{}.{GROUP} \"{name}\" already exists", asked.resource);
            return status(409, "AlreadyExists", &message);
        }
        if asked.body["metadata"].get("resourceVersion").is_some() {
            let message = "resourceVersion should not be set on objects to be created";
            return status(400, "BadRequest", message);
        }
        let mut binding = asked.body.clone();
        self.version += 1;
        binding["metadata"]["uid"] = format!("00000000-0000-4000-8000-{:012}", self.version).into();
        binding["metadata"]["creationTimestamp"] = "2026-11-23T22:00:00Z".into();
        self.keep(key, binding, 201)
    }

    fn replace(&mut self, asked: &Asked, name: &str, wide: bool) -> Answer {
        let key = (asked.namespace.clone(), name.to_owned());
        let conflict = |why: &str| {
            let message = format!(
                "Operation cannot be fulfilled on {} \"{name}\": {why}",
                asked.resource
            );
            status(409, "Conflict", &message)
        };
        let meta = &asked.body["metadata"];
        if meta["name"] != name {
            return status(
                400,
                "BadRequest",
                "the name of the object does not match the name on the URL",
            );
        }
        let Some(before) = self.bindings.get(&key).cloned() else {
            // Bindings may be made by a PUT, but not by one that says which one it knew.
            return conflict("Precondition failed: UID in precondition");
        };
        for part in ["uid", "resourceVersion"] {
            if meta
                .get(part)
                .is_some_and(|value| *value != before["metadata"][part])
            {
                return conflict(
                    "the object has been modified; please apply your changes to the latest version and try again",
                );
            }
        }
        if asked.body["roleRef"] != before["roleRef"] {
            return invalid(name, "roleRef: Invalid value: cannot change roleRef");
        }
        if let Err(no) = self.check(asked, wide) {
            return no;
        }
        self.version += 1;
        self.keep(key, asked.body.clone(), 200)
    }

    fn delete(&mut self, asked: &Asked, name: &str) -> Answer {
        let key = (asked.namespace.clone(), name.to_owned());
        let Some(before) = self.bindings.get(&key) else {
            let message = format!("{}.{GROUP} \"{name}\" not found", asked.resource);
            return status(404, "NotFound", &message);
        };
        let wanted = asked.body["preconditions"].as_object().cloned();
        for (part, value) in wanted.unwrap_or_else(Map::new) {
            if before["metadata"][&part] != value {
                return status(409, "Conflict", "Precondition failed");
            }
        }
        self.version += 1;
        self.bindings.remove(&key);
        (
            200,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
        )
    }

    fn keep(&mut self, key: Key, mut binding: Value, code: u16) -> Answer {
        binding["metadata"]["resourceVersion"] = self.version.to_string().into();
        // What is empty is not kept.
        if binding["subjects"].as_array().is_some_and(Vec::is_empty) {
            binding.as_object_mut().unwrap().remove("subjects");
        }
        self.bindings.insert(key, binding.clone());
        (code, binding)
    }

    /// What the API validates in a binding, and whether our account may bind the role.
    fn check(&self, asked: &Asked, wide: bool) -> Result<(), Answer> {
        let body = &asked.body;
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let no = |why: &str| Err(invalid(name, why));
        let kind = if wide {
            "ClusterRoleBinding"
        } else {
            "RoleBinding"
        };
        if body["kind"] != kind || body["apiVersion"] != format!("{GROUP}/v1") {
            return Err(status(
                400,
                "BadRequest",
                "the object provided is unrecognized",
            ));
        }
        if body["metadata"].get("namespace").and_then(Value::as_str) != asked.namespace.as_deref() {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(status(400, "BadRequest", message));
        }
        if !is_segment(name) {
            return no("metadata.name: Invalid value");
        }
        let labels = body["metadata"]["labels"].as_object();
        for (label, value) in labels.into_iter().flatten() {
            if !is_label_value(value.as_str().unwrap_or("/")) || !is_label_key(label) {
                return no("metadata.labels: Invalid value");
            }
        }
        let annotations = body["metadata"]["annotations"].as_object();
        for (label, value) in annotations.into_iter().flatten() {
            if !value.is_string() || !is_label_key(label) {
                return no("metadata.annotations: Invalid value");
            }
        }
        let role = &body["roleRef"];
        let (role_kind, role_name) = (role["kind"].as_str(), role["name"].as_str());
        let kinds: &[&str] = if wide {
            &["ClusterRole"]
        } else {
            &["ClusterRole", "Role"]
        };
        if role["apiGroup"] != GROUP || !role_kind.is_some_and(|kind| kinds.contains(&kind)) {
            return no("roleRef.kind: Unsupported value");
        }
        if !role_name.is_some_and(is_segment) {
            return no("roleRef.name: Invalid value");
        }
        for subject in body["subjects"].as_array().into_iter().flatten() {
            let known = ["User", "Group"]
                .map(Value::from)
                .contains(&subject["kind"]);
            if !known || subject["apiGroup"] != GROUP {
                return no("subjects[0].apiGroup: Unsupported value");
            }
            if subject["name"].as_str().is_none_or(str::is_empty) {
                return no("subjects[0].name: Required value");
            }
        }
        let bound = format!("{}/{}", role_kind.unwrap(), role_name.unwrap());
        if !self.bindable.contains(&bound) {
            let message = format!(
                "{}.{GROUP} \"{name}\" is forbidden: user \"system:serviceaccount:portcullis:portcullis\" is attempting to grant RBAC permissions not currently held",
                asked.resource
            );
            return Err(status(403, "Forbidden", &message));
        }
        Ok(())
    }
}

/// Says whether a text is of this type of the schema, and has no field that it does not know.
fn is_a<T: DeserializeOwned + Serialize>(value: &Value) -> Result<(), String> {
    let read: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(read).map_err(|error| error.to_string())?;
    has_all(&known, value)
}

fn has_all(known: &Value, said: &Value) -> Result<(), String> {
    match (known, said) {
        (Value::Object(known), Value::Object(said)) => {
            said.iter()
                .try_for_each(|(name, part)| match known.get(name) {
                    Some(known) => has_all(known, part),
                    None => Err(format!("unknown field \"{name}\"")),
                })
        }
        (Value::Array(known), Value::Array(said)) => {
            let mut pairs = known.iter().zip(said);
            pairs.try_for_each(|(known, part)| has_all(known, part))
        }
        (known, said) if known == said => Ok(()),
        (_, said) => Err(format!("unexpected value {said}")),
    }
}

/// Holds what is said against the schema.
fn check_asked(asked: &Asked) -> Result<(), Answer> {
    let wide = asked.resource == "clusterrolebindings";
    let fits = match asked.method.as_str() {
        "POST" | "PUT" if wide => is_a::<ClusterRoleBinding>(&asked.body),
        "POST" | "PUT" => is_a::<RoleBinding>(&asked.body),
        "DELETE" if !asked.body.is_null() => is_a::<DeleteOptions>(&asked.body),
        _ => Ok(()),
    };
    fits.map_err(|why| status(400, "BadRequest", &format!("strict decoding error: {why}")))
}

/// The fake itself says nothing that no API server would.
fn check_answer(body: &Value) {
    let fits = match body["kind"].as_str().unwrap_or_default() {
        "Status" => is_a::<Status>(body),
        "RoleBinding" => is_a::<RoleBinding>(body),
        "RoleBindingList" => is_a::<List<RoleBinding>>(body),
        "ClusterRoleBinding" => is_a::<ClusterRoleBinding>(body),
        "ClusterRoleBindingList" => is_a::<List<ClusterRoleBinding>>(body),
        other => Err(format!("what is a `{other}`?")),
    };
    assert_eq!(fits, Ok(()), "{body}");
}

fn invalid(name: &str, why: &str) -> Answer {
    let message = format!("RoleBinding.{GROUP} \"{name}\" is invalid: {why}");
    status(422, "Invalid", &message)
}

fn is_segment(name: &str) -> bool {
    !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '%'])
}

fn is_label_value(text: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= 63
        && text.bytes().all(letters)
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("a", text));
    let letters =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !name.is_empty() && is_label_value(name) && !prefix.is_empty() && prefix.bytes().all(letters)
}

async fn hear(State(cluster): State<Arc<Mutex<Cluster>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let raw = to_bytes(body, 1 << 20).await.unwrap();
    let mut cluster = cluster.lock().unwrap();
    cluster
        .heard
        .push(format!("{} {}", parts.method, parts.uri));
    let answer = Response::builder().header("content-type", "application/json");
    if let Some((code, wait)) = cluster.next.pop_front() {
        let answer = match wait {
            Some(wait) => answer.header("retry-after", wait),
            None => answer,
        };
        let (_, body) = status(
            code,
            "Scripted",
            "the server is currently unable to handle the request",
        );
        return answer.status(code).body(body.to_string().into()).unwrap();
    }
    let path = parts.uri.path();
    let below: Vec<&str> = path
        .strip_prefix("/apis/rbac.authorization.k8s.io/v1/")
        .map_or_else(Vec::new, |rest| rest.split('/').collect());
    let (namespace, rest) = match below.as_slice() {
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
        rest => (None, rest),
    };
    let address = format!("http://fake{}", parts.uri);
    let query = reqwest::Url::parse(&address).unwrap();
    let query = query.query_pairs().into_owned().collect();
    let asked = match rest {
        [
            resource @ ("rolebindings" | "clusterrolebindings"),
            name @ ..,
        ] if name.len() < 2 => Asked {
            method: parts.method.to_string(),
            namespace,
            resource: (*resource).to_owned(),
            name: name.first().map(|name| (*name).to_owned()),
            query,
            body: serde_json::from_slice(&raw).unwrap_or_default(),
        },
        _ => {
            let (code, body) = status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            );
            return answer.status(code).body(body.to_string().into()).unwrap();
        }
    };
    let (code, body) = match check_asked(&asked) {
        Ok(()) => cluster.answer(&parts.headers, &asked),
        Err(no) => no,
    };
    check_answer(&body);
    answer.status(code).body(body.to_string().into()).unwrap()
}
