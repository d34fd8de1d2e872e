//! Erasing what people typed and where they were, because law or the person wants it.

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::PrincipalName;
use crate::domain::permit::Action;
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::domain::second_factor::Guarded;

use super::{Caller, Error, Gate, OnceKey, Opened};

/// Whose texts are erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erase {
    /// Of everything that a person did, and that is about them.
    Person(PrincipalName),
    /// Of one event, and of those about the same that repeat it.
    Event(i64),
}

impl Gate {
    /// Erases texts and answers how many events lost any. The event about it says whose or which, and never what.
    pub async fn erase(
        &self,
        caller: &Caller,
        what: &Erase,
        reason: &str,
        once: &OnceKey,
    ) -> Result<u64, Error> {
        let opened = self.open(caller, once, "", Action::ManageHistory).await?;
        let mut writing = match opened {
            Opened::Before(count) => return Ok(count.parse().unwrap_or_default()),
            Opened::Now(writing) => writing,
        };
        writing.guard(Guarded::EraseHistory);
        let reason = check_reason(reason)?;
        let by = Actor::Principal(writing.who.as_ref());
        let mut event = Event::new(EventCode::HistoryErased, by);
        let erased = match what {
            Erase::Person(name) => {
                event.principal = Some(name.clone());
                writing.tx.erase_person(name).await?
            }
            Erase::Event(index) => {
                let missing = || Refusal::NotFound {
                    what: "event",
                    name: index.to_string(),
                };
                let entry = writing.tx.events_from(*index, 1).await?.pop();
                let entry = entry.filter(|entry| entry.index == *index);
                let entry = entry.ok_or_else(missing)?;
                let text = entry.event.reason.as_deref().unwrap_or_default();
                if !text.is_empty() && reason.contains(text) {
                    return Err(Refusal::BadInput {
                        field: "reason".to_owned(),
                        why: "it repeats what is to be erased".to_owned(),
                    }
                    .into());
                }
                event = event.detail("index", *index);
                event.request.clone_from(&entry.event.request);
                event.grant.clone_from(&entry.event.grant);
                writing.tx.erase_event(&entry).await?
            }
        };
        let event = event.reason(Some(reason)).detail("events", erased);
        let (who, key) = (writing.who.id.clone(), writing.once.key.clone());
        writing.tx.settle(&who, &key, &erased.to_string()).await?;
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok(erased)
    }
}
