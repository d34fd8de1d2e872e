//! c2sp.org/tlog-witness, request for request.

use std::os::unix::fs::PermissionsExt as _;

use portcullis::server::witness::Witness;
use portcullis::tlog::{
    Checkpoint, Frontier, Hash, Note, SigningKey, Submission, Tiles, VerifyingKey, WitnessKey,
    consistency, leaf_hash,
};
use reqwest::StatusCode;

use super::Running;
use crate::support::person::Person;

const ORIGIN: &str = "portcullis/audit/0123456789abcdef/1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

/// A log in memory; `salt` makes another one of it.
struct Log {
    leaves: Vec<Hash>,
}

impl Log {
    fn of(size: u64, salt: &str) -> Self {
        let leaf = |index| leaf_hash(format!("entry {index}{salt}").as_bytes());
        Self {
            leaves: (0..size).map(leaf).collect(),
        }
    }

    fn at(&self, size: u64) -> Checkpoint {
        let mut tree = Frontier::default();
        for leaf in self.leaves.iter().take(usize::try_from(size).unwrap()) {
            tree.push(*leaf, |_, _| {});
        }
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree.root(),
        }
    }

    fn note(&self, size: u64, keys: &[SigningKey]) -> Note {
        let note = Note::new(self.at(size).to_string()).unwrap();
        keys.iter().fold(note, Note::signed)
    }

    /// The log of fewer than 257 entries fits one tile.
    fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        let rows = consistency(old, size).unwrap();
        let mut tiles = Tiles::default();
        for at in Tiles::needed(&rows, size).unwrap() {
            tiles.insert(at, self.leaves[..usize::from(at.width)].to_vec());
        }
        tiles.prove(&rows).unwrap()
    }

    fn submission(&self, old: u64, size: u64) -> String {
        let (proof, note) = (self.proof(old, size), self.note(size, &[key(7)]));
        Submission { old, proof, note }.to_string()
    }
}

fn known(seed: u8) -> VerifyingKey {
    key(seed).verifying().clone()
}

async fn post(running: &Running, body: String) -> (StatusCode, Option<String>, String) {
    let call = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = call.post(format!("{}/add-checkpoint", running.url()));
    let answer = call.body(body).send().await.unwrap();
    let kind = answer.headers().get("content-type");
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    (answer.status(), kind, answer.text().await.unwrap())
}

async fn status(running: &Running, body: String) -> u16 {
    post(running, body).await.0.as_u16()
}

