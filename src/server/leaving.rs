//! Handlers for what is taken out of the history, and for its deliveries.

use axum::Json;
use axum::extract::State;

use crate::gate::erase::Erase;
use crate::gate::prune::UpTo;
use crate::gate::siem::word;
use crate::gate::witness::SeenWitness;
use crate::wire::{DeliveryView, Erased, Erasure, Page, PruneView, Pruning};

use super::App;
use super::caller::{Mutation, Signed};
use super::error::{Failed, Problems};
use super::requests::field;
use super::search::senseless;

/// A checkpoint and a sentence fit, and nothing much larger.
const BODY: usize = 96 * 1024;

/// Erases reasons and addresses of a person or of one event. The log stays whole: it has salted hashes of them only.
#[utoipa::path(post, path = "/v1/audit/erase", tag = "audit", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = Erasure, responses((status = 200, body = Erased), Problems))]
pub async fn erase(
    State(app): State<App>,
    call: Mutation<Erasure>,
) -> Result<Json<Erased>, Failed> {
    let Mutation { caller, once, body } = call;
    let what = match (&body.person, body.event) {
        (Some(person), None) => Erase::Person(field("person", person)?),
        (None, Some(event)) => Erase::Event(event),
        _ => return Err(senseless("either `person` or `event` has to be said")),
    };
    match app.gate.erase(&caller, &what, &body.reason, &once).await {
        Ok(events) => Ok(Json(Erased { events })),
        Err(error) => Err(app.refused(&caller, error, "texts of the history").await),
    }
}

/// Takes away the beginning of the history: what is old enough, and in an export that was checked. Its hashes stay.
#[utoipa::path(post, path = "/v1/audit/prune", tag = "audit", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = Pruning, responses((status = 200, body = PruneView), Problems))]
pub async fn prune(
    State(app): State<App>,
    call: Mutation<Pruning, BODY>,
) -> Result<Json<PruneView>, Failed> {
    let Mutation { caller, once, body } = call;
    let up_to = match (body.to, body.before) {
        (Some(index), None) => UpTo::Index(index),
        (None, Some(moment)) => UpTo::Moment(moment),
        _ => return Err(senseless("either `to` or `before` has to be said")),
    };
    let pruned = app
        .gate
        .prune(&caller, up_to, &body.checkpoint, &body.reason, &once);
    match pruned.await {
        Ok(pruned) => Ok(Json(PruneView {
            minimum: pruned.minimum,
            to: pruned.to,
        })),
        Err(error) => Err(app.refused(&caller, error, "the history").await),
    }
}

/// Says how the history gets to places outside, and how far it is behind there; witnesses get its checkpoints only.
#[utoipa::path(get, path = "/v1/audit/deliveries", tag = "audit", responses((status = 200, body = Page<DeliveryView>), Problems))]
pub async fn deliveries(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Page<DeliveryView>>, Failed> {
    let all = app.gate.siem(&caller).await?.into_iter();
    let items = all.map(|seen| {
        let cursor = seen.cursor;
        let of = |get: fn(&crate::store::siem::Cursor) -> Option<_>| cursor.as_ref().and_then(get);
        DeliveryView {
            name: seen.siem.name.clone(),
            to: seen.siem.to.shown(),
            format: word(seen.siem.format).to_owned(),
            next: cursor.as_ref().map_or(0, |cursor| cursor.next),
            lag: seen.lag,
            oldest: seen.oldest,
            delivered_at: of(|cursor| cursor.delivered_at),
            failing_since: of(|cursor| cursor.failed_since),
            attempts: cursor.as_ref().map_or(0, |cursor| cursor.attempts),
            error: cursor.as_ref().and_then(|cursor| cursor.error.clone()),
        }
    });
    let mut items: Vec<DeliveryView> = items.collect();
    items.extend(app.gate.witnesses(&caller).await?.into_iter().map(cosigned));
    Ok(Json(Page { items, next: None }))
}

/// A witness as a place where nothing but checkpoints gets to.
fn cosigned(seen: SeenWitness) -> DeliveryView {
    let standing = seen.standing;
    DeliveryView {
        name: seen.witness.name,
        to: seen.witness.url,
        format: "checkpoint".to_owned(),
        next: seen.next,
        lag: seen.lag,
        oldest: standing.waits_since,
        delivered_at: standing.signed_at,
        failing_since: standing.failing_since,
        attempts: standing.attempts,
        error: standing.error,
    }
}
