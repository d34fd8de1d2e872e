//! Credentials that are good for longer than their grants: what a target must not accept any more.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::grant::Grant;
use crate::domain::ids::TargetName;
use crate::domain::permit::{Action, permit_at};
use crate::domain::refusal::Refusal;
use crate::store::Tx;
use crate::targets::Access;

use super::grants::access;
use super::sight::place;
use super::{Caller, Error, Gate};

/// A target whose clock is behind accepts a credential for so much longer.
const BEHIND: TimeDelta = TimeDelta::seconds(60);

/// What is in a list.
#[derive(Debug, Clone)]
pub struct Revocations {
    pub list: Vec<u8>,
    /// The grants in it, by which one sees whether it has changed.
    pub grants: Vec<String>,
}

/// The grants that are over although a credential of theirs is not.
pub(super) async fn outlived(
    tx: &mut Tx,
    target: &TargetName,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Grant>> {
    tx.outlived_grants_on(target, now - BEHIND).await
}

impl Gate {
    /// What a target must not accept any more, in the target's own form.
    pub async fn revocations(
        &self,
        caller: &Caller,
        target: &TargetName,
    ) -> Result<Revocations, Error> {
        let rules = self.rules.current();
        // Whose grants these were is in it.
        permit_at(
            &caller.principal,
            Action::ReadAll,
            place(&rules.catalog, target),
        )?;
        let unknown = || Refusal::UnknownTarget {
            target: target.clone(),
            nearest: None,
        };
        let connector = rules.catalog.connector(target).ok_or_else(unknown)?;
        let (mut tx, now) = self.look().await?;
        let over = outlived(&mut tx, target, now).await?;
        drop(tx);
        let accesses: Vec<Access<'_>> = over.iter().map(|grant| access(grant, now)).collect();
        let list = connector.revocations(&accesses, now);
        let list = list.ok_or_else(|| Refusal::Unsupported {
            why: "what this kind of target hands out is taken back, so there is no list of it"
                .to_owned(),
        })?;
        let list = list.map_err(|failure| Refusal::TargetFailed {
            target: target.clone(),
            why: failure.message,
        })?;
        let grants = over.iter().map(|grant| grant.id.to_string()).collect();
        Ok(Revocations { list, grants })
    }
}
