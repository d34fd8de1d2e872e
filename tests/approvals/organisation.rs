//! A random organisation: targets with tags, a policy, people with scoped roles, machines, and people of a provider.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portcullis::wire::Invitation;
use serde_json::{Value, json};

use crate::identity::hostile::{self, Script, Shared};
use crate::support::http::Http;
use crate::support::random::Random;
use crate::support::world::{Backend, World, key};

pub(super) const GROUPS: [&str; 3] = ["dba", "security", "leads"];
const ROLES: [&str; 6] = [
    "requester",
    "reviewer",
    "reviewer",
    "admin",
    "reviewer@env:prod",
    "reviewer@env:staging",
];
pub(super) const TARGETS: [(&str, &str); 2] = [("t-prod", "prod"), ("t-staging", "staging")];

/// Somebody with a token. Several may be one person.
#[derive(Clone)]
pub(super) struct Actor {
    /// The principal's name.
    pub(super) name: String,
    pub(super) http: Http,
    /// Who made the code of the sign-in, where it is good for break-glass alone.
    pub(super) sealed: Option<String>,
}

/// A principal as this test knows it, from what it did itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) roles: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// For a machine: whoever answers for it, and everybody who has ever seen a token of it.
    pub(super) behind: Option<BTreeSet<String>>,
    /// For somebody of the provider: the subject there.
    pub(super) subject: Option<String>,
}

/// An approval as this test saw it given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) by: String,
    pub(super) groups: BTreeSet<String>,
    /// Whether a product role of that moment lets review there.
    pub(super) may_review: bool,
}

/// How many of which groups; nobody where policy approves by itself.
pub(super) type Seats = Vec<(String, u32)>;

pub(super) struct Organisation {
    pub(super) seed: u64,
    pub(super) world: World,
    pub(super) root: Http,
    pub(super) random: Random,
    pub(super) provider: Shared,
    pub(super) actors: Vec<Actor>,
    pub(super) known: BTreeMap<String, Known>,
    /// The seats of each policy, by its id.
    pub(super) ways: BTreeMap<String, Seats>,
    /// Every request that was answered with an id.
    pub(super) requests: Vec<String>,
    pub(super) uses: Vec<String>,
    pub(super) approvals: BTreeMap<String, Vec<Given>>,
    pub(super) sign_offs: BTreeMap<String, Vec<Given>>,
    /// Who made the sealed code with which glass was broken.
    pub(super) sealed_by: BTreeMap<String, String>,
}

pub(super) fn some(random: &mut Random, of: &[&str], at_least: usize) -> BTreeSet<String> {
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for word in of {
        if random.chance(2) {
            chosen.insert((*word).to_owned());
        }
    }
    while chosen.len() < at_least {
        chosen.insert(random.one(of).to_owned());
    }
    chosen
}

fn seats(random: &mut Random) -> Seats {
    if random.chance(4) {
        return vec![(random.one(&GROUPS).to_owned(), 2)];
    }
    let groups = some(random, &GROUPS[..], 1);
    groups.into_iter().take(2).map(|group| (group, 1)).collect()
}

fn written(seats: &Seats) -> String {
    let seats = seats
        .iter()
        .map(|(group, count)| format!("{group}:{count}"));
    seats.collect::<Vec<_>>().join(", ")
}

/// Ways to have access, whom policy keeps from reviewing, and who may break glass.
fn policy(random: &mut Random) -> (String, BTreeMap<String, Seats>) {
    let (mut text, mut ways) = (String::new(), BTreeMap::new());
    for (nth, role) in ["readonly", "admin", "admin"].into_iter().enumerate() {
        let (id, seats) = (format!("w{nth}"), seats(random));
        let who = match random.below(3) {
            0 => format!("principal in Group::\"{}\"", random.one(&GROUPS)),
            _ => "principal".to_owned(),
        };
        writeln!(
            text,
            "@id(\"{id}\") @reviewers(\"{}\") @max_duration(\"1h\") @max_total(\"4h\")\n\
             permit ({who}, action == Action::\"request\", resource) when {{ context.role == \"{role}\" }};",
            written(&seats)
        )
        .unwrap();
        ways.insert(id, seats);
    }
    if random.chance(3) {
        let group = random.one(&GROUPS);
        text += "@id(\"w9\") @threshold(\"0\") @max_duration(\"1h\") @max_total(\"2h\")\n";
        writeln!(text, "permit (principal in Group::\"{group}\", action == Action::\"request\", resource == Target::\"t-staging\");").unwrap();
        ways.insert("w9".to_owned(), Vec::new());
    }
    let about_people = match random.below(4) {
        0 => {
            "@id(\"not-leads\") forbid (principal in Group::\"leads\", action == Action::\"extend\", resource);\n"
        }
        1 => {
            "@id(\"own-team\") permit (principal in Group::\"dba\", action == Action::\"review\", resource);\n"
        }
        _ => "",
    };
    text += about_people;
    let glass = seats(random);
    writeln!(
        text,
        "@id(\"glass\") @reviewers(\"{}\") @max_duration(\"30m\")\npermit (principal, action == Action::\"break_glass\", resource);",
        written(&glass)
    )
    .unwrap();
    ways.insert("glass".to_owned(), glass);
    (text, ways)
}

