//! Sealed codes: made in advance, used once, good for break-glass alone, and as the second factor of the first one.

use chrono::TimeDelta;
use futures_util::future::join_all;
use portcullis::client::Client;
use portcullis::secret::Secret;
use portcullis::wire::{NewExtension, NewSealedCodes, SealedCodes, SignOff};
use serde_json::json;

use super::break_glass::{glass, justified};
use super::refused;
use crate::support::http::Http;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, on_both};

fn new(name: &str, count: u32) -> NewSealedCodes {
    NewSealedCodes {
        name: name.to_owned(),
        count,
        expires: "7d".to_owned(),
    }
}

async fn seal(world: &World, name: &str, count: u32) -> SealedCodes {
    world.admin().seal(&new(name, count), &key()).await.unwrap()
}

/// Somebody signed in with this code.
async fn opened(world: &World, code: &str) -> Client {
    let client = world.nobody();
    let code = Secret::new(code.to_owned());
    client.sign_in_sealed(&code, Some("test")).await.unwrap();
    client
}

on_both! {
    async fn a_sealed_code_is_made_in_advance_listed_revoked_and_used_once(world: World, with glass) {
        let ada = world.engineer("ada").await;
        let made = seal(&world, "ada", 3).await;
        assert_eq!(made.codes.len(), 3);
        assert!(made.codes.iter().all(|one| one.code.starts_with("pcl_sc_")));
        assert_eq!(world.number("select count(*) from sealed_codes where hash like 'pcl%'").await, 0);
        let listed = ada.sealed_codes(None).await.unwrap().items;
        assert!(listed.iter().all(|one| one.state == "good" && one.made_by == "root"));
        assert_eq!(world.engineer("ben").await.sealed_codes(None).await.unwrap().items, []);
        world.admin().unseal(&made.codes[1].id, &key()).await.unwrap();
        let sealed = opened(&world, &made.codes[0].code).await;
        let me = sealed.me().await.unwrap();
        let how = me.how.unwrap();
        assert_eq!((how.method.as_str(), how.bound, me.roles.as_slice()), ("sealed", true, &["requester".to_owned()][..]));
        assert_eq!(how.ends_at - me.now, TimeDelta::hours(1));
        for (code, why) in [(&made.codes[0], "used"), (&made.codes[1], "revoked")] {
            let again = world.nobody().sign_in_sealed(&Secret::new(code.code.clone()), None).await;
            assert_eq!(refused(again), "sealed-code-not-valid", "{why}");
        }
        assert_eq!(refused(world.admin().unseal(&made.codes[0].id, &key()).await), "conflict");
        world.pass(TimeDelta::days(7));
        let late = world.nobody().sign_in_sealed(&Secret::new(made.codes[2].code.clone()), None).await;
        assert_eq!(refused(late), "sealed-code-not-valid");
        let mut states: Vec<_> = world.admin().sealed_codes(Some("ada")).await.unwrap().items.into_iter().map(|one| one.state).collect();
        states.sort();
        assert_eq!(states, ["expired", "revoked", "used"]);
        assert_eq!(world.events(&["break_glass.codes_made", "break_glass.code_revoked", "break_glass.code_used"]).await, [1, 1, 1]);
        let text = format!("{:?}", world.audit().await);
        assert!(made.codes.iter().all(|one| !text.contains(&one.code)), "no code is on record");
    }
}

