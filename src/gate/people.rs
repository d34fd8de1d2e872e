//! Signing in and out, tokens, invitations.
//!
//! There are two ways to sign in so far: the one-time bootstrap code of a new server, and an admin's invitation.
//! An identity provider is a third: it ends in the same `open_sign_in`.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName, SignInId};
use crate::domain::permit::{Action, permit};
use crate::domain::principal::{Principal, ProductRole};
use crate::domain::refusal::Refusal;
use crate::secret::TokenKind;
use crate::secret::{Secret, hash_of};
use crate::store::Tx;
use crate::store::audit::Origin;
use crate::store::people::{SignIn, TokenUse};

use super::{Caller, Error, Gate, OnceKey, Opened, hex, new_bits};

/// Long enough for a call and short enough that a stolen one is soon worthless.
pub const ACCESS_LIFE: TimeDelta = TimeDelta::minutes(10);
/// A sign-in that nobody uses for this long is over.
const REFRESH_LIFE: TimeDelta = TimeDelta::days(14);
/// The longest that a sign-in lasts, however often it is used.
const SIGN_IN_LIFE: TimeDelta = TimeDelta::days(90);
/// A one-time code reaches its person within a day, or another one is made.
const CODE_LIFE: TimeDelta = TimeDelta::hours(24);
/// A client whose answer got lost may repeat its refresh for this long, as long as the lost tokens were not used.
const REFRESH_GRACE: TimeDelta = TimeDelta::seconds(30);
/// The group of the first admin, named in the starter policy.
const FIRST_GROUP: &str = "reviewers";

/// What a sign-in or a refresh hands out, once.
pub struct Issued {
    pub access: Secret,
    pub access_expires_at: DateTime<Utc>,
    pub refresh: Secret,
    pub refresh_expires_at: DateTime<Utc>,
    pub principal: Principal,
    pub sign_in: SignInId,
    pub now: DateTime<Utc>,
}

/// Whom to invite, as what.
#[derive(Debug, Clone)]
pub struct Invite {
    pub name: PrincipalName,
    /// Empty keeps what a known principal has.
    pub roles: BTreeSet<ProductRole>,
    pub groups: BTreeSet<GroupName>,
}

fn stored_hash(token: &str) -> String {
    hex(&hash_of(token))
}

impl Gate {
    /// Finds out who holds an access token. INVARIANT: the only maker of a [`Caller`].
    pub async fn authenticate(&self, token: &str, origin: Origin) -> Result<Caller, Error> {
        TokenKind::Access
            .read(token)
            .map_err(|_| Refusal::NotSignedIn)?;
        let mut tx = self.store.glance().await?;
        let token = tx
            .token(&stored_hash(token), TokenUse::Access)
            .await?
            .ok_or(Refusal::TokenExpired)?;
        drop(tx);
        let now = self.store.at(token.stamp)?;
        let sign_in = token.sign_in;
        if token.expires_at <= now || sign_in.revoked_at.is_some() || sign_in.expires_at <= now {
            return Err(Refusal::TokenExpired.into());
        }
        Ok(Caller {
            principal: sign_in.principal,
            sign_in: sign_in.id,
            expires_at: token.expires_at,
            origin,
        })
    }

    /// Whether a sign-in is still good and its principal still is what it was: streams ask this while they run.
    pub async fn still_signed_in(&self, caller: &Caller) -> Result<bool, Error> {
        let (mut tx, now) = self.glance().await?;
        let who = tx.signed_in(&caller.sign_in, now).await?;
        Ok(now < caller.expires_at && who.as_ref() == Some(&caller.principal))
    }

    /// Makes the one-time code for the first admin, as long as there is nobody at all. A restart makes a new one.
    pub async fn bootstrap_code(&self) -> Result<Option<Secret>, Error> {
        let mut tx = self.store.write().await?;
        if tx.has_principals().await? {
            return Ok(None);
        }
        let now = self.store.now(&mut tx).await?;
        let code = TokenKind::Bootstrap.issue()?;
        tx.insert_code(&stored_hash(code.expose()), None, now, now + CODE_LIFE)
            .await?;
        self.store.commit(tx).await?;
        Ok(Some(code))
    }

