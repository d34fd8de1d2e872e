//! What reviewers are told about a request before they decide: computed by the server, explained, for pages at once.

use chrono::{TimeDelta, Timelike as _};
use portcullis::client::{Client, RequestsQuery};
use portcullis::wire::{Approval, NewRequest, RequestView};

use crate::support::world::{Backend, World, ask, key, on_both, submit};

/// The codes of a request's signals, in the order in which they are shown.
fn codes(request: &RequestView) -> Vec<&str> {
    request
        .signals
        .iter()
        .map(|signal| signal.code.as_str())
        .collect()
}

fn why<'v>(request: &'v RequestView, code: &str) -> &'v str {
    let found = request.signals.iter().find(|signal| signal.code == code);
    &found
        .unwrap_or_else(|| panic!("no {code} in {:?}", request.signals))
        .why
}

async fn file(client: &Client, reason: &str, duration: &str) -> RequestView {
    let new = NewRequest {
        reason: reason.to_owned(),
        duration: duration.to_owned(),
        ..ask()
    };
    client.submit(&new, &key()).await.unwrap()
}

/// Asks, is approved, and waits until the grant is over.
async fn had(world: &World, client: &Client, reason: &str, duration: &str) {
    let request = file(client, reason, duration).await;
    let approved = world
        .admin()
        .approve(&request.id, request.version, &Approval::default(), &key())
        .await
        .unwrap();
    assert_eq!(codes(&approved), [""; 0], "a decided request has none");
    let id = approved.grant.unwrap();
    let grant = world.grant_in(&id, &["active"]).await;
    client
        .give_back(&grant.id, grant.version, &key())
        .await
        .unwrap();
    world.grant_in(&id, &["returned"]).await;
}

/// Turns the clock to noon of the next Monday and then `days` further.
async fn to_monday_noon(world: &World) {
    let now = world.now().await;
    let noon = now.date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc();
    let mut monday = noon;
    while monday <= now || chrono::Datelike::weekday(&monday) != chrono::Weekday::Mon {
        monday += TimeDelta::days(1);
    }
    world.pass(monday - now);
}

/// Makes everything that is decided some days older.
async fn age(world: &World, days: i64) {
    let millis = TimeDelta::days(days).num_milliseconds();
    world
        .execute(&format!(
            "update requests set created_at = created_at - {millis} where state <> 'pending'; \
             update grants set created_at = created_at - {millis}"
        ))
        .await;
}

/// Tokens run out within minutes.
async fn renewed(clients: &[&Client]) {
    for client in clients {
        client.me().await.unwrap();
    }
}

on_both! {
    async fn a_first_request_says_that_it_is_the_first(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        world.reviewer("eve").await;
        to_monday_noon(&world).await;
        renewed(&[&ada, world.admin()]).await;
        let request = submit(&ada).await;
        assert_eq!(codes(&request), ["first_on_target"]);
        assert_eq!(why(&request, "first_on_target"), "ada had no grant on `bastion` before this one");
        // Once she had one, it is not.
        let approval = Approval::default();
        world.admin().approve(&request.id, request.version, &approval, &key()).await.unwrap();
        let other = NewRequest { role: "admin".to_owned(), reason: "something else".to_owned(), ..ask() };
        world.pass(TimeDelta::minutes(1));
        let second = ada.submit(&other, &key()).await.unwrap();
        assert_eq!(codes(&second), [""; 0]);
        // Her colleague's grants are not hers.
        let bob = world.engineer("bob").await;
        let bobs = file(&bob, "a look at something", "1h").await;
        assert_eq!(codes(&bobs), ["first_on_target"]);
    }
}

on_both! {
    async fn a_request_at_night_or_on_a_weekend_is_off_hours(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        to_monday_noon(&world).await;
        world.pass(TimeDelta::hours(7));
        renewed(&[&ada, world.admin()]).await;
        let evening = submit(&ada).await;
        assert_eq!(codes(&evening), ["first_on_target", "off_hours"]);
        assert_eq!(why(&evening, "off_hours"),
            "asked on Monday at 19:00, outside of the working hours mon-fri 07:00-19:00 +00:00");
        // It stays what it was when somebody looks at it in the morning.
        world.pass(TimeDelta::hours(13));
        assert_eq!(world.now().await.hour(), 8);
        renewed(&[&ada, world.admin()]).await;
        let morning = world.admin().request(&evening.id).await.unwrap();
        assert_eq!(morning.signals, evening.signals);
    }
}

