//! Portcullis gives people access to production for a stated time and reason, and takes it away by itself.
//!
//! This page is the map of the code. What Portcullis is for people is in the `README.md`; every folder says in its
//! `mod.rs` what it is for, what it never does, and how to add to it. `cargo doc --document-private-items --open` is
//! the book.
//!
//! # The modules, in reading order
//!
//! A module uses only modules above it. The service half (`store`, `targets`, `catalog`, `gate`, `server`) and the
//! terminal half (`client`, `console`) never use each other: they meet in `domain` and `wire`, and otherwise over
//! HTTP, so that the console can do nothing that a person's token may not.
//!
//! | module | what it holds | what it never does |
//! |---|---|---|
//! | [`text`] | cleaning text that others wrote, its width, cutting it | |
//! | [`domain`] | the rules: requests, grants, policy, permissions, every sentence that says no | I/O, clocks, randomness |
//! | [`wire`] | JSON bodies shared by server and client | rules |
//! | [`query`] | the filter language: reading it, whether a row passes, what could be typed next | I/O, clocks |
//! | [`secret`] | secrets, tokens, derived keys, private files | know whose they are |
//! | [`tlog`] | the tamper-evident log: Merkle tree, tiles, signed notes, checkpoints | I/O, know an event |
//! | [`egress`] | calls to addresses that an operator has configured, checked before they are connected to | know what is said |
//! | [`config`] | settings: file, then environment, then flag | know the catalogue |
//! | [`store`] | all SQL, one text for SQLite and PostgreSQL | decide anything |
//! | [`targets`] | making access real on a target and unreal again, one file per kind | touch the store |
//! | [`catalog`] | targets and policy, loaded together and replaced together | decide anything |
//! | [`gate`] | what a caller may ask for; one function is one transaction | know HTTP or JSON |
//! | [`server`] | HTTP: extract, call the gate, wrap | hold a rule |
//! | [`client`] | the other end: typed calls, the sign-in, the event stream that resumes | show a change before it is confirmed |
//! | [`console`] | the full-screen console: a pure `update`, a pure `view`, effects at the edge | hold a truth of its own |
//! | [`demo`] | everything at once on one machine, for newcomers | outlive itself |
//! | [`cli`] | the commands | hold a rule |
//!
//! # The life of a request
//!
//! A reviewer presses `a` and then `y`. Read top to bottom; no arrow goes back up but the event stream.
//!
//! ```text
//! console/keymap     key `a`                  → Action::Approve
//! console/confirm    the question, its guards → the only place that makes a change; bound to id and version
//! console/effects    performs it              → client.approve(id, version, …, idempotency key)
//! client/send        POST /v1/requests/{id}/approve
//! server/router      one line                 → server::requests::approve
//! server/caller      extractors               → who (or 401; nothing below runs), which version, exactly once
//! server/requests    five lines               → gate.review(caller, id, version, …)
//! gate               begin, the database's now, load; domain::permit, the policy, then the rule
//! domain/request     pure                     → a Change: new state with its one event | a Refusal
//! store/apply        update … where id and version and state; no row = Refusal::Conflict
//! store/audit        same transaction         → the event
//! store/outbox       same transaction         → "make this grant usable"
//! gate               commit                   → the answer: the new request and what the caller may do with it
//! server/error       Refusal → 4xx and a sentence; fault → 500 and a reference, logged once, here
//!
//! store/sequence     after the commit         → the event's dense index
//! server/stream      everybody who may see it → server-sent event; `Last-Event-ID` resumes without a gap
//! client/follow      reconnects, drops twins  → a message of the console
//! console/app        update(message)          → state; console/view draws it
//!
//! gate/work          leases the promised row  → targets: connector.up(…) → another Change, same path
//! gate/closing       at the end, or earlier   → connector.down(…), read back → only then `ended`, `returned`, `revoked`
//! gate/sweep         what is past its deadline → another Change
//! gate/reconcile     what a target really has → removes what no grant backs
//! ```
//!
//! So each question has one place: *may they?* [`domain::permit`] and [`domain::policy`]; *what happens?* the
//! transitions in [`domain::request`] and [`domain::grant`]; *what is written?* [`store::apply`]; *what is said?*
//! [`domain::event`] and [`domain::refusal`]; *what is true on the target?* the connector in [`targets`].
//!
//! # The invariants
//!
//! 1. Whether a grant authorises is a pure function of the grant, the locks and now; it never waits for a worker.
//! 2. Comparisons that give access use the database's clock, never a client's.
//! 3. Each transition is one conditional update on id, version and allowed states. No row is a conflict.
//! 4. Each transition writes exactly one audit event in its own transaction; without the event there is no change.
//! 5. A final state never changes.
//! 6. Approvals are counted by distinct people, and the requester is never one of them, whatever the channel or role.
//! 7. The end of a grant moves later only through an approved extension, and never past the policy's cap.
//! 8. Closing one grant never removes a right that another live grant still gives.
//! 9. Authorisation says no from the moment `closing` is committed, also where the target cannot be reached.
//! 10. The end is enforced on the target itself, on use, and by the workers.
//! 11. A changed policy never alters a decided request.
//! 12. A client never shows a change as done before the server has confirmed it.
//! 13. Text that people typed is never written raw to a terminal.

pub mod text;

pub mod domain;

pub mod wire;

pub mod query;

pub mod secret;

pub mod tlog;

pub mod egress;

pub mod config;

pub mod store;

pub mod targets;

pub mod catalog;

pub mod gate;

pub mod server;

pub mod client;

pub mod console;

pub mod demo;

pub mod cli;
