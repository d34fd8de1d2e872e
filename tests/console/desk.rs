//! A console on a desk: no terminal, no server, and time moves only when told. Keys go in, a picture comes out.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::console::app::{App, Settings};
use portcullis::console::confirm::Mutation;
use portcullis::console::msg::{
    Answer, Effect, Env, Msg, Proving, Query, Slice, These, Tidings, Trip,
};
use portcullis::console::run::clock::Moment;
use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::term::input::Key;
use portcullis::console::theme::Theme;
use portcullis::console::view::view;
use portcullis::domain::ids::{GrantId, RequestId};
use portcullis::query::{Context, List, Saved, parse};
use portcullis::wire::{
    BreakGlassView, EventView, GrantView, IncidentView, LockView, Me, Page, RequestView,
    ServiceView, SessionSource, SessionView, Sessions, SignInHow, SignInView, StandingView,
    TargetView,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use serde_json::json;

use super::{over_time, proofs, sample};

/// What the server's clock says when the desk is set up.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-20T03:12:09Z".parse().unwrap()
}

pub(crate) struct Desk {
    pub(crate) app: App,
    pub(crate) theme: Theme,
    pub(crate) now: Moment,
    /// Everything asked for since it was last looked at.
    pub(crate) effects: Vec<Effect>,
    pub(crate) requests: Vec<RequestView>,
    pub(crate) grants: Vec<GrantView>,
    pub(crate) events: Vec<EventView>,
    pub(crate) sessions: Vec<SessionView>,
    pub(crate) sources: Vec<SessionSource>,
    pub(crate) locks: Vec<LockView>,
    pub(crate) sign_ins: Vec<SignInView>,
    pub(crate) services: Vec<ServiceView>,
    pub(crate) standing: Vec<StandingView>,
    pub(crate) uses: Vec<BreakGlassView>,
    pub(crate) targets: Vec<TargetView>,
    pub(crate) incident: Option<IncidentView>,
    /// What is wrong with the signed log.
    pub(crate) log_problem: Option<String>,
    /// Whether questions to the server are answered at once.
    pub(crate) answers: bool,
    size: Size,
}

