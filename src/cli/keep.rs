//! Keeps what a command saw of one's own access, for `portcullis prompt` and for completions.
//!
//! Nothing here fails: what cannot be kept is not shown, and no command is worse for it.

use chrono::{DateTime, Utc};

use crate::cli::Context;
use crate::client::{Client, Seen, SeenFile};
use crate::wire::{GrantView, RequestView, TargetView};

/// Keeps those grants that are one's own.
pub(super) fn grants(context: &Context<'_>, client: &Client, grants: &[GrantView]) {
    let Some(name) = own_name(client) else {
        return;
    };
    let own: Vec<_> = grants.iter().filter(|grant| grant.holder == name).collect();
    if !own.is_empty() {
        change(context, client, |seen| {
            for grant in own {
                seen.grant(grant);
            }
        });
    }
}

/// Keeps a request of one's own.
pub(super) fn request(context: &Context<'_>, client: &Client, request: &RequestView) {
    if own_name(client).is_some_and(|name| name == request.requester) {
        change(context, client, |seen| seen.request(request));
    }
}

/// Keeps everything of one's own that is open.
pub(super) fn standing(
    context: &Context<'_>,
    client: &Client,
    now: DateTime<Utc>,
    open: &[GrantView],
    pending: &[RequestView],
) {
    if own_name(client).is_some() {
        change(context, client, |seen| seen.standing(now, open, pending));
    }
}

/// Keeps the catalogue, as it is to whoever is signed in.
pub(super) fn catalogue(context: &Context<'_>, client: &Client, targets: &[TargetView]) {
    if own_name(client).is_some() {
        change(context, client, |seen| seen.catalogue(targets));
    }
}

/// Forgets everything, because somebody signs in or out.
pub(super) fn forget(context: &Context<'_>, client: &Client) {
    if let Ok(state) = context.state() {
        SeenFile::of(&state, client.server()).forget();
    }
}

/// Who is signed in as far as this machine knows; nobody where a machine is signed in by its token.
fn own_name(client: &Client) -> Option<String> {
    client.session().tokens().ok().map(|tokens| tokens.me.name)
}

fn change(context: &Context<'_>, client: &Client, change: impl FnOnce(&mut Seen)) {
    if let Ok(state) = context.state() {
        // A full disk costs the prompt its text, and nothing else.
        let _ = SeenFile::of(&state, client.server()).change(change);
    }
}
