//! Break-glass: access at once, everybody who was skipped is named, and the next one waits for the sign-off.

use chrono::TimeDelta;
use futures_util::future::join_all;
use portcullis::client::{BreakGlassQuery, Client, GrantsQuery};
use portcullis::wire::{BreakGlassView, LockOn, NewBreakGlass, NewExtension, NewLock, SignOff};
use serde_json::json;

use super::refused;
use crate::support::world::{Backend, World, key, on_both};

/// Half an hour of `admin` on `bastion`, now.
pub(super) fn glass() -> NewBreakGlass {
    NewBreakGlass {
        target: "bastion".to_owned(),
        role: "admin".to_owned(),
        duration: "30m".to_owned(),
        reason: "INC-4127 payments are down".to_owned(),
        ticket: Some("INC-4127".to_owned()),
    }
}

pub(super) fn justified() -> SignOff {
    SignOff {
        verdict: "justified".to_owned(),
        comment: "looked at the session, it was the outage".to_owned(),
    }
}

async fn used(who: &Client) -> BreakGlassView {
    who.break_glass(&glass(), &key()).await.unwrap()
}

on_both! {
    async fn access_is_there_at_once_and_everybody_who_was_skipped_is_named(world: World, with glass) {
        let ada = world.engineer("ada").await;
        world.reviewer("rita").await;
        let once = key();
        let seen = ada.break_glass(&glass(), &once).await.unwrap();
        assert_eq!((seen.state.as_str(), seen.person.as_str(), seen.version), ("open", "ada", 1));
        assert_eq!(seen.skipped, ["root", "rita"].map(str::to_owned).into_iter().collect::<Vec<_>>());
        assert_eq!((seen.threshold, seen.justified_by, seen.reviewers.as_str()), (1, 0, "`reviewers`"));
        let grant = world.grant_in(&seen.grant, &["active"]).await;
        assert_eq!((grant.duration.as_str(), grant.max_total.as_str()), ("30m", "30m"));
        let listed = world.admin().grants(&GrantsQuery::default()).await.unwrap().items;
        assert!(grant.break_glass && listed.iter().all(|row| row.break_glass), "{listed:?}");
        // Sent again, it is the same one.
        assert_eq!(ada.break_glass(&glass(), &once).await.unwrap().id, seen.id);
        let request = world.admin().request(&seen.id).await.unwrap();
        assert_eq!((request.kind.as_str(), request.state.as_str()), ("break_glass", "approved"));
        assert!(request.reviews.is_empty());
        let events = world.audit().await;
        let told = events.iter().find(|event| event.event == "break_glass.used").unwrap();
        assert_eq!(told.details["skipped"], json!(["root", "rita"]));
        assert_eq!(told.sentence, "ada broke glass for admin on bastion: INC-4127 payments are down");
        assert_eq!(world.events(&["request.submitted", "request.approved", "grant.scheduled", "break_glass.used"]).await, [1, 1, 1, 1]);
        let why = world.admin().why_request(&seen.id).await.unwrap();
        assert_eq!(why.sentence, "`ada` broke glass, as policy `glass` (line 24) lets; members of `reviewers` sign it off afterwards");
        // Whoever was skipped is told at the next sign-in, too, without what somebody typed.
        let notices = world.admin().factors().await.unwrap().notices;
        let notice = format!("`ada` broke glass for `admin` on `bastion`; sign it off: `portcullis break-glass show {}`", seen.id);
        assert_eq!(notices, [notice]);
    }
}

