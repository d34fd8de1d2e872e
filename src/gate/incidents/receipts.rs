//! How far the end of each item of an incident has come.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, EventCode};
use crate::domain::grant::Grant;
use crate::domain::incident::{Fate, Incident, Item, ItemId};
use crate::gate::Error;
use crate::store::Tx;

/// How far the end of one item has come.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub item: Item,
    /// As it is now; none for a request.
    pub grant: Option<Grant>,
    /// The state now.
    pub state: &'static str,
    /// When authorisation began to say no.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The event with which its target confirmed.
    pub ended: Option<Event>,
}

impl Receipt {
    /// Whether nothing is left to wait for.
    pub fn is_done(&self) -> bool {
        let over = |grant: &Grant| grant.state.is_final();
        self.item.fate != Fate::Revoking || self.grant.as_ref().is_none_or(over)
    }
}

pub(super) async fn receipts(tx: &mut Tx, incident: &Incident) -> Result<Vec<Receipt>, Error> {
    const CODES: [EventCode; 6] = [
        EventCode::GrantClosing,
        EventCode::GrantEnded,
        EventCode::GrantReturned,
        EventCode::GrantRevoked,
        EventCode::GrantActivationFailed,
        EventCode::GrantOverridden,
    ];
    let (mut grants, mut requests, mut of_grants) = (Vec::new(), Vec::new(), Vec::new());
    for item in &incident.items {
        match &item.id {
            ItemId::Grant(id) => {
                grants.push(id.clone());
                of_grants.push(item.id.clone());
            }
            ItemId::Request(id) => requests.push(id.clone()),
        }
    }
    let mut grants = tx.grants_by_id(&grants).await?;
    let states = tx.request_states(&requests).await?;
    let mut events = tx
        .events_about(&of_grants, &CODES, DateTime::UNIX_EPOCH)
        .await?;
    let receipts = incident.items.iter().map(|item| {
        let grant = match &item.id {
            ItemId::Grant(id) => grants.remove(id),
            ItemId::Request(_) => None,
        };
        let state = match &grant {
            Some(grant) => grant.state.as_str(),
            None => states
                .get(item.id.as_str())
                .map_or("gone", |state| state.as_str()),
        };
        let events = events.remove(item.id.as_str()).unwrap_or_default();
        let closing = |(_, event): &&(DateTime<Utc>, Event)| event.code == EventCode::GrantClosing;
        let blocked_at = events.iter().find(closing).map(|(at, _)| *at);
        let last = events.into_iter().next_back().map(|(_, event)| event);
        Receipt {
            item: item.clone(),
            state,
            grant,
            blocked_at,
            ended: last.filter(|event| event.code != EventCode::GrantClosing),
        }
    });
    Ok(receipts.collect())
}
