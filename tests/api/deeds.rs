//! What is offered and what happens agree, also where policy has a say in who reviews, extends, revokes and locks.

use portcullis::client::{Client, ClientError};
use portcullis::wire::{
    AllowedAction, Approval, Denial, GrantView, IncidentCommit, IncidentPreviewAsk, IncidentScope,
    LockOn, LockView, NewExtension, NewLock, RequestView, Revocation,
};

use super::refused;
use crate::support::random::Random;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

/// Policies about deeds, of which an organisation has some.
const DEEDS: [&str; 8] = [
    "@id(\"no-review\") @because(\"trainees do not review\")\nforbid (principal in Group::\"trainees\", action == Action::\"review\", resource);",
    "@id(\"review-oncall\")\npermit (principal in Group::\"oncall\", action == Action::\"review\", resource);",
    "@id(\"not-for-eve\")\nforbid (principal, action == Action::\"review\", resource) when { context.owner == Principal::\"eve\" };",
    "@id(\"extend-oncall\")\npermit (principal in Group::\"oncall\", action == Action::\"extend\", resource);",
    "@id(\"revoke-oncall\")\npermit (principal in Group::\"oncall\", action == Action::\"revoke\", resource);",
    "@id(\"keep-eve\")\nforbid (principal in Group::\"trainees\", action == Action::\"revoke\", resource) when { context.owner == Principal::\"eve\" };",
    "@id(\"no-lock\")\nforbid (principal in Group::\"trainees\", action == Action::\"lock\", resource) when { context.on == \"target\" };",
    "@id(\"lock-prod\")\npermit (principal in Group::\"oncall\", action == Action::\"lock\", resource) when { resource.hasTag(\"env\") && resource.getTag(\"env\") == \"prod\" };",
];

fn said<'a>(actions: &'a [AllowedAction], name: &str) -> &'a AllowedAction {
    actions.iter().find(|action| action.action == name).unwrap()
}

/// What was offered is what happened; where it was not, the reason is the sentence of the refusal.
#[track_caller]
fn agree<T: std::fmt::Debug>(
    what: &str,
    offered: &AllowedAction,
    tried: &Result<T, ClientError>,
) -> bool {
    match (tried, &offered.reason) {
        (Ok(_), None) => assert!(offered.allowed, "{what} was not offered"),
        (Err(error), Some(reason)) => {
            assert!(!offered.allowed);
            assert_eq!(error.to_string(), *reason, "{what}");
        }
        _ => panic!("{what}: offered {offered:?}, and {tried:?}"),
    }
    tried.is_ok()
}

struct Tried {
    yes: usize,
    no: usize,
}

impl Tried {
    fn note(&mut self, done: bool) {
        *(if done { &mut self.yes } else { &mut self.no }) += 1;
    }
}

async fn view_of(who: &Client, request: &RequestView) -> RequestView {
    who.request(&request.id).await.unwrap()
}

