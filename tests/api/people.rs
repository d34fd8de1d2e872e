//! Signing in and out, tokens, invitations.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use portcullis::client::Client;
use portcullis::wire::{Approval, Invitation};
use serde_json::json;

use super::refused;
use crate::support::http::Http;
use crate::support::sse::Stream;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

fn invitation(name: &str, roles: &[&str]) -> Invitation {
    Invitation {
        name: name.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: Vec::new(),
    }
}

async fn refresh(world: &World, of: &Client, token: &str) -> crate::support::http::Answer {
    Http::device_of(&world.url(), of)
        .post(
            "/v1/tokens/refresh",
            None,
            json!({ "refresh_token": token }),
        )
        .await
}

on_both! {
    async fn the_first_admin_signs_in_with_the_bootstrap_code_and_nobody_else_does(world: World) {
        let me = world.admin().me().await.unwrap();
        assert_eq!((me.name.as_str(), me.groups.as_slice()), ("root", &["reviewers".to_owned()][..]));
        assert_eq!(me.roles, ["requester", "reviewer", "admin"]);
        assert!(world.gate().bootstrap_code().await.unwrap().is_none(), "there is somebody");
        assert_eq!(world.events(&["auth.signed_in"]).await, [1]);
        let code = portcullis::secret::TokenKind::Bootstrap.issue().unwrap();
        assert_eq!(refused(world.nobody().sign_in(code.expose(), Some("mallory"), None).await), "code-not-valid");
        assert_eq!(world.number("select count(*) from principals").await, 1);
    }
}

#[tokio::test]
async fn a_bootstrap_code_is_used_once_and_replaced_at_each_start() {
    let mut world = World::empty(Backend::Sqlite).await;
    let old = world.bootstrap_code();
    world.restart().await;
    let code = world.bootstrap_code();
    assert_eq!(
        refused(world.nobody().sign_in(&old, Some("root"), None).await),
        "code-not-valid"
    );
    // A call that was wrong does not use the code up.
    assert_eq!(
        refused(world.nobody().sign_in(&code, None, None).await),
        "bad-input"
    );
    assert_eq!(
        refused(world.nobody().sign_in(&code, Some("Root"), None).await),
        "bad-input"
    );
    for taken in ["portcullis", "anonymous"] {
        assert_eq!(
            refused(world.nobody().sign_in(&code, Some(taken), None).await),
            "bad-input"
        );
    }
    world
        .nobody()
        .sign_in(&code, Some("root"), None)
        .await
        .unwrap();
    assert_eq!(
        refused(world.nobody().sign_in(&code, Some("root"), None).await),
        "code-not-valid"
    );
}

on_both! {
    async fn an_invitation_is_good_once_and_the_newest_counts(world: World, clock by hand) {
        let root = world.admin();
        let first = root.invite(&invitation("ada", &["requester"]), &key()).await.unwrap();
        let second = root.invite(&invitation("ada", &[]), &key()).await.unwrap();
        assert_eq!(refused(world.nobody().sign_in(&first.code, None, None).await), "code-not-valid");
        let ada = world.nobody();
        ada.sign_in(&second.code, None, Some("laptop\u{1b}[2J")).await.unwrap();
        assert_eq!(refused(world.nobody().sign_in(&second.code, None, None).await), "code-not-valid");
        let me = ada.me().await.unwrap();
        assert_eq!((me.name.as_str(), me.roles.as_slice()), ("ada", &["requester".to_owned()][..]));
        assert_eq!(ada.sign_ins().await.unwrap().items[0].device, "laptop[2J");
        // A day later it is too old.
        let late = root.invite(&invitation("ben", &["requester"]), &key()).await.unwrap();
        assert_eq!(late.expires_at - world.now().await, TimeDelta::hours(24));
        world.pass(TimeDelta::hours(24));
        assert_eq!(refused(world.nobody().sign_in(&late.code, None, None).await), "code-not-valid");
        assert_eq!(world.events(&["principal.invited"]).await, [3]);
    }
}

