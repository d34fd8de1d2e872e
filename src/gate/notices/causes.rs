//! From the history to notices: who is told of an event, and of what no event says.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::notices::Channel;
use crate::domain::event::Event;
use crate::domain::grant::{Grant, GrantState, OVERDUE};
use crate::domain::ids::PrincipalId;
use crate::domain::notice::{Happened, Kind, Notice, To, Wanted, Wishes, caused_by, is_told};
use crate::domain::principal::ProductRole;
use crate::domain::request::{Request, RequestState};
use crate::gate::deeds::Reviewed;
use crate::gate::reviewers::able;
use crate::gate::sight::place;
use crate::gate::{Error, Gate, hex};
use crate::secret::hash_of;
use crate::store::Tx;
use crate::store::notices::New;

/// Events that are read at once at most: others wait for the transaction.
const BATCH: i64 = 100;

/// What one transaction has looked up.
struct Desk<'a> {
    tx: Tx,
    now: DateTime<Utc>,
    wishes: BTreeMap<PrincipalId, Wishes>,
    channels: &'a [Channel],
    give_up: TimeDelta,
}

impl Gate {
    /// Notices are about what happens from here on. To be called before the first call is answered.
    pub async fn begin_notices(&self) -> Result<(), Error> {
        if self.settings.notices.channels.is_empty() {
            return Ok(());
        }
        let (mut tx, _) = self.look().await?;
        let begun = tx.notices_cursor().await?.is_some();
        let size = tx.log_size().await?;
        drop(tx);
        if begun {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        tx.begin_notices(size).await?;
        Ok(self.store.commit(tx).await?)
    }

    /// Reads on in the history and writes what it causes. Answers whether there may be more.
    pub async fn read_for_notices(&self) -> Result<bool, Error> {
        let (mut tx, _) = self.look().await?;
        let size = tx.log_size().await?;
        let Some(from) = tx.notices_cursor().await? else {
            drop(tx);
            self.begin_notices().await?;
            return Ok(true);
        };
        // What was pruned is older than any notice.
        let first = from.max(tx.minimum().await?);
        if first >= size {
            return Ok(false);
        }
        let entries = tx.events_from(first, BATCH.min(size - first)).await?;
        drop(tx);
        let Some(next) = entries.last().map(|last| last.index + 1) else {
            return Ok(false);
        };
        let mut desk = self.desk().await?;
        if !desk.tx.move_notices(from, next).await? {
            // Another node was here; what it wrote is written.
            return Ok(true);
        }
        for entry in &entries {
            // Nobody can do anything about what is so long ago: the server did not run.
            if entry.at + desk.give_up > desk.now {
                let cause = format!("event:{}", entry.id);
                self.tell_of(&mut desk, &entry.event, &cause, entry.at)
                    .await?;
            }
        }
        self.store.commit(desk.tx).await?;
        self.told.notify_waiters();
        Ok(next < size)
    }

    async fn desk(&self) -> Result<Desk<'_>, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        Ok(Desk {
            tx,
            now,
            wishes: BTreeMap::new(),
            channels: &self.settings.notices.channels,
            give_up: self.settings.notices.give_up,
        })
    }

    async fn tell_of(
        &self,
        desk: &mut Desk<'_>,
        event: &Event,
        cause: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        for (kind, happened, to) in caused_by(event) {
            let request = match &event.request {
                Some(id) => desk.tx.request(id).await?,
                None => None,
            };
            let decided = |request: &Request| request.state != RequestState::Pending;
            if kind == Kind::Review && request.as_ref().is_none_or(decided) {
                continue;
            }
            if to == To::Told
                && let Some(request) = &request
            {
                let told = desk.tx.told_of(&request.id).await?;
                desk.tx.take_back(&request.id).await?;
                let notice = Notice::of(event, kind, happened, at);
                let told = told.into_iter().filter(|id| is_told(event, id));
                desk.write(cause, &notice, &told.collect::<Vec<_>>())
                    .await?;
                continue;
            }
            let mut people = match (to, &request) {
                (To::Reviewers, Some(request)) => {
                    self.reviewers_of(&mut desk.tx, request, desk.now).await?
                }
                (To::Requester, Some(request)) => {
                    vec![answerable(&mut desk.tx, &request.requester.id).await?]
                }
                (To::Holder, _) => match &event.grant {
                    Some(id) => match desk.tx.grant(id).await? {
                        Some(grant) => vec![answerable(&mut desk.tx, &grant.holder.id).await?],
                        None => Vec::new(),
                    },
                    None => Vec::new(),
                },
                (To::Admins, _) => self.admins_of(&mut desk.tx, event).await?,
                (To::Reviewers | To::Requester | To::Told, _) => Vec::new(),
            };
            people.retain(|id| is_told(event, id));
            let notice = Notice::of(event, kind, happened, at);
            desk.write(cause, &notice, &people).await?;
        }
        Ok(())
    }

    /// Everybody who may review a request now; of break-glass, everybody who may sign it off.
    async fn reviewers_of(
        &self,
        tx: &mut Tx,
        request: &Request,
        now: DateTime<Utc>,
    ) -> Result<Vec<PrincipalId>, Error> {
        let rules = self.rules.current();
        let target = rules.catalog.target(&request.target);
        let owner = tx.principal(&request.requester.id).await?;
        let (Some(target), Some(owner)) = (target, owner) else {
            return Ok(Vec::new());
        };
        let terms = request.terms();
        let about = Reviewed {
            owner: &owner,
            target,
            role: &terms.role,
            kind: request.kind,
            duration: terms.duration,
            ticket: request.ticket.as_deref(),
            now,
        };
        let people = able(tx, &rules.policy, &request.snapshot.ways, about).await?;
        let open = request.state == RequestState::Pending;
        let may = people
            .into_iter()
            .filter(|who| !open || request.may_review(who, now).is_ok());
        Ok(may.map(|who| who.id).collect())
    }

    /// Admins whose role is for the target that an event is about.
    async fn admins_of(&self, tx: &mut Tx, event: &Event) -> Result<Vec<PrincipalId>, Error> {
        let Some(target) = &event.target else {
            return Ok(Vec::new());
        };
        let rules = self.rules.current();
        let here = place(&rules.catalog, target);
        let admins = tx.admins().await?;
        let covered = admins
            .into_iter()
            .filter(|who| who.roles.extent(ProductRole::Admin).covers(here));
        Ok(covered.map(|who| who.id).collect())
    }

    /// Tells of what no event says: a grant that ends soon, and an end that is not confirmed.
    pub async fn look_ahead(&self) -> Result<(), Error> {
        let lead = self.settings.notices.ends_soon;
        let (mut tx, now) = self.look().await?;
        let ending = tx.ending_untold(now, now + lead).await?;
        let late = tx.closing_untold(now - OVERDUE).await?;
        drop(tx);
        for id in ending {
            let mut desk = self.desk().await?;
            let Some(grant) = desk.tx.grant(&id).await? else {
                continue;
            };
            if grant.state != GrantState::Active || !ends_soon(&grant, lead, desk.now) {
                continue;
            }
            let cause = format!("ends:{id}:{}", grant.expires_at.timestamp_millis());
            if desk.tx.deal_with(&cause, Kind::EndsSoon, desk.now).await? {
                let to = [answerable(&mut desk.tx, &grant.holder.id).await?];
                let notice = Notice::about(&grant, Kind::EndsSoon, Happened::EndsSoon, desk.now);
                desk.write(&cause, &notice, &to).await?;
                self.store.commit(desk.tx).await?;
                self.told.notify_waiters();
            }
        }
        for id in late {
            let mut desk = self.desk().await?;
            let grant = desk.tx.grant(&id).await?;
            let Some(grant) = grant.filter(|grant| grant.is_overdue(desk.now)) else {
                continue;
            };
            let cause = format!("overdue:{id}");
            if desk.tx.deal_with(&cause, Kind::Overdue, desk.now).await? {
                let notice = Notice::about(&grant, Kind::Overdue, Happened::Overdue, desk.now);
                let rules = self.rules.current();
                let here = place(&rules.catalog, &grant.target);
                let admins = desk.tx.admins().await?;
                let covered = admins
                    .iter()
                    .filter(|who| who.roles.extent(ProductRole::Admin).covers(here));
                let admins: Vec<PrincipalId> = covered.map(|who| who.id.clone()).collect();
                desk.write(&cause, &notice, &admins).await?;
                self.store.commit(desk.tx).await?;
                self.told.notify_waiters();
            }
        }
        Ok(())
    }
}

