//! What a filter's text allows the database to leave out: columns that have one of some values. It is never the whole
//! filter, only a reason to read less.

use std::collections::BTreeSet;

use super::grants::{Bind, Binds};

/// A column that every row of a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Id,
    /// The id of an audit event.
    Event,
    State,
    Target,
    /// Whose it is, by name.
    Person,
    Actor,
    Principal,
    Code,
    Outcome,
    Request,
    Grant,
}

/// Columns with the values of which a row has to have one.
pub type Among = Vec<(Column, BTreeSet<String>)>;

/// Adds the conditions to a statement. `person` is the column with the id of whose the row is.
pub(in crate::store) fn push(among: &Among, person: &str, sql: &mut String, binds: &mut Binds) {
    for (column, values) in among {
        if values.is_empty() {
            sql.push_str(" and 1 = 0");
            continue;
        }
        let places: Vec<String> = values
            .iter()
            // PostgreSQL takes no NUL in a text. What nobody can store, nobody finds.
            .map(|value| binds.push(Bind::Text(value.replace('\0', "\u{fffd}"))))
            .map(|place| format!("${place}"))
            .collect();
        let places = places.join(", ");
        let column = match column {
            Column::Id => "id",
            Column::Event => "event_id",
            Column::State => "state",
            Column::Target => "target",
            Column::Person => {
                sql.push_str(&format!(
                    " and {person} in (select id from principals where name in ({places}))"
                ));
                continue;
            }
            Column::Actor => "actor",
            Column::Principal => "principal",
            Column::Code => "code",
            Column::Outcome => "outcome",
            Column::Request => "request_id",
            Column::Grant => "grant_id",
        };
        sql.push_str(&format!(" and {column} in ({places})"));
    }
}
