//! What we keep on a group: which grants make whom a member of it, and what that means for the members.
//!
//! A directory has one membership per person and group, however many grants give it, and it may have been there before
//! any of them. So each grant has a record on the group, and the records say together whose the membership is:
//!
//! - a grant that finds nobody there makes the membership, and its record says `given`;
//! - one that finds a membership that an open record has given says `given`, too: it is ours, and both need it;
//! - one that finds a membership that nobody has given says `standing`: it was there before, and stays;
//! - the last open record with `given` takes the membership along when it ends; while another grant of the same person is
//!   open, the membership is handed to that one.
//!
//! Records and members are on one entry, and a directory changes one entry whole or not at all. The line `pcl_change`
//! holds a number that each change takes out and puts back one higher, so what was worked out from an older state is
//! refused by the directory itself, however late it comes. A record that ended stays for a while as `closed`, which is
//! what refuses a late beginning of the same grant.

use chrono::{DateTime, SecondsFormat, Utc};

use super::name::is_same;

/// All our lines begin so.
pub(super) const MARK: &str = "pcl_";
/// The line with the number of the last change; all installations that share a group share it.
const CHANGE: &str = "pcl_change ";
/// So many ended grants are remembered on a group. One that comes late comes seconds late, not hundreds of changes.
const REMEMBERED: usize = 200;

/// Somebody as the members of a group name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// What no renaming changes, where the directory has that.
    pub(super) uuid: Option<String>,
    pub(super) member: String,
}

impl Person {
    fn is(&self, other: &Self) -> bool {
        let same = self.uuid.is_some() && self.uuid == other.uuid;
        same || self.member.eq_ignore_ascii_case(&other.member)
    }
}

/// Whose a membership is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Ours: it goes with the last grant that needs it.
    Given,
    /// It was there before, and stays.
    Standing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Open {
        ends_at: DateTime<Utc>,
    },
    /// Ended, in the change with this number.
    Closed {
        change: u64,
    },
}

/// What is kept of one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line as it stands there.
    line: String,
    pub(super) object: String,
    pub(super) epoch: i64,
    pub(super) stage: Stage,
    /// `None` when the grant ended before it began.
    pub(super) made: Option<(Origin, Person)>,
}

impl Record {
    fn new(object: &str, epoch: i64, stage: Stage, made: Option<(Origin, Person)>) -> Self {
        let stands = match &stage {
            Stage::Open { ends_at } => {
                format!(
                    "open {epoch} {}",
                    ends_at.to_rfc3339_opts(SecondsFormat::Micros, true)
                )
            }
            Stage::Closed { change } => format!("closed {epoch} {change}"),
        };
        let who = match &made {
            Some((origin, person)) => format!(
                "{} {} {}",
                match origin {
                    Origin::Given => "given",
                    Origin::Standing => "standing",
                },
                person.uuid.as_deref().unwrap_or("-"),
                person.member
            ),
            None => "none".to_owned(),
        };
        Self {
            line: format!("{object} {stands} {who}"),
            object: object.to_owned(),
            epoch,
            stage,
            made,
        }
    }

    fn read(line: &str) -> Option<Self> {
        let (object, rest) = line.split_once(' ')?;
        let (stage, rest) = rest.split_once(' ')?;
        let (epoch, rest) = rest.split_once(' ')?;
        let (moment, who) = rest.split_once(' ')?;
        let stage = match stage {
            "open" => Stage::Open {
                ends_at: DateTime::parse_from_rfc3339(moment).ok()?.to_utc(),
            },
            "closed" => Stage::Closed {
                change: moment.parse().ok()?,
            },
            _ => return None,
        };
        let made = if who == "none" {
            None
        } else {
            let (origin, rest) = who.split_once(' ')?;
            let (uuid, member) = rest.split_once(' ')?;
            let origin = match origin {
                "given" => Origin::Given,
                "standing" => Origin::Standing,
                _ => return None,
            };
            let person = Person {
                uuid: (uuid != "-").then(|| uuid.to_owned()),
                member: member.to_owned(),
            };
            Some((origin, person))
        };
        Some(Self {
            line: line.to_owned(),
            object: object.to_owned(),
            epoch: epoch.parse().ok()?,
            stage,
            made,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    fn gives_to(&self, person: &Person) -> Option<Origin> {
        let (origin, of) = self.made.as_ref().filter(|_| self.is_open())?;
        of.is(person).then_some(*origin)
    }
}

/// One change of a group, which is made whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) remove: Vec<String>,
    pub(super) add: Vec<String>,
    pub(super) joins: Vec<String>,
    pub(super) leaves: Vec<String>,
}

/// A later change of the grant has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate;

/// What `up` wants on a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) object: &'a str,
    pub(super) epoch: i64,
    pub(super) ends_at: DateTime<Utc>,
    pub(super) person: &'a Person,
}

/// Everything that is kept on one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    change: Option<u64>,
    pub(super) all: Vec<Record>,
    /// Lines that begin as ours do and mean nothing: somebody has changed them.
    pub(super) spoiled: Vec<String>,
}