/// Whether the end is near: of short access the second half is.
fn ends_soon(grant: &Grant, lead: TimeDelta, now: DateTime<Utc>) -> bool {
    let whole = grant.starts_at.map(|start| grant.expires_at - start);
    let lead = whole.map_or(lead, |whole| lead.min(whole / 2));
    now >= grant.expires_at - lead
}

/// The person who answers for a principal: the owner of a service account, or the person itself.
async fn answerable(tx: &mut Tx, id: &PrincipalId) -> Result<PrincipalId, Error> {
    let who = tx.principal(id).await?;
    let owner = who.as_ref().and_then(|who| who.owner().cloned());
    Ok(owner.unwrap_or_else(|| id.clone()))
}

impl Desk<'_> {
    /// Writes a notice for each of these people and for every room.
    async fn write(
        &mut self,
        cause: &str,
        notice: &Notice,
        people: &[PrincipalId],
    ) -> Result<(), Error> {
        let channels = self.channels.iter();
        for channel in channels.filter(|channel| channel.kinds.contains(&notice.kind)) {
            if channel.is_room() {
                self.add(cause, channel, None, (notice, self.now)).await?;
                continue;
            }
            for person in people {
                if !self.wishes.contains_key(person) {
                    let wishes = self.tx.wishes(person).await?;
                    self.wishes.insert(person.clone(), wishes);
                }
                let wishes = self.wishes.get(person).cloned().unwrap_or_default();
                if let Wanted::From(at) = wishes.on(notice.kind, &channel.name, self.now) {
                    self.add(cause, channel, Some(person), (notice, at)).await?;
                }
            }
        }
        Ok(())
    }

    async fn add(
        &mut self,
        cause: &str,
        channel: &Channel,
        to: Option<&PrincipalId>,
        (notice, due_at): (&Notice, DateTime<Utc>),
    ) -> Result<(), Error> {
        let reader = to.map_or("", PrincipalId::as_str);
        let id = format!("{cause}\n{}\n{}\n{reader}", notice.kind, channel.name);
        let id: String = hex(&hash_of(&id)).chars().take(32).collect();
        let new = New {
            id: &id,
            cause,
            channel: &channel.name,
            to,
            notice,
            due_at,
            give_up_at: due_at + self.give_up,
        };
        Ok(self.tx.add_notice(&new, self.now).await?)
    }
}
