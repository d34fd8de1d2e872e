//! The end of a grant on its groups: what goes, what stays, and what can be said of it afterwards.

use std::collections::BTreeSet;
use std::time::Instant;

use super::directory::{Changed, Directory};
use super::record::{Origin, Person, Records};
use super::settings::Settings;
use super::{TRIES, against_schema, in_time, members, restless, too_late};
use crate::domain::ids::PrincipalName;
use crate::targets::{Failure, Receipt, Steps};

/// One end that is being made.
pub(super) struct Ending<'a> {
    settings: &'a Settings,
    directory: Directory<'a>,
    object: &'a str,
    epoch: i64,
    began: Instant,
    receipt: Receipt,
    heard: Option<&'a Steps>,
}

impl<'a> Ending<'a> {
    pub(super) async fn begin(
        settings: &'a Settings,
        object: &'a str,
        epoch: i64,
        heard: Option<&'a Steps>,
    ) -> Result<Self, Failure> {
        let began = Instant::now();
        Ok(Self {
            settings,
            directory: Directory::open(settings).await?,
            object,
            epoch,
            began,
            receipt: Receipt::default(),
            heard,
        })
    }

    /// The groups with a record of the grant, whatever they are called now.
    pub(super) async fn known(&mut self) -> Result<BTreeSet<String>, Failure> {
        let found = self.directory.groups(&format!("{} ", self.object)).await?;
        Ok(found.into_iter().map(|(group, _)| group).collect())
    }

    /// Ends it on one group.
    pub(super) async fn on(
        &mut self,
        group: &str,
        holder: Option<&PrincipalName>,
    ) -> Result<(), Failure> {
        let mut stand_in = None;
        for _ in 0..TRIES {
            let Some(records) = self.directory.records(group).await? else {
                self.note(format!("there is no group `{group}` any more"));
                return Ok(());
            };
            let own = records.of(self.object);
            let person = own
                .and_then(|own| own.made.as_ref())
                .map(|(_, person)| person);
            let now_called = match person.and_then(|person| person.uuid.as_deref()) {
                Some(uuid) => self
                    .directory
                    .person_again(uuid)
                    .await?
                    .map(|person| person.member),
                None => None,
            };
            let names = [
                person.map(|person| person.member.as_str()),
                now_called.as_deref(),
            ];
            let there = members(&mut self.directory, group, names).await?;
            let edit = records
                .close(self.object, self.epoch, now_called.as_deref(), |name| {
                    there.contains(name)
                })
                .map_err(|_| too_late())?;
            if let Some(edit) = edit {
                in_time(self.began)?;
                let left = edit.leaves.clone();
                match self.directory.change(group, edit, stand_in.clone()).await? {
                    Changed::Done => {}
                    Changed::Outdated => continue,
                    // A group of this class must have a member, and the last one leaves.
                    Changed::AgainstSchema if stand_in.is_none() && !left.is_empty() => {
                        stand_in = Some(self.settings.placeholder.clone());
                        continue;
                    }
                    Changed::AgainstSchema => return Err(against_schema(group)),
                }
                for name in left {
                    self.note(format!("took `{name}` out of `{group}`"));
                }
            }
            return self.read_back(group, now_called, holder).await;
        }
        Err(restless(group))
    }

    /// What was done, when all is over.
    pub(super) async fn receipt(mut self) -> Receipt {
        if self.receipt.steps.is_empty() && self.receipt.unproved.is_none() {
            self.note(format!("found no record of `{}`", self.object));
        }
        self.directory.leave().await;
        self.receipt
    }

    /// Asks how the group is now, and says what that means.
    async fn read_back(
        &mut self,
        group: &str,
        now_called: Option<String>,
        holder: Option<&PrincipalName>,
    ) -> Result<(), Failure> {
        let records = self.directory.records(group).await?.unwrap_or_default();
        let Some(closed) = records.of(self.object).filter(|own| !own.is_open()) else {
            return Err(Failure::passing(format!(
                "the record of `{}` on `{group}` does not say that it has ended",
                self.object
            )));
        };
        let Some((origin, person)) = &closed.made else {
            return self.never_was(group, &records, holder).await;
        };
        let names = [Some(person.member.as_str()), now_called.as_deref()];
        let there = members(&mut self.directory, group, names).await?;
        let Some(name) = there.first() else {
            self.note(format!(
                "read back: `{}` is not a member of `{group}`",
                person.member
            ));
            self.receipt.unproved = Some(
                "what the holder had opened as a member may stay open where membership is only asked at the start"
                    .to_owned(),
            );
            return Ok(());
        };
        if records.is_needed_besides(self.object, person) {
            self.note(format!(
                "kept `{name}` in `{group}`: another grant of the same holder is live"
            ));
        } else {
            self.receipt.unproved = Some(match origin {
                Origin::Standing => format!(
                    "`{name}` was a member of `{group}` before this grant began, and still is: that is standing access"
                ),
                Origin::Given => format!(
                    "`{name}` was taken out of `{group}`, and somebody has made them a member again: that is standing access"
                ),
            });
        }
        Ok(())
    }

    /// Nothing on the group says that the grant made a member: it never began, or somebody has wiped its record.
    async fn never_was(
        &mut self,
        group: &str,
        records: &Records,
        holder: Option<&PrincipalName>,
    ) -> Result<(), Failure> {
        self.note(format!("read back: `{group}` has no member by this grant"));
        let person: Option<Person> = match holder {
            Some(holder) => self.directory.person(holder.as_str()).await.ok(),
            None => None,
        };
        if let Some(person) = person
            && !records.is_needed_besides(self.object, &person)
            && self.directory.is_member(group, &person.member).await?
        {
            self.receipt.unproved = Some(format!(
                "`{}` is a member of `{group}`, and nothing there says that a grant made them one: that is standing access",
                person.member
            ));
        }
        Ok(())
    }

    fn note(&mut self, what: String) {
        self.receipt.note(self.heard, self.began, what);
    }
}