    /// Redeems a one-time code. `name` is for the first admin only; everybody else has a name already.
    pub async fn sign_in(
        &self,
        code: &str,
        name: Option<PrincipalName>,
        device: &str,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let bootstrap = TokenKind::Bootstrap.read(code).is_ok();
        if !bootstrap && TokenKind::Invitation.read(code).is_err() {
            return Err(Refusal::CodeNotValid.into());
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let hash = stored_hash(code);
        let Some(found) = tx.code(&hash).await? else {
            return Err(self.refuse_sign_in(tx, "unknown", origin, now).await);
        };
        if found.expires_at <= now || !tx.use_code(&hash, now).await? {
            return Err(self
                .refuse_sign_in(tx, "used or too old", origin, now)
                .await);
        }
        let principal = match found.principal {
            Some(id) => tx
                .principal(&id)
                .await?
                .context("the principal of an invitation is gone")?,
            None => first_admin(&mut tx, name, now).await?,
        };
        let issued = open_sign_in(&mut tx, principal, device, now).await?;
        let event = Event::new(
            EventCode::SignedIn,
            Actor::Principal(issued.principal.as_ref()),
        )
        .detail("sign_in", issued.sign_in.as_str())
        .detail("device", device)
        .detail(
            "method",
            if bootstrap {
                "bootstrap code"
            } else {
                "invitation"
            },
        );
        tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
            .await?;
        self.store.commit(tx).await?;
        Ok(issued)
    }

    async fn refuse_sign_in(
        &self,
        mut tx: Tx,
        why: &str,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Error {
        let address = origin.address.as_deref().unwrap_or_default();
        if !self.is_news(format!("sign-in {why} {address}"), now) {
            return Refusal::CodeNotValid.into();
        }
        let event = Event::new(EventCode::SignInRefused, Actor::Anonymous)
            .outcome(Outcome::Denied)
            .detail("code", why);
        let written = async {
            tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                .await?;
            Ok::<(), Error>(self.store.commit(tx).await?)
        };
        match written.await {
            Ok(()) => Refusal::CodeNotValid.into(),
            Err(error) => error,
        }
    }

    /// Exchanges a refresh token. One that comes a second time was copied: the whole sign-in ends.
    pub async fn refresh(&self, token: &str, origin: &Origin) -> Result<Issued, Error> {
        TokenKind::Refresh
            .read(token)
            .map_err(|_| Refusal::NotSignedIn)?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let hash = stored_hash(token);
        tx.hold_token(&hash).await?;
        let found = tx
            .token(&hash, TokenUse::Refresh)
            .await?
            .ok_or(Refusal::NotSignedIn)?;
        let sign_in = found.sign_in;
        if found.expires_at <= now || sign_in.revoked_at.is_some() || sign_in.expires_at <= now {
            return Err(Refusal::NotSignedIn.into());
        }
        let (issued, refresh_hash) = issue(&mut tx, &sign_in, now).await?;
        let fresh = match (&found.used_at, &found.successor) {
            (None, _) => tx.use_token(&hash, &refresh_hash, now).await?,
            (Some(used), Some(successor)) if now - *used < REFRESH_GRACE => {
                tx.replace_successor(&hash, successor, &refresh_hash, now)
                    .await?
            }
            _ => false,
        };
        if !fresh {
            drop(tx);
            return Err(self.end_reused(&sign_in, origin).await);
        }
        tx.touch_sign_in(&sign_in.id, now).await?;
        self.store.commit(tx).await?;
        Ok(issued)
    }

    async fn end_reused(&self, sign_in: &SignIn, origin: &Origin) -> Error {
        let event = Event::new(
            EventCode::TokenReused,
            Actor::Principal(sign_in.principal.as_ref()),
        )
        .outcome(Outcome::Denied)
        .detail("sign_in", sign_in.id.as_str())
        .detail("device", sign_in.device.as_str());
        match self.end_sign_in(&sign_in.id, event, origin).await {
            Ok(_) => Refusal::NotSignedIn.into(),
            Err(error) => error,
        }
    }

    async fn end_sign_in(
        &self,
        id: &SignInId,
        event: Event,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        if !tx.revoke_sign_in(id, now).await? {
            return Ok(false);
        }
        tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
            .await?;
        self.store.commit(tx).await?;
        Ok(true)
    }

    /// Ends the caller's own sign-in.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        let event = Event::new(
            EventCode::SignedOut,
            Actor::Principal(caller.principal.as_ref()),
        )
        .detail("sign_in", caller.sign_in.as_str());
        self.end_sign_in(&caller.sign_in, event, &caller.origin)
            .await
            .map(|_| ())
    }

    /// The sign-ins that are good: everybody's for those who may see them, one's own otherwise.
    pub async fn sign_ins(&self, caller: &Caller) -> Result<Vec<SignIn>, Error> {
        let (mut tx, now) = self.look().await?;
        let mut all = tx.sign_ins(now).await?;
        if permit(&caller.principal, Action::ReadPeople).is_err() {
            all.retain(|sign_in| sign_in.principal.id == caller.principal.id);
        }
        Ok(all)
    }

