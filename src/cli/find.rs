//! Finds the grant that a person means: by its id, or as their own access on a target.

use crate::cli::Failure;
use crate::client::{Client, GrantsQuery, RequestsQuery};
use crate::domain::ids::{GrantId, TargetName};
use crate::wire::GrantView;

/// A grant, or the target that one has access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GrantOrTarget {
    Grant(GrantId),
    Target(TargetName),
}

impl std::str::FromStr for GrantOrTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(grant) = text.parse() {
            return Ok(Self::Grant(grant));
        }
        let neither = || {
            format!(
                "`{}` is neither a grant id like `G-7k3qm2xd0v` nor the name of a target",
                text.escape_debug()
            )
        };
        text.parse().map(Self::Target).map_err(|_| neither())
    }
}

/// The grant with this id, or the caller's own active grant on the target that lasts longest.
pub(super) async fn grant(
    client: &Client,
    which: &GrantOrTarget,
    role: Option<&str>,
) -> Result<GrantView, Failure> {
    match which {
        GrantOrTarget::Grant(id) => Ok(client.grant(id.as_str()).await?),
        GrantOrTarget::Target(target) => own_active(client, target, role).await,
    }
}

async fn own_active(
    client: &Client,
    target: &TargetName,
    role: Option<&str>,
) -> Result<GrantView, Failure> {
    let query = GrantsQuery {
        states: vec!["active".to_owned()],
        mine: true,
        target: Some(target.to_string()),
        limit: Some(200),
        ..GrantsQuery::default()
    };
    let grants = client.grants(&query).await?.items;
    let fitting = grants
        .into_iter()
        .filter(|grant| role.is_none_or(|role| grant.role == role));
    match fitting.max_by_key(|grant| grant.expires_at) {
        Some(grant) => Ok(grant),
        None => Err(nothing_active(client, target, role).await),
    }
}

/// Says what to type instead, as exactly as the catalogue allows.
async fn nothing_active(client: &Client, target: &TargetName, role: Option<&str>) -> Failure {
    let as_role = role.map_or_else(String::new, |role| format!(" as `{role}`"));
    let text = format!("you have no active grant on `{target}`{as_role}");
    let pending = RequestsQuery {
        states: vec!["pending".to_owned()],
        mine: true,
        target: Some(target.to_string()),
        limit: Some(1),
        ..RequestsQuery::default()
    };
    if let Ok(page) = client.requests(&pending).await
        && let Some(request) = page.items.first()
    {
        return Failure::refused(
            text,
            format!(
                "your request `{}` is still pending: see `portcullis requests --mine`",
                request.id
            ),
        );
    }
    let Ok(targets) = client.targets().await else {
        return Failure::refused(text, "");
    };
    let Some(known) = targets
        .items
        .iter()
        .find(|known| known.name == target.as_str())
    else {
        return Failure::refused(
            format!("there is no target `{target}`"),
            "list what you may ask for with `portcullis request --list`",
        );
    };
    let askable = known
        .roles
        .iter()
        .find(|known| role.map_or(known.may_ask, |role| known.name == role));
    let hint = askable.map_or_else(
        || "list what you may ask for with `portcullis request --list`".to_owned(),
        |role| {
            format!(
                "ask for it: portcullis request {target} {} --for 1h --reason \"…\"",
                role.name
            )
        },
    );
    Failure::refused(text, hint)
}
