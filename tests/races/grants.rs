//! What happens to one grant at the same time.

use chrono::TimeDelta;
use futures_util::future::join_all;
use portcullis::client::Client;
use portcullis::wire::{CredentialAsk, CredentialView, GrantView, NewExtension, Revocation};

use super::outcome;
use crate::support::world::{Backend, PUBLIC_KEY, World, key, on_both};

fn leaving() -> Revocation {
    Revocation {
        reason: "leaving".to_owned(),
    }
}

/// Turns the clock to so long before the end of the grant.
async fn before_the_end(world: &World, grant: &GrantView, left: TimeDelta) {
    world.pass(grant.expires_at - world.now().await - left);
}

async fn certificate(
    who: &Client,
    grant: &GrantView,
) -> Result<CredentialView, portcullis::client::ClientError> {
    let ask = CredentialAsk {
        public_key: Some(PUBLIC_KEY.to_owned()),
    };
    who.credential(&grant.id, &ask, &key()).await
}

on_both! {
    async fn the_strongest_of_revoke_return_and_end_is_what_the_grant_says(world: World, clock by hand) {
        for round in 0..6 {
            let ada = world.engineer(&format!("ada{round}")).await;
            let grant = world.granted(&ada).await;
            before_the_end(&world, &grant, TimeDelta::milliseconds(1)).await;
            let (revocation, keys) = (leaving(), [key(), key()]);
            let (revoked, returned, ()) = tokio::join!(
                world.admin().revoke(&grant.id, grant.version, &revocation, &keys[0]),
                ada.give_back(&grant.id, grant.version, &keys[1]),
                async { world.pass(TimeDelta::milliseconds(1)) },
            );
            // Whoever lost by version looks again and says it once more, as a person would.
            let ended = world.grant_in(&grant.id, &["ended", "returned", "revoked"]).await;
            let expected = if revoked.is_ok() { "revoked" } else if returned.is_ok() { "returned" } else { "ended" };
            assert_eq!(ended.state, expected, "{revoked:?} {returned:?}");
            let about = world.audit().await.into_iter().filter(|event| event.grant.as_ref() == Some(&grant.id));
            let about: Vec<_> = about.map(|event| event.event).collect();
            let finals = about.iter().filter(|event| ["grant.ended", "grant.returned", "grant.revoked"].contains(&event.as_str()));
            assert_eq!(finals.count(), 1, "{about:?}");
            assert_eq!(world.number("select count(*) from outbox").await, 0, "nothing is left to do");
        }
    }
}

on_both! {
    async fn a_revocation_beats_a_return_that_came_first(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        // A certificate that is still good keeps the grant closing, so that the second word comes in time.
        certificate(&ada, &grant).await.unwrap();
        let closing = ada.give_back(&grant.id, grant.version, &key()).await.unwrap();
        assert_eq!((closing.state.as_str(), closing.close_kind.as_deref()), ("closing", Some("return")));
        let now = world.until("the certificate is waited for", async || {
            let grant = world.admin().grant(&grant.id).await.unwrap();
            grant.last_error.is_some().then_some(grant)
        }).await;
        let closing = world.admin().revoke(&grant.id, now.version, &leaving(), &key()).await.unwrap();
        assert_eq!((closing.state.as_str(), closing.close_kind.as_deref()), ("closing", Some("revoke")));
        world.pass(TimeDelta::minutes(10));
        let gone = world.grant_in(&grant.id, &["returned", "revoked"]).await;
        assert_eq!((gone.state.as_str(), gone.closed_by.as_deref()), ("revoked", Some("root")));
        // What is over stays as it is, and who says it again is on record.
        let same = world.admin().revoke(&grant.id, gone.version, &leaving(), &key()).await.unwrap();
        assert_eq!((same.state, same.version), (gone.state, gone.version));
        assert_eq!(world.events(&["grant.close_ignored", "grant.revoked", "grant.returned"]).await, [1, 1, 0]);
    }
}

on_both! {
    async fn an_extension_comes_before_the_end_or_not_at_all(world: World, clock by hand) {
        for round in 0..6 {
            let ada = world.engineer(&format!("ada{round}")).await;
            let grant = world.granted(&ada).await;
            before_the_end(&world, &grant, TimeDelta::milliseconds(1)).await;
            let (extension, key) = (NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() }, key());
            let (extended, ()) = tokio::join!(
                world.admin().extend(&grant.id, grant.version, &extension, &key),
                async { world.pass(TimeDelta::milliseconds(1)) },
            );
            match extended {
                Ok(request) => {
                    assert_eq!(request.state, "approved");
                    let longer = world.admin().grant(&grant.id).await.unwrap();
                    assert_eq!((longer.state.as_str(), longer.expires_at), ("active", grant.expires_at + TimeDelta::minutes(15)));
                    world.pass(TimeDelta::minutes(15));
                }
                Err(error) => {
                    let code = error.code().unwrap();
                    assert!(["grant-not-active", "conflict"].contains(&code), "{code}");
                }
            }
            let ended = world.grant_in(&grant.id, &["ended"]).await;
            assert!(ended.expires_at <= ended.max_expires_at && ended.ended_at >= Some(ended.expires_at));
        }
    }
}

on_both! {
    async fn two_extensions_at_once_never_pass_the_cap(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let extend = async |_| {
            let now = world.admin().grant(&grant.id).await.unwrap();
            let extension = NewExtension { by: "3h".to_owned(), reason: "still at it".to_owned() };
            world.admin().extend(&grant.id, now.version, &extension, &key()).await
        };
        // One hour is used of the eight; two more of three hours fit.
        let mut won = Vec::new();
        for _ in 0..4 {
            let (more, lost) = outcome(join_all((0..5).map(extend)).await);
            assert!(lost.iter().all(|code| ["conflict", "over-total-cap", "policy-denied"].contains(&code.as_str())), "{lost:?}");
            won.extend(more);
        }
        assert_eq!(won.len(), 2);
        let longer = world.admin().grant(&grant.id).await.unwrap();
        assert_eq!(longer.expires_at, grant.expires_at + TimeDelta::hours(6));
        assert!(longer.expires_at <= grant.max_expires_at && longer.max_expires_at == grant.max_expires_at);
        assert_eq!((longer.extensions, world.events(&["grant.extended"]).await), (2, vec![2]));
    }
}

on_both! {
    async fn every_certificate_that_got_out_ends_before_the_grant_is_called_revoked(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        let (revocation, key) = (leaving(), key());
        let ask = async |nth: i64| {
            world.pass(TimeDelta::milliseconds(nth));
            certificate(&ada, &grant).await
        };
        let (revoked, asked) = tokio::join!(
            world.admin().revoke(&grant.id, grant.version, &revocation, &key),
            join_all((0..30).map(ask)),
        );
        assert_eq!(revoked.unwrap().state, "closing");
        let (issued, lost) = outcome(asked);
        assert!(lost.iter().all(|code| ["grant-not-active", "conflict"].contains(&code.as_str())), "{lost:?}");
        assert_eq!(certificate(&ada, &grant).await.err().unwrap().code(), Some("grant-not-active"));
        assert_eq!(world.events(&["credential.issued"]).await, [issued.len()]);
        world.pass(TimeDelta::minutes(11));
        let gone = world.grant_in(&grant.id, &["revoked"]).await;
        for credential in issued {
            let CredentialView::Ssh { ends_at, .. } = credential else { panic!("a certificate") };
            assert!(Some(ends_at) <= gone.ended_at, "{ends_at} {:?}", gone.ended_at);
        }
    }
}