on_both! {
    async fn invitations_are_for_names_that_can_be_told_apart(world: World) {
        let root = world.admin();
        for name in ["portcullis", "anonymous", "Ada", "ada ", "ad\u{430}", ""] {
            assert_eq!(refused(root.invite(&invitation(name, &["requester"]), &key()).await), "bad-input", "{name:?}");
        }
        assert_eq!(refused(root.invite(&invitation("ada", &[]), &key()).await), "bad-input");
        assert_eq!(refused(root.invite(&invitation("ada", &["owner"]), &key()).await), "bad-input");
        let once = key();
        root.invite(&invitation("ada", &["requester"]), &once).await.unwrap();
        // The code was in the answer only, so the same call cannot be answered again.
        assert_eq!(refused(root.invite(&invitation("ada", &["requester"]), &once).await), "idempotency-key-reused");
        let rob = world.reviewer("rob").await;
        assert_eq!(refused(rob.invite(&invitation("eve", &["admin"]), &key()).await), "not-allowed");
    }
}

on_both! {
    async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_sign_in(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let first = ada.session().tokens().unwrap().refresh_token;
        let answer = refresh(&world, &ada, &first).await;
        assert_eq!(answer.status, 200);
        let (access, second) = (answer.text("access_token"), answer.text("refresh_token"));
        assert_ne!(second, first);
        // The new one is in use, so the old one can only be a copy.
        assert_eq!(refresh(&world, &ada, &second).await.status, 200);
        assert_eq!(refresh(&world, &ada, &first).await.problem(), (401, "not-signed-in".to_owned()));
        for token in [&first, &second] {
            assert_eq!(refresh(&world, &ada, token).await.problem(), (401, "not-signed-in".to_owned()));
        }
        let http = Http::nobody(&world.url()).with(&access);
        assert_eq!(http.get("/v1/me").await.problem(), (401, "token-expired".to_owned()));
        assert_eq!(world.events(&["auth.token_reused"]).await, [1]);
    }
}

on_both! {
    async fn a_lost_answer_can_be_asked_for_again_within_half_a_minute(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let first = ada.session().tokens().unwrap().refresh_token;
        let lost = refresh(&world, &ada, &first).await.text("refresh_token");
        world.pass(TimeDelta::milliseconds(29_999));
        let found = refresh(&world, &ada, &first).await.text("refresh_token");
        // Whoever has the lost one was not meant to: two have had it.
        assert_eq!(refresh(&world, &ada, &lost).await.problem(), (401, "not-signed-in".to_owned()));
        assert_eq!(refresh(&world, &ada, &found).await.problem(), (401, "not-signed-in".to_owned()));
        assert_eq!(world.events(&["auth.token_reused"]).await, [1]);

        let ben = world.engineer("ben").await;
        let first = ben.session().tokens().unwrap().refresh_token;
        let second = refresh(&world, &ben, &first).await.text("refresh_token");
        world.pass(TimeDelta::seconds(30));
        assert_eq!(refresh(&world, &ben, &first).await.problem(), (401, "not-signed-in".to_owned()));
        assert_eq!(refresh(&world, &ben, &second).await.problem(), (401, "not-signed-in".to_owned()));
    }
}

on_both! {
    async fn one_kind_of_token_is_not_taken_for_another(world: World) {
        let ada = world.engineer("ada").await;
        let tokens = ada.session().tokens().unwrap();
        let http = Http::nobody(&world.url());
        let invited = world.admin().invite(&invitation("ben", &["requester"]), &key()).await.unwrap().code;
        for token in [&tokens.refresh_token, &invited, "", "pcl_at_", "Bearer", "null"] {
            assert_eq!(http.with(token).get("/v1/me").await.problem(), (401, "not-signed-in".to_owned()), "{token}");
        }
        let unknown = portcullis::secret::TokenKind::Access.issue().unwrap();
        assert_eq!(http.with(unknown.expose()).get("/v1/me").await.problem(), (401, "token-expired".to_owned()));
        assert_eq!(refresh(&world, &ada, &tokens.access_token).await.problem(), (401, "not-signed-in".to_owned()));
        assert_eq!(refused(world.nobody().sign_in(&tokens.access_token, None, None).await), "code-not-valid");
        let answer = http.get("/v1/me").await;
        assert_eq!(answer.problem(), (401, "not-signed-in".to_owned()));
        let ways: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(ways, ["DPoP algs=\"ES256\"", "Bearer"]);
        // In a URL, where it would be logged, a token is nothing.
        let answer = http.get(&format!("/v1/me?access_token={}", tokens.access_token)).await;
        assert_eq!(answer.problem(), (401, "not-signed-in".to_owned()));
    }
}

