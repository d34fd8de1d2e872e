//! Directories: for as long as a grant lasts its holder is a member of a group, under their own account.
//!
//! Nobody gets a secret, so nothing has to be called back; but a directory ends nothing by itself, which is what class C
//! says. A membership may be needed by several grants, or have been there before any: what decides whether it goes is in
//! `record`. The records stand on the group itself, because a directory changes one entry whole or not at all: a member
//! and the reason why it is there cannot come apart, and whoever comes late is refused by the directory.
//!
//! Everything is asked of and told to one server. Where several take changes of one group at once, they settle later
//! which one holds, and no rule of ours can hold then: `host` names the one that takes the changes.

mod directory;
mod ending;
mod name;
mod record;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::names::{grant_of, object_of, ours};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Observed, OwnAccount, Plan, Preparation, Receipt, SettingsProblem, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::standing::{Found, StandingKind};
use crate::domain::target::EnforcementClass;
use directory::{Changed, Directory};
use ending::Ending;
use record::{Record, Wanted};

pub use settings::{RoleSettings, Settings, Tls};

/// The whole of one call may take this long; the caller's lease is longer.
const LIMIT: Duration = Duration::from_secs(10);
/// So often a change is worked out anew because somebody was faster.
const TRIES: u32 = 50;

/// The connector of one directory.
#[derive(Debug)]
pub struct Ldap {
    settings: Settings,
    roles: BTreeMap<RoleName, RoleSettings>,
    installation: Installation,
}

impl Ldap {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let problems = settings::check(&settings, &roles);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            settings,
            roles,
            installation: environment.installation.clone(),
        })
    }

    fn object(&self, grant: &GrantId) -> String {
        object_of(&self.installation, grant)
    }

    fn group(&self, role: &RoleName) -> Result<&str, Failure> {
        let missing =
            || Failure::permanent(format!("the catalogue has no role `{role}` on this target"));
        let role = self.roles.get(role).ok_or_else(missing)?;
        Ok(&role.group)
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        let began = Instant::now();
        let group = self.group(access.role)?;
        let object = self.object(access.grant);
        let mut directory = Directory::open(&self.settings).await?;
        let person = directory.person(access.holder.as_str()).await?;
        let wanted = Wanted {
            object: &object,
            epoch: access.epoch,
            ends_at: access.ends_at,
            person: &person,
        };
        for _ in 0..TRIES {
            let records = directory.records(group).await?.ok_or_else(|| {
                Failure::permanent(format!("{} has no group `{group}`", self.settings.place()))
            })?;
            let before = records.of(&object).and_then(|own| own.made.as_ref());
            let names = [
                Some(person.member.as_str()),
                before.map(|(_, person)| person.member.as_str()),
            ];
            let members = members(&mut directory, group, names).await?;
            let edit = records
                .open(wanted, |name| members.contains(name))
                .map_err(|_| too_late())?;
            let done = match edit {
                None => true,
                Some(edit) => {
                    in_time(began)?;
                    match directory.change(group, edit, None).await? {
                        Changed::Done => true,
                        Changed::Outdated => false,
                        Changed::AgainstSchema => return Err(against_schema(group)),
                    }
                }
            };
            if done {
                if !directory.is_member(group, &person.member).await? {
                    return Err(Failure::passing(format!(
                        "`{}` is not a member of `{group}` after all",
                        person.member
                    )));
                }
                directory.leave().await;
                return Ok(Up {
                    object: Some(object),
                    target_clock: None,
                });
            }
        }
        Err(restless(group))
    }

    /// Ends a grant on every group that knows it, and on the one where a beginning could come late.
    async fn end(
        &self,
        object: &str,
        epoch: i64,
        of: Option<&Access<'_>>,
    ) -> Result<Receipt, Failure> {
        let heard = of.and_then(|access| access.heard);
        let mut ending = Ending::begin(&self.settings, object, epoch, heard).await?;
        let mut groups = ending.known().await?;
        if let Some(role) = of.and_then(|access| self.roles.get(access.role))
            && !groups.iter().any(|group| name::is_same(group, &role.group))
        {
            groups.insert(role.group.clone());
        }
        for group in &groups {
            ending.on(group, of.map(|access| access.holder)).await?;
        }
        Ok(ending.receipt().await)
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let mut directory = Directory::open(&self.settings).await?;
        let mut observation = Observation::default();
        for (group, records) in directory.all_groups().await? {
            for line in &records.spoiled {
                observation.warnings.push(format!(
                    "a record on `{group}` was changed by somebody and means nothing now: `{}`",
                    line.escape_default()
                ));
            }
            for record in records.all.iter().filter(|record| record.is_open()) {
                if let Some(grant) = grant_of(&self.installation, &record.object) {
                    let seen = observed(&mut directory, &group, record, grant).await?;
                    observation.objects.push(seen);
                }
            }
        }
        observation.standing = Some(self.standing(&mut directory).await?);
        directory.leave().await;
        Ok(observation)
    }

    /// Who is in a group that grants make people members of, and not because of one.
    async fn standing(&self, directory: &mut Directory<'_>) -> Result<Vec<Found>, Failure> {
        let mut groups: Vec<&str> = Vec::new();
        for role in self.roles.values() {
            if !groups.iter().any(|group| name::is_same(group, &role.group)) {
                groups.push(&role.group);
            }
        }
        let mut rights: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for group in groups {
            let Some((members, records)) = directory.members(group).await? else {
                continue;
            };
            for member in members {
                let nobody = name::is_same(&member, &self.settings.placeholder);
                if !nobody && !records.has_given(&member) {
                    let sentence = format!("is a member of `{group}`");
                    rights.entry(member).or_default().insert(sentence);
                }
            }
        }
        let found = rights.into_iter().map(|(subject, rights)| Found {
            kind: StandingKind::Member,
            subject,
            rights: rights.into_iter().collect(),
            since: None,
        });
        Ok(found.collect())
    }
}

