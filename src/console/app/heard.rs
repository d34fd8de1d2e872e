//! What the server says: live events name rows to read again, answers fill the store, silence makes it stale.

use std::rc::Rc;
use std::time::Instant;

use crate::client::AuditQuery;
use crate::console::app::App;
use crate::console::msg::{Answer, Effect, Failure, Query, Slice, Tidings, Trip};
use crate::console::screen::{News, Proof};
use crate::console::store::{Subject, Told};
use crate::console::widget::toast::Level;
use crate::wire::{EventView, GrantView, Page, RequestView};

impl App {
    pub(super) fn tidings(&mut self, tidings: Tidings) -> Vec<Effect> {
        let now = self.world.now;
        match tidings {
            Tidings::Hello { now: server, epoch } => {
                let gap = self.world.link.hello(now, epoch);
                self.world.clock.observe(now, now, server);
                if gap {
                    self.refresher.all();
                }
                let mut effects = if gap {
                    vec![Effect::Fetch(Query::Me)]
                } else {
                    Vec::new()
                };
                effects.extend(self.tell(&News::Live { gap }));
                self.polls.watch_now();
                effects
            }
            Tidings::Standing(standing) => {
                self.world.link.stands(standing);
                Vec::new()
            }
            Tidings::Heartbeat { now: server } => {
                self.world.link.heard(now);
                self.world.clock.observe(now, now, server);
                Vec::new()
            }
            Tidings::Events(events) => {
                self.world.link.heard(now);
                self.events(events)
            }
            Tidings::Gap => {
                self.refresher.all();
                self.say(Level::Warn, "events are missing, everything is read again");
                self.tell(&News::Live { gap: true })
            }
            Tidings::Lost { why, retry_in } => {
                self.world.link.lost(now, &why, retry_in);
                // The stream does not say whether it is the sign-in; this call does.
                vec![Effect::Fetch(Query::Me)]
            }
        }
    }

    pub(super) fn answer(
        &mut self,
        query: &Query,
        answer: Result<Answer, Failure>,
        trip: Trip,
    ) -> Vec<Effect> {
        let subject = match query {
            Query::Request(id) => Some(Subject::Request(id.clone())),
            Query::Grant(id) => Some(Subject::Grant(id.clone())),
            Query::Lock(id) => Some(Subject::Lock(id.clone())),
            Query::Use(id) => Some(Subject::Use(id.clone())),
            _ => None,
        };
        let several = match query {
            Query::These(subjects) => subjects.as_slice(),
            _ => &[],
        };
        if let Some(review) = &mut self.open.review {
            for subject in subject.iter().chain(several) {
                review.was_read(subject);
            }
        }
        if let Some(strip) = &mut self.strip
            && subject.as_ref() == Some(strip.subject())
        {
            strip.was_read();
        }
        match answer {
            Ok(answer) => {
                self.refresher.answered(query);
                self.world.link.measured(trip.took());
                if let Some(subject) = subject {
                    self.world.store.read(subject, trip.sent);
                }
                let mut effects = self.take(query, answer, trip);
                effects.extend(self.prune());
                self.world.loaded |= !self.refresher.is_listing();
                effects
            }
            Err(failure) => self.unread(query, subject.as_ref(), &failure),
        }
    }

    fn events(&mut self, events: Vec<EventView>) -> Vec<Effect> {
        for event in &events {
            self.refresher.heard(event, self.world.now);
            self.announce(event);
            if ["auth.", "service.", "standing."]
                .iter()
                .any(|start| event.event.starts_with(start))
            {
                self.polls.people_now();
            }
        }
        let events: Vec<Told> = events.into_iter().map(Told::from).collect();
        let packed = events.iter().map(|event| Rc::clone(&event.packed));
        self.world.store.push_events(packed);
        self.tell(&News::Events(&events))
    }

    /// Tells of what a person should hear although they look at something else. Never in words of others.
    fn announce(&mut self, event: &EventView) {
        let what = || {
            let role = event.role.as_deref().unwrap_or("something");
            format!("{role} on {}", event.target.as_deref().unwrap_or("nothing"))
        };
        let grant = event.grant.as_deref().unwrap_or_default();
        match event.event.as_str() {
            "request.submitted" if self.at != 0 && event.actor.name != self.world.my_name() => {
                let text = format!("{} asks for {}", event.actor.name, what());
                self.say(Level::Info, &text);
            }
            "break_glass.used" if event.actor.name != self.world.my_name() => {
                let text = format!("{} broke glass for {}", event.actor.name, what());
                self.say(Level::Error, &text);
            }
            "grant.activation_failed" => {
                let text = format!("{grant} could not be made usable: {}", what());
                self.say(Level::Warn, &text);
            }
            "grant.close_failed" => {
                let text = format!(
                    "{grant} does not close, the target does not let go: {}",
                    what()
                );
                self.say(Level::Warn, &text);
            }
            _ => {}
        }
    }