on_both! {
    async fn whoever_signs_out_is_out(world: World) {
        let ada = world.engineer("ada").await;
        let (http, tokens) = (world.http(&ada), ada.session().tokens().unwrap());
        ada.sign_out().await.unwrap();
        assert_eq!(http.get("/v1/me").await.problem(), (401, "token-expired".to_owned()));
        assert_eq!(refresh(&world, &ada, &tokens.refresh_token).await.problem(), (401, "not-signed-in".to_owned()));
        assert_eq!(http.post("/v1/sign-out", None, json!(null)).await.problem(), (401, "token-expired".to_owned()));
        assert_eq!(world.events(&["auth.signed_out"]).await, [1]);
    }
}

on_both! {
    async fn one_sees_and_ends_ones_own_sign_ins_and_an_admin_everybodys(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let aud = world.person("aud", &["auditor"], &[]).await;
        let [own] = &ada.sign_ins().await.unwrap().items[..] else { panic!("one") };
        assert!(own.current && own.principal == "ada");
        assert_eq!(aud.sign_ins().await.unwrap().items.len(), 4);
        assert_eq!(refused(ben.revoke_sign_in(&own.id, &key()).await), "not-found");
        assert_eq!(refused(aud.revoke_sign_in(&own.id, &key()).await), "not-allowed");
        world.admin().revoke_sign_in(&own.id, &key()).await.unwrap();
        assert_eq!(world.http(&ada).get("/v1/me").await.problem(), (401, "token-expired".to_owned()));
        let bens = ben.me().await.unwrap().sign_in;
        ben.revoke_sign_in(&bens, &key()).await.unwrap();
        let log = world.audit().await;
        let ended: Vec<_> = log.iter().filter(|event| event.event == "auth.revoked").map(|event| event.sentence.as_str()).collect();
        assert_eq!(ended, ["root ended the sign-in of ada", "ben ended the sign-in of ben"]);
    }
}

on_both! {
    async fn a_revoked_sign_in_stops_its_streams_within_five_seconds(world: World) {
        let (ada, rob) = (world.engineer("ada").await, world.reviewer("rob").await);
        let (mut of_ada, _) = Stream::open(&world.http(&ada), None).await;
        let (mut of_rob, _) = Stream::open(&world.http(&rob), None).await;
        let sign_in = ada.me().await.unwrap().sign_in;
        world.admin().revoke_sign_in(&sign_in, &key()).await.unwrap();
        // `rob` may read less from now on, which an open stream must not ignore either.
        world.admin().invite(&invitation("rob", &["requester"]), &key()).await.unwrap();
        let began = Instant::now();
        tokio::join!(of_ada.ended(), of_rob.ended());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

on_both! {
    async fn secrets_are_in_the_database_as_hashes_only(world: World) {
        let ada = world.engineer("ada").await;
        let tokens = ada.session().tokens().unwrap();
        let code = world.admin().invite(&invitation("ben", &["requester"]), &key()).await.unwrap().code;
        for secret in [tokens.access_token, tokens.refresh_token, code] {
            let places = ["tokens where hash", "tokens where successor", "codes where hash", "audit where body", "idempotency where result"];
            for place in places {
                let found = format!("select count(*) from {place} like '%{}%'", secret.replace('_', "\\_"));
                assert_eq!(world.number(&found).await, 0, "{place}");
            }
        }
    }
}

on_both! {
    async fn a_change_of_roles_holds_at_once(world: World) {
        let (ada, rob) = (world.engineer("ada").await, world.reviewer("rob").await);
        let request = submit(&ada).await;
        world.admin().invite(&invitation("rob", &["auditor"]), &key()).await.unwrap();
        assert_eq!(refused(rob.approve(&request.id, 1, &Approval::default(), &key()).await), "not-allowed");
        assert_eq!(rob.request(&request.id).await.unwrap().state, "pending");
        world.admin().invite(&invitation("ada", &["auditor"]), &key()).await.unwrap();
        assert_eq!(refused(ada.submit(&ask(), &key()).await), "not-allowed");
    }
}
