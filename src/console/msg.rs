//! Everything that can happen to the console, and everything it can ask for. Both are plain data, so that a test
//! can play an afternoon and an incident can be replayed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ratatui::layout::{Position, Size};

use crate::client::watch::{Proved, Watched};
use crate::client::{
    AuditQuery, Chosen, HistogramQuery, IdempotencyKey, Shelving, Standing, StepUpNeeded,
};
use crate::console::confirm::{Around, Mutation};
use crate::console::keymap::Action;
use crate::console::notice::Alert;
use crate::console::run::clock::Moment;
use crate::console::sign_in::{Said, Way};
use crate::console::store::Subject;
use crate::console::term::input::{Key, Mouse};
use crate::console::widget::toast::Level;
use crate::domain::ids::{GrantId, LockId, RequestId};
use crate::query::List;
use crate::secret::Secret;
use crate::wire::{
    BreakGlassView, EventView, Facets, Factors, GrantView, Histogram, IncidentPreview,
    IncidentPreviewAsk, IncidentView, LockOn, LockView, Me, Page, RequestView, ServiceView,
    SessionEnded, Sessions, SignInView, StandingView, TargetView,
};

/// What an update may know besides the model: it reads no clock and rolls no dice.
#[derive(Debug, Clone, Copy)]
pub struct Env {
    /// When it happens.
    pub now: Moment,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Msg {
    /// The first frame is on screen.
    Start,
    /// A person pressed a key.
    Key(Key),
    /// Text was pasted as a whole.
    Paste(String),
    /// The mouse did something at a place.
    Mouse(Mouse, Position),
    /// The window got or lost the keyboard.
    Focus(bool),
    /// The window has this size.
    Resize(Size),
    /// The program was stopped for a while, or the machine slept.
    Woke,
    /// A moment that was waited for has come.
    Tick,
    /// A person typed what to do with a row, where there is no screen to select it on.
    About(Action, Subject),
    /// A person typed a wish that is about no one row, where there is no screen either.
    Wish(Wish),
    /// The program itself has something to say, such as what is wrong with a theme.
    Say(Level, String),
    /// The live stream said something.
    Stream(Tidings),
    /// A question was answered.
    Answer(Query, Result<Answer, Failure>, Trip),
    /// The server answered a change.
    Acted(Mutation, Result<Receipt, Failure>, Trip),
    /// The server took a second factor for the changes with these keys, or did not.
    Proved(Vec<IdempotencyKey>, Result<(), Failure>),
    /// The person has to go to this address with a browser, to prove a second factor.
    GoTo(String),
    /// Something came of an attempt to sign in, by its number.
    SignIn(u64, Said),
}

/// What can be wished for without a screen. Each opens the question that its key would.
#[derive(Debug, Clone)]
pub enum Wish {
    /// The same to each of these rows.
    Many(Action, Vec<Subject>),
    /// End every sign-in of the person of this one, but not the one in use here.
    SignInsLike(Subject),
    /// Say that one is on a request, or no longer.
    Claim(Subject),
    /// Lock this out, for a length or until somebody lifts it.
    Lock(LockOn, String),
    /// Take much away at once, around this.
    Incident(Box<Around>),
    /// What a key of the screen in front would do.
    Do(Action),
    /// The row with its record.
    Show(Subject),
    /// Sign in, in this way.
    SignIn(Way),
}

/// When a call left and when its answer came.
#[derive(Debug, Clone, Copy)]
pub struct Trip {
    /// Left here.
    pub sent: Instant,
    /// Came back here.
    pub received: Instant,
}

impl Trip {
    /// How long it took.
    pub fn took(self) -> Duration {
        self.received.saturating_duration_since(self.sent)
    }
}

/// What the live stream says.
#[derive(Debug, Clone)]
pub enum Tidings {
    /// The connection stands; always first.
    Hello { now: DateTime<Utc>, epoch: i64 },
    /// What the node that is followed says of itself, before what it is true of.
    Standing(Standing),
    /// Audit events in the order of their index.
    Events(Vec<EventView>),
    /// Events are missing before the next ones.
    Gap,
    /// Nothing happened, and the server is well.
    Heartbeat { now: DateTime<Utc> },
    /// The connection is gone; the next try comes by itself.
    Lost { why: String, retry_in: Duration },
}

/// Why something asked for was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server said no and nothing was changed.
    Refused {
        code: String,
        text: String,
        hint: Option<String>,
        /// What to quote when asking the people who run the server.
        trace: Option<String>,
    },
    /// The server wants a second factor first, and nothing was changed.
    StepUp {
        needed: StepUpNeeded,
        text: String,
        hint: Option<String>,
    },
    /// No answer: whatever was asked for may or may not have happened.
    Unreachable(String),
    /// The sign-in is over.
    SignedOut(String),
}