#[tokio::test]
async fn a_log_that_grows_is_signed_each_time_and_anybody_can_check_it() {
    crate::support::world::ring();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let running = Running::start(&state, &[known(7)]).await;
    let log = Log::of(200, "");
    for (old, size) in [(0, 3), (3, 3), (3, 8), (8, 100), (100, 200)] {
        let (status, _, line) = post(&running, log.submission(old, size)).await;
        assert_eq!(status, StatusCode::OK, "{line}");
        let note = log.note(size, &[key(7)]);
        let (note, at) = running.witness.key().add(&note, &line).unwrap();
        assert_eq!(running.witness.key().seen_at(&note), Ok(at));
        assert!(note.verify(&known(7)).is_ok());
        assert_eq!(line.lines().count(), 1);
        assert!(line.starts_with("— witness.example.org/w "), "{line}");
    }
    // Anybody may see what it saw.
    let hash = portcullis::secret::hash_of(ORIGIN);
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let hash = hash.iter().fold(String::new(), digits);
    let url = format!("{}/{hash}/checkpoint", running.url());
    let shown = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let shown = Note::read(&shown).unwrap();
    assert!(shown.verify(&known(7)).is_ok() && running.witness.key().seen_at(&shown).is_ok());
    let none = url.replace(&hash, &"0".repeat(64));
    assert_eq!(reqwest::get(&none).await.unwrap().status(), 404);
    // The key is for nobody else.
    let mode = std::fs::metadata(state.join("key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_not_as_it_should_be_is_refused_as_the_specification_says() {
    crate::support::world::ring();
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("state"), &[known(7)]).await;
    let (log, other) = (Log::of(100, ""), Log::of(100, "!"));
    assert_eq!(status(&running, log.submission(0, 40)).await, 200);
    // The size is stale: it says which one it saw.
    let conflict = post(&running, log.submission(0, 60)).await;
    assert_eq!(conflict.0, StatusCode::CONFLICT);
    assert_eq!(conflict.1.as_deref(), Some("text/x.tlog.size"));
    assert_eq!(conflict.2, "40\n");
    // A log that was cut, one that was rewritten, and one that was signed twice.
    assert_eq!(status(&running, log.submission(20, 30)).await, 409);
    assert_eq!(status(&running, other.submission(40, 60)).await, 422);
    assert_eq!(status(&running, other.submission(40, 40)).await, 422);
    let forked: Vec<_> = std::fs::read_dir(folder.path().join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "forked"))
        .collect();
    let forked = std::fs::read_to_string(&forked[0]).unwrap();
    let both = [log.at(40).root, other.at(40).root].map(|root| root.to_string());
    assert!(both.iter().all(|root| forked.contains(root)), "{forked}");
    // Proofs that prove nothing.
    let with = |old, proof: Vec<Hash>| {
        let note = log.note(60, &[key(7)]);
        Submission { old, proof, note }.to_string()
    };
    assert_eq!(status(&running, with(40, Vec::new())).await, 422);
    let mut more = log.proof(40, 60);
    more.push(Hash::of_nothing());
    assert_eq!(status(&running, with(40, more)).await, 422);
    // Another log, another key, a signature that does not fit, and none at all.
    let good = log.submission(40, 60);
    assert_eq!(status(&running, good.replace("/1\n", "/2\n")).await, 404);
    let signed = |keys: &[SigningKey]| {
        let (proof, note) = (log.proof(40, 60), log.note(60, keys));
        Submission {
            old: 40,
            proof,
            note,
        }
        .to_string()
    };
    assert_eq!(status(&running, signed(&[key(8)])).await, 403);
    let moved = other.note(60, &[key(7)]).to_string();
    let moved = moved.split_once("\n\n").unwrap().1;
    let (head, _) = good.rsplit_once("\n\n").unwrap();
    assert_eq!(status(&running, format!("{head}\n\n{moved}")).await, 403);
    // What cannot be read.
    for wrong in [
        String::new(),
        "old 40".to_owned(),
        good.replace("old 40\n", "old 040\n"),
        good.replace("old 40\n", "old -1\n"),
        good.replace("old 40\n", "size 40\n"),
        good.replace("old 40\n", "old 40\nnot a hash\n"),
        good.replace(
            "old 40\n",
            &format!("old 40\n{}", format!("{}\n", Hash::of_nothing()).repeat(64)),
        ),
        good.replace("old 40\n", "old 61\n"),
        good.trim_end().to_owned(),
        signed(&[]),
    ] {
        assert_eq!(status(&running, wrong.clone()).await, 400, "{wrong:?}");
    }
    // Of several signatures one that is known is enough, and only that one is shown to others.
    assert_eq!(status(&running, signed(&[key(8), key(7)])).await, 200);
    assert_eq!(running.witness.seen(ORIGIN), Some(log.at(60)));
    let large = "x".repeat(100_000);
    assert_eq!(status(&running, large).await, 413);
}

#[tokio::test]
async fn an_empty_log_is_signed_and_has_the_root_of_nothing() {
    crate::support::world::ring();
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("state"), &[known(7)]).await;
    let log = Log::of(5, "");
    let wrong = Checkpoint {
        root: log.at(5).root,
        ..log.at(0)
    };
    let note = Note::new(wrong.to_string()).unwrap().signed(&key(7));
    let (old, proof) = (0, Vec::new());
    let wrong = Submission { old, proof, note }.to_string();
    assert_eq!(status(&running, wrong).await, 422);
    assert_eq!(status(&running, log.submission(0, 0)).await, 200);
    assert_eq!(status(&running, log.submission(0, 5)).await, 200);
}

