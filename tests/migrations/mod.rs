//! Schemas and the rows of their time: each migration runs over sample rows of the one before, on both databases, and
//! what was written then can be read by today's code.
//!
//! To add a migration: its file in `src/store/migrations/`, its sum in `SUMS`, and `NNNN.sql` here with a row of each
//! table that it makes or changes. `expand` says what it may do.

mod expand;
mod reach;

use std::path::Path;

use portcullis::domain::event::EventCode;
use portcullis::domain::grant::GrantState;
use portcullis::domain::request::RequestState;
use portcullis::domain::sign_in::Method;
use portcullis::secret::hash_of;
use portcullis::store::audit::Filter;
use portcullis::store::tokens::TokenUse;
use portcullis::store::{Clock, Location, Store};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};

/// The SHA-256 of every migration that was ever released. A file that somebody's database has gone through is history.
const SUMS: [(&str, &str); 22] = [
    (
        "0001_start.sql",
        "79470bd2030736005f767dd1270620a13f592c732cfa156b3dc0c8d258d3342e",
    ),
    (
        "0002_locks.sql",
        "2fd88b5b155c46a5064cac0abdfdc083b45626a35637d1523d11366c9cf79ca3",
    ),
    (
        "0003_incidents.sql",
        "8b248a97ae54dba1255858d3f74e53e2163d6793471a0c5c53e575fe773d7ed2",
    ),
    (
        "0004_claims.sql",
        "bbcb2e0d761bb67ed57a5c593824c7e311e89b03a52931e694b3b9d42edeb941",
    ),
    (
        "0005_tokens.sql",
        "29a1cbd78421df971cf600eccc55f83a329d6b873d2068e84e50535a3a5e607d",
    ),
    (
        "0006_identities.sql",
        "07196d2aebc4a7d6e5d535af485f748efdc56f75e8ed3f107d02eabc5be543f6",
    ),
    (
        "0007_second_factors.sql",
        "001f4848da0975c13009d27e1c18aa21238053ba903d4befd727f58605a8efb6",
    ),
    (
        "0008_policy.sql",
        "d5daa82ac285ac698d1c967052fffcc0cbbaeafa0a5fdb31dee467249d26c523",
    ),
    (
        "0009_break_glass.sql",
        "a01d75c06f90fbcecf033f12c9b8d7537a2603272e564e729f516bb35668e319",
    ),
    (
        "0010_passkeys.sql",
        "efb3889239677149e271b6d5d9f60ac87edfcecd3e824d51b9a91c920ff46d42",
    ),
    (
        "0011_provider.sql",
        "9a37b992464a64ff6a856eb605ebcabea95e232726e171b1452b60633d5ae43c",
    ),
    (
        "0012_makers.sql",
        "7bda98dd3a0357228a06641a60e4a243855e1837664fab085a9a808d930b12fd",
    ),
    (
        "0013_log.sql",
        "10bec8436673c12a8c8cd7798ae95342879e3769469fd75a05b03d04935a3f71",
    ),
    (
        "0014_index.sql",
        "9363d3346491d0c5f18b9d14fa75462f3ce5506e792e3340db1a50b465c864a7",
    ),
    (
        "0015_leaving.sql",
        "b215b5f61fa1c49dd83c3e8667d58a779929abee5abe33b0e3da4df5a3c66e9d",
    ),
    (
        "0016_epochs.sql",
        "862480ad6d067936a090ae951c07c283adc2bc7cd9b965f69632162bd5719058",
    ),
    (
        "0017_waiting.sql",
        "6497d7299c7fe20ad3d870b167efad4c7e2680067b67933fc788a9666125b8b5",
    ),
    (
        "0018_reach.sql",
        "c1a982fc2a7cd3093d99d2f9235c31e30ac4aca15ad2a1842e2a0cf0e4f5857a",
    ),
    (
        "0019_notices.sql",
        "63252472b2cc551a0bff9d0603d33981451dc92920bbdbbe89111e7546bbf35f",
    ),
    (
        "0020_standing.sql",
        "e52a293531767c788b0c6131217698868ebacfc02899b88f795b53f2348b85d7",
    ),
    (
        "0021_endings.sql",
        "edfefe328af85be9a79997cccaea471c396cb781db0c8f36d4b8ad2cea5d5d7e",
    ),
    (
        "0022_reports.sql",
        "67d0f7fe34b502f56f54c36067cf80238490f7e2d2ea9f74a59b9a0eb7b6b38e",
    ),
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations"))
}

/// The rows that a database of this version may have.
fn sample(version: i64) -> String {
    let path = format!(
        "{}/tests/migrations/{version:04}.sql",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{path} is missing: say there what such a database may hold"))
}

#[test]
fn no_migration_was_edited_after_it_was_released() {
    let mut there: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(
        there,
        SUMS.map(|(name, _)| name),
        "list every migration with its sum"
    );
    for (name, sum) in SUMS {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let found = hash_of(&text)
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(
            found, sum,
            "`{name}` has changed: put it back, and write the next migration instead"
        );
    }
}

/// Runs every migration over the rows of the one before.
macro_rules! migrate {
    ($connection:expr) => {{
        let migrator = Migrator::new(folder()).await.unwrap();
        for migration in migrator.iter() {
            migrator
                .run_to(migration.version, &mut $connection)
                .await
                .unwrap();
            $connection
                .execute(AssertSqlSafe(sample(migration.version)))
                .await
                .unwrap();
        }
        $connection.close().await.unwrap();
    }};
}

#[tokio::test]
async fn sample_rows_come_through_every_migration_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    migrate!(connection);
    read(&Location::Sqlite(path)).await;
}

