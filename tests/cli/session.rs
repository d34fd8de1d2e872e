//! Token files: private, shared by processes, refreshed once.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use portcullis::client::{Channel, Client, Session, StateDir};
use portcullis::wire::{Me, Problem, Refresh, SignIn, Tokens};

use crate::support::person::Person;

/// A server that knows one sign-in and rotates its tokens.
#[derive(Default)]
struct Rotation {
    number: u32,
    refreshed: HashSet<String>,
    reused: u32,
}

type Shared = Arc<Mutex<Rotation>>;

fn me() -> Me {
    let now = chrono::DateTime::UNIX_EPOCH;
    Me {
        id: "P-0000000000".to_owned(),
        name: "ada".to_owned(),
        roles: Vec::new(),
        groups: Vec::new(),
        sign_in: "S-0000000000".to_owned(),
        how: None,
        server: "test".to_owned(),
        now,
    }
}

fn tokens(number: u32) -> Json<Tokens> {
    let at = chrono::DateTime::UNIX_EPOCH;
    Json(Tokens {
        access_token: format!("pcl_at_{number}"),
        access_expires_at: at,
        refresh_token: format!("pcl_rt_{number}"),
        refresh_expires_at: at,
        me: me(),
    })
}

fn refused(code: &str) -> (StatusCode, Json<Problem>) {
    let problem = Problem {
        span: None,
        suggestion: None,
        policy: None,
        digest: None,
        ways: None,
        max_age: None,
        kind: String::new(),
        status: 401,
        code: code.to_owned(),
        title: code.to_owned(),
        hint: None,
        instance: String::new(),
    };
    (StatusCode::UNAUTHORIZED, Json(problem))
}

async fn sign_in(State(shared): State<Shared>, Json(_): Json<SignIn>) -> Json<Tokens> {
    tokens(shared.lock().unwrap().number)
}

async fn refresh(
    State(shared): State<Shared>,
    Json(body): Json<Refresh>,
) -> Result<Json<Tokens>, (StatusCode, Json<Problem>)> {
    let mut rotation = shared.lock().unwrap();
    if !rotation.refreshed.insert(body.refresh_token) {
        rotation.reused += 1;
        return Err(refused("not-signed-in"));
    }
    rotation.number += 1;
    Ok(tokens(rotation.number))
}

async fn whoami(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<Me>, (StatusCode, Json<Problem>)> {
    let number = shared.lock().unwrap().number;
    // Number 0 is too old from the start.
    let good = number > 0 && headers["authorization"] == format!("DPoP pcl_at_{number}").as_str();
    if good {
        Ok(Json(me()))
    } else {
        Err(refused("token-expired"))
    }
}

async fn server() -> (String, Shared) {
    let shared = Shared::default();
    let router = Router::new()
        .route("/v1/sign-in", post(sign_in))
        .route("/v1/tokens/refresh", post(refresh))
        .route("/v1/me", get(whoami))
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, shared)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_with_an_old_token_refresh_it_once() {
    let (url, shared) = server().await;
    let ada = Person::at(&url);
    ada.does(&["login", "--code", "x"]).await;
    let all = (0..8).map(|_| ada.run(&["whoami"]));
    for ran in futures_util::future::join_all(all).await {
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let rotation = shared.lock().unwrap();
    assert_eq!((rotation.refreshed.len(), rotation.reused), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_of_one_process_refresh_it_once() {
    let (url, shared) = server().await;
    let home = tempfile::tempdir().unwrap();
    for session in [
        Session::in_memory(&url.parse().unwrap()),
        Session::open(
            &url.parse().unwrap(),
            &StateDir::at(home.path().join("state")),
        )
        .unwrap(),
    ] {
        *shared.lock().unwrap() = Rotation::default();
        let client = Client::new(session, Channel::Tui).unwrap();
        client.sign_in("x", None, None).await.unwrap();
        let calls = (0..20).map(|_| client.me());
        for answer in futures_util::future::join_all(calls).await {
            answer.unwrap();
        }
        let rotation = shared.lock().unwrap();
        assert_eq!((rotation.refreshed.len(), rotation.reused), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_lie_in_a_private_file_or_are_not_used() {
    let (url, _) = server().await;
    let ada = Person::at(&url);
    ada.does(&["login", "--code", "x"]).await;
    let folder = ada.home().join("state/sessions");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&ada.home().join("state")), mode(&folder)),
        (0o700, 0o700)
    );
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let file = files
        .iter()
        .find(|path| path.extension().is_some_and(|end| end == "json"))
        .unwrap();
    assert_eq!(mode(file), 0o600);
    assert!(
        files.iter().all(|path| mode(path) & 0o022 == 0),
        "{files:?}"
    );

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = ada.run(&["whoami"]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.err.contains("can be read by other people") && ran.err.contains("hint: run `chmod 600"),
        "{ran:?}"
    );

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(file, "{").unwrap();
    let ran = ada.run(&["whoami"]).await;
    assert!(ran.err.contains("is damaged"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_ends_the_sign_in_here_too() {
    let (url, shared) = server().await;
    let ada = Person::at(&url);
    ada.does(&["login", "--code", "x"]).await;
    shared
        .lock()
        .unwrap()
        .refreshed
        .insert("pcl_rt_0".to_owned());
    let ran = ada.run(&["whoami"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.err.contains("is over") && ran.err.contains("hint: run `portcullis login`"),
        "{ran:?}"
    );
    assert!(
        !std::fs::read_dir(ada.home().join("state/sessions"))
            .unwrap()
            .any(|entry| entry
                .unwrap()
                .path()
                .extension()
                .is_some_and(|end| end == "json"))
    );
}
