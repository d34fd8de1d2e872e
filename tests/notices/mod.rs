//! Notices: who is told of what, by real mail and real calls; nothing lost, nothing twice, nothing that does harm.

mod mail;
mod posts;
mod wishes;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::TimeDelta;

use crate::support::smtp::{PASSWORD, Smtp, Taken};
use crate::support::world::{Backend, CATALOGUE, GLASS, POLICY, World};

/// Long enough that the next message goes out at once. What is under way has arrived and is noted first: otherwise it would
/// be noted as sent after that time.
async fn later(world: &World) {
    settled(world).await;
    world.pass(TimeDelta::seconds(61));
}

/// A file that only its owner can read.
fn private(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// A channel by mail, with more lines below.
fn by_mail(smtp: &Smtp, folder: &Path, more: &str) -> String {
    format!(
        "\n[[notices.channel]]\nname = \"mail\"\nkind = \"email\"\nserver = \"127.0.0.1:{}\"\nfrom = \"Portcullis <portcullis@example.com>\"\ndomain = \"example.com\"\nuser = \"portcullis\"\npassword_file = \"{}\"\nca = \"{}\"\n{more}\n",
        smtp.port,
        private(folder, "smtp.password", PASSWORD),
        smtp.certificates.authority().display(),
    )
}

/// A world with these channels, whose clock only the test turns.
async fn world(backend: Backend, channels: &str) -> World {
    let policy = format!("{POLICY}{GLASS}");
    let catalogue = format!("{CATALOGUE}{channels}");
    World::with(backend, &policy, &catalogue, Some(1_800_000_000_000)).await
}

/// Waits until somebody has so many letters.
async fn arrives(world: &World, smtp: &Smtp, name: &str, count: usize) -> Vec<Taken> {
    world
        .until(&format!("{count} letters to {name}"), async || {
            let mail = smtp.mail_to(name);
            (mail.len() >= count).then_some(mail)
        })
        .await
}

/// Waits until everything that happened was looked at, and what is due has gone out.
async fn settled(world: &World) {
    world.audit().await;
    world
        .until("nothing is due", async || {
            let gate = world.gate();
            if gate.read_for_notices().await.unwrap() {
                return None;
            }
            gate.look_ahead().await.unwrap();
            let mut tx = gate.store().read().await.unwrap();
            let now = gate.store().now(&mut tx).await.unwrap();
            let waiting = tx.waiting_notices().await.unwrap();
            waiting
                .iter()
                .all(|waiting| waiting.oldest > now)
                .then_some(())
        })
        .await;
}
