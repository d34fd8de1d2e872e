//! What the colleagues do, through the same API as everybody: a short opening, then one act every few seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::client::{
    Client, ClientError, Follow, Followed, GrantsQuery, IdempotencyKey, RequestsQuery, follow,
};
use crate::demo::cast::{
    APPROVALS, COURIER, CRASH, DENIALS, ESCAPES, FREEZE, GUEST, HOSTILE, LATENCY, LOCKS, NIGHT,
    ONCALL, OUTAGE, Part, RELAY, REVIEWER, SECOND_REVIEWER, STUCK, TOTALS, WISHES, Wish,
};
use crate::demo::dice::Dice;
use crate::demo::session;
use crate::domain::break_glass::Verdict;
use crate::wire::{
    Approval, BreakGlassView, Denial, EventView, GrantView, LockOn, NewBreakGlass, NewExtension,
    NewLock, NewRequest, RequestView, SignOff,
};

/// The first acts after the opening come quickly, so that the console has something to show.
const QUICK: u32 = 4;
const QUICK_PACE: (Duration, Duration) = (Duration::from_millis(700), Duration::from_millis(1_500));
const PACE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));
/// How long a request is left to the person at the console before a colleague looks at it or gives up.
const PATIENCE: TimeDelta = TimeDelta::seconds(45);
/// As many pending requests as one can look through without scrolling.
const ENOUGH: usize = 6;
/// Where wishes go whose target is not there.
const STAND_IN: &str = "web-1";

/// A colleague, signed in.
#[derive(Debug)]
pub(super) struct Person {
    pub part: &'static Part,
    pub client: Client,
}

/// The play and those who are in it.
#[derive(Debug)]
pub(super) struct Play {
    people: Vec<Person>,
    targets: BTreeSet<String>,
    dice: Dice,
    /// Connections that are open under grants.
    sessions: JoinSet<()>,
    follow: Follow,
}

impl Play {
    /// Gets ready; what happens from here on is followed.
    pub(super) async fn new(people: Vec<Person>, seed: u64) -> anyhow::Result<Self> {
        let reviewer = people
            .iter()
            .find(|person| person.part.name == REVIEWER)
            .ok_or_else(|| anyhow::anyhow!("the reviewer is missing"))?;
        let targets = reviewer.client.targets().await?;
        let mut follow = follow(reviewer.client.clone(), None);
        while !matches!(follow.next().await, Some(Followed::Hello { .. }) | None) {}
        Ok(Self {
            targets: targets
                .items
                .into_iter()
                .map(|target| target.name)
                .collect(),
            people,
            dice: Dice::new(seed),
            sessions: JoinSet::new(),
            follow,
        })
    }

    /// What has happened when the person looks for the first time.
    pub(super) async fn opening(&mut self) -> Result<(), ClientError> {
        let request = self.ask("katherine", CRASH).await?;
        self.client("katherine")?
            .withdraw(&request.id, request.version, &key()?)
            .await?;

        let request = self.ask("margaret", TOTALS).await?;
        let denial = Denial {
            comment: "open a ticket first, totals belong to finance".to_owned(),
        };
        self.client(REVIEWER)?
            .deny(&request.id, request.version, &denial, &key()?)
            .await?;

        let request = self.ask("barbara", COURIER).await?;
        self.approve(REVIEWER, &request, "go ahead").await?;
        self.ask(ONCALL, LATENCY).await?;
        let request = self.ask("alan", LOCKS).await?;
        self.approve(SECOND_REVIEWER, &request, "two minutes are fine")
            .await?;

        self.break_glass_twice().await?;

        // What the console shows first, because the oldest waits the longest.
        self.ask("ada", STUCK).await?;
        // The server takes only the second, and the console shows what it is.
        expect_refusal(self.ask("katherine", ESCAPES).await)?;
        self.ask("katherine", HOSTILE).await?;
        let request = self.ask("margaret", RELAY).await?;
        self.approve(REVIEWER, &request, "needs a second pair of eyes")
            .await?;

        // A colleague looks at the same request as you do, and a change freeze is on.
        self.client(SECOND_REVIEWER)?
            .claim(&request.id, &key()?)
            .await?;
        let freeze = NewLock {
            on: LockOn::Role {
                target: STAND_IN.to_owned(),
                role: "admin".to_owned(),
            },
            reason: FREEZE.to_owned(),
            duration: Some("4h".to_owned()),
        };
        self.client(REVIEWER)?.place_lock(&freeze, &key()?).await?;
        Ok(())
    }

