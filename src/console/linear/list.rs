//! The rows of a list as numbered sentences.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::console::app::App;
use crate::console::linear::sentence::{
    grant, lock, request, service, session, sign_in, standing, used,
};
use crate::console::store::{SessionKey, Subject};
use crate::domain::ids::{SignInId, StandingId};
use crate::query::{List, parse};
use crate::text::{DisplayText, clean};
use crate::wire::{
    BreakGlassView, GrantView, LockView, RequestView, SessionView, SignInView, StandingView,
};

/// The rows of a list with their numbers: those that matter at the moment, or all, as far as a filter lets them
/// through. The error says what is wrong with the filter.
pub(super) fn rows(
    app: &App,
    list: List,
    all: bool,
    filter: &str,
    choices: &mut Vec<Subject>,
) -> Result<Vec<DisplayText>, String> {
    let world = app.world();
    let parsed = parse(filter, list, &world.shelf.saved);
    if let Some(problem) = parsed.problems.first() {
        return Err(format!("The filter makes no sense: {problem}"));
    }
    let (expr, asking, now) = (parsed.expr, world.asking(), world.server_now());
    let store = &world.store;
    let mut rows: Vec<(String, Subject)> = Vec::new();
    let (none, one, many) = match list {
        List::Requests => {
            let views = store.requests().map(|(_, view)| view);
            let mut views: Vec<_> = views
                .filter(|view| all || view.state == "pending")
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by(|a, b| {
                let key = |view: &RequestView| (view.state != "pending", view.created_at);
                (key(a), &a.id).cmp(&(key(b), &b.id))
            });
            let row = |view: &&Rc<RequestView>| {
                Some((request(view, now), Subject::Request(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "No request waits.",
                "One request:",
                "requests, the oldest first:",
            )
        }
        List::Sessions => {
            let mut views: Vec<_> = store
                .sessions()
                .filter(|(_, view)| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|(key, view)| (view.started_at, (*key).clone()));
            let row = |(key, view): &(&SessionKey, &Rc<SessionView>)| {
                (session(view, now), Subject::Session((*key).clone()))
            };
            rows.extend(views.iter().map(row));
            (
                "Nobody is connected, as far as the targets report it.",
                "One session:",
                "sessions, the oldest first:",
            )
        }
        List::Locks => {
            let mut views: Vec<_> = store
                .locks()
                .map(|(_, view)| view)
                .filter(|view| all || view.state == "in_force")
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|view| (view.state != "in_force", view.created_at, view.id.clone()));
            let row = |view: &&Rc<LockView>| {
                Some((lock(view, now), Subject::Lock(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "Nothing is locked.",
                "One lock:",
                "locks, the oldest first:",
            )
        }
        List::SignIns => {
            let mut views: Vec<_> = store
                .people()
                .sign_ins()
                .filter(|(_, view)| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|(id, view)| (Reverse(view.last_used_at), (*id).clone()));
            let row = |(id, view): &(&SignInId, &Rc<SignInView>)| {
                (sign_in(view, now), Subject::SignIn((*id).clone()))
            };
            rows.extend(views.iter().map(row));
            (
                "Nobody that you may see is signed in.",
                "One sign-in:",
                "sign-ins, the last used first:",
            )
        }
        List::Services => {
            let views = store.people().services();
            let views = views.filter(|(_, view)| expr.lets(view.as_ref(), asking));
            rows.extend(
                views.map(|(name, view)| (service(view, now), Subject::Service(name.clone()))),
            );
            (
                "There are no service accounts that you may see.",
                "One service account:",
                "service accounts, by name:",
            )
        }
        List::Standing => {
            let mut views: Vec<_> = store
                .standing()
                .all()
                .filter(|(_, view)| all || view.state == "open")
                .filter(|(_, view)| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|(id, view)| (Reverse(view.found_at), (*id).clone()));
            let row = |(id, view): &(&StandingId, &Rc<StandingView>)| {
                (standing(view, now), Subject::Standing((*id).clone()))
            };
            rows.extend(views.iter().map(row));
            (
                "There is no standing access that you may see and nobody said anything about.",
                "One piece of standing access:",
                "pieces of standing access, the newest first:",
            )
        }
        List::BreakGlass => {
            let mut views: Vec<_> = store
                .uses()
                .map(|(_, view)| view)
                .filter(|view| all || view.state == "open")
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|view| (view.state != "open", view.created_at, view.id.clone()));
            let row = |view: &&Rc<BreakGlassView>| {
                Some((used(view, world), Subject::Use(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "Nothing waits for a sign-off.",
                "One break-glass:",
                "uses of break-glass, the oldest first:",
            )
        }
        List::Grants | List::Audit => {
            let is_open =
                |state: &str| matches!(state, "scheduled" | "activating" | "active" | "closing");
            let mut views: Vec<_> = store
                .grants()
                .map(|(_, view)| view)
                .filter(|view| all || is_open(&view.state))
                .filter(|view| expr.lets(view.as_ref(), asking))
                .collect();
            views.sort_by_key(|view| (!is_open(&view.state), view.expires_at, view.id.clone()));
            let row = |view: &&Rc<GrantView>| {
                Some((grant(view, now), Subject::Grant(view.id.parse().ok()?)))
            };
            rows.extend(views.iter().filter_map(row));
            (
                "Nobody has access.",
                "One grant:",
                "grants, the one that ends first is first:",
            )
        }
    };
    let head = match (rows.len(), filter.is_empty()) {
        (0, true) => none.to_owned(),
        (0, false) => "The filter lets nothing through.".to_owned(),
        (1, _) => one.to_owned(),
        (count, _) => format!("{count} {many}"),
    };
    let lines = rows
        .iter()
        .enumerate()
        .map(|(at, (line, _))| format!("{}. {line}", at + 1));
    let mut lines: Vec<DisplayText> = std::iter::once(head)
        .chain(lines)
        .map(|line| clean(&line))
        .collect();
    if list == List::Sessions {
        let missing = store.sources().iter().filter_map(|source| {
            let problem = source.problem.as_ref()?;
            Some(clean(&format!("{}: {problem}", source.target)))
        });
        lines.extend(missing);
        lines.extend(world.sessions_problem.as_deref().map(clean));
    }
    *choices = rows.into_iter().map(|(_, subject)| subject).collect();
    Ok(lines)
}
