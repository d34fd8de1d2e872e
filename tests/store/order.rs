//! The order of the log: what happened to one row is numbered as it happened, whoever asked for the time first.

use portcullis::domain::change::{Record, Step};
use portcullis::domain::event::{Actor, Event, EventCode};
use portcullis::store::audit::Origin;

use crate::support::world::{Backend, World, on_both};

fn origin() -> Origin {
    Origin {
        trace: "t".to_owned(),
        channel: "system".to_owned(),
        address: None,
    }
}

fn told(nth: usize) -> Vec<Step> {
    let event = Event::new(EventCode::ConfigLoaded, Actor::System).detail("nth", nth);
    vec![Step::new(Record::Nothing, event)]
}

on_both! {
    async fn events_of_one_row_are_in_the_order_in_which_they_happened(world: World) {
        let gate = world.gate();
        let store = gate.store();
        for nth in 0..20 {
            // The first asks for the time, and then waits for a row that the second holds until it has committed.
            let earlier = store.now(&mut store.read().await.unwrap()).await.unwrap() - chrono::TimeDelta::milliseconds(5);
            let mut second = store.write().await.unwrap();
            let now = store.now(&mut second).await.unwrap();
            second.apply(&told(2 * nth), &origin(), now).await.unwrap();
            store.commit(second).await.unwrap();
            let mut first = store.write().await.unwrap();
            let now = store.now(&mut first).await.unwrap();
            let moment = if matches!(world.location, portcullis::store::Location::Postgres(_)) { earlier } else { now };
            first.apply(&told(2 * nth + 1), &origin(), moment).await.unwrap();
            store.commit(first).await.unwrap();
        }
        store.sequence().await.unwrap();
        let order: Vec<u64> = world.audit().await.iter().filter_map(|event| event.details.get("nth")?.as_u64()).collect();
        assert_eq!(order, (0..40).collect::<Vec<u64>>());
    }
}