    /// Whoever is on call has broken glass in the night, which was found justified, and does so once more.
    async fn break_glass_twice(&self) -> Result<(), ClientError> {
        let used = self.break_glass(NIGHT).await?;
        let verdict = SignOff {
            verdict: Verdict::Justified.as_str().to_owned(),
            comment: "read the session: the queue was moved away and nothing else".to_owned(),
        };
        self.client(REVIEWER)?
            .sign_off(&used.id, used.version, &verdict, &key()?)
            .await?;
        self.break_glass(OUTAGE).await?;
        Ok(())
    }

    async fn break_glass(&self, wish: Wish) -> Result<BreakGlassView, ClientError> {
        // The web servers are about to be frozen, so the other host stands in.
        let there = self.targets.contains(wish.target);
        let new = NewBreakGlass {
            target: if there { wish.target } else { NIGHT.target }.to_owned(),
            role: wish.role.to_owned(),
            duration: wish.duration.to_owned(),
            reason: wish.reason.to_owned(),
            ticket: wish.ticket.map(str::to_owned),
        };
        self.client(ONCALL)?.break_glass(&new, &key()?).await
    }

    /// Goes on until told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut acts = 0_u32;
        let mut next = Instant::now() + QUICK_PACE.0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(told) = self.follow.next() => {
                    if let Followed::Event(event) = told {
                        self.notice(*event);
                    }
                }
                Some(_) = self.sessions.join_next() => {}
                () = sleep_until(next) => {
                    // People at the console and colleagues meet all the time; being second is no fault.
                    if let Err(error) = self.act().await {
                        tracing::debug!(%error, "a colleague was refused");
                    }
                    acts += 1;
                    let (least, most) = if acts < QUICK { QUICK_PACE } else { PACE };
                    next = Instant::now() + self.dice.pause(least, most);
                }
            }
        }
    }

    /// Whoever has got access uses it.
    fn notice(&mut self, event: EventView) {
        if event.event != "grant.activated" {
            return;
        }
        let (Some(holder), Some(grant)) = (event.principal, event.grant) else {
            return;
        };
        if let Ok(client) = self.client(&holder) {
            let (client, dice) = (client.clone(), Dice::new(self.dice.below(u64::MAX)));
            self.sessions.spawn(session::use_grant(client, grant, dice));
        }
    }

    async fn act(&mut self) -> Result<(), ClientError> {
        let pending = self.pending().await?;
        match (pending.len(), self.dice.below(10)) {
            (0..=2, _) | (3..ENOUGH, 0..=4) => self.ask_for_something().await,
            (ENOUGH.., 0..=4) | (_, 5 | 6) => self.review_something(&pending).await,
            (_, 7) => self.withdraw_something(&pending).await,
            (_, 8) => self.give_something_back().await,
            _ => self.extend_something().await,
        }
    }

    async fn ask_for_something(&mut self) -> Result<(), ClientError> {
        let names: Vec<&str> = self.people.iter().map(|person| person.part.name).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| *name != REVIEWER).collect();
        if let (Some(name), Some(wish)) = (self.dice.pick(&names), self.dice.pick(&WISHES)) {
            self.ask(name, *wish).await?;
        }
        Ok(())
    }

    async fn review_something(&mut self, pending: &[RequestView]) -> Result<(), ClientError> {
        let now = self.client(REVIEWER)?.me().await?.now;
        let reviewer = if self.dice.below(3) == 0 {
            SECOND_REVIEWER
        } else {
            REVIEWER
        };
        // The list is newest first, and who asked first is answered first.
        let oldest = pending.iter().rev().find(|request| {
            request.requester != GUEST
                && request.requester != reviewer
                && request.created_at + PATIENCE < now
                && request
                    .reviews
                    .iter()
                    .all(|review| review.reviewer != reviewer)
        });
        let Some(request) = oldest else {
            return Ok(());
        };
        if self.dice.below(5) > 0 {
            let comment = self.dice.pick(&APPROVALS).copied().unwrap_or_default();
            return self.approve(reviewer, request, comment).await;
        }
        let comment = self
            .dice
            .pick(&DENIALS)
            .copied()
            .unwrap_or_default()
            .to_owned();
        let denial = Denial { comment };
        self.client(reviewer)?
            .deny(&request.id, request.version, &denial, &key()?)
            .await?;
        Ok(())
    }

    async fn withdraw_something(&mut self, pending: &[RequestView]) -> Result<(), ClientError> {
        let now = self.client(REVIEWER)?.me().await?.now;
        let tired: Vec<&RequestView> = pending
            .iter()
            .filter(|request| request.created_at + PATIENCE < now)
            .filter(|request| self.client(&request.requester).is_ok())
            .collect();
        if let Some(request) = self.dice.pick(&tired) {
            let client = self.client(&request.requester)?;
            client
                .withdraw(&request.id, request.version, &key()?)
                .await?;
        }
        Ok(())
    }

    async fn give_something_back(&mut self) -> Result<(), ClientError> {
        let active = self.active().await?;
        // With fewer the list of grants would look empty.
        if active.len() < 4 {
            return Ok(());
        }
        if let Some(grant) = self.dice.pick(&active) {
            self.client(&grant.holder)?
                .give_back(&grant.id, grant.version, &key()?)
                .await?;
        }
        Ok(())
    }

    async fn extend_something(&mut self) -> Result<(), ClientError> {
        let active = self.active().await?;
        if let Some(grant) = self.dice.pick(&active) {
            let extension = NewExtension {
                by: "15m".to_owned(),
                reason: "it takes a little longer than I thought".to_owned(),
            };
            self.client(&grant.holder)?
                .extend(&grant.id, grant.version, &extension, &key()?)
                .await?;
        }
        Ok(())
    }

    async fn pending(&self) -> Result<Vec<RequestView>, ClientError> {
        let query = RequestsQuery {
            states: vec!["pending".to_owned()],
            ..RequestsQuery::default()
        };
        Ok(self.client(REVIEWER)?.requests(&query).await?.items)
    }

    /// Grants of those who are played.
    async fn active(&self) -> Result<Vec<GrantView>, ClientError> {
        let query = GrantsQuery {
            states: vec!["active".to_owned()],
            ..GrantsQuery::default()
        };
        let mut active = self.client(REVIEWER)?.grants(&query).await?.items;
        active.retain(|grant| self.client(&grant.holder).is_ok());
        Ok(active)
    }

    async fn ask(&self, name: &str, wish: Wish) -> Result<RequestView, ClientError> {
        let stands_in = !self.targets.contains(wish.target);
        let role = if stands_in && wish.role != "admin" {
            "readonly"
        } else {
            wish.role
        };
        let new = NewRequest {
            target: if stands_in { STAND_IN } else { wish.target }.to_owned(),
            role: role.to_owned(),
            duration: wish.duration.to_owned(),
            reason: wish.reason.to_owned(),
            ticket: wish.ticket.map(str::to_owned),
            not_before: None,
        };
        self.client(name)?.submit(&new, &key()?).await
    }

    async fn approve(
        &self,
        name: &str,
        request: &RequestView,
        comment: &str,
    ) -> Result<(), ClientError> {
        let approval = Approval {
            comment: Some(comment.to_owned()),
            ..Approval::default()
        };
        let client = self.client(name)?;
        client
            .approve(&request.id, request.version, &approval, &key()?)
            .await?;
        Ok(())
    }

    /// The client of somebody who is played.
    fn client(&self, name: &str) -> Result<&Client, ClientError> {
        let found = self.people.iter().find(|person| person.part.name == name);
        found
            .map(|person| &person.client)
            .ok_or_else(|| ClientError::Local {
                text: format!("`{name}` is not in the play"),
                hint: String::new(),
            })
    }
}

fn key() -> Result<IdempotencyKey, ClientError> {
    IdempotencyKey::new()
}

fn expect_refusal<T>(answer: Result<T, ClientError>) -> Result<(), ClientError> {
    match answer {
        Ok(_) | Err(ClientError::Problem(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
