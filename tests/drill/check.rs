//! Whether what everybody saw fits what is there in the end. Pure: a history and a truth in, every contradiction out.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{Access, Call, Certified, History, Outcome, Verb};

/// An event of the record, as it is in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) index: i64,
    pub(super) id: u128,
    pub(super) code: String,
    pub(super) actor: String,
    pub(super) request: Option<String>,
    pub(super) grant: Option<String>,
    pub(super) reason: Option<String>,
}

/// A request, a grant or a lock, as it is in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) version: i64,
}

/// When a grant ended, in milliseconds of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) expires: i64,
    /// When it was confirmed.
    pub(super) ended: Option<i64>,
}

/// What is there in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) epoch: i64,
    pub(super) events: Vec<Event>,
    pub(super) requests: Vec<Row>,
    pub(super) grants: Vec<Row>,
    pub(super) locks: Vec<Row>,
    pub(super) reviews: usize,
    /// Requests for a later end that were approved.
    pub(super) extensions: usize,
    pub(super) ends: BTreeMap<String, End>,
    /// Our names on the target.
    pub(super) left: Vec<String>,
}

/// What was found, with the figures that people want to see even when nothing is wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) lost: Vec<String>,
    pub(super) doubled: Vec<String>,
    /// Records that went back, events without their change, gaps and twins.
    pub(super) torn: Vec<String>,
    pub(super) late: Vec<String>,
    /// By how many milliseconds the latest login and the latest live session outlived their end.
    pub(super) worst_login: i64,
    pub(super) worst_session: i64,
    /// The same for what somebody took away before its end, from when they were told so.
    pub(super) worst_taken: i64,
    /// The same for hosts, from when the last certificate ended.
    pub(super) worst_certificate: i64,
    /// Frames that a stream told again after it went on at another node; clients drop them.
    pub(super) told_again: u64,
}

/// How long access may outlive its end, in milliseconds (`reliability.md` §3.3).
pub(super) mod bounds {
    /// For a new login, whatever is broken: the target itself ends it.
    pub(crate) const LOGIN: i64 = 5_000;
    /// For a live session, as long as nothing is broken.
    pub(crate) const SESSION: i64 = 11_000;
    /// For a live session whose node died while it took it away, besides the time in which nothing could be written.
    pub(crate) const SESSION_AFTER_FAULT: i64 = 41_000;
}