#[tokio::test]
async fn sample_rows_come_through_every_migration_on_postgres() {
    let cluster = cluster();
    let name = cluster.database().await.name;
    let password = PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
        cluster.host, cluster.port
    );
    let mut connection = PgConnection::connect(&url).await.unwrap();
    migrate!(connection);
    read(&Location::Postgres(url)).await;
}

/// Reads everything in the samples as the program does.
async fn read(location: &Location) {
    let store = Store::open(location, Clock::Database).await.unwrap();
    let mut tx = store.read().await.unwrap();
    let request = tx
        .request(&"R-0000000001".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (request.state, request.version),
        (RequestState::Approved, 3)
    );
    assert_eq!(request.snapshot.ways[0].max_total.to_string(), "8h");
    let [first, second] = &request.reviews[..] else {
        panic!("two reviews")
    };
    assert_eq!(
        (first.reviewer.name.as_str(), second.reviewer.name.as_str()),
        ("rita", "bob")
    );
    assert_eq!(request.terms().duration.to_string(), "30m");
    let claimed = tx
        .request(&"R-0000000002".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claimed.claim.unwrap().by.name.as_str(), "bob");
    let grant = tx
        .grant(&"G-0000000001".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((grant.state, grant.version), (GrantState::Closing, 5));
    assert_eq!(grant.closed_by.unwrap().name.as_str(), "bob");
    let lock = tx
        .lock(&"L-0000000001".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (lock.on.to_string().as_str(), lock.grants_closed),
        ("role `admin` on `orders-db`", 1)
    );
    assert_eq!(lock.lifted_by.unwrap().name.as_str(), "ada");
    let incident = tx
        .incident(&"I-0000000001".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(incident.ask.scope.sentence(), "targets with `env=prod`");
    assert_eq!(
        (incident.items.len(), incident.items[0].fate.as_str()),
        (2, "revoking")
    );
    let token = tx
        .token("hash of an access token", TokenUse::Access)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(token.sign_in.principal.name.as_str(), "ada");
    assert_eq!(
        (token.sign_in.method, token.sign_in.amr.len()),
        (Method::Oidc, 2)
    );
    let bot = tx
        .principal_named(&"deploy-bot".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let service = bot.service.unwrap();
    assert_eq!(service.owner.name.as_str(), "ada");
    assert_eq!(service.maker.unwrap().as_str(), "P-0000000002");
    let behind = (claimed.owner.unwrap(), claimed.maker.unwrap());
    assert_eq!(
        (behind.0.as_str(), behind.1.as_str()),
        ("P-0000000001", "P-0000000002")
    );
    assert!(
        tx.code("hash of a code")
            .await
            .unwrap()
            .unwrap()
            .used_at
            .is_none()
    );
    let events = tx.events(&Filter::default(), None, 10).await.unwrap();
    let [refused, approved, submitted] = &events[..] else {
        panic!("three events: {events:?}")
    };
    assert_eq!((submitted.index, approved.index), (0, 1));
    // What waited for its index has got one.
    assert_eq!(
        (refused.index, refused.event.code),
        (2, EventCode::SignInRefused)
    );
    assert_eq!(submitted.id, "018bcfe5-0000-7000-8000-000000000001");
    assert_eq!(
        submitted.event.sentence(),
        "ada asked for admin on orders-db: INC-1 look"
    );
    assert_eq!(
        (
            approved.origin.channel.as_str(),
            approved.origin.address.as_deref()
        ),
        ("tui", Some("10.0.0.1"))
    );
    assert_eq!(
        (tx.log_size().await.unwrap(), tx.log_epoch().await.unwrap()),
        (3, 1)
    );
    let now = tx.oldest_waiting().await.unwrap().unwrap();
    assert_eq!(tx.due_targets(now).await.unwrap(), ["orders-db"]);
    assert!(
        tx.once(&"P-0000000001".parse().unwrap(), "k")
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        tx.setting("installation").await.unwrap().as_deref(),
        Some("x")
    );
    let who = "P-0000000001".parse().unwrap();
    let factors = tx.factors(&who).await.unwrap();
    assert_eq!(
        (factors[0].name.as_str(), factors[0].last_step),
        ("phone", 60_000_000)
    );
    assert_eq!(tx.recovery_codes_left(&who).await.unwrap(), 1);
    assert!(tx.password(&who).await.unwrap().is_some());
    let cursor = tx.siem_cursor("splunk").await.unwrap().unwrap();
    assert_eq!((cursor.next, cursor.attempts), (1, 2));
    assert_eq!(tx.pruning().await.unwrap(), (0, 0));
    drop(tx);
    // What waits for its index gets one.
    assert_eq!(store.sequence().await.unwrap(), 4);
    store.close().await;
}