on_both! {
    async fn the_next_one_waits_until_somebody_else_has_signed_off(world: World, with glass) {
        let (ada, rita) = (world.person("ada", &["requester", "reviewer"], &["engineers", "reviewers"]).await, world.reviewer("rita").await);
        let first = used(&ada).await;
        let error = ada.break_glass(&glass(), &key()).await.unwrap_err();
        assert_eq!(error.code(), Some("break-glass-unreviewed"));
        assert_eq!(error.to_string(), format!("your last break-glass `{}` waits for its sign-off", first.id));
        assert_eq!(error.hint(), Some(format!("ask a reviewer to look at it: `portcullis break-glass show {}`", first.id)));
        world.grant_in(&first.grant, &["active"]).await;
        // Not after the access is over either, and of nobody but this person.
        world.pass(TimeDelta::minutes(31));
        world.grant_in(&first.grant, &["ended"]).await;
        assert_eq!(refused(ada.break_glass(&glass(), &key()).await), "break-glass-unreviewed");
        used(&world.engineer("ben").await).await;
        // Never by the person, whatever their roles, nor on another version.
        assert_eq!(refused(ada.sign_off(&first.id, 1, &justified(), &key()).await), "self-review");
        assert_eq!(refused(rita.sign_off(&first.id, 2, &justified(), &key()).await), "conflict");
        let silent = SignOff { comment: "  ".to_owned(), ..justified() };
        assert_eq!(refused(rita.sign_off(&first.id, 1, &silent, &key()).await), "sign-off-without-comment");
        let once = key();
        let signed = rita.sign_off(&first.id, 1, &justified(), &once).await.unwrap();
        assert_eq!((signed.state.as_str(), signed.version, signed.justified_by), ("justified", 2, 1));
        assert_eq!(rita.sign_off(&first.id, 1, &justified(), &once).await.unwrap(), signed, "sent again, it is done once");
        assert_eq!(refused(world.admin().sign_off(&first.id, 2, &justified(), &key()).await), "break-glass-reviewed");
        used(&ada).await;
        let events = world.audit().await;
        let told = events.iter().find(|event| event.event == "break_glass.reviewed").unwrap();
        assert_eq!((told.actor.name.as_str(), told.details["verdict"].as_str()), ("rita", Some("justified")));
        assert_eq!(told.sentence, "rita reviewed the break-glass of admin on bastion for ada: looked at the session, it was the outage");
    }
}

on_both! {
    async fn a_use_that_was_not_justified_is_on_record_and_opens_the_next(world: World, with glass) {
        let ada = world.engineer("ada").await;
        let first = used(&ada).await;
        let verdict = SignOff { verdict: "not_justified".to_owned(), comment: "it could have waited".to_owned() };
        let signed = world.admin().sign_off(&first.id, 1, &verdict, &key()).await.unwrap();
        assert_eq!(signed.state, "not_justified");
        let own = ada.break_glass_use(&first.id).await.unwrap();
        assert_eq!(own.sign_offs[0].comment, "it could have waited");
        used(&ada).await;
        let wrong = SignOff { verdict: "fine".to_owned(), ..verdict };
        assert_eq!(refused(world.admin().sign_off(&first.id, 2, &wrong, &key()).await), "bad-input");
    }
}

on_both! {
    async fn two_uses_at_once_let_one_through(world: World, with glass) {
        let ada = world.engineer("ada").await;
        let tries = join_all((0..12).map(async |_| ada.break_glass(&glass(), &key()).await)).await;
        let (won, lost): (Vec<_>, Vec<_>) = tries.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost {
            let code = refused(error);
            assert!(["break-glass-unreviewed", "busy"].contains(&code.as_str()), "{code}");
        }
        assert_eq!(world.number("select count(*) from grants").await, 1);
        assert_eq!(world.events(&["break_glass.used", "request.submitted"]).await, [1, 1]);
    }
}

