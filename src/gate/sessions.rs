//! Live sessions under grants: asked for from the targets themselves, and ended one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use crate::domain::change::{Change, Record, Step};
use crate::domain::event::Event;
use crate::domain::extent::Place;
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, TargetName};
use crate::domain::permit::{Action, permit_at};
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::store::grants::Filter;
use crate::targets::{Live, Reported, SessionOutcome};

use super::grants::{access, load, seen_by};
use super::sight::{place, within};
use super::{Caller, Error, Gate, OnceKey, Opened};

/// A target that does not answer within this is told apart, and holds up nobody for longer.
const ASK: Duration = Duration::from_secs(3);
/// So long an answer is good for everybody who asks: a hundred open consoles are one question to the target.
const FRESH: Duration = Duration::from_secs(2);
/// What a key of a call leads to until the target has answered.
const ASKED: &str = "asked";
/// States in which a grant can have sessions.
const OPEN: [&str; 3] = ["activating", "active", "closing"];

/// A live session with the grant that it is under.
#[derive(Debug, Clone)]
pub struct SeenSession {
    pub live: Live,
    pub grant: Arc<Grant>,
}

/// One target's part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub target: TargetName,
    /// When the target was asked.
    pub as_of: DateTime<Utc>,
    pub problem: Option<String>,
}

/// Everything live that the caller may see.
#[derive(Debug, Clone, Default)]
pub struct SeenSessions {
    pub sessions: Vec<SeenSession>,
    pub sources: Vec<Source>,
}

/// What a target said last.
#[derive(Debug, Clone)]
struct Asked {
    at: Instant,
    as_of: DateTime<Utc>,
    said: Arc<Reported>,
}

/// One slot for each target, held by whoever asks, so that others wait for that answer instead of asking themselves.
#[derive(Default)]
pub(super) struct Lately(Mutex<HashMap<TargetName, Slot>>);

type Slot = Arc<tokio::sync::Mutex<Option<Asked>>>;

impl Lately {
    async fn ask(
        &self,
        target: &TargetName,
        now: DateTime<Utc>,
        ask: impl Future<Output = Reported>,
    ) -> Asked {
        let slot = Arc::clone(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(target.clone())
                .or_default(),
        );
        let mut held = slot.lock().await;
        if let Some(asked) = held.as_ref().filter(|asked| asked.at.elapsed() < FRESH) {
            return asked.clone();
        }
        let asked = Asked {
            as_of: now,
            said: Arc::new(ask.await),
            at: Instant::now(),
        };
        *held = Some(asked.clone());
        asked
    }

    /// Whoever asks next gets a new answer, also when somebody waits for one at this moment.
    fn forget(&self, target: &TargetName) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(target);
    }
}

