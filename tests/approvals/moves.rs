//! What the people and machines of an organisation try, in any order; what was answered is noted, never assumed.

use futures_util::future::join_all;
use portcullis::secret::Secret;
use serde_json::{Value, json};

use super::Often;
use super::organisation::{Actor, GROUPS, Organisation, TARGETS, some};
use crate::support::http::{Answer, Http};

/// Enough for several requests, their reviews, and what is filed on top of them.
const MOVES: usize = 26;

pub(super) async fn run(organisation: &mut Organisation, often: &mut Often) {
    machine(organisation, often).await;
    for _ in 0..MOVES {
        match organisation.random.below(20) {
            0..=3 => submit(organisation, often).await,
            4..=8 => everybody_approves(organisation, often).await,
            9 => at_once(organisation, often).await,
            10 => deny_or_withdraw(organisation).await,
            11..=12 => extend(organisation, often).await,
            13 => break_glass(organisation, often).await,
            14..=15 => sign_off(organisation, often).await,
            16 => sealed(organisation, often).await,
            17 => machine(organisation, often).await,
            18 => again(organisation, often).await,
            _ => organisation.world.pass(chrono::TimeDelta::seconds(5)),
        }
    }
    // Whatever is still open is tried once more by everybody.
    for _ in 0..3 {
        everybody_approves(organisation, often).await;
        sign_off(organisation, often).await;
    }
}

fn tell(often: &mut Often, what: &'static str) {
    *often.entry(what).or_default() += 1;
}

/// Whether a call was carried out. Refusals are what this is about; faults are not.
fn fine(organisation: &Organisation, answer: &Answer) -> bool {
    let status = answer.status.as_u16();
    assert!(
        status < 500 || status == 503,
        "seed {}: {}",
        organisation.seed,
        answer.text
    );
    status < 300
}

fn version(row: &Value) -> Option<i64> {
    row["version"].as_i64()
}

async fn submit(organisation: &mut Organisation, often: &mut Often) {
    let who = organisation.somebody();
    let random = &mut organisation.random;
    let ask = json!({
        "target": TARGETS[random.below(2)].0, "role": random.one(&["readonly", "admin"]),
        "duration": "30m", "reason": "INC-1 look",
    });
    let answer = who.http.post("/v1/requests", None, ask).await;
    if fine(organisation, &answer) {
        organisation.requests.push(answer.text("id"));
        tell(often, "asked");
        if organisation.known[&who.name].behind.is_some() {
            tell(often, "machine asked");
        }
    }
}

/// A request that still waits, or any other one now and then.
async fn waiting(organisation: &mut Organisation) -> Option<Value> {
    if organisation.requests.is_empty() {
        return None;
    }
    for _ in 0..4 {
        let nth = organisation.random.below(organisation.requests.len());
        let path = format!("/v1/requests/{}", organisation.requests[nth]);
        let row = organisation.row(&path).await;
        if row["state"] == "pending" || organisation.random.chance(8) {
            return Some(row);
        }
    }
    None
}

fn approved(organisation: &mut Organisation, who: &Actor, request: &Value) {
    let target = request["target"].as_str().unwrap();
    let given = organisation.given(&who.name, target);
    let id = request["id"].as_str().unwrap().to_owned();
    organisation.approvals.entry(id).or_default().push(given);
}

fn note_refusal(often: &mut Often, answer: &Answer) {
    match answer.problem().1.as_str() {
        "self-review" => tell(often, "self refused"),
        "own-service" => tell(often, "own-service refused"),
        "own-code" => tell(often, "own-code refused"),
        _ => {}
    }
}

/// Everybody there is tries to approve one request, in any order: also whoever asked, machines, and the same person on
/// two devices.
async fn everybody_approves(organisation: &mut Organisation, often: &mut Often) {
    let Some(mut request) = waiting(organisation).await else {
        return;
    };
    let path = format!("/v1/requests/{}", request["id"].as_str().unwrap());
    for _ in 0..organisation.actors.len() + 2 {
        let who = organisation.somebody();
        let narrower = json!({"duration": "10m", "comment": "less will do"});
        let body = if organisation.random.chance(6) {
            narrower
        } else {
            json!({})
        };
        let call = format!("{path}/approve");
        let answer = who.http.post(&call, version(&request), body).await;
        if fine(organisation, &answer) {
            approved(organisation, &who, &request);
            request = organisation.row(&path).await;
        } else {
            note_refusal(often, &answer);
            if organisation.known[&who.name].behind.is_some() {
                tell(often, "machine refused");
            }
        }
    }
}

