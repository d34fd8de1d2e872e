//! The nodes of one installation, each behind ways that can be broken: from its callers, and to every database host.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use portcullis::client::http;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::caller::{Addresses, Caller};
use super::history::Recorder;
use crate::support::link::{Link, Way};
use crate::support::namespace::{End, Namespaces};
use crate::support::node::Node;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::world::{POLICY, ring};

/// How nodes find the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// By one address that always leads to it.
    Address,
    /// Among all hosts, by themselves.
    Hosts,
}

/// One node and its ways.
struct Seat {
    node: Arc<Mutex<Node>>,
    clients: Link,
    databases: Vec<Link>,
}

/// What a fleet lives on.
pub(super) struct Ground {
    /// The database; the member that writes comes first.
    pub(super) ports: Vec<u16>,
    pub(super) database: String,
    /// What nodes wait for before they acknowledge a change.
    pub(super) durability: &'static str,
    pub(super) finding: Finding,
    /// A place on a network of its own for each node, where this machine has that.
    pub(super) spaces: Option<Namespaces>,
}

impl Ground {
    /// Where nodes find this machine.
    pub(super) fn here(&self) -> Ipv4Addr {
        let spaces = self.spaces.as_ref();
        spaces.map_or(Ipv4Addr::LOCALHOST, Namespaces::here)
    }
}

/// All nodes.
pub(super) struct Fleet {
    seats: Vec<Seat>,
    ground: Ground,
    pub(super) addresses: Addresses,
}

/// Sign-ins last longer than any drill, and tokens need no proof, which would only cost time.
const TOKENS: &str = "[tokens]\nsender_constrained = false\nidle = \"14d\"\nabsolute = \"30d\"\n";

