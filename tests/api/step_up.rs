//! Step-up: a proof of a second factor is for exactly one call of one person in one sign-in, and not for long.

use chrono::TimeDelta;
use futures_util::future::join_all;
use portcullis::client::{Client, ClientError, StepUpNeeded};
use portcullis::secret::Secret;
use portcullis::wire::{
    Approval, Denial, Erasure, IncidentCommit, IncidentPreviewAsk, Lifting, LockOn, NewExtension,
    NewLock, RequestView, Revocation, StepUpProof,
};
use serde_json::json;

use super::refused;
use crate::support::authenticator::Phone;
use crate::support::world::{Backend, World, key, on_both, submit};

/// A world that asks for second factors, a reviewer with a phone, and a pending request.
async fn desk(mut world: World) -> (World, Client, Phone, RequestView) {
    world.require_step_up().await;
    let rita = world.reviewer("rita").await;
    let phone = Phone::of(&world, &rita).await;
    let request = submit(&world.engineer("ada").await).await;
    (world, rita, phone, request)
}

/// What a refused call needs.
#[track_caller]
fn needed<T>(result: Result<T, ClientError>) -> StepUpNeeded {
    match result.err().expect("it is refused") {
        ClientError::Problem(problem) => StepUpNeeded::of(&problem).expect("it needs a step-up"),
        other => panic!("{other:?}"),
    }
}

async fn approve(who: &Client, request: &RequestView) -> Result<RequestView, ClientError> {
    who.approve(&request.id, request.version, &Approval::default(), &key())
        .await
}

async fn prove(world: &World, who: &Client, phone: &Phone, digests: &[&str]) -> Secret {
    let digests = digests.iter().map(|&digest| digest.to_owned()).collect();
    who.step_up(digests, phone.next(world).await).await.unwrap()
}

on_both! {
    async fn an_approval_needs_a_proof_and_happens_once_with_it(world: World, clock by hand) {
        let (world, rita, phone, request) = desk(world).await;
        let (once, approval) = (key(), Approval::default());
        let call = async |who: &Client| who.approve(&request.id, request.version, &approval, &once).await;
        let needs = needed(call(&rita).await);
        assert_eq!(needs.ways, ["totp", "recovery"]);
        assert_eq!(world.events(&["request.approved", "access.refused"]).await, [0, 0]);
        let proof = prove(&world, &rita, &phone, &[&needs.digest]).await;
        assert!(proof.expose().starts_with("pcl_su_"));
        let proved = rita.clone().with_proof(proof);
        assert_eq!(call(&proved).await.unwrap().state, "approved");
        // The answer may have been lost: the same call again is answered without another proof.
        assert_eq!(call(&rita).await.unwrap().state, "approved");
        assert_eq!(world.events(&["request.approved", "auth.stepped_up"]).await, [1, 1]);
        let events = world.audit().await;
        let approved = events.iter().find(|event| event.event == "request.approved").unwrap();
        assert_eq!(approved.details["second_factor"], "totp");
    }
}

