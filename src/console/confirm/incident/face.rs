//! How the steps of an incident look: the form, and the list to review.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::hints;
use crate::console::confirm::incident::scope::{FIELDS, Field};
use crate::console::confirm::incident::{Focus, Incident, Step};
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::show;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::countdown;
use crate::console::widget::input::Line;
use crate::console::widget::order::scroll;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::text::clean;
use crate::wire::{IncidentItem, IncidentPreview};

/// Columns for the labels of lines.
const LABELS: u16 = 14;

pub(super) const fn column(title: &'static str, width: Width, cut: Cut, optional: bool) -> Column {
    Column {
        title,
        width,
        cut,
        optional,
    }
}

const COLUMNS: &[Column] = &[
    column("DO", Width::Fixed(9), Cut::End, false),
    column("ID", Width::Fixed(12), Cut::End, false),
    column("WHO", Width::Flex { min: 9, share: 2 }, Cut::Middle, false),
    column(
        "TARGET",
        Width::Flex { min: 12, share: 2 },
        Cut::Middle,
        false,
    ),
    column("ROLE", Width::Flex { min: 8, share: 1 }, Cut::Middle, false),
    column("LEFT", Width::Fixed(7), Cut::Right, false),
    column("NOTE", Width::Flex { min: 8, share: 3 }, Cut::End, false),
];

impl Incident {
    /// The title above the steps.
    pub fn title(&self) -> String {
        let step = match self.step {
            Step::Scope => "step 1 of 3: what it is about",
            Step::Looking => "step 1 of 3: trying it out on the server",
            Step::Review => "step 2 of 3: look at each",
            Step::Receipts => "step 3 of 3: until each is off",
        };
        match &self.view {
            Some(view) => format!("INCIDENT {}   {step}", view.id),
            None => format!("INCIDENT   {step}"),
        }
    }

