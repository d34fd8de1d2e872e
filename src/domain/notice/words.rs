//! What a notice says: one sentence, and the command that is the next step. No link does anything by itself: whoever
//! wants to decide does so in the console or with a command, where they are signed in and prove a second factor.

use chrono::{DateTime, Utc};

use super::{Fields, Happened, Notice};

/// A moment as a letter has it: its reader may be anywhere.
fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// One of the two that are there, or a word that stands for it.
fn or<T: ToString>(said: Option<&T>, otherwise: &str) -> String {
    said.map_or_else(|| otherwise.to_owned(), ToString::to_string)
}

impl Notice {
    /// One sentence: to the person whom it is for, or to a room, which hears of everybody by name.
    pub fn sentence(&self, to_room: bool) -> String {
        let person = or(self.person.as_ref(), "somebody");
        let by = or(self.by.as_ref(), "Portcullis");
        let role = or(self.role.as_ref(), "access");
        let what = match &self.target {
            Some(target) => format!("{role} on {target}"),
            None => role,
        };
        let asked = if self.extends {
            format!("more time for {what}")
        } else {
            what.clone()
        };
        let theirs = self.kind == super::Kind::Handled || to_room;
        let whose = if theirs {
            format!("{person}'s")
        } else {
            "your".to_owned()
        };
        let until = self.until.map(moment).unwrap_or_default();
        match self.happened {
            Happened::Waits => {
                let time = self.duration.as_ref();
                let time = time.map(|time| format!(" for {time}")).unwrap_or_default();
                format!("{person} asks for {asked}{time}")
            }
            Happened::Approved => format!("{by} approved {whose} request for {asked}"),
            Happened::Denied => format!("{by} denied {whose} request for {asked}"),
            Happened::Withdrawn => format!("{person} withdrew the request for {asked}"),
            Happened::Expired => format!("nobody decided {whose} request for {asked} in time"),
            Happened::Active if to_room => format!("{person} has {what} until {until}"),
            Happened::Active => format!("you have {what} until {until}"),
            Happened::NotMade => format!("{whose} {what} could not be made"),
            Happened::EndsSoon => format!("{whose} {what} ends at {until}"),
            Happened::Ended => format!("{whose} {what} has ended"),
            Happened::Revoked => format!("{by} took away {whose} {what}"),
            Happened::Overdue => {
                format!("the end of {person}'s {what} is not confirmed by the target")
            }
            Happened::OverrideProposed => format!(
                "{by} proposes that {person}'s {what} counts as ended, which its target has not confirmed"
            ),
            Happened::BrokeGlass => format!("{person} broke glass for {what}"),
        }
    }

    /// The command that is the next step, where there is one.
    pub fn command(&self) -> Option<String> {
        let request = self.request.as_ref();
        let grant = self.grant.as_ref();
        match self.happened {
            Happened::Waits => request.map(|id| format!("portcullis approve {id}")),
            Happened::EndsSoon => {
                grant.map(|id| format!("portcullis extend {id} --by 30m --reason \"…\""))
            }
            Happened::Active => self
                .target
                .as_ref()
                .map(|target| format!("portcullis connect {target}")),
            Happened::Expired | Happened::Ended | Happened::NotMade => {
                request.map(|id| format!("portcullis renew {id}"))
            }
            Happened::Overdue => grant.map(|id| format!("portcullis receipt {id}")),
            Happened::OverrideProposed => {
                grant.map(|id| format!("portcullis override {id} --confirm --reason \"…\""))
            }
            Happened::BrokeGlass => request.map(|id| format!("portcullis break-glass show {id}")),
            Happened::Approved | Happened::Denied | Happened::Withdrawn | Happened::Revoked => None,
        }
    }

    /// What a template can say. `reason` is what somebody typed; whoever fills the template makes it harmless.
    pub fn fields(&self, to_room: bool, server: &str, reason: &str) -> Fields {
        let text = |said: Option<String>| said.unwrap_or_default();
        Fields::new([
            self.sentence(to_room),
            self.kind.as_str().to_owned(),
            text(self.request.as_ref().map(ToString::to_string)),
            text(self.grant.as_ref().map(ToString::to_string)),
            text(self.person.as_ref().map(ToString::to_string)),
            text(self.target.as_ref().map(ToString::to_string)),
            text(self.role.as_ref().map(ToString::to_string)),
            or(self.by.as_ref(), "Portcullis"),
            text(self.duration.clone()),
            text(self.until.map(moment)),
            reason.to_owned(),
            text(self.command()),
            server.to_owned(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::Kind;

    fn notice(kind: Kind, happened: Happened) -> Notice {
        Notice {
            kind,
            happened,
            request: Some("R-0000000001".parse().unwrap()),
            grant: Some("G-0000000001".parse().unwrap()),
            person: Some("ada".parse().unwrap()),
            target: Some("orders-db".parse().unwrap()),
            role: Some("readonly".parse().unwrap()),
            by: Some("rita".parse().unwrap()),
            duration: Some("1h".to_owned()),
            extends: false,
            until: Some("2026-11-23T22:10:00Z".parse().unwrap()),
            at: "2026-11-23T22:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_person_is_spoken_to_and_a_room_hears_names() {
        let cases = [
            (
                Kind::Review,
                Happened::Waits,
                "ada asks for readonly on orders-db for 1h",
                "ada asks for readonly on orders-db for 1h",
            ),
            (
                Kind::Decided,
                Happened::Approved,
                "rita approved your request for readonly on orders-db",
                "rita approved ada's request for readonly on orders-db",
            ),
            (
                Kind::Handled,
                Happened::Denied,
                "rita denied ada's request for readonly on orders-db",
                "rita denied ada's request for readonly on orders-db",
            ),
            (
                Kind::EndsSoon,
                Happened::EndsSoon,
                "your readonly on orders-db ends at 2026-11-23 22:10 UTC",
                "ada's readonly on orders-db ends at 2026-11-23 22:10 UTC",
            ),
            (
                Kind::Over,
                Happened::Revoked,
                "rita took away your readonly on orders-db",
                "rita took away ada's readonly on orders-db",
            ),
            (
                Kind::Overdue,
                Happened::Overdue,
                "the end of ada's readonly on orders-db is not confirmed by the target",
                "the end of ada's readonly on orders-db is not confirmed by the target",
            ),
            (
                Kind::Overdue,
                Happened::OverrideProposed,
                "rita proposes that ada's readonly on orders-db counts as ended, which its target has not confirmed",
                "rita proposes that ada's readonly on orders-db counts as ended, which its target has not confirmed",
            ),
        ];
        for (kind, happened, person, room) in cases {
            let notice = notice(kind, happened);
            assert_eq!(notice.sentence(false), person);
            assert_eq!(notice.sentence(true), room);
        }
    }

    #[test]
    fn the_next_step_is_a_command_and_never_an_address() {
        let notice = notice(Kind::EndsSoon, Happened::EndsSoon);
        assert_eq!(
            notice.command().unwrap(),
            "portcullis extend G-0000000001 --by 30m --reason \"…\""
        );
        for kind in [Happened::Waits, Happened::Overdue, Happened::BrokeGlass] {
            let command = Notice {
                happened: kind,
                ..notice.clone()
            };
            assert!(!command.command().unwrap().contains("://"));
        }
    }
}
