//! An event of the audit.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::event::{Actor, Event};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorView {
    /// `principal`, `system` or `anonymous`.
    pub kind: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
}

/// One audit event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// The dense index: 0, 1, 2, … without a gap.
    pub index: i64,
    pub id: String,
    pub time: DateTime<Utc>,
    /// The stable code, for example `grant.revoked`.
    pub event: String,
    /// `success`, `denied` or `error`.
    pub outcome: String,
    pub actor: ActorView,
    /// Whose access it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The call that caused it: events of one call share it, and so do the steps that follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trace: Option<String>,
    /// `tui`, `cli`, `api` or `system`.
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub address: Option<String>,
    /// The tags of the target, while it is in the catalogue.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// One sentence for people.
    pub sentence: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub details: Map<String, Value>,
}

/// What an event has besides what the rule said that made it happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub index: i64,
    pub id: String,
    pub time: DateTime<Utc>,
    pub trace: Option<String>,
    pub channel: String,
    pub address: Option<String>,
}

impl EventView {
    /// An event as it is shown, with the tags that its target has now.
    pub fn of(event: &Event, recorded: Recorded, tags: BTreeMap<String, String>) -> Self {
        let (kind, id) = match &event.actor {
            Actor::Principal(who) => ("principal", Some(who.id.to_string())),
            Actor::System => ("system", None),
            Actor::Anonymous => ("anonymous", None),
        };
        Self {
            index: recorded.index,
            id: recorded.id,
            time: recorded.time,
            event: event.code.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            actor: ActorView {
                kind: kind.to_owned(),
                name: event.actor.name().to_owned(),
                id,
            },
            principal: event.principal.as_ref().map(ToString::to_string),
            target: event.target.as_ref().map(ToString::to_string),
            role: event.role.as_ref().map(ToString::to_string),
            request: event.request.as_ref().map(ToString::to_string),
            grant: event.grant.as_ref().map(ToString::to_string),
            reason: event.reason.clone(),
            trace: recorded.trace,
            channel: recorded.channel,
            address: recorded.address,
            tags,
            sentence: event.sentence(),
            details: event.details.clone(),
        }
    }
}
