//! A request in full and in two lines.

use crate::console::doc::Doc;
use crate::console::screen::detail::grant::enforcement;
use crate::console::screen::detail::{WHOLE, events, related, you};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::domain::ids::RequestId;
use crate::text::suspicious;
use crate::wire::RequestView;

/// A request in two lines.
pub(in crate::console::screen) fn request_preview(
    view: &RequestView,
    world: &World,
    width: u16,
) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let end = show::moment(show::would_end(view, now), now);
    let end = if view.state == "pending" {
        format!("ends {end} if approved now")
    } else {
        format!("{} {end}", view.state)
    };
    let words: Vec<&str> = view
        .signals
        .iter()
        .map(|signal| signal.word.as_str())
        .collect();
    let last = match claimed(view, world) {
        Some(claim) => (claim, Role::StatusInfo),
        None if words.is_empty() => (end, Role::TextMuted),
        None => (words.join(", "), Role::StatusWarn),
    };
    doc.pieces(vec![
        (format!("{} ", view.requester), Role::TextStrong),
        (
            format!(
                "{} on {} for {}, ",
                view.role_granted, view.target, view.duration_granted
            ),
            Role::Text,
        ),
        last,
    ]);
    doc.excerpt(&view.reason);
    doc
}

/// Who is on it, when that is somebody else.
fn claimed(view: &RequestView, world: &World) -> Option<String> {
    let claim = view
        .claim
        .as_ref()
        .filter(|claim| claim.until > world.server_now() && claim.by != world.my_name())?;
    Some(format!(
        "{} is on it since {}",
        claim.by,
        show::moment(claim.since, world.server_now())
    ))
}

/// A request in full.
pub(in crate::console::screen) fn request(view: &RequestView, world: &World, width: u16) -> Doc {
    let now = world.server_now();
    let mut doc = Doc::new(width);
    let look = show::request(view);
    let waiting = match view.decided_at {
        Some(at) => format!("since {}", show::moment(at, now)),
        None => format!(
            "for {}, undecided it expires {}",
            show::age(view.created_at, now),
            show::moment(view.decide_by, now)
        ),
    };
    doc.fact("State", &format!("{} {waiting}", look.word), look.role);
    doc.fact("Who", &view.requester, Role::TextStrong);
    if let Some(suspicion) = suspicious(&view.requester) {
        doc.fact(
            "",
            &format!("this name {}", suspicion.words()),
            Role::StatusWarn,
        );
    }
    let kind = if view.kind == "extend" {
        "extension of "
    } else {
        ""
    };
    let role = show::granted(&view.role, &view.role_granted);
    doc.fact(
        "What",
        &format!("{kind}{role} on {}", view.target),
        Role::TextStrong,
    );
    let end = show::moment(show::would_end(view, now), now);
    let start = view
        .not_before
        .map(|start| format!("not before {}, ", show::moment(start, now)))
        .unwrap_or_default();
    let ends = if view.state == "pending" {
        format!("{start}ends {end} if approved now")
    } else {
        format!("{start}end {end}")
    };
    doc.fact(
        "How long",
        &format!(
            "{}; {ends}",
            show::granted(&view.duration, &view.duration_granted)
        ),
        Role::Text,
    );
    if let Some(class) = view.enforcement.as_deref() {
        doc.fact("Enforced", enforcement(Some(class)), Role::Text);
    }
    doc.quote(
        &format!("why, written by {}", view.requester),
        &view.reason,
        WHOLE,
    );
    if let Some(ticket) = &view.ticket {
        doc.fact("Ticket", ticket, Role::Text);
    }
    if let Some(claim) = &view.claim {
        let whose = if claim.by == world.my_name() {
            "you"
        } else {
            claim.by.as_str()
        };
        let text = format!(
            "{whose}, since {}, until {}",
            show::moment(claim.since, now),
            show::moment(claim.until, now)
        );
        doc.fact("On it", &text, Role::StatusInfo);
    }
    let mut label = "Unusual";
    for signal in &view.signals {
        doc.fact(
            label,
            &format!("{}: {}", signal.word, signal.why),
            Role::StatusWarn,
        );
        label = "";
    }
    doc.fact("Policy", &view.verdict, Role::Text);
    for way in &view.ways {
        let by = way
            .reviewers
            .as_deref()
            .map_or_else(|| "nobody".to_owned(), |group| format!("by {group}"));
        let line = match way.line {
            0 => String::new(),
            line => format!(" (line {line})"),
        };
        let text = format!(
            "{}{line}: {} of {} approvals {by}; at most {}",
            way.policy, way.approvals, way.threshold, way.max_duration
        );
        doc.fact("", &text, Role::TextMuted);
        for need in &way.needs {
            let given = need.approved_by.len();
            let who = match need.approved_by.as_slice() {
                [] => "nobody yet".to_owned(),
                names => names.join(", "),
            };
            let text = format!("  {}: {given} of {}, {who}", need.group, need.threshold);
            doc.fact("", &text, Role::TextMuted);
        }
    }
    for review in &view.reviews {
        let text = format!(
            "{} by {} {}",
            review.decision,
            review.reviewer,
            show::moment(review.created_at, now)
        );
        doc.fact(
            "Review",
            &text,
            if review.decision == "deny" {
                Role::StatusDanger
            } else {
                Role::StatusOk
            },
        );
        if let Some(comment) = &review.comment {
            doc.quote(&format!("written by {}", review.reviewer), comment, WHOLE);
        }
    }
    let history = &view.history;
    let mut past = match history.grants_30d {
        0 => format!("first time on {} in 30 days", view.target),
        1 => format!("1 grant on {} in 30 days", view.target),
        many => format!("{many} grants on {} in 30 days", view.target),
    };
    if history.grants_30d > 0 {
        past.push_str(&format!(", {} revoked", history.revoked_30d));
        past.push_str(
            &history
                .longest
                .as_ref()
                .map(|longest| format!(", longest {longest}"))
                .unwrap_or_default(),
        );
        past.push_str(
            &history
                .last_at
                .map(|at| format!(", last {}", show::moment(at, now)))
                .unwrap_or_default(),
        );
    }
    let role = if history.grants_30d == 0 || history.revoked_30d > 0 {
        Role::StatusWarn
    } else {
        Role::Text
    };
    doc.fact("History", &past, role);
    let open = view.state == "pending";
    you(&mut doc, &view.allowed_actions, open, world);
    if let Some(grant) = &view.grant {
        let state = grant
            .parse()
            .ok()
            .and_then(|id| world.store.grant(&id))
            .map(|grant| {
                format!(
                    ", {} until {}",
                    grant.state,
                    show::moment(grant.expires_at, now)
                )
            })
            .unwrap_or_default();
        doc.fact("Grant", &format!("{grant}{state}"), Role::Text);
    }
    let own = view.grant.as_deref().unwrap_or_default();
    related::grants(&mut doc, world, &view.requester, &view.target, own);
    related::requests(&mut doc, world, &view.target, &view.id);
    doc.fact(
        "Asked",
        &show::moment(view.created_at, now),
        Role::TextMuted,
    );
    if let Ok(id) = view.id.parse::<RequestId>() {
        events(&mut doc, world, &Subject::Request(id));
    }
    doc
}
