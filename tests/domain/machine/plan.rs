//! What would come next if all went its way.

use portcullis::domain::grant::{CloseKind, GrantState};
use portcullis::domain::request::RequestState;

use super::{Machine, PEOPLE, ROLES, Step};

impl Machine {
    /// The next step in the life of the newest request or grant.
    pub(super) fn next(&self, who: usize, choice: u32) -> Step {
        let role = choice as usize % ROLES.len();
        let submit = Step::Submit {
            who,
            role,
            minutes: 5 + choice,
            start_in: None,
        };
        if let Some(filed) = self
            .requests
            .last()
            .filter(|filed| filed.now.state == RequestState::Pending)
        {
            let holder = &filed.now.requester.id;
            let other = if self.people[who].id == *holder {
                (who + 1) % PEOPLE
            } else {
                who
            };
            match filed.now.claim_at(self.clock) {
                Some(claim) if choice % 4 == 1 => {
                    let mut people = self.people.iter();
                    let who = people.position(|person| person.id == claim.by.id);
                    return Step::Release {
                        request: 0,
                        who: who.unwrap(),
                    };
                }
                None if choice % 6 == 1 => {
                    return Step::Claim {
                        request: 0,
                        who: other,
                    };
                }
                _ => {}
            }
            return Step::Approve {
                request: 0,
                who: other,
                shorter: (choice.is_multiple_of(3)).then_some(5 + choice),
                role: (choice.is_multiple_of(4)).then_some(ROLES.len() - 2),
                start_in: None,
                stale: false,
            };
        }
        let Some(held) = self.grants.last() else {
            return submit;
        };
        let holder = self
            .people
            .iter()
            .position(|person| person.id == held.now.holder.id)
            .unwrap();
        let close = |kind| Step::Close {
            grant: 0,
            who: holder,
            kind,
            stale: false,
        };
        match held.now.state {
            GrantState::Scheduled if self.clock < held.now.not_before => Step::Pass(60_000),
            GrantState::Scheduled => Step::Activate(0),
            GrantState::Activating => Step::Acknowledge {
                grant: 0,
                stale: false,
            },
            GrantState::Active if self.clock >= held.now.expires_at => close(CloseKind::End),
            GrantState::Active => match choice % 6 {
                0 => Step::Credential {
                    grant: 0,
                    who: holder,
                },
                1 => Step::ReachEnd(0, i64::from(choice / 8) - 1),
                2 => close(CloseKind::Return),
                3 => close(CloseKind::Revoke),
                _ => Step::Extend {
                    grant: 0,
                    who,
                    minutes: 1 + choice,
                },
            },
            GrantState::Closing if choice.is_multiple_of(3) => Step::RetryClose(0),
            GrantState::Closing => Step::Confirm(0),
            _ => submit,
        }
    }
}