impl Verdict {
    /// Everything that is wrong.
    pub(super) fn wrong(&self) -> Vec<&String> {
        [&self.lost, &self.doubled, &self.torn, &self.late]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Looks at everything.
pub(super) fn check(history: &History, truth: &Truth) -> Verdict {
    let mut verdict = Verdict::default();
    effects(history, truth, &mut verdict);
    refusals(history, &mut verdict);
    order(history, truth, &mut verdict);
    looks(history, &mut verdict);
    faults(history, &mut verdict);
    record(truth, &mut verdict);
    streams(history, truth, &mut verdict);
    ends(history, truth, &mut verdict);
    verdict
}

/// What an event is about, as a call names it; none for what no call of the drill does.
pub(super) fn subject(event: &Event) -> Option<(&'static str, &str)> {
    let (code, subject) = match event.code.as_str() {
        "request.submitted" => ("request.submitted", &event.request),
        "request.claimed" => ("request.claimed", &event.request),
        "request.released" => ("request.released", &event.request),
        "request.approved" => ("request.approved", &event.request),
        "request.denied" => ("request.denied", &event.request),
        "request.withdrawn" => ("request.withdrawn", &event.request),
        "grant.closing" | "grant.close_ignored" => ("grant.closing", &event.grant),
        "lock.placed" => ("lock.placed", &event.reason),
        "lock.lifted" => ("lock.lifted", &event.reason),
        _ => return None,
    };
    Some((code, subject.as_deref()?))
}

/// Each acknowledged change has its event, once; and there is no change that nobody asked for.
fn effects(history: &History, truth: &Truth, verdict: &mut Verdict) {
    #[derive(Default)]
    struct Count {
        acknowledged: u32,
        open: u32,
        found: u32,
    }
    let mut counts: HashMap<(&str, &str), Count> = HashMap::new();
    let mut unnamed = 0;
    for call in &history.calls {
        for code in call.verb.codes() {
            let count = counts.entry((code, &call.subject)).or_default();
            match &call.outcome {
                Outcome::Done { .. } => count.acknowledged += 1,
                // Of a request that was never answered nobody knows the name.
                Outcome::Open if call.subject.is_empty() => unnamed += 1,
                Outcome::Open => count.open += 1,
                Outcome::Refused(_) => {}
            }
        }
    }
    let by_people = truth
        .events
        .iter()
        .filter(|event| event.actor != "portcullis");
    for key in by_people.filter_map(subject) {
        counts.entry(key).or_default().found += 1;
    }
    for ((code, subject), count) in counts {
        let Count {
            acknowledged,
            open,
            found,
        } = count;
        if found < acknowledged {
            let text = format!(
                "{code} of {subject}: acknowledged {acknowledged} times, there {found} times"
            );
            verdict.lost.push(text);
        } else if found > acknowledged + open {
            if code.starts_with("request.") && acknowledged == 0 && unnamed > 0 {
                unnamed -= 1;
                continue;
            }
            let text = format!(
                "{code} of {subject}: asked for {} times, there {found} times",
                acknowledged + open
            );
            verdict.doubled.push(text);
        }
    }
}

/// Whoever does not share a record with others is told no by a rule only when the rule is wrong about what is there.
fn refusals(history: &History, verdict: &mut Verdict) {
    for call in &history.calls {
        let races = matches!(call.verb, Verb::Extend | Verb::Return | Verb::Revoke);
        if let Outcome::Refused(code) = &call.outcome
            && !races
        {
            let text = format!("{:?} of {} was refused: {code}", call.verb, call.subject);
            verdict.torn.push(text);
        }
    }
}

/// Whatever breaks here is none of the server's faults, so that it never says so.
fn faults(history: &History, verdict: &mut Verdict) {
    for (why, times) in &history.troubles {
        if why.starts_with("500") {
            verdict
                .torn
                .push(format!("the server said {why}, {times} times"));
        }
    }
}

/// Versions of one record only rise, and no record is in the end older than somebody was told.
fn order(history: &History, truth: &Truth, verdict: &mut Verdict) {
    let rows = truth
        .requests
        .iter()
        .chain(&truth.grants)
        .chain(&truth.locks);
    let rows: HashMap<&str, &Row> = rows.map(|row| (row.id.as_str(), row)).collect();
    let mut last: HashMap<&str, (i64, &Call)> = HashMap::new();
    let mut calls: Vec<&Call> = history.calls.iter().collect();
    calls.sort_by_key(|call| call.end);
    for call in calls {
        let Outcome::Done { id, version, .. } = &call.outcome else {
            continue;
        };
        if let Some((before, earlier)) = last.get(id.as_str())
            && before > version
            && earlier.end <= call.start
        {
            let text = format!("{id} was at version {before} and later at {version}");
            verdict.torn.push(text);
        }
        let highest = last.entry(id).or_insert((*version, call));
        if highest.0 <= *version {
            *highest = (*version, call);
        }
    }
    for (id, (version, call)) in last {
        let Outcome::Done { state, .. } = &call.outcome else {
            continue;
        };
        match rows.get(id) {
            None => verdict
                .lost
                .push(format!("{id} was acknowledged and is not there")),
            Some(row) if row.version < version => {
                let text = format!(
                    "{id} was acknowledged at version {version} and is at {}",
                    row.version
                );
                verdict.lost.push(text);
            }
            Some(row) if row.version == version && row.state != *state => {
                let text = format!("{id} was acknowledged as {state} and is {}", row.state);
                verdict.torn.push(text);
            }
            Some(_) => {}
        }
    }
}

/// Nobody is shown less than was acknowledged before, unless the answer says that it may be old.
fn looks(history: &History, verdict: &mut Verdict) {
    let mut told: HashMap<&str, Vec<(u64, i64)>> = HashMap::new();
    for call in &history.calls {
        if let Outcome::Done { id, version, .. } = &call.outcome {
            told.entry(id).or_default().push((call.end, *version));
        }
    }
    for look in history.looks.iter().filter(|look| !look.stale) {
        let known = told.get(look.id.as_str()).into_iter().flatten();
        let before = known.filter(|(end, _)| *end <= look.start);
        let least = before
            .map(|(_, version)| *version)
            .max()
            .unwrap_or_default();
        if look.version < least {
            let text = format!(
                "{} was shown at version {}, and was at {least} before, {} s after the beginning",
                look.id,
                look.version,
                look.start / 1_000_000
            );
            verdict.torn.push(text);
        }
    }
}

/// The record is dense, and says exactly as much as happened.
fn record(truth: &Truth, verdict: &mut Verdict) {
    let mut ids = HashSet::new();
    let mut codes: HashMap<&str, usize> = HashMap::new();
    for (expected, event) in truth.events.iter().enumerate() {
        if usize::try_from(event.index) != Ok(expected) {
            let text = format!("the record has {} where {expected} belongs", event.index);
            verdict.torn.push(text);
            break;
        }
    }
    for event in &truth.events {
        if !ids.insert(event.id) {
            verdict
                .doubled
                .push(format!("the event {:032x} is there twice", event.id));
        }
        *codes.entry(&event.code).or_default() += 1;
    }
    let events = |of: &[&str]| -> usize { of.iter().filter_map(|code| codes.get(code)).sum() };
    let rows = |rows: &[Row], state: &str| rows.iter().filter(|row| row.state == state).count();
    let mut same = |what: &str, rows: usize, events: usize| {
        if rows != events {
            verdict
                .torn
                .push(format!("{what}: {rows} rows and {events} events"));
        }
    };
    same(
        "requests",
        truth.requests.len(),
        events(&["request.submitted"]),
    );
    for state in ["approved", "denied", "withdrawn", "expired"] {
        let code = format!("request.{state}");
        same(&code, rows(&truth.requests, state), events(&[&code]));
    }
    let decided = ["review.recorded", "request.approved", "request.denied"];
    same("reviews", truth.reviews, events(&decided));
    let approved = truth.grants.len() + truth.extensions;
    same(
        "grants and extensions",
        approved,
        events(&["request.approved"]),
    );
    same("extensions", truth.extensions, events(&["grant.extended"]));
    for state in ["ended", "returned", "revoked", "activation_failed"] {
        let code = format!("grant.{state}");
        same(&code, rows(&truth.grants, state), events(&[&code]));
    }
    same("locks", truth.locks.len(), events(&["lock.placed"]));
    same(
        "lifted locks",
        rows(&truth.locks, "lifted"),
        events(&["lock.lifted"]),
    );
}

/// Each stream is a piece of the record, without a gap, and nothing in it is another event than the record has.
fn streams(history: &History, truth: &Truth, verdict: &mut Verdict) {
    for (reader, frames) in &history.frames {
        let mut last: Option<i64> = None;
        for frame in frames {
            let there = usize::try_from(frame.index)
                .ok()
                .and_then(|index| truth.events.get(index));
            if frame.epoch != truth.epoch || there.is_none_or(|event| event.id != frame.id) {
                let text = format!(
                    "{reader} was told another event at {}.{} than is there",
                    frame.epoch, frame.index
                );
                verdict.torn.push(text);
                break;
            }
            match last {
                Some(last) if frame.index <= last => {
                    verdict.told_again += 1;
                }
                Some(last) if frame.index > last + 1 => {
                    verdict
                        .torn
                        .push(format!("{reader} was told {} after {last}", frame.index));
                    break;
                }
                _ => last = Some(frame.index),
            }
        }
    }
}

/// Nobody gets in or stays in past the bound.
fn ends(history: &History, truth: &Truth, verdict: &mut Verdict) {
    // When a grant was taken away early, as whoever did it was told.
    let mut taken: HashMap<&str, i64> = HashMap::new();
    for call in &history.calls {
        if matches!(call.verb, Verb::Revoke | Verb::Return)
            && matches!(call.outcome, Outcome::Done { .. })
        {
            taken.entry(&call.subject).or_insert(history.wall(call.end));
        }
    }
    let mut told = HashSet::new();
    let certified = certified(history, truth, verdict);
    for seen in &history.seen {
        let Some(end) = truth.ends.get(&seen.grant) else {
            verdict
                .lost
                .push(format!("somebody used {}, which is not there", seen.grant));
            continue;
        };
        let way = match seen.by {
            Access::Login | Access::Certificate => "logged in to",
            Access::Session | Access::Host => "was still in",
        };
        if let Some(ended) = end.ended
            && seen.at > ended
            // What the host cuts is not said to be over before.
            && seen.by != Access::Host
            && told.insert((&seen.grant, seen.by, "confirmed"))
        {
            let past = seen.at - ended;
            let text = format!(
                "somebody {way} {} {past} ms after its end was confirmed",
                seen.grant
            );
            verdict.late.push(text);
        }
        let bound = match seen.by {
            Access::Certificate => Some(bounds::LOGIN),
            Access::Host => Some(bounds::SESSION),
            Access::Login | Access::Session => None,
        };
        if let Some(bound) = bound {
            // Whatever became of the grant and of the nodes: the host looks at its clock and at the certificate.
            let until = certified.get(seen.grant.as_str()).copied();
            let past = until.map_or(i64::MAX, |until| seen.at - until);
            verdict.worst_certificate = past.max(verdict.worst_certificate);
            if past > bound && told.insert((&seen.grant, seen.by, "bound")) {
                let text = format!("somebody {way} {} {past} ms past a certificate", seen.grant);
                verdict.late.push(text);
            }
            continue;
        }
        let early = taken.get(seen.grant.as_str()).copied();
        let due = early.map_or(end.expires, |early| early.min(end.expires));
        let past = seen.at - due;
        let worst = match seen.by {
            _ if due < end.expires => &mut verdict.worst_taken,
            Access::Session => &mut verdict.worst_session,
            _ => &mut verdict.worst_login,
        };
        *worst = past.max(*worst);
        // What was taken away early is ended by us, and by the target itself at the end that it knows.
        let itself = match seen.by {
            Access::Session => i64::MAX,
            _ => end.expires - due + bounds::LOGIN,
        };
        if past <= bounds::SESSION.min(itself) {
            continue;
        }
        let live = match broken(history, due, seen.at) {
            Some(outage) => bounds::SESSION_AFTER_FAULT + outage,
            None => bounds::SESSION,
        };
        let bound = live.min(itself);
        if past > bound && told.insert((&seen.grant, seen.by, "bound")) {
            let text = format!(
                "somebody {way} {} {past} ms past its end; {bound} ms are the bound",
                seen.grant
            );
            verdict.late.push(text);
        }
    }
}

/// When the last certificate of each grant ends; none of them ends after its grant.
fn certified<'a>(
    history: &'a History,
    truth: &Truth,
    verdict: &mut Verdict,
) -> HashMap<&'a str, i64> {
    let mut last = HashMap::new();
    for Certified { grant, until } in &history.certificates {
        let end = truth.ends.get(grant).map(|end| end.expires);
        if end.is_none_or(|end| *until > end) {
            let text = format!("a certificate of {grant} ends at {until}, the grant at {end:?}");
            verdict.late.push(text);
        }
        let latest = last.entry(grant.as_str()).or_insert(*until);
        *latest = (*latest).max(*until);
    }
    last
}

/// How long nothing could be written in this time; none where nothing was broken, then or shortly before.
fn broken(history: &History, from: i64, to: i64) -> Option<i64> {
    let mut outage = None;
    for fault in &history.faults {
        let (start, end) = (history.wall(fault.start), history.wall(fault.end));
        // A node may have died with the work in its hands just before.
        if start <= to && end + 1_000 >= from {
            let silent = if fault.outage {
                (end.min(to) - start.max(from)).max(0)
            } else {
                0
            };
            *outage.get_or_insert(0) += silent;
        }
    }
    outage
}
