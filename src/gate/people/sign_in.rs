//! One-time codes, and the opening of a sign-in for whoever has proved who they are.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::config::TokenSettings;
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::{GroupName, PrincipalId, PrincipalName, SignInId};
use crate::domain::principal::{Principal, ProductRole};
use crate::domain::refusal::Refusal;
use crate::domain::sign_in::Method;
use crate::gate::{Error, Gate, new_bits};
use crate::secret::{Proof, Secret, TokenKind};
use crate::store::Tx;
use crate::store::audit::Origin;
use crate::store::sign_ins::SignIn;

use super::tokens::issue;
use super::{CODE_LIFE, Issued, NewSignIn, stored_hash};

/// The group of the first admin, named in the starter policy.
const FIRST_GROUP: &str = "reviewers";

impl Gate {
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
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let bootstrap = TokenKind::Bootstrap.read(code).is_ok();
        if !bootstrap && TokenKind::Invitation.read(code).is_err() {
            return Err(Refusal::CodeNotValid.into());
        }
        let jkt = self.device_key(proof, self.now().await?).await?;
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
        let proved = NewSignIn {
            principal,
            method: Method::Code,
            amr: Vec::new(),
            authenticated_at: None,
            jkt,
            device: device.to_owned(),
        };
        let issued = open_sign_in(&mut tx, proved, &self.settings.tokens, now).await?;
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
}

/// In the audit, Portcullis itself and those who are not signed in have names. Nobody can pass for one of them.
pub(in crate::gate) fn check_name(name: &PrincipalName) -> Result<(), Refusal> {
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
        roles: [
            ProductRole::Admin,
            ProductRole::Reviewer,
            ProductRole::Requester,
        ]
        .into(),
        groups: BTreeSet::from([group]),
        service: None,
    };
    tx.save_principal(&admin, now).await?;
    Ok(admin)
}

/// Opens a sign-in for somebody who has proved who they are.
pub(in crate::gate) async fn open_sign_in(
    tx: &mut Tx,
    proved: NewSignIn,
    settings: &TokenSettings,
    now: DateTime<Utc>,
) -> Result<Issued, Error> {
    let sign_in = SignIn {
        id: SignInId::from_bits(new_bits()?),
        principal: proved.principal,
        method: proved.method,
        authenticated_at: proved.authenticated_at.unwrap_or(now).min(now),
        amr: proved.amr,
        jkt: proved.jkt,
        device: proved
            .device
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect(),
        created_at: now,
        last_used_at: now,
        expires_at: now + settings.absolute.to_chrono(),
        revoked_at: None,
    };
    tx.insert_sign_in(&sign_in).await?;
    Ok(issue(tx, &sign_in, settings, now).await?.0)
}