impl Records {
    /// Reads ours out of all the lines that a group has.
    pub(super) fn read(lines: impl IntoIterator<Item = String>) -> Self {
        let mut records = Self::default();
        for line in lines.into_iter().filter(|line| line.starts_with(MARK)) {
            if let Some(number) = line.strip_prefix(CHANGE) {
                match number.parse() {
                    Ok(number) => records.change = records.change.max(Some(number)),
                    Err(_) => records.spoiled.push(line),
                }
            } else {
                match Record::read(&line) {
                    Some(record) => records.all.push(record),
                    None => records.spoiled.push(line),
                }
            }
        }
        records
    }

    pub(super) fn of(&self, object: &str) -> Option<&Record> {
        self.all.iter().find(|record| record.object == object)
    }

    /// Whether an open grant has given this membership. Entries are named in many ways, so names are compared as such.
    pub(super) fn has_given(&self, member: &str) -> bool {
        self.all
            .iter()
            .filter(|record| record.is_open())
            .any(|record| {
                matches!(&record.made, Some((Origin::Given, person))
                if person.member.eq_ignore_ascii_case(member) || is_same(&person.member, member))
            })
    }

    /// Whether a grant other than `object` needs the membership of this person.
    pub(super) fn is_needed_besides(&self, object: &str, person: &Person) -> bool {
        self.others(object, person).next().is_some()
    }

