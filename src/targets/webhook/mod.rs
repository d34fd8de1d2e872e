//! A service of one's own that is told over HTTPS what to make and what to end, and that can be asked what there is.
//!
//! Each call is a signed POST to the one address that the settings name, with a body of JSON: nothing that anybody typed
//! becomes a part of an address. A call may come again, and late: it says by its `Idempotency-Key` that it is the same one,
//! and by its epoch how old it is. What the service says is believed where it lists what there is: an end is `Gone` when it
//! does not list the object any more. A service that lists nothing has ends that nobody has verified, and their
//! receipts say so. It ends nothing by itself, which is what class C says.
//!
//! As with a program, `down` has nothing but the names of a grant: an object that no grant backs must be ended, too.

mod call;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::Url;
use serde::Deserialize;

use super::names::{grant_of, object_of, ours};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Observed, OwnAccount, Plan, Preparation, Receipt, SettingsProblem, Steps, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::target::EnforcementClass;
use crate::egress::Client;
use call::Said;

pub use settings::{RoleSettings, Settings};

/// Both calls of an end together; the caller waits a little longer.
const LIMIT: Duration = Duration::from_millis(9_500);
/// Later than any change: the greatest number that every reader of JSON has exactly.
const LAST_EPOCH: i64 = 9_007_199_254_740_991;

/// The connector of one service.
#[derive(Debug)]
pub struct Webhook {
    settings: Settings,
    url: Url,
    roles: BTreeMap<RoleName, RoleSettings>,
    installation: Installation,
    client: OnceLock<Client>,
}

/// What the service answers when it is asked what there is.
#[derive(Debug, Deserialize)]
struct Listed {
    objects: Vec<String>,
}

impl Webhook {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        Ok(Self {
            url: settings::read(&settings, &roles)?,
            settings,
            roles,
            installation: environment.installation.clone(),
            client: OnceLock::new(),
        })
    }

    /// Whom we talk to; the rest of an address may say more than everybody should read.
    fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
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

    /// The objects of ours that the service lists; `None` when it cannot be asked.
    async fn listed(&self) -> Result<Option<BTreeSet<String>>, Failure> {
        if !self.settings.observe {
            return Ok(None);
        }
        let body = self.call(Said::Observe).await?;
        let listed: Listed = serde_json::from_slice(&body).map_err(|_| {
            Failure::passing(format!(
                "`{}` does not say what there is as `{{\"objects\": [\"…\"]}}`",
                self.place()
            ))
        })?;
        let ours = listed.objects.into_iter();
        let ours = ours.filter(|object| grant_of(&self.installation, object).is_some());
        Ok(Some(ours.collect()))
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        let role = self.role(&access)?;
        let object = self.object(access.grant);
        let value = role.value.as_deref();
        self.call(Said::Up(&object, &access, value)).await?;
        let listed = self.listed().await?;
        if listed.is_some_and(|listed| !listed.contains(&object)) {
            return Err(Failure::passing(format!(
                "`{}` said that it was done, and does not list `{object}`",
                self.place()
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
        let place = self.place();
        let object = self.object(grant);
        let mut receipt = Receipt::default();
        let mut note = |what: String| receipt.note(heard, began, what);
        self.call(Said::Down(&object, grant, epoch)).await?;
        note(format!("told `{place}` to end `{object}`"));
        match self.listed().await? {
            Some(listed) if listed.contains(&object) => Err(Failure::passing(format!(
                "`{place}` said that it was done, and still lists `{object}`"
            ))),
            Some(_) => {
                note(format!("read back: it does not list `{object}`"));
                Ok(receipt)
            }
            None => {
                let what = "unverified end: the service said that it was done, and cannot be asked what there is";
                receipt.unproved = Some(what.to_owned());
                Ok(receipt)
            }
        }
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let Some(listed) = self.listed().await? else {
            return Ok(Observation {
                objects: Vec::new(),
                warnings: vec![
                    "its service cannot be asked what there is: ends are not verified, and nothing left over is found"
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

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| Failure::passing(format!("`{}` took too long", self.place()));
        tokio::time::timeout(LIMIT, work).await.map_err(late)?
    }
}

impl Connector for Webhook {
    fn class(&self) -> EnforcementClass {
        EnforcementClass::C
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let object = self.object(access.grant);
        let place = self.place();
        let role = self.roles.get(access.role);
        let called = role.and_then(|role| role.value.as_deref());
        let called = called.map_or_else(String::new, |value| {
            format!(" (`{}`)", value.escape_debug())
        });
        let steps = vec![
            format!(
                "tell `{place}` to give `{}` the role `{}`{called} as `{object}`",
                access.holder, access.role
            ),
            format!(
                "tell `{place}` to end `{object}` at {}",
                access.ends_at.format("%Y-%m-%d %H:%M UTC")
            ),
        ];
        Plan {
            object: Some(object),
            steps,
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        self.within(self.make(access)).boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        self.within(self.end(access.grant, access.epoch, access.heard))
            .map(|ended| ended.map(Down::Gone))
            .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        self.within(self.look()).boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            let grant = ours(&self.installation, object)?;
            self.within(self.end(&grant, LAST_EPOCH, None)).await
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
        let file = self.settings.secret_file.display();
        vec![Preparation {
            what: "make the secret that calls are signed with, and give it to the service, which checks each of them"
                .to_owned(),
            text: format!("(umask 077; openssl rand -hex 32 >'{file}')"),
        }]
    }
}
