//! A program of one's own: it makes, ends and lists access on something that Portcullis does not know.
//!
//! It is called with a list of arguments and without a shell, as the user that the server runs as. Exit code 0 means that it
//! is done. It gets `{epoch}`, which grows with every change of a grant, and is to refuse what comes too late as every
//! connector does: only on the target can that be seen. What it says is believed where it lists what there is: an end is
//! `Gone` when it does not list the object any more. A program that lists nothing has ends that nobody has verified, and
//! their receipts say so.
//!
//! `down` gets nothing but the names of a grant. An object that no grant backs must be ended, too, and there is no more
//! known of it; and a program that takes a right from a *person* would take it from their other grants as well.

mod run;
mod settings;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::names::{grant_of, object_of, ours};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Observed, OwnAccount, Plan, Preparation, Receipt, SettingsProblem, Steps, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::target::EnforcementClass;
use settings::Calls;
use slots::{Filling, Template};

pub use settings::{RoleSettings, Settings};

/// All runs of one call together; the caller waits a little longer.
const LIMIT: Duration = Duration::from_millis(9_500);

/// The connector of one program.
#[derive(Debug)]
pub struct Command {
    settings: Settings,
    calls: Calls,
    roles: BTreeMap<RoleName, RoleSettings>,
    installation: Installation,
}

impl Command {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        Ok(Self {
            calls: settings::read(&settings, &roles)?,
            settings,
            roles,
            installation: environment.installation.clone(),
        })
    }

    fn object(&self, grant: &GrantId) -> String {
        object_of(&self.installation, grant)
    }

    fn role(&self, access: &Access<'_>) -> Result<&RoleSettings, Failure> {
        let missing = || {
            Failure::permanent(format!(
                "the catalogue has no role `{}` on this target",
                access.role
            ))
        };
        self.roles.get(access.role).ok_or_else(missing)
    }

    async fn run(
        &self,
        call: &[Template],
        with: Option<&Filling<'_>>,
        began: Instant,
    ) -> Result<String, Failure> {
        let left = LIMIT.saturating_sub(began.elapsed());
        // A process that was stopped for a while finds its call over, and must not go on where it was.
        if left.is_zero() {
            return Err(Failure::passing(
                "the time of the call was over before the program was run",
            ));
        }
        let arguments: Vec<String> = call.iter().map(|one| one.fill(with)).collect();
        run::run(&self.settings, &arguments, left).await
    }

    /// The objects of ours that the program lists; `None` when it lists nothing.
    async fn listed(&self, began: Instant) -> Result<Option<BTreeSet<String>>, Failure> {
        let Some(call) = &self.calls.observe else {
            return Ok(None);
        };
        let out = self.run(call, None, began).await?;
        let ours = out.lines().map(str::trim);
        let ours = ours.filter(|line| grant_of(&self.installation, line).is_some());
        Ok(Some(ours.map(str::to_owned).collect()))
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        let began = Instant::now();
        let role = self.role(&access)?;
        let object = self.object(access.grant);
        let with = Filling {
            object: &object,
            grant: access.grant,
            epoch: access.epoch,
            access: Some(&access),
            value: role.value.as_deref(),
        };
        self.run(&self.calls.up, Some(&with), began).await?;
        if self
            .listed(began)
            .await?
            .is_some_and(|listed| !listed.contains(&object))
        {
            return Err(Failure::passing(format!(
                "`{}` said that it was done, and does not list `{object}`",
                self.settings.program.display()
            )));
        }
        Ok(Up {
            object: Some(object),
            target_clock: None,
        })
    }

    async fn end(
        &self,
        grant: &GrantId,
        epoch: i64,
        heard: Option<&Steps>,
    ) -> Result<Receipt, Failure> {
        let began = Instant::now();
        let program = self.settings.program.display();
        let object = self.object(grant);
        let with = Filling {
            object: &object,
            grant,
            epoch,
            access: None,
            value: None,
        };
        let mut receipt = Receipt::default();
        let mut note = |what: String| receipt.note(heard, began, what);
        self.run(&self.calls.down, Some(&with), began).await?;
        note(format!("ran `{program}` to end `{object}`"));
        match self.listed(began).await? {
            Some(listed) if listed.contains(&object) => Err(Failure::passing(format!(
                "`{program}` said that it was done, and still lists `{object}`"
            ))),
            Some(_) => {
                note(format!("read back: it does not list `{object}`"));
                Ok(receipt)
            }
            None => {
                let what = "unverified end: the program said that it was done, and cannot be asked what there is";
                receipt.unproved = Some(what.to_owned());
                Ok(receipt)
            }
        }
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let Some(listed) = self.listed(Instant::now()).await? else {
            return Ok(Observation {
                objects: Vec::new(),
                warnings: vec![
                    "its program cannot be asked what there is: ends are not verified, and nothing left over is found"
                        .to_owned(),
                ],
                standing: None,
            });
        };
        let objects = listed.into_iter().filter_map(|object| {
            Some(Observed {
                grant: grant_of(&self.installation, &object)?,
                object,
                live_sessions: 0,
                valid_until: None,
                drift: Vec::new(),
            })
        });
        Ok(Observation {
            objects: objects.collect(),
            warnings: Vec::new(),
            standing: None,
        })
    }
}

impl Connector for Command {
    fn class(&self) -> EnforcementClass {
        EnforcementClass::C
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let object = self.object(access.grant);
        let program = self.settings.program.display();
        let shown = |call: &[Template], access: Option<&Access<'_>>, grant: &Access<'_>| {
            let with = Filling {
                object: &object,
                grant: grant.grant,
                epoch: grant.epoch,
                access,
                value: self
                    .roles
                    .get(grant.role)
                    .and_then(|role| role.value.as_deref()),
            };
            let words = call.iter().map(|one| one.fill(Some(&with)));
            words.collect::<Vec<_>>().join(" ")
        };
        let steps = vec![
            format!(
                "run `{program} {}`",
                shown(&self.calls.up, Some(access), access)
            ),
            format!(
                "run `{program} {}` at {}",
                shown(&self.calls.down, None, access),
                access.ends_at.format("%Y-%m-%d %H:%M UTC")
            ),
        ];
        Plan {
            object: Some(object),
            steps,
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        self.make(access).boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        self.end(access.grant, access.epoch, access.heard)
            .map(|ended| ended.map(Down::Gone))
            .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        self.look().boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            let grant = ours(&self.installation, object)?;
            self.end(&grant, i64::MAX, None).await
        }
        .boxed()
    }

    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        _ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>> {
        let told = self.role(&access).and_then(|_| {
            let what = self.settings.connect.clone();
            let what = what
                .unwrap_or_else(|| format!("`{}` has the role `{}`", access.holder, access.role));
            OwnAccount::of(&access, what)
        });
        std::future::ready(told.map(Credential::OwnAccount)).boxed()
    }

    fn preparation(&self) -> Vec<Preparation> {
        let program = self.settings.program.display();
        vec![Preparation {
            what: "install the program so that nobody but root can change it or a folder above it"
                .to_owned(),
            text: format!("install -o root -g root -m 0755 ./program '{program}'"),
        }]
    }
}