on_both! {
    async fn longer_than_usual_says_both_numbers(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        to_monday_noon(&world).await;
        renewed(&[&ada, world.admin()]).await;
        had(&world, &ada, "the first thing", "30m").await;
        world.pass(TimeDelta::minutes(5));
        had(&world, &ada, "the second thing", "1h").await;
        age(&world, 14).await;
        let twice = file(&ada, "the third thing", "2h").await;
        assert_eq!(codes(&twice), [""; 0], "twice as long is still usual");
        ada.withdraw(&twice.id, twice.version, &key()).await.unwrap();
        age(&world, 14).await;
        let long = file(&ada, "the fourth thing", "4h").await;
        assert_eq!(codes(&long), ["longer_than_usual"]);
        assert_eq!(why(&long, "longer_than_usual"), "asks for 4h; the longest grant of ada on `bastion` in 90 days was 1h");
        ada.withdraw(&long.id, long.version, &key()).await.unwrap();
        // After 90 days nobody knows what is usual.
        age(&world, 91 - 28).await;
        let late = file(&ada, "the fifth thing", "4h").await;
        assert_eq!(codes(&late), [""; 0]);
    }
}

on_both! {
    async fn the_same_reason_again_is_noticed_whatever_its_spelling(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        to_monday_noon(&world).await;
        renewed(&[&ada, world.admin()]).await;
        had(&world, &ada, "INC-4127 stuck orders", "1h").await;
        age(&world, 14).await;
        had(&world, &ada, "inc 4127:  STUCK orders!", "1h").await;
        world.pass(TimeDelta::minutes(1));
        let third = file(&ada, "INC-4127 stuck orders", "1h").await;
        assert_eq!(codes(&third), ["reason_reused"]);
        let last = (world.now().await - TimeDelta::minutes(1)).format("%Y-%m-%d at %H:%M UTC");
        assert_eq!(why(&third, "reason_reused"), format!("ada gave the same reason twice in the 30 days before, last on {last}"));
        // Somebody else may have the same trouble.
        let bob = world.engineer("bob").await;
        assert_eq!(codes(&submit(&bob).await), ["first_on_target"]);
        ada.withdraw(&third.id, third.version, &key()).await.unwrap();
        age(&world, 35).await;
        assert_eq!(codes(&submit(&ada).await), [""; 0], "a month later it counts no longer");
    }
}

on_both! {
    async fn the_third_request_of_a_week_is_counted(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        to_monday_noon(&world).await;
        renewed(&[&ada, world.admin()]).await;
        had(&world, &ada, "one thing", "1h").await;
        had(&world, &ada, "another thing", "1h").await;
        world.pass(TimeDelta::minutes(1));
        let third = file(&ada, "a third thing", "1h").await;
        assert_eq!(codes(&third), ["often_this_week"]);
        assert_eq!(third.signals[0].word, "3rd this week");
        assert_eq!(why(&third, "often_this_week"), "the 3rd request of ada for `bastion` within 7 days");
        ada.withdraw(&third.id, third.version, &key()).await.unwrap();
        age(&world, 7).await;
        assert_eq!(codes(&file(&ada, "next week", "1h").await), [""; 0]);
    }
}

on_both! {
    async fn a_page_tells_the_same_as_each_request_alone(world: World, clock by hand) {
        to_monday_noon(&world).await;
        renewed(&[world.admin()]).await;
        let mut filed = Vec::new();
        for name in ["ada", "bob", "cleo"] {
            let person = world.engineer(name).await;
            had(&world, &person, name, "30m").await;
            world.pass(TimeDelta::minutes(1));
            filed.push(file(&person, &format!("{name}!"), "3h").await);
        }
        let query = RequestsQuery { states: vec!["pending".to_owned()], ..RequestsQuery::default() };
        let page = world.admin().requests(&query).await.unwrap().items;
        assert_eq!(page.len(), 3);
        for (row, alone) in page.iter().rev().zip(&filed) {
            assert_eq!(row.id, alone.id);
            assert_eq!(codes(row), ["longer_than_usual", "reason_reused"]);
            assert_eq!((&row.signals, &row.history), (&alone.signals, &alone.history));
        }
    }
}

on_both! {
    /// A machine may ask all day; what is told of that costs no more for it.
    async fn counting_stops_at_a_hundred(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        to_monday_noon(&world).await;
        renewed(&[&ada, world.admin()]).await;
        for nth in 0..101 {
            let filed = submit(&ada).await;
            let often = filed.signals.iter().find(|signal| signal.code == "often_this_week");
            match nth {
                0 | 1 => assert_eq!(often, None),
                100 => {
                    assert_eq!(often.unwrap().word, "100+ this week");
                    assert_eq!(why(&filed, "often_this_week"), "ada asked for `bastion` at least 100 times within 7 days before this one");
                    assert!(why(&filed, "reason_reused").starts_with("ada gave the same reason at least 100 times in the 30 days before, last on "));
                }
                _ => assert!(often.unwrap().why.contains(" request of ada for "), "{often:?}"),
            }
            ada.withdraw(&filed.id, filed.version, &key()).await.unwrap();
        }
    }
}