impl Failure {
    /// What went wrong, as one sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Refused { text, .. }
            | Self::StepUp { text, .. }
            | Self::Unreachable(text)
            | Self::SignedOut(text) => text,
        }
    }

    /// What to quote when asking the people who run the server.
    pub fn trace(&self) -> Option<&str> {
        match self {
            Self::Refused { trace, .. } => trace.as_deref(),
            Self::StepUp { .. } | Self::Unreachable(_) | Self::SignedOut(_) => None,
        }
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::StepUp { .. } | Self::Unreachable(_) | Self::SignedOut(_) => "",
        }
    }
}

/// Something asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Follow the live stream from now on.
    Connect,
    /// End the pause before the next try.
    RetryNow,
    /// Read from the server.
    Fetch(Query),
    /// Change something on the server. Only `confirm` makes these.
    Mutate(Mutation),
    /// Prove a second factor for changes that the server has refused without one.
    Prove(Proving),
    /// Wait no longer for somebody who was sent to the identity provider.
    StopProving,
    /// Sign in, or stop doing so. What comes of it is told with this number.
    SignIn(u64, Way),
    /// Talk to another server from now on, given by its name, or to the same one as somebody else; nothing comes from
    /// the one before any more.
    Switch(Option<String>),
    /// Put text on the clipboard.
    Copy(String),
    /// The same with a secret, which is kept nowhere else.
    CopySecret(Secret),
    /// Write the record that matches to a file, one JSON object a line.
    Export(Box<AuditQuery>),
    /// Keep a filter on this machine.
    Shelve(Shelving),
    /// Drop keys typed ahead of a question.
    ForgetKeys,
    /// Call the person, who looks elsewhere.
    Notify(Alert),
    /// Change the colours.
    Theme(Wear),
    /// Take the mouse, or leave it to the terminal's own selection.
    ToggleMouse,
    /// Draw everything anew.
    Repaint,
    /// Give the terminal back and stop, as the shell's ctrl-z.
    Suspend,
    /// End the program.
    Quit,
}

/// A second factor for confirmed changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proving {
    /// The key of each change, and the digest by which the server names it.
    pub calls: Vec<(IdempotencyKey, String)>,
    /// What they do, one line each.
    pub acts: Vec<String>,
    pub how: Chosen,
}

/// What to do with a theme, by its name or the path of its file; `auto` is what suits the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wear {
    /// Show it, for a person who moves through a list of them.
    TryOn(String),
    /// Keep it for this run.
    Keep(String),
    /// Go back to the one that was kept.
    Restore,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slice {
    /// What still needs somebody or will change by itself.
    Open,
    /// What is over, newest first.
    Past,
}