on_both! {
    async fn two_sign_offs_at_once_are_one_verdict(world: World, with glass) {
        let first = used(&world.engineer("ada").await).await;
        let reviewers = [world.reviewer("rita").await, world.reviewer("rob").await, world.admin().clone()];
        let tries = join_all((0..12).map(async |nth: usize| {
            let verdict = if nth.is_multiple_of(2) { "justified" } else { "not_justified" };
            let sign_off = SignOff { verdict: verdict.to_owned(), ..justified() };
            reviewers[nth % 3].sign_off(&first.id, 1, &sign_off, &key()).await
        })).await;
        assert_eq!(tries.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert_eq!(world.events(&["break_glass.reviewed"]).await, [1]);
        assert_eq!(world.number("select count(*) from break_glass_sign_offs").await, 1);
    }
}

on_both! {
    async fn no_use_lasts_longer_than_its_cap_or_can_be_prolonged(world: World, with glass) {
        let (ada, rita) = (world.engineer("ada").await, world.reviewer("rita").await);
        let long = NewBreakGlass { duration: "61m".to_owned(), ..glass() };
        let error = ada.break_glass(&long, &key()).await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Some("break-glass-too-long"), "the longest that break-glass gives is `1h`"));
        let over = NewBreakGlass { duration: "31m".to_owned(), ..glass() };
        assert_eq!(refused(ada.break_glass(&over, &key()).await), "policy-denied");
        let seen = used(&ada).await;
        let grant = world.grant_in(&seen.grant, &["active"]).await;
        let extension = NewExtension { by: "1m".to_owned(), reason: "still at it".to_owned() };
        for who in [&ada, &rita] {
            assert_eq!(refused(who.extend(&grant.id, grant.version, &extension, &key()).await), "over-total-cap");
        }
        world.pass(TimeDelta::minutes(30));
        assert_eq!(world.grant_in(&grant.id, &["ended"]).await.close_kind.as_deref(), Some("end"));
        // One that was shorter than it might have been is not prolonged either.
        let ben = world.engineer("ben").await;
        let short = NewBreakGlass { duration: "10m".to_owned(), ..glass() };
        let seen = ben.break_glass(&short, &key()).await.unwrap();
        let grant = world.grant_in(&seen.grant, &["active"]).await;
        assert_eq!(refused(ben.extend(&grant.id, grant.version, &extension, &key()).await), "over-total-cap");
    }
}

on_both! {
    async fn a_lock_stands_in_the_way_and_takes_it_away(world: World, with glass) {
        let ada = world.engineer("ada").await;
        let seen = used(&ada).await;
        world.grant_in(&seen.grant, &["active"]).await;
        let lock = NewLock { on: LockOn::Target { target: "bastion".to_owned() }, reason: "INC-1 leak".to_owned(), duration: None };
        world.admin().place_lock(&lock, &key()).await.unwrap();
        world.grant_in(&seen.grant, &["revoked"]).await;
        assert_eq!(refused(ada.break_glass(&glass(), &key()).await), "locked");
        assert_eq!(refused(world.engineer("ben").await.break_glass(&glass(), &key()).await), "locked");
    }
}

on_both! {
    async fn only_whom_policy_lets_and_never_a_machine(world: World, with glass) {
        // In no group that may; without the product role; a machine in the group.
        let other = world.person("oli", &["requester"], &["sales"]).await;
        assert_eq!(refused(other.break_glass(&glass(), &key()).await), "policy-denied");
        let auditor = world.person("aud", &["auditor"], &["engineers"]).await;
        assert_eq!(refused(auditor.break_glass(&glass(), &key()).await), "not-allowed");
        let new = json!({"name": "bot", "owner": "root", "scopes": ["request:*/*", "read"], "groups": ["engineers"], "expires": "30d"});
        let token = world.http(world.admin()).post("/v1/service-accounts", None, new).await.text("token");
        let bot = crate::support::http::Http::nobody(&world.url()).with(&token);
        let answer = bot.post("/v1/break-glass", None, json!(glass())).await;
        assert_eq!(answer.problem(), (403, "not-allowed".to_owned()));
        let unknown = NewBreakGlass { target: "bastoin".to_owned(), ..glass() };
        let ada = world.engineer("ada").await;
        assert_eq!(refused(ada.break_glass(&unknown, &key()).await), "unknown-target");
        let silent = NewBreakGlass { reason: " ".to_owned(), ..glass() };
        assert_eq!(refused(ada.break_glass(&silent, &key()).await), "bad-reason");
        assert_eq!(world.events(&["break_glass.used"]).await, [0]);
        assert!(world.events(&["access.refused"]).await[0] >= 3, "whoever tried is on record");
    }
}

on_both! {
    async fn where_nobody_could_sign_it_off_nobody_breaks_glass(world: World, with glass) {
        let root = world.person("root", &["admin", "reviewer", "requester"], &["engineers", "reviewers"]).await;
        assert_eq!(refused(root.break_glass(&glass(), &key()).await), "nobody-can-review");
    }
}