impl Gate {
    /// Every live session that the caller may see, newest first, from all targets with open grants side by side.
    pub async fn sessions(&self, caller: &Caller) -> Result<SeenSessions, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let filter = Filter {
            states: OPEN.to_vec(),
            within: within(who, Action::ReadAll, &self.rules.current().catalog),
            ..Filter::default()
        };
        let (mut tx, now) = self.glance().await?;
        let open = tx.grants(&filter, i64::from(i32::MAX)).await?;
        drop(tx);
        let mut grants: BTreeMap<TargetName, HashMap<GrantId, Arc<Grant>>> = BTreeMap::new();
        for grant in open {
            grants
                .entry(grant.target.clone())
                .or_default()
                .insert(grant.id.clone(), Arc::new(grant));
        }
        let asked = join_all(grants.keys().map(|target| async move {
            let asked = self.sessions_lately.ask(target, now, self.ask(target));
            (target, asked.await)
        }))
        .await;
        let mut seen = SeenSessions::default();
        for (target, asked) in asked {
            let of_target = grants.get(target);
            seen.sources.push(Source {
                target: target.clone(),
                as_of: asked.as_of,
                problem: asked.said.incomplete.clone(),
            });
            seen.sessions
                .extend(asked.said.sessions.iter().filter_map(|live| {
                    Some(SeenSession {
                        live: live.clone(),
                        grant: Arc::clone(of_target?.get(&live.grant)?),
                    })
                }));
        }
        seen.sessions
            .sort_by(|one, other| newest_first(&one.live).cmp(&newest_first(&other.live)));
        Ok(seen)
    }

    async fn ask(&self, target: &TargetName) -> Reported {
        let connector = match self.connector(target) {
            Ok(connector) => connector,
            Err(failure) => return missing(failure.message),
        };
        match tokio::time::timeout(ASK, connector.sessions()).await {
            Ok(Ok(reported)) => reported,
            Ok(Err(failure)) => missing(failure.message),
            Err(_) => missing(format!(
                "it did not answer within {} seconds",
                ASK.as_secs()
            )),
        }
    }

    /// Ends one session. What is about to be done is on record before the target is asked, and what it answered
    /// afterwards. INVARIANT: no session ends without an event, whatever becomes of this server in between
    /// (`a_server_that_dies_while_it_ends_a_session_has_said_so`).
    pub async fn end_session(
        &self,
        caller: &Caller,
        id: &GrantId,
        session: &str,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SessionOutcome, Error> {
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let grant = seen_by(&mut tx, id, &caller.principal, &rules.catalog).await?;
        let place = place(&rules.catalog, &grant.target);
        grant.may_end_session(&caller.principal, place)?;
        let reason = check_reason(reason)?;
        let before = tx.once(&caller.principal.id, &once.key).await?;
        drop(tx);
        match before {
            Some(before) if before.digest != once.digest => {
                return Err(Refusal::IdempotencyKeyReused.into());
            }
            Some(before) if before.result != ASKED => return outcome(&before.result),
            _ => {}
        }
        let connector = self
            .connector(&grant.target)
            .map_err(|_| Refusal::UnknownTarget {
                target: grant.target.clone(),
                nearest: None,
            })?;
        if let Some(done) = self
            .intend(caller, (&grant, place), (session, &reason), once)
            .await?
        {
            return Ok(done);
        }
        let done = connector.end_session(access(&grant, now), session).await;
        self.sessions_lately.forget(&grant.target);
        let who = &caller.principal;
        match done {
            Ok(done) => {
                let event = match done {
                    SessionOutcome::Ended => grant.session_ended(who, session, &reason),
                    SessionOutcome::Gone => grant.session_end_ignored(who, session, &reason),
                };
                self.record_end(caller, event, Some((once, done))).await?;
                Ok(done)
            }
            Err(failure) => {
                let event = grant.session_end_failed(who, session, &failure.message);
                self.record_end(caller, event, None).await?;
                Err(if failure.permanent {
                    Refusal::Unsupported {
                        why: failure.message,
                    }
                    .into()
                } else {
                    Refusal::TargetFailed {
                        target: grant.target.clone(),
                        why: failure.message,
                    }
                    .into()
                })
            }
        }
    }

    /// Takes the key and records what is about to be done. A call of the same key that has done it answers at once;
    /// one that was asked and never answered is carried out again: what is gone stays gone.
    async fn intend(
        &self,
        caller: &Caller,
        (grant, place): (&Grant, Place<'_>),
        (session, reason): (&str, &str),
        once: &OnceKey,
    ) -> Result<Option<SessionOutcome>, Error> {
        let opened = self
            .open_if(caller, once, ASKED, |who| grant.may_end_session(who, place))
            .await?;
        match opened {
            Opened::Now(mut writing) => {
                // As it is at this moment: it may have ended since it was looked at.
                let grant = load(&mut writing.tx, &grant.id).await?;
                grant.may_end_session(&writing.who, place)?;
                let event = grant.session_ending(&writing.who, session, reason);
                self.finish(writing, &vec![Step::new(Record::Nothing, event)])
                    .await?;
                Ok(None)
            }
            Opened::Before(result) if result == ASKED => Ok(None),
            Opened::Before(result) => outcome(&result).map(Some),
        }
    }

    /// Records what the target answered, whatever became of the caller's sign-in since, and with which words the key
    /// is answered from then on.
    async fn record_end(
        &self,
        caller: &Caller,
        event: Event,
        done: Option<(&OnceKey, SessionOutcome)>,
    ) -> Result<(), Error> {
        let change: Change = vec![Step::new(Record::Nothing, event)];
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        if let Some((once, done)) = done {
            tx.settle(&caller.principal.id, &once.key, word(done))
                .await?;
        }
        tx.apply(&change, &caller.origin, now).await?;
        self.store.commit(tx).await?;
        self.counted(&change);
        Ok(())
    }
}

fn newest_first(live: &Live) -> (std::cmp::Reverse<Option<DateTime<Utc>>>, &str) {
    (std::cmp::Reverse(live.started_at), &live.id)
}

fn missing(why: String) -> Reported {
    Reported {
        sessions: Vec::new(),
        incomplete: Some(why),
    }
}

/// The word for what came of it, as the API and the idempotency key have it.
pub fn word(outcome: SessionOutcome) -> &'static str {
    match outcome {
        SessionOutcome::Ended => "ended",
        SessionOutcome::Gone => "gone",
    }
}

fn outcome(text: &str) -> Result<SessionOutcome, Error> {
    [SessionOutcome::Ended, SessionOutcome::Gone]
        .into_iter()
        .find(|outcome| word(*outcome) == text)
        .ok_or_else(|| Refusal::IdempotencyKeyReused.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_question() {
        let (lately, asked) = (Lately::default(), AtomicU32::new(0));
        let target: TargetName = "orders-db".parse().unwrap();
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            missing("busy".to_owned())
        };
        let now = DateTime::UNIX_EPOCH;
        join_all((0..100).map(|_| lately.ask(&target, now, ask()))).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // Somebody else's target is another question, and so is the same one after something was ended there.
        let other: TargetName = "web-1".parse().unwrap();
        lately.ask(&other, now, ask()).await;
        lately.forget(&target);
        lately.ask(&target, now, ask()).await;
        lately.ask(&other, now, ask()).await;
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}