#[tokio::test]
async fn a_witness_that_was_stopped_remembers_and_a_key_that_follows_is_taken_when_it_is_given() {
    crate::support::world::ring();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let log = Log::of(100, "");
    let running = Running::start(&state, &[known(7)]).await;
    let first = running.witness.key().clone();
    assert_eq!(status(&running, log.submission(0, 40)).await, 200);
    // Nobody else signs from the same folder meanwhile.
    let second = Witness::open(&state, None, vec![known(7)]);
    assert!(format!("{:#}", second.err().unwrap()).contains("another witness already uses"));
    let address = running.stop().await;
    let other = Witness::open(&state, Some("other"), vec![known(7)]);
    assert!(format!("{:#}", other.err().unwrap()).contains("and not `other`"));
    let running = Running::again(&state, address, &[known(7)]).await;
    assert_eq!(running.witness.key(), &first);
    assert_eq!(status(&running, log.submission(0, 60)).await, 409);
    // The log goes on under another key, which somebody has to give to the witness first.
    let (old, proof, note) = (40, log.proof(40, 60), log.note(60, &[key(8)]));
    let turned = Submission { old, proof, note }.to_string();
    assert_eq!(status(&running, turned.clone()).await, 403);
    let address = running.stop().await;
    let running = Running::again(&state, address, &[known(7), known(8)]).await;
    assert_eq!(status(&running, turned).await, 200);
    running.stop().await;
    // A file that somebody was at is not taken for nothing.
    let logs = std::fs::read_dir(state.join("logs")).unwrap();
    for entry in logs {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\n60\n", "\n50\n")).unwrap();
    }
    let broken = Witness::open(&state, None, vec![known(7)]);
    assert!(format!("{:#}", broken.err().unwrap()).contains("is not what this witness wrote"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_forks_that_arrive_at_once_a_witness_signs_one() {
    crate::support::world::ring();
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(&folder.path().join("state"), &[known(7)]).await;
        let (one, other) = (Log::of(40, ""), Log::of(40, "!"));
        let (one, other) = tokio::join!(
            status(&running, one.submission(0, 40)),
            status(&running, other.submission(0, 40))
        );
        let mut both = [one, other];
        both.sort_unstable();
        assert_eq!(both, [200, 409]);
    }
}

#[test]
fn a_submission_is_read_as_it_was_written() {
    let log = Log::of(100, "");
    let text = log.submission(40, 60);
    let read: Submission = text.parse().unwrap();
    assert_eq!((read.old, read.proof.len()), (40, log.proof(40, 60).len()));
    assert_eq!(read.to_string(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_says_its_key_and_signs_until_it_is_told_to_stop() {
    crate::support::world::ring();
    let person = Person::at("http://127.0.0.1:9");
    let log = known(7).to_string();
    let state = person.home().join("witness");
    let state = state.to_str().unwrap();
    let asked = ["audit", "witness", "--state", state, "--log", &log];
    let nameless = person.run(&asked).await;
    assert!(nameless.err.contains("needs a name"), "{nameless:?}");
    let open: Vec<&str> = asked.into_iter().chain(["--listen", "0.0.0.0:0"]).collect();
    let open = person.run(&open).await;
    assert_eq!(
        (open.code, open.err.contains("loopback only")),
        (2, true),
        "{open:?}"
    );
    let mut kept = None;
    for size in [40, 60] {
        let more = ["--name", "witness.example.org/w", "--listen", "127.0.0.1:0"];
        let all: Vec<&str> = asked.into_iter().chain(more).collect();
        let mut program = person.start(&all);
        let line = program.says("the witness listens on ").await;
        let url = line.rsplit(' ').next().unwrap().to_owned();
        let line = program.says("its key is ").await;
        let said: WitnessKey = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(kept.get_or_insert(said.clone()), &said);
        let old = if size == 40 { 0 } else { 40 };
        program.says(&format!("it saw {old} events")).await;
        let call = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = call.post(format!("{url}/add-checkpoint"));
        let answer = call
            .body(Log::of(100, "").submission(old, size))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let note = Log::of(100, "").note(size, &[key(7)]);
        said.add(&note, &answer.text().await.unwrap()).unwrap();
        let process = rustix::process::Pid::from_raw(program.process()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert_eq!(program.ends().await.code, 0);
    }
}
