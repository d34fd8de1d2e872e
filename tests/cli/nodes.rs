//! Several addresses of one installation: who is asked, who is not, and with which key.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::client::{
    Channel, Client, ClientError, Followed, IdempotencyKey, Listener, Note, Servers, Session,
    StateDir, follow,
};
use portcullis::config::DeviceKeyPlace;
use portcullis::wire::Denial;

use crate::support::fake::{Does, Fake, Ready, header, tokens};
use crate::support::installation::Installation;
use crate::support::node::Node;
use crate::support::random::Random;
use crate::support::world::{CATALOGUE, POLICY};

/// What a client said besides its answers.
#[derive(Debug, Default)]
struct Said(Mutex<Vec<Note>>);

impl Listener for Said {
    fn tell(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }
}

/// Somebody's machine.
struct Machine {
    home: tempfile::TempDir,
    said: Arc<Said>,
}

impl Machine {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            said: Arc::default(),
        }
    }

    /// A program that is started there, with the sign-in of the one before.
    async fn program(&self, nodes: &[&Fake]) -> Client {
        let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
        let servers: Servers = urls.join(",").parse().unwrap();
        let state = StateDir::at(self.home.path().join("state"));
        let session = Session::open_with(&servers, &state, DeviceKeyPlace::File).unwrap();
        if session.tokens().is_err() {
            session.store(&tokens()).await.unwrap();
        }
        let said = Arc::clone(&self.said);
        Client::new(session, Channel::Cli)
            .unwrap()
            .with_listener(said)
    }

    /// Files that hold keys.
    fn kept(&self) -> Vec<std::path::PathBuf> {
        let folder = self.home.path().join("state/unheard");
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn said(&self) -> Vec<Note> {
        std::mem::take(&mut self.said.0.lock().unwrap())
    }
}

fn denial() -> Denial {
    Denial {
        comment: "not today".to_owned(),
    }
}

async fn end(client: &Client) -> Result<(), ClientError> {
    let key = IdempotencyKey::new().unwrap();
    client.revoke_sign_in("S-0000000009", &key).await
}

fn keys(node: &Fake) -> Vec<String> {
    let calls = node.calls();
    let keys = calls.iter().map(|call| header(call, "idempotency-key"));
    keys.map(Option::unwrap).collect()
}

#[tokio::test]
async fn the_node_that_answered_last_is_asked_until_it_fails_also_by_the_next_program() {
    let machine = Machine::new();
    let one = Fake::start(Ready::Silent, &[Does::HangsUp]).await;
    let two = Fake::start(Ready::Yes, &[Does::me()]).await;
    let client = machine.program(&[&one, &two]).await;
    client.me().await.unwrap();
    assert_eq!((one.calls().len(), two.calls().len()), (1, 1));
    one.becomes(Ready::Yes, &[Does::me()]);
    client.me().await.unwrap();
    machine.program(&[&one, &two]).await.me().await.unwrap();
    assert_eq!((one.calls().len(), two.calls().len()), (1, 3));
    two.becomes(Ready::Silent, &[Does::HangsUp]);
    client.me().await.unwrap();
    assert_eq!((one.calls().len(), two.calls().len()), (2, 4));
}

#[tokio::test]
async fn a_node_that_is_ready_is_better_than_one_that_only_reads_and_that_than_none() {
    let machine = Machine::new();
    let gone = Fake::start(Ready::Silent, &[Does::HangsUp]).await;
    let refuses = Fake::start(Ready::No, &[Does::me()]).await;
    let copy = Fake::start(Ready::Degraded, &[Does::me()]).await;
    let ready = Fake::start(Ready::Yes, &[Does::me()]).await;
    let client = machine.program(&[&gone, &refuses, &copy, &ready]).await;
    client.me().await.unwrap();
    assert_eq!(ready.calls().len(), 1);
    ready.becomes(Ready::Silent, &[Does::HangsUp]);
    client.me().await.unwrap();
    assert_eq!(copy.calls().len(), 1);
    copy.becomes(Ready::Silent, &[Does::HangsUp]);
    client.me().await.unwrap();
    assert_eq!(refuses.calls().len(), 1);
}

