//! Every node is dead, and access ends all the same.

use std::time::{Duration, Instant};

use portcullis::client::{Channel, Client, IdempotencyKey, Session, StateDir};
use portcullis::wire::{CredentialAsk, CredentialView};

use crate::support::node::Node;
use crate::support::sshd::Sshd;
use crate::support::world::{POLICY, authority, ring};

use super::{field, grant, with_people};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_ssh_ends_by_itself_though_every_node_is_dead() {
    ring();
    let sshd = Sshd::start(&authority(), &["readonly"]);
    let catalogue = sshd.entry("bastion");
    let mut node = Node::prepare(&catalogue, POLICY);
    node.use_common_key();
    with_people(&mut node, &["ada"]);
    let ask = ["request", "bastion", "readonly", "--for", "15s"];
    let ask = [&ask[..], &["--reason", "a short look"]].concat();
    let request = node.json("ada", &ask);
    assert_eq!(field(&request, "enforcement"), "A+");
    node.said("root", &["approve", field(&request, "id")]);
    let id = loop {
        let grants = node.json("ada", &["grants"]);
        if field(&grants["items"][0], "state") == "active" {
            break field(&grants["items"][0], "id").to_owned();
        }
    };
    assert_eq!(field(&grant(&node, &id), "enforcement"), "A+");
    let (key, public) = sshd.client_key("ada");
    let server = node.url().parse().unwrap();
    let session = Session::open(&server, &StateDir::at(node.home("ada"))).unwrap();
    let client = Client::new(session, Channel::Cli).unwrap();
    let ask = CredentialAsk {
        public_key: Some(public),
    };
    let once = IdempotencyKey::new().unwrap();
    let credential = client.credential(&id, &ask, &once).await.unwrap();
    let CredentialView::Ssh {
        certificate,
        ends_at,
        ..
    } = credential
    else {
        panic!("a certificate")
    };
    let lets_in = || sshd.run(&key, &certificate, &["whoami"]).status.success();
    assert!(lets_in(), "{}", sshd.log());
    node.kill();

    let began = Instant::now();
    while lets_in() {
        assert!(began.elapsed() < Duration::from_mins(1), "ends {ends_at}");
    }
}