    /// Draws the step into the body of the window; gives the place of the terminal's cursor.
    pub fn draw(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let area = Rect {
            x: area.x + 1,
            width: area.width.saturating_sub(2),
            ..area
        };
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: area.height.min(1),
            ..area
        };
        let rest = Rect {
            height: area.height.saturating_sub(1),
            ..area
        };
        let mut keys = Doc::new(last.width);
        keys.pieces(self.keys(world));
        keys.draw(last, buffer, theme, 0);
        match self.step {
            Step::Scope | Step::Looking => self.form(world, theme, rest, buffer),
            Step::Review => self.review(world, theme, rest, buffer),
            Step::Receipts => self.receipts(world, theme, rest, buffer),
        }
    }

    fn form(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut doc = Doc::new(area.width);
        doc.text(
            "Takes access away from many at once. Nothing is done before you have seen the list and typed its length.",
            Role::Text,
        );
        doc.blank();
        let top = area.y + doc.draw(area, buffer, theme, 0);
        let mut cursor = None;
        for (field, y) in FIELDS.into_iter().zip(top..area.bottom()) {
            let place = Rect {
                y,
                height: 1,
                ..area
            };
            let active = field == self.scope.field && self.step == Step::Scope;
            let at = self.form_line(field, active, theme, place, buffer);
            cursor = cursor.or(active.then_some(at));
        }
        let below = Rect {
            y: top + 8,
            height: area.bottom().saturating_sub(top + 8),
            ..area
        };
        let mut doc = Doc::new(area.width);
        let known = world
            .store
            .grants()
            .filter(|(_, view)| show::is_open(view))
            .count();
        doc.text(
            &format!(
                "All that is named must match: targets and people together mean these people on these targets. \
                 {known} grants are open at the moment."
            ),
            Role::TextMuted,
        );
        doc.draw(below, buffer, theme, 0);
        cursor
    }

    fn form_line(
        &self,
        field: Field,
        active: bool,
        theme: &Theme,
        place: Rect,
        buffer: &mut Buffer,
    ) -> Position {
        let (label, hint) = match field {
            Field::Targets => ("Targets", "names with commas, as `orders-db, ledger`"),
            Field::Tags => ("Tags", "as `env=prod`; several must all be there"),
            Field::Principals => ("People", "names with commas"),
            Field::Filter => ("Filter", "over grants, as `role:admin -who:svc-*`"),
            Field::Everything => ("Everything", "every grant on every target"),
            Field::Lock => (
                "Lock it too",
                "nothing new begins until somebody lifts the lock",
            ),
            Field::Deny => ("Deny pending", "requests in the scope are denied"),
        };
        let role = if active {
            Role::KeyHint
        } else {
            Role::TextMuted
        };
        buffer.set_stringn(
            place.x,
            place.y,
            label,
            usize::from(LABELS),
            theme.style(role),
        );
        let value = Rect {
            x: place.x + LABELS,
            width: place.width.saturating_sub(LABELS),
            ..place
        };
        let muted = theme.style(Role::TextMuted);
        if let Some(line) = self.scope.line(field) {
            if line.text().is_empty() {
                let width = usize::from(value.width.saturating_sub(2));
                buffer.set_stringn(value.x + 2, value.y, hint, width, muted);
                return value.as_position();
            }
            return line.draw(value, buffer, theme.style(Role::TextStrong));
        }
        let tick = if self.scope.ticked(field) {
            "[x] "
        } else {
            "[ ] "
        };
        let role = if self.scope.ticked(field) {
            Role::TextStrong
        } else {
            Role::Text
        };
        buffer.set_stringn(
            value.x,
            value.y,
            tick,
            usize::from(value.width),
            theme.style(role),
        );
        buffer.set_stringn(
            value.x + 4,
            value.y,
            hint,
            usize::from(value.width.saturating_sub(4)),
            muted,
        );
        Position::new(value.x + 1, value.y)
    }

    fn review(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let preview = self.preview.as_ref()?;
        let mut doc = Doc::new(area.width);
        self.summary(preview, world, &mut doc);
        let height = doc.draw(area, buffer, theme, 0).min(area.height);
        let rows = Rect {
            y: area.y + height,
            height: area.height.saturating_sub(height + 2),
            ..area
        };
        let sight = usize::from(rows.height.saturating_sub(1));
        let table = Table {
            theme,
            columns: COLUMNS,
            rows: preview.items.len(),
            top: scroll(0, self.at, preview.items.len(), sight),
            selected: (!preview.items.is_empty()).then_some(self.at),
            cell: None,
            sorted: None,
        };
        let drawn = table.draw(rows, buffer, |place| {
            preview
                .items
                .get(place)
                .map(|item| self.item(preview, item, world, theme))
                .unwrap_or_default()
        });
        let mut put = |from_bottom: u16, label: &str, line: &Line, strong: bool| {
            let y = area.bottom().saturating_sub(from_bottom);
            let label = clean(label);
            let width = u16::try_from(label.width()).unwrap_or(0) + 1;
            let role = if strong {
                Role::KeyHint
            } else {
                Role::TextMuted
            };
            buffer.set_stringn(
                area.x,
                y,
                label.as_str(),
                usize::from(area.width),
                theme.style(role),
            );
            let place = Rect {
                x: area.x + width,
                y,
                width: area.width.saturating_sub(width),
                height: 1,
            };
            line.draw(place, buffer, theme.style(Role::TextStrong))
        };
        let reason = put(2, "Reason", &self.reason, self.focus == Focus::Reason);
        let label = "To take them away, type how many:";
        let count = put(1, label, &self.count, self.focus == Focus::Rows);
        let cursor = match self.focus {
            Focus::Reason => reason,
            Focus::Rows => count,
        };
        drawn.cursor.map(|_| cursor).or(Some(cursor))
    }

    fn summary(&self, preview: &IncidentPreview, world: &World, doc: &mut Doc) {
        let left = (preview.good_until - world.server_now()).to_std();
        let good = match left {
            Ok(left) => format!("good for {}", countdown::text(left)),
            Err(_) => "too old, v runs it again".to_owned(),
        };
        let requests = match preview.requests.len() {
            0 => String::new(),
            number => format!(", {}", show::count(number, "pending request")),
        };
        doc.fact(
            "Dry run",
            &format!(
                "{} of {}{requests}; as of {}, {good}",
                show::count(preview.grants.len(), "grant"),
                show::people(usize::try_from(preview.people).unwrap_or(usize::MAX)),
                preview.as_of.format("%H:%M:%SZ"),
            ),
            Role::TextStrong,
        );
        if !preview.locks.is_empty() {
            doc.fact("Locks", &preview.locks.join("; "), Role::StatusWarn);
        }
        if !self.keep.is_empty() {
            let text = format!("{} stay as they are", self.keep.len());
            doc.fact("Kept", &text, Role::Text);
        }
        if !self.new.is_empty() || !self.gone.is_empty() {
            let gone = if self.gone.is_empty() {
                String::new()
            } else {
                format!(", gone: {}", self.gone.join(" "))
            };
            let text = format!("{} NEW{gone}", self.new.len());
            doc.fact("Changed", &text, Role::StatusWarn);
        }
    }

    fn item(
        &self,
        preview: &IncidentPreview,
        item: &IncidentItem,
        world: &World,
        theme: &Theme,
    ) -> Row {
        let grant = preview.grants.iter().find(|view| view.id == item.id);
        let request = preview.requests.iter().find(|view| view.id == item.id);
        let kept = self.keep.contains(&item.id);
        let (verb, role, glyph) = match (kept, request.is_some()) {
            (true, _) => ("keep", Role::Disabled, Glyph::Idle),
            (false, true) => ("deny", Role::StatusDanger, Glyph::Mark),
            (false, false) => ("revoke", Role::StatusDanger, Glyph::Mark),
        };
        let (who, target, what, left, words) = match (grant, request) {
            (Some(view), _) => (
                view.holder.as_str(),
                view.target.as_str(),
                view.role.as_str(),
                countdown::text(world.clock.left(view.expires_at, world.now)),
                view.reason.as_str(),
            ),
            (None, Some(view)) => (
                view.requester.as_str(),
                view.target.as_str(),
                view.role_granted.as_str(),
                "pending".to_owned(),
                view.reason.as_str(),
            ),
            (None, None) => ("?", "?", "?", "?".to_owned(), "not described by the server"),
        };
        let text = theme.style(if kept { Role::Disabled } else { Role::Text });
        let (note, note_role) = if self.new.contains(&item.id) {
            (format!("NEW  {words}"), Role::StatusWarn)
        } else {
            (words.to_owned(), Role::TextMuted)
        };
        Row {
            cells: vec![
                (
                    clean(&format!("{} {verb}", theme.glyph(glyph))),
                    theme.style(role),
                ),
                (clean(&item.id), text),
                (clean(who), text),
                (clean(target), text),
                (clean(what), text),
                (clean(&left), text),
                (clean(&note), theme.style(note_role)),
            ],
            marked: false,
            gone: false,
            note: None,
        }
    }

    /// What the keys do at this moment, or why they do nothing.
    pub fn keys(&self, world: &World) -> Vec<(String, Role)> {
        if world.now < self.armed_at && self.step != Step::Receipts {
            let text = "read first: keys are ignored for a moment".to_owned();
            return vec![(text, Role::TextMuted)];
        }
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        let key = |action, word| (world.keymap.key(Place::Incident, action), word);
        // While a line is typed these keys are always the same.
        let fixed = |name: &str, word| (name.to_owned(), word);
        let keys = match (self.step, self.focus) {
            (Step::Scope, _) => vec![
                fixed("Tab", "next line"),
                fixed("Space", "tick"),
                fixed("Enter", "dry run"),
                fixed("Esc", "leave, nothing was sent"),
            ],
            (Step::Looking, _) => vec![key(Action::No, "back, nothing was sent")],
            (Step::Review, Focus::Rows) => vec![
                key(Action::Drop, "keep/take"),
                key(Action::DryRun, "dry run again"),
                key(Action::NextField, "reason"),
                key(Action::Confirm, "do it"),
                key(Action::No, "back, nothing was sent"),
            ],
            (Step::Review, Focus::Reason) => {
                vec![
                    fixed("Enter", "back to the list"),
                    fixed("Esc", "back to the list"),
                ]
            }
            (Step::Receipts, _) if self.view.as_ref().is_some_and(|view| view.done) => {
                vec![key(Action::No, "leave")]
            }
            (Step::Receipts, _) => {
                let again = world.keymap.key(Place::Anywhere, Action::Incident);
                let text = format!("leave, it goes on; {again} comes back");
                let (no, _) = key(Action::No, "");
                return hints(&[(no, text.as_str())]);
            }
        };
        hints(&keys)
    }
}
