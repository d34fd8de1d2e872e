//! Service accounts: what a machine may do with its token, and that it never decides.

use portcullis::client::{Channel, Client, Session};
use portcullis::secret::Secret;
use portcullis::wire::{Approval, NewExtension, NewService, Revocation, ServiceToken};

use super::refused;
use crate::support::http::Http;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

pub(crate) fn service(name: &str, owner: &str, scopes: &[&str], groups: &[&str]) -> NewService {
    let texts = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    NewService {
        name: name.to_owned(),
        owner: owner.to_owned(),
        scopes: texts(scopes),
        groups: texts(groups),
        expires: "30d".to_owned(),
    }
}

/// A client as `PORTCULLIS_TOKEN` makes it.
fn machine(world: &World, token: &ServiceToken) -> Client {
    let session = Session::of_service(
        &world.url().parse().unwrap(),
        Secret::new(token.token.clone()),
    );
    Client::new(session, Channel::Cli).unwrap()
}

on_both! {
    async fn a_machine_asks_within_its_scopes_and_its_owner_does_not_approve(world: World) {
        let (rob, admin) = (world.reviewer("rob").await, world.admin());
        let (eva, _tom) = (world.reviewer("eva").await, world.reviewer("tom").await);
        let new = service("bot", "rob", &["request:bastion/readonly"], &["engineers"]);
        let bot = machine(&world, &admin.create_service(&new, &key()).await.unwrap());
        let me = bot.me().await.unwrap();
        let how = me.how.unwrap();
        assert_eq!((how.method.as_str(), how.bound, how.owner.as_deref()), ("service", false, Some("rob")));
        let request = submit(&bot).await;
        assert_eq!(refused(rob.approve(&request.id, 1, &Approval::default(), &key()).await), "own-service");
        let mut wider = ask();
        wider.role = "admin".to_owned();
        assert_eq!(refused(bot.submit(&wider, &key()).await), "not-allowed");
        // Nor does whoever made its token, and so has seen it.
        assert_eq!(refused(admin.approve(&request.id, 1, &Approval::default(), &key()).await), "own-service");
        let approved = eva.approve(&request.id, 1, &Approval::default(), &key()).await.unwrap();
        let grant = world.grant_in(approved.grant.as_deref().unwrap(), &["active"]).await;
        // The owner does not extend it either: that would be an approval.
        let extension = NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() };
        assert_eq!(refused(rob.extend(&grant.id, grant.version, &extension, &key()).await), "own-service");
        bot.give_back(&grant.id, grant.version, &key()).await.unwrap();
    }
}

on_both! {
    async fn whoever_makes_another_token_reviews_nothing_that_is_asked_with_it(world: World) {
        let (rob, admin) = (world.reviewer("rob").await, world.admin());
        let (eva, _tom) = (world.reviewer("eva").await, world.reviewer("tom").await);
        let new = service("bot", "rob", &["request:bastion/readonly"], &["engineers"]);
        let first = machine(&world, &admin.create_service(&new, &key()).await.unwrap());
        let early = submit(&first).await;
        // What was asked with the token before stays out of reach of whoever made that one.
        let second = machine(&world, &rob.rotate_service("bot", "30d", &key()).await.unwrap());
        assert_eq!(refused(admin.approve(&early.id, 1, &Approval::default(), &key()).await), "own-service");
        second.withdraw(&early.id, 1, &key()).await.unwrap();
        let late = submit(&second).await;
        assert_eq!(refused(rob.approve(&late.id, 1, &Approval::default(), &key()).await), "own-service");
        assert_eq!(admin.approve(&late.id, 1, &Approval::default(), &key()).await.unwrap().state, "approved");
        assert_eq!(refused(eva.rotate_service("bot", "30d", &key()).await), "not-found");
    }
}

on_both! {
    async fn a_machine_decides_nothing_whatever_its_groups(world: World) {
        let (ada, admin) = (world.engineer("ada").await, world.admin());
        let new = service("bot", "ada", &["read", "metrics", "request:*/*"], &["reviewers", "engineers"]);
        let bot = machine(&world, &admin.create_service(&new, &key()).await.unwrap());
        let grant = world.granted(&ada).await;
        let request = submit(&ada).await;
        assert_eq!(bot.request(&request.id).await.unwrap().id, request.id);
        assert_eq!(refused(bot.approve(&request.id, 1, &Approval::default(), &key()).await), "not-allowed");
        let revocation = Revocation { reason: "because".to_owned() };
        assert_eq!(refused(bot.revoke(&grant.id, grant.version, &revocation, &key()).await), "not-allowed");
        let extension = NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() };
        assert_eq!(refused(bot.extend(&grant.id, grant.version, &extension, &key()).await), "not-allowed");
        assert_eq!(refused(bot.create_service(&service("more", "ada", &["read"], &[]), &key()).await), "not-allowed");
    }
}

on_both! {
    async fn a_service_token_ends_with_its_rotation_its_account_and_its_time(world: World, clock by hand) {
        let (ada, admin) = (world.engineer("ada").await, world.admin());
        let new = service("bot", "ada", &["read"], &[]);
        let first = admin.create_service(&new, &key()).await.unwrap();
        assert_eq!(refused(admin.create_service(&new, &key()).await), "bad-input");
        assert_eq!(refused(ada.create_service(&service("x", "ada", &["read"], &[]), &key()).await), "not-allowed");
        assert_eq!(refused(admin.create_service(&service("x", "bot", &["read"], &[]), &key()).await), "bad-input");
        assert_eq!(ada.services().await.unwrap().items.len(), 1);
        assert!(machine(&world, &first).requests(&portcullis::client::RequestsQuery::default()).await.is_ok());
        // Its owner may, and the one before is over at once.
        let second = ada.rotate_service("bot", "1d", &key()).await.unwrap();
        assert!(machine(&world, &first).me().await.is_err());
        assert!(machine(&world, &second).me().await.is_ok());
        world.pass(chrono::TimeDelta::days(1));
        let over = Http::nobody(&world.url()).with(&second.token).get("/v1/me").await;
        assert_eq!(over.problem(), (401, "token-expired".to_owned()));
        let third = ada.rotate_service("bot", "1d", &key()).await.unwrap();
        ada.delete_service("bot", &key()).await.unwrap();
        assert!(machine(&world, &third).me().await.is_err());
        assert!(ada.services().await.unwrap().items.is_empty());
        assert_eq!(world.events(&["service.created", "service.rotated", "service.deleted"]).await, [1, 2, 1]);
    }
}