async fn one_organisation(backend: Backend, nth: u64, tried: &mut Tried) {
    let mut random = Random::new(nth);
    let mut policy = POLICY.to_owned();
    for deed in DEEDS {
        if random.chance(2) {
            policy.push_str(deed);
            policy.push('\n');
        }
    }
    let world = World::with(backend, &policy, CATALOGUE, None).await;
    let askers = [world.engineer("ada").await, world.engineer("eve").await];
    let mut reviewers = Vec::new();
    for nth in 0..4 {
        let role = random.one(&[
            "reviewer",
            "admin",
            "reviewer@env:prod",
            "reviewer@env:dev",
            "auditor",
        ]);
        let mut groups = vec!["reviewers"];
        groups.extend(["oncall", "trainees"].iter().filter(|_| random.chance(2)));
        let roles = [role, "auditor"];
        reviewers.push(world.person(&format!("r{nth}"), &roles, &groups).await);
    }
    for asker in &askers {
        for who in &reviewers {
            let Ok(request) = asker.submit(&crate::support::world::ask(), &key()).await else {
                // Nobody here may review it, so there is nothing to offer.
                return;
            };
            let seen = view_of(who, &request).await;
            let claim = who.claim(&request.id, &key()).await;
            tried.note(agree("claim", said(&seen.allowed_actions, "claim"), &claim));
            if random.chance(3) {
                let denial = Denial {
                    comment: "not today".to_owned(),
                };
                let denied = who.deny(&request.id, seen.version, &denial, &key()).await;
                let done = agree("deny", said(&seen.allowed_actions, "deny"), &denied);
                tried.note(done);
                if done {
                    continue;
                }
            }
            let approved = who
                .approve(&request.id, seen.version, &Approval::default(), &key())
                .await;
            let offered = said(&seen.allowed_actions, "approve");
            let approved = match approved {
                Ok(approved) => approved,
                refused => {
                    tried.note(agree("approve", offered, &refused));
                    asker
                        .withdraw(&request.id, seen.version, &key())
                        .await
                        .unwrap();
                    continue;
                }
            };
            tried.note(agree("approve", offered, &Ok::<_, ClientError>(())));
            let grant = world
                .grant_in(approved.grant.as_deref().unwrap(), &["active"])
                .await;
            on_grant(&reviewers, &grant, &mut random, tried).await;
            let left = world.admin().grant(&grant.id).await.unwrap();
            if left.state == "active" {
                asker
                    .give_back(&left.id, left.version, &key())
                    .await
                    .unwrap();
            }
            world.grant_in(&grant.id, &["returned", "revoked"]).await;
        }
    }
    on_locks(&world, &reviewers, &mut random, tried).await;
}

async fn on_grant(reviewers: &[Client], grant: &GrantView, random: &mut Random, tried: &mut Tried) {
    let who = &reviewers[random.below(reviewers.len())];
    let seen = who.grant(&grant.id).await.unwrap();
    let extension = NewExtension {
        by: "15m".to_owned(),
        reason: "still at it".to_owned(),
    };
    let extended = who.extend(&seen.id, seen.version, &extension, &key()).await;
    // Whether an approval of it counts is the request's own business.
    let refused_by_policy = extended.as_ref().err().and_then(ClientError::code);
    if extended.is_ok() || refused_by_policy != Some("not-a-reviewer") {
        tried.note(agree(
            "extend",
            said(&seen.allowed_actions, "extend"),
            &extended,
        ));
    }
    let seen = who.grant(&grant.id).await.unwrap();
    let revocation = Revocation {
        reason: "leaving".to_owned(),
    };
    let revoked = who
        .revoke(&seen.id, seen.version, &revocation, &key())
        .await;
    tried.note(agree(
        "revoke",
        said(&seen.allowed_actions, "revoke"),
        &revoked,
    ));
}

async fn on_locks(world: &World, reviewers: &[Client], random: &mut Random, tried: &mut Tried) {
    let ons = [
        LockOn::Target {
            target: "bastion".to_owned(),
        },
        LockOn::Role {
            target: "bastion".to_owned(),
            role: "admin".to_owned(),
        },
        LockOn::Principal {
            principal: "eve".to_owned(),
        },
        LockOn::Tag {
            name: "env".to_owned(),
            value: "prod".to_owned(),
        },
    ];
    for on in ons {
        // Placed by whoever may; lifted, or not, by one after the other.
        let new = NewLock {
            on,
            reason: "INC-1 leak".to_owned(),
            duration: None,
        };
        let mut placed: Option<LockView> = None;
        for who in reviewers.iter().chain([world.admin()]) {
            placed = who.place_lock(&new, &key()).await.ok();
            if placed.is_some() {
                break;
            }
        }
        let Some(placed) = placed else { continue };
        let first = random.below(reviewers.len());
        for nth in 0..reviewers.len() {
            let who = &reviewers[(first + nth) % reviewers.len()];
            let seen = who.lock(&placed.id).await.unwrap();
            let lifting = portcullis::wire::Lifting {
                reason: "calm again".to_owned(),
            };
            let lifted = who.lift(&seen.id, seen.version, &lifting, &key()).await;
            let done = agree("lift", said(&seen.allowed_actions, "lift"), &lifted);
            tried.note(done);
            if done {
                break;
            }
        }
    }
}

