//! What people want of notices: everybody sees and chooses for themselves, and for nobody else.

use std::collections::BTreeSet;

use crate::config::notices::{Channel, Way};
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::notice::{Kind, Wishes, check_address};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened};

use super::{Reader, email};

/// What somebody wants, and what there is.
#[derive(Debug, Clone)]
pub struct SeenWishes {
    pub wishes: Wishes,
    /// The channels that go to each person, each with where it goes for this one.
    pub personal: Vec<(String, String)>,
    /// The channels where everybody reads the same.
    pub rooms: Vec<String>,
}

fn person(who: &Principal) -> Result<(), Refusal> {
    if who.service.is_some() {
        return Err(Refusal::NotAllowed {
            action: "choose notices",
            needs: "a person",
        });
    }
    Ok(())
}

fn bad(field: &str, why: String) -> Refusal {
    Refusal::BadInput {
        field: field.to_owned(),
        why,
    }
}

fn check(wishes: &Wishes, channels: &[Channel]) -> Result<(), Refusal> {
    let mail = channels.iter().filter_map(|channel| match &channel.to {
        Way::Email(smtp) => Some((channel, smtp)),
        Way::Slack { .. } | Way::Webhook { .. } => None,
    });
    if let Some(address) = &wishes.address {
        check_address(address).map_err(|error| bad("address", error.to_string()))?;
        let lower = address.to_ascii_lowercase();
        let within = |domain: &str| lower.ends_with(&format!("@{domain}"));
        if !mail.clone().any(|(_, smtp)| within(&smtp.domain)) {
            let domains: BTreeSet<&str> = mail.map(|(_, smtp)| smtp.domain.as_str()).collect();
            let domains: Vec<&str> = domains.into_iter().collect();
            let why = if domains.is_empty() {
                "no mail goes out from here".to_owned()
            } else {
                format!("mail goes to `{}` only", domains.join("` and `"))
            };
            return Err(bad("address", why));
        }
    }
    for name in wishes.channels.iter().flatten() {
        let known = |(channel, _): (&Channel, _)| channel.name == *name;
        if !mail.clone().any(known) {
            let why = "there is no such channel that goes to single people".to_owned();
            return Err(bad("channels", why));
        }
    }
    if let Some(kind) = wishes.off.iter().find(|kind| kind.is_urgent()) {
        let why = format!("`{kind}` cannot be turned off: somebody has to know at once");
        return Err(bad("off", why));
    }
    Ok(())
}

impl Gate {
    /// What the caller wants of notices.
    pub async fn wishes(&self, caller: &Caller) -> Result<SeenWishes, Error> {
        person(&caller.principal)?;
        let (mut tx, _) = self.look().await?;
        let wishes = tx.wishes(&caller.principal.id).await?;
        Ok(self.seen_wishes(&caller.principal, wishes))
    }

    fn seen_wishes(&self, who: &Principal, wishes: Wishes) -> SeenWishes {
        let reader = Reader {
            who: who.clone(),
            wishes,
        };
        let (mut personal, mut rooms) = (Vec::new(), Vec::new());
        for channel in &self.settings.notices.channels {
            match &channel.to {
                Way::Email(smtp) => {
                    personal.push((channel.name.clone(), email::address_of(smtp, &reader)));
                }
                Way::Slack { .. } | Way::Webhook { .. } => rooms.push(channel.name.clone()),
            }
        }
        SeenWishes {
            wishes: reader.wishes,
            personal,
            rooms,
        }
    }

    /// Chooses what the caller gets. What is on its way already still comes.
    pub async fn choose_notices(
        &self,
        caller: &Caller,
        wishes: Wishes,
        once: &OnceKey,
    ) -> Result<SeenWishes, Error> {
        let mut writing = match self.open_if(caller, once, "", person).await? {
            Opened::Before(_) => return self.wishes(caller).await,
            Opened::Now(writing) => writing,
        };
        check(&wishes, &self.settings.notices.channels)?;
        let who = writing.who.clone();
        writing
            .tx
            .save_wishes(&who.id, &wishes, writing.now)
            .await?;
        let off: Vec<&str> = wishes.off.iter().copied().map(Kind::as_str).collect();
        let mut event =
            Event::new(EventCode::NoticesChosen, Actor::Principal(who.as_ref())).detail("off", off);
        if let Some(quiet) = &wishes.quiet {
            event = event.detail("quiet", quiet.to_string());
        }
        if let Some(channels) = &wishes.channels {
            let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
            event = event.detail("channels", channels);
        }
        let change = vec![Step::new(Record::Nothing, event)];
        self.finish(writing, &change).await?;
        Ok(self.seen_wishes(&who, wishes))
    }
}
