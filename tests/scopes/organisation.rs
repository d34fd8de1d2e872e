//! A random organisation: targets with tags, rows on them, and people whose product roles are for some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portcullis::client::Client;
use portcullis::wire::{
    Approval, IncidentCommit, IncidentPreviewAsk, IncidentScope, LockOn, NewBreakGlass, NewLock,
    NewRequest, NewSealedCodes, Revocation, SignOff,
};
use serde_json::Value;

use crate::support::http::Http;
use crate::support::random::Random;
use crate::support::world::{Backend, GLASS, POLICY, World, key};

const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];
const TEAMS: [&str; 3] = ["payments", "search", ""];
const TARGETS: usize = 7;

/// Somebody with scoped product roles.
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) http: Http,
    roles: Vec<String>,
}

pub(super) struct Organisation {
    pub(super) world: World,
    pub(super) root: Http,
    /// The tags of each target.
    pub(super) targets: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) readers: Vec<Reader>,
}

/// A tag that some target may have.
fn tag(random: &mut Random) -> (&'static str, &'static str) {
    if random.chance(2) {
        ("env", random.one(&ENVIRONMENTS))
    } else {
        ("team", random.one(&TEAMS[..2]))
    }
}

fn roles(random: &mut Random) -> Vec<String> {
    let mut roles = BTreeSet::new();
    for role in ["reviewer", "auditor", "admin", "requester"] {
        let (times, plain) = match role {
            "reviewer" => (1 + random.below(2), false),
            // Whoever asks everywhere sees every target, and no row of others.
            "requester" => (random.below(2), random.chance(2)),
            _ => (usize::from(random.chance(3)), false),
        };
        for _ in 0..times {
            let (name, value) = tag(random);
            roles.insert(if plain {
                role.to_owned()
            } else {
                format!("{role}@{name}:{value}")
            });
        }
    }
    roles.into_iter().collect()
}

impl Organisation {
    pub(super) async fn new(backend: Backend, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut targets = BTreeMap::new();
        let mut catalogue = String::new();
        for nth in 0..TARGETS {
            let mut tags =
                BTreeMap::from([("env".to_owned(), random.one(&ENVIRONMENTS).to_owned())]);
            let team = random.one(&TEAMS);
            if !team.is_empty() {
                tags.insert("team".to_owned(), team.to_owned());
            }
            let written: Vec<_> = tags
                .iter()
                .map(|(name, value)| format!("{name} = \"{value}\""))
                .collect();
            write!(
                catalogue,
                "[target.t{nth}]\nkind = \"ssh\"\ntags = {{ {} }}\nhost = \"127.0.0.1\"\n\
                 [target.t{nth}.role.readonly]\nuser = \"nobody\"\nprincipals = [\"readonly\"]\n\
                 [target.t{nth}.role.admin]\nuser = \"root\"\nprincipals = [\"admin\"]\n",
                written.join(", ")
            )
            .unwrap();
            targets.insert(format!("t{nth}"), tags);
        }
        let world = World::with(backend, &format!("{POLICY}{GLASS}"), &catalogue, None).await;
        let mut readers = Vec::new();
        for nth in 0..3 {
            let (name, roles) = (format!("r{nth}"), roles(&mut random));
            let words: Vec<&str> = roles.iter().map(String::as_str).collect();
            let client = world
                .person(&name, &words, &["reviewers", "engineers"])
                .await;
            let http = world.http(&client);
            readers.push(Reader {
                name,
                client,
                http,
                roles,
            });
        }
        let root = world.http(world.admin());
        let organisation = Self {
            world,
            root,
            targets,
            readers,
        };
        organisation.fill(&mut random).await;
        organisation
    }

    async fn fill(&self, random: &mut Random) {
        let world = &self.world;
        let root = world.admin();
        let mut clients = Vec::new();
        for name in ["ada", "ben"] {
            clients.push(world.engineer(name).await);
        }
        let askers = clients
            .iter()
            .chain(self.readers.iter().map(|reader| &reader.client));
        for client in askers {
            for nth in 0..5 {
                let ask = NewRequest {
                    target: format!("t{}", random.below(TARGETS)),
                    role: random.one(&["readonly", "readonly", "admin"]).to_owned(),
                    duration: "1h".to_owned(),
                    reason: format!("INC-{nth} stuck orders"),
                    ticket: None,
                    not_before: None,
                };
                // Some may not ask there, and some have asked.
                let Ok(request) = client.submit(&ask, &key()).await else {
                    continue;
                };
                if random.chance(3) {
                    continue;
                }
                let approved = root
                    .approve(&request.id, request.version, &Approval::default(), &key())
                    .await
                    .unwrap();
                let Some(grant) = approved.grant else {
                    continue;
                };
                let grant = world.grant_in(&grant, &["active"]).await;
                if random.chance(4) {
                    let revocation = Revocation {
                        reason: "leaving".to_owned(),
                    };
                    root.revoke(&grant.id, grant.version, &revocation, &key())
                        .await
                        .unwrap();
                    world.grant_in(&grant.id, &["revoked"]).await;
                }
            }
        }
        self.break_glass(random).await;
        for _ in 0..2 {
            self.incident(random).await;
        }
        for _ in 0..4 {
            let (name, value) = tag(random);
            let target = format!("t{}", random.below(TARGETS));
            let on = match random.below(4) {
                0 => LockOn::Target { target },
                1 => LockOn::Role {
                    target,
                    role: "admin".to_owned(),
                },
                2 => LockOn::Principal {
                    principal: "ben".to_owned(),
                },
                _ => LockOn::Tag {
                    name: name.to_owned(),
                    value: value.to_owned(),
                },
            };
            // A tag that nothing has cannot be locked. What a lock takes away is one more row that moves.
            let new = NewLock {
                on,
                reason: "INC-1 leak".to_owned(),
                duration: None,
            };
            let _ = root.place_lock(&new, &key()).await;
        }
        self.settled().await;
    }