/// A handful of organisations; `PORTCULLIS_CASES` says how many where more are wanted.
async fn offered_is_allowed(backend: Backend, from: u64) {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    let cases = asked
        .and_then(|count| count.parse::<u64>().ok())
        .unwrap_or(3);
    let mut tried = Tried { yes: 0, no: 0 };
    for nth in from..from + cases {
        one_organisation(backend, nth, &mut tried).await;
    }
    assert!(
        tried.yes > 5 && tried.no > 0,
        "{} and {}",
        tried.yes,
        tried.no
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_is_what_policy_allows_on_sqlite() {
    offered_is_allowed(Backend::Sqlite, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_is_what_policy_allows_on_postgres() {
    offered_is_allowed(Backend::Postgres, 100).await;
}

async fn preview(who: &Client, lock: bool) -> Result<IncidentCommit, ClientError> {
    let scope = IncidentScope {
        targets: vec!["bastion".to_owned()],
        ..IncidentScope::default()
    };
    let ask = IncidentPreviewAsk {
        scope,
        lock,
        deny_pending: false,
    };
    let seen = who.preview_incident(&ask).await?;
    Ok(IncidentCommit {
        token: seen.token,
        ask,
        count: u32::try_from(seen.items.len()).unwrap(),
        items: seen.items,
        keep: Vec::new(),
        reason: "INC-1 leak".to_owned(),
    })
}

/// An incident is all or nothing: what policy keeps from its starter for one grant or one lock, it keeps for the whole.
async fn an_incident_does_what_policy_lets_its_starter_do(backend: Backend) {
    let deeds = "@id(\"keep-eve\") @because(\"the release runs\")\nforbid (principal in Group::\"trainees\", action == Action::\"revoke\", resource) when { context.owner == Principal::\"eve\" };\n\
        @id(\"no-lock\") @because(\"not by trainees\")\nforbid (principal in Group::\"trainees\", action == Action::\"lock\", resource) when { context.on == \"target\" };";
    let world = World::with(backend, &format!("{POLICY}\n{deeds}"), CATALOGUE, None).await;
    let (ada, eve) = (world.engineer("ada").await, world.engineer("eve").await);
    let tom = world
        .person("tom", &["reviewer"], &["reviewers", "trainees"])
        .await;
    let (of_ada, of_eve) = (world.granted(&ada).await, world.granted(&eve).await);
    let commit = preview(&tom, false).await.unwrap();
    assert_eq!(commit.items.len(), 2);
    let error = tom.commit_incident(&commit, &key()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy `keep-eve` forbids it: the release runs"
    );
    for grant in [&of_ada, &of_eve] {
        assert_eq!(
            world.admin().grant(&grant.id).await.unwrap().state,
            "active"
        );
    }
    // A lock takes away whatever it matches, so nothing can be kept out of it.
    let locked = preview(&tom, true).await.unwrap();
    assert_eq!(
        refused(tom.commit_incident(&locked, &key()).await),
        "policy-denied"
    );
    // Without the one that policy keeps, it is his to do.
    let keep = IncidentCommit {
        keep: vec![of_eve.id.clone()],
        count: 1,
        ..commit
    };
    let done = tom.commit_incident(&keep, &key()).await.unwrap();
    assert_eq!(done.items.len(), 1);
    world.grant_in(&of_ada.id, &["revoked"]).await;
    let eves = world.admin().grant(&of_eve.id).await.unwrap();
    eve.give_back(&eves.id, eves.version, &key()).await.unwrap();
    world.grant_in(&of_eve.id, &["returned"]).await;
    // A lock on the target is not, even where nothing is left to take away.
    let locked = preview(&tom, true).await.unwrap();
    let error = tom.commit_incident(&locked, &key()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy `no-lock` forbids it: not by trainees"
    );
    assert!(
        world
            .admin()
            .locks(false, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(world.events(&["incident.started"]).await, [1]);
    submit(&ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_does_what_policy_lets_its_starter_do_on_sqlite() {
    an_incident_does_what_policy_lets_its_starter_do(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_does_what_policy_lets_its_starter_do_on_postgres() {
    an_incident_does_what_policy_lets_its_starter_do(Backend::Postgres).await;
}
