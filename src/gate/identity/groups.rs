//! Claims by their path, and the groups that one of them holds.

use serde_json::{Map, Value};

use crate::domain::provider::ProviderFault as Fault;

/// A claim by its name, or by the path to it, as in `realm_access.roles`.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// More groups than this are a mistake of the provider's configuration.
const GROUPS_MAX: usize = 1000;

pub(super) fn groups(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, Fault> {
    match find(claims, name) {
        None if elsewhere(claims, name) => Err(Fault::GroupsElsewhere),
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(group)) => Ok(vec![group.clone()]),
        Some(Value::Array(list)) if list.len() > GROUPS_MAX => Err(Fault::GroupsMany),
        Some(Value::Array(list)) => {
            let named = |value: &Value| value.as_str().map(str::to_owned);
            list.iter()
                .map(|value| named(value).ok_or(Fault::GroupsForm))
                .collect()
        }
        Some(_) => Err(Fault::GroupsForm),
    }
}

/// Says whether groups are only pointed at, as Entra does when there are many.
fn elsewhere(claims: &Map<String, Value>, name: &str) -> bool {
    let named = claims.get("_claim_names").and_then(Value::as_object);
    named.is_some_and(|named| named.contains_key(name))
        || claims.get("hasgroups").and_then(Value::as_bool) == Some(true)
}
