//! Kubernetes: for as long as a grant lasts a binding of its own gives its holder a role, under their own account.
//!
//! A binding gives what it gives until somebody takes it away; the API has no binding that ends by itself, so neither class
//! A nor A+ is possible, which is what class C says. Each grant has its own binding, so closing one never takes what another
//! one gives. An end takes the holder out of the binding and leaves it there, empty, for a while: it gives nothing, and the
//! cluster itself then refuses a late beginning, because there is one binding of a name and one next version of it.
//!
//! Three kinds of calls are made, so they are plain JSON over the client in `egress`: the crate `kube` would bring 33 more
//! crates and a client of its own, which looks names up without asking us. What stands behind a subject's name is the
//! cluster's business: we bind the name that the cluster's own sign-in gives the holder.

mod binding;
mod cluster;
mod settings;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::Url;

use super::names::{grant_of, object_of, ours};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Observed, OwnAccount, Plan, Preparation, Receipt, SettingsProblem, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::target::EnforcementClass;
use crate::egress::Client;
use binding::{Binding, Place, Wanted};
use cluster::Wrote;

pub use settings::{RoleSettings, Settings, SubjectKind};

/// The whole of one call may take this long; the caller waits a little longer.
const LIMIT: Duration = Duration::from_millis(9_500);
/// So often a change is worked out anew because somebody was faster.
const TRIES: u32 = 10;
/// So many ended grants are remembered. One that comes late comes seconds late, not hundreds of grants.
const REMEMBERED: usize = 200;
/// So many are forgotten at a time, so that looking stays quick.
const FORGOTTEN: usize = 50;

/// The connector of one cluster.
#[derive(Debug)]
pub struct Kubernetes {
    settings: Settings,
    server: Url,
    roles: BTreeMap<RoleName, RoleSettings>,
    installation: Installation,
    client: OnceLock<Client>,
}

impl Kubernetes {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        Ok(Self {
            server: settings::read(&settings, &roles)?,
            settings,
            roles,
            installation: environment.installation.clone(),
            client: OnceLock::new(),
        })
    }

    fn object(&self, grant: &GrantId) -> String {
        object_of(&self.installation, grant)
    }

    fn role(&self, role: &RoleName) -> Result<&RoleSettings, Failure> {
        let missing =
            || Failure::permanent(format!("the catalogue has no role `{role}` on this target"));
        self.roles.get(role).ok_or_else(missing)
    }

    fn wanted(&self, access: &Access<'_>, role: &RoleSettings) -> Wanted {
        Wanted {
            object: self.object(access.grant),
            installation: self.installation.to_string(),
            place: role.place(),
            role: role.role_ref(),
            subject: self.settings.subject_of(access.holder),
            epoch: access.epoch,
            ends_at: access.ends_at,
        }
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        let began = Instant::now();
        let wanted = self.wanted(&access, self.role(access.role)?);
        let up = Up {
            object: Some(wanted.object.clone()),
            target_clock: None,
        };
        for _ in 0..TRIES {
            let there = self.bindings(Some(&wanted.object)).await?;
            if there
                .iter()
                .any(|binding| binding.is_over() || binding.epoch() > access.epoch)
            {
                return Err(too_late());
            }
            in_time(began)?;
            // What a binding gives cannot be changed; another role, or another namespace, is another binding.
            let (fits, others): (Vec<&Binding>, Vec<&Binding>) =
                there.iter().partition(|binding| wanted.fits(binding));
            for other in others {
                self.remove(other).await?;
            }
            // What came of it is seen in the next round.
            match fits.first() {
                Some(binding) if wanted.is(binding) => return Ok(up),
                Some(binding) => self.replace(&wanted.again(binding)).await?,
                None => self.create(&wanted.first()).await?,
            };
        }
        Err(restless(&wanted.object))
    }

    /// Ends a grant wherever a binding of it is, and where one could still be made.
    async fn end(
        &self,
        object: &str,
        epoch: i64,
        of: Option<&Access<'_>>,
    ) -> Result<Receipt, Failure> {
        let began = Instant::now();
        let mut receipt = Receipt::default();
        let heard = of.and_then(|access| access.heard);
        let mut note = |what: String| receipt.note(heard, began, what);
        let role = of.and_then(|access| Some((access, self.roles.get(access.role)?)));
        let wanted = role.map(|(access, role)| self.wanted(access, role));
        for _ in 0..TRIES {
            let there = self.bindings(Some(object)).await?;
            in_time(began)?;
            let open: Vec<&Binding> = there
                .iter()
                .filter(|binding| !binding.is_over() || binding.gives())
                .collect();
            if open
                .iter()
                .any(|binding| !binding.is_over() && binding.epoch() > epoch)
            {
                return Err(too_late());
            }
            if open.is_empty() {
                // Whoever is about to make one finds its name taken. Where the cluster refuses that for good, it
                // refuses the beginning, too.
                if there.is_empty()
                    && let Some(wanted) = &wanted
                {
                    match self.create(&wanted.first().over(epoch)).await {
                        Err(failure) if failure.permanent => {}
                        made => {
                            made?;
                            continue;
                        }
                    }
                }
                note(format!("read back: no binding `{object}` names anybody"));
                return Ok(receipt);
            }
            for binding in open {
                let wrote = match self.replace(&binding.clone().over(epoch)).await {
                    // Whoever may not bind the role any more may not change the binding, and may still remove it.
                    Err(failure) if failure.permanent => self.remove(binding).await?,
                    wrote => wrote?,
                };
                if wrote == Wrote::Done {
                    let subjects = binding.subjects().join(", ");
                    note(format!("took {subjects} out of {}", binding.shown()));
                }
            }
        }
        Err(restless(object))
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let mut observation = Observation::default();
        let mut ended = Vec::new();
        for binding in self.bindings(None).await? {
            let Some(grant) = grant_of(&self.installation, binding.name()) else {
                continue;
            };
            if binding.is_over() && !binding.gives() {
                ended.push(binding);
                continue;
            }
            observation.objects.push(Observed {
                object: binding.name().to_owned(),
                grant,
                live_sessions: 0,
                valid_until: None,
                drift: binding.drift(),
            });
        }
        // The oldest are the ones that nobody has touched for longest.
        ended.sort_by_key(|binding| std::cmp::Reverse(binding.version()));
        for old in ended.iter().skip(REMEMBERED).take(FORGOTTEN) {
            if let Err(failure) = self.remove(old).await {
                let warning = format!("old empty bindings cannot be removed: {failure}");
                observation.warnings.push(warning);
                break;
            }
        }
        Ok(observation)
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(LIMIT, work)
            .await
            .map_err(|_| late())?
    }
}