/// Several people approve the same version at the same moment, and some of them twice.
async fn at_once(organisation: &mut Organisation, often: &mut Often) {
    let Some(request) = waiting(organisation).await else {
        return;
    };
    let path = format!("/v1/requests/{}/approve", request["id"].as_str().unwrap());
    let crowd: Vec<Actor> = (0..6).map(|_| organisation.somebody()).collect();
    let calls = crowd
        .iter()
        .map(|who| who.http.post(&path, version(&request), json!({})));
    for (who, answer) in crowd.iter().zip(join_all(calls).await) {
        if fine(organisation, &answer) {
            approved(organisation, who, &request);
            tell(often, "approved in a race");
        } else {
            note_refusal(often, &answer);
        }
    }
}

async fn deny_or_withdraw(organisation: &mut Organisation) {
    if !organisation.random.chance(3) {
        return;
    }
    if let Some(request) = waiting(organisation).await {
        let (who, id) = (organisation.somebody(), request["id"].as_str().unwrap());
        let deed = organisation.random.one(&["deny", "withdraw"]);
        let body = if deed == "deny" {
            json!({"comment": "not today"})
        } else {
            Value::Null
        };
        let path = format!("/v1/requests/{id}/{deed}");
        let answer = who.http.post(&path, version(&request), body).await;
        fine(organisation, &answer);
    }
}

/// Anybody files more time for a grant of anybody. A reviewer who does it for another approves it with that.
async fn extend(organisation: &mut Organisation, often: &mut Often) {
    let page = organisation.row("/v1/grants?state=active").await;
    let active = page["items"].as_array().unwrap();
    if active.is_empty() {
        return;
    }
    let grant = &active[organisation.random.below(active.len())];
    let who = organisation.somebody();
    let path = format!("/v1/grants/{}/extend", grant["id"].as_str().unwrap());
    let body = json!({"by": "5m", "reason": "still at it"});
    let answer = who.http.post(&path, version(grant), body).await;
    if fine(organisation, &answer) {
        let request = answer.json();
        organisation.requests.push(answer.text("id"));
        tell(often, "asked for more time");
        if !request["reviews"].as_array().unwrap().is_empty() {
            approved(organisation, &who, &request);
        }
    }
}

async fn break_glass(organisation: &mut Organisation, often: &mut Often) {
    // A sealed sign-in is for this alone, so that it is preferred.
    let sealed = organisation
        .actors
        .iter()
        .rfind(|who| who.sealed.is_some())
        .cloned();
    let who = match sealed {
        Some(sealed) if organisation.random.chance(2) => sealed,
        _ => organisation.somebody(),
    };
    let target = TARGETS[organisation.random.below(2)].0;
    let body = json!({"target": target, "role": "admin", "duration": "10m", "reason": "INC-1 payments are down"});
    let answer = who.http.post("/v1/break-glass", None, body).await;
    if fine(organisation, &answer) {
        organisation.uses.push(answer.text("id"));
        if let Some(maker) = who.sealed {
            organisation.sealed_by.insert(answer.text("id"), maker);
            tell(often, "broke glass by a sealed code");
        }
        tell(often, "broke glass");
    }
}

async fn sign_off(organisation: &mut Organisation, often: &mut Often) {
    if organisation.uses.is_empty() {
        return;
    }
    let nth = organisation.random.below(organisation.uses.len());
    let path = format!("/v1/break-glass/{}", organisation.uses[nth]);
    for _ in 0..6 {
        let of = organisation.row(&path).await;
        let who = organisation.somebody();
        let body = json!({"verdict": "justified", "comment": "looked at the session"});
        let call = format!("{path}/sign-off");
        let answer = who.http.post(&call, version(&of), body).await;
        if fine(organisation, &answer) {
            let given = organisation.given(&who.name, of["target"].as_str().unwrap());
            let id = organisation.uses[nth].clone();
            organisation.sign_offs.entry(id).or_default().push(given);
            tell(often, "signed off");
        } else {
            note_refusal(often, &answer);
        }
    }
}

