//! What lists can be asked for.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::wire::export::Format;

/// Pairs of a URL's query.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// Which requests; the default is the newest ones that the caller may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestsQuery {
    /// Any of these states; empty for all.
    pub states: Vec<String>,
    pub mine: bool,
    pub target: Option<String>,
    /// A filter.
    pub q: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    pub limit: Option<u32>,
}

/// Which grants; the default is the newest ones that the caller may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantsQuery {
    /// Any of these states; empty for all.
    pub states: Vec<String>,
    pub mine: bool,
    pub target: Option<String>,
    /// A filter.
    pub q: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    pub limit: Option<u32>,
}

/// Which audit events; all that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    pub actor: Option<String>,
    /// Codes (`grant.revoked`) or families of them (`grant.*`); empty for all.
    pub events: Vec<String>,
    pub target: Option<String>,
    pub request: Option<String>,
    pub grant: Option<String>,
    pub outcome: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Words that the event's texts must hold.
    pub text: Option<String>,
    /// A filter.
    pub q: Option<String>,
    /// The oldest come first, and `after` means what is newer.
    pub oldest_first: bool,
    /// The `next` of the page before.
    pub after: Option<String>,
    pub limit: Option<u32>,
}

/// A piece of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportQuery {
    pub format: Format,
    /// Which events; its place and its order are not asked for.
    pub which: AuditQuery,
    /// The `next` of the piece before.
    pub after: Option<String>,
    /// The `to` of the first piece.
    pub to: Option<i64>,
    /// The `export` of the first piece.
    pub export: Option<String>,
}

impl ExportQuery {
    pub(super) fn pairs(&self) -> Pairs {
        let which = AuditQuery {
            oldest_first: false,
            after: self.after.clone(),
            limit: None,
            ..self.which.clone()
        };
        let mut pairs = which.pairs();
        push(&mut pairs, "format", Some(self.format.as_str().to_owned()));
        push(&mut pairs, "to", self.to.map(|to| to.to_string()));
        push(&mut pairs, "export", self.export.clone());
        pairs
    }
}

/// Which audit events are counted over time, and how finely.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramQuery {
    /// A filter.
    pub q: Option<String>,
    /// From the oldest event on, unless it says otherwise.
    pub since: Option<DateTime<Utc>>,
    /// Until now, unless it says otherwise.
    pub until: Option<DateTime<Utc>>,
    pub buckets: Option<u32>,
}

impl HistogramQuery {
    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::new();
        push(&mut pairs, "q", self.q.clone());
        push(&mut pairs, "since", self.since.map(moment));
        push(&mut pairs, "until", self.until.map(moment));
        let buckets = self.buckets.map(|buckets| buckets.to_string());
        push(&mut pairs, "buckets", buckets);
        pairs
    }
}

impl RequestsQuery {
    pub(super) fn pairs(&self) -> Pairs {
        list_pairs(
            &self.states,
            self.mine,
            self.target.as_ref(),
            self.q.as_ref(),
            self.after.as_ref(),
            self.limit,
        )
    }
}

impl GrantsQuery {
    pub(super) fn pairs(&self) -> Pairs {
        list_pairs(
            &self.states,
            self.mine,
            self.target.as_ref(),
            self.q.as_ref(),
            self.after.as_ref(),
            self.limit,
        )
    }
}

impl AuditQuery {
    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::new();
        push(&mut pairs, "actor", self.actor.clone());
        push(&mut pairs, "event", joined(&self.events));
        push(&mut pairs, "target", self.target.clone());
        push(&mut pairs, "request", self.request.clone());
        push(&mut pairs, "grant", self.grant.clone());
        push(&mut pairs, "outcome", self.outcome.clone());
        push(&mut pairs, "since", self.since.map(moment));
        push(&mut pairs, "until", self.until.map(moment));
        push(&mut pairs, "text", self.text.clone());
        push(&mut pairs, "q", self.q.clone());
        let order = self.oldest_first.then(|| "oldest".to_owned());
        push(&mut pairs, "order", order);
        push(&mut pairs, "after", self.after.clone());
        push(
            &mut pairs,
            "limit",
            self.limit.map(|limit| limit.to_string()),
        );
        pairs
    }
}

fn list_pairs(
    states: &[String],
    mine: bool,
    target: Option<&String>,
    q: Option<&String>,
    after: Option<&String>,
    limit: Option<u32>,
) -> Pairs {
    let mut pairs = Pairs::new();
    push(&mut pairs, "state", joined(states));
    push(&mut pairs, "mine", mine.then(|| "true".to_owned()));
    push(&mut pairs, "target", target.cloned());
    push(&mut pairs, "q", q.cloned());
    push(&mut pairs, "after", after.cloned());
    push(&mut pairs, "limit", limit.map(|limit| limit.to_string()));
    pairs
}

fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn joined(parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(","))
}

fn push(pairs: &mut Pairs, name: &'static str, value: Option<String>) {
    pairs.extend(value.map(|value| (name, value)));
}