/// A process that was stopped for a while finds its call over, and must not go on where it was.
fn in_time(began: Instant) -> Result<(), Failure> {
    if began.elapsed() < LIMIT {
        Ok(())
    } else {
        Err(late())
    }
}

fn late() -> Failure {
    Failure::passing("the cluster took too long")
}

fn too_late() -> Failure {
    Failure::permanent("a later change of this grant has been made on the target")
}

fn restless(object: &str) -> Failure {
    Failure::passing(format!(
        "`{object}` is changed all the time, or somebody else has a binding with this name"
    ))
}

impl Connector for Kubernetes {
    fn class(&self) -> EnforcementClass {
        EnforcementClass::C
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let object = self.object(access.grant);
        let mut steps = Vec::new();
        if let Ok(role) = self.role(access.role) {
            let wanted = self.wanted(access, role);
            steps.push(format!(
                "bind {} to {} by {}",
                wanted.subject.shown(),
                wanted.role.shown(),
                wanted.place.shown(&object)
            ));
            steps.push(format!(
                "take them out of it at {}",
                access.ends_at.format("%Y-%m-%d %H:%M UTC")
            ));
        }
        Plan {
            object: Some(object),
            steps,
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        self.within(self.make(access)).boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        async move {
            let object = self.object(access.grant);
            self.within(self.end(&object, access.epoch, Some(&access)))
                .await
                .map(Down::Gone)
        }
        .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        self.within(self.look()).boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            ours(&self.installation, object)?;
            self.within(self.end(object, i64::MAX, None)).await
        }
        .boxed()
    }

    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        _ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>> {
        let told = self.role(access.role).and_then(|role| {
            let subject = self.settings.subject_of(access.holder);
            let what = format!(
                "{} has {}{}",
                subject.shown(),
                role.role_ref().shown(),
                match role.place() {
                    Place::Namespace(namespace) => format!(" in namespace `{namespace}`"),
                    Place::Cluster => " in the whole cluster".to_owned(),
                }
            );
            OwnAccount::of(&access, what)
        });
        std::future::ready(told.map(Credential::OwnAccount)).boxed()
    }

    fn preparation(&self) -> Vec<Preparation> {
        vec![
            Preparation {
                what:
                    "let Portcullis's account change bindings, and bind these roles and no others"
                        .to_owned(),
                text: settings::rules(&self.roles),
            },
            Preparation {
                what: format!(
                    "put a token of that account into `{}`; it is read at each call, so it may be replaced at any time",
                    self.settings.token_file.display()
                ),
                text: "kubectl create token portcullis --namespace portcullis --duration 8760h"
                    .to_owned(),
            },
        ]
    }
}
