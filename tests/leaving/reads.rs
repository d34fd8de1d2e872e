//! Reading the history is on record, and the record of reading is no reason to read.

use portcullis::client::{AuditQuery, HistogramQuery};
use portcullis::wire::EventView;

use crate::support::world::{Backend, World, on_both, submit};

async fn reads(world: &World) -> Vec<EventView> {
    let mut all = world.audit().await;
    all.retain(|event| event.event == "audit.read");
    all
}

fn asking(text: &str) -> AuditQuery {
    AuditQuery {
        q: Some(text.to_owned()),
        ..AuditQuery::default()
    }
}

on_both! {
    async fn what_somebody_reads_is_one_event_a_minute(world: World, clock by hand) {
        let vera = world.person("vera", &["auditor"], &[]).await;
        submit(&world.engineer("ada").await).await;
        world.audit().await;
        let shown = vera.audit(&asking("target:bastion")).await.unwrap().items.len();
        let first = reads(&world).await;
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].actor.name.as_str(), first[0].reason.as_deref()), ("vera", Some("target:bastion")));
        assert_eq!((&first[0].details["events"], &first[0].details["reads"]), (&shown.into(), &1.into()));
        // Whatever comes within the minute is counted, and said at its end.
        for name in ["ada", "ben", "cyd"] {
            vera.audit(&asking(&format!("actor:{name}"))).await.unwrap();
        }
        assert_eq!(reads(&world).await.len(), 1);
        world.gate().settle_reads(false).await.unwrap();
        assert_eq!(reads(&world).await.len(), 1);
        world.pass(chrono::TimeDelta::seconds(61));
        world.gate().settle_reads(false).await.unwrap();
        let both = reads(&world).await;
        assert_eq!(both.len(), 2);
        assert_eq!(both[1].details["reads"], 3);
        assert_eq!(both[1].reason.as_deref(), Some("actor:ada; actor:ben; actor:cyd"));
        world.gate().settle_reads(false).await.unwrap();
        assert_eq!(reads(&world).await.len(), 2);
    }
}

on_both! {
    async fn looking_again_and_finding_nothing_but_that_somebody_looked_is_not_recorded(world: World, clock by hand) {
        let vera = world.person("vera", &["auditor"], &[]).await;
        let mona = world.person("mona", &["auditor"], &[]).await;
        for _ in 0..5 {
            for who in [&vera, &mona] {
                world.audit().await;
                who.audit(&AuditQuery::default()).await.unwrap();
            }
            world.pass(chrono::TimeDelta::seconds(90));
            world.gate().settle_reads(false).await.unwrap();
        }
        assert_eq!(reads(&world).await.len(), 2, "one for each of them, and no echo");
        // Something happens, and whoever looks then has read it.
        submit(&world.engineer("ada").await).await;
        world.audit().await;
        vera.audit(&AuditQuery::default()).await.unwrap();
        assert_eq!(reads(&world).await.len(), 3);
    }
}

on_both! {
    async fn counts_are_recorded_once_for_whoever_watches_them(world: World, clock by hand) {
        let vera = world.person("vera", &["auditor"], &[]).await;
        let counts = HistogramQuery { q: Some("actor:ada".to_owned()), ..HistogramQuery::default() };
        for turn in 0..5 {
            submit(&world.engineer(&format!("ada-{turn}")).await).await;
            vera.histogram(&counts).await.unwrap();
            vera.facets("audit", "target", "", "actor:ada").await.unwrap();
            world.pass(chrono::TimeDelta::seconds(90));
            world.gate().settle_reads(false).await.unwrap();
        }
        let first = reads(&world).await;
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].actor.name.as_str(), first[0].reason.as_deref()), ("vera", Some("counts of actor:ada")));
        assert_eq!(first[0].details["events"], 0);
        // Counts of something else are another read; those of lists that are no history are none.
        vera.facets("audit", "actor", "", "").await.unwrap();
        vera.facets("requests", "target", "", "state:pending").await.unwrap();
        world.pass(chrono::TimeDelta::seconds(90));
        world.gate().settle_reads(false).await.unwrap();
        let both = reads(&world).await;
        assert_eq!(both.len(), 2);
        assert_eq!(both[1].reason.as_deref(), Some("counts of everything"));
        // Whoever sees their own only is not recorded.
        world.engineer("ben").await.histogram(&counts).await.unwrap();
        world.gate().settle_reads(true).await.unwrap();
        assert_eq!(reads(&world).await.len(), 2);
    }
}

on_both! {
    async fn whoever_sees_their_own_history_only_is_not_recorded(world: World) {
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        world.audit().await;
        assert!(!ada.audit(&AuditQuery::default()).await.unwrap().items.is_empty());
        assert!(reads(&world).await.is_empty());
    }
}

on_both! {
    async fn a_node_that_stops_says_what_was_read_last(world: World) {
        let mut world = world;
        let vera = world.person("vera", &["auditor"], &[]).await;
        for text in ["actor:ada", "actor:ben"] {
            vera.audit(&asking(text)).await.unwrap();
        }
        world.restart().await;
        let reads = reads(&world).await;
        assert_eq!(reads.len(), 2);
        assert_eq!(reads[1].reason.as_deref(), Some("actor:ben"));
    }
}

on_both! {
    async fn the_log_itself_is_read_on_record(world: World) {
        let vera = world.person("vera", &["auditor"], &[]).await;
        world.audit().await;
        let http = world.http(&vera);
        let size = world.gate().store().sequence().await.unwrap();
        assert!(size < 256);
        assert_eq!(http.get(&format!("/v1/audit/log/tile/entries/000.p/{size}")).await.status, 200);
        let reads = reads(&world).await;
        assert_eq!((reads.len(), &reads[0].details["events"]), (1, &size.into()));
        assert_eq!(reads[0].reason.as_deref(), Some("the log itself"));
    }
}