    fn others<'a>(
        &'a self,
        object: &'a str,
        person: &'a Person,
    ) -> impl Iterator<Item = (&'a Record, Origin)> {
        let others = self
            .all
            .iter()
            .filter(move |record| record.object != object);
        others.filter_map(|record| Some((record, record.gives_to(person)?)))
    }

    fn begin(&self) -> (Edit, u64) {
        let next = self.change.map_or(1, |last| last.saturating_add(1));
        let edit = Edit {
            remove: self
                .change
                .map(|last| format!("{CHANGE}{last}"))
                .into_iter()
                .collect(),
            add: vec![format!("{CHANGE}{next}")],
            ..Edit::default()
        };
        (edit, next)
    }

    /// What makes an access; `None` when everything is so already. `is_member` tells how the group is now.
    ///
    /// INVARIANT: nothing is opened once it was closed or has a higher epoch (`a_late_up_cannot_undo_a_down`).
    pub(super) fn open(
        &self,
        wanted: Wanted<'_>,
        is_member: impl Fn(&str) -> bool,
    ) -> Result<Option<Edit>, TooLate> {
        let Wanted {
            object,
            epoch,
            ends_at,
            person,
        } = wanted;
        let own = self.of(object);
        if own.is_some_and(|own| !own.is_open() || own.epoch > epoch) {
            return Err(TooLate);
        }
        let is_there = is_member(&person.member);
        let given_by_own = own.and_then(|own| own.gives_to(person));
        let given_by_others = self
            .others(object, person)
            .any(|(_, origin)| origin == Origin::Given);
        let origin = match given_by_own {
            _ if !is_there => Origin::Given,
            Some(origin) => origin,
            None if given_by_others => Origin::Given,
            None => Origin::Standing,
        };
        let record = Record::new(
            object,
            epoch,
            Stage::Open { ends_at },
            Some((origin, person.clone())),
        );
        if is_there && own.is_some_and(|own| own.line == record.line) {
            return Ok(None);
        }
        let (mut edit, _) = self.begin();
        // The holder has another name now, or the name another holder: what was given under the old one goes.
        if let Some((Origin::Given, before)) = own.and_then(|own| own.made.as_ref())
            && !before.member.eq_ignore_ascii_case(&person.member)
            && (before.is(person) || !self.is_needed_besides(object, before))
            && is_member(&before.member)
        {
            edit.leaves.push(before.member.clone());
        }
        edit.remove.extend(own.map(|own| own.line.clone()));
        edit.add.push(record.line);
        if !is_there {
            edit.joins.push(person.member.clone());
        }
        Ok(Some(edit))
    }

    /// What ends an access; `None` when it has ended already. `now_called` is what the person is called now, if otherwise.
    ///
    /// INVARIANT: a membership that another open grant needs, or that nobody has given, stays
    /// (`closing_one_of_two_grants_keeps_the_membership`, `who_was_a_member_before_stays_one`).
    pub(super) fn close(
        &self,
        object: &str,
        epoch: i64,
        now_called: Option<&str>,
        is_member: impl Fn(&str) -> bool,
    ) -> Result<Option<Edit>, TooLate> {
        let own = self.of(object);
        if own.is_some_and(|own| own.is_open() && own.epoch > epoch) {
            return Err(TooLate);
        }
        if own.is_some_and(|own| !own.is_open()) {
            return Ok(None);
        }
        let (mut edit, change) = self.begin();
        let made = own.and_then(|own| own.made.clone());
        if let Some((Origin::Given, person)) = &made {
            let mut others = self.others(object, person);
            match others.next() {
                None => {
                    let names = [Some(person.member.as_str()), now_called];
                    let there = names.into_iter().flatten().filter(|name| is_member(name));
                    edit.leaves.extend(there.map(str::to_owned));
                    edit.leaves
                        .dedup_by(|one, other| one.eq_ignore_ascii_case(other));
                }
                Some((heir, Origin::Standing))
                    if others.all(|(_, origin)| origin == Origin::Standing) =>
                {
                    let theirs = heir.made.clone().map(|(_, person)| (Origin::Given, person));
                    let handed = Record::new(&heir.object, heir.epoch, heir.stage.clone(), theirs);
                    edit.remove.push(heir.line.clone());
                    edit.add.push(handed.line);
                }
                Some(_) => {}
            }
        }
        edit.remove.extend(own.map(|own| own.line.clone()));
        edit.add
            .push(Record::new(object, epoch, Stage::Closed { change }, made).line);
        edit.remove.extend(self.forgotten());
        Ok(Some(edit))
    }

    /// The oldest records of ended grants, when there are too many.
    fn forgotten(&self) -> Vec<String> {
        let mut closed: Vec<(u64, &String)> = self
            .all
            .iter()
            .filter_map(|record| match record.stage {
                Stage::Closed { change } => Some((change, &record.line)),
                Stage::Open { .. } => None,
            })
            .collect();
        closed.sort_unstable();
        let too_many = closed.len().saturating_sub(REMEMBERED - 1);
        closed
            .into_iter()
            .take(too_many)
            .map(|(_, line)| line.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A group as a directory has it: a change is made whole or not at all.
    #[derive(Debug, Clone, Default)]
    struct Group {
        lines: BTreeSet<String>,
        members: BTreeSet<String>,
    }

    impl Group {
        fn records(&self) -> Records {
            Records::read(self.lines.iter().cloned())
        }

        fn apply(&mut self, edit: &Edit) -> bool {
            let mut next = self.clone();
            let fits = edit.remove.iter().all(|line| next.lines.remove(line))
                && edit.add.iter().all(|line| next.lines.insert(line.clone()))
                && edit
                    .joins
                    .iter()
                    .all(|name| next.members.insert(name.clone()))
                && edit.leaves.iter().all(|name| next.members.remove(name));
            if fits {
                *self = next;
            }
            fits
        }

        fn opening(&self, grant: u8, epoch: i64) -> Result<Option<Edit>, TooLate> {
            let (object, person) = (object(grant), person(grant));
            let wanted = Wanted {
                object: &object,
                epoch,
                ends_at: DateTime::UNIX_EPOCH,
                person: &person,
            };
            self.records()
                .open(wanted, |name| self.members.contains(name))
        }

        fn closing(&self, grant: u8) -> Result<Option<Edit>, TooLate> {
            self.records()
                .close(&object(grant), 9, None, |name| self.members.contains(name))
        }

        fn has(&self, grant: u8) -> bool {
            self.members.contains(&person(grant).member)
        }
    }

    fn object(grant: u8) -> String {
        format!("pcl_abcdef_000000000{grant}")
    }

    /// Two people share all grants.
    fn person(grant: u8) -> Person {
        Person {
            uuid: None,
            member: format!("uid=p{},dc=com", grant % 2),
        }
    }

    proptest! {
        #[test]
        fn whatever_the_order_live_grants_give_and_nothing_else_stays(
            standing in any::<bool>(),
            acts in proptest::collection::vec((0_u8..6, any::<bool>()), 1..40),
        ) {
            let mut group = Group::default();
            if standing {
                group.members.insert(person(0).member);
            }
            let before = group.members.clone();
            let mut live: BTreeSet<u8> = BTreeSet::new();
            let mut over: BTreeSet<u8> = BTreeSet::new();
            for (grant, opens) in acts {
                let edit = if opens { group.opening(grant, 1) } else { group.closing(grant) };
                prop_assert_eq!(edit.is_err(), opens && over.contains(&grant));
                let Ok(edit) = edit else { continue };
                let stale = group.opening(5 - grant, 1).ok().flatten();
                if let Some(edit) = &edit {
                    prop_assert!(group.apply(edit));
                    if let Some(stale) = stale {
                        prop_assert!(!group.apply(&stale), "worked out from an older state");
                    }
                }
                if opens {
                    live.insert(grant);
                } else {
                    live.remove(&grant);
                    over.insert(grant);
                }
                for grant in &live {
                    prop_assert!(group.has(*grant));
                }
                let read = group.records();
                let open: BTreeSet<String> =
                    read.all.iter().filter(|one| one.is_open()).map(|one| one.object.clone()).collect();
                prop_assert_eq!(open, live.iter().map(|grant| object(*grant)).collect());
            }
            for grant in live {
                let edit = group.closing(grant).unwrap().unwrap();
                prop_assert!(group.apply(&edit));
            }
            prop_assert_eq!(group.members, before);
        }

        #[test]
        fn a_line_reads_back_as_it_was_written(name in "[^\u{0}]{1,40}", epoch in any::<i64>(), ended in any::<bool>()) {
            let stage = if ended { Stage::Closed { change: 7 } } else { Stage::Open { ends_at: DateTime::UNIX_EPOCH } };
            let person = Person { uuid: None, member: name };
            let record = Record::new(&object(1), epoch, stage, Some((Origin::Given, person)));
            prop_assert_eq!(Record::read(&record.line), Some(record));
        }
    }

    #[test]
    fn what_ended_is_remembered_for_a_while_and_not_for_ever() {
        let mut group = Group::default();
        for number in 0..REMEMBERED * 2 {
            let object = format!("pcl_abcdef_{number:010}");
            let edit = group.records().close(&object, 1, None, |_| false).unwrap();
            assert!(group.apply(&edit.unwrap()));
        }
        assert_eq!(group.records().all.len(), REMEMBERED);
        let last = format!("pcl_abcdef_{:010}", REMEMBERED * 2 - 1);
        assert!(group.records().of(&last).is_some());
    }

    #[test]
    fn a_name_that_changed_only_in_capitals_is_one_name() {
        let mut group = Group::default();
        group.apply(&group.opening(0, 1).unwrap().unwrap());
        let known = group.members.clone();
        let is_member = |name: &str| known.contains(&name.to_lowercase());
        let edit = group
            .records()
            .close(&object(0), 2, Some("uid=P0,dc=com"), is_member);
        assert_eq!(edit.unwrap().unwrap().leaves, ["uid=p0,dc=com"]);
    }
}