/// A question to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    Me,
    Requests {
        slice: Slice,
        after: Option<String>,
    },
    Request(RequestId),
    Grants {
        slice: Slice,
        after: Option<String>,
    },
    Grant(GrantId),
    /// The values of a field of a list that begin like this, among rows that match. `turn` numbers the line.
    Facets {
        turn: u64,
        of: List,
        field: String,
        prefix: String,
        q: String,
    },
    /// Grants that are over, further back than the lists go.
    Past {
        after: Option<String>,
    },
    Sessions,
    /// Locks in force and those that are over.
    Locks,
    Lock(LockId),
    /// Who is signed in.
    SignIns,
    /// Service accounts.
    Services,
    /// Standing access that is on its targets now.
    Standing,
    /// The second factors of the person at the keyboard.
    Factors,
    /// Uses of break-glass, the newest first.
    Uses,
    Use(RequestId),
    /// Rows by their ids, in one call for each list.
    These(Vec<Subject>),
    /// The catalogue.
    Targets,
    /// The last events about one row.
    Trail(Subject),
    /// What an incident would take away; nothing is changed.
    TryOut(Box<IncidentPreviewAsk>),
    Incident(String),
    /// The first event that matches: where in the record something is. `turn` numbers the question.
    Find {
        turn: u64,
        scope: Box<AuditQuery>,
    },
    /// Whether the log continues what this machine saw of it.
    Watch,
    /// Whether an event is in the log, as it is shown.
    Prove(Box<EventView>),
    /// How many events there were over time. `turn` numbers the question.
    OverTime {
        turn: u64,
        scope: Box<HistogramQuery>,
    },
    /// A page of the record, newest first. `turn` numbers the filter it belongs to.
    Audit {
        turn: u64,
        scope: Box<AuditQuery>,
        after: Option<String>,
    },
}

/// What the server knows.
#[derive(Debug, Clone)]
pub enum Answer {
    Me(Me),
    Requests(Page<RequestView>),
    Request(Box<RequestView>),
    Grants(Page<GrantView>),
    Grant(Box<GrantView>),
    Past(Page<GrantView>),
    Sessions(Sessions),
    Locks(Page<LockView>),
    Lock(Box<LockView>),
    SignIns(Page<SignInView>),
    Services(Page<ServiceView>),
    Standing(Page<StandingView>),
    Factors(Factors),
    Uses(Page<BreakGlassView>),
    Use(Box<BreakGlassView>),
    These(These),
    Targets(Page<TargetView>),
    Trail(Page<EventView>),
    TriedOut(Box<IncidentPreview>),
    Incident(Box<IncidentView>),
    Audit(Page<EventView>),
    Facets(Facets),
    OverTime(Histogram),
    /// What was seen of the log, or what is wrong with it.
    Watched(Result<Box<Watched>, String>),
    /// The same of one event.
    Proved(Result<Box<Proved>, String>),
}

/// Rows that were asked for by their ids; what is not there is gone, or nobody may see it.
#[derive(Debug, Clone, Default)]
pub struct These {
    pub requests: Vec<RequestView>,
    pub grants: Vec<GrantView>,
    pub locks: Vec<LockView>,
    pub uses: Vec<BreakGlassView>,
    /// What was asked for and is not among them.
    pub missing: Vec<Subject>,
}

impl These {
    /// What the rows that came are called.
    pub fn ids(&self) -> HashSet<Subject> {
        let requests = self.requests.iter().map(|view| view.id.parse());
        let requests = requests.filter_map(|id| id.ok().map(Subject::Request));
        let grants = self.grants.iter().map(|view| view.id.parse());
        let grants = grants.filter_map(|id| id.ok().map(Subject::Grant));
        let locks = self.locks.iter().map(|view| view.id.parse());
        let locks = locks.filter_map(|id| id.ok().map(Subject::Lock));
        let uses = self.uses.iter().map(|view| view.id.parse());
        let uses = uses.filter_map(|id| id.ok().map(Subject::Use));
        requests.chain(grants).chain(locks).chain(uses).collect()
    }
}

/// The token of a service account, to be shown once.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub token: Secret,
    pub expires_at: DateTime<Utc>,
}

/// What a change led to.
#[derive(Debug, Clone)]
pub enum Receipt {
    Request(Box<RequestView>),
    Grant(Box<GrantView>),
    Lock(Box<LockView>),
    Use(Box<BreakGlassView>),
    Standing(Box<StandingView>),
    Session(SessionEnded),
    /// A service account has a token, which nobody can read again.
    Token(Box<NewToken>),
    /// What it was about is gone, and there is nothing to say of it.
    Gone,
    Incident(Box<IncidentView>),
}
