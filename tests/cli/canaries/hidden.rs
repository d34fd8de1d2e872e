//! What policy hides from somebody: what was typed about targets out of their scope is in nothing that they are told,
//! however they ask.

use portcullis::client::Client;
use portcullis::wire::{
    Approval, Denial, LockOn, NewBreakGlass, NewExtension, NewLock, NewRequest, NewService,
    Revocation, SignOff,
};
use serde_json::{Value, json};

use super::{Canaries, Places, leaks};
use crate::support::http::Http;
use crate::support::sse::Stream;
use crate::support::world::{Backend, GLASS, POLICY, World, key};

const TWO: &str = r#"
[target.bastion]
kind = "ssh"
tags = { env = "prod", team = "payments" }
host = "127.0.0.1"
[target.bastion.role.readonly]
user = "nobody"
principals = ["readonly"]
[target.bastion.role.admin]
includes = ["readonly"]
user = "root"
principals = ["admin"]

[target.sandbox]
kind = "ssh"
tags = { env = "staging", team = "payments" }
host = "127.0.0.1"
[target.sandbox.role.readonly]
user = "nobody"
principals = ["readonly"]
"#;

/// Everything that people type, each with a word of its own, about the target that is hidden.
struct Typed {
    canaries: Canaries,
    /// Addresses of the rows that it is in.
    rows: Vec<String>,
}

async fn type_it_all(world: &World, ada: &Client) -> Typed {
    let (root, rob) = (world.admin(), world.reviewer("rob").await);
    let mut canaries = Canaries::default();
    let mut hide = |what: &str| {
        let canary = format!("canary-{}-q7", what.replace(' ', "-"));
        canaries.plant(what, &canary);
        canary
    };
    let ask = |role: &str, reason: String, ticket: Option<String>| NewRequest {
        target: "bastion".to_owned(),
        role: role.to_owned(),
        duration: "1h".to_owned(),
        reason,
        ticket,
        not_before: None,
    };
    let (mut rows, approval) = (Vec::new(), hide("comment of an approval"));
    let new = ask("readonly", hide("reason"), Some(hide("ticket")));
    let request = ada.submit(&new, &key()).await.unwrap();
    let approval = Approval {
        comment: Some(approval),
        ..Approval::default()
    };
    let approved = root
        .approve(&request.id, 1, &approval, &key())
        .await
        .unwrap();
    let grant = world.grant_in(&approved.grant.unwrap(), &["active"]).await;
    let extension = NewExtension {
        by: "5m".to_owned(),
        reason: hide("reason of an extension"),
    };
    let more = ada
        .extend(&grant.id, grant.version, &extension, &key())
        .await
        .unwrap();
    let new = ask("admin", hide("reason that was denied"), None);
    let denied = ada.submit(&new, &key()).await.unwrap();
    let denial = Denial {
        comment: hide("comment of a denial"),
    };
    root.deny(&denied.id, 1, &denial, &key()).await.unwrap();
    let glass = NewBreakGlass {
        target: "bastion".to_owned(),
        role: "admin".to_owned(),
        duration: "20m".to_owned(),
        reason: hide("reason of a break-glass"),
        ticket: None,
    };
    let used = ada.break_glass(&glass, &key()).await.unwrap();
    let sign_off = SignOff {
        verdict: "justified".to_owned(),
        comment: hide("comment of a sign-off"),
    };
    rob.sign_off(&used.id, 1, &sign_off, &key()).await.unwrap();
    let broken = world.grant_in(&used.grant, &["active"]).await;
    let revocation = Revocation {
        reason: hide("reason of a revocation"),
    };
    root.revoke(&broken.id, broken.version, &revocation, &key())
        .await
        .unwrap();
    world.grant_in(&used.grant, &["revoked"]).await;
    let lock = NewLock {
        on: LockOn::Target {
            target: "bastion".to_owned(),
        },
        reason: hide("reason of a lock"),
        duration: None,
    };
    let lock = root.place_lock(&lock, &key()).await.unwrap();
    let commit = json!({"scope": {"targets": ["bastion"]}, "lock": false, "deny_pending": true});
    let http = world.http(root);
    let seen = http
        .post("/v1/incidents/preview", None, commit.clone())
        .await
        .json();
    let reason = hide("reason of an incident");
    let body = json!({"token": seen["token"], "ask": commit, "items": seen["items"],
        "count": seen["items"].as_array().unwrap().len(), "reason": reason});
    let incident = http.post("/v1/incidents", None, body).await;
    assert_eq!(incident.status, 201, "{}", incident.text);
    for request in [&request.id, &more.id, &denied.id, &used.id] {
        rows.push(format!("/v1/requests/{request}"));
    }
    for grant in [&grant.id, &used.grant] {
        rows.push(format!("/v1/grants/{grant}"));
    }
    rows.push(format!("/v1/break-glass/{}", used.id));
    rows.push(format!("/v1/locks/{}", lock.id));
    rows.push(format!("/v1/incidents/{}", incident.text("id")));
    Typed { canaries, rows }
}

