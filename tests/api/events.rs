//! The live stream: no gap, no duplicate, and no longer than the token is good.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use portcullis::domain::event::{Actor, Event, EventCode};

use crate::support::sse::Stream;
use crate::support::world::{Backend, World, key, on_both, submit};

async fn write(world: &World, count: usize) {
    for nth in 0..count {
        let event = Event::new(EventCode::ConfigLoaded, Actor::System).detail("nth", nth);
        world.gate().record(event).await.unwrap();
    }
}

on_both! {
    async fn a_stream_starts_at_now_and_tells_what_happens(world: World) {
        let ada = world.engineer("ada").await;
        let last = i64::try_from(world.audit().await.len()).unwrap() - 1;
        // The feed of the node may still be on its way to the end of the log; after one more event it is there.
        world.until("the feed has caught up", async || {
            let (_, hello) = Stream::open(&world.http(world.admin()), None).await;
            (hello.data["index"] == last).then_some(())
        }).await;
        let (mut stream, hello) = Stream::open(&world.http(world.admin()), None).await;
        assert_eq!((&hello.data["epoch"], &hello.data["index"]), (&1.into(), &last.into()));
        let began = Instant::now();
        let request = submit(&ada).await;
        let event = stream.event().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!((event.id.as_deref(), event.index()), (Some(format!("1.{}", last + 1).as_str()), last + 1));
        assert_eq!((&event.data["event"], &event.data["request"]), (&"request.submitted".into(), &request.id.clone().into()));
        // The same as the history has.
        let log = world.audit().await;
        assert_eq!(event.data, serde_json::to_value(log.last().unwrap()).unwrap());
    }
}

on_both! {
    async fn a_stream_resumes_after_any_event_without_gap_or_duplicate(world: World) {
        let who = world.http(world.admin());
        write(&world, 40).await;
        let readers = async {
            let mut seen = Vec::new();
            for cursor in (-1..40).step_by(7) {
                let (mut stream, _) = Stream::open(&who, Some(&format!("1.{cursor}"))).await;
                let mut last = cursor;
                while last < 120 {
                    let event = stream.event().await.unwrap();
                    assert_eq!(event.index(), last + 1, "resumed after {cursor}");
                    last = event.index();
                    // Broken in the middle again and again, as on a train.
                    if last % 17 == 0 {
                        stream = Stream::open(&who, event.id.as_deref()).await.0;
                    }
                }
                seen.push(last);
            }
            seen
        };
        let writers = async { tokio::join!(write(&world, 60), write(&world, 60)) };
        let (seen, _) = tokio::join!(readers, writers);
        assert_eq!(seen, [120; 6]);
    }
}

on_both! {
    async fn whoever_is_far_behind_catches_up_from_the_database(world: World) {
        write(&world, 1_300).await;
        world.audit().await;
        let (mut stream, _) = Stream::open(&world.http(world.admin()), Some("1.-1")).await;
        for index in 0..1_300 {
            assert_eq!(stream.event().await.unwrap().index(), index);
        }
    }
}

on_both! {
    async fn a_cursor_of_another_history_starts_over_at_now(world: World) {
        let who = world.http(world.admin());
        write(&world, 3).await;
        world.audit().await;
        for foreign in ["2.0", "1.99999", "0.1"] {
            let (mut stream, hello) = Stream::open(&who, Some(foreign)).await;
            let index = hello.data["index"].as_i64().unwrap();
            write(&world, 1).await;
            assert_eq!(stream.event().await.unwrap().index(), index + 1, "{foreign}");
        }
        for nonsense in ["", "1", "x.y", "1.2.3", "1.9999999999999999999"] {
            let call = who.call(reqwest::Method::GET, "/v1/events").header("last-event-id", nonsense);
            assert_eq!(call.send().await.problem(), (400, "malformed".to_owned()), "{nonsense}");
        }
    }
}

on_both! {
    async fn engineers_follow_only_what_is_about_them(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let (mut stream, _) = Stream::open(&world.http(&ada), Some("1.-1")).await;
        submit(&ben).await;
        let request = submit(&ada).await;
        let mut seen = Vec::new();
        loop {
            let event = stream.event().await.unwrap();
            assert!(event.data["actor"]["name"] == "ada" || event.data["principal"] == "ada", "{event:?}");
            seen.push(event.data["event"].as_str().unwrap().to_owned());
            if event.data["request"] == request.id {
                break;
            }
        }
        assert_eq!(seen, ["principal.invited", "auth.signed_in", "request.submitted"]);
    }
}

on_both! {
    async fn a_silent_stream_beats_and_ends_with_its_token(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        let (mut stream, hello) = Stream::open(&world.http(&ada), None).await;
        let began = Instant::now();
        let mut beat = stream.next().await.unwrap();
        let mut last = Some(format!("1.{}", hello.data["index"]));
        while beat.event == "audit" {
            last = beat.id;
            beat = stream.next().await.unwrap();
        }
        assert_eq!((beat.event.as_str(), &beat.id, &beat.data["now"]), ("heartbeat", &last, &hello.data["now"]));
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        world.pass(TimeDelta::minutes(10));
        let began = Instant::now();
        stream.ended().await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let again = world.http(&ada).get("/v1/events").await;
        assert_eq!(again.problem(), (401, "token-expired".to_owned()));
    }
}

on_both! {
    async fn one_person_follows_four_streams_and_not_more(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let who = world.http(&ada);
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(Stream::open(&who, None).await.0);
        }
        assert_eq!(who.get("/v1/events").await.problem(), (429, "too-many-streams".to_owned()));
        Stream::open(&world.http(&ben), None).await;
        streams.pop();
        // The server notices a closed connection by itself; the place is free soon after.
        let free = async {
            while who.call(reqwest::Method::GET, "/v1/events").open().await.status() != 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.expect("the place is free again");
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let mut world = World::start(Backend::Sqlite).await;
    let who = world.http(world.admin());
    let (mut stream, _) = Stream::open(&who, None).await;
    let began = Instant::now();
    let ((), ()) = tokio::join!(stream.ended(), world.stop());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

on_both! {
    async fn a_revoked_reader_is_cut_off_in_the_middle_of_a_long_history(world: World) {
        let rob = world.reviewer("rob").await;
        let sign_in = rob.me().await.unwrap().sign_in;
        let (mut stream, _) = Stream::open(&world.http(&rob), Some("1.-1")).await;
        world.admin().revoke_sign_in(&sign_in, &key()).await.unwrap();
        // There is always something to read, so the stream never waits.
        let busy = async { loop { write(&world, 20).await } };
        tokio::select! {
            () = busy => {}
            () = stream.ended() => {}
            () = tokio::time::sleep(Duration::from_secs(6)) => panic!("still following after six seconds"),
        }
    }
}
