//! Using a grant as its holder would: a real connection to the target that asks a question now and then.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

use crate::client::{Client, IdempotencyKey};
use crate::demo::dice::Dice;
use crate::secret;
use crate::wire::{CredentialAsk, CredentialView};

/// How long somebody thinks between two questions.
const THOUGHT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
const QUESTIONS: [&str; 3] = [
    "select count(*) from orders where state = 'stuck'",
    "select sum(cents)::bigint from orders where region = 'south'",
    "select count(distinct customer) from orders where placed_at > now() - interval '1 day'",
];

/// Connects with a credential of the grant, and stays until the connection is cut or the demonstration ends.
pub(super) async fn use_grant(client: Client, grant: String, dice: Dice) {
    if let Err(error) = connect(&client, &grant, dice).await {
        // Mostly this is the end of the grant, which is what the demonstration is about.
        tracing::debug!(error = format!("{error:#}"), grant, "a session is over");
    }
}

async fn connect(client: &Client, grant: &str, mut dice: Dice) -> anyhow::Result<()> {
    let is_database = client.grant(grant).await?.target_kind.as_deref() == Some("postgres");
    let public_key = if is_database {
        None
    } else {
        Some(public_key()?)
    };
    let credential = client
        .credential(
            grant,
            &CredentialAsk { public_key },
            &IdempotencyKey::new()?,
        )
        .await?;
    let CredentialView::Postgres {
        host,
        port,
        database,
        user,
        password,
        ..
    } = credential
    else {
        return Ok(());
    };
    let options = PgConnectOptions::new_without_pgpass()
        .host(&host)
        .port(port)
        .database(&database)
        .username(&user)
        .password(&password)
        .ssl_mode(PgSslMode::Disable)
        .application_name("psql");
    let mut session: PgConnection = options.connect().await?;
    loop {
        let question = dice.pick(&QUESTIONS).copied().unwrap_or_default();
        let _: i64 = sqlx::query_scalar(question).fetch_one(&mut session).await?;
        tokio::time::sleep(dice.pause(THOUGHT.0, THOUGHT.1)).await;
        session.ping().await?;
    }
}

/// The public half of a key that nobody keeps: a certificate for it is asked for, and that is all.
fn public_key() -> anyhow::Result<String> {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&secret::random()?));
    Ok(key.public_key().to_openssh()?)
}
