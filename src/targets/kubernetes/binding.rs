//! A binding as the cluster has it, and what we write on it: which grant it is of, and how far that has come.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Only this group's bindings are ours to change.
pub(super) const GROUP: &str = "rbac.authorization.k8s.io";
/// Names below `.internal` belong to nobody on the internet.
pub(super) const INSTALLATION: &str = "portcullis.internal/installation";
pub(super) const OBJECT: &str = "portcullis.internal/object";
const STATE: &str = "portcullis.internal/state";
const EPOCH: &str = "portcullis.internal/epoch";
const ENDS_AT: &str = "portcullis.internal/ends-at";
const SUBJECT: &str = "portcullis.internal/subject";
const OVER: &str = "over";

/// Where a binding holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Namespace(String),
    Cluster,
}

impl Place {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Namespace(_) => "RoleBinding",
            Self::Cluster => "ClusterRoleBinding",
        }
    }

    pub(super) fn shown(&self, name: &str) -> String {
        match self {
            Self::Namespace(namespace) => format!("RoleBinding `{namespace}/{name}`"),
            Self::Cluster => format!("ClusterRoleBinding `{name}`"),
        }
    }
}

/// The role that is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleRef {
    pub(super) api_group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

impl RoleRef {
    pub(super) fn shown(&self) -> String {
        format!("{} `{}`", self.kind, self.name)
    }
}

/// Who it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subject {
    #[serde(default)]
    pub(super) api_group: String,
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
}

impl Subject {
    pub(super) fn shown(&self) -> String {
        format!("{} `{}`", self.kind, self.name.escape_debug())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default)]
    labels: Map<String, Value>,
    #[serde(default)]
    annotations: Map<String, Value>,
    /// What others keep there, such as owners and finalizers, stays.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// One binding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binding {
    metadata: Metadata,
    role_ref: RoleRef,
    #[serde(default)]
    subjects: Vec<Subject>,
}

impl Binding {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    pub(super) fn place(&self) -> Place {
        match &self.metadata.namespace {
            Some(namespace) => Place::Namespace(namespace.clone()),
            None => Place::Cluster,
        }
    }

    pub(super) fn shown(&self) -> String {
        self.place().shown(self.name())
    }

    pub(super) fn subjects(&self) -> Vec<String> {
        self.subjects.iter().map(Subject::shown).collect()
    }

    /// Whether anybody has the role by it.
    pub(super) fn gives(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// Whether its grant has ended.
    pub(super) fn is_over(&self) -> bool {
        self.metadata.labels.get(STATE).and_then(Value::as_str) == Some(OVER)
    }

    /// The newest change that it knows. Where somebody has wiped that, it knows none.
    pub(super) fn epoch(&self) -> i64 {
        let epoch = self.annotation(EPOCH).and_then(|text| text.parse().ok());
        epoch.unwrap_or(0)
    }

    /// Grows with each change in the cluster.
    pub(super) fn version(&self) -> u64 {
        let version = self.metadata.resource_version.as_deref();
        version.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.get(name)?.as_str()
    }

    /// The same binding without anybody, which says that its grant has ended.
    pub(super) fn over(mut self, epoch: i64) -> Self {
        let Metadata {
            labels,
            annotations,
            ..
        } = &mut self.metadata;
        labels.insert(STATE.to_owned(), OVER.into());
        annotations.insert(EPOCH.to_owned(), epoch.to_string().into());
        self.subjects.clear();
        self
    }

    /// What somebody else has changed on a binding of a live grant.
    pub(super) fn drift(&self) -> Vec<String> {
        let shown = self.shown();
        let mut drift = Vec::new();
        let given = self.annotation(SUBJECT).unwrap_or_default();
        let names = |subject: &&Subject| subject.shown() == given;
        if !self.subjects.iter().any(|subject| names(&subject)) {
            drift.push(format!("{shown} does not name {given} any more"));
        }
        for other in self.subjects.iter().filter(|subject| !names(subject)) {
            drift.push(format!("{shown} names {}, too", other.shown()));
        }
        drift
    }

    /// As it is written: with its version, where it has one, which is what refuses a change that comes late.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "apiVersion": format!("{GROUP}/v1"),
            "kind": self.place().kind(),
        });
        if let (Some(body), Ok(Value::Object(own))) =
            (body.as_object_mut(), serde_json::to_value(self))
        {
            body.extend(own);
        }
        body
    }

    /// What has to hold when it is removed.
    pub(super) fn preconditions(&self) -> Value {
        let Metadata {
            uid,
            resource_version,
            ..
        } = &self.metadata;
        json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        })
    }
}

/// The binding that a grant should have.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) object: String,
    pub(super) installation: String,
    pub(super) place: Place,
    pub(super) role: RoleRef,
    pub(super) subject: Subject,
    pub(super) epoch: i64,
    pub(super) ends_at: DateTime<Utc>,
}

impl Wanted {
    /// Whether a binding can become the one that is wanted.
    pub(super) fn fits(&self, binding: &Binding) -> bool {
        binding.place() == self.place && binding.role_ref == self.role
    }

    /// Whether it is the one.
    pub(super) fn is(&self, binding: &Binding) -> bool {
        let right = self.annotations();
        self.fits(binding)
            && binding.subjects == [self.subject.clone()]
            && right
                .iter()
                .all(|(name, value)| binding.annotation(name) == value.as_str())
    }

    /// The binding before the cluster has one.
    pub(super) fn first(&self) -> Binding {
        let namespace = match &self.place {
            Place::Namespace(namespace) => Some(namespace.clone()),
            Place::Cluster => None,
        };
        let labels = [
            ("app.kubernetes.io/managed-by", "portcullis"),
            (INSTALLATION, self.installation.as_str()),
            (OBJECT, self.object.as_str()),
            (STATE, "live"),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Binding {
            metadata: Metadata {
                name: self.object.clone(),
                namespace,
                uid: None,
                resource_version: None,
                labels: labels.into_iter().collect(),
                annotations: self.annotations(),
                other: Map::new(),
            },
            role_ref: self.role.clone(),
            subjects: vec![self.subject.clone()],
        }
    }

    /// A binding of the cluster as it should be.
    pub(super) fn again(&self, binding: &Binding) -> Binding {
        let mut binding = binding.clone();
        binding.metadata.annotations.extend(self.annotations());
        binding.subjects = vec![self.subject.clone()];
        binding
    }

    fn annotations(&self) -> Map<String, Value> {
        let ends_at = self.ends_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let all = [
            (EPOCH, self.epoch.to_string()),
            (ENDS_AT, ends_at),
            (SUBJECT, self.subject.shown()),
        ];
        let all = all.map(|(name, value)| (name.to_owned(), value.into()));
        all.into_iter().collect()
    }
}
