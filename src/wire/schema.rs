//! Parts of the API's description that the fields' types do not say.

use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use crate::domain::principal::ProductRole;

/// A list of product roles, each by its word, and for some targets only with a tag of theirs.
pub(super) fn product_roles() -> Array {
    let words = ProductRole::ALL.map(ProductRole::as_str).join("|");
    let limited = ProductRole::ALL
        .into_iter()
        .filter(|role| *role != ProductRole::Operator);
    let limited = limited
        .map(ProductRole::as_str)
        .collect::<Vec<_>>()
        .join("|");
    let pattern =
        format!("^(({words})|({limited})@[a-z0-9][a-z0-9._-]{{0,62}}:[A-Za-z0-9._-]{{1,63}})$");
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .examples(["requester", "reviewer@env:staging"]);
    ArrayBuilder::new().items(word).max_items(Some(50)).build()
}

/// A list of group names.
pub(super) fn groups() -> Array {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9][a-z0-9._-]{0,62}$"));
    ArrayBuilder::new().items(name).max_items(Some(50)).build()
}
