//! What an operator does about the log: goes on where history was lost, and changes its key.
//!
//! Neither is ever silent: each is an event, and a link that everybody is shown who checks the log.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::permit::Action;
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::domain::second_factor::Guarded;
use crate::store::Tx;
use crate::store::epochs::Link;
use crate::store::tree::Tree;
use crate::tlog::Note;

use crate::gate::{Caller, Error, Gate, OnceKey, Opened, Writing, second_factor};

use super::links::{GENERATIONS_MAX, KeyAt, SeenLink, Signed, key_at};
use super::sign::{Lost, State, checkpoint};

/// An epoch that is about to begin.
pub(in crate::gate) struct NextEpoch {
    number: u32,
    /// The keys that vouch for its own.
    keys: Vec<KeyAt>,
    /// Its first event.
    pub event: Event,
}

impl Gate {
    /// Begins another epoch of the log, because what was signed before is not there any more.
    pub async fn recover_log(
        &self,
        caller: &Caller,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenLink, Error> {
        let mut state = self.signer.state.lock().await;
        let opened = self.open(caller, once, "recover", Action::KeepLog).await?;
        let Opened::Now(mut writing) = opened else {
            return self.newest_link().await;
        };
        writing.guard(Guarded::RecoverLog);
        let why = check_reason(reason)?;
        let tree = writing.tx.settle_log().await?;
        self.recall(&mut state)?;
        let lost = self.lost(&mut writing.tx, &tree, &state).await?;
        let lost = lost.ok_or(Refusal::NothingToRecover)?;
        let actor = Actor::Principal(writing.who.as_ref());
        let next = self
            .next_epoch(&mut writing.tx, tree, &lost, &state, (actor, &why))
            .await?;
        self.write_own(&mut writing, next.event.clone()).await?;
        let link = self.begin_next(&mut writing.tx, &next, writing.now).await?;
        self.commit_link(writing, link, &mut state).await
    }

    /// What the next epoch begins with. The links that vouch for nothing are gone afterwards.
    pub(in crate::gate) async fn next_epoch(
        &self,
        tx: &mut Tx,
        tree: Tree,
        lost: &Lost,
        state: &State,
        (actor, why): (Actor, &str),
    ) -> Result<NextEpoch, Error> {
        let links = tx.links().await?;
        let (good, at, epoch) = self.follow(tx, &links).await?;
        // What was found is told under a name that others can follow.
        let tree = if (at, epoch) == (key_at(&tree), tree.epoch) {
            tree
        } else {
            tx.grow_anew(epoch, at.1).await?
        };
        let (links, wrong) = links.split_at(good);
        tx.forget_links(wrong).await?;
        let before = lost.before.as_ref().or(state.last.as_ref());
        let mut keys: Vec<KeyAt> = vec![(super::FIRST, 1), key_at(&tree)];
        keys.extend(
            links
                .iter()
                .map(|link| (link.epoch.number, link.generation)),
        );
        keys.extend(before.map(|before| before.by));
        keys.sort_unstable();
        keys.dedup();
        let newest = keys.last().map_or(0, |key| key.0);
        let number = newest.checked_add(1).context("there are no more epochs")?;
        let event = Event::new(EventCode::LogRecovered, actor)
            .detail("epoch", number)
            .detail("why", why)
            .detail("found", lost.why.as_str())
            .detail("found_epoch", tree.epoch.number)
            .detail("found_size", tree.frontier.size())
            .detail("found_root", tree.frontier.root().to_string());
        let mut event = signed_before(event, before, &tree);
        if let Some(before) = before {
            // Others can tell from it which key was before the one of the new epoch.
            let key = self.log_key(before.by)?;
            event = event.detail("signed_key", key.verifying().to_string());
        }
        Ok(NextEpoch {
            number,
            keys,
            event,
        })
    }

    /// Begins the epoch whose event was written in this transaction, and signs it.
    pub(in crate::gate) async fn begin_next(
        &self,
        tx: &mut Tx,
        next: &NextEpoch,
        now: DateTime<Utc>,
    ) -> Result<(Link, Signed), Error> {
        let tree = tx.begin_epoch(next.number, EventCode::LogRecovered).await?;
        tracing::warn!(
            epoch = next.number,
            "an epoch of the audit log was begun: what was signed before is not there any more"
        );
        self.link(tx, &tree, &next.keys, now).await
    }

    /// Goes on under another key, which the present one vouches for.
    pub async fn rotate_log_key(&self, caller: &Caller, once: &OnceKey) -> Result<SeenLink, Error> {
        let mut state = self.signer.state.lock().await;
        let opened = self.open(caller, once, "rotate", Action::KeepLog).await?;
        let Opened::Now(mut writing) = opened else {
            return self.newest_link().await;
        };
        writing.guard(Guarded::RotateLogKey);
        let tree = writing.tx.settle_log().await?;
        self.recall(&mut state)?;
        if let Some(lost) = self.lost(&mut writing.tx, &tree, &state).await? {
            return Err(Refusal::LogRewritten { why: lost.why }.into());
        }
        let (epoch, generation) = key_at(&tree);
        if generation >= GENERATIONS_MAX {
            return Err(Refusal::BadInput {
                field: "key".to_owned(),
                why: format!("an epoch of the log has at most {GENERATIONS_MAX} keys"),
            }
            .into());
        }
        let key = |generation| self.log_key((epoch, generation));
        let (from, to) = (key(generation)?, key(generation + 1)?);
        let actor = Actor::Principal(writing.who.as_ref());
        let event = Event::new(EventCode::LogKeyRotated, actor)
            .detail("from", from.verifying().to_string())
            .detail("to", to.verifying().to_string());
        self.write_own(&mut writing, event).await?;
        let code = EventCode::LogKeyRotated;
        let tree = writing.tx.begin_generation(generation + 1, code).await?;
        let now = writing.now;
        let link = self
            .link(&mut writing.tx, &tree, &[(epoch, generation)], now)
            .await?;
        self.commit_link(writing, link, &mut state).await
    }

    /// Writes the event of a change of the log, after the proof of a second factor that it needs.
    async fn write_own(&self, writing: &mut Writing, event: Event) -> Result<(), Error> {
        let way = self.prove(writing).await?;
        let change = vec![Step::new(Record::Nothing, event)];
        let change = second_factor::told(&change, way);
        writing
            .tx
            .apply(&change, &writing.origin, writing.now)
            .await?;
        self.counted(&change);
        Ok(())
    }

    /// Signs the tree with its key and with those before, and writes that down.
    async fn link(
        &self,
        tx: &mut Tx,
        tree: &Tree,
        before: &[KeyAt],
        at_moment: DateTime<Utc>,
    ) -> Result<(Link, Signed), Error> {
        let at = key_at(tree);
        let key = self.log_key(at)?;
        let now = checkpoint(&key, tree);
        let note = Note::new(now.to_string()).context("a checkpoint is no note")?;
        let mut note = note.signed(&key);
        for before in before {
            note = note.signed(&self.log_key(*before)?);
        }
        let note = note.to_string();
        let link = Link {
            epoch: tree.epoch,
            generation: tree.generation,
            at: at_moment,
            note: note.clone(),
        };
        tx.insert_link(&link).await?;
        let size = now.size;
        tx.keep_checkpoint((tree.epoch, tree.generation), size, &note)
            .await?;
        let (by, checkpoint) = (at, now);
        Ok((
            link,
            Signed {
                by,
                checkpoint,
                note,
            },
        ))
    }

    async fn commit_link(
        &self,
        writing: Box<Writing>,
        link: (Link, Signed),
        state: &mut State,
    ) -> Result<SeenLink, Error> {
        self.commit_epoch(writing.tx, link, state).await
    }

    /// Commits what signs the log from now on, and remembers it where the database is not.
    pub(in crate::gate) async fn commit_epoch(
        &self,
        tx: Tx,
        (link, signed): (Link, Signed),
        state: &mut State,
    ) -> Result<SeenLink, Error> {
        self.store.commit(tx).await?;
        self.keep(&signed)?;
        state.last = Some(signed);
        self.whole(state);
        let links = self.log_links().await?;
        let seen = links.into_iter().find(|seen| seen.link == link);
        Ok(seen.context("a link of the log is gone at once")?)
    }

    async fn newest_link(&self) -> Result<SeenLink, Error> {
        let links = self.log_links().await?;
        Ok(links.into_iter().next_back().ok_or(Refusal::Busy)?)
    }
}

/// Says what was signed last, with the note itself: whoever has it can hold it against others.
fn signed_before(event: Event, before: Option<&Signed>, tree: &Tree) -> Event {
    let Some(before) = before else {
        return event
            .detail("signed_epoch", tree.epoch.number)
            .detail("signed_size", 0)
            .detail("signed_root", "");
    };
    event
        .detail("signed_epoch", before.by.0)
        .detail("signed_size", before.checkpoint.size)
        .detail("signed_root", before.checkpoint.root.to_string())
        .detail("signed_note", Value::from(before.note.as_str()))
}