impl Desk {
    /// A console that shows nothing yet.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self::started(width, height, |_| {})
    }

    fn started(width: u16, height: u16, set: impl FnOnce(&mut Settings)) -> Self {
        let now = Moment {
            steady: Instant::now(),
            wall: start(),
        };
        let size = Size::new(width, height);
        let mut settings = Settings {
            server: "https://access.example.net".to_owned(),
            themes: vec!["portcullis-dark".to_owned(), "mono".to_owned()],
            ..Settings::default()
        };
        set(&mut settings);
        Self {
            app: App::new(&settings, size, now),
            theme: Theme::standard(false, Depth::TrueColor, Charset::Unicode),
            now,
            effects: Vec::new(),
            requests: Vec::new(),
            grants: Vec::new(),
            events: Vec::new(),
            sessions: Vec::new(),
            sources: Vec::new(),
            locks: Vec::new(),
            sign_ins: Vec::new(),
            services: Vec::new(),
            standing: Vec::new(),
            uses: Vec::new(),
            targets: Vec::new(),
            incident: None,
            log_problem: None,
            answers: true,
            size,
        }
    }

    /// The same with a server that answers, and somebody signed in.
    pub(crate) fn live(width: u16, height: u16) -> Self {
        Self::new(width, height).open()
    }

    /// The same, started with `--readonly`.
    pub(crate) fn readonly(width: u16, height: u16) -> Self {
        Self::settled(width, height, |settings| settings.readonly = true)
    }

    /// The same with other settings.
    pub(crate) fn settled(width: u16, height: u16, set: impl FnOnce(&mut Settings)) -> Self {
        Self::started(width, height, set).open()
    }

    fn open(mut self) -> Self {
        let desk = &mut self;
        desk.requests = vec![
            request(
                1,
                "alice",
                "orders-db",
                "readonly",
                "1h",
                "INC-4127 consumer stuck, payments wait",
            ),
            request(
                2,
                "bob",
                "ledger",
                "read-write",
                "30m",
                "CHG-9921 rotate webhook secret",
            ),
        ];
        desk.grants = vec![
            grant(5, "carol", "bastion-04", "shell", 42),
            grant(6, "dave", "orders-db", "readonly", 4),
        ];
        desk.events = (0..30)
            .map(|index| event(index, "grant.activated", "portcullis"))
            .collect();
        desk.connect();
        self
    }

    /// The stream stands, and everything is read.
    pub(crate) fn connect(&mut self) {
        self.send(Msg::Start);
        let now = self.server_now();
        self.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
        self.wait(200);
        self.wait(3_000);
        self.tell(Vec::new());
        self.effects.clear();
    }

    pub(crate) fn server_now(&self) -> DateTime<Utc> {
        self.now.wall
    }

    /// Something happens; questions are answered as the server would.
    pub(crate) fn send(&mut self, msg: Msg) {
        let env = Env { now: self.now };
        let effects = self.app.update(msg, env);
        self.perform(effects);
    }

    /// Does what was asked for; questions are answered as the server would.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let (true, Effect::Fetch(query)) = (self.answers, effect)
                && let Some(answer) = self.answer(query)
            {
                let trip = Trip {
                    sent: self.now.steady,
                    received: self.now.steady,
                };
                self.send(Msg::Answer(query.clone(), Ok(answer), trip));
            }
        }
        self.effects.extend(effects);
    }

    /// Time passes, and whatever is due happens.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.now.steady += Duration::from_millis(millis);
        self.now.wall += TimeDelta::milliseconds(i64::try_from(millis).unwrap());
        self.send(Msg::Tick);
    }

    /// Events come over the stream, or a heartbeat when there are none.
    pub(crate) fn tell(&mut self, events: Vec<EventView>) {
        let now = self.server_now();
        if events.is_empty() {
            self.send(Msg::Stream(Tidings::Heartbeat { now }));
        } else {
            self.events.extend(events.iter().cloned());
            self.send(Msg::Stream(Tidings::Events(events)));
        }
    }

    /// Presses keys, given as the help writes them, with a breath of time after each.
    pub(crate) fn keys(&mut self, keys: &str) {
        for text in keys.split_whitespace() {
            self.press(key(text));
            self.wait(20);
        }
    }

    /// Types letters slowly.
    pub(crate) fn type_in(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(Key::press(KeyCode::Char(letter), KeyModifiers::NONE));
            self.wait(20);
        }
    }

    pub(crate) fn press(&mut self, key: Key) {
        self.send(Msg::Key(key));
    }

    /// Long enough for a question to take answers.
    pub(crate) fn read_it(&mut self) {
        self.wait(400);
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.size = Size::new(width, height);
        self.send(Msg::Resize(self.size));
    }

    /// The changes asked for so far; asking forgets them.
    pub(crate) fn changes(&mut self) -> Vec<Mutation> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Mutate(change) => Some(change),
                _ => None,
            })
            .collect()
    }

    /// The picture.
    /// Whether somebody who was sent to a browser is waited for no longer.
    pub(crate) fn stopped_proving(&self) -> bool {
        self.effects.contains(&Effect::StopProving)
    }

    /// The second factors that were sent since the last look.
    pub(crate) fn proofs(&mut self) -> Vec<Proving> {
        let (proofs, others) = std::mem::take(&mut self.effects)
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Prove(_)));
        self.effects = others;
        let proofs: Vec<Effect> = proofs;
        proofs
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Prove(proving) => Some(proving),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn frame(&self) -> Buffer {
        let mut terminal =
            Terminal::new(TestBackend::new(self.size.width, self.size.height)).unwrap();
        terminal
            .draw(|frame| view(&self.app, &self.theme, frame))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    /// The picture as text.
    pub(crate) fn screen(&self) -> String {
        let buffer = self.frame();
        let line = |y| -> String {
            let cells = (0..self.size.width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..self.size.height)
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// What the server would say at this moment.
    pub(crate) fn answer(&self, query: &Query) -> Option<Answer> {
        let open = |state: &str| {
            matches!(
                state,
                "pending" | "scheduled" | "activating" | "active" | "closing"
            )
        };
        Some(match query {
            Query::Me => Answer::Me(Me {
                id: "P-1".to_owned(),
                name: "maya".to_owned(),
                roles: vec!["admin".to_owned()],
                groups: Vec::new(),
                sign_in: "S-1".to_owned(),
                how: Some(SignInHow {
                    method: "oidc".to_owned(),
                    authenticated_at: start() - TimeDelta::minutes(95),
                    amr: vec!["pwd".to_owned(), "otp".to_owned()],
                    bound: true,
                    ends_at: start() + TimeDelta::hours(10),
                    owner: None,
                }),
                server: "eu-1".to_owned(),
                now: self.server_now(),
            }),
            Query::Request(id) => Answer::Request(Box::new(
                self.requests
                    .iter()
                    .find(|view| view.id == id.as_str())?
                    .clone(),
            )),
            Query::Grant(id) => Answer::Grant(Box::new(
                self.grants
                    .iter()
                    .find(|view| view.id == id.as_str())?
                    .clone(),
            )),
            Query::Requests { slice, .. } => {
                let wanted = self
                    .requests
                    .iter()
                    .filter(|view| open(&view.state) == (*slice == Slice::Open));
                Answer::Requests(Page {
                    items: wanted.cloned().collect(),
                    next: None,
                })
            }
            Query::Grants { slice, .. } => {
                let wanted = self
                    .grants
                    .iter()
                    .filter(|view| open(&view.state) == (*slice == Slice::Open));
                Answer::Grants(Page {
                    items: wanted.cloned().collect(),
                    next: None,
                })
            }
            Query::Facets { .. } => return None,
            Query::Past { .. } => Answer::Past(Page {
                items: Vec::new(),
                next: None,
            }),
            Query::Sessions => Answer::Sessions(Sessions {
                items: self.sessions.clone(),
                sources: self.sources.clone(),
            }),
            Query::Locks => Answer::Locks(Page {
                items: self.locks.clone(),
                next: None,
            }),
            Query::SignIns => Answer::SignIns(Page {
                items: self.sign_ins.clone(),
                next: None,
            }),
            Query::Services => Answer::Services(Page {
                items: self.services.clone(),
                next: None,
            }),
            Query::Standing => Answer::Standing(Page {
                items: self.standing.clone(),
                next: None,
            }),
            Query::Factors => Answer::Factors(sample::factors()),
            Query::Uses => Answer::Uses(Page {
                items: self.uses.clone(),
                next: None,
            }),
            Query::Use(id) => Answer::Use(Box::new(
                self.uses
                    .iter()
                    .find(|view| view.id == id.as_str())?
                    .clone(),
            )),
            Query::Lock(id) => Answer::Lock(Box::new(
                self.locks
                    .iter()
                    .find(|view| view.id == id.as_str())?
                    .clone(),
            )),
            Query::These(subjects) => {
                let wanted = |id: &str| subjects.iter().any(|subject| subject.as_str() == id);
                let mut these = These {
                    requests: only(&self.requests, |view| wanted(&view.id)),
                    grants: only(&self.grants, |view| wanted(&view.id)),
                    locks: only(&self.locks, |view| wanted(&view.id)),
                    uses: only(&self.uses, |view| wanted(&view.id)),
                    missing: Vec::new(),
                };
                let came = these.ids();
                let missing = subjects.iter().filter(|subject| !came.contains(subject));
                these.missing = missing.cloned().collect();
                Answer::These(these)
            }
            Query::Targets => Answer::Targets(Page {
                items: self.targets.clone(),
                next: None,
            }),
            Query::Trail(subject) => {
                let about = |event: &&EventView| {
                    let id = Some(subject.as_str());
                    event.request.as_deref() == id || event.grant.as_deref() == id
                };
                let items = self.events.iter().rev().filter(about).take(5);
                Answer::Trail(Page {
                    items: items.cloned().collect(),
                    next: None,
                })
            }
            Query::TryOut(ask) => Answer::TriedOut(Box::new(sample::preview(self, ask))),
            Query::Incident(_) => Answer::Incident(Box::new(self.incident.clone()?)),
            Query::Watch => Answer::Watched(proofs::watched(self.log_problem.as_deref())),
            Query::Prove(event) => Answer::Proved(proofs::proved(self, event)),
            Query::OverTime { scope, .. } => {
                Answer::OverTime(over_time::answer(&self.events, scope, self.server_now()))
            }
            Query::Audit { .. } | Query::Find { .. } => {
                let (scope, after) = match query {
                    Query::Audit { scope, after, .. } => (scope, after),
                    Query::Find { scope, .. } => (scope, &scope.after),
                    _ => return None,
                };
                let asking = Context {
                    now: self.server_now(),
                    me: "maya",
                };
                let text = scope.q.clone().unwrap_or_default();
                let filter = parse(&text, List::Audit, &Saved::default());
                let filter = filter.whole().unwrap();
                let after: Option<i64> = after.as_ref().map(|after| after.parse().unwrap());
                let limit = scope.limit.map_or(100, |limit| limit as usize);
                let mut items: Vec<EventView> = self
                    .events
                    .iter()
                    .filter(|event| {
                        let beyond = after.is_none_or(|after| {
                            if scope.oldest_first {
                                event.index > after
                            } else {
                                event.index < after
                            }
                        });
                        let before = scope.until.is_none_or(|until| event.time < until);
                        beyond && before && filter.lets(*event, asking)
                    })
                    .cloned()
                    .collect();
                if !scope.oldest_first {
                    items.reverse();
                }
                let more = items.len() > limit;
                items.truncate(limit);
                let next = items.last().filter(|_| more);
                let next = next.map(|last| last.index.to_string());
                Answer::Audit(Page { items, next })
            }
        })
    }
}

fn only<T: Clone>(rows: &[T], wanted: impl Fn(&T) -> bool) -> Vec<T> {
    rows.iter().filter(|row| wanted(row)).cloned().collect()
}

/// A key as the help writes it.
pub(crate) fn key(text: &str) -> Key {
    let (mods, text) = match text.strip_prefix("ctrl-") {
        Some(rest) => (KeyModifiers::CONTROL, rest),
        None => (KeyModifiers::NONE, text),
    };
    let code = match text {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "Space" => KeyCode::Char(' '),
        "BackTab" => KeyCode::BackTab,
        "Delete" => KeyCode::Delete,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Down" => KeyCode::Down,
        "Up" => KeyCode::Up,
        "End" => KeyCode::End,
        "Home" => KeyCode::Home,
        "PgDn" => KeyCode::PageDown,
        "PgUp" => KeyCode::PageUp,
        "Backspace" => KeyCode::Backspace,
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    Key::press(code, mods)
}

pub(crate) fn request_id(number: u64) -> RequestId {
    RequestId::from_bits(number)
}

pub(crate) fn grant_id(number: u64) -> GrantId {
    GrantId::from_bits(number)
}

/// A pending request that the person at the desk may decide, older the smaller its number.
pub(crate) fn request(
    number: u64,
    who: &str,
    target: &str,
    role: &str,
    length: &str,
    reason: &str,
) -> RequestView {
    let created = start() - TimeDelta::minutes(60 - i64::try_from(number).unwrap());
    serde_json::from_value(json!({
        "id": request_id(number), "kind": "access", "state": "pending", "requester": who, "target": target,
        "role": role, "duration": length, "reason": reason, "role_granted": role, "duration_granted": length,
        "would_end_at": created, "verdict": "needs 1 approval by a member of `sec`", "policy_version": "p1",
        "ways": [{"policy": "prod", "threshold": 1, "approvals": 0, "reviewers": "sec", "max_duration": "4h",
                  "max_total": "8h"}],
        "reviews": [], "history": {"grants_30d": 3, "revoked_30d": 0, "longest": "2h", "last_at": created},
        "created_at": created, "decide_by": created + TimeDelta::hours(24), "version": 1,
        "allowed_actions": [{"action": "approve", "allowed": true}, {"action": "deny", "allowed": true},
                            {"action": "withdraw", "allowed": false, "reason": "only the person who asked can"}],
    }))
    .unwrap()
}

/// An active grant that ends in some minutes.
pub(crate) fn grant(number: u64, who: &str, target: &str, role: &str, minutes: i64) -> GrantView {
    let begun = start() - TimeDelta::minutes(18);
    serde_json::from_value(json!({
        "id": grant_id(number), "request": request_id(number + 100), "state": "active", "holder": who,
        "target": target, "target_kind": "postgres", "enforcement": "A", "role": role,
        "reason": "INC-4127 disk 97% full", "duration": "1h", "max_total": "4h", "not_before": begun,
        "starts_at": begun, "expires_at": start() + TimeDelta::minutes(minutes),
        "max_expires_at": begun + TimeDelta::hours(4), "attempts": 0, "extensions": 0, "created_at": begun,
        "version": 3,
        "allowed_actions": [{"action": "revoke", "allowed": true}, {"action": "extend", "allowed": true}],
    }))
    .unwrap()
}

pub(crate) fn event(index: i64, code: &str, actor: &str) -> EventView {
    let time = start() - TimeDelta::seconds(600) + TimeDelta::seconds(index);
    serde_json::from_value(json!({
        "index": index, "id": format!("E-{index}"), "time": time, "event": code, "outcome": "success",
        "actor": {"kind": "principal", "name": actor}, "target": "orders-db", "grant": grant_id(5), "channel": "system",
        "sentence": format!("{actor} {code}"), "trace": "c-1",
    }))
    .unwrap()
}