    /// Everybody takes access at once somewhere, where their roles let; some of it is signed off.
    async fn break_glass(&self, random: &mut Random) {
        let root = self.world.admin();
        for name in ["ada", "ben"] {
            let codes = NewSealedCodes {
                name: name.to_owned(),
                count: 1,
                expires: "7d".to_owned(),
            };
            root.seal(&codes, &key()).await.unwrap();
        }
        let more = [
            self.world.engineer("cleo").await,
            self.world.engineer("dan").await,
        ];
        let readers = self.readers.iter().map(|reader| &reader.client);
        for client in readers.chain(&more) {
            for _ in 0..2 {
                let new = NewBreakGlass {
                    target: format!("t{}", random.below(TARGETS)),
                    role: "admin".to_owned(),
                    duration: "20m".to_owned(),
                    reason: format!("INC-{} payments are down", random.below(1_000)),
                    ticket: None,
                };
                let Ok(seen) = client.break_glass(&new, &key()).await else {
                    continue;
                };
                if random.chance(2) {
                    let sign_off = SignOff {
                        verdict: "justified".to_owned(),
                        comment: "looked at the session".to_owned(),
                    };
                    root.sign_off(&seen.id, seen.version, &sign_off, &key())
                        .await
                        .unwrap();
                }
            }
        }
    }

    async fn incident(&self, random: &mut Random) {
        let mut scope = IncidentScope::default();
        match random.below(3) {
            0 => scope.targets = vec![format!("t{}", random.below(TARGETS))],
            1 => {
                let (name, value) = tag(random);
                scope.tags = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            }
            _ => scope.principals = vec!["ada".to_owned()],
        }
        let ask = IncidentPreviewAsk {
            scope,
            lock: false,
            deny_pending: random.chance(2),
        };
        let root = self.world.admin();
        let Ok(seen) = root.preview_incident(&ask).await else {
            return;
        };
        let commit = IncidentCommit {
            token: seen.token,
            ask,
            count: u32::try_from(seen.items.len()).unwrap(),
            items: seen.items,
            keep: Vec::new(),
            reason: "INC-1 leak".to_owned(),
        };
        root.commit_incident(&commit, &key()).await.unwrap();
    }

    /// Waits until nothing moves any more.
    pub(super) async fn settled(&self) {
        self.world
            .until("every grant is where it stays", async || {
                let moving = self
                    .root
                    .get("/v1/grants?state=activating,closing")
                    .await
                    .json();
                moving["items"].as_array().unwrap().is_empty().then_some(())
            })
            .await;
        self.world.gate().store().sequence().await.unwrap();
    }

    /// Every row of a list, page by page.
    pub(super) async fn list(&self, who: &Http, path: &str, limit: u32) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut after = String::new();
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = who.get(&format!("{path}{join}limit={limit}{after}")).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            let page = page.json();
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", next.replace('~', "%7E")),
                None => return rows,
            }
        }
    }
}

impl Reader {
    /// Whether one of these roles is for this target: the words alone, and no code of ours.
    pub(super) fn has(&self, roles: &[&str], tags: Option<&BTreeMap<String, String>>) -> bool {
        self.roles.iter().any(|given| match given.split_once('@') {
            None => roles.contains(&given.as_str()),
            Some((role, tag)) => {
                let (name, value) = tag.split_once(':').unwrap();
                roles.contains(&role)
                    && tags.is_some_and(|tags| tags.get(name).is_some_and(|has| has == value))
            }
        })
    }

    /// Whether one of these roles has exactly this tag.
    pub(super) fn has_tag(&self, roles: &[&str], name: &str, value: &str) -> bool {
        roles
            .iter()
            .any(|role| self.roles.contains(&format!("{role}@{name}:{value}")))
    }

    /// Whether it has one of these roles at all.
    pub(super) fn is(&self, roles: &[&str]) -> bool {
        self.roles
            .iter()
            .any(|given| roles.contains(&given.split('@').next().unwrap()))
    }
}
