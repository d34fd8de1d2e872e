//! Puts a question into Cedar's terms, checked against the schema once more.

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
    Schema, Validator,
};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::policy::Ask;
use crate::domain::policy::deed::{Deed, Doing};
use crate::domain::policy::words::WEEKDAYS;
use crate::domain::principal::Principal;
use crate::domain::target::Target;
use crate::domain::zone::Zone;

/// The names of the embedded schema, parsed once.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Of everything.
    pub(super) validator: Validator,
    /// Of what a policy without an action in its scope is about.
    pub(super) asking: Validator,
    principal: EntityTypeName,
    group: EntityTypeName,
    target: EntityTypeName,
    deeds: HashMap<Deed, EntityUid>,
}

type Pairs = Vec<(String, RestrictedExpression)>;

impl Vocabulary {
    pub(super) fn new(asking: Schema, all: Schema) -> Result<Self, String> {
        let kind = |name: &str| EntityTypeName::from_str(name).map_err(|error| error.to_string());
        let mut deeds = HashMap::new();
        for deed in Deed::ALL {
            let uid = EntityUid::from_str(&format!("Action::\"{deed}\""))
                .map_err(|error| error.to_string())?;
            deeds.insert(deed, uid);
        }
        Ok(Self {
            validator: Validator::new(all),
            asking: Validator::new(asking),
            principal: kind("Principal")?,
            group: kind("Group")?,
            target: kind("Target")?,
            deeds,
        })
    }

    /// Somebody asks for access.
    pub(super) fn asking(
        &self,
        deed: Deed,
        ask: &Ask<'_>,
        zone: &Zone,
    ) -> Result<(Request, Entities), String> {
        let mut pairs = moment(ask.now, zone);
        pairs.extend([
            ("kind".to_owned(), text(ask.kind.as_str())),
            ("role".to_owned(), text(ask.role.as_str())),
            ("minutes".to_owned(), number(ask.duration.minutes())),
            ("total_minutes".to_owned(), number(ask.total.minutes())),
            (
                "reason_length".to_owned(),
                number(u32::try_from(ask.reason_length).unwrap_or(u32::MAX)),
            ),
        ]);
        if let Some(ticket) = ask.ticket {
            pairs.push(("ticket".to_owned(), text(ticket)));
        }
        self.question(deed, ask.asker, None, ask.target, pairs)
    }

    /// Somebody does something about what others asked for or hold.
    pub(super) fn doing(
        &self,
        doing: &Doing<'_>,
        zone: &Zone,
    ) -> Result<(Request, Entities), String> {
        let mut pairs = moment(doing.now, zone);
        let mut put = |name: &str, value: Option<RestrictedExpression>| {
            pairs.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("role", doing.role.map(|role| text(role.as_str())));
        let reviewing = matches!(doing.deed, Deed::Review | Deed::Extend);
        if reviewing {
            put("kind", doing.kind.map(|kind| text(kind.as_str())));
            put("minutes", doing.duration.map(|span| number(span.minutes())));
            put("ticket", doing.ticket.map(text));
        }
        if doing.deed == Deed::Lock {
            put("on", doing.on.map(text));
        }
        let owner = doing
            .owner
            .map(|owner| uid(&self.principal, owner.name.as_str()));
        put("owner", owner.map(RestrictedExpression::new_entity_uid));
        self.question(doing.deed, doing.who, doing.owner, doing.target, pairs)
    }

    fn question(
        &self,
        deed: Deed,
        who: &Principal,
        owner: Option<&Principal>,
        target: &Target,
        context: Pairs,
    ) -> Result<(Request, Entities), String> {
        let schema = self.validator.schema();
        let owner = owner.filter(|owner| owner.name != who.name);
        let mut entities = Vec::new();
        let mut groups: HashSet<EntityUid> = HashSet::new();
        for person in std::iter::once(who).chain(owner) {
            let own = self.groups(person);
            groups.extend(own.iter().cloned());
            entities.push(self.person(person, target, own)?);
        }
        entities.extend(groups.into_iter().map(Entity::with_uid));
        let resource = uid(&self.target, target.name.as_str());
        let attributes = [
            ("name".to_owned(), text(target.name.as_str())),
            ("kind".to_owned(), text(target.kind.as_str())),
            ("enforcement".to_owned(), text(target.enforcement.as_str())),
        ];
        let tags = target
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), text(value)));
        let entity = Entity::new_with_tags(resource.clone(), attributes, [], tags)
            .map_err(|error| error.to_string())?;
        entities.push(entity);
        let entities =
            Entities::from_entities(entities, Some(schema)).map_err(|error| error.to_string())?;
        let action = self.deeds.get(&deed).ok_or("an action without a name")?;
        let request = Request::new(
            uid(&self.principal, who.name.as_str()),
            action.clone(),
            resource,
            Context::from_pairs(context).map_err(|error| error.to_string())?,
            Some(schema),
        );
        Ok((request.map_err(|error| error.to_string())?, entities))
    }

    fn groups(&self, person: &Principal) -> HashSet<EntityUid> {
        person
            .groups
            .iter()
            .map(|group| uid(&self.group, group.as_str()))
            .collect()
    }

    /// Somebody with the product roles that they have on this target.
    fn person(
        &self,
        person: &Principal,
        target: &Target,
        groups: HashSet<EntityUid>,
    ) -> Result<Entity, String> {
        let roles = person.roles.on(&target.tags);
        let roles = RestrictedExpression::new_set(roles.map(|role| text(role.as_str())));
        let attributes = HashMap::from([
            ("id".to_owned(), text(person.id.as_str())),
            ("name".to_owned(), text(person.name.as_str())),
            ("roles".to_owned(), roles),
        ]);
        let name = uid(&self.principal, person.name.as_str());
        Entity::new(name, attributes, groups).map_err(|error| error.to_string())
    }
}

fn uid(kind: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn number(value: u32) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::from(value))
}

fn moment(now: DateTime<Utc>, zone: &Zone) -> Pairs {
    let (hour, weekday) = zone.hour_and_weekday(now);
    let weekday = WEEKDAYS.get(weekday).copied().unwrap_or_default();
    vec![
        (
            "now".to_owned(),
            RestrictedExpression::new_datetime(now.to_rfc3339_opts(SecondsFormat::Millis, true)),
        ),
        ("hour".to_owned(), number(hour)),
        ("weekday".to_owned(), text(weekday)),
    ]
}