/// Somebody makes a sealed code for a person, and the person signs in with it.
async fn sealed(organisation: &mut Organisation, often: &mut Often) {
    let (maker, person) = (organisation.somebody(), organisation.some_person());
    let body = json!({"name": person, "count": 1, "expires": "7d"});
    let answer = maker.http.post("/v1/sealed-codes", None, body).await;
    if !fine(organisation, &answer) {
        return;
    }
    let body = answer.json();
    let code = Secret::new(body["codes"][0]["code"].as_str().unwrap().to_owned());
    let client = organisation.world.nobody();
    client.sign_in_sealed(&code, Some("test")).await.unwrap();
    tell(often, "sealed");
    organisation.actors.push(Actor {
        name: person,
        http: organisation.world.http(&client),
        sealed: Some(maker.name),
    });
}

/// A machine is made, by somebody for somebody, or its token is made anew by somebody else.
async fn machine(organisation: &mut Organisation, often: &mut Often) {
    let (maker, owner) = (organisation.somebody(), organisation.some_person());
    let bots: Vec<String> = (organisation.known.iter())
        .filter(|(_, known)| known.behind.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    if bots.len() > 1 || (!bots.is_empty() && organisation.random.chance(2)) {
        let name = &bots[organisation.random.below(bots.len())];
        let path = format!("/v1/service-accounts/{name}/rotate");
        let answer = maker
            .http
            .post(&path, None, json!({"expires": "30d"}))
            .await;
        if fine(organisation, &answer) {
            organisation.actors.retain(|who| who.name != *name);
            tell(often, "token made anew");
            owns(organisation, name, &maker, &answer);
        }
        return;
    }
    let (name, groups) = (
        format!("bot{}", bots.len()),
        some(&mut organisation.random, &GROUPS, 1),
    );
    let new = json!({
        "name": name, "owner": owner, "scopes": ["request:*/*", "read"], "groups": groups, "expires": "30d",
    });
    let answer = maker.http.post("/v1/service-accounts", None, new).await;
    if fine(organisation, &answer) {
        let known = organisation.known.entry(name.clone()).or_default();
        known.groups = groups;
        known.behind = Some([owner].into());
        owns(organisation, &name, &maker, &answer);
    }
}

/// Whoever made a token has seen it.
fn owns(organisation: &mut Organisation, name: &str, maker: &Actor, answer: &Answer) {
    let known = organisation.known.get_mut(name).unwrap();
    known.behind.as_mut().unwrap().insert(maker.name.clone());
    let http = Http::nobody(&organisation.world.url()).with(&answer.text("token"));
    organisation.actors.push(Actor {
        name: name.to_owned(),
        http,
        sealed: None,
    });
}

/// The same person once more: on another device with other groups, or at the provider under almost the same subject.
async fn again(organisation: &mut Organisation, often: &mut Often) {
    let name = organisation.some_person();
    let groups = some(&mut organisation.random, &GROUPS, 1);
    let Some(subject) = organisation.known[&name].subject.clone() else {
        if name != "root" {
            organisation.person(&name).await;
        }
        // Names that only look different are no names.
        let looks = [name.to_uppercase(), format!("{name} "), format!(" {name}")];
        for look in looks {
            let body = json!({"name": look, "roles": ["reviewer"], "groups": groups});
            let answer = organisation.root.post("/v1/invitations", None, body).await;
            assert_eq!(answer.problem().1, "bad-input", "{look:?}");
        }
        return;
    };
    let alike = match organisation.random.below(4) {
        0 => subject.to_lowercase(),
        1 => subject.to_uppercase(),
        2 => format!("{subject} "),
        _ => format!(" {subject}"),
    };
    let count = organisation.known.len();
    if organisation
        .by_provider(&alike, &format!("twin{count}"), groups)
        .await
    {
        tell(often, "alike let in");
    } else {
        tell(often, "alike refused");
    }
}