    fn take(&mut self, query: &Query, answer: Answer, trip: Trip) -> Vec<Effect> {
        match answer {
            Answer::Me(me) => {
                self.world.clock.observe(trip.sent, trip.received, me.now);
                self.met(me)
            }
            Answer::Request(view) => {
                self.world.store.take_request(*view);
                Vec::new()
            }
            Answer::Grant(view) => {
                self.take_grant(*view);
                Vec::new()
            }
            Answer::Requests(page) => self.requests(query, page, trip.sent),
            Answer::Grants(page) => self.grants(query, page, trip.sent),
            Answer::Facets(facets) => {
                let Query::Facets { turn, of, .. } = query else {
                    return Vec::new();
                };
                self.tell(&News::Facets {
                    of: *of,
                    turn: *turn,
                    items: &facets.items,
                })
            }
            Answer::Past(page) => {
                let (next, oldest) = (
                    page.next.clone(),
                    page.items.last().map(|view| view.created_at),
                );
                self.world.store.reach_back(page.items.len());
                for view in page.items {
                    self.take_grant(view);
                }
                self.tell(&News::Past {
                    next: next.as_deref(),
                    oldest,
                })
            }
            Answer::Sessions(sessions) => {
                self.take_sessions(sessions, trip.sent);
                Vec::new()
            }
            Answer::Locks(page) => {
                self.world.locks_read = Some(trip.sent);
                for view in page.items {
                    self.world.store.take_lock(view);
                }
                self.tell(&News::Locks(None))
            }
            Answer::SignIns(page) => {
                self.polls.took(query);
                self.world.people_problem = None;
                self.world.store.take_sign_ins(page.items, trip.sent);
                Vec::new()
            }
            Answer::Services(page) => {
                self.polls.took(query);
                self.world.people_problem = None;
                self.world.store.take_services(page.items, trip.sent);
                Vec::new()
            }
            Answer::Standing(page) => {
                self.polls.took(query);
                self.world.people_problem = None;
                self.world.store.take_standing(page.items, trip.sent);
                Vec::new()
            }
            Answer::Factors(factors) => {
                self.world.factors = Some((factors, trip.sent));
                Vec::new()
            }
            Answer::Uses(page) => {
                for view in page.items {
                    self.world.store.take_use(view);
                }
                self.tell(&News::Uses(None))
            }
            Answer::Use(view) => {
                self.world.store.take_use(*view);
                Vec::new()
            }
            Answer::Lock(view) => {
                self.world.store.take_lock(*view);
                Vec::new()
            }
            Answer::These(these) => {
                self.take_these(these, trip);
                Vec::new()
            }
            Answer::Targets(page) => {
                self.world.targets = page.items;
                let world = &self.world;
                if let Some(strip) = &mut self.strip {
                    strip.know_targets(&world.targets);
                }
                Vec::new()
            }
            Answer::Trail(page) => {
                if let Query::Trail(subject) = query {
                    self.take_trail(subject, page);
                }
                Vec::new()
            }
            Answer::TriedOut(preview) => {
                if let Query::TryOut(ask) = query {
                    self.tried_out(ask, Ok(*preview));
                }
                Vec::new()
            }
            Answer::Incident(view) => {
                self.take_incident(*view);
                Vec::new()
            }
            Answer::Watched(found) => {
                self.polls.took(query);
                self.world.log_problem = found.err();
                Vec::new()
            }
            Answer::Proved(found) => {
                let Query::Prove(event) = query else {
                    return Vec::new();
                };
                self.proof_came(event.index, &found.map_or_else(Proof::Wrong, Proof::Proved))
            }
            Answer::OverTime(counts) => match query {
                Query::OverTime { turn, .. } => self.tell(&News::OverTime {
                    turn: *turn,
                    counts: Ok(&counts),
                }),
                _ => Vec::new(),
            },
            Answer::Audit(page) => {
                let (turn, scope, after) = match query {
                    Query::Audit { turn, scope, after } => (turn, scope, after),
                    Query::Find { turn, .. } => {
                        return self.tell(&News::Found {
                            turn: *turn,
                            page: Ok(&page),
                        });
                    }
                    _ => return Vec::new(),
                };
                if after.is_none() && **scope == AuditQuery::default() {
                    self.world.store.seed_events(&page.items);
                }
                self.tell(&News::Page {
                    turn: *turn,
                    newer: scope.oldest_first,
                    page: Ok(&page),
                })
            }
        }
    }

    fn requests(&mut self, query: &Query, page: Page<RequestView>, sent: Instant) -> Vec<Effect> {
        if matches!(
            query,
            Query::Requests {
                slice: Slice::Past,
                ..
            }
        ) {
            self.world.older_requests = page.next.is_some();
        }
        if matches!(
            query,
            Query::Requests {
                slice: Slice::Open,
                after: None
            }
        ) {
            self.seen_requests.clear();
        }
        let next = self.refresher.next_page(query, page.next.as_ref());
        for view in page.items {
            if let Ok(id) = view.id.parse() {
                self.refresher.read(&Subject::Request(id), sent);
            }
            self.seen_requests.extend(view.id.parse());
            self.world.store.take_request(view);
        }
        let open = matches!(
            query,
            Query::Requests {
                slice: Slice::Open,
                ..
            }
        );
        if open && page.next.is_none() {
            // What was pending and is not in the list any more was decided while nobody listened.
            let pending = self
                .world
                .store
                .requests()
                .filter(|(_, view)| view.state == "pending");
            let decided: Vec<_> = pending
                .map(|(id, _)| id.clone())
                .filter(|id| !self.seen_requests.contains(id))
                .collect();
            for id in decided {
                self.refresher.mark(Subject::Request(id), self.world.now);
            }
        }
        next.map(Effect::Fetch).into_iter().collect()
    }