    /// Ends a sign-in: one's own, or anybody's for an admin.
    pub async fn revoke_sign_in(
        &self,
        caller: &Caller,
        id: &SignInId,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let mut writing = match self.open_if(caller, once, id.as_str(), |_| Ok(())).await? {
            Opened::Before(_) => return Ok(()),
            Opened::Now(writing) => writing,
        };
        let who = &writing.who;
        let sign_in = writing.tx.sign_in(id, writing.now).await?;
        let seen = sign_in.filter(|sign_in| {
            sign_in.principal.id == who.id || permit(who, Action::ReadPeople).is_ok()
        });
        let sign_in = seen.ok_or_else(|| Refusal::NotFound {
            what: "sign-in",
            name: id.to_string(),
        })?;
        if sign_in.principal.id != who.id {
            permit(who, Action::Invite)?;
        }
        writing.tx.revoke_sign_in(id, writing.now).await?;
        let mut event = Event::new(EventCode::SignInRevoked, Actor::Principal(who.as_ref()))
            .detail("sign_in", id.as_str());
        event.principal = Some(sign_in.principal.name);
        let change = vec![Step::new(Record::Nothing, event)];
        self.finish(writing, &change).await
    }

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
        .detail(
            "roles",
            words(principal.roles.iter().map(|role| role.as_str()).collect()),
        )
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

/// In the audit, Portcullis itself and those who are not signed in have names. Nobody can pass for one of them.
fn check_name(name: &PrincipalName) -> Result<(), Refusal> {
    let taken = [Actor::System, Actor::Anonymous]
        .iter()
        .any(|actor| actor.name() == name.as_str());
    if taken {
        return Err(Refusal::BadInput {
            field: "name".to_owned(),
            why: format!("`{name}` is the name of no person in the audit"),
        });
    }
    Ok(())
}

async fn first_admin(
    tx: &mut Tx,
    name: Option<PrincipalName>,
    now: DateTime<Utc>,
) -> Result<Principal, Error> {
    if tx.has_principals().await? {
        return Err(Refusal::CodeNotValid.into());
    }
    let why = "the first admin needs a name".to_owned();
    let name = name.ok_or(Refusal::BadInput {
        field: "name".to_owned(),
        why,
    })?;
    check_name(&name)?;
    let group: GroupName = FIRST_GROUP.parse().context("reading our own group name")?;
    let admin = Principal {
        id: PrincipalId::from_bits(new_bits()?),
        name,
        roles: BTreeSet::from([
            ProductRole::Admin,
            ProductRole::Reviewer,
            ProductRole::Requester,
        ]),
        groups: BTreeSet::from([group]),
    };
    tx.save_principal(&admin, now).await?;
    Ok(admin)
}

/// Opens a sign-in for somebody who has proved who they are.
async fn open_sign_in(
    tx: &mut Tx,
    principal: Principal,
    device: &str,
    now: DateTime<Utc>,
) -> Result<Issued, Error> {
    let sign_in = SignIn {
        id: SignInId::from_bits(new_bits()?),
        principal,
        device: device
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect(),
        created_at: now,
        last_used_at: now,
        expires_at: now + SIGN_IN_LIFE,
        revoked_at: None,
    };
    tx.insert_sign_in(&sign_in).await?;
    Ok(issue(tx, &sign_in, now).await?.0)
}

async fn issue(
    tx: &mut Tx,
    sign_in: &SignIn,
    now: DateTime<Utc>,
) -> Result<(Issued, String), Error> {
    let (access, refresh) = (TokenKind::Access.issue()?, TokenKind::Refresh.issue()?);
    let access_expires_at = (now + ACCESS_LIFE).min(sign_in.expires_at);
    let refresh_expires_at = (now + REFRESH_LIFE).min(sign_in.expires_at);
    let refresh_hash = stored_hash(refresh.expose());
    tx.insert_token(
        &stored_hash(access.expose()),
        TokenUse::Access,
        &sign_in.id,
        now,
        access_expires_at,
    )
    .await?;
    tx.insert_token(
        &refresh_hash,
        TokenUse::Refresh,
        &sign_in.id,
        now,
        refresh_expires_at,
    )
    .await?;
    let issued = Issued {
        access,
        access_expires_at,
        refresh,
        refresh_expires_at,
        principal: sign_in.principal.clone(),
        sign_in: sign_in.id.clone(),
        now,
    };
    Ok((issued, refresh_hash))
}
