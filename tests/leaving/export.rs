//! The history as lines for other tools: complete, in order, resumable, harmless, and on record.

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use portcullis::client::{AuditQuery, ExportQuery};
use portcullis::wire::EventView;
use portcullis::wire::export::Format;
use serde_json::{Map, Value};

use crate::support::person::Person;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

/// An engineer who asks for something as often as that, and takes it back.
async fn history(world: &World, times: usize, reason: &str) {
    let ada = world.engineer("ada").await;
    for _ in 0..times {
        let mut new = ask();
        new.reason = reason.to_owned();
        let request = ada.submit(&new, &key()).await.unwrap();
        ada.withdraw(&request.id, 1, &key()).await.unwrap();
    }
    world.audit().await;
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of(events: &[EventView], codes: &[&str]) -> Vec<EventView> {
    events
        .iter()
        .filter(|event| codes.contains(&event.event.as_str()))
        .cloned()
        .collect()
}

on_both! {
    async fn an_export_has_every_event_once_in_order_and_is_on_record(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        history(&world, 4, "INC-4127 stuck orders").await;
        world.gate().publish().await.unwrap();
        let before = world.audit().await;
        let out = vera.does(&["audit", "export", "--format", "ndjson"]).await;
        let found = lines(&out);
        let indexes: Vec<i64> = found.iter().map(|line| line["index"].as_i64().unwrap()).collect();
        let size = i64::try_from(before.len()).unwrap();
        assert!(indexes.starts_with(&(0..size).collect::<Vec<_>>()), "{indexes:?}");
        // It is the wire's event, with the signed log that has it.
        let first: EventView = serde_json::from_value(found[0].clone()).unwrap();
        assert_eq!(first, before[0]);
        assert_eq!(found[0]["log"]["size"], size);
        let after = world.audit().await;
        let started = of(&after, &["audit.export_started"]);
        let done = of(&after, &["audit.exported"]);
        assert_eq!((started.len(), done.len()), (1, 1));
        let done = &done[0];
        assert_eq!((done.actor.name.as_str(), done.outcome.as_str()), ("vera", "success"));
        assert_eq!((&done.details["events"], &done.details["format"]), (&indexes.len().into(), &"ndjson".into()));
        assert_eq!((&done.details["from"], &done.details["to"]), (&0.into(), &(indexes.len() - 1).into()));
        assert_eq!(started[0].details["export"], done.details["export"]);
        // A part of it says which.
        let out = vera.does(&["audit", "export", "--format", "ndjson", "--event", "request.withdrawn", "--filter", "actor:ada"]).await;
        assert_eq!(lines(&out).len(), 4);
        let after = world.audit().await;
        let last = of(&after, &["audit.exported"]).pop().unwrap();
        assert_eq!(last.reason.as_deref(), Some("event=request.withdrawn actor:ada"));
        assert_eq!(last.details["events"], 4);
    }
}

on_both! {
    async fn columns_have_what_the_lines_have(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        history(&world, 4, "INC-4127 stuck, \"orders\"\n=1+1").await;
        world.gate().publish().await.unwrap();
        let before = world.audit().await;
        let path = vera.home().join("history.parquet");
        let path = path.to_str().unwrap();
        vera.does(&["audit", "export", "--format", "parquet", path]).await;
        let file = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let rows: Vec<Value> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value()).collect();
        assert!(rows.len() >= before.len());
        for (row, event) in rows.iter().zip(&before) {
            assert_eq!((&row["index"], &row["id"]), (&event.index.into(), &event.id.as_str().into()));
            assert_eq!((&row["event"], &row["actor"]), (&event.event.as_str().into(), &event.actor.name.as_str().into()));
            assert_eq!(row["reason"].as_str(), event.reason.as_deref());
            assert_eq!(row["target"].as_str(), event.target.as_deref());
            let details: Map<String, Value> = row["details"].as_str().map_or_else(Map::new, |text| serde_json::from_str(text).unwrap());
            assert_eq!(details, event.details);
            assert_eq!(row["time"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(), event.time);
        }
        // A full disk is said in one sentence, and no half of a file has its name.
        let full = vera.home().join("full.parquet");
        std::os::unix::fs::symlink("/dev/full", vera.home().join("full.parquet.part")).unwrap();
        let ran = vera.run(&["audit", "export", "--format", "parquet", full.to_str().unwrap()]).await;
        assert_eq!((ran.code, ran.err.matches("No space left on device").count()), (7, 1), "{ran:?}");
        assert!(!full.exists());
        // Columns are no lines.
        let ran = vera.run(&["audit", "export", "--format", "parquet"]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}

on_both! {
    async fn pieces_join_without_a_seam_and_end_where_the_first_said(world: World) {
        history(&world, 6, "INC-4127 stuck orders").await;
        let vera = world.person("vera", &["auditor"], &[]).await;
        let http = world.http(&vera);
        let size = world.audit().await.len();
        let (mut after, mut indexes, mut last) = (String::new(), Vec::new(), Value::Null);
        loop {
            let page = http.get(&format!("/v1/audit/export?format=ndjson&limit=3{after}")).await;
            assert_eq!(page.status, 200, "{}", page.text);
            let page: Value = serde_json::from_str(&page.text).unwrap();
            indexes.extend(lines(page["text"].as_str().unwrap()).iter().map(|line| line["index"].as_u64().unwrap()));
            last.clone_from(&page["export"]);
            // What happens meanwhile is not part of it.
            submit(&world.person(&format!("x{}", indexes.len()), &["requester"], &["engineers"]).await).await;
            world.audit().await;
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}&to={}&export={}", page["to"], page["export"].as_str().unwrap());
        }
        assert_eq!(indexes, (0..size as u64).collect::<Vec<_>>());
        let all = world.audit().await;
        let done = of(&all, &["audit.exported"]);
        assert_eq!(done.len(), 1);
        assert_eq!((&done[0].details["events"], &done[0].details["export"]), (&size.into(), &last));
    }
}

on_both! {
    async fn an_export_that_nobody_goes_on_with_is_recorded_as_broken_off(world: World, clock by hand) {
        history(&world, 3, "INC-4127 stuck orders").await;
        let vera = world.http(&world.person("vera", &["auditor"], &[]).await);
        assert_eq!(vera.get("/v1/audit/export?format=csv&limit=2").await.status, 200);
        world.pass(chrono::TimeDelta::minutes(6));
        world.gate().settle_reads(false).await.unwrap();
        let all = world.audit().await;
        let done = of(&all, &["audit.exported"]);
        assert_eq!((done[0].outcome.as_str(), &done[0].details["whole"]), ("error", &false.into()));
        assert_eq!(done[0].details["events"], 2);
        // Whoever makes up a name of an export begins one.
        let begun = of(&all, &["audit.export_started"]).len();
        assert_eq!(vera.get("/v1/audit/export?format=csv&limit=2&after=3&export=abc").await.status, 200);
        let all = world.audit().await;
        assert_eq!(of(&all, &["audit.export_started"]).len(), begun + 1);
    }
}

on_both! {
    async fn whoever_sees_a_part_exports_that_part(world: World) {
        history(&world, 2, "INC-4127 stuck orders").await;
        submit(&world.engineer("ben").await).await;
        world.audit().await;
        let cyd = world.engineer("cyd").await;
        let query = ExportQuery { format: Format::Ndjson, which: AuditQuery::default(), after: None, to: None, export: None };
        let page = cyd.export(&query).await.unwrap();
        for line in lines(&page.text) {
            let own = line["actor"]["name"] == "cyd" || line["principal"] == "cyd";
            assert!(own, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spreadsheet_gets_no_formula_and_a_terminal_no_sequence() {
    let world = World::start(Backend::Sqlite).await;
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    history(&world, 1, "=HYPERLINK(\"http://x\",\"y\"),").await;
    // Nobody can type the rest; somebody with the database can.
    world.execute("update audit set reason = reason || char(27) || ']0;x' || char(7) || char(8238) where code = 'request.submitted'").await;
    let csv = vera
        .does(&[
            "audit",
            "export",
            "--format",
            "csv",
            "--event",
            "request.submitted",
        ])
        .await;
    let (head, line) = csv.split_once("\r\n").unwrap();
    assert!(
        head.starts_with("index,time,event,outcome,actor,"),
        "{head}"
    );
    assert!(
        line.contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\"),\\u{1b}]0;x\\u{7}\\u{202e}\","),
        "{line}"
    );
    assert!(line.ends_with("\r\n"));
    for format in ["csv", "ndjson", "ocsf"] {
        let out = vera.does(&["audit", "export", "--format", format]).await;
        assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_its_name_when_it_is_complete_and_can_be_gone_on_with() {
    let world = World::start(Backend::Sqlite).await;
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    history(&world, 3, "INC-4127 stuck orders").await;
    let path = vera.home().join("out.csv");
    let name = path.to_str().unwrap();
    let said = vera
        .does(&["audit", "export", "--format", "csv", name])
        .await;
    let text = std::fs::read_to_string(&path).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(
        said.contains(&format!("{} events are in {name}", rows.len() - 1)),
        "{said}"
    );
    assert!(!vera.home().join("out.csv.part").exists());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The rest, without a line of names, so that the two can be put together.
    let rest = vera
        .does(&["audit", "export", "--format", "csv", "--after", "3"])
        .await;
    assert!(rest.starts_with("4,"), "{rest}");
    let begin = rows[..5].join("\n");
    assert!(
        text.replace("\r\n", "\n")
            .starts_with(&format!("{begin}\n{}", rest.lines().next().unwrap()))
    );
    // What is in the way is said, and what was there stays.
    let ran = vera
        .run(&["audit", "export", "--format", "csv", "/nowhere/out.csv"])
        .await;
    assert_eq!(ran.code, 7, "{ran:?}");
    for wrong in [
        &["audit", "export"][..],
        &["audit", "export", "folder", "--after", "3"],
    ] {
        let ran = vera.run(wrong).await;
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}