/// Every question that somebody can ask, with each word in it.
async fn everything(world: &World, who: &Http, typed: &Typed, places: &mut Places) {
    let mut add = |what: String, text: String| places.add(what, text);
    let lists = [
        "/v1/requests?state=pending,approved,denied,expired,withdrawn",
        "/v1/grants?state=active,closing,ended,returned,revoked",
        "/v1/locks?state=in_force,lifted,over",
        "/v1/incidents?limit=50",
        "/v1/break-glass?limit=50",
        "/v1/audit?order=oldest&limit=200",
        "/v1/sessions?q=",
        "/v1/targets?x=",
        "/v1/sealed-codes?name=ada",
        "/v1/service-accounts?x=",
        "/v1/factors?x=",
        "/v1/me?x=",
    ];
    for list in lists {
        let list = list.trim_end_matches("?x=");
        add(list.to_owned(), who.get(list).await.text);
    }
    for of in ["requests", "grants", "audit", "locks", "sessions"] {
        for field in [
            "reason",
            "ticket",
            "principal",
            "target",
            "role",
            "actor",
            "event",
        ] {
            for prefix in ["", "canary", "bas"] {
                let path = format!("/v1/facets?of={of}&field={field}&prefix={prefix}");
                add(path.clone(), who.get(&path).await.text);
            }
        }
    }
    for (_, canary) in &typed.canaries.0 {
        // What one typed oneself comes back in complaints about it, so that only a part of it is asked for.
        let part = canary.trim_end_matches("-q7").trim_start_matches("canary-");
        for path in ["/v1/requests", "/v1/grants", "/v1/audit", "/v1/locks"] {
            for query in ["q=reason%3A", "q=", "text=", "q=comment%3A"] {
                let path = format!("{path}?{query}{part}");
                add(path.clone(), who.get(&path).await.text);
            }
        }
    }
    for row in &typed.rows {
        for path in ["", "/why", "/sessions"] {
            let path = format!("{row}{path}");
            add(path.clone(), who.get(&path).await.text);
        }
        for (deed, body) in [
            ("approve", json!({})),
            ("deny", json!({"comment": "not today"})),
            ("claim", json!({})),
            ("withdraw", Value::Null),
            ("extend", json!({"by": "5m", "reason": "still"})),
            ("revoke", json!({"reason": "leaving"})),
            ("return", Value::Null),
            ("credential", json!({"public_key": "x"})),
            (
                "sign-off",
                json!({"verdict": "justified", "comment": "fine"}),
            ),
            ("lift", json!({"reason": "calm"})),
        ] {
            for version in [None, Some(1), Some(99)] {
                let path = format!("{row}/{deed}");
                let answer = who.post(&path, version, body.clone()).await;
                assert!(answer.status.as_u16() >= 400, "{path}: {}", answer.text);
                add(format!("POST {path}"), answer.text);
            }
        }
    }
    for (path, body) in [
        (
            "/v1/policy/explain",
            json!({"principal": "ada", "target": "bastion", "role": "admin", "duration": "1h"}),
        ),
        ("/v1/policy/replay", json!({"policy": "", "days": 30})),
        (
            "/v1/incidents/preview",
            json!({"scope": {"targets": ["bastion"]}}),
        ),
        (
            "/v1/incidents/preview",
            json!({"scope": {"principals": ["ada"]}}),
        ),
        (
            "/v1/requests",
            json!({"target": "bastion", "role": "admin", "duration": "1h", "reason": "INC-1 look"}),
        ),
        (
            "/v1/break-glass",
            json!({"target": "bastion", "role": "admin", "duration": "20m", "reason": "INC-1 look"}),
        ),
        (
            "/v1/locks",
            json!({"on": {"kind": "target", "target": "bastion"}, "reason": "INC-1"}),
        ),
    ] {
        add(
            format!("POST {path}"),
            who.post(path, None, body).await.text,
        );
    }
    // Everything that was ever told to whoever follows, until what this person may see now.
    world.gate().store().sequence().await.unwrap();
    if who.get("/v1/audit").await.status == 200 {
        let (mut stream, _) = Stream::open(who, Some("1.-1")).await;
        let list = who.get("/v1/audit?limit=200").await.json();
        for _ in 0..list["items"].as_array().unwrap().len() {
            let event = stream.event().await.unwrap();
            add("the stream".to_owned(), format!("{event:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_out_of_scope_is_in_nothing_that_somebody_is_told() {
    let policy = format!("{POLICY}{GLASS}");
    let world = World::with(Backend::Sqlite, &policy, TWO, None).await;
    let ada = world.engineer("ada").await;
    let rita = world
        .person(
            "rita",
            &["reviewer@env:staging", "requester"],
            &["reviewers", "engineers"],
        )
        .await;
    let auditor = world
        .person("aud", &["auditor@env:staging"], &["reviewers"])
        .await;
    let admin = world
        .person("adm", &["admin@env:staging"], &["reviewers", "engineers"])
        .await;
    let ben = world.engineer("ben").await;
    let new = NewService {
        name: "bot".to_owned(),
        owner: "rita".to_owned(),
        scopes: vec![
            "read@env:staging".to_owned(),
            "request:*/*@env:staging".to_owned(),
        ],
        groups: vec!["engineers".to_owned()],
        expires: "1d".to_owned(),
    };
    let bot = world.admin().create_service(&new, &key()).await.unwrap();
    let typed = Box::pin(type_it_all(&world, &ada)).await;
    let readers = [
        ("rita", world.http(&rita)),
        ("an auditor of staging", world.http(&auditor)),
        ("an admin of staging", world.http(&admin)),
        ("ben, who only asks", world.http(&ben)),
        ("a machine", Http::nobody(&world.url()).with(&bot.token)),
        ("nobody", Http::nobody(&world.url())),
    ];
    for (name, http) in &readers {
        let mut places = Places::default();
        everything(&world, http, &typed, &mut places).await;
        assert!(places.0.len() > 300, "only {} places", places.0.len());
        let leaks = leaks(&typed.canaries, &places);
        assert!(leaks.is_empty(), "{name}: {leaks:#?}");
    }
    // Whoever may see it is told all of it, so that it was there to be found.
    let mut places = Places::default();
    let root = world.http(world.admin());
    for path in typed
        .rows
        .iter()
        .map(String::as_str)
        .chain(["/v1/audit?limit=200"])
    {
        places.add(path, root.get(path).await.text);
    }
    for (what, canary) in &typed.canaries.0 {
        let seen = places.0.iter().any(|(_, bytes)| super::hits(bytes, canary));
        assert!(seen, "{what} is nowhere");
    }
}