    fn grants(&mut self, query: &Query, page: Page<GrantView>, sent: Instant) -> Vec<Effect> {
        if matches!(
            query,
            Query::Grants {
                slice: Slice::Past,
                ..
            }
        ) {
            self.world.older_grants = page.next.is_some();
        }
        if matches!(
            query,
            Query::Grants {
                slice: Slice::Open,
                after: None
            }
        ) {
            self.seen_grants.clear();
        }
        let next = self.refresher.next_page(query, page.next.as_ref());
        for view in page.items {
            if let Ok(id) = view.id.parse() {
                self.refresher.read(&Subject::Grant(id), sent);
            }
            self.seen_grants.extend(view.id.parse());
            self.take_grant(view);
        }
        let open = matches!(
            query,
            Query::Grants {
                slice: Slice::Open,
                ..
            }
        );
        if open && page.next.is_none() {
            let live =
                |state: &str| matches!(state, "scheduled" | "activating" | "active" | "closing");
            let alive = self
                .world
                .store
                .grants()
                .filter(|(_, view)| live(&view.state));
            let over: Vec<_> = alive
                .map(|(id, _)| id.clone())
                .filter(|id| !self.seen_grants.contains(id))
                .collect();
            for id in over {
                self.refresher.mark(Subject::Grant(id), self.world.now);
            }
        }
        next.map(Effect::Fetch).into_iter().collect()
    }

    pub(super) fn take_grant(&mut self, view: GrantView) {
        let revoked = view.state == "revoked";
        let is_proved = view.overriding.is_none();
        let id = view.id.parse().ok();
        self.world.store.take_grant(view);
        if let Some(id) = id.filter(|_| revoked)
            && self.watched.remove(&id)
        {
            if is_proved {
                self.say(
                    Level::Success,
                    &format!("{id} is revoked, the target was read back"),
                );
            } else {
                self.say(
                    Level::Warn,
                    &format!("{id} counts as revoked, its target never confirmed"),
                );
            }
        }
    }

    fn unread(
        &mut self,
        query: &Query,
        subject: Option<&Subject>,
        failure: &Failure,
    ) -> Vec<Effect> {
        if let Failure::SignedOut(why) = failure {
            self.signed_out(why);
        }
        match (subject, query) {
            (Some(subject), _) if failure.code() == "not-found" => {
                self.refresher.answered(query);
                self.refresher.read(subject, self.world.now);
                self.world.store.forget(subject);
                Vec::new()
            }
            // They are asked for again while the list is open.
            (_, Query::These(_)) => {
                self.refresher.failed(query, self.world.now);
                Vec::new()
            }
            // Offers are a convenience: without them one types on.
            (_, Query::Facets { .. }) => Vec::new(),
            // It is looked at again soon, and a server that does not answer is noticed otherwise.
            (_, Query::Watch) => {
                self.polls.took(query);
                Vec::new()
            }
            (_, Query::Prove(event)) => {
                self.proof_came(event.index, &Proof::Unknown(failure.text().to_owned()))
            }
            (_, Query::OverTime { turn, .. }) => self.tell(&News::OverTime {
                turn: *turn,
                counts: Err(failure.text()),
            }),
            (_, Query::Find { turn, .. }) => self.tell(&News::Found {
                turn: *turn,
                page: Err(failure.text()),
            }),
            (_, Query::Audit { turn, scope, .. }) => self.tell(&News::Page {
                turn: *turn,
                newer: scope.oldest_first,
                page: Err(failure.text()),
            }),
            (_, Query::Uses) => self.tell(&News::Uses(Some(failure.text()))),
            (_, Query::Locks) => self.tell(&News::Locks(Some(failure.text()))),
            (_, Query::Past { .. }) => {
                self.say(
                    Level::Warn,
                    &format!("older grants did not come: {}", failure.text()),
                );
                Vec::new()
            }
            (
                _,
                Query::Sessions
                | Query::SignIns
                | Query::Services
                | Query::Standing
                | Query::Factors
                | Query::Trail(_)
                | Query::TryOut(_)
                | Query::Incident(_),
            ) => {
                self.poll_failed(query, failure.text());
                Vec::new()
            }
            _ => {
                if matches!(failure, Failure::Refused { .. }) && !matches!(query, Query::Me) {
                    self.say(Level::Warn, failure.text());
                }
                self.refresher.failed(query, self.world.now);
                Vec::new()
            }
        }
    }
}
