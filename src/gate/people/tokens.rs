//! Access tokens and refresh tokens: who holds one, and what it is exchanged for.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::TokenSettings;
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::refusal::Refusal;
use crate::gate::{Caller, Error, Gate, How};
use crate::secret::{Proof, TokenKind};
use crate::store::Tx;
use crate::store::audit::Origin;
use crate::store::sign_ins::SignIn;
use crate::store::tokens::TokenUse;

use super::{Issued, Purpose, stored_hash};

/// Long enough for a call and short enough that a stolen one is soon worthless.
pub const ACCESS_LIFE: TimeDelta = TimeDelta::minutes(10);
/// A client whose answer got lost may repeat its refresh for this long, as long as the lost tokens were not used.
const REFRESH_GRACE: TimeDelta = TimeDelta::seconds(30);

/// What came with a call to prove who calls.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    pub token: &'a str,
    /// The proof of the device key, which is for exactly this call.
    pub proof: Option<&'a Proof>,
    pub purpose: Purpose,
}

impl Gate {
    /// Finds out who holds an access token. INVARIANT: the only maker of a [`Caller`].
    pub async fn authenticate(
        &self,
        presented: Presented<'_>,
        origin: Origin,
    ) -> Result<Caller, Error> {
        let kind = match TokenKind::Access.read(presented.token) {
            Ok(_) => TokenUse::Access,
            Err(_) => TokenKind::Service
                .read(presented.token)
                .map(|_| TokenUse::Service)
                .map_err(|_| Refusal::NotSignedIn)?,
        };
        let mut tx = self.store.glance().await?;
        let token = tx
            .token(&stored_hash(presented.token), kind)
            .await?
            .ok_or(Refusal::TokenExpired)?;
        drop(tx);
        let now = self.store.at(token.stamp)?;
        let sign_in = token.sign_in;
        if token.expires_at <= now || sign_in.revoked_at.is_some() || sign_in.expires_at <= now {
            return Err(Refusal::TokenExpired.into());
        }
        self.check_device(
            &sign_in,
            Some(presented.token),
            presented.proof,
            presented.purpose,
            &origin,
            now,
        )
        .await?;
        Ok(Caller {
            how: how(&sign_in),
            principal: sign_in.method.reduced(sign_in.principal),
            sign_in: sign_in.id,
            expires_at: token.expires_at,
            origin,
        })
    }

    /// Whether a sign-in is still good and its principal still is what it was: streams ask this while they run.
    pub async fn still_signed_in(&self, caller: &Caller) -> Result<bool, Error> {
        let (mut tx, now) = self.glance().await?;
        let who = tx.signed_in(&caller.sign_in, now).await?;
        let who = who.map(|who| caller.how.method.reduced(who));
        Ok(now < caller.expires_at && who.as_ref() == Some(&caller.principal))
    }

    /// Exchanges a refresh token. One that comes a second time was copied: the whole sign-in ends.
    pub async fn refresh(
        &self,
        token: &str,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        TokenKind::Refresh
            .read(token)
            .map_err(|_| Refusal::NotSignedIn)?;
        let hash = stored_hash(token);
        self.check_refresh(&hash, proof, origin).await?;
        self.looked_at_again(token).await?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        tx.hold_token(&hash).await?;
        let found = tx
            .token(&hash, TokenUse::Refresh)
            .await?
            .ok_or(Refusal::NotSignedIn)?;
        let sign_in = found.sign_in;
        if found.expires_at <= now || sign_in.revoked_at.is_some() || sign_in.expires_at <= now {
            return Err(Refusal::NotSignedIn.into());
        }
        let (issued, refresh_hash) = issue(&mut tx, &sign_in, &self.settings.tokens, now).await?;
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

    /// Who copied a refresh token and not the key gets nothing, and does not end the sign-in of whom it belongs to.
    async fn check_refresh(
        &self,
        hash: &str,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let (mut tx, now) = self.look().await?;
        let found = tx
            .token(hash, TokenUse::Refresh)
            .await?
            .ok_or(Refusal::NotSignedIn)?;
        drop(tx);
        let sign_in = found.sign_in;
        if sign_in.revoked_at.is_some() || sign_in.expires_at <= now {
            return Err(Refusal::NotSignedIn.into());
        }
        self.check_device(&sign_in, None, proof, Purpose::Change, origin, now)
            .await
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
}

fn how(sign_in: &SignIn) -> How {
    How {
        method: sign_in.method,
        authenticated_at: sign_in.authenticated_at,
        amr: sign_in.amr.clone(),
        bound: sign_in.jkt.is_some(),
        ends_at: sign_in.expires_at,
    }
}

/// Makes the next pair of tokens of a sign-in.
pub(super) async fn issue(
    tx: &mut Tx,
    sign_in: &SignIn,
    settings: &TokenSettings,
    now: DateTime<Utc>,
) -> Result<(Issued, String), Error> {
    let (access, refresh) = (TokenKind::Access.issue()?, TokenKind::Refresh.issue()?);
    // A limit that was lowered since holds for sign-ins that are open, too.
    let end = sign_in
        .expires_at
        .min(sign_in.created_at + settings.absolute.to_chrono());
    let refresh_expires_at = (now + settings.idle.to_chrono()).min(end);
    let access_expires_at = (now + ACCESS_LIFE).min(refresh_expires_at);
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
        principal: sign_in.method.reduced(sign_in.principal.clone()),
        sign_in: sign_in.id.clone(),
        how: how(sign_in),
        now,
    };
    Ok((issued, refresh_hash))
}