async fn observed(
    directory: &mut Directory<'_>,
    group: &str,
    record: &Record,
    grant: GrantId,
) -> Result<Observed, Failure> {
    let mut drift = Vec::new();
    if let Some((_, person)) = &record.made
        && !directory.is_member(group, &person.member).await?
    {
        drift.push(format!(
            "`{}` is not a member of `{group}` any more",
            person.member
        ));
    }
    Ok(Observed {
        object: record.object.clone(),
        grant,
        live_sessions: 0,
        valid_until: None,
        drift,
    })
}

/// Which of these names are members.
async fn members(
    directory: &mut Directory<'_>,
    group: &str,
    names: [Option<&str>; 2],
) -> Result<BTreeSet<String>, Failure> {
    let mut members = BTreeSet::new();
    for name in names.into_iter().flatten() {
        if !members.contains(name) && directory.is_member(group, name).await? {
            members.insert(name.to_owned());
        }
    }
    Ok(members)
}

/// A process that was stopped for a while finds its call over, and must not go on where it was.
fn in_time(began: Instant) -> Result<(), Failure> {
    if began.elapsed() < LIMIT {
        Ok(())
    } else {
        Err(late())
    }
}

fn too_late() -> Failure {
    Failure::permanent("a later change of this grant has been made on the target")
}

fn late() -> Failure {
    Failure::passing(format!(
        "the directory took longer than {} seconds",
        LIMIT.as_secs()
    ))
}

fn against_schema(group: &str) -> Failure {
    Failure::permanent(format!(
        "the schema of the directory does not allow the change of `{group}`: look at `member_attribute` and `state_attribute`"
    ))
}

fn restless(group: &str) -> Failure {
    Failure::passing(format!(
        "`{group}` is changed all the time, or what is kept on it cannot be read"
    ))
}

/// Bounds a call, and turns what the library cannot read into a failure: it panics over answers that are no LDAP.
async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let work = AssertUnwindSafe(work).catch_unwind();
    let nonsense = |_| {
        Err(Failure::passing(
            "the directory gave an answer that makes no sense",
        ))
    };
    let done = tokio::time::timeout(LIMIT, work)
        .await
        .map_err(|_| late())?;
    done.unwrap_or_else(nonsense)
}

impl Connector for Ldap {
    fn class(&self) -> EnforcementClass {
        EnforcementClass::C
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let mut steps = Vec::new();
        if let Ok(group) = self.group(access.role) {
            steps.push(format!(
                "make `{}` a member of `{group}` on {}, unless they are one already",
                access.holder,
                self.settings.place()
            ));
            steps.push(format!(
                "take them out again at {}, unless they were one before or another grant needs it",
                access.ends_at.format("%Y-%m-%d %H:%M UTC")
            ));
        }
        Plan {
            object: Some(self.object(access.grant)),
            steps,
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        within(self.make(access)).boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        async move {
            let object = self.object(access.grant);
            within(self.end(&object, access.epoch, Some(&access)))
                .await
                .map(Down::Gone)
        }
        .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        within(self.look()).boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            ours(&self.installation, object)?;
            within(self.end(object, i64::MAX, None)).await
        }
        .boxed()
    }

    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        _ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>> {
        let told = self.group(access.role).and_then(|group| {
            let what = format!("`{}` is a member of `{group}`", access.holder);
            OwnAccount::of(&access, what)
        });
        std::future::ready(told.map(Credential::OwnAccount)).boxed()
    }

    fn preparation(&self) -> Vec<Preparation> {
        let Settings {
            bind_dn,
            people,
            groups,
            holder_attribute,
            member_attribute,
            state_attribute,
            ..
        } = &self.settings;
        let rules = format!(
            "access to dn.subtree=\"{groups}\" attrs={member_attribute},{state_attribute}\n  by dn.exact=\"{bind_dn}\" write\n  by * break\n\
             access to dn.subtree=\"{groups}\" attrs=entry,objectClass\n  by dn.exact=\"{bind_dn}\" read\n  by * break\n\
             access to dn.subtree=\"{people}\" attrs=entry,{holder_attribute},entryUUID\n  by dn.exact=\"{bind_dn}\" read\n  by * break"
        );
        vec![
            Preparation {
                what: format!("make the account `{bind_dn}`, and put its password into `password_file`"),
                text: format!("ldappasswd -S \"{bind_dn}\""),
            },
            Preparation {
                what: "let it change the members of the groups, and nothing else; on OpenLDAP, before the other rules"
                    .to_owned(),
                text: rules,
            },
        ]
    }
}
