//! Whether a change was confirmed: what was on screen before the key that made it.

use std::time::Duration;

use crossterm::event::KeyCode;
use portcullis::console::confirm::{Act, Less, Mutation, locked};
use portcullis::console::screen::Screen;
use portcullis::console::store::Subject;
use portcullis::console::term::input::Key;

use super::watch::Watch;
use crate::console::desk::Desk;

/// What was open before a step, and how it looked.
pub(super) struct Before {
    pub(super) screen: String,
    pub(super) strip: Option<(Subject, String, std::time::Instant)>,
    pub(super) form: Option<(String, std::time::Instant)>,
    pub(super) review: Option<(Vec<(Subject, i64)>, std::time::Instant)>,
    pub(super) incident: Option<(Vec<String>, Vec<String>, std::time::Instant)>,
    pub(super) selected: Option<Subject>,
}

impl Before {
    pub(super) fn of(desk: &Desk) -> Self {
        let app = &desk.app;
        let strip = app
            .strip()
            .map(|strip| (strip.subject().clone(), strip.title(), strip.armed_at()));
        let form = app.form().map(|form| (form.title(), form.armed_at()));
        let review = app
            .review()
            .filter(|review| !review.is_sent())
            .map(|review| {
                let kept = review.items().iter().filter(|item| item.is_kept());
                let rows = kept.map(|item| (item.subject.clone(), item.seen.version()));
                (rows.collect(), review.armed_at())
            });
        let incident = app.incident().map(|incident| {
            let items = incident.preview().map(|preview| preview.items.clone());
            let ids = items
                .unwrap_or_default()
                .into_iter()
                .map(|item| item.id)
                .collect();
            let kept = incident.kept_as_they_are().iter().cloned().collect();
            (ids, kept, incident.armed_at())
        });
        // Drawing is what takes the time, and only an open question can lead to a change.
        let screen = if app.is_asked() {
            desk.screen()
        } else {
            String::new()
        };
        Self {
            screen,
            strip,
            form,
            review,
            incident,
            selected: app.screen().and_then(Screen::subject),
        }
    }

    /// Checks a change that a key led to.
    pub(super) fn judge(
        &self,
        change: &Mutation,
        pressed: Key,
        now: std::time::Instant,
        watch: &Watch,
        desk: &Desk,
    ) {
        assert!(pressed.is_deliberate(), "{pressed:?} changed something");
        match change.act() {
            Act::Claim { .. } | Act::Release { .. } => {
                assert!(matches!(pressed.code, KeyCode::Char('c' | 'u')));
                if pressed.code == KeyCode::Char('c') {
                    assert_eq!(change.subject(), self.selected);
                }
            }
            Act::Lock { on, .. } => {
                let (title, armed) = self.form.as_ref().expect("only the form locks");
                assert_eq!(*title, format!("Lock {}", locked(on)));
                assert!(self.screen.contains(title.as_str()), "{}", self.screen);
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            Act::MakeService { new } => {
                let (title, armed) = self.form.as_ref().expect("only the form makes one");
                assert_eq!(*title, format!("Make service account {}", new.name));
                assert!(self.screen.contains(title.as_str()), "{}", self.screen);
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            Act::Incident { commit } => {
                let (ids, kept, armed) =
                    self.incident.as_ref().expect("only a dry run is committed");
                let sent: Vec<String> = commit.items.iter().map(|item| item.id.clone()).collect();
                assert_eq!(&sent, ids, "another list than the one shown");
                assert_shown(&self.screen, ids.iter().map(String::as_str));
                assert_eq!(&commit.keep, kept);
                assert_eq!(commit.count as usize, ids.len() - kept.len());
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            _ => self.judge_one(change, pressed, now, watch, desk),
        }
    }

    /// Checks what the question about one row led to.
    fn judge_one(
        &self,
        change: &Mutation,
        pressed: Key,
        now: std::time::Instant,
        watch: &Watch,
        desk: &Desk,
    ) {
        let (subject, title, armed) = self
            .strip
            .as_ref()
            .expect("only an answer changes anything");
        assert_eq!(
            change.subject().as_ref(),
            Some(subject),
            "another row than the one in question"
        );
        assert!(
            self.screen.contains(title.as_str()) && title.contains(subject.as_str()),
            "not what was shown:\n{}",
            self.screen
        );
        assert!(*armed <= now, "before it could be read");
        let seen = desk
            .app
            .world()
            .store
            .get(subject)
            .expect("the row is known");
        assert_eq!(
            change.version(),
            seen.version(),
            "another version than the one shown"
        );
        match change.act() {
            Act::Approve { .. } | Act::Extend { .. } | Act::RotateService { .. } => {
                assert_eq!(pressed.code, KeyCode::Char('y'));
                desk.app
                    .world()
                    .link
                    .decidable(now)
                    .expect("access given on stale data");
            }
            Act::Return { .. } | Act::RevokeSignIn { .. } | Act::DeleteService { .. } => {
                assert_eq!(pressed.code, KeyCode::Char('y'));
            }
            Act::Deny { .. } => assert_eq!(pressed.code, KeyCode::Enter),
            Act::Revoke { .. }
            | Act::EndSession { .. }
            | Act::Lift { .. }
            | Act::SignOff { .. } => {
                assert_eq!(pressed.code, KeyCode::Enter);
                assert!(watch.said_yes, "done without a yes");
            }
            other => panic!("a question of one row led to {other:?}"),
        }
        if let Some(noise) = watch.noise.filter(
            |_| matches!(change.act(), Act::Approve { less, .. } if *less == Less::default()),
        ) {
            assert!(
                now - noise >= Duration::from_millis(350),
                "in the middle of other keys"
            );
        }
    }
}

/// Every row of a short list is on a screen that is large enough for it.
pub(super) fn assert_shown<'a>(screen: &str, ids: impl ExactSizeIterator<Item = &'a str>) {
    let wide = screen.lines().map(|line| line.chars().count()).max();
    if ids.len() > 8 || screen.lines().count() < 30 || wide < Some(100) {
        return;
    }
    for id in ids {
        assert!(screen.contains(id), "{id} is not shown:\n{screen}");
    }
}