impl Fleet {
    /// Starts so many nodes.
    pub(super) async fn start(
        count: usize,
        ground: Ground,
        catalogue: impl FnOnce(&std::path::Path) -> String,
    ) -> Self {
        ring();
        let mut first = Node::prepare("", POLICY);
        first.use_common_key();
        let durability = ground.durability;
        let server = format!("[server]\ndurability = \"{durability}\"\n");
        let text = format!(
            "{server}{TOKENS}{}",
            catalogue(&first.folder().join("password"))
        );
        std::fs::write(first.folder().join("config/portcullis.toml"), text).unwrap();
        let mut seats: Vec<Seat> = Vec::new();
        for nth in 0..count {
            let mut node = match seats.first() {
                None => std::mem::replace(&mut first, Node::prepare("", POLICY)),
                Some(seat) => seat.node.lock().unwrap().beside(),
            };
            let hosts = match ground.finding {
                Finding::Address => &ground.ports[..1],
                Finding::Hosts => &ground.ports[..],
            };
            let mut databases = Vec::new();
            for port in hosts {
                databases.push(Link::at(ground.here(), local(*port)).await);
            }
            node.use_database(&url(ground.here(), &databases, &ground.database));
            if let Some(spaces) = &ground.spaces {
                node.live(spaces.inside(nth), spaces.there(nth));
            }
            let node = spawn_blocking(move || {
                node.start();
                if nth == 0 {
                    node.sign_in_root();
                }
                node
            })
            .await
            .unwrap();
            let clients = Link::to(node.address.parse().unwrap()).await;
            seats.push(Seat {
                node: Arc::new(Mutex::new(node)),
                clients,
                databases,
            });
        }
        let addresses = seats
            .iter()
            .map(|seat| format!("http://127.0.0.1:{}", seat.clients.port));
        Self {
            addresses: Arc::new(addresses.collect()),
            seats,
            ground,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.seats.len()
    }

    /// Somebody new, signed in.
    pub(super) async fn person(
        &self,
        name: &str,
        role: &str,
        group: &str,
        recorder: &Arc<Recorder>,
    ) -> Caller {
        let (node, who) = (Arc::clone(&self.seats[0].node), name.to_owned());
        let (role, group) = (role.to_owned(), group.to_owned());
        let invitation = spawn_blocking(move || {
            let arguments = ["token", "invite", &who, "--role", &role, "--group", &group];
            node.lock().unwrap().json("root", &arguments)
        });
        let invitation = invitation.await.unwrap();
        let code = invitation["code"].as_str().unwrap();
        Caller::sign_in(name, code, &self.addresses, recorder).await
    }

    /// A service account of root's.
    pub(super) async fn machine(
        &self,
        name: &str,
        admin: &Caller,
        recorder: &Arc<Recorder>,
    ) -> Caller {
        let body = json!({ "name": name, "owner": "root", "scopes": ["request:*/*", "read"], "groups": ["engineers"], "expires": "30d" });
        let made = admin
            .ask(reqwest::Method::POST, "/v1/service-accounts", Some(&body))
            .await;
        let token = made.unwrap()["token"].as_str().unwrap().to_owned();
        Caller::with_token(name, &token, &self.addresses, recorder)
    }

    /// Kills a node as a power cut would, and starts it again, again and again if need be, as a service manager does.
    pub(super) async fn kill(&self, nth: usize) {
        let node = Arc::clone(&self.seats[nth].node);
        let again = move || {
            let mut node = node.lock().unwrap();
            node.kill();
            while node.try_start().is_none() {
                eprintln!("a node did not start: {}", node.log());
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        };
        spawn_blocking(again).await.unwrap();
    }

    /// Stops a node as it stands, or lets it go on.
    pub(super) fn signal(&self, nth: usize, signal: Signal) {
        self.seats[nth].node.lock().unwrap().signal(signal);
    }

    /// Turns the clock of a node; false where this machine cannot.
    pub(super) fn turn_clock(&self, nth: usize, seconds: i64) -> bool {
        self.seats[nth].node.lock().unwrap().turn_clock(seconds)
    }

    pub(super) fn clients(&self, nth: usize, way: Way) {
        self.seats[nth].clients.set(way);
    }

    pub(super) fn databases(&self, nth: usize, way: Way) {
        for link in &self.seats[nth].databases {
            link.set(way);
        }
    }

    /// Takes the link of a node down, or up again; false where nodes have no network of their own.
    pub(super) fn link(&self, nth: usize, end: End, down: bool) -> bool {
        let Some(spaces) = &self.ground.spaces else {
            return false;
        };
        tokio::task::block_in_place(|| {
            if down {
                spaces.down(nth, end);
            } else {
                spaces.up(nth, end);
            }
        });
        true
    }

    /// Lets the one address of the database lead to this port, as a proxy does that knows the primary: whoever is still
    /// connected to the one before is cut off.
    pub(super) fn lead_to(&self, port: u16) {
        if self.ground.finding == Finding::Address {
            for link in self.seats.iter().flat_map(|seat| &seat.databases) {
                link.lead_to(local(port));
            }
        }
    }

    /// What a node says of itself.
    pub(super) async fn ready(&self, nth: usize) -> String {
        let url = format!("{}/readyz", self.seats[nth].node.lock().unwrap().url());
        let http = http(&url.parse().unwrap()).unwrap();
        match http.get(url).send().await {
            Ok(reply) => reply.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Does what an operator does after a failover that lost changes: stops every node, goes on with what is there, and
    /// starts them again. The first admin signs in with the code of that.
    pub(super) async fn recover(&self) {
        let nodes: Vec<_> = self
            .seats
            .iter()
            .map(|seat| Arc::clone(&seat.node))
            .collect();
        let went_on = move || {
            for node in &nodes {
                node.lock().unwrap().kill();
            }
            let reason = ["recover", "--yes", "--reason", "a failover lost changes"];
            let first = [&reason[..], &["--admin", "root"]].concat();
            let mut first_node = nodes[0].lock().unwrap();
            let mut done = first_node.here(&[&first[..], &["--json"]].concat());
            if !done.status.success() {
                // It was killed before it had written down how much it saw.
                done = first_node.here(&[&first[..], &["--json", "--after-restore"]].concat());
            }
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let answer: serde_json::Value =
                serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{said}"));
            first_node.start();
            let code = answer["code"].as_str().unwrap();
            first_node.said("root", &["login", "--code", code]);
            drop(first_node);
            for node in &nodes[1..] {
                let mut node = node.lock().unwrap();
                if node.try_start().is_none() {
                    let done = node.here(&reason);
                    assert!(done.status.success(), "{done:?}\n{}", node.log());
                    node.start();
                }
            }
        };
        spawn_blocking(went_on).await.unwrap();
    }

    /// Runs a command of root's at a node, and answers what it printed.
    pub(super) async fn said(&self, arguments: &'static [&'static str]) -> String {
        let node = Arc::clone(&self.seats[0].node);
        spawn_blocking(move || node.lock().unwrap().said("root", arguments))
            .await
            .unwrap()
    }

    /// What the nodes have logged since they were last started.
    pub(super) fn logs(&self) -> String {
        let logs = self
            .seats
            .iter()
            .map(|seat| seat.node.lock().unwrap().log());
        logs.collect::<Vec<_>>().join("\n----\n")
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Where a node finds its database.
fn url(here: Ipv4Addr, hosts: &[Link], name: &str) -> String {
    let hosts: Vec<String> = hosts
        .iter()
        .map(|link| format!("{here}:{}", link.port))
        .collect();
    let password = PASSWORD.replace(' ', "%20");
    format!(
        "postgres://{SUPERUSER}:{password}@{}/{name}?sslmode=disable",
        hosts.join(",")
    )
}