fn catalogue(provider: &Shared) -> String {
    let mut text = String::new();
    for (name, env) in TARGETS {
        writeln!(
            text,
            "[target.{name}]\nkind = \"ssh\"\ntags = {{ env = \"{env}\" }}\nhost = \"127.0.0.1\"\n\
             [target.{name}.role.readonly]\nuser = \"nobody\"\nprincipals = [\"readonly\"]\n\
             [target.{name}.role.admin]\nincludes = [\"readonly\"]\nuser = \"root\"\nprincipals = [\"admin\"]"
        )
        .unwrap();
    }
    let issuer = provider.lock().unwrap().issuer.clone();
    writeln!(
        text,
        "[identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nclient_secret = \"s\"\nallow_loopback = true\n\
         [identity.roles]\neng = [\"requester\", \"reviewer\"]"
    )
    .unwrap();
    text
}

impl Organisation {
    pub(super) async fn new(seed: u64, provider: &Shared) -> Self {
        let mut random = Random::new(seed);
        let (policy, ways) = policy(&mut random);
        let clock = Some(1_800_000_000_000);
        let world = World::with(Backend::Sqlite, &policy, &catalogue(provider), clock).await;
        let root = world.http(world.admin());
        let known = Known {
            roles: ["requester", "reviewer", "admin"].map(str::to_owned).into(),
            groups: ["reviewers".to_owned()].into(),
            ..Known::default()
        };
        let mut organisation = Self {
            seed,
            actors: vec![Actor {
                name: "root".to_owned(),
                http: root.clone(),
                sealed: None,
            }],
            world,
            root,
            random,
            provider: provider.clone(),
            known: [("root".to_owned(), known)].into(),
            ways,
            requests: Vec::new(),
            uses: Vec::new(),
            approvals: BTreeMap::new(),
            sign_offs: BTreeMap::new(),
            sealed_by: BTreeMap::new(),
        };
        for nth in 0..4 + organisation.random.below(3) {
            organisation.person(&format!("p{nth}")).await;
        }
        for nth in 0..=organisation.random.below(2) {
            let groups = some(&mut organisation.random, &GROUPS, 1);
            let (subject, name) = (format!("Sub-{nth}"), format!("idp{nth}"));
            assert!(organisation.by_provider(&subject, &name, groups).await);
        }
        organisation
    }

    /// Somebody invited, or somebody known once more: with other roles and groups, on another device.
    pub(super) async fn person(&mut self, name: &str) {
        let random = &mut self.random;
        let (roles, groups) = (some(random, &ROLES, 2), some(random, &GROUPS, 1));
        let invitation = Invitation {
            name: name.to_owned(),
            roles: roles.iter().cloned().collect(),
            groups: groups.iter().cloned().collect(),
        };
        let code = self
            .world
            .admin()
            .invite(&invitation, &key())
            .await
            .unwrap();
        let client = self.world.nobody();
        client
            .sign_in(&code.code, None, Some("test"))
            .await
            .unwrap();
        let known = self.known.entry(name.to_owned()).or_default();
        (known.roles, known.groups) = (roles, groups);
        self.actors.push(Actor {
            name: name.to_owned(),
            http: self.world.http(&client),
            sealed: None,
        });
    }

    /// Somebody signs in at the provider under this subject; whether they are let in.
    pub(super) async fn by_provider(
        &mut self,
        subject: &str,
        name: &str,
        groups: BTreeSet<String>,
    ) -> bool {
        let device = Http::newcomer(&self.world.url());
        let mut told: Vec<&str> = groups.iter().map(String::as_str).collect();
        told.push("eng");
        let says = |script: &mut Script, _: i64| {
            script.claims["sub"] = json!(subject);
            script.claims["preferred_username"] = json!(name);
            script.claims["groups"] = json!(told);
        };
        let answer = hostile::sign_in(&device, &self.world, &self.provider, says).await;
        if answer.status != 200 {
            assert_eq!(
                answer.problem().1,
                "subject-alike",
                "seed {}: {subject:?}",
                self.seed
            );
            return false;
        }
        let name = answer.json()["me"]["name"].as_str().unwrap().to_owned();
        let known = Known {
            roles: ["requester", "reviewer"].map(str::to_owned).into(),
            groups: groups.into_iter().chain(["eng".to_owned()]).collect(),
            subject: Some(subject.to_owned()),
            behind: None,
        };
        self.known.insert(name.clone(), known);
        let http = device.with(&answer.text("access_token"));
        self.actors.push(Actor {
            name,
            http,
            sealed: None,
        });
        true
    }

    pub(super) fn somebody(&mut self) -> Actor {
        let who = self.random.below(self.actors.len());
        self.actors[who].clone()
    }

    /// A person who is no machine, by name.
    pub(super) fn some_person(&mut self) -> String {
        let people: Vec<&String> = (self.known.iter())
            .filter(|(_, known)| known.behind.is_none())
            .map(|(name, _)| name)
            .collect();
        people[self.random.below(people.len())].clone()
    }

    /// What somebody is at this moment, as an approval that they give on this target.
    pub(super) fn given(&self, by: &str, target: &str) -> Given {
        let known = &self.known[by];
        let (_, env) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
        let here = format!("@env:{env}");
        let may_review = ["reviewer", "admin"].iter().any(|role| {
            known.roles.contains(*role) || known.roles.contains(&format!("{role}{here}"))
        });
        Given {
            by: by.to_owned(),
            groups: known.groups.clone(),
            may_review: may_review && known.behind.is_none(),
        }
    }

    /// One row, as whoever sees everything sees it.
    pub(super) async fn row(&self, path: &str) -> Value {
        let answer = self.root.get(path).await;
        assert_eq!(
            answer.status, 200,
            "seed {}: {path}: {}",
            self.seed, answer.text
        );
        answer.json()
    }
}