on_both! {
    async fn a_proof_is_good_for_one_call_only(world: World, clock by hand) {
        let (world, rita, phone, first) = desk(world).await;
        let second = submit(&world.engineer("ben").await).await;
        let third = submit(&world.engineer("cyd").await).await;
        let digest = needed(approve(&rita, &first).await).digest;
        let proved = rita.clone().with_proof(prove(&world, &rita, &phone, &[&digest]).await);
        // Another row, another version, another body, another act.
        assert_eq!(refused(approve(&proved, &second).await), "step-up-required");
        let other = proved.approve(&first.id, first.version + 1, &Approval::default(), &key()).await;
        assert_eq!(refused(other), "conflict", "and were it there, its digest is another");
        let more = Approval { comment: Some("fine".to_owned()), ..Approval::default() };
        assert_eq!(refused(proved.approve(&first.id, first.version, &more, &key()).await), "step-up-required");
        let lock = NewLock { on: LockOn::Target { target: "bastion".to_owned() }, reason: "INC-1 leak".to_owned(), duration: None };
        assert_eq!(refused(proved.place_lock(&lock, &key()).await), "step-up-required");
        // Another person, and the same person in another sign-in.
        let rob = world.reviewer("rob").await;
        Phone::of(&world, &rob).await;
        let token = prove(&world, &rita, &phone, &[&needed(approve(&rita, &second).await).digest]).await;
        assert_eq!(refused(approve(&rob.clone().with_proof(token.clone()), &second).await), "step-up-required");
        let again = world.reviewer("rita").await;
        assert_eq!(refused(approve(&again.clone().with_proof(token), &second).await), "step-up-required");
        // The right one, once.
        assert_eq!(approve(&proved, &first).await.unwrap().state, "approved");
        assert_eq!(refused(approve(&proved, &first).await), "request-decided");
        // Too old.
        let digest = needed(approve(&rita, &third).await).digest;
        let late = rita.clone().with_proof(prove(&world, &rita, &phone, &[&digest]).await);
        world.pass(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        let needs = needed(approve(&late, &third).await);
        assert_eq!(needs.digest, digest);
        // Rubbish is no proof.
        for rubbish in ["", "x", "pcl_su_", "pcl_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_000000"] {
            let proved = rita.clone().with_proof(Secret::new(rubbish.to_owned()));
            assert_eq!(refused(approve(&proved, &third).await), "step-up-required", "{rubbish:?}");
        }
        assert_eq!(world.events(&["request.approved"]).await, [1]);
        assert!(world.events(&["access.refused"]).await[0] >= 4, "proofs that do not fit are on record");
    }
}

on_both! {
    async fn one_proof_for_many_calls_is_good_for_each_of_them_once(world: World, clock by hand) {
        let (world, rita, phone, first) = desk(world).await;
        let second = submit(&world.engineer("ben").await).await;
        let digests = [needed(approve(&rita, &first).await).digest, needed(approve(&rita, &second).await).digest];
        let proof = prove(&world, &rita, &phone, &[&digests[0], &digests[1]]).await;
        let proved = rita.clone().with_proof(proof);
        assert_eq!(approve(&proved, &second).await.unwrap().state, "approved");
        assert_eq!(approve(&proved, &first).await.unwrap().state, "approved");
    }
}

on_both! {
    async fn what_is_refused_anyway_asks_for_no_proof(world: World, clock by hand) {
        let (world, rita, _, request) = desk(world).await;
        let own = submit(&rita_asks(&world).await).await;
        assert_eq!(refused(approve(&world.reviewer("rosa").await, &own).await), "self-review");
        let stale = rita.approve(&request.id, request.version + 1, &Approval::default(), &key()).await;
        assert_eq!(refused(stale), "conflict");
        // What takes access away from one person, or gives none, works without a phone.
        let denial = Denial { comment: "not today".to_owned() };
        assert_eq!(rita.deny(&request.id, request.version, &denial, &key()).await.unwrap().state, "denied");
    }
}

/// A reviewer who asks for something.
async fn rita_asks(world: &World) -> Client {
    world
        .person(
            "rosa",
            &["reviewer", "requester"],
            &["reviewers", "engineers"],
        )
        .await
}

on_both! {
    async fn every_guarded_act_asks_and_nothing_else_does(world: World, clock by hand) {
        let (world, rita, phone, request) = desk(world).await;
        let digest = needed(approve(&rita, &request).await).digest;
        let proved = rita.clone().with_proof(prove(&world, &rita, &phone, &[&digest]).await);
        let grant = approve(&proved, &request).await.unwrap().grant.unwrap();
        let grant = world.grant_in(&grant, &["active"]).await;
        let extension = NewExtension { by: "15m".to_owned(), reason: "still at it".to_owned() };
        needed(rita.extend(&grant.id, grant.version, &extension, &key()).await);
        let lock = NewLock { on: LockOn::Target { target: "bastion".to_owned() }, reason: "INC-1 leak".to_owned(), duration: None };
        let once = key();
        let digest = needed(rita.place_lock(&lock, &once).await).digest;
        let scope = json!({ "scope": { "principals": ["ada"] } });
        let incident: IncidentPreviewAsk = serde_json::from_value(scope.clone()).unwrap();
        let preview = rita.preview_incident(&incident).await.unwrap();
        let commit: IncidentCommit = serde_json::from_value(json!({
            "token": preview.token, "ask": scope, "count": preview.items.len(), "reason": "INC-1 leak",
            "items": preview.items.iter().map(|item| json!({"id": item.id, "version": item.version})).collect::<Vec<_>>(),
        })).unwrap();
        needed(rita.commit_incident(&commit, &key()).await);
        needed(world.admin().reset_factors("rita", &key()).await);
        needed(world.admin().rotate_log_key(&key()).await);
        let erasure = Erasure { person: Some("ada".to_owned()), event: None, reason: "asked for it".to_owned() };
        needed(world.admin().erase(&erasure, &key()).await);
        // One grant is taken away at once: that must work when little else does.
        let revocation = Revocation { reason: "leaving".to_owned() };
        rita.revoke(&grant.id, grant.version, &revocation, &key()).await.unwrap();
        let proved = rita.clone().with_proof(prove(&world, &rita, &phone, &[&digest]).await);
        let placed = proved.place_lock(&lock, &once).await.unwrap();
        needed(rita.lift(&placed.id, placed.version, &Lifting { reason: "calm again".to_owned() }, &key()).await);
    }
}

on_both! {
    async fn without_a_second_factor_the_refusal_says_how_to_get_one(world: World, clock by hand) {
        let (world, _, _, request) = desk(world).await;
        let error = approve(world.admin(), &request).await.unwrap_err();
        assert_eq!(error.to_string(), "this needs a second factor, and you have none yet");
        let hint = "add one with `portcullis factor add passkey` or `portcullis factor add totp`";
        assert_eq!(error.hint().as_deref(), Some(hint));
        assert_eq!(needed(Err::<(), _>(error)).ways, Vec::<String>::new());
    }
}

on_both! {
    async fn one_code_is_taken_once_however_many_present_it(world: World, clock by hand) {
        let (world, rita, phone, request) = desk(world).await;
        let digest = needed(approve(&rita, &request).await).digest;
        world.pass(TimeDelta::seconds(30));
        let code = phone.code(&world).await;
        let (left, right) = code.split_at(3);
        let spaced = format!("{left} {right}");
        let spellings = [code.clone(), spaced, format!(" {code}"), format!("{code} ")];
        let submits = (0..50).map(|nth| {
            let proof = StepUpProof::Totp { code: spellings[nth % 4].clone() };
            rita.step_up(vec![digest.clone()], proof)
        });
        let answers = join_all(submits).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for answer in answers {
            let Err(error) = answer else { continue };
            assert!(["second-factor-refused", "tried-too-often", "busy"].contains(&error.code().unwrap()), "{error:?}");
        }
    }
}

on_both! {
    async fn five_wrong_codes_are_enough(world: World, clock by hand) {
        let (world, rita, phone, request) = desk(world).await;
        let digest = needed(approve(&rita, &request).await).digest;
        world.pass(TimeDelta::seconds(30));
        let right = phone.code(&world).await;
        let wrong = if right == "000000" { "000001" } else { "000000" };
        let present = async |code: &str| rita.step_up(vec![digest.clone()], StepUpProof::typed(code)).await;
        for _ in 0..5 {
            assert_eq!(refused(present(wrong).await), "second-factor-refused");
        }
        // Even the right one has to wait now.
        let error = present(&right).await.unwrap_err();
        assert_eq!(error.to_string(), "this was tried too often: the next try is in 15 minutes");
        assert_eq!(refused(present("rc-0000-0000-0000-0000").await), "tried-too-often");
        assert_eq!(world.events(&["auth.step_up_refused", "auth.tried_too_often"]).await, [5, 1]);
        world.pass(TimeDelta::minutes(15));
        // The access token is as old by now, and is renewed.
        present(&phone.code(&world).await).await.unwrap();
    }
}

on_both! {
    async fn digests_that_are_none_are_refused(world: World, clock by hand) {
        let (world, rita, phone, _) = desk(world).await;
        let proof = phone.next(&world).await;
        let http = world.http(&rita);
        for digests in [json!([]), json!([""]), json!(["x".repeat(64)]), json!(vec!["a".repeat(63); 1])] {
            let answer = http.post("/v1/step-up", None, json!({ "digests": digests, "proof": { "kind": "totp", "code": "1" } })).await;
            assert_eq!(answer.problem(), (422, "bad-input".to_owned()));
        }
        let many = (0..201).map(|nth| format!("{nth:064x}")).collect();
        assert_eq!(refused(rita.step_up(many, proof).await), "bad-input");
        assert_eq!(world.number("select count(*) from step_ups").await, 0);
    }
}

on_both! {
    async fn a_server_that_was_told_not_to_ask_does_not(world: World) {
        let rita = world.reviewer("rita").await;
        let request = submit(&world.engineer("ada").await).await;
        assert_eq!(approve(&rita, &request).await.unwrap().state, "approved");
    }
}
