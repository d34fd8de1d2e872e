//! Lists of revoked keys for hosts: what is in them, who may read them, and that a host which is told keeps to it.

use std::process::Command;

use chrono::TimeDelta;
use portcullis::client::Client;
use portcullis::wire::{CredentialAsk, CredentialView, LockOn, NewLock, Revocation};

use crate::support::sshd::{Sshd, our_name};
use crate::support::world::{Backend, POLICY, PUBLIC_KEY, World, authority, key, on_both};

async fn certificate(who: &Client, grant: &str, public_key: &str) -> String {
    let ask = CredentialAsk {
        public_key: Some(public_key.to_owned()),
    };
    match who.credential(grant, &ask, &key()).await.unwrap() {
        CredentialView::Ssh { certificate, .. } => certificate,
        _ => unreachable!("a host gives certificates"),
    }
}

fn leaving() -> Revocation {
    Revocation {
        reason: "leaving".to_owned(),
    }
}

on_both! {
    async fn a_list_has_what_is_over_and_not_expired_and_changes_with_its_tag(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let (over, live) = (world.granted(&ada).await, world.granted(&ada).await);
        for grant in [&over, &live] {
            certificate(&ada, &grant.id, PUBLIC_KEY).await;
        }
        let path = "/v1/targets/bastion/krl";
        let admin = world.http(world.admin());
        let empty = admin.get(path).await;
        assert_eq!(empty.status, 200, "{}", empty.text);
        assert_eq!(empty.headers["cache-control"], "private, no-cache");
        let tag = |answer: &crate::support::http::Answer| answer.headers["etag"].to_str().unwrap().to_owned();
        let has = |bytes: &[u8], id: &str| bytes.windows(id.len()).any(|part| part == id.as_bytes());
        assert!(!has(&empty.bytes, &over.id) && !has(&empty.bytes, &live.id));

        let over = ada.grant(&over.id).await.unwrap();
        world.admin().revoke(&over.id, over.version, &leaving(), &key()).await.unwrap();
        let listed = admin.get(path).await;
        assert!(has(&listed.bytes, &over.id) && !has(&listed.bytes, &live.id));
        assert_ne!(tag(&listed), tag(&empty));
        assert_eq!(tag(&admin.get(path).await), tag(&listed));

        // Whoever tries while the clock is turned waits for a moment that never comes.
        let tried = async || world.admin().grant(&over.id).await.ok().filter(|grant| grant.attempts > 0);
        world.until("the host was tried", tried).await;
        world.pass(TimeDelta::minutes(10));
        world.grant_in(&over.id, &["revoked"]).await;
        world.admin().me().await.unwrap();
        let admin = world.http(world.admin());
        let after = admin.get(path).await;
        assert!(!has(&after.bytes, &over.id), "expired certificates drop out");
        assert_eq!(tag(&after), tag(&empty));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_list_is_told_that_it_is_the_same() {
    let world = World::start(Backend::Sqlite).await;
    let admin = world.http(world.admin());
    let first = admin.get("/v1/targets/bastion/krl").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    for (known, status) in [(tag.as_str(), 304), ("W/\"other\"", 200)] {
        let call = admin.call(reqwest::Method::GET, "/v1/targets/bastion/krl");
        let answer = call.header("if-none-match", known).send().await;
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.headers["etag"], tag.as_str());
    }
    let answer = admin.get("/v1/targets/nowhere/krl").await;
    assert_eq!(answer.problem().1, "unknown-target");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_and_a_lock_close_a_host_that_is_told_at_once_and_say_how_that_was_tried() {
    let user = our_name();
    let sshd = Sshd::start(&authority(), &["readonly", &user]);
    let entry = sshd.entry("bastion");
    let catalogue = entry.replacen(
        "[target.bastion.role",
        &format!("{}[target.bastion.role", sshd.krl()),
        1,
    );
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    let ada = world.engineer("ada").await;
    let (path, public_key) = sshd.client_key("ada");
    let opens = |certificate: &str| sshd.run(&path, certificate, &["true"]).status.success();
    for lock in [false, true] {
        let grant = world.granted(&ada).await;
        let certificate = certificate(&ada, &grant.id, &public_key).await;
        assert!(opens(&certificate), "{}", sshd.log());
        if lock {
            let new = NewLock {
                on: LockOn::Principal {
                    principal: "ada".to_owned(),
                },
                reason: "INC-1 leak".to_owned(),
                duration: None,
            };
            world.admin().place_lock(&new, &key()).await.unwrap();
        } else {
            let grant = ada.grant(&grant.id).await.unwrap();
            world
                .admin()
                .revoke(&grant.id, grant.version, &leaving(), &key())
                .await
                .unwrap();
        }
        // It does not wait for the certificate, which is good for two minutes.
        world.grant_in(&grant.id, &["revoked"]).await;
        assert!(!opens(&certificate));
        let events = world.audit().await;
        let closed = events.iter().rfind(|event| {
            event.grant.as_deref() == Some(grant.id.as_str()) && event.event == "grant.revoked"
        });
        let said = format!("{closed:?}");
        assert!(
            said.contains("a certificate of the grant was tried, and the host refused it"),
            "{said}"
        );
    }
    let said = Command::new("ssh-keygen")
        .arg("-Q")
        .arg("-l")
        .arg("-f")
        .arg(sshd.revoked_keys())
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
}