on_both! {
    async fn people_see_their_own_uses_and_reviewers_everybodys(world: World, with glass) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let first = used(&ada).await;
        world.pass(TimeDelta::seconds(1));
        let second = used(&ben).await;
        assert_eq!(refused(ben.break_glass_use(&first.id).await), "not-found");
        let list = async |who: &Client, query: BreakGlassQuery| -> Vec<String> {
            let page = who.break_glass_uses(&query).await.unwrap();
            page.items.into_iter().map(|of| of.id).collect()
        };
        assert_eq!(list(&ada, BreakGlassQuery::default()).await, std::slice::from_ref(&first.id));
        assert_eq!(list(world.admin(), BreakGlassQuery::default()).await, [second.id.clone(), first.id.clone()]);
        let page = world.admin().break_glass_uses(&BreakGlassQuery { limit: Some(1), ..BreakGlassQuery::default() }).await.unwrap();
        let rest = BreakGlassQuery { after: page.next, ..BreakGlassQuery::default() };
        assert_eq!(list(world.admin(), rest).await, std::slice::from_ref(&first.id));
        world.admin().sign_off(&first.id, 1, &justified(), &key()).await.unwrap();
        let open = BreakGlassQuery { states: vec!["open".to_owned()], ..BreakGlassQuery::default() };
        assert_eq!(list(world.admin(), open).await, std::slice::from_ref(&second.id));
        let mine = BreakGlassQuery { mine: true, ..BreakGlassQuery::default() };
        assert_eq!(list(world.admin(), mine).await, Vec::<String>::new());
        let elsewhere = BreakGlassQuery { target: Some("orders-db".to_owned()), ..BreakGlassQuery::default() };
        assert_eq!(list(world.admin(), elsewhere).await, Vec::<String>::new());
        let actions = ben.break_glass_use(&second.id).await.unwrap().allowed_actions;
        assert!(!actions[0].allowed, "{actions:?}");
    }
}

/// Two groups have to sign off.
const BOTH: &str = r#"
@id("glass")
@reviewers("reviewers:1, security:1")
@max_duration("2h")
permit (principal in Group::"engineers", action == Action::"break_glass", resource);

@id("leads-sign-off")
forbid (principal, action == Action::"review", resource)
when { context.kind == "break_glass" && !(principal in Group::"leads") };
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_sign_off_as_policy_asks_and_only_whom_it_lets() {
    let policy = format!("{}{BOTH}", crate::support::world::POLICY);
    let catalogue = format!(
        "[break_glass]\nmax = \"20m\"\n{}",
        crate::support::world::CATALOGUE
    );
    let world = World::with(Backend::Sqlite, &policy, &catalogue, None).await;
    let ada = world.engineer("ada").await;
    let signer =
        async |name: &str, groups: &[&str]| world.person(name, &["reviewer"], groups).await;
    let (rita, sec) = (
        signer("rita", &["reviewers", "leads"]).await,
        signer("sec", &["security", "leads"]).await,
    );
    let plain = signer("rob", &["reviewers"]).await;
    assert_eq!(
        refused(ada.break_glass(&glass(), &key()).await),
        "break-glass-too-long",
        "the server's ceiling holds"
    );
    let short = NewBreakGlass {
        duration: "20m".to_owned(),
        ..glass()
    };
    let seen = ada.break_glass(&short, &key()).await.unwrap();
    assert_eq!(seen.skipped, ["rita", "sec"], "only those who may");
    assert_eq!(
        refused(plain.sign_off(&seen.id, 1, &justified(), &key()).await),
        "policy-denied"
    );
    let half = rita
        .sign_off(&seen.id, 1, &justified(), &key())
        .await
        .unwrap();
    assert_eq!(
        (half.state.as_str(), half.threshold, half.justified_by),
        ("open", 2, 1)
    );
    assert_eq!(
        refused(rita.sign_off(&seen.id, 2, &justified(), &key()).await),
        "already-reviewed"
    );
    assert_eq!(
        refused(ada.break_glass(&short, &key()).await),
        "break-glass-unreviewed"
    );
    assert_eq!(
        sec.sign_off(&seen.id, 2, &justified(), &key())
            .await
            .unwrap()
            .state,
        "justified"
    );
    assert_eq!(
        world
            .events(&["break_glass.signed_off", "break_glass.reviewed"])
            .await,
        [1, 1]
    );
}
