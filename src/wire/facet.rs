//! Facets: the values that a field of a list has, with how often, for completing filters.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facet {
    pub value: String,
    pub count: u64,
}

/// The most frequent values of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facets {
    pub field: String,
    pub items: Vec<Facet>,
    /// The counts are of the rows that were looked at, not of all.
    pub approximate: bool,
}