on_both! {
    async fn only_an_admin_makes_sealed_codes_and_for_people(world: World, with glass) {
        world.engineer("ada").await;
        assert_eq!(refused(world.reviewer("rita").await.seal(&new("ada", 1), &key()).await), "not-allowed");
        assert_eq!(refused(world.admin().seal(&new("nobody", 1), &key()).await), "not-found");
        for wrong in [NewSealedCodes { count: 0, ..new("ada", 1) }, NewSealedCodes { count: 21, ..new("ada", 1) }, NewSealedCodes { expires: "366d".to_owned(), ..new("ada", 1) }, NewSealedCodes { expires: "90".to_owned(), ..new("ada", 1) }] {
            assert_eq!(refused(world.admin().seal(&wrong, &key()).await), "bad-input", "{wrong:?}");
        }
        let once = key();
        world.admin().seal(&new("ada", 1), &once).await.unwrap();
        assert_eq!(refused(world.admin().seal(&new("ada", 1), &once).await), "idempotency-key-reused", "nobody reads them twice");
        assert_eq!(world.number("select count(*) from sealed_codes").await, 1);
    }
}

on_both! {
    async fn a_sealed_code_opens_one_sign_in_however_many_present_it(world: World, with glass) {
        world.engineer("ada").await;
        let made = seal(&world, "ada", 1).await;
        let tries = join_all((0..9).map(async |_| {
            world.nobody().sign_in_sealed(&Secret::new(made.codes[0].code.clone()), None).await
        })).await;
        assert_eq!(tries.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert_eq!(world.number("select count(*) from sign_ins where method = 'sealed'").await, 1);
    }
}

on_both! {
    async fn whoever_tries_too_often_has_to_wait(world: World, with glass) {
        world.engineer("ada").await;
        let made = seal(&world, "ada", 1).await;
        let wrong = Secret::new(made.codes[0].code.replace("pcl_sc_", "pcl_sc_x"));
        for _ in 0..10 {
            assert_eq!(refused(world.nobody().sign_in_sealed(&wrong, None).await), "sealed-code-not-valid");
        }
        let right = Secret::new(made.codes[0].code.clone());
        assert_eq!(refused(world.nobody().sign_in_sealed(&right, None).await), "tried-too-often");
        world.pass(TimeDelta::minutes(15));
        world.nobody().sign_in_sealed(&right, None).await.unwrap();
        assert_eq!(world.events(&["auth.refused", "auth.tried_too_often"]).await, [1, 1]);
    }
}

on_both! {
    async fn a_sealed_sign_in_is_good_for_little(world: World, with glass) {
        let ada = world.person("ada", &["admin", "reviewer", "requester"], &["engineers", "reviewers"]).await;
        let ben = world.engineer("ben").await;
        let other = ben.submit(&ask(), &key()).await.unwrap();
        let made = seal(&world, "ada", 1).await;
        let sealed = opened(&world, &made.codes[0].code).await;
        let http = world.http(&sealed);
        let tried: [(&str, &str, Option<i64>, serde_json::Value); 9] = [
            ("POST", "/v1/requests", None, json!(ask())),
            ("POST", &format!("/v1/requests/{}/approve", other.id), Some(1), json!({})),
            ("POST", "/v1/locks", None, json!({"on": {"kind": "everything"}, "reason": "INC-1 leak"})),
            ("POST", "/v1/invitations", None, json!({"name": "eve", "roles": ["admin"]})),
            ("POST", "/v1/factors", None, json!({"kind": "totp", "name": "phone"})),
            ("POST", "/v1/account/password", None, json!({"password": "the kettle sings at noon"})),
            ("POST", "/v1/sealed-codes", None, json!(new("ada", 1))),
            ("POST", "/v1/service-accounts", None, json!({"name": "bot", "owner": "ada", "scopes": ["read"], "expires": "1d"})),
            ("DELETE", &format!("/v1/sign-ins/{}", ada.me().await.unwrap().sign_in), None, json!({})),
        ];
        for (method, path, version, body) in tried {
            let call = http.call(method.parse().unwrap(), path).key(key().as_str()).json(&body);
            let call = match version { Some(version) => call.version(version), None => call };
            let (status, code) = call.send().await.problem();
            assert_eq!(status, 403, "{method} {path}: {code}");
        }
        assert_eq!(refused(sealed.request(&other.id).await), "not-found", "it reads its own rows alone");
        let seen = sealed.break_glass(&glass(), &key()).await.unwrap();
        assert_eq!((seen.sealed_by.as_deref(), seen.sealed_code.as_deref()), (Some("root"), Some(made.codes[0].id.as_str())));
        let grant = world.grant_in(&seen.grant, &["active"]).await;
        let answer = http.post(&format!("/v1/grants/{}/credential", grant.id), None, json!({"public_key": PUBLIC_KEY})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let extension = NewExtension { by: "1m".to_owned(), reason: "still at it".to_owned() };
        assert_eq!(refused(sealed.extend(&grant.id, grant.version, &extension, &key()).await), "sealed-sign-in");
        sealed.give_back(&grant.id, grant.version, &key()).await.unwrap();
        assert!(sealed.break_glass_uses(&portcullis::client::BreakGlassQuery::default()).await.unwrap().items.len() == 1);
        // An hour, and not by refreshing either.
        world.pass(TimeDelta::hours(1));
        assert!(sealed.me().await.is_err());
    }
}

on_both! {
    async fn whoever_made_the_code_does_not_sign_off_what_was_done_with_it(world: World, with glass) {
        world.engineer("ada").await;
        let rita = world.reviewer("rita").await;
        let made = seal(&world, "ada", 1).await;
        let seen = opened(&world, &made.codes[0].code).await.break_glass(&glass(), &key()).await.unwrap();
        assert_eq!(refused(world.admin().sign_off(&seen.id, 1, &justified(), &key()).await), "own-code");
        let verdict = SignOff { verdict: "not_justified".to_owned(), ..justified() };
        assert_eq!(rita.sign_off(&seen.id, 1, &verdict, &key()).await.unwrap().state, "not_justified");
    }
}

on_both! {
    async fn a_sealed_code_is_the_second_factor_of_one_break_glass(world: World, with glass) {
        let mut world = world;
        world.engineer("ada").await;
        let made = seal(&world, "ada", 3).await;
        world.require_step_up().await;
        let ben = world.engineer("ben").await;
        assert_eq!(refused(ben.break_glass(&glass(), &key()).await), "step-up-required");
        // What is refused by a rule does not use the code up.
        let sealed = opened(&world, &made.codes[0].code).await;
        let mut long = glass();
        long.duration = "31m".to_owned();
        assert_eq!(refused(sealed.break_glass(&long, &key()).await), "policy-denied");
        let seen = sealed.break_glass(&glass(), &key()).await.unwrap();
        let events = world.audit().await;
        let told = events.iter().find(|event| event.event == "break_glass.used").unwrap();
        assert_eq!(told.details["second_factor"], "sealed");
        // Its sign-off, and then the same sign-in again.
        world.execute(&format!("update break_glass set verdict = 'justified', reviewed_at = 1, version = 2 where request_id = '{}'", seen.id)).await;
        assert_eq!(refused(sealed.break_glass(&glass(), &key()).await), "sealed-code-spent");
        // The next code, but too late: a proof is of now.
        let late = opened(&world, &made.codes[1].code).await;
        world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        assert_eq!(refused(late.break_glass(&glass(), &key()).await), "sealed-code-spent");
        let last = opened(&world, &made.codes[2].code).await;
        last.break_glass(&glass(), &key()).await.unwrap();
        assert_eq!(refused(world.admin().seal(&new("ada", 1), &key()).await), "step-up-required");
    }
}

on_both! {
    async fn the_tokens_of_a_sealed_sign_in_work_on_its_device_alone(world: World, with glass) {
        world.engineer("ada").await;
        let made = seal(&world, "ada", 1).await;
        let sealed = opened(&world, &made.codes[0].code).await;
        let copied = world.http(&sealed).bearer();
        assert_eq!(copied.get("/v1/me").await.problem(), (401, "proof-required".to_owned()));
        let unproved = Http::nobody(&world.url()).post("/v1/sign-in/sealed", None, json!({"code": made.codes[0].code})).await;
        assert_eq!(unproved.status, 401);
    }
}
