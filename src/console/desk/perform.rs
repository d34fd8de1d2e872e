//! Does what the application says: asks the server, writes to the clipboard, dresses the screen, calls the person.

use chrono::Timelike as _;

use crate::config::Notify;
use crate::console::desk::{Desk, Outside, said};
use crate::console::msg::{Effect, Env, Msg, Wear};
use crate::console::notice::Alert;
use crate::console::run::clock::Moment;
use crate::console::term::osc;
use crate::console::theme::BadTheme;
use crate::console::widget::toast::Level;

impl Desk {
    /// Tells the application, and does what it says.
    pub(super) async fn take(
        &mut self,
        msg: Msg,
        outside: &mut Outside,
    ) -> std::io::Result<Option<u8>> {
        let env = Env { now: Moment::now() };
        for effect in self.app.update(msg, env) {
            match effect {
                Effect::Switch(backend) => outside.switch(backend.as_deref()),
                Effect::Connect => outside.server.connect(&mut outside.incoming),
                Effect::RetryNow => outside.server.retry_now(),
                Effect::Fetch(query) => outside.server.fetch(query),
                Effect::Mutate(mutation) => outside.server.change(mutation),
                Effect::Prove(proving) => outside.server.prove(proving),
                Effect::StopProving => outside.server.stop_proving(),
                Effect::SignIn(turn, way) => outside.server.sign_in(turn, way),
                Effect::Export(scope) => outside.server.export(*scope),
                Effect::Copy(text) => self.copy(&text),
                Effect::CopySecret(secret) => self.copy(secret.expose()),
                Effect::Shelve(change) => {
                    let kept = outside.shelf.as_ref().map(|shelf| shelf.apply(&change));
                    if let Some(Err(error)) = kept {
                        let told = Msg::Say(Level::Warn, error.to_string());
                        if let Some(code) = Box::pin(self.take(told, outside)).await? {
                            return Ok(Some(code));
                        }
                    }
                }
                Effect::ForgetKeys => {
                    if let Some(keyboard) = &mut outside.keyboard {
                        keyboard.forget();
                    }
                }
                Effect::Notify(alert) => self.call(&alert),
                Effect::Theme(wear) => {
                    let worn = match wear {
                        Wear::TryOn(name) => self.wardrobe.try_on(&name),
                        Wear::Keep(name) => self.wardrobe.keep(&name),
                        Wear::Restore => {
                            self.wardrobe.restore();
                            Ok(Vec::new())
                        }
                    };
                    if let Some(code) = Box::pin(self.dressed(Some(worn), outside)).await? {
                        return Ok(Some(code));
                    }
                }
                Effect::ToggleMouse => {
                    self.mouse = !self.mouse;
                    self.guard.mouse(self.mouse)?;
                }
                Effect::Repaint => self.terminal.clear()?,
                Effect::Suspend => {
                    if let Some(code) = Box::pin(self.suspend(outside)).await? {
                        return Ok(Some(code));
                    }
                }
                Effect::Quit => return Ok(Some(0)),
            }
        }
        Ok(None)
    }

    /// A theme was put on or read again, or cannot be: tells the person what is wrong with it.
    pub(super) async fn dressed(
        &mut self,
        worn: Option<Result<Vec<BadTheme>, BadTheme>>,
        outside: &mut Outside,
    ) -> std::io::Result<Option<u8>> {
        let Some(worn) = worn else { return Ok(None) };
        self.sched.input();
        for bad in worn.unwrap_or_else(|bad| vec![bad]) {
            if let Some(code) = Box::pin(self.take(said(&bad), outside)).await? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    fn copy(&mut self, text: &str) {
        if let Ok(sequence) = osc::copy(text, self.caps.between) {
            self.terminal.backend_mut().attach(&sequence);
        }
    }

    /// Calls the person in the way they chose, unless it is night.
    fn call(&mut self, alert: &Alert) {
        let local = Moment::now().wall.with_timezone(&chrono::Local);
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        if self.calling.is_quiet(minute) {
            return;
        }
        let sequence = match (self.calling.way, self.caps.notices) {
            (Notify::Off, _) => return,
            (Notify::Desktop, Some(form)) => osc::notice(form, alert.text(), self.caps.between),
            (Notify::Bell | Notify::Desktop, _) => osc::bell().to_owned(),
        };
        self.terminal.backend_mut().attach(&sequence);
    }
}
