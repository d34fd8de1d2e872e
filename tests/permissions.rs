//! Who may call what: every route, tried by everybody, as one table that people read in review.
//!
//! A route that is not listed in `attempt` fails the test, and so does any change of an answer.

use std::fmt::Write as _;

use portcullis::secret::Secret;
use portcullis::wire::{Approval, LockOn, NewBreakGlass, NewLock, NewSealedCodes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::http::Http;
use crate::support::world::{Backend, PUBLIC_KEY, World, ask, key, submit};

/// The columns. `copied` has the token of an admin and not the key of its device. `own` and `self` are the person whom the request, grant or sign-in belongs to; `sealed` is the same person, signed in with a sealed code.
/// The roles of `rev@here` and `adm@here` are for targets with the tag that the target here has, those of `rev@else`, `adm@else` and `aud@else` for others.
const COLUMNS: [&str; 18] = [
    "anonymous",
    "expired",
    "revoked",
    "copied",
    "own",
    "other",
    "reviewer",
    "self",
    "auditor",
    "operator",
    "admin",
    "service",
    "sealed",
    "rev@here",
    "rev@else",
    "adm@here",
    "adm@else",
    "aud@else",
];

/// What one cell is tried on.
struct Things {
    caller: Http,
    request: String,
    grant: String,
    version: i64,
    sign_in: String,
    lock: String,
    owner: String,
    refresh: String,
    code: String,
    /// A use of the owner, where the route is about one.
    glass: String,
    sealed: String,
}

/// Everybody who owns nothing.
struct Cast {
    expired: Http,
    revoked: Http,
    other: Http,
    reviewer: Http,
    auditor: Http,
    operator: Http,
    admin: Http,
    service: Http,
    scoped: std::collections::BTreeMap<&'static str, Http>,
}

impl Cast {
    async fn of(world: &World) -> Self {
        let old = world.http(&world.person("old", &["admin"], &["reviewers"]).await);
        world.pass(chrono::TimeDelta::minutes(10));
        let renewed = world.admin().me().await;
        renewed.unwrap();
        let gone = world.person("gone", &["admin"], &["reviewers"]).await;
        let revoked = world.http(&gone);
        gone.sign_out().await.unwrap();
        let person = async |name: &str, roles: &[&str], groups: &[&str]| {
            world.http(&world.person(name, roles, groups).await)
        };
        Self {
            expired: old,
            revoked,
            other: person("other", &["requester"], &["engineers"]).await,
            reviewer: person("reviewer", &["reviewer"], &["reviewers"]).await,
            auditor: person("auditor", &["auditor"], &["reviewers", "engineers"]).await,
            operator: person("operator", &["operator"], &["reviewers", "engineers"]).await,
            admin: person("admin", &["admin"], &["reviewers"]).await,
            service: service(world, "bot").await,
            scoped: scoped(world).await,
        }
    }

    /// A fresh owner with a pending request, an active grant and a sign-in, and the caller of this column.
    async fn things(&self, world: &World, column: &str, nth: usize, route: &str) -> Things {
        let name = format!("o{nth}");
        let owner = if column == "self" {
            world
                .person(
                    &name,
                    &["requester", "reviewer"],
                    &["engineers", "reviewers"],
                )
                .await
        } else {
            world.engineer(&name).await
        };
        let grant = world.granted(&owner).await;
        let request = submit(&owner).await;
        let owners = world.http(&owner);
        let invitation = json!({"name": name, "roles": [], "groups": []});
        // What no cell of this route looks at is not made: each lock and each person make every later call dearer.
        if route.contains("/service-accounts/") {
            let machine = json!({"name": format!("s{name}"), "owner": name, "scopes": ["read"], "expires": "1d"});
            let admin = world.http(world.admin());
            let made = admin.post("/v1/service-accounts", None, machine).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        let code = world
            .http(world.admin())
            .post("/v1/invitations", None, invitation)
            .await
            .text("code");
        // On somebody who does nothing any more, so that no other cell notices.
        let lock = NewLock {
            on: LockOn::Principal {
                principal: "gone".to_owned(),
            },
            reason: "INC-1 leak".to_owned(),
            duration: None,
        };
        let glass = if route.contains("/break-glass/{id}") {
            owner.break_glass(&glass(), &key()).await.unwrap().id
        } else {
            String::new()
        };
        let sealed = world.nobody();
        let mut spare = String::new();
        if column == "sealed" || route.ends_with("/sealed") {
            let seal = NewSealedCodes {
                name: name.clone(),
                count: 2,
                expires: "90d".to_owned(),
            };
            let codes = world.admin().seal(&seal, &key()).await.unwrap().codes;
            let opening = Secret::new(codes[0].code.clone());
            sealed.sign_in_sealed(&opening, Some("test")).await.unwrap();
            spare.clone_from(&codes[1].code);
        }
        let lock = if route.contains("/locks/{id}") {
            world.admin().place_lock(&lock, &key()).await.unwrap().id
        } else {
            String::new()
        };
        Things {
            glass,
            sealed: spare,
            lock,
            owner: name.clone(),
            request: request.id,
            grant: grant.id,
            version: grant.version,
            sign_in: owner.me().await.unwrap().sign_in,
            refresh: owner.session().tokens().unwrap().refresh_token,
            code,
            caller: match column {
                "sealed" => world.http(&sealed),
                _ => self.caller(world, column).unwrap_or(owners),
            },
        }
    }

    /// The caller of a column; none for those that are the owner, or signed in as they are.
    fn caller(&self, world: &World, column: &str) -> Option<Http> {
        Some(match column {
            "anonymous" => Http::newcomer(&world.url()),
            "expired" => self.expired.clone(),
            "revoked" => self.revoked.clone(),
            "copied" => self.admin.bearer(),
            "own" | "self" | "sealed" => return None,
            "other" => self.other.clone(),
            "reviewer" => self.reviewer.clone(),
            "auditor" => self.auditor.clone(),
            "operator" => self.operator.clone(),
            "service" => self.service.clone(),
            limited if limited.contains('@') => self.scoped[limited].clone(),
            _ => self.admin.clone(),
        })
    }
}

/// People whose product roles are for some targets only.
async fn scoped(world: &World) -> std::collections::BTreeMap<&'static str, Http> {
    let mut scoped = std::collections::BTreeMap::new();
    for (column, role) in [
        ("rev@here", "reviewer@env:prod"),
        ("rev@else", "reviewer@env:staging"),
        ("adm@here", "admin@env:prod"),
        ("adm@else", "admin@env:staging"),
        ("aud@else", "auditor@env:staging"),
    ] {
        let name = column.replace('@', "-");
        let person = world
            .person(&name, &[role], &["reviewers", "engineers"])
            .await;
        scoped.insert(column, world.http(&person));
    }
    scoped
}

/// A machine that may do all that any machine may, in every group.
async fn service(world: &World, name: &str) -> Http {
    let new = json!({"name": name, "owner": "root", "scopes": ["request:*/*", "read", "metrics"], "groups": ["engineers", "reviewers"], "expires": "30d"});
    let made = world
        .http(world.admin())
        .post("/v1/service-accounts", None, new)
        .await;
    Http::nobody(&world.url()).with(&made.text("token"))
}

fn glass() -> NewBreakGlass {
    NewBreakGlass {
        target: "bastion".to_owned(),
        role: "admin".to_owned(),
        duration: "30m".to_owned(),
        reason: "INC-1 look".to_owned(),
        ticket: None,
    }
}

/// A complete and sensible call of one route.
async fn attempt(route: &str, things: &Things) -> u16 {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path
        .replace("/v1/facets", "/v1/facets?of=requests&field=target")
        .replace("/requests/{id}", &format!("/requests/{}", things.request))
        .replace(
            "/break-glass/{id}",
            &format!("/break-glass/{}", things.glass),
        )
        // Nobody has this code: an admin hears 404.
        .replace("/sealed-codes/{id}", "/sealed-codes/C-0000000001")
        .replace("/grants/{id}", &format!("/grants/{}", things.grant))
        .replace("/incidents/{id}", "/incidents/I-0000000001")
        .replace("/standing/{id}", "/standing/A-0000000001")
        .replace("/locks/{id}", &format!("/locks/{}", things.lock))
        .replace("/factors/{id}", "/factors/F-0000000001")
        // Nobody has this device.
        .replace("/device-keys/{id}", "/device-keys/D-0000000001")
        // The very first event: of the admin, who came first.
        .replace("{index}", "0")
        .replace("/targets/{name}", "/targets/bastion")
        .replace("{name}", &things.owner)
        .replace("{session}", "4711-1")
        .replace("{version}", "0123456789ab")
        .replace(
            "/service-accounts/{id}",
            &format!("/service-accounts/s{}", things.owner),
        )
        .replace("/audit/export", "/audit/export?format=ndjson")
        .replace("/sign-ins/{id}", &format!("/sign-ins/{}", things.sign_in));
    let (version, body) = match route {
        "GET /healthz"
        | "GET /readyz"
        | "GET /metrics"
        | "GET /openapi.json"
        | "GET /v1/sign-in/ways"
        | "GET /v1/me"
        | "GET /v1/me/notices"
        | "GET /v1/sign-ins"
        | "GET /v1/service-accounts"
        | "GET /v1/targets"
        | "GET /v1/targets/{name}/krl"
        | "GET /v1/requests"
        | "GET /v1/requests/{id}"
        | "GET /v1/requests/{id}/why"
        | "GET /v1/grants/{id}/why"
        | "GET /v1/grants/{id}/evidence"
        | "GET /v1/grants/{id}/receipt"
        | "GET /v1/grants"
        | "GET /v1/grants/{id}"
        | "GET /v1/break-glass"
        | "GET /v1/break-glass/{id}"
        | "GET /v1/sealed-codes"
        | "GET /v1/locks"
        | "GET /v1/locks/{id}"
        | "GET /v1/incidents"
        | "GET /v1/incidents/{id}"
        | "GET /v1/audit"
        | "GET /v1/audit/histogram"
        | "GET /v1/audit/checkpoint"
        | "GET /v1/audit/export"
        | "GET /v1/audit/deliveries"
        | "GET /v1/audit/{index}/proof"
        | "GET /v1/facets"
        | "GET /v1/standing"
        | "GET /v1/standing/{id}"
        | "GET /v1/sessions"
        | "GET /v1/factors"
        | "GET /v1/policy"
        | "GET /v1/policy/versions/{version}"
        | "GET /v1/events" => (None, Value::Null),
        "POST /v1/sign-in" => (None, json!({"code": things.code})),
        // Nobody is let in by this server: there is no provider.
        "POST /v1/sign-in/oidc/start" => (
            None,
            json!({"redirect_uri": "http://127.0.0.1:40000/", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}),
        ),
        "POST /v1/sign-in/oidc/finish" => (
            None,
            json!({"state": "unknown", "code": "code", "code_verifier": "verifier"}),
        ),
        "POST /v1/tokens/refresh" => (None, json!({"refresh_token": things.refresh})),
        // To release a claim needs one; without it a reviewer hears 409, and everybody else may not even ask.
        // Nobody here has the factor: whoever is signed in hears 404.
        "POST /v1/sign-out"
        | "POST /v1/sign-in/device/start"
        | "DELETE /v1/sign-ins/{id}"
        | "DELETE /v1/service-accounts/{id}"
        | "GET /v1/device-keys"
        | "DELETE /v1/device-keys/{id}"
        | "DELETE /v1/factors/{id}"
        | "DELETE /v1/sealed-codes/{id}"
        | "POST /v1/recovery-codes"
        | "POST /v1/people/{name}/reset-factors"
        | "POST /v1/audit/rotate-key"
        | "POST /v1/requests/{id}/claim"
        | "POST /v1/requests/{id}/release" => (None, json!({})),
        "POST /v1/invitations" => (
            None,
            json!({"name": format!("new{}", things.request.trim_start_matches("R-")), "roles": ["requester"]}),
        ),
        "POST /v1/audit/recover" => (None, json!({"reason": "INC-1 restored"})),
        "POST /v1/service-accounts" => (
            None,
            json!({"name": format!("n{}", things.owner), "owner": "root", "scopes": ["read"], "expires": "1d"}),
        ),
        "POST /v1/service-accounts/{id}/rotate" => (None, json!({"expires": "1d"})),
        "POST /v1/requests" => (
            None,
            json!({"target": "bastion", "role": "admin", "duration": "1h", "reason": "INC-1 look"}),
        ),
        "POST /v1/break-glass" => (None, json!(glass())),
        "POST /v1/break-glass/{id}/sign-off" => (
            Some(1),
            json!({"verdict": "justified", "comment": "looked at the log"}),
        ),
        "POST /v1/sealed-codes" => (
            None,
            json!({"name": things.owner, "count": 1, "expires": "90d"}),
        ),
        "POST /v1/sign-in/sealed" => (None, json!({"code": things.sealed})),
        "POST /v1/policy/explain" => (
            None,
            json!({"principal": things.owner, "target": "bastion", "role": "admin", "duration": "1h"}),
        ),
        // There is no such policy here, and no other than that of the file could come into use.
        "POST /v1/policy/apply" => (
            None,
            json!({"version": "0123456789ab", "instead_of": "0123456789ab", "reason": "CHG-77"}),
        ),
        "POST /v1/policy/replay" => (None, json!({"policy": "", "days": 1})),
        "POST /v1/requests/{id}/approve" => (Some(1), json!(Approval::default())),
        "POST /v1/requests/{id}/deny" => (Some(1), json!({"comment": "not today"})),
        "POST /v1/requests/{id}/withdraw" => (Some(1), json!({})),
        "POST /v1/grants/{id}/extend" => (
            Some(things.version),
            json!({"by": "15m", "reason": "still at it"}),
        ),
        "POST /v1/grants/{id}/return" => (Some(things.version), json!({})),
        "POST /v1/grants/{id}/revoke" => (Some(things.version), json!({"reason": "leaving"})),
        // Its end is not overdue, and nobody proposed anything: an admin hears 409.
        "POST /v1/grants/{id}/override" | "POST /v1/grants/{id}/override/confirm" => {
            (Some(things.version), json!({"reason": "host scrapped"}))
        }
        "POST /v1/grants/{id}/credential" => (None, json!({"public_key": PUBLIC_KEY})),
        "POST /v1/locks" => (
            None,
            json!({"on": {"kind": "principal", "principal": "gone"}, "reason": "INC-1 leak"}),
        ),
        "POST /v1/standing/{id}/ignore" | "POST /v1/standing/{id}/reopen" => {
            (Some(1), json!({"reason": "nightly backup"}))
        }
        "PUT /v1/targets/{name}/standing" => {
            (None, json!({"keys": [], "passwords": [], "unread": []}))
        }
        "POST /v1/standing/{id}/import" => (
            Some(1),
            json!({"owner": things.owner, "duration": "30d", "reason": "moves to grants"}),
        ),
        "POST /v1/locks/{id}/lift" => (Some(1), json!({"reason": "calm again"})),
        // The only target here does not report sessions: whoever may try hears 422.
        "POST /v1/grants/{id}/sessions/{session}/end" => (None, json!({"reason": "too long"})),
        "POST /v1/incidents/preview" => (None, json!({"scope": {"principals": [things.owner]}})),
        // The token is somebody else's; whoever may not commit is not told.
        "POST /v1/incidents" => (
            None,
            json!({"token": "", "ask": {"scope": {"principals": [things.owner]}}, "items": [], "count": 0, "reason": "INC-1 leak"}),
        ),
        "POST /v1/sign-in/password" => (
            None,
            json!({"name": things.owner, "password": "no such kettle"}),
        ),
        "POST /v1/sign-in/password/passkey" => (
            None,
            json!({"name": things.owner, "password": "no such kettle", "server": things.caller.base()}),
        ),
        // Another password each time: nobody may set the same for two.
        "POST /v1/account/password" => (None, json!({"password": "the kettle sings at noon"})),
        "POST /v1/factors" => (None, json!({"kind": "totp", "name": "phone"})),
        "POST /v1/factors/{id}/confirm" => (None, json!({"code": "000000"})),
        // Nobody here has a passkey.
        "POST /v1/passkey-questions" => (
            None,
            json!({"digests": ["0".repeat(64)], "server": things.caller.base()}),
        ),
        "POST /v1/step-up" => (
            None,
            json!({"digests": ["0".repeat(64)], "proof": {"kind": "totp", "code": "000000"}}),
        ),
        // There is no provider here: whoever may try hears 422.
        "POST /v1/step-up/oidc/start" => (
            None,
            json!({"digests": ["0".repeat(64)], "redirect_uri": "http://127.0.0.1:40000/signed-in", "code_challenge": "x".repeat(43)}),
        ),
        "POST /v1/sign-in/device/finish" => (None, json!({"handle": "x"})),
        "PUT /v1/me/notices" => (None, json!({"off": ["active"]})),
        "POST /v1/device-keys" => (None, json!({"thumbprint": "x".repeat(43), "name": "host"})),
        // Nobody has this event, and an export of nothing: whoever may do it hears so.
        "POST /v1/audit/erase" => (None, json!({"event": 999_999, "reason": "asked for it"})),
        "POST /v1/audit/prune" => (
            None,
            json!({"to": 0, "checkpoint": "", "reason": "too old"}),
        ),
        other => panic!("`{other}` is not in the table: say here how it is called, and who may"),
    };
    let method: Method = method.parse().unwrap();
    let mut call = things.caller.call(method.clone(), &path);
    if method != Method::GET {
        call = call.key(key().as_str()).json(&body);
    }
    if let Some(version) = version {
        call = call.version(version);
    }
    // Streams go on for ever; their status is enough.
    call.open().await.status().as_u16()
}

fn routes() -> Vec<String> {
    let described = portcullis::server::router::openapi();
    let mut routes = vec!["GET /openapi.json".to_owned()];
    for (path, item) in &described.paths.paths {
        let methods = [
            ("GET", &item.get),
            ("PUT", &item.put),
            ("POST", &item.post),
            ("DELETE", &item.delete),
            ("PATCH", &item.patch),
            ("HEAD", &item.head),
            ("OPTIONS", &item.options),
            ("TRACE", &item.trace),
        ];
        routes.extend(
            methods
                .iter()
                .filter(|(_, operation)| operation.is_some())
                .map(|(method, _)| format!("{method} {path}")),
        );
    }
    // Whoever has signed out can try nothing else, so that comes last.
    routes.sort_by_key(|route| {
        let (method, path) = route.split_once(' ').unwrap();
        (path == "/v1/sign-out", path.to_owned(), method.to_owned())
    });
    routes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_everybody_as_the_table_says() {
    let world = World::with_glass(Backend::Sqlite).await;
    let cast = Cast::of(&world).await;
    world.execute("insert into standing (id, target, kind, subject, rights, found_at, version) values ('A-0000000001', 'bastion', 'account', 'backup', '[]', 1, 1)").await;
    let mut table = format!("{:<34}", "");
    for column in COLUMNS {
        write!(table, "{column:>10}").unwrap();
    }
    table.push('\n');
    let mut nth = 0;
    for route in routes() {
        write!(table, "{route:<34}").unwrap();
        // Whoever only looks leaves everything as it was, for the next one to look at.
        let looks = route.starts_with("GET ");
        let mut left: Option<Things> = None;
        for column in COLUMNS {
            nth += 1;
            let things = match (left.take(), cast.caller(&world, column)) {
                (Some(left), Some(caller)) if looks => Things { caller, ..left },
                _ => cast.things(&world, column, nth, &route).await,
            };
            let status = attempt(&route, &things).await;
            assert!(status < 500, "{route} as {column}: {status}");
            write!(table, "{status:>10}").unwrap();
            // One person asks for the same only once.
            if !looks {
                world.execute("update requests set state = 'withdrawn', decided_at = 1 where state = 'pending'").await;
                world.execute("update standing set version = 1, said_by_id = null, said_by_name = null, said_at = null, reason = null, owner = null, until_at = null").await;
            }
            left = Some(things);
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_permission_table_is_what_was_reviewed() {
    insta::assert_snapshot!(portcullis::domain::permit::table());
}

#[tokio::test]
async fn every_request_is_decided_with_the_token_of_its_own_server() {
    let (here, there) = (
        World::start(Backend::Sqlite).await,
        World::start(Backend::Sqlite).await,
    );
    let ada = here.engineer("ada").await;
    let token = ada.session().tokens().unwrap().access_token;
    let foreign = Http::nobody(&there.url()).with(&token);
    let answer = foreign
        .post("/v1/requests", None, serde_json::to_value(ask()).unwrap())
        .await;
    assert_eq!(answer.problem(), (401, "token-expired".to_owned()));
}
