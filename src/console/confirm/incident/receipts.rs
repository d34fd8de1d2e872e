//! The receipts of an incident: for each row what has happened so far, in the server's words and never ahead of them.

use chrono::{DateTime, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::confirm::incident::Incident;
use crate::console::confirm::incident::face::column;
use crate::console::doc::Doc;
use crate::console::show::{Look, moment};
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::order::scroll;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::text::clean;
use crate::wire::{IncidentReceipt, IncidentView};

const COLUMNS: &[Column] = &[
    column("STATE", Width::Fixed(12), Cut::End, false),
    column("ID", Width::Fixed(12), Cut::End, true),
    column("WHO", Width::Flex { min: 9, share: 2 }, Cut::Middle, false),
    column(
        "TARGET",
        Width::Flex { min: 12, share: 2 },
        Cut::Middle,
        false,
    ),
    column("BLOCKED", Width::Fixed(9), Cut::End, false),
    column("CUT", Width::Fixed(3), Cut::Right, false),
    column("READ BACK", Width::Fixed(9), Cut::End, false),
    column("NOTE", Width::Flex { min: 14, share: 4 }, Cut::End, false),
];

/// The look of a row. Green is only what was read back or needed nothing.
fn look(receipt: &IncidentReceipt) -> Look {
    let (glyph, role, word) = match receipt.outcome.as_str() {
        "revoked" => (Glyph::StatusOk, Role::StatusOk, "off"),
        "denied" => (Glyph::StatusOk, Role::StatusOk, "denied"),
        "already_over" => (Glyph::StatusOk, Role::StatusOk, "was over"),
        "changed" => (Glyph::StatusWarn, Role::StatusWarn, "changed"),
        "overridden" => (Glyph::StatusWarn, Role::StatusWarn, "overridden"),
        "revoking" if receipt.last_error.is_some() => {
            (Glyph::StatusCritical, Role::StatusCritical, "not off")
        }
        "revoking" => (Glyph::StatusPending, Role::StatusPending, "closing"),
        other => (Glyph::StatusInfo, Role::StatusInfo, other),
    };
    Look {
        glyph,
        role,
        word: word.to_owned(),
    }
}

fn is_settled(receipt: &IncidentReceipt) -> bool {
    receipt.outcome != "revoking"
}

impl Incident {
    /// Rows that are not off yet, of how many.
    pub fn progress(&self) -> Option<(usize, usize)> {
        let view = self.view.as_ref()?;
        let open = view.items.iter().filter(|item| !is_settled(item)).count();
        Some((open, view.items.len()))
    }

    pub(super) fn receipts(
        &self,
        world: &World,
        theme: &Theme,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut doc = Doc::new(area.width);
        match (&self.view, &self.trouble) {
            (Some(view), _) => head(view, world, &mut doc),
            (None, Some(trouble)) => {
                let text = format!(
                    "the server did not answer, whether anything was done is not known: {trouble}"
                );
                doc.fact("PENDING", &text, Role::StatusCritical);
                doc.text(
                    "It is sent again with the same key, so nothing can happen twice.",
                    Role::Text,
                );
            }
            (None, None) => {
                doc.fact(
                    "PENDING",
                    "sent, the server has not answered yet",
                    Role::StatusPending,
                );
            }
        }
        let height = doc.draw(area, buffer, theme, 0).min(area.height);
        let view = self.view.as_ref()?;
        let rows = Rect {
            y: area.y + height,
            height: area.height.saturating_sub(height),
            ..area
        };
        let sight = usize::from(rows.height.saturating_sub(1));
        let table = Table {
            theme,
            columns: COLUMNS,
            rows: view.items.len(),
            top: scroll(0, self.at, view.items.len(), sight),
            selected: (!view.items.is_empty()).then_some(self.at),
            cell: None,
            sorted: None,
        };
        let drawn = table.draw(rows, buffer, |place| {
            view.items
                .get(place)
                .map(|receipt| row(receipt, world, theme))
                .unwrap_or_default()
        });
        drawn.cursor
    }
}

fn head(view: &IncidentView, world: &World, doc: &mut Doc) {
    let now = world.server_now();
    let open = view.items.iter().filter(|item| !is_settled(item)).count();
    let trouble = view
        .items
        .iter()
        .filter(|item| !is_settled(item) && item.last_error.is_some())
        .count();
    let overridden = view.items.iter();
    let overridden = overridden.filter(|item| item.outcome == "overridden");
    let overridden = overridden.count();
    let (text, role) = match (view.done, open, trouble) {
        (true, ..) if overridden > 0 => (
            format!(
                "all {} are settled, {overridden} of them overridden: their targets never confirmed",
                view.items.len()
            ),
            Role::StatusWarn,
        ),
        (true, ..) => (
            format!("all {} are settled, each was read back", view.items.len()),
            Role::StatusOk,
        ),
        (false, open, 0) => (
            format!("{open} of {} are not off yet", view.items.len()),
            Role::StatusPending,
        ),
        (false, open, trouble) => (
            format!(
                "{open} of {} are not off yet, {trouble} of them in trouble: see below",
                view.items.len()
            ),
            Role::StatusCritical,
        ),
    };
    doc.fact("Now", &text, role);
    doc.fact(
        "Began",
        &format!("{} by {}", moment(view.created_at, now), view.started_by),
        Role::Text,
    );
    if !view.appeared.is_empty() {
        let text = format!(
            "matched only after the dry run, nothing was done to them: {}",
            view.appeared.join(" ")
        );
        doc.fact("Appeared", &text, Role::StatusWarn);
    }
    for lock in &view.locks {
        let text = format!("{} {}", lock.id, crate::console::confirm::locked(&lock.on));
        doc.fact("Lock", &text, Role::StatusWarn);
    }
}

fn row(receipt: &IncidentReceipt, world: &World, theme: &Theme) -> Row {
    let look = look(receipt);
    let text = theme.style(Role::Text);
    let muted = theme.style(Role::TextMuted);
    let at = |at: Option<DateTime<Utc>>| {
        at.map_or_else(|| "-".to_owned(), |at| moment(at, world.server_now()))
    };
    let (note, role) = match (&receipt.last_error, &receipt.changed) {
        (Some(error), _) if !is_settled(receipt) => (error.clone(), Role::StatusDanger),
        (_, Some(changed)) => (changed.clone(), Role::StatusWarn),
        _ => (
            receipt.steps.last().cloned().unwrap_or_default(),
            Role::TextMuted,
        ),
    };
    let cut = receipt
        .sessions_ended
        .map_or_else(|| "-".to_owned(), |count| count.to_string());
    Row {
        cells: vec![
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(&receipt.id), muted),
            (clean(&receipt.holder), text),
            (
                clean(&format!("{} on {}", receipt.role, receipt.target)),
                text,
            ),
            (clean(&at(receipt.blocked_at)), text),
            (clean(&cut), text),
            (clean(&at(receipt.read_back_at)), text),
            (clean(&note), theme.style(role)),
        ],
        marked: false,
        gone: false,
        note: None,
    }
}