#[tokio::test]
async fn a_node_that_hangs_is_left_before_its_time_is_over() {
    let machine = Machine::new();
    let hangs = Fake::start(Ready::Silent, &[Does::Nothing]).await;
    let ready = Fake::start(Ready::Yes, &[Does::ok()]).await;
    let client = machine.program(&[&hangs, &ready]).await;
    end(&client).await.unwrap();
    assert_eq!(keys(&hangs), keys(&ready));
}

#[tokio::test]
async fn a_refusal_counts_from_whichever_node_it_comes() {
    let machine = Machine::new();
    for (status, code) in [
        (403, "forbidden"),
        (404, "not-found"),
        (409, "conflict"),
        (429, "too-many-calls"),
        (502, "target-failed"),
    ] {
        let one = Fake::start(Ready::Yes, &[Does::problem(status, code)]).await;
        let two = Fake::start(Ready::Yes, &[Does::ok()]).await;
        let client = machine.program(&[&one, &two]).await;
        let error = end(&client).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!((one.calls().len(), two.calls().len()), (1, 0), "{code}");
    }
    assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn what_a_node_cannot_do_now_another_one_does_with_the_same_key_and_a_proof_for_its_address()
{
    for fate in [
        Does::problem(503, "no-writable-store"),
        Does::problem(503, "busy"),
        Does::problem(503, "outcome-unknown"),
        Does::Answers(502, "<html>".to_owned(), ""),
        Does::Answers(504, String::new(), ""),
        Does::HangsUp,
    ] {
        let machine = Machine::new();
        let one = Fake::start(Ready::Degraded, std::slice::from_ref(&fate)).await;
        let two = Fake::start(Ready::Yes, &[Does::ok()]).await;
        let client = machine.program(&[&one, &two]).await;
        end(&client).await.unwrap();
        assert_eq!(keys(&one), keys(&two), "{fate:?}");
        for node in [&one, &two] {
            let proof = header(&node.calls()[0], "dpop").unwrap();
            let proof = portcullis::secret::Proof::read(&proof).unwrap();
            assert_eq!(
                proof.address,
                format!("{}/v1/sign-ins/S-0000000009", node.url)
            );
        }
        assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn one_server_is_asked_again_what_became_of_a_change_and_of_nothing_else() {
    let machine = Machine::new();
    let unknown = Does::problem(503, "outcome-unknown");
    let server = Fake::start(Ready::Yes, &[unknown.clone(), unknown, Does::ok()]).await;
    let client = machine.program(&[&server]).await;
    end(&client).await.unwrap();
    let keys = keys(&server);
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
    let busy = Fake::start(Ready::Yes, &[Does::problem(503, "busy")]).await;
    let error = end(&machine.program(&[&busy]).await).await.unwrap_err();
    assert_eq!(error.code(), Some("busy"));
    assert_eq!(busy.calls().len(), 1);
}

#[tokio::test]
async fn a_change_without_a_key_is_never_taken_to_another_node() {
    let machine = Machine::new();
    let one = Fake::start(Ready::Silent, &[Does::HangsUp]).await;
    let two = Fake::start(Ready::Yes, &[Does::ok()]).await;
    let client = machine.program(&[&one, &two]).await;
    let error = client.sign_in("code", None, None).await.unwrap_err();
    assert_eq!(error, ClientError::OutcomeUnknown);
    assert_eq!((one.calls().len(), two.calls().len()), (1, 0));
}

#[tokio::test]
async fn who_asks_again_after_an_answer_that_never_came_asks_with_the_same_key() {
    let machine = Machine::new();
    let server = Fake::start(Ready::Yes, &[Does::HangsUp]).await;
    let deny = async |nodes: &[&Fake], version| {
        let client = machine.program(nodes).await;
        let key = IdempotencyKey::new().unwrap();
        client.deny("R-0000000000", version, &denial(), &key).await
    };
    let error = deny(&[&server], 7).await.unwrap_err();
    assert_eq!(error, ClientError::OutcomeUnknown);
    assert_eq!(machine.said(), [Note::StillUnheard]);
    let kept = machine.kept();
    assert_eq!(kept.len(), 1);
    let mode = std::fs::metadata(&kept[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = keys(&server)[0].clone();
    // A refusal of the caller does not say what became of the first try; a conflict of another version is another call.
    for (fate, version, same, left) in [
        (Does::problem(403, "forbidden"), 7, true, 1),
        (Does::problem(412, "conflict"), 8, false, 1),
        (Does::problem(404, "not-found"), 7, true, 0),
        (Does::problem(404, "not-found"), 7, false, 0),
    ] {
        server.becomes(Ready::Yes, &[fate]);
        deny(&[&server], version).await.unwrap_err();
        let last = keys(&server).pop().unwrap();
        assert_eq!(last == first, same, "{version}");
        assert_eq!(machine.said().contains(&Note::AskedAgain), same);
        assert_eq!(machine.kept().len(), left);
    }
}

#[tokio::test]
async fn a_sign_in_that_lives_in_memory_leaves_nothing_behind() {
    let server = Fake::start(Ready::Yes, &[Does::HangsUp]).await;
    let session = Session::in_memory(&server.url.parse().unwrap());
    session.store(&tokens()).await.unwrap();
    let client = Client::new(session, Channel::Cli).unwrap();
    assert_eq!(end(&client).await.unwrap_err(), ClientError::OutcomeUnknown);
    assert_eq!(end(&client).await.unwrap_err(), ClientError::OutcomeUnknown);
    let keys = keys(&server);
    assert_ne!(keys[0], keys[5]);
}

#[tokio::test]
async fn what_is_old_is_called_so() {
    let machine = Machine::new();
    let Does::Answers(status, body, _) = Does::me() else {
        unreachable!()
    };
    let old = Does::Answers(
        status,
        body,
        "portcullis-stale: 12\r\nportcullis-node: pc-2\r\n",
    );
    let server = Fake::start(Ready::Degraded, &[old]).await;
    let client = machine.program(&[&server]).await;
    client.me().await.unwrap();
    assert_eq!(machine.said(), [Note::Stale(12)]);
    assert_eq!(client.standing().node.as_deref(), Some("pc-2"));
    assert_eq!(client.standing().stale, Some(12));
}

#[tokio::test]
async fn a_stream_goes_on_after_its_cursor_on_the_node_that_others_have_turned_to() {
    let hello = |node: &str| {
        let data = format!(
            r#"{{"now":"2026-01-01T00:00:00Z","epoch":1,"index":41,"node":"{node}","durability":"available"}}"#
        );
        Does::Streams(format!("event: hello\ndata: {data}\n\n"))
    };
    let machine = Machine::new();
    let one = Fake::start(Ready::Yes, &[hello("pc-1")]).await;
    let two = Fake::start(Ready::Yes, &[Does::me(), hello("pc-2")]).await;
    let client = machine.program(&[&one, &two]).await;
    let mut stream = follow(client.clone(), None);
    let mut told = async || {
        let (Some(Followed::Standing(standing)), Some(Followed::Hello { index, .. })) =
            (stream.next().await, stream.next().await)
        else {
            panic!("a node says who it is before anything else");
        };
        assert!(standing.may_lose);
        (standing.node.unwrap(), index)
    };
    assert_eq!(told().await, ("pc-1".to_owned(), 41));
    one.becomes(Ready::Silent, &[Does::HangsUp]);
    client.me().await.unwrap();
    assert_eq!(told().await, ("pc-2".to_owned(), 41));
    let calls = two.calls();
    let followed = calls.iter().find(|call| call.starts_with("GET /v1/events"));
    assert_eq!(
        header(followed.unwrap(), "last-event-id").as_deref(),
        Some("1.41")
    );
}

/// Whether an invitation was made, by this command or by the one before with the same key: its code is told only once.
fn is_made(output: &Output) -> bool {
    let complaint = String::from_utf8_lossy(&output.stderr);
    output.status.success() || complaint.contains("idempotency-key-reused")
}

/// How often somebody was invited, as the record says.
fn invited(installation: &Installation, name: &str) -> usize {
    let arguments = ["audit", "--event", "principal.invited", "--limit", "500"];
    let told = installation.said("root", &arguments);
    let named = |line: &&str| line.split_whitespace().any(|word| word == name);
    told.lines().filter(named).count()
}

/// How many keys wait for an answer.
fn kept(installation: &Installation) -> usize {
    let unheard = installation.nodes[0].home("root").join("unheard");
    std::fs::read_dir(unheard).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_done_once_whatever_becomes_of_who_asks_for_it() {
    let mut installation = Installation::start().await;
    let mut random = Random::new(6);
    for round in 0..12 {
        let name = format!("w{round}");
        let invite = ["token", "invite", &name, "--role", "requester", "--json"];
        let mut child = installation
            .command("root", &invite)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The moment of the kill is what is tested; nothing waits for it.
        std::thread::sleep(Duration::from_millis(random.below(250) as u64));
        let made = if round % 3 == 0 {
            let killed = &mut installation.nodes[random.below(2)];
            killed.kill();
            let output = child.wait_with_output().unwrap();
            killed.start();
            is_made(&output)
        } else {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            // Without a key that is left it had not asked yet, or had heard the answer before it died.
            is_made(&output) || (kept(&installation) == 0 && invited(&installation, &name) == 1)
        };
        let again = || is_made(&installation.command("root", &invite).output().unwrap());
        assert!(made || (0..5).any(|_| again()), "{name}");
    }
    for round in 0..12 {
        assert_eq!(invited(&installation, &format!("w{round}")), 1, "w{round}");
    }
    assert_eq!(kept(&installation), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_and_work_on_whichever_node_is_there() {
    use rustix::process::Signal;
    let mut installation = Installation::start().await;
    let invite = ["token", "invite", "ada", "--role", "requester", "--json"];
    installation.nodes[0].signal(Signal::STOP);
    let told = installation.said("root", &invite);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    installation.nodes[0].signal(Signal::CONT);
    installation.nodes[0].kill();
    let code = told["code"].as_str().unwrap();
    installation.said("ada", &["login", "--code", code]);
    // The first address names the sign-in, although it was made elsewhere.
    let sessions = installation.nodes[0].home("ada").join("sessions");
    let first = installation.nodes[0].address.replace(':', "_");
    assert!(sessions.join(format!("{first}.json")).exists());
    installation.nodes[0].start();
    installation.nodes[1].kill();
    assert!(installation.said("ada", &["whoami"]).contains("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_good_for_every_address_of_the_installation_and_for_no_other() {
    let urls = "public_url = \"https://pc.example.com\"\nnode_urls = \"https://pc-1.example.com, https://pc-2.example.com\"";
    let server = format!("[server]\nnode = \"pc-1\"\n{urls}\n{CATALOGUE}");
    let mut node = Node::prepare(&server, POLICY);
    node.start();
    node.sign_in_root();
    let url = node.url().parse().unwrap();
    let session = Session::open(&url, &StateDir::at(node.home("root"))).unwrap();
    let token = session.tokens().unwrap().access_token;
    for (name, status) in [
        ("https://pc.example.com", 200),
        ("https://pc-1.example.com", 200),
        ("https://pc-2.example.com", 200),
        ("http://pc-2.example.com", 401),
        ("https://pc-2.example.com:7700", 401),
        ("https://pc-3.example.com", 401),
        ("https://pc.example.com,https://pc-1.example.com", 401),
    ] {
        let address = format!("{name}/v1/me");
        let proof = session.prove("GET", &address, Some(&token)).await.unwrap();
        let reply = portcullis::client::http(&url)
            .unwrap()
            .get(format!("{}/v1/me", node.url()))
            .header("host", name.split_once("//").unwrap().1)
            .header("dpop", proof)
            .header("authorization", format!("DPoP {token}"))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status().as_u16(), status, "{name}");
        assert_eq!(reply.headers()["portcullis-node"], "pc-1");
    }
}
