//! Makes a confirmed change on the server: each act is one call, with the version and the key that it was confirmed with.

use crate::client::{Client, ClientError};
use crate::console::confirm::{Act, Mutation};
use crate::console::msg::{NewToken, Receipt};
use crate::secret::Secret;
use crate::wire::{
    Approval, Denial, Lifting, NarrowView, NewExtension, NewLock, Revocation, ServiceToken,
    SessionEnd, SignOff, StandingImport, StandingWord,
};

/// Makes one change.
pub(super) async fn change(client: &Client, mutation: &Mutation) -> Result<Receipt, ClientError> {
    let (version, key) = (mutation.version(), mutation.idempotency_key());
    Ok(match mutation.act() {
        Act::Approve { request, less } => {
            let narrowed = NarrowView {
                duration: less.duration.map(|span| span.to_string()),
                role: less.role.clone(),
                not_before: less.not_before,
            };
            let approval = Approval {
                comment: None,
                narrowed,
            };
            Receipt::Request(Box::new(
                client
                    .approve(request.as_str(), version, &approval, key)
                    .await?,
            ))
        }
        Act::Deny { request, comment } => {
            let denial = Denial {
                comment: comment.clone(),
            };
            Receipt::Request(Box::new(
                client.deny(request.as_str(), version, &denial, key).await?,
            ))
        }
        Act::Extend { grant, by, reason } => {
            let extension = NewExtension {
                by: by.to_string(),
                reason: reason.clone(),
            };
            Receipt::Request(Box::new(
                client
                    .extend(grant.as_str(), version, &extension, key)
                    .await?,
            ))
        }
        Act::Revoke { grant, reason } => {
            let revocation = Revocation {
                reason: reason.clone(),
            };
            Receipt::Grant(Box::new(
                client
                    .revoke(grant.as_str(), version, &revocation, key)
                    .await?,
            ))
        }
        Act::Claim { request } => {
            Receipt::Request(Box::new(client.claim(request.as_str(), key).await?))
        }
        Act::Release { request } => {
            Receipt::Request(Box::new(client.release(request.as_str(), key).await?))
        }
        Act::Return { grant } => Receipt::Grant(Box::new(
            client.give_back(grant.as_str(), version, key).await?,
        )),
        Act::EndSession { session, reason } => {
            let end = SessionEnd {
                reason: reason.clone(),
            };
            let (grant, id) = (session.grant.as_str(), session.id.as_str());
            Receipt::Session(client.end_session(grant, id, &end, key).await?)
        }
        Act::Lock { on, reason, lasts } => {
            let new = NewLock {
                on: on.clone(),
                reason: reason.clone(),
                duration: lasts.map(|span| span.to_string()),
            };
            Receipt::Lock(Box::new(client.place_lock(&new, key).await?))
        }
        Act::SignOff {
            of,
            verdict,
            comment,
        } => {
            let sign_off = SignOff {
                verdict: verdict.as_str().to_owned(),
                comment: comment.clone(),
            };
            Receipt::Use(Box::new(
                client
                    .sign_off(of.as_str(), version, &sign_off, key)
                    .await?,
            ))
        }
        Act::Lift { lock, reason } => {
            let lifting = Lifting {
                reason: reason.clone(),
            };
            Receipt::Lock(Box::new(
                client.lift(lock.as_str(), version, &lifting, key).await?,
            ))
        }
        Act::IgnoreStanding { standing, reason } => {
            let word = StandingWord {
                reason: reason.clone(),
            };
            let id = standing.as_str();
            Receipt::Standing(Box::new(
                client.ignore_standing(id, version, &word, key).await?,
            ))
        }
        Act::ImportStanding {
            standing,
            owner,
            lasts,
            reason,
        } => {
            let import = StandingImport {
                owner: owner.clone(),
                duration: lasts.to_string(),
                reason: reason.clone(),
            };
            let id = standing.as_str();
            Receipt::Standing(Box::new(
                client.import_standing(id, version, &import, key).await?,
            ))
        }
        Act::ReopenStanding { standing, reason } => {
            let word = StandingWord {
                reason: reason.clone(),
            };
            let id = standing.as_str();
            Receipt::Standing(Box::new(
                client.reopen_standing(id, version, &word, key).await?,
            ))
        }
        Act::RevokeSignIn { sign_in } => {
            client.revoke_sign_in(sign_in.as_str(), key).await?;
            Receipt::Gone
        }
        Act::DeleteService { service } => {
            client.delete_service(service.as_str(), key).await?;
            Receipt::Gone
        }
        Act::MakeService { new } => token(client.create_service(new, key).await?),
        Act::RotateService { service, lasts } => {
            let (name, lasts) = (service.as_str(), lasts.to_string());
            token(client.rotate_service(name, &lasts, key).await?)
        }
        Act::Incident { commit } => {
            Receipt::Incident(Box::new(client.commit_incident(commit, key).await?))
        }
    })
}

fn token(new: ServiceToken) -> Receipt {
    Receipt::Token(Box::new(NewToken {
        name: new.name,
        token: Secret::new(new.token),
        expires_at: new.expires_at,
    }))
}
