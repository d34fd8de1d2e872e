//! Going on with a database that was restored: what was taken away since the backup must not come back.
//!
//! The log begins another epoch that says so; every sign-in is over; live grants are closed, because nobody knows which of
//! them were revoked since; and every target is compared with its grants before this counts as done.

use crate::domain::change::{Change, Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::{PrincipalName, TargetName};
use crate::domain::permit::{Action, permit};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::secret::{Secret, TokenKind};
use crate::store::Tx;
use crate::store::audit::Origin;
use crate::store::grants::Filter;
use crate::store::restore::TakenBack;

use super::log::{Lost, SeenLink, key_at};
use super::people::{CODE_LIFE, stored_hash};
use super::{Error, Gate, new_trace};

/// The epoch that was begun by the last going on with a restored database.
const RECOVERED: &str = "recovered_epoch";
/// The targets that were not compared since, as a list of names.
const OWED: &str = "reconcile_owed";

/// How an operator goes on with a restored database.
#[derive(Debug, Clone)]
pub struct GoOn {
    pub reason: String,
    /// Who it is, as this machine knows them.
    pub operator: String,
    /// Live grants stay as the backup has them.
    pub keep_grants: bool,
    /// The operator knows that it was restored, where this node has seen nothing that is gone.
    pub unseen: bool,
    /// For whom a code is made to sign in with: the first admin where it says only that there is to be one.
    pub admin: Option<Option<PrincipalName>>,
}

/// What going on with a restored database came to.
#[derive(Debug)]
pub struct WentOn {
    pub link: SeenLink,
    /// What was found, in words.
    pub found: String,
    pub taken_back: TakenBack,
    pub grants_closed: usize,
    pub grants_kept: usize,
    /// The targets that are compared when a server starts.
    pub targets: usize,
    /// Another node had gone on with the same backup: only what this node has seen was added to the record.
    pub again: bool,
    pub admin: Option<(PrincipalName, Secret)>,
}

impl Gate {
    /// Says no where the database is not one that continues what this node has seen.
    pub async fn not_restored(&self) -> Result<(), Error> {
        match self.gone_back().await? {
            None => Ok(()),
            Some(why) => Err(Refusal::DatabaseRestored { why }.into()),
        }
    }

    /// Goes on with a database that was restored. No server runs on it meanwhile. INVARIANT: all of it is one
    /// transaction, so that nobody is let in by what the backup says
    /// (`what_a_backup_brings_back_lets_nobody_in`).
    pub async fn go_on_restored(&self, ask: &GoOn) -> Result<WentOn, Error> {
        let why = check_reason(&ask.reason)?;
        let mut state = self.signer.state.lock().await;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let tree = tx.settle_log().await?;
        self.recall(&mut state)?;
        let lost = match self.lost(&mut tx, &tree, &state).await? {
            Some(lost) => lost,
            None if ask.unseen => Lost {
                before: match &tree.checkpoint {
                    Some(note) => self.signed_with(note, key_at(&tree))?,
                    None => None,
                },
                why: "nothing that this node has seen is gone".to_owned(),
            },
            None => return Err(Refusal::NothingToRecover.into()),
        };
        let found = lost.why.clone();
        let epoch = key_at(&tree).0.to_string();
        let again = tx.setting(RECOVERED).await? == Some(epoch) && !ask.unseen;
        let mut next = self
            .next_epoch(&mut tx, tree, &lost, &state, (Actor::System, &why))
            .await?;
        next.event = next.event.detail("operator", ask.operator.as_str());
        let origin = Origin {
            trace: new_trace(),
            channel: "system".to_owned(),
            address: None,
        };
        let first = vec![Step::new(Record::Nothing, next.event.clone())];
        tx.apply(&first, &origin, now).await?;
        let link = self.begin_next(&mut tx, &next, now).await?;
        tx.put(RECOVERED, &link.0.epoch.number.to_string()).await?;
        let mut change: Change = Vec::new();
        let (mut closed, mut kept, mut taken_back, mut targets) =
            (0, 0, TakenBack::default(), Vec::new());
        if !again {
            let open = Filter {
                states: vec!["scheduled", "activating", "active"],
                ..Filter::default()
            };
            for grant in tx.hold_grants(&open).await? {
                let stays = grant.kept(now).filter(|_| ask.keep_grants);
                kept += usize::from(stays.is_some());
                let goes = || {
                    let reason = format!("the database was restored from a backup: {why}");
                    grant.restored(&reason, now)
                };
                let Some((_, step)) = stays.or_else(goes) else {
                    continue;
                };
                change.push(step);
            }
            closed = change.len() - kept;
            taken_back = tx.take_back_all(now).await?;
            let rules = self.rules.current();
            let entries = rules.catalog.targets.keys();
            targets = entries
                .chain(rules.catalog.retired.keys())
                .cloned()
                .collect();
            tx.put(
                OWED,
                &serde_json::to_string(&targets).map_err(anyhow::Error::from)?,
            )
            .await?;
        }
        let admin = match &ask.admin {
            None => None,
            Some(name) => self.admin_code(&mut tx, name.as_ref(), now).await?,
        };
        let mut event = Event::new(EventCode::ServerRecovered, Actor::System)
            .reason(Some(why))
            .detail("operator", ask.operator.as_str())
            .detail("sign_ins", taken_back.sign_ins)
            .detail("codes", taken_back.codes)
            .detail("sealed_codes", taken_back.sealed_codes)
            .detail("device_keys", taken_back.device_keys)
            .detail("grants_closed", closed)
            .detail("grants_kept", kept);
        event.principal = admin.as_ref().map(|(name, _)| name.clone());
        if !again || admin.is_some() {
            change.push(Step::new(Record::Nothing, event));
        }
        tx.apply(&change, &origin, now).await?;
        let link = self.commit_epoch(tx, link, &mut state).await?;
        drop(state);
        self.store.sequence().await?;
        self.publish().await?;
        Ok(WentOn {
            link,
            found,
            taken_back,
            grants_closed: closed,
            grants_kept: kept,
            targets: targets.len(),
            again,
            admin,
        })
    }

    /// A code with which an admin signs in: every other way may have gone with the sign-ins.
    async fn admin_code(
        &self,
        tx: &mut Tx,
        name: Option<&PrincipalName>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Option<(PrincipalName, Secret)>, Error> {
        let found = match name {
            Some(name) => tx.principal_named(name).await?,
            None => tx.first_admin().await?,
        };
        let is_admin =
            |who: &Principal| who.service.is_none() && permit(who, Action::KeepLog).is_ok();
        match (found.filter(is_admin), name) {
            (Some(who), _) => {
                let code = TokenKind::Invitation.issue()?;
                let hash = stored_hash(code.expose());
                tx.insert_code(&hash, Some(&who.id), now, now + CODE_LIFE)
                    .await?;
                Ok(Some((who.name, code)))
            }
            (None, Some(name)) => Err(Refusal::NotFound {
                what: "admin",
                name: name.to_string(),
            }
            .into()),
            (None, None) => Ok(None),
        }
    }

    /// Whether targets have yet to be compared because the database was restored.
    pub(super) async fn owes_reconciling(&self) -> Result<bool, Error> {
        let owed = self.store.glance().await?.setting(OWED).await?;
        Ok(owed.is_some_and(|owed| owed != "[]"))
    }

    /// Notes that a target was compared with its grants, where that is owed.
    pub(super) async fn reconciled(&self, target: &TargetName) -> Result<(), Error> {
        let owed = self.store.glance().await?.setting(OWED).await?;
        let owed = owed.unwrap_or_default();
        let mut left: Vec<TargetName> = serde_json::from_str(&owed).unwrap_or_default();
        let before = left.len();
        left.retain(|name| name != target);
        if left.len() == before {
            return Ok(());
        }
        let left = serde_json::to_string(&left).map_err(anyhow::Error::from)?;
        let mut tx = self.store.write().await?;
        if !tx.replace(OWED, &owed, &left).await? {
            // Another target was faster; this one is compared again.
            return Ok(());
        }
        let now = self.store.now(&mut tx).await?;
        let mut event = Event::new(EventCode::TargetReconciled, Actor::System);
        event.target = Some(target.clone());
        let change = vec![Step::new(Record::Nothing, event)];
        self.apply_own(tx, &change, &new_trace(), now).await
    }
}
