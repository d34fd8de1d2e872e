//! Policy as it decides on a running server: several groups, deeds besides asking, failures, and why.

use portcullis::client::ClientError;
use portcullis::wire::{
    Approval, LockOn, NewLock, NewRequest, PolicyQuestion, Problem, ReplayAsk, Revocation,
};

use super::refused;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, on_both, submit};

fn with(more: &str) -> String {
    format!("{POLICY}\n{more}")
}

const BOTH: &str = r#"
@id("both") @reviewers("dba:1, security:1") @max_duration("1h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { context.role == "admin" };
"#;

fn admin_role() -> NewRequest {
    NewRequest {
        role: "admin".to_owned(),
        ..ask()
    }
}

fn problem<T>(result: Result<T, ClientError>) -> Problem {
    match result.err().expect("it is refused") {
        ClientError::Problem(problem) => *problem,
        other => panic!("{other:?}"),
    }
}

async fn one_person_in_two_groups_counts_once(backend: Backend) {
    let world = World::with(backend, BOTH, CATALOGUE, None).await;
    let ada = world.engineer("ada").await;
    let both = world
        .person("both", &["reviewer"], &["dba", "security"])
        .await;
    // One person is in both groups, and is still one person.
    assert_eq!(
        refused(ada.submit(&admin_role(), &key()).await),
        "nobody-can-review"
    );
    let dba = world.person("dora", &["reviewer"], &["dba"]).await;
    let request = ada.submit(&admin_role(), &key()).await.unwrap();
    assert_eq!(
        request.verdict,
        "needs 1 review by `dba` and 1 by `security` (policy `both`)"
    );
    let once = both
        .approve(&request.id, request.version, &Approval::default(), &key())
        .await
        .unwrap();
    assert_eq!(
        (
            once.state.as_str(),
            once.ways[0].approvals,
            once.ways[0].threshold
        ),
        ("pending", 1, 2)
    );
    let why = ada.why_request(&request.id).await.unwrap();
    assert_eq!(why.missing.len(), 1);
    assert!(
        why.missing[0].ends_with("(policy `both`, line 2)"),
        "{:?}",
        why.missing
    );
    assert!(
        why.ways[0]
            .text
            .as_deref()
            .unwrap()
            .contains("@reviewers(\"dba:1, security:1\")")
    );
    let done = dba
        .approve(&request.id, once.version, &Approval::default(), &key())
        .await
        .unwrap();
    assert_eq!(done.state, "approved");
    let why = ada.why_request(&request.id).await.unwrap();
    assert_eq!((why.missing.len(), why.ways[0].decided), (0, true));
    let counted: Vec<_> = why.ways[0]
        .needs
        .iter()
        .map(|need| (need.group.as_str(), need.approved_by.join(",")))
        .collect();
    assert_eq!(
        counted,
        [("dba", "dora".to_owned()), ("security", "both".to_owned())]
    );
    let grant = ada.why_grant(done.grant.as_deref().unwrap()).await.unwrap();
    assert_eq!(grant.request, request.id);
    assert!(
        grant
            .sentence
            .starts_with("approved by `both` and `dora`, as policy `both` (line 2) asks"),
        "{}",
        grant.sentence
    );
    assert_eq!(world.number("select count(*) from policies").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_in_two_groups_counts_once_on_sqlite() {
    one_person_in_two_groups_counts_once(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_in_two_groups_counts_once_on_postgres() {
    one_person_in_two_groups_counts_once(Backend::Postgres).await;
}

on_both! {
    async fn a_refusal_names_the_policies_that_came_nearest(world: World) {
        let ada = world.engineer("ada").await;
        let problem = problem(ada.submit(&NewRequest { duration: "9h".to_owned(), ..ask() }, &key()).await);
        assert_eq!(problem.code, "policy-denied");
        let told = problem.policy.unwrap();
        assert_eq!(told.policies[0].sentence(), "policy `readonly` (line 2) would permit it for less time: needs 1 review by `reviewers`; at most 4h, 8h in all");
        assert!(told.policies[1].sentence().contains("does not hold"), "{:?}", told.policies[1]);
    }
}

on_both! {
    async fn anybody_asks_about_themselves_and_auditors_about_everybody(world: World) {
        let ada = world.engineer("ada").await;
        let question = PolicyQuestion { target: "bastion".to_owned(), role: "admin".to_owned(), duration: "1h".to_owned(), ..PolicyQuestion::default() };
        let answer = ada.explain_policy(&question).await.unwrap();
        assert!(answer.permitted);
        assert_eq!(answer.told.policies.len(), 3);
        let other = PolicyQuestion { principal: Some("root".to_owned()), ..question.clone() };
        assert_eq!(refused(ada.explain_policy(&other).await), "not-allowed");
        let aud = world.person("aud", &["auditor"], &[]).await;
        let answer = aud.explain_policy(&PolicyQuestion { principal: Some("ada".to_owned()), ..question }).await.unwrap();
        assert_eq!((answer.principal.as_str(), answer.permitted), ("ada", true));
    }
}

on_both! {
    async fn a_replay_lists_what_another_policy_decides_differently(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        let replay = |policy: String| ReplayAsk { policy, days: 1, after: None };
        assert_eq!(refused(ada.replay_policy(&replay(String::new())).await), "not-allowed");
        let aud = world.person("aud", &["auditor"], &[]).await;
        let same = aud.replay_policy(&replay(POLICY.to_owned())).await.unwrap();
        assert_eq!((same.looked_at, same.different.len()), (1, 0));
        let other = aud.replay_policy(&replay(POLICY.replace("@threshold(\"1\")", "@threshold(\"2\")"))).await.unwrap();
        let [one] = other.different.as_slice() else { panic!("{other:?}") };
        assert_eq!((one.request.as_str(), one.after.as_str()), (request.id.as_str(), "needs 2 reviews by `reviewers` (policy `readonly`)"));
        assert_eq!(refused(aud.replay_policy(&replay("nonsense".to_owned())).await), "bad-input");
    }
}

const DEEDS: &str = r#"
@id("no-review") @because("trainees do not review")
forbid (principal in Group::"trainees", action == Action::"review", resource);
@id("revokers")
permit (principal in Group::"oncall", action == Action::"revoke", resource);
@id("no-lock") @because("not by trainees")
forbid (principal in Group::"trainees", action == Action::"lock", resource) when { context.on == "target" };
"#;

async fn policy_says_who_reviews_revokes_and_locks(backend: Backend) {
    let world = World::with(backend, &with(DEEDS), CATALOGUE, None).await;
    let ada = world.engineer("ada").await;
    let tom = world
        .person("tom", &["reviewer"], &["reviewers", "trainees"])
        .await;
    let ona = world
        .person("ona", &["reviewer"], &["reviewers", "oncall"])
        .await;
    let request = submit(&ada).await;
    let approval = Approval::default();
    let said = problem(
        tom.approve(&request.id, request.version, &approval, &key())
            .await,
    );
    assert_eq!(
        (said.code.as_str(), said.title.as_str()),
        (
            "policy-denied",
            "policy `no-review` forbids it: trainees do not review"
        )
    );
    let done = ona
        .approve(&request.id, request.version, &approval, &key())
        .await
        .unwrap();
    let grant = world
        .grant_in(done.grant.as_deref().unwrap(), &["active"])
        .await;
    let leaving = Revocation {
        reason: "leaving the team".to_owned(),
    };
    assert_eq!(
        refused(tom.revoke(&grant.id, grant.version, &leaving, &key()).await),
        "policy-denied"
    );
    let lock = |on: LockOn| NewLock {
        on,
        duration: None,
        reason: "INC-1 leak".to_owned(),
    };
    assert_eq!(
        refused(
            tom.place_lock(
                &lock(LockOn::Target {
                    target: "bastion".to_owned()
                }),
                &key()
            )
            .await
        ),
        "policy-denied"
    );
    ona.revoke(&grant.id, grant.version, &leaving, &key())
        .await
        .unwrap();
    // Whoever may not review does not count when it is asked whether anybody could.
    let [submitted] = world.events(&["access.refused"]).await[..] else {
        panic!("one count")
    };
    assert_eq!(submitted, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_says_who_reviews_revokes_and_locks_on_sqlite() {
    policy_says_who_reviews_revokes_and_locks(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_says_who_reviews_revokes_and_locks_on_postgres() {
    policy_says_who_reviews_revokes_and_locks(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_cannot_be_evaluated_is_on_record_once() {
    let broken = with(
        "@id(\"broken\") forbid (principal, action == Action::\"request\", resource) when { context.minutes * 9223372036854775807 > 1 };",
    );
    let world = World::with(Backend::Sqlite, &broken, CATALOGUE, None).await;
    let ada = world.engineer("ada").await;
    for _ in 0..3 {
        let said = problem(ada.submit(&ask(), &key()).await);
        assert_eq!(said.code, "policy-denied");
        assert_eq!(said.policy.unwrap().errors.len(), 1);
    }
    assert_eq!(world.events(&["policy.failed"]).await, [1]);
}
