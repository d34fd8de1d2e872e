//! The answer to "who had access at that moment": as a headline, as a list, and as text for a ticket.

use chrono::SecondsFormat;

use crate::console::doc::Doc;
use crate::console::screen::timeline::window::{gave, stretch};
use crate::console::screen::timeline::{Older, Timeline};
use crate::console::show;
use crate::console::theme::Role;
use crate::console::world::World;
use crate::wire::GrantView;

/// Columns for names in the answer.
const LABELS: usize = 18;

impl Timeline {
    /// Who had access at the moment that is asked about.
    fn answer<'a>(&self, world: &'a World) -> Vec<&'a GrantView> {
        let now = world.server_now();
        let at = self.window.at(now);
        let mut views: Vec<&GrantView> = world
            .store
            .grants()
            .map(|(_, view)| view.as_ref())
            .filter(|view| gave(view, at, now) && self.lets(view, world))
            .collect();
        views.sort_by(|a, b| (&a.holder, &a.target, &a.id).cmp(&(&b.holder, &b.target, &b.id)));
        views
    }

    fn headline(&self, world: &World) -> String {
        let now = world.server_now();
        let at = self.window.at(now);
        let views = self.answer(world);
        let mut people: Vec<&str> = views.iter().map(|view| view.holder.as_str()).collect();
        people.dedup();
        let (had, when) = match (self.window.is_fixed(), at > now) {
            (false, _) if people.len() == 1 => ("has", "now".to_owned()),
            (false, _) => ("have", "now".to_owned()),
            (true, false) => ("had", format!("{} ago", show::age(at, now))),
            (true, true) => ("will have", format!("in {}", show::age(now, at))),
        };
        let unread = self.reach.is_none_or(|reach| reach > at) && self.older != Older::Nothing;
        let unread = if unread && at < now {
            ", older grants are not read yet"
        } else {
            ""
        };
        let people = show::people(people.len());
        let matching = match self.list.filter.filter() {
            filter if filter.is_empty() => String::new(),
            filter => format!(" (only `{filter}`)"),
        };
        format!(
            "As of {} ({when}): {people} {had} access by {}{matching}{unread}",
            show::moment(at, now),
            show::count(views.len(), "grant")
        )
    }

    pub(super) fn doc(&self, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        doc.text(&self.headline(world), Role::TextStrong);
        for view in self.answer(world) {
            let (start, end) = stretch(view, now);
            let end = match view.state.as_str() {
                "closing" => "closing".to_owned(),
                _ => show::moment(end, now),
            };
            doc.labelled(
                &view.holder,
                LABELS,
                &format!(
                    "{} on {}, {} to {end} ({})",
                    view.role,
                    view.target,
                    show::moment(start, now),
                    show::grant(view).word
                ),
            );
        }
        doc
    }

    pub(super) fn preview(&self, world: &World, width: u16) -> Doc {
        let now = world.server_now();
        let mut doc = Doc::new(width);
        doc.pieces(vec![(self.headline(world), Role::TextStrong)]);
        if let Some(view) = self.view(world) {
            let (start, end) = stretch(view, now);
            doc.pieces(vec![
                (format!("{} ", view.holder), Role::TextStrong),
                (
                    format!(
                        "{} on {}, {} to {}",
                        view.role,
                        view.target,
                        show::moment(start, now),
                        show::moment(end, now)
                    ),
                    Role::Text,
                ),
            ]);
        }
        doc
    }

    /// The whole answer as lines of text that mean the same tomorrow: whole dates, ids, and where it was asked.
    pub(super) fn text(&self, world: &World) -> String {
        let now = world.server_now();
        let stamp =
            |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let views = self.answer(world);
        let mut lines = vec![
            format!("Who had access at {}", stamp(self.window.at(now))),
            format!("asked of {} at {}", world.server, stamp(now)),
        ];
        let filter = self.list.filter.filter();
        if !filter.is_empty() {
            lines.push(format!("only what matches: {filter}"));
        }
        if views.is_empty() {
            lines.push("nobody".to_owned());
        }
        for view in views {
            let (start, end) = stretch(view, now);
            lines.push(format!(
                "{}: {} on {}, {} to {} ({}), {}",
                view.holder,
                view.role,
                view.target,
                stamp(start),
                stamp(end),
                show::grant(view).word,
                view.id
            ));
        }
        lines.join("\n")
    }
}
