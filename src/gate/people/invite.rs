//! Inviting people.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName};
use crate::domain::permit::Action;
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::roles::Roles;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, new_bits};
use crate::secret::{Secret, TokenKind};

use super::{CODE_LIFE, check_name, stored_hash};

/// Whom to invite, as what.
#[derive(Debug, Clone)]
pub struct Invite {
    pub name: PrincipalName,
    /// Empty keeps what a known principal has.
    pub roles: Roles,
    pub groups: BTreeSet<GroupName>,
}

impl Gate {
    /// Invites a person, or gives a known one another way in. The code is shown once and good for a day.
    pub async fn invite(
        &self,
        caller: &Caller,
        invite: Invite,
        once: &OnceKey,
    ) -> Result<(Principal, Secret, DateTime<Utc>), Error> {
        let mut writing = match self
            .open(caller, once, invite.name.as_str(), Action::Invite)
            .await?
        {
            // The first code was lost with its answer, and nobody can read it again.
            Opened::Before(_) => return Err(Refusal::IdempotencyKeyReused.into()),
            Opened::Now(writing) => writing,
        };
        check_name(&invite.name)?;
        let known = writing.tx.principal_named(&invite.name).await?;
        if known.as_ref().is_some_and(|known| known.service.is_some()) {
            return Err(Refusal::BadInput {
                field: "name".to_owned(),
                why: format!("`{}` is a service account, and no person", invite.name),
            }
            .into());
        }
        let id = match &known {
            Some(known) => known.id.clone(),
            None => PrincipalId::from_bits(new_bits()?),
        };
        if known.is_none() && invite.roles.is_empty() {
            return Err(Refusal::BadInput {
                field: "roles".to_owned(),
                why: "a new principal needs at least one product role".to_owned(),
            }
            .into());
        }
        let (had_roles, had_groups) = known
            .map(|known| (known.roles, known.groups))
            .unwrap_or_default();
        let principal = Principal {
            id,
            name: invite.name,
            roles: if invite.roles.is_empty() {
                had_roles
            } else {
                invite.roles
            },
            groups: if invite.groups.is_empty() {
                had_groups
            } else {
                invite.groups
            },
            service: None,
        };
        writing.tx.save_principal(&principal, writing.now).await?;
        let code = TokenKind::Invitation.issue()?;
        let expires_at = writing.now + CODE_LIFE;
        writing
            .tx
            .insert_code(
                &stored_hash(code.expose()),
                Some(&principal.id),
                writing.now,
                expires_at,
            )
            .await?;
        let words = |names: Vec<&str>| names.join(" ");
        let mut event = Event::new(
            EventCode::PrincipalInvited,
            Actor::Principal(writing.who.as_ref()),
        )
        .detail("roles", principal.roles.words().join(" "))
        .detail(
            "groups",
            words(principal.groups.iter().map(GroupName::as_str).collect()),
        );
        event.principal = Some(principal.name.clone());
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok((principal, code, expires_at))
    }
}
