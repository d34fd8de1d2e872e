//! Parts of the API's description that the fields' types do not say.

use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use crate::domain::principal::ProductRole;

/// A list of product roles, each by its word.
pub(super) fn product_roles() -> Array {
    let words = ProductRole::ALL.map(ProductRole::as_str);
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words));
    let most = Some(ProductRole::ALL.len());
    ArrayBuilder::new().items(word).max_items(most).build()
}

/// A list of group names.
pub(super) fn groups() -> Array {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9][a-z0-9._-]{0,62}$"));
    ArrayBuilder::new().items(name).max_items(Some(50)).build()
}
