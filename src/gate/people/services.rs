//! Service accounts: made by an admin, answered for by a person, with a token that is shown once and ends.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName, SignInId};
use crate::domain::permit::{Action, permit};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::service::{Scope, Service};
use crate::domain::sign_in::Method;
use crate::domain::span::Span;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, Writing, new_bits};
use crate::secret::{Secret, TokenKind};
use crate::store::sign_ins::SignIn;
use crate::store::tokens::TokenUse;

use super::{check_name, stored_hash};

/// A service account to make.
#[derive(Debug, Clone)]
pub struct NewService {
    pub name: PrincipalName,
    pub owner: PrincipalName,
    pub scopes: BTreeSet<Scope>,
    pub groups: BTreeSet<GroupName>,
    pub lasts: Span,
}

/// A service account, and when its token ends.
#[derive(Debug, Clone)]
pub struct SeenService {
    pub principal: Principal,
    pub service: Service,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Gate {
    /// Makes a service account. The token is shown once.
    pub async fn create_service(
        &self,
        caller: &Caller,
        new: NewService,
        once: &OnceKey,
    ) -> Result<(Secret, DateTime<Utc>), Error> {
        let mut writing = match self
            .open(caller, once, new.name.as_str(), Action::ManageServices)
            .await?
        {
            // The token was lost with its answer, and nobody can read it again.
            Opened::Before(_) => return Err(Refusal::IdempotencyKeyReused.into()),
            Opened::Now(writing) => writing,
        };
        check_name(&new.name)?;
        let bad = |field: &str, why: String| Refusal::BadInput {
            field: field.to_owned(),
            why,
        };
        if writing.tx.principal_named(&new.name).await?.is_some() {
            return Err(bad("name", format!("there is a `{}` already", new.name)).into());
        }
        if new.scopes.is_empty() {
            return Err(bad("scopes", "a service account needs at least one".to_owned()).into());
        }
        let owner = writing.tx.principal_named(&new.owner).await?;
        let owner = owner
            .filter(|owner| owner.service.is_none())
            .ok_or_else(|| bad("owner", format!("there is no person `{}`", new.owner)))?;
        let principal = Principal {
            id: PrincipalId::from_bits(new_bits()?),
            name: new.name,
            roles: new.scopes.iter().map(Scope::role).collect(),
            groups: new.groups,
            service: Some(Service {
                owner: owner.as_ref(),
                scopes: new.scopes,
                maker: Some(writing.who.id.clone()),
            }),
        };
        writing.tx.save_principal(&principal, writing.now).await?;
        self.issue_service(writing, principal, new.lasts, EventCode::ServiceCreated)
            .await
    }

    /// Gives a service account another token, and ends the one before.
    pub async fn rotate_service(
        &self,
        caller: &Caller,
        name: &PrincipalName,
        lasts: Span,
        once: &OnceKey,
    ) -> Result<(Secret, DateTime<Utc>), Error> {
        let mut writing = match self
            .open_if(caller, once, name.as_str(), |_| Ok(()))
            .await?
        {
            Opened::Before(_) => return Err(Refusal::IdempotencyKeyReused.into()),
            Opened::Now(writing) => writing,
        };
        let mut principal = own_service(&mut writing, name).await?;
        if let Some(service) = &mut principal.service {
            service.maker = Some(writing.who.id.clone());
        }
        writing.tx.save_principal(&principal, writing.now).await?;
        writing
            .tx
            .revoke_sign_ins_of(&principal.id, writing.now)
            .await?;
        self.issue_service(writing, principal, lasts, EventCode::ServiceRotated)
            .await
    }

    /// Ends a service account: its token stops working at once. What it has done stays on record under its name.
    pub async fn delete_service(
        &self,
        caller: &Caller,
        name: &PrincipalName,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let mut writing = match self
            .open_if(caller, once, name.as_str(), |_| Ok(()))
            .await?
        {
            Opened::Before(_) => return Ok(()),
            Opened::Now(writing) => writing,
        };
        let principal = own_service(&mut writing, name).await?;
        writing
            .tx
            .revoke_sign_ins_of(&principal.id, writing.now)
            .await?;
        writing.tx.drop_scopes(&principal.id).await?;
        let event = about(&writing, &principal, EventCode::ServiceDeleted);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }

    /// The service accounts: all for those who see who is signed in, those that one answers for otherwise.
    pub async fn services(&self, caller: &Caller) -> Result<Vec<SeenService>, Error> {
        let sees_all = permit(&caller.principal, Action::ReadPeople).is_ok();
        let (mut tx, now) = self.look().await?;
        let all = tx.services(now).await?;
        Ok(all
            .into_iter()
            .filter_map(|(principal, expires_at)| {
                let service = principal.service.clone()?;
                let own = service.owner.id == caller.principal.id;
                (sees_all || own).then_some(SeenService {
                    principal,
                    service,
                    expires_at,
                })
            })
            .collect())
    }

    async fn issue_service(
        &self,
        mut writing: Box<Writing>,
        principal: Principal,
        lasts: Span,
        code: EventCode,
    ) -> Result<(Secret, DateTime<Utc>), Error> {
        let event = about(&writing, &principal, code).detail("expires_in", lasts.to_string());
        let (now, token) = (writing.now, TokenKind::Service.issue()?);
        let expires_at = now + lasts.to_chrono();
        let sign_in = SignIn {
            id: SignInId::from_bits(new_bits()?),
            principal,
            device: "service token".to_owned(),
            method: Method::Service,
            authenticated_at: now,
            amr: Vec::new(),
            jkt: None,
            created_at: now,
            last_used_at: now,
            expires_at,
            revoked_at: None,
        };
        writing.tx.insert_sign_in(&sign_in).await?;
        let hash = stored_hash(token.expose());
        writing
            .tx
            .insert_token(&hash, TokenUse::Service, &sign_in.id, now, expires_at)
            .await?;
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok((token, expires_at))
    }
}

fn about(writing: &Writing, service: &Principal, code: EventCode) -> Event {
    let scopes = service.service.iter().flat_map(|service| &service.scopes);
    let scopes: Vec<String> = scopes.map(ToString::to_string).collect();
    let mut event =
        Event::new(code, Actor::Principal(writing.who.as_ref())).detail("scopes", scopes.join(" "));
    event.principal = Some(service.name.clone());
    event
}

/// A service account that the caller may manage: as an admin, or as its owner.
async fn own_service(writing: &mut Writing, name: &PrincipalName) -> Result<Principal, Error> {
    let found = writing.tx.principal_named(name).await?;
    let found = found.filter(|found| {
        found.service.as_ref().is_some_and(|service| {
            let sees = permit(&writing.who, Action::ReadPeople).is_ok();
            !service.scopes.is_empty() && (sees || service.owner.id == writing.who.id)
        })
    });
    let found = found.ok_or_else(|| Refusal::NotFound {
        what: "service account",
        name: name.to_string(),
    })?;
    if found.owner() != Some(&writing.who.id) {
        permit(&writing.who, Action::ManageServices)?;
    }
    Ok(found)
}
